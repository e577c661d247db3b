# SPDX-License-Identifier: GPL-2.0-only
"""Bounds of values, limits of rate, alert rules and logs before a real Modbus server.

The oracle is what the server's application read. Owns no wire format but PDUs.
"""
import struct

from kit import cases, equal
from ks import Keyswitch, events
from plant import Plant, wait_for

POLICY = """version: 1
default: readonly
on_deny: drop
hosts: {{hmi: ["{p.client4}", "{p.client6}"], eng: ["{p.other4}", "{p.other6}"]}}
assets: {{plc: ["{p.server4}", "{p.server6}"]}}
rules:
  - {{name: watch, from: hmi, action: alert, modbus: {{functions: [write], addresses: [105], values: 90-100}}}}
  - {{name: level, from: hmi, action: allow, modbus: {{functions: [write], addresses: [100-109], values: [0-100, 200]}}}}
  - {{name: speed, from: hmi, action: allow, modbus: {{functions: [write], addresses: [140-143], values: {{type: float32, bounds: -0.5..99.5}}}}}}
  - {{name: lamps, from: hmi, action: allow, log: true, modbus: {{functions: [5, 15], addresses: [0-15], values: 1}}}}
  - {{name: hushed, from: hmi, action: deny, log: false, modbus: {{functions: [6], addresses: [500]}}}}
  - {{name: few, from: eng, action: allow, rate: 1/h, burst: 3, modbus: {{functions: [6]}}}}
"""


def many(address, *values):
    return struct.pack(f">BHHB{len(values)}H", 16, address, len(values), 2 * len(values), *values)


def real(value):
    return struct.unpack(">HH", struct.pack(">f", value))


def one(address, value, fc=6):
    return struct.pack(">BHH", fc, address, value)


ALLOWED = [one(100, 0), one(100, 100), one(109, 200), many(100, *[50] * 10), one(3, 0xff00, 5),
           bytes([15, 0, 4, 0, 3, 1, 7]), struct.pack(">BHHH", 22, 100, 3, 0x40),
           many(140, *real(99.5)), many(140, *real(-0.5), *real(12.25)), one(105, 95),
           struct.pack(">BHHHHB2H", 23, 0, 2, 100, 2, 4, 7, 100)]
DENIED = [one(100, 101), one(100, 65535), one(110, 5), many(100, *[50] * 9, 101), one(3, 0, 5),
          bytes([15, 0, 4, 0, 3, 1, 5]), struct.pack(">BHHH", 22, 100, 0xff, 0),
          many(140, *real(100.0)), many(140, *real(float("nan"))), many(141, 0, 0),
          one(140, 0), struct.pack(">BHHHHB2H", 23, 0, 2, 100, 2, 4, 7, 101), one(500, 1)]


def send(plant, server, source, pdu):
    """Whether it was answered; on a connection of its own."""
    return plant.mb_client("-b", source, "-t", 3000 if pdu in ALLOWED else 300, server, "raw",
                           "01" + pdu.hex())[1]["lost"] == 0


def read_by(log, client):
    return [bytes.fromhex(line["bytes"])[7:] for line in log.lines() if line["client"] == client]


@cases(("wire",), ("bridge",), ("router",))
def test_bounds(mode):
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, POLICY).attach()
        _, path = ks.serve()
        for server, client in ((plant.server4, plant.client4), (plant.server6, plant.client6)):
            for pdu in ALLOWED:
                assert send(plant, server, client, pdu), f"not answered: {pdu.hex()}"
            for pdu in DENIED:
                assert not send(plant, server, client, pdu), f"answered: {pdu.hex()}"
            equal(read_by(log, client), ALLOWED, "what the server read")
        wait_for(lambda: len(told(path, "policy_deny")) >= 2 * (len(DENIED) - 1), "the denials' events")
        check_events(path)
        # of the quiet rule the counters know, and how many events it kept back
        equal(rule(ks, "hushed"), [("deny", 2)], "counter of the quiet rule")
        equal(rule(ks, "watch"), [("allow", 2)], "counter of the alert rule")
        equal(ks.counters()["events_quiet"], 2, "events kept back")
        assert "keyswitch_events_quiet_total 2" in ks.metrics_text()
        assert "quiet (log: false)" in ks.cmd("counters").stdout
        ks.balance()


