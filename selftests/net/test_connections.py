# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a connection: ended by a refused request (rule K1), judged by the
sockets that both hosts still hold; requests in pieces put together; one at a time;
connections older than the attach; tables that fill up.
"""
import json
import pathlib
import re
import socket
import sys
import time

import tcp_split
from kit import (abort, cases, equal, no_writes, read_registers, write_register,
                 write_registers)
from ks import DROPPING, READONLY, Keyswitch, events
from plant import BUILT, Plant, netns, run, wait_for

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "vectors"))
import wire  # noqa: E402  (frames by hand)

FREED = 1.0
# what the server's stack does not get, or the client never hears, for a while
LOST_DATA = "tcp dport 502 tcp flags & (psh | syn | rst) == psh drop"
LATE_ACK = "tcp sport 502 tcp flags & (syn | rst | fin) == 0 drop"
SINGLE = DROPPING.replace('  plc: [{p.server4}, "{p.server6}"]', """\
  plc:
    address: [{p.server4}, "{p.server6}"]
    modbus: {{ports: [502], framing: single}}
    enip: {{}}""")


def sockets(plant, ns, port=502):
    """Connections of the port that are held in a namespace, TIME_WAIT aside."""
    out = plant.nsenter(ns, "ss", "-Htan", f"( sport = {port} or dport = {port} )").stdout
    return [line for line in out.splitlines() if not re.match("LISTEN|TIME-WAIT", line)]


def lose(plant, hook, rule):
    """An nft rule in the server's namespace; the returned call removes it."""
    text = f"add table inet t\nadd chain inet t c {{ type filter hook {hook} priority 0; }}\n" \
           f"add rule inet t c {rule}\n"
    plant.nsenter(plant.server, "nft", "-f", "-", input=text)
    return lambda: plant.nsenter(plant.server, "nft", "delete", "table", "inet", "t")


@cases(*[(mode, family, flight, None) for mode in ("wire", "router", "bridge")
         for family in (4, 6) for flight in (0, 1, 3)],
       ("wire", 4, 1, "data"), ("router", 6, 3, "data"), ("wire", 6, 1, "ack"),
       ("bridge", 4, 3, "ack"))
def test_reset_frees_both_sockets(mode, family, flight, lost):
    """A refused write with so many requests in flight, one lost or its ACK late."""
    with Plant(mode) as plant:
        log = plant.byte_server(502)  # it answers nothing: all stays in flight
        ks = Keyswitch(plant).attach()
        server = plant.server6 if family == 6 else plant.server4
        sock = plant.connect(server, 502)
        wait_for(lambda: sockets(plant, plant.server), "the server's socket")
        undo = {"data": lambda: lose(plant, "input", LOST_DATA),
                "ack": lambda: lose(plant, "output", LATE_ACK)}.get(lost, lambda: None)()
        for number in range(flight):
            sock.sendall(read_registers(number, 1, tid=number))
        sock.sendall(write_register(tid=99))
        start = time.monotonic()
        try:
            got = sock.recv(1)
        except ConnectionResetError:
            got = None
        equal(got, None, "what the client's socket gave")
        wait_for(lambda: not sockets(plant, plant.client), "the client's socket is gone")
        wait_for(lambda: not sockets(plant, plant.server), lambda:
                 f"the server's socket is gone: {sockets(plant, plant.server)}", FREED)
        assert time.monotonic() - start < FREED, f"{time.monotonic() - start:.2f} s"
        sock.close()
        data = b"".join(bytes.fromhex(line["bytes"]) for line in log.lines())
        want = b"" if lost == "data" else b"".join(read_registers(n, 1, tid=n)
                                                   for n in range(flight))
        equal(data, want, "bytes that the server's application read")
        if undo:
            undo()
        ks.balance()
        return f"{time.monotonic() - start:.2f} s"


