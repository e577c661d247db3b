# SPDX-License-Identifier: GPL-2.0-only
"""Zones and conduits on a gateway between an IT and a cell network: what is listed gets
through with what comes back for it, every other way is closed. Applications and the far
NIC are the judges.
"""
import json
import pathlib
import socket
import struct
import tempfile
import time

import enip_wire as w
import raw_tcp
from kit import abort, cases, equal, no_writes, read_registers, write_register
from ks import BINARY, Keyswitch, events
from plant import ROOT, Plant, run, wait_for
from test_io import Originator
from zonekit import (OPEN, POLICY, App, Ends, addresses, ask, icmp_packet, ip, ping, stopped, talk,
                     tcp, tcp_open, transport, udp)

WAYS = (("router", 4), ("router", 6), ("wire", 4), ("wire", 6))
DGRAM = socket.SOCK_DGRAM


def apps(plant, family):
    client, server, *_ = addresses(plant, family)
    made = {}
    for port in (8443, 8000, 8010, 8011, 80):
        made["s", "tcp", port] = App(plant, plant.server, server, port)
    for port in (8883, 8443):
        made["c", "tcp", port] = App(plant, plant.client, client, port)
    for port in (1123, 1124):
        made["s", "udp", port] = App(plant, plant.server, server, port, DGRAM)
    for port in (1514, 1123):
        made["c", "udp", port] = App(plant, plant.client, client, port, DGRAM)
    return made


def listed(plant, family):
    """Every conduit, with what comes back."""
    client, server, raw, _ = addresses(plant, family)
    for port in (8443, 8000, 8010):
        sock = tcp_open(plant, plant.client, server, port, client)
        equal(talk(sock) if sock else None, b"again:hello", f"tcp/{port} into the cell")
        sock.close()
    sock = tcp_open(plant, plant.server, client, 8883, server)
    equal(talk(sock) if sock else None, b"again:hello", "tcp/8883 out of the cell")
    sock.close()
    equal(ask(plant, plant.client, server, 1123, client), b"again:hello", "udp/1123 into the cell")
    equal(ask(plant, plant.server, client, 1514, server), b"again:hello", "udp/1514 out of the cell")
    assert ping(plant, plant.client, server, client), "ping into the cell"


def unlisted(plant, family, made):
    """What no conduit lists, from honest sockets."""
    client, server, _, outside = addresses(plant, family)
    rows = [("client", server, 80, client), ("client", server, 8011, client),
            ("client", server, 8443, outside), ("server", client, 8443, server),
            ("server", client, 80, server)]
    for ns, host, port, source in rows:
        equal(tcp_open(plant, getattr(plant, ns), host, port, source), None,
              f"tcp/{port} from {source}")
    equal(ask(plant, plant.client, server, 1124, client), None, "udp/1124")
    equal(ask(plant, plant.server, client, 1123, server), None, "udp/1123 the other way")
    assert not ping(plant, plant.server, client, server), "ping out of the cell"
    assert not ping(plant, plant.client, server, outside), "ping from no zone"
    for key, app in made.items():
        if key in (("s", "tcp", 80), ("s", "tcp", 8011), ("c", "tcp", 8443),
                   ("s", "udp", 1124), ("c", "udp", 1123)):
            equal(app.read, [], f"what {key} read")


@cases(*WAYS, weight=5)
def test_conduits(mode, family):
    with Plant(mode) as plant:
        log = plant.modbus_server()
        made = apps(plant, family)
        ks = Keyswitch(plant, POLICY).attach(adopt="off")
        client, server, _, outside = addresses(plant, family)
        listed(plant, family)
        unlisted(plant, family, made)
        sock = tcp_open(plant, plant.client, server, 502, client)
        sock.sendall(read_registers())
        equal(len(sock.recv(100)), 11, "answer to a read")
        sock.sendall(write_register())
        try:
            equal(sock.recv(100), b"", "answer to a write")
        except ConnectionResetError:
            pass
        equal(tcp_open(plant, plant.client, server, 502, outside), None, "a read from no zone")
        no_writes(log)
        equal(log.count(function=3), 1, "reads at the server")
        for reason in ("zone_unknown", "conduit_none", "policy_deny", "conduit_reply"):
            assert ks.reason(reason), (reason, ks.counters()["packets"])
        conduits = {row["conduit"]: row for row in ks.counters()["conduits"]}
        assert conduits["web"]["opened"] >= 5 and conduits["push"]["opened"] == 2, conduits
        assert conduits["web"]["packets"] > conduits["web"]["opened"], conduits
        ks.balance()