def told(path, reason):
    return [e for e in events(path) if e["keyswitch"]["reason"] == reason]


def rule(ks, name):
    return [(row["verdict"], row["requests"]) for row in ks.counters()["rules"]
            if row["rule"] == name]


def check_events(path):
    denied = told(path, "policy_deny")
    values = [(r["value_address"], r["value"], r["value_type"])
              for r in (e["keyswitch"]["request"] for e in denied) if "value" in r]
    # the mask write too is told by the first number that it may write and must not
    for wanted in ((100, 101, "uint16"), (100, 65535, "uint16"), (100, 101, "uint16"),
                   (109, 101, "uint16"), (3, 0, "uint16"), (5, 0, "uint16"), (140, 100.0, "float32"),
                   (140, None, "float32"), (101, 101, "uint16")):
        equal(values.count(wanted), 4 if wanted == (100, 101, "uint16") else 2, f"events of {wanted} among {values}")
    equal([e for e in denied if e["keyswitch"]["rule"] == "hushed"], [], "events of the quiet rule")
    marked = told(path, "marked")
    equal([(e["keyswitch"]["alert_rule"], e["keyswitch"]["rule"], e["keyswitch"]["verdict"],
            e["alert"]["action"], e["keyswitch"]["kind"]) for e in marked],
          [("watch", "level", "allow", "allowed", "alert")] * 2, "events of the alert rule")
    equal({(e["keyswitch"]["rule"], e["keyswitch"]["kind"]) for e in told(path, "logged")},
          {("lamps", "allow")}, "events of what is logged")


@cases(("wire",), ("router",))
def test_rate(mode):
    """Three writes, then none; another client and reads are not concerned."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, POLICY).attach()
        _, path = ks.serve()
        writes = [one(10 + i, i) for i in range(6)]
        answers = [plant.mb_client("-b", plant.other4, "-t", 3000 if i < 3 else 300, plant.server4,
                                   "raw", "01" + pdu.hex())[1]["lost"] == 0
                   for i, pdu in enumerate(writes)]
        equal(answers, [True] * 3 + [False] * 3, "answers")
        # retransmissions of what was refused are no further requests
        equal(rule(ks, "few"), [("allow", 3), ("deny", 3)], "counters of the rule")
        assert send(plant, plant.server4, plant.client4, ALLOWED[0]), "the other client"
        code, result = plant.mb_client("-b", plant.other4, plant.server4, 3, 5, 3)
        equal((code, result["ok"]), (0, 1), "a read")
        equal([pdu for pdu in read_by(log, plant.other4) if pdu[0] == 6], writes[:3],
              "writes that the server read")
        wait_for(lambda: len(told(path, "rate_limited")) >= 3, "the events")
        equal({e["keyswitch"]["rule"] for e in told(path, "rate_limited")}, {"few"}, "rules told")
        ks.balance()


def test_rate_in_monitor():
    """Monitor passes what is above the rate, and says so."""
    with Plant("wire") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, POLICY.replace("version: 1", "version: 1\nmode: monitor")).attach()
        writes = [one(10 + i, i) for i in range(5)]
        for pdu in writes:
            plant.mb_client("-b", plant.other4, "-t", 3000, plant.server4, "raw", "01" + pdu.hex())
        equal([pdu for pdu in read_by(log, plant.other4) if pdu[0] == 6], writes, "writes read")
        equal(rule(ks, "few"), [("allow", 3), ("would_deny", 2)], "counters of the rule")
