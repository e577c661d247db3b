# SPDX-License-Identifier: GPL-2.0-only
"""A plant with zones: its policy, applications on both sides, frames of any form, and
ears on both ends.

The judge is what an application read or what came out of the far NIC; the ears hear a
control packet last, so nothing hangs on a pause.
"""
import ipaddress
import socket
import struct
import threading

import raw_tcp
from plant import CLIENT_NIC, PORT_C, PORT_S, SERVER_NIC, PlantError, netns, wait_for

# other4 and other6 are in no zone
POLICY = """\
version: 1
default: readonly
limits: {{flows: 4096, modbus_rings: 1024, enip_rings: 256, conduit_flows: 4096}}
assets:
  plc: [{p.server4}, "{p.server6}"]
zones:
  it: [{p.client4}, "{p.client6}", {p.raw4}, "{p.raw6}"]
  cell: [plc, 10.91.2.40, "fd91:2::40"]
conduits:
  web: {{from: it, to: cell, services: [tcp/8443, udp/1123, tcp/8000..8010, icmp]}}
  push: {{from: cell, to: it, services: [tcp/8883, udp/1514]}}
"""
# what only lets everything by, to see that a frame would arrive
OPEN = """\
version: 1
default: allow
other: allow
assets:
  plc: [{p.server4}, "{p.server6}"]
"""


def addresses(plant, family):
    """(client, server, client of the raw sockets, client in no zone)"""
    return (plant.client6, plant.server6, plant.raw6, plant.other6) if family == 6 else \
        (plant.client4, plant.server4, plant.raw4, plant.other4)


def inet(host):
    return socket.AF_INET6 if ":" in str(host) else socket.AF_INET


class App(threading.Thread):
    """An application that keeps what it reads and answers `again:` and the same."""

    def __init__(self, plant, ns, host, port, kind=socket.SOCK_STREAM):
        super().__init__(daemon=True)
        self.kind, self.read, self.sock = kind, [], plant.socket(ns, inet(host), kind)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            self.sock.listen(64)
        self.start()

    def run(self):
        while True:
            if self.kind == socket.SOCK_STREAM:
                threading.Thread(target=self.serve, args=self.sock.accept(), daemon=True).start()
                continue
            data, peer = self.sock.recvfrom(65536)
            self.read.append(data)
            self.sock.sendto(b"again:" + data, peer)

    def serve(self, sock, _):
        try:
            while data := sock.recv(65536):
                self.read.append(data)
                sock.sendall(b"again:" + data)
        except OSError:
            pass


def tcp_open(plant, ns, host, port, source, timeout=0.7):
    """A connection, or None when nothing answers."""
    sock = plant.socket(ns, inet(host))
    sock.settimeout(timeout)
    sock.bind((source, 0))
    try:
        sock.connect((host, port))
    except OSError:
        sock.close()
        return None
    sock.settimeout(2)
    return sock


def talk(sock, data=b"hello"):
    """What is answered on a connection; empty when nothing is."""
    try:
        sock.sendall(data)
        return sock.recv(65536)
    except OSError:
        return b""


def ask(plant, ns, host, port, source, data=b"hello", timeout=0.7):
    """The answer to one datagram, or None."""
    with plant.socket(ns, inet(host), socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.bind((source, 0))
        sock.sendto(data, (host, port))
        try:
            return sock.recv(65536)
        except OSError:
            return None


def ping(plant, ns, host, source, timeout=0.7):
    """Does an echo come back?"""
    v6 = ":" in host
    proto = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with netns(ns):
        sock = socket.socket(inet(host), socket.SOCK_RAW, proto)
    with sock:
        sock.settimeout(timeout)
        sock.bind((source, 0))
        sock.sendto(echo(host, 0x4321), (host, 0))
        try:
            while True:
                got = sock.recv(65536)
                if got[0 if v6 else 20] == (129 if v6 else 0):
                    return True
        except OSError:
            return False


def echo(host, ident, reply=False, data=b""):
    """ICMP of one echo; version 6 without its checksum, which the kernel makes."""
    kind = (129 if reply else 128) if ":" in host else (0 if reply else 8)
    body = struct.pack(">BBHHH", kind, 0, 0, ident, 1) + data
    if ":" in host:
        return body
    return body[:2] + struct.pack(">H", raw_tcp.checksum(body)) + body[4:]


# ---- frames ----

def ip(src, dst, proto, payload, frag=0, hops=64, extension=b""):
    """frag: the IPv4 field; IPv6 says it by an extension header."""
    a, b = (ipaddress.ip_address(x).packed for x in (src, dst))
    if len(a) == 16:
        body = extension + payload
        return struct.pack(">IHBB", 6 << 28, len(body), proto, hops) + a + b + body
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 77, frag, hops, proto, 0) + a + b
    return head[:10] + struct.pack(">H", raw_tcp.checksum(head)) + head[12:] + payload


