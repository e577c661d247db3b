# SPDX-License-Identifier: GPL-2.0-only
"""Where an attack happens: a plant with servers that log what they read, and
keyswitch or the uninspected wire in the gateway.

Owns the plant, the packet sockets and the record of which connection belongs to
which row.  It tells an attack nothing of what stands in the gateway, so that
guarded and control run send the same; the verdict is the oracle's alone.
"""
import contextlib
import itertools
import select
import socket
import time

import oracle
import raw_tcp
from attacker import Attacker
from ks import Keyswitch
from plant import CLIENT_NIC, PEERS, SERVER_NIC, Log, Plant, PlantError, netns, run

MODBUS, CLOSING, LIBMODBUS, ENIP, ENIP_TALKS, IO = 502, 504, 1502, 44818, 44819, 2222
DATAGRAM_ORACLES = {MODBUS: oracle.modbus_datagram, ENIP: oracle.enip_datagram, IO: oracle.io}
FORGETS = 15  # seconds: 3 and 6, if nothing was measured before
ANSWERS = 8  # the server on ENIP_TALKS answers with its bytes, so many times
CLOSE_AFTER = 12  # bytes after which the server on CLOSING closes
POLICY = """\
version: 1
default: readonly
unlisted: deny
on_deny: drop
limits:
  flows: 4096
  modbus_rings: 2048
  enip_rings: 1024
  flows_per_client: 2000
  half_open_per_client: 200
assets:
  plc:
    address: [{p.server4}, "{p.server6}"]
    modbus: {{ports: [502, 504, 1502], framing: strict}}
    enip: {{ports: [44818, 44819]}}
rules:
  - name: local
    from: [{p.raw4}, "{p.raw6}"]
    to: plc
    action: allow
    cip: {{services: [write_tag], tags: [Local]}}
"""
_ports = itertools.count(20001)
ROWS = []


class Blocked(Exception):
    """The attack did not get as far as its first step needs: that is no proof."""


class Row:
    def __init__(self, attack, name, rule, control, families, judge, sysctls):
        self.attack, self.name, self.rule, self.judge = attack, name, rule, judge
        self.control, self.families, self.sysctls = control, families, sysctls


def row(name, rule, control=True, families=(4, 6), judge=None, **sysctls):
    """Marks an attack.  control: True, it brings a denied request to the server
    where nothing inspects; or the sentence why it cannot on Linux, which the
    control run proves as well; or one of both a family.  judge: in place of the
    port's.  sysctls: of the server's namespace, net.ipv4."""
    if not isinstance(control, dict):
        control = {family: control for family in families}

    def mark(function):
        ROWS.append(Row(function, name, rule, control, families, judge, sysctls))
        return function
    return mark


class Scene:
    """One row, one family, one plant: what an attack is given."""

    def __init__(self, site, row_, family):
        self.site, self.row, self.family = site, row_, family
        self.plant = site.plant
        self.server = self.plant.server6 if family == 6 else self.plant.server4
        self.raw = self.plant.raw6 if family == 6 else self.plant.raw4
        self.ports, self.open_sockets, self.failure = [], [], None

    def port(self):
        port = next(_ports)
        self.ports.append(port)
        return port

    def client(self, port=MODBUS, iss=None, sport=None, source=None, server=None):
        """A client that has sent nothing yet."""
        with netns(self.plant.client):
            sock = raw_tcp.open_packet(CLIENT_NIC)
        self.open_sockets.append(sock)
        return Attacker(sock, self.site.macs, (source or self.raw, server or self.server),
                        (sport or self.port(), port), iss=iss)

    def open(self, port=MODBUS, iss=None, sport=None, **fields):
        """A client whose handshake stands."""
        client = self.client(port, iss, sport)
        if not client.connect(**fields):
            raise Blocked("handshake")
        return client

    def reading(self, request, port=MODBUS, iss=None, **fields):
        """A client whose first request has arrived: offset len(request) is next."""
        client = self.open(port, iss, **fields)
        client.put(0, request, options=fields.get("options", b"")[4:])
        if not client.acked(len(request)):
            raise Blocked("allowed request")
        return client

    @staticmethod
    def need(condition, what):
        if not condition:
            raise Blocked(what)

    def pause(self, seconds):
        time.sleep(seconds)

    def forgotten(self, client):
        """Waits until the server has no socket of this connection any more."""
        end = time.monotonic() + FORGETS
        peer = f"sport = :{client.dport} and dport = :{client.sport}"
        while self.plant.nsenter(self.plant.server, "ss", "-tnH", peer).stdout:
            self.need(time.monotonic() < end, "the server's socket gone")
            self.pause(0.1)

    def play(self):
        try:
            with self.site.sysctls(self.row.sysctls):
                self.row.attack(self)
        except Blocked as why:
            self.failure = f"got no further than: {why}"
        except (OSError, PlantError) as why:
            self.failure = f"{type(why).__name__}: {why}"
        finally:
            for sock in self.open_sockets:
                sock.close()

    def streams(self):
        """(oracle, bytes) of each connection or datagram of this row."""
        for port, log in self.site.logs.items():
            judge = self.row.judge or oracle.enip if port in (ENIP, ENIP_TALKS) else oracle.modbus
            found = {}
            for number, line in enumerate(log.lines()):
                if line["port"] in self.ports:
                    # a line of libmodbus is a request as it was cut out and executed
                    key = number if port == LIBMODBUS else line["conn"]
                    found[key] = found.get(key, b"") + bytes.fromhex(line["bytes"])
            yield from ((judge, data) for data in found.values())
        for port, datagrams in self.site.datagrams.items():
            judge = DATAGRAM_ORACLES[port]
            yield from ((judge, data) for source, data in datagrams if source in self.ports)

    def denied(self):
        """What the servers read that policy denies, in words."""
        return [why for judge, data in self.streams() if (why := judge(data))]


