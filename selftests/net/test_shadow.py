# SPDX-License-Identifier: GPL-2.0-only
"""A policy in the shadow: judged on the same traffic, counted where it differs, without
a word in what happens.  Then promoted.  What it should say follows from the traffic that
is sent, and from the two policies changing places.
"""
import random
import socket
import struct

import enip_client as ec
import tcp_split
from kit import abort, adu, cases, denied_write, equal, read_registers, write_register
from ks import READONLY, Keyswitch
from plant import Plant, wait_for
from test_cli import PROBLEM, USAGE, refused, write_arrives

OTHER = READONLY + """\
  - {{name: no-coils, from: "{p.client4}", to: plc, action: deny, modbus: {{functions: [read_coils]}}}}
  - {{name: no-speed, to: plc, action: deny, cip: {{services: [read_tag], tags: [Speed]}}}}
  - {{name: open, from: "{p.client4}", to: plc, action: allow, modbus: {{functions: [write]}}}}
"""
SWAPPED, SEED = 400, 20261128
ONE = """\
version: 1
default: readonly
hosts: {{a: "{p.client4}", b: "{p.other4}"}}
assets:
  plc: {{address: "{p.server4}", modbus: {{units: [1-2], opaque: [100]}}}}
rules:
  - {{name: one-a, from: a, to: plc, action: allow, modbus: {{functions: [6, 16], addresses: [100-109]}}}}
  - {{name: one-b, from: b, to: plc, action: allow, modbus: {{functions: [100]}}}}
  - {{name: one-deny, from: b, to: plc, action: deny, modbus: {{functions: [3], addresses: [0-49]}}}}
"""
TWO = """\
version: 1
default: deny
hosts: {{a: "{p.client4}"}}
assets:
  first: 10.77.0.1
  plc: {{address: "{p.server4}", modbus: {{units: [2-3], opaque: [101]}}}}
rules:
  - {{name: two-a, from: a, to: plc, action: allow, modbus: {{functions: [6], addresses: [105-120]}}}}
  - {{name: two-read, from: a, to: plc, action: allow, modbus: {{functions: [3, 100, 101]}}}}
"""


def row(count, now, candidate, what="request"):
    """As the command says it; now and candidate are (verdict, reason, rule)."""
    return {"count": count, "what": what,
            **{key: dict(zip(("verdict", "reason", "rule"), side))
               for key, side in (("now", now), ("candidate", candidate))}}


def ordered(rows):
    return sorted(rows, key=str)


def enip_traffic(plant):
    sock = plant.connect(plant.server4, 44818)
    client = ec.Client(sock).register()
    for tag in ("Speed", "Setpoint", "Speed"):
        client.send("ucmm", ec.read_tag(tag))
    abort(sock)


def test_counts():
    """Both ways of differing, per rule; nothing else of the policy in force moves."""
    with Plant() as plant:
        log, enip = plant.modbus_server(), plant.enip_target()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("other.yaml", OTHER)
        ks.cmd("shadow", other)
        plant.mb_client("-q", "-n", "5", plant.server4, 3, 0, 1)
        plant.mb_client("-q", "-n", "4", plant.server4, 1, 0, 1)
        for _ in range(3):
            assert not denied_write(plant), "a write that the shadow alone allows was answered"
        # the second message of a segment is judged by the policy in force as well
        sock = plant.connect(plant.server4, 502)
        sock.sendall(read_registers() + write_register(tid=2))
        tcp_split.receive(sock, 23, 0.12)
        abort(sock)
        enip_traffic(plant)
        wait_for(lambda: ks.json("shadow")["judged"] >= 25, "everything is judged", timeout=3)
        shadow = ks.json("shadow")
        allow, deny = ("allow", "ok", "default"), ("deny", "policy_deny", "default")
        equal(ordered(shadow["differences"]), ordered([
            row(4, allow, ("deny", "policy_deny", "no-coils")),
            row(4, deny, ("allow", "ok", "open")),
            row(2, allow, ("deny", "policy_deny", "no-speed"))]), "differences")
        # 5 + 4 + 3 + 2 requests, 3 tags and a session, each connection's SYN
        equal((shadow["judged"], shadow["differ"]), (5 + 4 + 3 + 2 + 4 + 7, 10), "sums")
        equal((log.count(function=6), log.count(function=1)), (0, 4), "at the server")
        equal(len([line for line in enip.lines() if line.get("service") == 0x4C]), 3, "tags read")
        equal(ks.requests(verdict="deny"), 4, "denied requests counted")
        rules = ks.counters()["rules"]
        equal({r["rule"] for r in rules}, {"default"}, "rules that decided")
        equal(sum(r["requests"] for r in rules if r["verdict"] == "deny"), 4, "denied by default")
        text = ks.cmd("shadow").stdout
        for words in ("4 requests: allowed by 'default' -> denied by 'no-coils'",
                      "4 requests: denied by 'default' -> allowed by 'open'", "10 would differ"):
            assert words in text, text
        assert "10 of 25 would differ" in ks.cmd("status").stdout, ks.cmd("status").stdout
        ks.balance()