# ---- other ways ----

def fragments(mark, src, dst, proto):
    """A datagram of an allowed conduit in two pieces."""
    data = mark + bytes(64)
    head = struct.pack(">HHHH", 4000, 1123, 8 + len(data), 0)
    whole = transport(src, dst, proto, head, data, 6)
    if ":" in src:
        def piece(at, more):
            return struct.pack(">BBHI", proto, 0, at | more, 7)
        return (ip(src, dst, 44, whole[:40], extension=piece(0, 1)),
                ip(src, dst, 44, whole[40:] + mark, extension=piece(40, 0)))
    return (ip(src, dst, proto, whole[:40], frag=0x2000),
            ip(src, dst, proto, whole[40:] + mark, frag=5))


def from_client(ends):
    """name -> (mark, packet, how): what the cell must not get."""
    c, s, raw, out = ends.client, ends.server, ends.raw, ends.outside
    v6 = ends.family == 6
    elsewhere = "fd91:2::40" if v6 else "10.91.2.40"
    rows = {}

    def row(name, make, **how):
        mark = ends.mark()
        rows[name] = (mark, make(mark), how)

    row("another udp port", lambda m: udp(c, s, 4001, 1125, m))
    row("syn with another port", lambda m: tcp(c, s, 4001, 22, raw_tcp.SYN, m))
    row("segment of no connection", lambda m: tcp(c, s, 4001, 8443, raw_tcp.ACK, m))
    row("syn-ack of no connection", lambda m: tcp(c, s, 8883, 4001, 0x12, m))
    row("rst of no connection", lambda m: tcp(c, s, 4001, 8443, raw_tcp.RST, m))
    row("datagram as reply to nothing", lambda m: udp(c, s, 1514, 4001, m))
    row("source in no zone", lambda m: udp(out, s, 4001, 1123, m))
    row("source of the cell", lambda m: udp(elsewhere, s, 4001, 1123, m))
    row("source of the controller", lambda m: udp(s, s, 4001, 1123, m))
    row("modbus to no asset", lambda m: udp(c, elsewhere, 4001, 502, m))
    row("tunnel in ip", lambda m: ip(c, s, 41 if v6 else 4, udp(c, s, 4001, 1123, m)))
    row("gre", lambda m: ip(c, s, 47, struct.pack(">HH", 0, 0x0800) + udp(c, s, 1, 1123, m)))
    row("vxlan", lambda m: udp(c, s, 4001, 4789, bytes(8) + m))
    row("sctp", lambda m: ip(c, s, 132, m + bytes(20)))
    row("unreachable about nothing", lambda m: icmp_packet(
        c, s, 1 if v6 else 3, 3, bytes(4), udp(s, c, 5000, 5001, m)))
    row("unreachable quoting another's", lambda m: icmp_packet(
        c, s, 1 if v6 else 3, 3, bytes(4), udp(elsewhere, c, 5000, 5001, m)))
    row("echo reply to nothing", lambda m: icmp_packet(
        c, s, 129 if v6 else 0, 0, struct.pack(">HH", 99, 1), m))
    row("redirect", lambda m: icmp_packet(c, s, 137 if v6 else 5, 0, bytes(4), m))
    row("timestamp", lambda m: icmp_packet(c, s, 139 if v6 else 13, 0, bytes(4), m))
    row("snap", lambda m: b"\xaa\xaa\x03\0\0\0\x08\0" + udp(c, s, 4001, 1123, m), kind=60)
    row("three tags", lambda m: struct.pack(">HH", 5, 0x86DD if v6 else 0x0800)
        + udp(c, s, 4001, 1123, m), vlans=(3, 4), kind=0x8100)
    if v6:
        row("echo behind router alert", lambda m: ip(c, s, 0, transport(
            c, s, 58, struct.pack(">BBHHH", 128, 0, 0, 7, 1), m, 2),
            extension=bytes.fromhex("3a00050200000100")))
        row("routing header", lambda m: ip(c, s, 43, udp(c, s, 4001, 1123, m)[40:],
                                           extension=bytes.fromhex("1100040000000000")))
    for number, piece in enumerate(fragments(b"MARKpiece!", c, s, 17)):
        rows[f"fragment {number}"] = (b"MARKpiece!", piece, {})
    return rows


