# SPDX-License-Identifier: GPL-2.0-only
"""Applies by the hundred while 64 clients poll and one attacks: no allowed request is
lost, no denied one gets through, and each event's rule is one of its generation's policy.
STORM_APPLIES in the environment makes it longer.
"""
import json
import os
import signal
import threading

import tcp_split
from kit import abort, cases, equal, read_registers, write_register
from ks import Keyswitch, events
from plant import BUILT, Plant, wait_for

APPLIES = int(os.environ.get("STORM_APPLIES", "200"))
CLIENTS = 64
BASE = """\
version: 1
default: deny
limits: {{flows: 4096, modbus_rings: 2048, enip_rings: 64, flows_per_client: 2000, half_open_per_client: 64, event_rate: 1000}}
hosts: {{poller: "{p.client4}", attacker: "{p.other4}"}}
assets:
  plc: "{p.server4}"
"""
# the same rules under other numbers: a number of one read in the other is another rule
POLICIES = (BASE + """\
rules:
  - {{name: even-no, from: attacker, to: plc, action: deny, modbus: {{functions: [6]}}}}
  - {{name: even-poll, to: plc, action: allow, modbus: {{functions: [read]}}}}
""", BASE + """\
rules:
  - {{name: odd-poll, to: plc, action: allow, modbus: {{functions: [read]}}}}
  - {{name: odd-other, from: poller, to: plc, action: allow, modbus: {{functions: [6], addresses: [900]}}}}
  - {{name: odd-no, from: attacker, to: plc, action: deny, modbus: {{functions: [6]}}}}
""")


class Attacker(threading.Thread):
    """Writes, alone and behind reads that are allowed, until it is told to stop."""

    def __init__(self, plant):
        super().__init__(daemon=True)
        self.plant, self.over, self.tries, self.answered = plant, threading.Event(), 0, 0

    def run(self):
        while not self.over.is_set():
            self.tries += 1
            try:
                sock = self.plant.connect(self.plant.server4, 502, self.plant.other4, timeout=1)
                ahead = read_registers(tid=1) if self.tries % 2 else b""
                sock.sendall(ahead + write_register(tid=2))
                answer = tcp_split.receive(sock, len(ahead and b"r" * 11) + 12, 0.05) or b""
                self.answered += len(answer) > (11 if ahead else 0)
            except OSError:
                continue
            abort(sock)

    def stop(self):
        self.over.set()
        self.join()


def rule_of(generation):
    """Generation 1 is the first policy, 2 the one in the shadow, then they take turns."""
    return "odd-no" if generation > 2 and generation % 2 else "even-no"


@cases((), weight=20)
def test_storm():
    with Plant() as plant:
        log = plant.modbus_server(502)
        ks = Keyswitch(plant, POLICIES[0]).attach()
        files = [ks.write_policy(f"policy{i}.yaml", text) for i, text in enumerate(POLICIES)]
        _, path = ks.serve()
        # a slot less to fill, and a third one asked
        ks.cmd("shadow", files[0])
        pollers = [plant.spawn(plant.client, BUILT / "mb_client", "-q", "-b", plant.client4, "-i",
                               "60000", "-t", "5000", "-n", "1000000", plant.server4, 3, 0, 10)
                   for _ in range(CLIENTS)]
        attacker = Attacker(plant)
        attacker.start()
        for number in range(APPLIES):
            ks.cmd("apply", files[1 - number % 2])
        attacker.stop()
        polls = 0
        for poller in pollers:
            poller.proc.send_signal(signal.SIGTERM)
        for poller in pollers:
            equal(poller.wait(), 0, f"poller: {poller.text()}")
            polls += json.loads(poller.text())["ok"]
        equal(log.count(client=plant.client4, function=3), polls, "reads at the server")
        assert polls > CLIENTS * 20, f"{polls} polls"
        equal(log.count(function=6), 0, "writes at the server")
        equal(attacker.answered, 0, "answers to writes")
        wait_for(lambda: log.count(client=plant.other4) > 0, "reads ahead of writes")
        equal(ks.json("status")["generation"], 2 + APPLIES, "generation")
        denied = [event["keyswitch"] for event in events(path)
                  if event["keyswitch"]["reason"] == "policy_deny"]
        known = [event for event in denied if event["rule"] != "?"]
        wrong = [event for event in known if event["rule"] != rule_of(event["generation"])]
        equal(wrong, [], "events whose rule is not of their generation")
        generations = {event["generation"] for event in known}
        assert len(known) > 100 and len(generations) > APPLIES // 10, (len(known), generations)
        assert len(known) * 2 > len(denied), f"{len(known)} of {len(denied)} events have a name"
        ks.balance()
        return (f"{APPLIES} applies, {polls} polls, {attacker.tries} attacks, "
                f"{len(known)} of {len(denied)} events named, {len(generations)} generations")
