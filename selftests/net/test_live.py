# SPDX-License-Identifier: GPL-2.0-only
"""keyswitch while it runs: load, policy changes, death of every process,
monitor mode, adoption, and that event, counter and replay agree.
"""
import collections
import signal
import socket
import struct
import time

import enip_client as ec
import enip_wire as w
import tcp_split
from kit import (abort, adu, cases, denied_write, equal, no_writes, read_registers,
                 side_by_side, write_register)
from ks import DROPPING, READONLY, Keyswitch, events, metric, replay
from plant import BUILT, CLIENT_NIC, VLAN_IDS, Plant, wait_for

TRANSACTIONS, APPLIES = 10000, 100
# Modbus function, CIP service or encapsulation command of traffic() below;
# a datagram of the I/O port has none of them
NAMES = {1: "read_coils", 3: "read_holding_registers", 6: "write_single_register",
         w.GET_SINGLE: "get_attribute_single", w.READ_TAG: "read_tag",
         w.WRITE_TAG: "write_tag", w.FORWARD_OPEN: "forward_open",
         w.REGISTER: "register_session", w.LIST_IDENTITY: "list_identity",
         None: "implicit_io"}
WRITES_FOR_ALL = READONLY + """\
  - name: everyone-writes
    action: allow
    modbus: {{functions: [write], addresses: [0-200]}}
"""


@cases(("wire",), ("router",), weight=10)
def test_load(mode):
    """10,000 polls lose nothing beside denied writes and 100 applies."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("other.yaml", WRITES_FOR_ALL.replace("[0-200]", "[2000-2001]"))
        poller = plant.spawn(plant.client, BUILT / "mb_client", "-q", "-i", "300", "-n",
                             TRANSACTIONS, plant.server4, 3, 0, 10)
        denied = applies = 0
        while poller.proc.poll() is None or applies < APPLIES:
            if applies < APPLIES:
                applies += 1
                ks.cmd("apply", other if applies % 2 else ks.policy)
            denied += not denied_write(plant, plant.other4, 0.03)
        equal(poller.wait(), 0, f"poller: {poller.text()}")
        equal(log.count(client=plant.client4, function=3), TRANSACTIONS, "reads at the server")
        equal(log.count(function=6), 0, "writes at the server")
        equal(ks.json("status")["generation"], 1 + APPLIES, "policy generation")
        ks.balance()
        return f"{TRANSACTIONS} transactions, {denied} denied writers, {applies} applies"


@cases(("wire",), ("bridge",))
def test_apply(mode):
    """A new policy decides the next request; a wrong one changes nothing."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        assert not denied_write(plant), "write under readonly answered"
        ks.cmd("apply", ks.write_policy("open.yaml", WRITES_FOR_ALL))
        assert denied_write(plant), "write under the open policy not answered"
        wrong = ks.write_policy("wrong.yaml", READONLY + "  - name: [\n")
        equal(ks.cmd("apply", wrong, check=False).returncode, 1, "exit code of a wrong apply")
        assert denied_write(plant), "write after a wrong apply not answered"
        ks.cmd("apply", ks.policy)
        assert not denied_write(plant), "write under readonly answered"
        equal(log.count(function=6), 2, "writes at the server")
        ks.balance()