def from_server(ends):
    c, s = ends.client, ends.server
    v6 = ends.family == 6
    rows = {}

    def row(name, make, **how):
        mark = ends.mark()
        rows[name] = (mark, make(mark), how)

    row("another udp port", lambda m: udp(s, c, 4001, 1515, m))
    row("syn to a port of the other way", lambda m: tcp(s, c, 4001, 8443, raw_tcp.SYN, m))
    row("syn from modbus", lambda m: tcp(s, c, 502, 4001, raw_tcp.SYN, m))
    row("segment of no connection", lambda m: tcp(s, c, 4001, 8883, raw_tcp.ACK, m))
    row("segment from modbus", lambda m: tcp(s, c, 502, 4001, raw_tcp.ACK, m))
    row("datagram from modbus", lambda m: udp(s, c, 502, 4001, m))
    row("datagram as reply to nothing", lambda m: udp(s, c, 1123, 4001, m))
    row("source of it", lambda m: udp(ends.raw, c, 4001, 1514, m))
    row("source in no zone", lambda m: udp(ends.outside, c, 4001, 1514, m))
    row("tunnel in ip", lambda m: ip(s, c, 41 if v6 else 4, udp(s, c, 4001, 1514, m)))
    row("unreachable about nothing", lambda m: icmp_packet(
        s, c, 1 if v6 else 3, 3, bytes(4), udp(c, s, 5000, 5001, m)))
    row("snap", lambda m: b"\xaa\xaa\x03\0\0\0\x08\0" + udp(s, c, 4001, 1514, m), kind=60)
    row("implicit data of no connection", lambda m: udp(s, c, 2222, 2222, w.cyclic(7, 1, m)))
    for number, piece in enumerate(fragments(b"MARKpiece?", s, c, 17)):
        rows[f"fragment {number}"] = (b"MARKpiece?", piece, {})
    return rows


@cases(*WAYS, weight=3)
def test_other_ways(mode, family):
    """Forged, cut, wrapped and unasked packets; none comes out of the far NIC."""
    with Plant(mode) as plant:
        ks = Keyswitch(plant, POLICY).attach(adopt="off")
        ends = Ends(plant, family)
        stopped(ends, "cs", from_client(ends))
        stopped(ends, "sc", from_server(ends))
        for reason in ("spoofed", "zone_unknown", "tunnel", "conduit_none", "conduit_no_flow",
                       "icmp_unknown", "ipv6_extension" if family == 6 else "zone_fragment"):
            assert ks.reason(reason), (reason, ks.counters()["packets"])
        ends.close()
        ks.balance()


@cases(("wire", 4), ("wire", 6))
def test_other_ways_would_arrive(mode, family):
    """The same frames with monitor: all of them come out, so the test above sees them."""
    with Plant(mode) as plant:
        ks = Keyswitch(plant, POLICY + "mode: monitor\n").attach()
        ends = Ends(plant, family)
        for way, rows in (("cs", from_client(ends)), ("sc", from_server(ends))):
            equal([n for n, did in ends.arrive(way, rows, control=False).items() if not did], [],
                  f"frames that did not come out, {way}")
        assert ks.packets(reason="conduit_none", action="pass"), ks.counters()["packets"]
        equal(ks.packets(action="drop"), 0, "packets dropped")
        ends.close()
        ks.balance()


# ---- ICMP errors, path MTU ----