def test_promote():
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("other.yaml", OTHER)
        ks.cmd("shadow", other)
        assert not write_arrives(plant, log), "write while in the shadow"
        # an apply meanwhile: the shadow stays, its counts begin again
        ks.cmd("apply", ks.policy)
        equal(ks.json("shadow")["judged"], 0, "judged after apply")
        assert not write_arrives(plant, log), "write while in the shadow"
        equal(ks.json("shadow")["differ"], 1, "differences after apply")
        ks.cmd("shadow", ks.policy)
        ks.cmd("shadow", other)
        equal([ks.json("shadow")[key] for key in ("judged", "differ", "generation")], [0, 0, 5],
              "a candidate that is put up anew")
        answer = ks.json("promote", "--note", "looks good")
        assert write_arrives(plant, log), "write after promote"
        status = ks.json("status")
        equal((answer["generation"], status["generation"], status["shadow"], status["boot"]),
              (6, 6, None, "this"), "promoted")
        change = ks.json("history")["changes"][-1]
        equal((change["action"], change["note"], change["digest"]),
              ("promote", "looks good", answer["digest"]), "history")
        equal({r["rule"] for r in ks.counters()["rules"]}, {"open"}, "rules that decided")
        ks.cmd("rollback")
        assert not write_arrives(plant, log), "write after rollback"
        ks.cmd("shadow", other)
        equal(ks.json("promote", "--confirm", "1m")["trial"], 60, "trial")
        assert write_arrives(plant, log), "write after promote on trial"
        ks.cmd("rollback")
        assert not write_arrives(plant, log), "write after the trial"
        ks.balance()