@cases(("wire",), ("bridge",))
def test_kill(mode):
    """kill -9 of every keyswitch process: enforced, counted, picked up."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, old = ks.serve("old")
        follow = plant.spawn(plant.gateway, *ks.argv("events", "--follow"))
        poll = plant.connect(plant.server4, 502)
        assert not denied_write(plant)
        wait_for(lambda: events(old), "an event at the first serve")
        for process in (serve, follow):
            process.stop(signal.SIGKILL)
        before = ks.requests(verdict="deny")
        assert not denied_write(plant), "write answered with no keyswitch process"
        poll.sendall(read_registers())
        equal(len(tcp_split.receive(poll, 11, 1) or b""), 11, "read on an old connection")
        equal(ks.requests(verdict="deny"), before + 1, "denied requests counted")
        ks.serve("new")
        assert not denied_write(plant)
        wait_for(lambda: (plant.dir / "new.events").exists() and events(plant.dir / "new.events"),
                 "an event at the new serve")
        text = ks.metrics_text()
        equal(metric(text, "keyswitch_requests_total", verdict="deny"), before + 2,
              "denied requests in the metrics")
        no_writes(log)
        abort(poll)
        ks.balance()


@cases(("wire",), ("router",))
def test_monitor(mode):
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        _, path = ks.serve()
        ks.cmd("mode", "monitor")
        equal(ks.json("status")["mode"], "monitor", "mode")
        sock = plant.connect(plant.server4, 502)
        for tid in range(1, 6):
            sock.sendall(write_register(tid=tid) + read_registers(tid=tid))
            equal(len(tcp_split.receive(sock, 23, 1) or b""), 23, "answers under monitor")
        equal(log.count(function=6), 5, "writes at the server under monitor")
        equal(ks.requests(verdict="would_deny"), 5, "would_deny counted")
        wait_for(lambda: any(e.get("keyswitch", {}).get("verdict") == "would_deny"
                             for e in events(path)), "a would_deny event")
        ks.cmd("mode", "enforce")
        assert not denied_write(plant), "write answered after 'mode enforce'"
        equal(log.count(function=6), 5, "writes at the server")
        abort(sock)
        ks.balance()


@cases(("bridge",), ("router",))
def test_adopt_off(mode):
    """A connection older than the attach ends, its client comes back."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        sock = plant.connect(plant.server4, 502)
        ks = Keyswitch(plant).attach(adopt="off")
        sock.sendall(read_registers())
        assert not tcp_split.receive(sock, 11, 0.3), "an old connection was answered"
        abort(sock)
        equal(log.lines(), [], "requests at the server")
        equal(plant.mb_client(plant.server4, 3, 0, 1)[0], 0, "a read on a new connection")
        assert ks.reason("no_state") > 0, ks.counters()["packets"]
        ks.balance()


@cases(("bridge",), ("router",), weight=3)
def test_adopt(mode):
    """Attaching in the middle of a connection: reads go on, writes do not."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        poller = plant.spawn(plant.client, BUILT / "mb_client", "-q", "-i", "1000", "-n", 2000,
                             plant.server4, 3, 0, 10)
        sock = plant.connect(plant.server4, 502)
        sock.sendall(read_registers())
        tcp_split.receive(sock, 11, 1)
        wait_for(lambda: log.count(function=3) > 200, "the poller runs")
        ks = Keyswitch(plant)
        ks.attach()
        sock.sendall(read_registers())
        equal(len(tcp_split.receive(sock, 11, 2) or b""), 11, "read on an adopted connection")
        sock.sendall(write_register())
        assert not tcp_split.receive(sock, 12, 0.4), "write on an adopted connection answered"
        equal(poller.wait(), 0, f"poller: {poller.text()}")
        no_writes(log)
        abort(sock)


def traffic(plant):
    """Allowed and denied requests of both protocols, each denied one alone."""
    plant.mb_client("-q", "-n", "20", plant.server4, 3, 0, 10)
    plant.mb_client("-q", "-n", "5", plant.server6, 1, 0, 10)
    plant.mb_client("-b", plant.other4, plant.server4, 6, 100, 5)
    side_by_side([lambda: denied_write(plant)] * 5)
    # long enough for the client's kernel to send it again: still one request
    denied_write(plant, wait=0.8)
    for message in (read_registers() + write_register(tid=2),
                    adu(bytes.fromhex("0300000001") + bytes(12))):
        sock = plant.connect(plant.server4, 502)
        sock.sendall(message)
        tcp_split.receive(sock, 23, 0.12)
        abort(sock)
    for carrier in ("ucmm", "unconnected_send", "connected"):
        sock = plant.connect(plant.server4, 44818)
        client = ec.Client(sock).register()
        client.send(carrier, ec.read_tag("Setpoint"))
        client.members(carrier, [ec.read_tag("Counts[1]"), ec.get_attribute(1, 1, 7)])
        sock.settimeout(0.12)
        try:
            client.send(carrier, w.msp([ec.read_tag("Speed"), ec.write_tag("Speed", 1)]))
        except OSError:
            pass
        abort(sock)
    with plant.socket(plant.client, kind=socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.sendto(w.encap(w.LIST_IDENTITY), (plant.server4, 44818))
        sock.recv(2048)
        io = w.cpf((0x8002, struct.pack("<II", 7, 1)), (w.ITEM_CONN_DATA, bytes(8)))
        sock.sendto(io, (plant.server4, 2222))


def test_two_counters_on_one_place():
    """The command RegisterSession and function code 102 of one asset fall on one place of a
    CPU's counters (requests.h); the one that comes second is counted elsewhere."""
    register = bytes.fromhex("65000400000000000000000000000000000000000000000001000000")
    with Plant() as plant:
        plant.byte_server(502)
        plant.byte_server(44818)
        ks = Keyswitch(plant, DROPPING).attach()
        for number in range(1, 4):
            with plant.connect(plant.server4, 44818) as enip:
                enip.sendall(register)
                wait_for(lambda n=number: ks.requests(verdict="allow") == n, "an allowed one")
            with plant.connect(plant.server4, 502) as modbus:
                modbus.sendall(adu(bytes([102]), tid=number))
                wait_for(lambda n=number: ks.requests(verdict="deny") == n, "a denied one")
        equal({(row["proto"], row["verdict"]): row["requests"] for row in ks.counters()["requests"]},
              {("enip", "allow"): 3, ("modbus", "deny"): 3}, "requests")