def error_rows(ends, port):
    """Errors about the UDP conversation client:port <-> server:1123, from a router."""
    c, s, v6 = ends.client, ends.server, ends.family == 6
    hop = "fd91:99::1" if v6 else "10.91.99.1"
    kinds = {"too big": (2, 0) if v6 else (3, 4), "time exceeded": (3, 0) if v6 else (11, 0)}
    asked, answer = udp(c, s, port, 1123, b""), udp(s, c, 1123, port, b"")
    return {name: ((hop, c, kind, asked), (hop, s, kind, answer))
            for name, kind in kinds.items()}


@cases(*WAYS)
def test_icmp_errors(mode, family):
    """About a known conversation they pass to its side, from any router; else not."""
    with Plant(mode) as plant:
        ks = Keyswitch(plant, POLICY).attach(adopt="off")
        ends = Ends(plant, family)
        ends.c.send(udp(ends.client, ends.server, 4100, 1123, b"opens"))
        ends.control("cs")
        for port, passes in ((4100, True), (4200, False)):
            for name, (to_client, to_server) in error_rows(ends, port).items():
                for way, (src, dst, kind, quoted) in (("sc", to_client), ("cs", to_server)):
                    mark = ends.mark()
                    packet = icmp_packet(src, dst, *kind, struct.pack(">HH", 0, 1280), quoted + mark)
                    equal(ends.arrive(way, {name: (mark, packet, {})}), {name: passes},
                          f"{name} about port {port}, {way}")
        # the ends themselves say "port unreachable" to the control packets
        assert ks.reason("icmp_error") >= 4, ks.counters()["packets"]
        equal(ks.reason("icmp_unknown"), 4, "errors about nothing")
        ends.close()
        ks.balance()


# ---- bound hosts ----

BOUND = POLICY.replace("assets:", """\
hosts:
  office:
    address: [{p.client4}, "{p.client6}"]
    mac: ["02:00:00:00:aa:01", "02:00:00:00:aa:02"]
    vlan: [0, 10]
assets:""").replace("it: [{p.client4}, \"{p.client6}\", ", "it: [office, ")
GOOD, BAD = bytes.fromhex("02000000aa02"), bytes.fromhex("02000000aa03")


@cases((4,), (6,))
def test_bound_hosts(family):
    """A bound address passes from its MACs and VLANs alone, with zones and without."""
    with Plant("wire") as plant:
        ks = Keyswitch(plant, BOUND).attach(adopt="off")
        ends = Ends(plant, family)
        plain = BOUND[:BOUND.index("zones:")]
        for text in (BOUND, plain):
            ks.cmd("apply", ks.write_policy("next.yaml", text))
            rows, want = {}, {}
            for name, how, comes in (
                    ("its MAC", {"smac": GOOD}, True),
                    ("another MAC", {"smac": BAD}, False),
                    ("its VLAN", {"smac": GOOD, "vlans": (10,)}, True),
                    ("another VLAN", {"smac": GOOD, "vlans": (11,)}, False),
                    ("two tags", {"smac": GOOD, "vlans": (10, 10)}, False)):
                mark = ends.mark()
                rows[name] = (mark, udp(ends.client, ends.server, 4000, 1123, mark), how)
                want[name] = comes
                mark = ends.mark()
                syn = tcp(ends.client, ends.server, 4300 + len(rows), 502, raw_tcp.SYN)
                rows["modbus, " + name] = (syn[-20:-16], syn, how)
                want["modbus, " + name] = comes
            # raw is not bound
            mark = ends.mark()
            rows["last"] = (mark, udp(ends.raw, ends.server, 4000, 1123, mark), {})
            for mark, packet, how in rows.values():
                ends.c.send(packet, **how)
            wait_for(lambda rows=rows: ends.s.hears(rows["last"][0]), "the control packet")
            equal({n: ends.s.hears(rows[n][0]) for n in want}, want, "what came out")
            ends.s.heard.clear()
        equal((ks.reason("host_mac"), ks.reason("host_vlan")), (4, 8), "refused")
        ends.close()
        ks.balance()


# ---- running connections ----

