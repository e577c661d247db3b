# SPDX-License-Identifier: GPL-2.0-only
"""A TCP of our own over AF_PACKET: a client that may say anything.

Owns sequence numbers, flags, options, checksums and up to two VLAN tags of the
frames it sends; retransmits nothing by itself.  Use it from an address that the
namespace's kernel does not own, so that the kernel does not answer for it.
"""
import ipaddress
import os
import random
import select
import socket
import struct
import time

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_QDISC_BYPASS = 3, 263, 8, 20
VLAN_VALID, TPID_VALID = 0x10, 0x40
AUXDATA = struct.Struct("=IIIHHHH")
TPIDS = {1: (0x8100,), 2: (0x88A8, 0x8100)}


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    # one's complement addition of 16-bit words is addition mod 0xFFFF
    return int.from_bytes(data, "big") % 0xFFFF ^ 0xFFFF


class Segment:
    """What a received frame says about our connection."""

    def __init__(self, vlans, seq, ack, flags, payload):
        self.vlans, self.seq, self.ack = vlans, seq, ack
        self.flags, self.payload = flags, payload

    def __repr__(self):
        return (f"Segment(vlans={self.vlans}, seq={self.seq}, ack={self.ack}, "
                f"flags={self.flags:#x}, payload={self.payload.hex()})")


def read_frame(frame, tags):
    """(source, destination, sport, dport, Segment) or None when it is no TCP."""
    tags = list(tags)
    at, kind = 14, int.from_bytes(frame[12:14], "big")
    while kind in (0x8100, 0x88A8, 0x9100):
        tags.append(int.from_bytes(frame[at:at + 2], "big") & 0xFFF)
        kind = int.from_bytes(frame[at + 2:at + 4], "big")
        at += 4
    ip = frame[at:]
    if kind == 0x0800 and ip[9] == 6:
        ip = ip[:int.from_bytes(ip[2:4], "big")]
        src, dst, tcp = ip[12:16], ip[16:20], ip[4 * (ip[0] & 15):]
    elif kind == 0x86DD and ip[6] == 6:
        ip = ip[:40 + int.from_bytes(ip[4:6], "big")]
        src, dst, tcp = ip[8:24], ip[24:40], ip[40:]
    else:
        return None
    sport, dport, seq, ack, off, flags = struct.unpack(">HHIIBB", tcp[:14])
    return src, dst, sport, dport, Segment(tags, seq, ack, flags, tcp[4 * (off >> 4):])


class RawTcp:
    """sock: an AF_PACKET socket bound to the interface (see open_packet)."""

    def __init__(self, sock, macs, addresses, ports, vlans=(), iss=None):
        self.sock, self.vlans = sock, tuple(vlans)
        self.macs = tuple(mac(text) for text in macs)
        self.src, self.dst = (ipaddress.ip_address(text).packed for text in addresses)
        self.sport, self.dport = ports
        self.snd_nxt = random.getrandbits(32) if iss is None else iss
        self.rcv_nxt = 0

    def frame(self, flags, payload=b"", **fields):
        return self.link() + self.network(self.segment(flags, payload, **fields))

    def segment(self, flags, payload=b"", seq=None, ack=None, options=b"", window=65535,
                urgent=0, bad_checksum=False, doff=None):
        """The TCP bytes; doff overrides the header length in 32-bit words."""
        seq = self.snd_nxt if seq is None else seq
        ack = self.rcv_nxt if ack is None else ack
        options += b"\1" * (-len(options) % 4)
        head = struct.pack(">HHIIBBHHH", self.sport, self.dport, seq & 0xFFFFFFFF,
                           ack & 0xFFFFFFFF, (doff or 5 + len(options) // 4) << 4, flags,
                           window, 0, urgent)
        tcp = head + options + payload
        pseudo = self.src + self.dst + struct.pack(">II", len(tcp), 6)
        total = checksum(pseudo + tcp) ^ (0x5555 if bad_checksum else 0)
        return tcp[:16] + struct.pack(">H", total) + tcp[18:]

    def link(self):
        source, destination = self.macs
        out = destination + source
        for tpid, vid in zip(TPIDS.get(len(self.vlans), ()), self.vlans):
            out += struct.pack(">HH", tpid, vid)
        return out + (b"\x08\x00" if len(self.src) == 4 else b"\x86\xdd")

    def network(self, tcp):
        if len(self.src) == 16:
            return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + self.src + self.dst + tcp
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), random.getrandbits(16),
                           0x4000, 64, 6, 0) + self.src + self.dst
        return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + tcp

    def send(self, flags, payload=b"", **fields):
        """Sends; the cursor moves only when no seq is given."""
        self.sock.send(self.frame(flags, payload, **fields))
        if "seq" not in fields:
            self.snd_nxt += len(payload) + bool(flags & SYN) + bool(flags & FIN)
            self.snd_nxt &= 0xFFFFFFFF

    def receive(self, timeout=0.5):
        """The next segment of this connection, or None."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.sock], [], [], left)[0]:
                return None
            frame, tags = receive_frame(self.sock)
            found = read_frame(frame, tags)
            if found and found[:4] == (self.dst, self.src, self.dport, self.sport):
                return found[4]
        return None

    def handshake(self, timeout=1.0):
        """True when the connection stands."""
        self.send(SYN, options=b"\x02\x04\x05\xb4")
        answer = self.receive(timeout)
        if not answer or answer.flags & (SYN | ACK) != SYN | ACK:
            return False
        self.rcv_nxt = (answer.seq + 1) & 0xFFFFFFFF
        self.send(ACK)
        return True

    def request(self, payload, size, timeout=1.0):
        """Sends one segment and acknowledges up to size bytes of answer."""
        self.send(PSH | ACK, payload)
        return self.collect(size, timeout)

    def collect(self, size, timeout=1.0):
        end, data = time.monotonic() + timeout, b""
        while len(data) < size and (left := end - time.monotonic()) > 0:
            segment = self.receive(left)
            if segment is None or segment.flags & RST:
                break
            if segment.payload and segment.seq == self.rcv_nxt:
                data += segment.payload
                self.rcv_nxt = (self.rcv_nxt + len(segment.payload)) & 0xFFFFFFFF
                self.send(ACK)
        return data

    def reset(self):
        self.send(RST | ACK)


def receive_frame(sock):
    """(frame, VLAN ids that the kernel took out of it)"""
    frame, extra, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(AUXDATA.size))
    for level, kind, data in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, _ = AUXDATA.unpack(data[:AUXDATA.size])
            if status & VLAN_VALID:
                return frame, [tci & 0xFFF]
    return frame, []


def open_packet(interface):
    """Call it inside the namespace of the interface."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((interface, ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    # past the tc programs of the plant: our frames carry their tags already
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    return sock


def source_port():
    return 20000 + (os.getpid() * 31 + random.getrandbits(12)) % 30000