@cases(("wire",), ("router",))
def test_reset_costs_one_reconnect(mode):
    """libmodbus: read, refused write, again read; the server's count of sockets returns."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        before = len(sockets(plant, plant.server))
        for function, code in ((3, 0), (6, 1), (3, 0)):
            start = time.monotonic()
            got, result = plant.mb_client("-t", "2000", plant.server4, function, 10, 1)
            equal(got, code, f"exit code of function {function}: {result}")
            assert function == 3 or time.monotonic() - start < FREED, "the write hung"
        wait_for(lambda: len(sockets(plant, plant.server)) == before, "the server's sockets")
        equal(log.count(function=3), 2, "reads at the server")
        no_writes(log)
        ks.balance()


@cases()
def test_drop_says_that_others_wait():
    """on_deny: drop keeps the connection, and its event says what that means."""
    with Plant("wire") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, DROPPING).attach()
        _, path = ks.serve()
        sock = plant.connect(plant.server4, 502)
        sock.sendall(write_register())
        told = wait_for(lambda: [e for e in events(path)
                                 if e["keyswitch"]["reason"] == "policy_deny"], "the event")
        equal(told[0]["keyswitch"].get("connection"), "waits", "what the event says")
        equal(len(sockets(plant, plant.server)), 1, "sockets of the server")
        abort(sock)
        no_writes(log)


def send_in_two(plant, host, nagle):
    """ms until a read in two writes is answered, ten times on one connection."""
    sock = plant.connect(host, 502)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0 if nagle else 1)
    times = []
    for number in range(10):
        request = read_registers(number, 2, tid=number)
        start = time.monotonic()
        sock.sendall(request[:1 + number])
        sock.sendall(request[1 + number:])
        answer = tcp_split.receive(sock, 13, 2)
        times.append((time.monotonic() - start) * 1000)
        equal(answer[:2] if answer else None, request[:2], f"answer to cut {1 + number}")
    abort(sock)
    return sorted(times)


@cases(("wire", 4, False), ("wire", 6, True), ("router", 4, True), ("router", 6, False),
       ("bridge", 4, False))
def test_two_writes_are_answered_at_once(mode, family, nagle):
    """split: assemble needs no retransmission, tail loss probes off."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        plant.nsenter(plant.client, "sysctl", "-q", "-w", "net.ipv4.tcp_early_retrans=0")
        host = plant.server6 if family == 6 else plant.server4
        times = send_in_two(plant, host, nagle)
        equal(log.count(function=3), 10, "reads at the server")
        retransmitted = plant.nsenter(plant.client, "nstat", "-az", "TcpRetransSegs").stdout
        equal(re.findall(r"TcpRetransSegs\s+(\d+)", retransmitted), ["0"], "retransmissions")
        assert times[-1] < 150, times
        assert ks.reason("assembled") >= 10, ks.counters()["packets"]
        ks.balance()
        return f"{times[5]:.1f} ms median, {times[-1]:.1f} ms worst"