@cases(("router", 4, "audit"), ("wire", 6, "audit"), ("wire", 4, "off"))
def test_zones_on_running_connections(mode, family, adopt):
    """Zones come into force: connections of conduits go on with `audit`, either side first."""
    with Plant(mode) as plant:
        made = apps(plant, family)
        client, server, *_ = addresses(plant, family)
        ks = Keyswitch(plant, OPEN).attach(adopt=adopt)
        web = tcp_open(plant, plant.client, server, 8443, client)
        push = tcp_open(plant, plant.server, client, 8883, server)
        other = tcp_open(plant, plant.client, server, 80, client)
        equal([talk(web), talk(push), talk(other)], [b"again:hello"] * 3, "before")
        ks.cmd("apply", ks.write_policy("next.yaml", POLICY))
        for sock in (web, push, other):
            sock.settimeout(0.7)
        goes = b"again:more" if adopt == "audit" else b""
        equal([talk(web, b"more"), talk(push, b"more")], [goes] * 2, "of conduits, after")
        equal(talk(other, b"more"), b"", "of no conduit, after")
        equal(made["s", "tcp", 80].read, [b"hello"], "what port 80 read")
        for sock in (web, push, other):
            abort(sock)
        ks.balance()


@cases(("router", 6), ("wire", 4))
def test_swap(mode, family):
    """A policy without a conduit ends its connections, the others do not notice."""
    with Plant(mode) as plant:
        made = apps(plant, family)
        client, server, *_ = addresses(plant, family)
        ks = Keyswitch(plant, POLICY).attach(adopt="off")
        kept = tcp_open(plant, plant.client, server, 8443, client)
        ended = tcp_open(plant, plant.client, server, 8000, client)
        push = tcp_open(plant, plant.server, client, 8883, server)
        equal([talk(kept), talk(ended), talk(push)], [b"again:hello"] * 3, "before")
        plant.modbus_server()
        equal(plant.mb_client("-b", client, "-q", "-n", 5, server, 3, 0, 1)[0], 0, "reads")
        fewer = POLICY.replace("tcp/8000..8010, ", "").replace("  push:", "  pushed:")
        ks.cmd("apply", ks.write_policy("next.yaml", fewer))
        equal(ks.requests(), 5, "counted requests, no asset has another number")
        ended.settimeout(0.7)
        equal(talk(ended, b"more"), b"", "of a conduit that is gone")
        equal(made["s", "tcp", 8000].read, [b"hello"], "what port 8000 read")
        equal(talk(kept, b"more"), b"again:more", "of one that is still there")
        equal(talk(push, b"more"), b"again:more", "of one that has another name now")
        assert ks.reason("conduit_changed"), ks.counters()["packets"]
        equal(tcp_open(plant, plant.client, server, 8000, client), None, "anew")
        for sock in (kept, ended, push):
            abort(sock)
        ks.balance()


@cases(("off",), ("audit",))
def test_taken_over_since_in_force(adopt):
    """The time to take connections over begins when zones come into force: not while their
    policy was in the shadow, and again after a trial without zones."""
    def left():
        return ks.json("status")["segmentation"]["taking_over"]

    with Plant("wire") as plant:
        ks = Keyswitch(plant, OPEN).attach(adopt=adopt)
        ks.cmd("shadow", ks.write_policy("next.yaml", POLICY))
        time.sleep(3)
        ks.cmd("promote")
        equal(left() >= 598, adopt == "audit", "ten minutes from the promotion on")
        equal(left() > 0, adopt == "audit", "any time")
        time.sleep(3)
        ks.cmd("apply", ks.policy, "--confirm", "5s")
        equal(left(), 0, "without zones")
        wait_for(lambda: ks.json("status")["segmentation"]["on"], "the end of the trial", 8)
        equal(left() >= 597, adopt == "audit", "ten minutes from the end of the trial on")
        ks.balance()


# ---- the table ----

SMALL = POLICY.replace("conduit_flows: 4096", "conduit_flows: 64, conduit_flows_per_client: 40")