def transport(src, dst, proto, head, payload, at):
    """With the checksum over the pseudo header, at offset `at`."""
    a, b = (ipaddress.ip_address(x).packed for x in (src, dst))
    data = head + payload
    total = raw_tcp.checksum(a + b + struct.pack(">II", len(data), proto) + data)
    return data[:at] + struct.pack(">H", total or 0xFFFF) + data[at + 2:]


def udp(src, dst, sport, dport, payload, **how):
    head = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    return ip(src, dst, 17, transport(src, dst, 17, head, payload, 6), **how)


def tcp(src, dst, sport, dport, flags, payload=b"", seq=1000, ack=0):
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 65535, 0, 0)
    return ip(src, dst, 6, transport(src, dst, 6, head, payload, 16))


def icmp_packet(src, dst, kind, code, rest, payload, **how):
    head = struct.pack(">BBH", kind, code, 0) + rest
    if ":" in src:
        return ip(src, dst, 58, transport(src, dst, 58, head, payload, 2), **how)
    body = head + payload
    return ip(src, dst, 1, body[:2] + struct.pack(">H", raw_tcp.checksum(body)) + body[4:], **how)


class End:
    """One end of the plant for frames of our own, and what its NIC hears."""

    def __init__(self, plant, side):
        self.plant, self.side = plant, side
        self.ns, self.nic = (plant.client, CLIENT_NIC) if side == "c" else \
            (plant.server, SERVER_NIC)
        far = (plant.server, SERVER_NIC) if side == "c" else (plant.client, CLIENT_NIC)
        near = (plant.gateway, PORT_C if side == "c" else PORT_S)
        self.mac = raw_tcp.mac(plant.mac(self.ns, self.nic))
        self.next = raw_tcp.mac(plant.mac(*(near if plant.mode == "router" else far)))
        with netns(self.ns):
            self.sock = raw_tcp.open_packet(self.nic)
        self.sock.settimeout(0.2)
        self.heard, self.deaf = [], threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while not self.deaf.is_set():
            try:
                frame, _ = raw_tcp.receive_frame(self.sock)
            except TimeoutError:
                continue
            except OSError:
                return
            self.heard.append(frame)

    def send(self, packet, smac=None, vlans=(), kind=None):
        kind = kind or (0x86DD if packet[0] >> 4 == 6 else 0x0800)
        tags = b"".join(struct.pack(">HH", tpid, vid)
                        for tpid, vid in zip(raw_tcp.TPIDS.get(len(vlans), ()), vlans))
        self.sock.send(self.next + (smac or self.mac) + tags + struct.pack(">H", kind) + packet)

    def hears(self, mark):
        return any(mark in frame for frame in self.heard)


class Ends:
    """Both ends; sends marked packets one way and says which marks came out."""

    def __init__(self, plant, family):
        self.plant, self.family, self.number = plant, family, 0
        self.c, self.s = End(plant, "c"), End(plant, "s")
        self.client, self.server, self.raw, self.outside = addresses(plant, family)

    def mark(self):
        self.number += 1
        return b"MARK%06d" % self.number

    def control(self, way):
        """What is allowed goes last: when it is there, all before it had its chance."""
        mark = self.mark()
        if way == "cs":
            self.c.send(udp(self.client, self.server, 4000, 1123, mark))
        else:
            self.s.send(udp(self.server, self.client, 4000, 1514, mark))
        far = self.s if way == "cs" else self.c
        wait_for(lambda: far.hears(mark), f"the control packet, {way}")

    def arrive(self, way, packets, control=True):
        """{name: did it come out?} of {name: (mark, packet, how to send)}."""
        near, far = (self.c, self.s) if way == "cs" else (self.s, self.c)
        for mark, packet, how in packets.values():
            near.send(packet, **how)
        if control:
            self.control(way)
            return {name: far.hears(row[0]) for name, row in packets.items()}
        wait_for(lambda: all(far.hears(row[0]) for row in packets.values()) or None,
                 lambda: f"frames: {[n for n, r in packets.items() if not far.hears(r[0])]}")
        return {name: True for name in packets}

    def close(self):
        for end in (self.c, self.s):
            end.deaf.set()


def stopped(ends, way, packets):
    """None of them comes out."""
    came = [name for name, did in ends.arrive(way, packets).items() if did]
    if came:
        raise PlantError(f"came through, {way}: {came}")