@cases(("wire", 4), ("router", 6))
def test_small_mtu(mode, family):
    """A client of 100 bytes MTU (IPv6: segments as small) writes sixty registers."""
    with Plant(mode) as plant:
        log = plant.byte_server(502)
        policy = READONLY + "  - {{name: all, action: allow, modbus: {{functions: [16]}}}}\n"
        ks = Keyswitch(plant, policy).attach()
        host = plant.server6 if family == 6 else plant.server4
        sock = plant.socket(plant.client, socket.AF_INET6 if family == 6 else socket.AF_INET)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
        if family == 4:
            plant.nsenter(plant.client, "ip", "link", "set", "c0", "mtu", "100")
        sock.connect((host, 502))
        requests = [write_registers(n, [n] * size, tid=n)
                    for n, size in enumerate((1, 20, 60, 100, 123))]
        for request in requests:
            sock.sendall(request)
        want = b"".join(requests)
        wait_for(lambda: sum(len(line["bytes"]) // 2 for line in log.lines()) == len(want),
                 lambda: f"{log.lines()[-3:]}", timeout=8)
        equal(b"".join(bytes.fromhex(line["bytes"]) for line in log.lines()), want, "bytes")
        assert ks.reason("assembled") >= 3, ks.counters()["packets"]
        abort(sock)
        ks.balance()


@cases((True,), (False,))
def test_one_read_server(single):
    """A device that takes one read() for one request: whole reads in one segment."""
    with Plant("wire") as plant:
        log = plant.byte_server(502, echo=True)
        ks = Keyswitch(plant, SINGLE if single else DROPPING).attach()
        sock = plant.connect(plant.server4, 502)
        # each waits for the answer before, and then for its own retransmission
        requests = b"".join(read_registers(n, 1, tid=n) for n in range(4))
        sock.sendall(requests)
        got = tcp_split.receive(sock, len(requests), 12) or b""
        abort(sock)
        sizes = {len(line["bytes"]) // 2 for line in log.lines() if line["bytes"]}
        if single:
            # the echo of a read looks like a reply of the same length
            equal(sizes, {12}, "bytes that one read() got")
            equal(got, requests, "answers")
        else:
            assert max(sizes) > 12, f"strict is no protection for it, yet {sizes}"
        ks.balance()


@cases(("audit",), ("off",), ("reset",))
def test_adoption(choice):
    """Connections older than the attach: adopted, left alone, or ended at both ends."""
    with Plant("router") as plant:
        log = plant.modbus_server()
        sock = plant.connect(plant.server4, 502)
        sock.sendall(read_registers(tid=1))
        equal(len(tcp_split.receive(sock, 11, 2) or b""), 11, "answer before the attach")
        ks = Keyswitch(plant).attach(adopt=choice)
        sock.sendall(read_registers(tid=2))
        answer = tcp_split.receive(sock, 11, 2)
        equal(len(answer or b""), 11 if choice == "audit" else 0, f"answer: {answer}")
        if choice == "audit":
            status = ks.json("status")
            equal(status["flows"]["adopted"], 1, "adopted")
            assert "the 1 adopted" in status["guarantee"], status["guarantee"]
        # the server sends nothing by itself; its own next packet would end it there
        equal(len(sockets(plant, plant.client)), 0 if choice == "reset" else 1, "sockets")
        no_writes(log)
        sock.close()


@cases()
def test_attach_without_a_choice():
    """In enforce: lists the running connections and refuses; nothing is attached."""
    with Plant("router") as plant:
        plant.modbus_server()
        sock = plant.connect(plant.server4, 502)
        poller = plant.spawn(plant.client, BUILT / "mb_client", "-q", "-i", "20000", "-n",
                             "300", plant.server4, 3, 0, 1)
        ks = Keyswitch(plant)
        wait_for(lambda: len(sockets(plant, plant.client)) == 2, "two connections")
        done = ks.cmd("attach", "--policy", ks.policy, "--inline", "kc:ks", check=False)
        equal(done.returncode, 1, done.stderr)
        assert f"{plant.client4}:" in done.stdout and f"{plant.server4}:502" in done.stdout, \
            done.stdout
        assert "--adopt" in done.stderr, done.stderr
        equal(ks.cmd("status", check=False).returncode, 1, "status")
        equal(poller.proc.poll(), None, "the poller goes on")
        poller.stop()
        abort(sock)


@cases(("wire", 4, 20000), ("router", 6, 3000), weight=5)
def test_connect_read_close(mode, family, cycles):
    """Many short connections through a small table: none is refused."""
    policy = READONLY.replace("flows: 4096", "flows: 1024").replace(
        "modbus_rings: 2048", "modbus_rings: 1024")
    with Plant(mode) as plant:
        log = plant.byte_server(502, echo=True)
        ks = Keyswitch(plant, policy).attach()
        host = plant.server6 if family == 6 else plant.server4
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        with netns(plant.client):
            for number in range(cycles):
                with socket.socket(kind) as sock:
                    sock.settimeout(10)
                    sock.connect((host, 502))
                    sock.sendall(read_registers(tid=number))
                    equal(len(sock.recv(64)), 12, f"answer {number}")
        dropped = [row for row in ks.counters()["packets"] if row["action"] == "drop"]
        equal(dropped, [], "packets dropped")
        equal(sum(bool(line["bytes"]) for line in log.lines()), cycles, "requests read")
        tracked = ks.json("status")["flows"]["tracked"]
        assert tracked <= 1024, tracked
        return f"{cycles} cycles, {tracked} entries at the end"


@cases(("wire", 4), ("router", 6))
def test_connect_and_close(mode, family, cycles=20):
    """A port check or a probe sends nothing, yet both hosts end its connection."""
    with Plant(mode) as plant:
        plant.byte_server(502)
        ks = Keyswitch(plant).attach()
        host = plant.server6 if family == 6 else plant.server4
        for _ in range(cycles):
            plant.connect(host, 502).close()
        wait_for(lambda: not sockets(plant, plant.server), "no socket left at the server")
        equal(sockets(plant, plant.client), [], "sockets of the client")
        dropped = [row for row in ks.counters()["packets"] if row["action"] == "drop"]
        equal(dropped, [], "packets dropped")
        return f"{cycles} connections without a request"


@cases()
def test_denied_writers(cycles=2500):
    """Connections ended by a refused request give back their entries too."""
    policy = READONLY.replace("flows: 4096", "flows: 1024").replace(
        "modbus_rings: 2048", "modbus_rings: 1024")
    with Plant("wire") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, policy).attach()
        for _ in range(cycles):
            sock = plant.connect(plant.server4, 502)
            sock.sendall(write_register())
            time.sleep(0.002)
            abort(sock)
        for reason in ("table_full", "ring_full", "table_reserved", "client_quota"):
            equal(ks.reason(reason), 0, reason)
        assert ks.packets(action="kill") >= cycles * 9 // 10, ks.counters()["packets"]
        no_writes(log)


def flood(plant, host, family, sources, each):
    """So many half-open connections from each of so many addresses, all of them forged."""
    mac = bytes.fromhex(plant.mac(plant.server, "s0").replace(":", ""))
    with netns(plant.client):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("c0", 0))
    for number in range(sources):
        source = f"10.91.1.{number + 100}" if family == 4 else f"fd91:1::{number + 256:x}"
        src, dst = wire.packed(source), wire.packed(host)
        for port in range(each):
            segment = wire.tcp(src, dst, 3000 + port, 502, 7 * port, 0, wire.SYN)
            sock.send(mac + wire.frame(True, source, host, 6, segment, {})[6:])
    sock.close()