@cases((4,), (6,))
def test_full_table(family):
    """One client has its quota; a full table refuses what is new and keeps what runs."""
    with Plant("wire") as plant:
        made = apps(plant, family)
        client, server, *_ = addresses(plant, family)
        ks = Keyswitch(plant, SMALL).attach(adopt="off")
        ends = Ends(plant, family)
        live = tcp_open(plant, plant.client, server, 8443, client)
        equal(talk(live), b"again:hello", "before")

        def flood(source, first, count):
            for port in range(first, first + count):
                ends.c.send(udp(source, server, port, 1123, b"flood"))

        flood(client, 10000, 60)
        wait_for(lambda: ks.reason("conduit_quota"), "the quota")
        equal(ks.reason("conduit_quota"), 60 - 39, "refused of one client")
        flood(ends.raw, 10000, 39)
        wait_for(lambda: ks.reason("conduit_full"), "a full table")
        use = ks.json("status")["segmentation"]
        equal((use["connections"], use["limit"]), (64, 64), "entries")
        equal(tcp_open(plant, plant.server, client, 8883, server), None, "new, in a full table")
        equal(talk(live, b"more"), b"again:more", "what ran before")
        equal(len(made["s", "tcp", 8443].read), 2, "pieces that its server read")
        abort(live)
        ends.close()
        ks.balance()


# ---- replies of OT ----

IO = POLICY.replace("zones:", """\
rules:
  - name: cyclic
    from: [{p.client4}, "{p.client6}"]
    to: plc
    io: run
zones:""")


@cases(("wire", 4), ("router", 6))
def test_replies_of_requests(mode, family):
    """Answers to datagrams and what a CIP connection produces get back, nothing else."""
    with Plant(mode) as plant:
        plant.enip_target()
        ks = Keyswitch(plant, IO).attach(adopt="off")
        client, server, *_ = addresses(plant, family)
        identity = ask(plant, plant.client, server, 44818, client, w.encap(w.LIST_IDENTITY))
        assert identity and identity[:2] == b"\x63\0", identity
        ends = Ends(plant, family)
        scanner = Originator(plant, server)
        scanner.send()
        rows = {}
        for name, conn in (("its connection", scanner.to_id), ("another", scanner.to_id + 1)):
            mark = ends.mark()
            rows[name] = (mark, udp(server, client, 2222, 2222, w.cyclic(conn, 1, mark)), {})
        equal(ends.arrive("sc", rows), {"its connection": True, "another": False},
              "data from the target")
        scanner.tcp.ucmm(w.forward_close(scanner.serial))
        mark = ends.mark()
        late = udp(server, client, 2222, 2222, w.cyclic(scanner.to_id, 2, mark))
        equal(ends.arrive("sc", {"late": (mark, late, {})}), {"late": False}, "after the close")
        assert ks.reason("io_data") == 1, ks.counters()["packets"]
        scanner.end()
        ends.close()
        ks.balance()


@cases((4,))
def test_event_names_zones(family):
    with Plant("wire") as plant:
        ks = Keyswitch(plant, POLICY).attach(adopt="off")
        _, path = ks.serve()
        client, server, *_ = addresses(plant, family)
        ask(plant, plant.client, server, 1124, client, timeout=0.1)
        ask(plant, plant.client, server, 1123, plant.other4, timeout=0.1)
        wait_for(lambda: len(events(path)) >= 2, "two events")
        got = [(e["keyswitch"]["reason"], e["keyswitch"]["from_zone"], e["keyswitch"]["to_zone"])
               for e in events(path)]
        equal(got, [("conduit_none", "it", "cell"), ("zone_unknown", "none", "cell")], "events")
        assert 'keyswitch_conduit_packets_total{conduit="web"}' not in ks.metrics_text()
        equal(ask(plant, plant.client, server, 1123, client, timeout=0.1), None, "nobody listens")
        assert 'keyswitch_conduit_opened_total{conduit="web"} 1' in ks.metrics_text()
        ks.balance()


# ---- commands ----