def test_refused():
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        wrong = ks.write_policy("wrong.yaml", READONLY.replace("readonly", "sometimes"))
        for argv, code, words in (
                (("shadow",), PROBLEM, ("no policy is in the shadow",)),
                (("shadow", "--off"), PROBLEM, ("no policy is in the shadow",)),
                (("promote",), PROBLEM, ("no policy is in the shadow",)),
                (("shadow", wrong), PROBLEM, (f"{wrong}:2:10", "'sometimes'")),
                (("shadow", ks.policy, "--off"), USAGE, ("--off",)),
                (("shadow", ks.policy, "more"), USAGE, ("'more'",)),
                (("promote", ks.policy), USAGE, ("expected none",)),
                (("promote", "--confirm", "1s"), USAGE, ("'1s'",))):
            refused(ks.cmd(*argv, check=False), code, *words)
        equal(ks.json("status")["shadow"], None, "shadow")
        ks.cmd("apply", ks.policy, "--confirm", "1m")
        ks.cmd("shadow", ks.write_policy("other.yaml", OTHER))
        refused(ks.cmd("promote", check=False), PROBLEM, "on trial for another")
        ks.cmd("rollback")
        copy = next((ks.state_dir / "policies").glob(ks.json("shadow")["digest"] + "*"))
        copy.write_text(copy.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
        refused(ks.cmd("promote", check=False), PROBLEM, str(copy), "SHA-256")
        equal(ks.json("shadow", "--off"), {"result": "off"}, "off")
        equal((ks.json("status")["shadow"], ks.json("status")["generation"]), (None, 1), "status")
        for verb in ("shadow", "promote"):
            assert "Usage" in ks.cmd(verb, "--help").stdout, verb


def datagrams(plant):
    """Modbus requests over UDP: each is judged once, whatever becomes of those before it."""
    dice = random.Random(SEED)
    socks = []
    for source in (plant.client4, plant.other4):
        socks.append(plant.socket(plant.client, kind=socket.SOCK_DGRAM))
        socks[-1].bind((source, 0))
    for tid in range(SWAPPED):
        function = dice.choice((3, 6, 6, 16, 100, 101))
        address = dice.choice((0, 49, 50, 99, 100, 104, 105, 109, 110, 120, 121, 200))
        body = {3: struct.pack(">HH", address, dice.randint(1, 12)),
                6: struct.pack(">HH", address, 7),
                16: struct.pack(">HHBH", address, 1, 2, 7)}.get(function, b"\0\1")
        message = adu(bytes([function]) + body, tid, unit=dice.randint(1, 4))
        dice.choice(socks).sendto(message, (plant.server4, 502))
    for sock in socks:
        sock.close()


def mirrored(rows):
    return [{**r, "now": r["candidate"], "candidate": r["now"]} for r in rows]


def total(ks, verdict):
    return ks.requests(verdict=verdict, proto="modbus")


def test_swapped():
    """Either policy in force and the other one in the shadow: the same differences, turned
    round; and what the shadow foretold is what happens."""
    with Plant() as plant:
        ks = Keyswitch(plant, ONE).attach()
        two = ks.write_policy("two.yaml", TWO)
        found = []
        for active, shadow in ((ks.policy, two), (two, ks.policy)):
            ks.cmd("shadow", shadow)
            ks.cmd("apply", active)
            denied = total(ks, "deny")
            datagrams(plant)
            wait_for(lambda: ks.json("shadow")["judged"] >= SWAPPED, "all are judged", timeout=3)
            found.append((ks.json("shadow"), total(ks, "deny") - denied))
        (first, one_denied), (second, two_denied) = found
        equal((first["judged"], second["judged"]), (SWAPPED, SWAPPED), "judged")
        equal(ordered(mirrored(first["differences"])), ordered(second["differences"]), "rows")
        gone = sum(r["count"] for r in first["differences"] if r["now"]["verdict"] == "allow")
        equal(two_denied - one_denied, 2 * gone - first["differ"], "foretold denials")
        kinds = {(r["now"]["reason"], r["candidate"]["reason"]) for r in first["differences"]}
        for reason in ("policy_deny", "unit_unlisted", "function_opaque"):
            assert any(reason in kind for kind in kinds), f"no difference by {reason}: {kinds}"
        assert len(first["differences"]) >= 8, first["differences"]
        return f"{SWAPPED} requests, {first['differ']} differ, {len(kinds)} kinds"


@cases()
def test_connections():
    """A client that the candidate allows nothing, and the other way round: at its SYN."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant, ONE.replace(", modbus: {{units: [1-2], opaque: [100]}}",
                                          ", modbus: {{}}")).attach()
        ks.cmd("shadow", ks.write_policy("two.yaml", TWO))
        sock = plant.connect(plant.server4, 502, plant.other4)
        sock.sendall(read_registers(60))
        equal(len(tcp_split.receive(sock, 11, 1) or b""), 11, "read that the shadow denies")
        abort(sock)
        equal(ordered(ks.json("shadow")["differences"]), ordered([
            row(1, ("allow", "ok"), ("deny", "pair_denied"), "connection"),
            row(1, ("allow", "ok", "default"), ("deny", "pair_denied"))]), "differences")
        assert "connections: allowed -> denied (pair_denied)" in ks.cmd("shadow").stdout


@cases()
def test_unlisted():
    """Addresses that one of the policies does not list, and lets pass: no difference where
    the other one allows the request as well, and one where it does not."""
    with Plant() as plant:
        plant.modbus_server()
        free = "version: 1\ndefault: deny\nunlisted: allow\nassets: {{first: 10.77.0.1}}\n"
        closed = free.replace("unlisted: allow\n", "")
        ks = Keyswitch(plant, READONLY).attach()
        for candidate, differ in ((free, 0), (closed, 2)):
            ks.cmd("shadow", ks.write_policy("candidate.yaml", candidate))
            sock = plant.connect(plant.server4, 502, plant.client4)
            sock.sendall(read_registers(60))
            equal(len(tcp_split.receive(sock, 11, 1) or b""), 11, "read")
            abort(sock)
            found = ks.json("shadow")
            equal((found["judged"], found["differ"]), (2, differ), "judged, differ")
        equal({r["candidate"]["reason"] for r in found["differences"]}, {"unlisted"}, "reasons")
        ks.cmd("apply", ks.write_policy("closed.yaml", closed))
        ks.cmd("shadow", ks.write_policy("free.yaml", free))
        try:
            plant.connect(plant.server4, 502, plant.client4, timeout=0.4)
            raise AssertionError("connected to an address that is not listed")
        except OSError:
            pass
        equal([(r["what"], r["now"], r["candidate"]) for r in ks.json("shadow")["differences"]],
              [("connection", {"verdict": "deny", "reason": "unlisted"},
                {"verdict": "allow", "reason": "unlisted_allowed"})], "differences")