@cases((4,), (6,))
def test_half_open_flood(family):
    """Forged SYNs fill the table: live connections lose nothing, a client that was there
    before still gets in, and each address is held to its cap."""
    policy = READONLY.replace("flows: 4096", "flows: 1024").replace(
        "half_open_per_client: 64", "half_open_per_client: 16")
    with Plant("wire") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, policy).attach()
        host = plant.server6 if family == 6 else plant.server4
        live = plant.connect(host, 502)
        for number in range(200):
            if number % 40 == 20:
                flood(plant, host, family, 100, 20)
            live.sendall(read_registers(tid=number))
            equal(len(tcp_split.receive(live, 11, 2) or b""), 11, f"answer {number}")
        second = plant.connect(host, 502)
        second.sendall(read_registers(tid=1000))
        equal(len(tcp_split.receive(second, 11, 2) or b""), 11, "answer on a new connection")
        equal(log.count(function=3), 201, "reads at the server")
        assert ks.reason("table_reserved") > 0 and ks.reason("half_open_quota") > 0, \
            ks.counters()["packets"]
        equal(ks.reason("table_full"), 0, "table_full")
        tracked = ks.json("status")["flows"]["tracked"]
        assert 800 < tracked <= 1024, tracked
        abort(live)
        abort(second)


@cases((4,), (6,))
def test_client_only(family):
    """The client's NIC alone: denied writes do not arrive, reads go on, status says how far
    that can be trusted."""
    with Plant("router") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant)
        ks.cmd("attach", "--policy", ks.policy, "--client-only", "kc", "--adopt", "off")
        host = plant.server6 if family == 6 else plant.server4
        for _ in range(3):  # a ring of bytes and more on each
            sock = plant.connect(host, 502)
            for number in range(400):
                sock.sendall(read_registers(tid=number))
                equal(len(tcp_split.receive(sock, 11, 2) or b""), 11, f"answer {number}")
            sock.sendall(write_register())
            assert not tcp_split.receive(sock, 12, 0.4), "a write was answered"
            abort(sock)
        equal(log.count(function=3), 1200, "reads at the server")
        no_writes(log)
        status = ks.json("status")
        assert status["guarantee"].startswith("monitor-grade"), status["guarantee"]
        equal(status["ports"][0]["attach"], "client-only", "attach")
        assert ks.reason("policy_deny") >= 3, ks.counters()["packets"]


def tap_programs(ks):
    """The kernel's numbers of what a tap calls."""
    dump = run("bpftool", "-j", "map", "dump", "pinned", ks.pins / "maps" / "tap_roles").stdout
    return {tuple(entry["value"]) for entry in json.loads(dump) if "error" not in entry["value"]}


@cases()
def test_tap():
    """A port that gets copies of both directions judges them and stops nothing."""
    with Plant("bridge") as plant:
        log = plant.modbus_server()
        gateway = plant.gateway
        plant.nsenter(gateway, "ip", "link", "add", "tap0", "type", "veth", "peer", "name", "span0")
        for nic in ("tap0", "span0"):
            plant.nsenter(gateway, "ip", "link", "set", nic, "up")
        for port in ("kc", "ks"):
            plant.nsenter(gateway, "tc", "qdisc", "add", "dev", port, "clsact")
            plant.nsenter(gateway, "tc", "filter", "add", "dev", port, "ingress", "protocol", "all",
                          "u32", "match", "u32", "0", "0", "action", "mirred", "egress", "mirror",
                          "dev", "span0")
        ks = Keyswitch(plant)
        ks.cmd("attach", "--policy", ks.policy, "--tap", "tap0", "--adopt", "audit")
        for function in (3, 6):
            equal(plant.mb_client("-t", "1000", plant.server4, function, 10, 1)[0], 0, function)
        equal(log.count(function=6), 1, "writes at the server")
        wait_for(lambda: ks.requests(verdict="would_deny"), "the write's verdict")
        equal(ks.requests(verdict="would_deny"), 1, "would_deny")
        equal(ks.requests(verdict="allow"), 1, "allow")
        status = ks.json("status")
        assert status["guarantee"].startswith("none: a tap"), status["guarantee"]
        equal([p["attach"] for p in status["ports"]], ["tap"], "ports")
        before = tap_programs(ks)
        ks.cmd("upgrade")
        equal(tap_programs(ks) & before, set(), "programs that an upgrade left in the tap")
        equal(plant.mb_client("-t", "1000", plant.server4, 6, 10, 1)[0], 0, "write after upgrade")
        wait_for(lambda: ks.requests(verdict="would_deny") == 2, "its verdict")
        equal({row["action"] for row in ks.counters()["packets"]}, {"pass"}, "actions")