SEGMENTED = ROOT / "policy" / "segmented.yaml"
ENGINEER, PRESS = ("--from", "engineer"), ("--to", "press")
ASKED = (
    ((*ENGINEER, *PRESS, "--proto", "tcp", "--port", "443"),
     {"verdict": "allow", "reason": "conduit", "conduit": "maintenance", "from_zone": "office",
      "to_zone": "cell", "bound": "MAC 02:00:5e:10:00:20; VLAN 0"}),
    ((*ENGINEER, *PRESS, "--proto", "icmp"), {"verdict": "allow", "conduit": "maintenance"}),
    ((*ENGINEER, *PRESS, "--proto", "udp", "--port", "123"),
     {"verdict": "deny", "reason": "conduit_none", "conduit": None}),
    (("--from", "press", "--to", "engineer", "--proto", "tcp", "--port", "443"),
     {"verdict": "deny", "reason": "conduit_none"}),
    (("--from", "press", "--to", "broker", "--proto", "tcp", "--port", "8883"),
     {"verdict": "allow", "conduit": "time-and-logs"}),
    (("--from", "10.9.9.9", *PRESS, "--proto", "tcp", "--port", "443"),
     {"verdict": "deny", "reason": "zone_unknown", "from_zone": "none"}),
    ((*ENGINEER, *PRESS, "--proto", "tcp", "--port", "502"), {"verdict": "rules"}),
    ((*ENGINEER, *PRESS, "--proto", "udp", "--port", "4789"), {"reason": "tunnel"}),
    ((*ENGINEER, "--to", "10.2.0.1", "--proto", "tcp", "--port", "22"), {"reason": "local"}),
)
WRONG = (
    (("--proto", "tcp"), "expected --port N beside --proto tcp"),
    (("--proto", "sctp", "--port", "1"), "'sctp', expected 'tcp', 'udp' or 'icmp'"),
    (("--proto", "icmp", "--port", "1"), "given beside --proto icmp"),
    (("--proto", "tcp", "--port", "65536"), "'65536', expected a port (1 to 65535)"),
    (("--port", "1"), "expected --proto tcp or udp"),
    (("--proto", "tcp", "--port", "1", "--function", "3"), "asks for a connection and no request"),
)


def test_explain():
    """Which conduit, in both forms; and what is no question."""
    for argv, want in ASKED:
        got = json.loads(run(BINARY, "--json", "explain", SEGMENTED, *argv).stdout)
        equal({key: got.get(key) for key in want}, want, f"explain {argv}")
        text = run(BINARY, "explain", SEGMENTED, *argv).stdout
        begins = {"allow": "allowed: ", "deny": "denied: ", "rules": "asked of the rules: "}
        assert text.startswith(begins[got["verdict"]]), text
    for argv, want in WRONG:
        done = run(BINARY, "explain", SEGMENTED, *ENGINEER, *PRESS, *argv, check=False)
        assert done.returncode in (2, 64) and want in done.stderr, (argv, done)
    done = run(BINARY, "explain", SEGMENTED, "--from", "enginer", *PRESS, "--proto", "icmp",
               check=False)
    assert done.returncode == 2 and "'enginer', expected a single address" in done.stderr, done


def test_diff():
    """What becomes open and closed, and who moves."""
    with tempfile.TemporaryDirectory() as tmp:
        other = pathlib.Path(tmp) / "other.yaml"
        text = SEGMENTED.read_text(encoding="utf-8")
        other.write_text(text.replace("broker: 10.1.0.31", "broker: 10.1.0.32")
                         .replace("tcp/8000-8010, icmp", "tcp/8000-8005")
                         .replace("vlan: 0", "vlan: 7").replace("time-and-logs", "renamed"),
                         encoding="utf-8")
        done = run(BINARY, "diff", SEGMENTED, other, check=False)
        equal(done.returncode, 1, "exit")
        lines = done.stdout.splitlines()
        for line in ("zone of 10.1.0.31: servers -> office", "zone of 10.1.0.32: office -> servers",
                     "office -> cell tcp/8006-8010: allowed by conduit 'maintenance' -> denied",
                     "office -> cell icmp: allowed by conduit 'maintenance' -> denied",
                     "office, now servers -> cell tcp/443: allowed by conduit 'maintenance' -> denied",
                     "source of 10.1.0.20: MAC 02:00:5e:10:00:20; VLAN 0 -> "
                     "MAC 02:00:5e:10:00:20; VLAN 7"):
            assert line in lines, (line, done.stdout)
        assert not any(line.startswith("cell -> servers ") for line in lines), done.stdout
        other.write_text(text.replace("time-and-logs", "renamed"), encoding="utf-8")
        equal(run(BINARY, "diff", SEGMENTED, other).stdout, "no difference\n", "another name")