def record(plant):
    path = plant.dir / "client.pcap"
    process = plant.spawn(plant.client, "tcpdump", "-i", CLIENT_NIC, "-U", "-s", "2048",
                          "-B", "16384", "--immediate-mode", "-Z", "root", "-w", path)
    wait_for(lambda: "listening on" in process.text(), "tcpdump listens")
    return process, path


def verdict_of(line):
    """(protocol, function, verdict) of a line of replay, in the counters' words."""
    name = NAMES.get(line.get("service", line.get("function", line.get("command"))))
    return line["proto"], name, line["verdict"]


def counted(ks):
    """The same of the counters; the object behind a CIP service's name left out."""
    out = collections.Counter()
    for row in ks.counters()["requests"]:
        out[row["proto"], row["function"].split("/")[0], row["verdict"]] += row["requests"]
    return out


@cases(("wire", 0), ("wire", 2), ("bridge", 1), ("router", 0), weight=3)
def test_agreement(mode, vlans):
    """The line of replay, the live event and the counter name the same verdicts."""
    with Plant(mode, vlans) as plant:
        modbus, enip = plant.modbus_server(), plant.enip_target()
        ks = Keyswitch(plant).attach()
        _, path = ks.serve()
        tcpdump, capture = record(plant)
        traffic(plant)
        time.sleep(0.2)
        tcpdump.stop(signal.SIGINT)
        assert "\n0 packets dropped by kernel" in tcpdump.text(), tcpdump.text()
        lines = replay(capture, ks.policy)
        equal(dict(counted(ks)), dict(collections.Counter(map(verdict_of, lines))),
              "requests: counters against replay")
        compare_events(lines, path)
        equal({tuple(event.get("vlan", ())) for event in events(path)}, {VLAN_IDS[vlans]},
              "VLAN ids in the events")
        compare_servers(lines, modbus, enip)
        ks.balance()
        return f"{len(lines)} requests"


def compare_events(lines, path):
    denied = {(line["src"], line["sport"]): line["reason"] for line in lines
              if line["verdict"] == "deny"}

    def blocked():
        return {(e["src_ip"], e["src_port"]): e["keyswitch"]["reason"] for e in events(path)
                if e["keyswitch"]["kind"] == "deny"}
    wait_for(lambda: blocked() == denied,
             lambda: f"events {blocked()}\nreplay {denied}", timeout=3)


def compare_servers(lines, modbus, enip):
    """The servers acted on what replay lets through, and on nothing else."""
    allowed = collections.Counter(line["function"] for line in lines
                                  if line["proto"] == "modbus" and line["verdict"] == "allow")
    equal(collections.Counter(line["function"] for line in modbus.lines()), allowed,
          "Modbus requests: server against replay")
    equal(enip.count(service=w.WRITE_TAG), 0, "CIP writes at the target")
    refused = {line["frame"] for line in lines if line["verdict"] == "deny"}
    passed = collections.Counter(line["service"] for line in lines if "service" in line
                                 and line["frame"] not in refused)
    equal(collections.Counter(line["service"] for line in enip.lines() if "service" in line),
          passed, "CIP requests: target against replay")