class Site(contextlib.ExitStack):
    """A plant with its servers, guarded by keyswitch or not."""

    def __init__(self, guarded):
        super().__init__()
        self.guarded, self.sockets = guarded, []

    def __enter__(self):
        super().__enter__()
        try:
            self.plant = self.enter_context(Plant())
            self.macs = (self.plant.mac(self.plant.client, CLIENT_NIC),
                         self.plant.mac(self.plant.server, SERVER_NIC))
            self.more_addresses()
            self.tunnels()
            self.serve()
            if self.guarded:
                self.keyswitch = Keyswitch(self.plant, POLICY).attach()
            else:
                self.plant.wire()
        except BaseException:
            self.close()
            raise
        return self

    def more_addresses(self):
        """Addresses of the server that policy does not know."""
        plant, self.second = self.plant, "10.91.1.11"
        plant.add_address(plant.server, SERVER_NIC, f"{self.second}/24")
        shown = plant.nsenter(plant.server, "ip", "-6", "-o", "addr", "show", "dev", SERVER_NIC,
                              "scope", "link").stdout
        self.link_local = shown.split()[3].split("/")[0]

    def tunnels(self):
        """Tunnels that end on the controller; other kinds this kernel may lack."""
        plant, self.vxlan_macs = self.plant, {}
        for port in (4789, 8472):
            nic = f"vx{port}"
            run("ip", "-n", plant.server, "link", "add", nic, "type", "vxlan", "id", "1",
                "dstport", port, "local", plant.server4, "dev", SERVER_NIC)
            run("ip", "-n", plant.server, "link", "set", nic, "up")
            self.vxlan_macs[port] = raw_tcp.mac(plant.mac(plant.server, nic))

    def serve(self):
        # a listener takes Fast Open (0x400) as it is when it begins; rows widen it
        self.sysctl("-q", "-w", "net.ipv4.tcp_fastopen=0x403")
        self.logs = {MODBUS: self.plant.byte_server(MODBUS),
                     ENIP: self.plant.byte_server(ENIP),
                     ENIP_TALKS: self.plant.byte_server(ENIP_TALKS, echo=ANSWERS),
                     LIBMODBUS: self.plant.modbus_server(LIBMODBUS),
                     CLOSING: self.closing_server()}
        self.datagrams = {port: [] for port in DATAGRAM_ORACLES}
        for port in self.datagrams:
            for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
                self.sockets.append((port, self.datagram_socket(family, address, port)))

    def datagram_socket(self, family, address, port):
        sock = self.plant.socket(self.plant.server, family, socket.SOCK_DGRAM)
        self.callback(sock.close)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        return sock

    def closing_server(self):
        log = self.plant.dir / "closing.log"
        self.plant.spawn(self.plant.server, "/usr/bin/python3", PEERS / "tcp_log_server.py",
                         "--log", log, "--port", CLOSING, "--close-after", CLOSE_AFTER)
        self.plant.listening(self.plant.server, CLOSING)
        return Log(log)

    def drain(self):
        """Takes what the UDP sockets hold."""
        for port, sock in self.sockets:
            while select.select([sock], [], [], 0)[0]:
                data, address = sock.recvfrom(65536)
                self.datagrams[port].append((address[1], data))

    @contextlib.contextmanager
    def sysctls(self, wanted):
        names = [f"net.ipv4.{name}" for name in wanted]
        if not names:
            yield
            return
        before = [self.sysctl("-n", name) for name in names]
        self.sysctl("-q", "-w", *(f"net.ipv4.{k}={v}" for k, v in wanted.items()))
        try:
            yield
        finally:
            self.sysctl("-q", "-w", *(f"{k}={v}" for k, v in zip(names, before)))

    def sysctl(self, *argv):
        return self.plant.nsenter(self.plant.server, "sysctl", *argv).stdout.strip()
