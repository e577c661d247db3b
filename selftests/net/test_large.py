# SPDX-License-Identifier: GPL-2.0-only
"""A policy of 10,000 rules over 1,000 assets: put in force in one step with bounded
memory, and right at once; what each rule decided is counted at it, the last ones too.
Prints the time, which depends on what else the machine does.

Owns that policy.
"""
import collections
import os
import random
import re
import subprocess
import sys
import time

from kit import equal
from ks import Keyswitch
from plant import ROOT, Plant

sys.path.insert(0, str(ROOT / "selftests" / "reference"))
import draw
import form
from reference import Policy
from test_reference import LIMITS, ask_all, differences, settle

SEED, RULES, ASSETS, HOSTS, REQUESTS = 20261128, 10000, 1000, 500, 60
MEMORY = 256 << 10  # KiB
# rules from there on are counted in another table
NEAR = int(re.search(r"KS_NEAR_RULES\s+(\d+)", (ROOT / "bpf" / "shared.h").read_text())[1])
# The first of both are addresses of the plant.
CLIENTS, SERVERS = [str(a) for a in draw.CLIENTS4[:8]], [str(a) for a in draw.SERVERS4[:8]]


def block(dice, number):
    lo = dice.randrange(60000)
    if number % 4 < 2:
        return f"modbus: {{functions: [write], addresses: [{lo}-{lo + dice.randrange(1, 200)}]}}"
    if number % 4 == 2:
        return f"cip: {{services: [write_tag, read_tag], tags: [T{dice.randrange(2000)}, Setpoint]}}"
    return "cip: {services: [0x10], " \
        f"classes: [{dice.choice(['assembly', '0x0f', 'tcp_ip_interface'])}], " \
        f"instances: [{dice.randrange(8)}-{8 + dice.randrange(100)}]}}"


def policy(dice):
    """Rules of all kinds; every tenth of them is about the plant."""
    hosts = CLIENTS + [f"10.1.{i // 250}.{i % 250 + 1}" for i in range(HOSTS - len(CLIENTS))]
    assets = SERVERS + [f"10.2.{i // 250}.{i % 250 + 1}" for i in range(ASSETS - len(SERVERS))]
    out = ["version: 1", "default: readonly", f"limits: {LIMITS['limits']}".replace("'", ""), "hosts:"]
    out += [f"  h{i}: {address}" for i, address in enumerate(hosts)]
    out += ["groups: {}", "assets:"]
    out += [f"  a{i}: {{address: {address}, modbus: {{}}, enip: {{}}}}"
            for i, address in enumerate(assets)]
    out.append("rules:")
    for i in range(RULES):
        here = i % 10 == 0
        who = dice.randrange(len(CLIENTS) if here else HOSTS)
        to = dice.randrange(len(SERVERS)) if here else i % ASSETS
        out.append(f"  - {{name: r{i}, from: h{who}, to: a{to}, "
                   f"action: {'allow' if dice.random() < .8 else 'deny'}, {block(dice, i // 10)}}}")
    return "\n".join(out) + "\n"


def drawn(dice, text):
    """Requests at the borders of the rules that are about the plant."""
    border = draw.Border(text)
    border.rules = border.rules[::10]
    while True:
        q = border.request(dice)
        if q.client in CLIENTS and q.server in SERVERS:
            yield q


def measured(ks, *args):
    """(seconds, seconds of CPU, KiB) of one command."""
    start = time.monotonic()
    child = subprocess.Popen(["nsenter", f"--net=/run/netns/{ks.plant.gateway}",
                              *map(str, ks.argv(*args))], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)  # warnings of thousands of rules
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    equal(child.returncode, 0, f"exit code of {args}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def test_apply():
    dice = random.Random(SEED)
    text = policy(dice)
    reference = Policy(text)
    asked = [q for q, _ in zip(drawn(dice, text), range(REQUESTS))]
    answers = [reference.judge(q) for q in asked]
    requests = [(number, q, a.allowed) for number, (q, a) in enumerate(zip(asked, answers), 1)]
    decided = collections.Counter(a.rule for a in answers if a.rule not in (None, "default"))
    late = sum(int(rule[1:]) >= NEAR for rule in decided)
    assert 5 <= late <= len(decided) - 5, f"{late} of {len(decided)} rules are beyond the first {NEAR}"
    with Plant() as plant:
        settle(plant)
        logs = [plant.byte_server(port, echo=1) for port in form.PORTS.values()]
        ks = Keyswitch(plant)
        ks.policy.write_text("version: 1\ndefault: deny\nassets: {all: 0.0.0.0/0}\n"
                             f"limits: {LIMITS['limits']}\n".replace("'", ""))
        ks.attach()
        ks.policy.write_text(text)
        seconds, cpu, memory = measured(ks, "apply", ks.policy)
        wrong = differences(logs, requests, ask_all(plant, requests))
        rules = ks.json("status")["policy"]["rules"]
        counted = collections.Counter()
        for row in ks.counters()["rules"]:
            counted[row["rule"]] += row["requests"]
        ks.balance()
    assert not wrong, f"{len(wrong)} of {len(requests)} requests:\n" + "\n".join(wrong[:5])
    assert memory < MEMORY, f"apply took {memory >> 10} MiB, at most {MEMORY >> 10}"
    allowed = sum(good for *_, good in requests)
    assert min(allowed, len(requests) - allowed) >= REQUESTS / 4, f"{allowed} of {len(requests)} allowed"
    equal(rules, RULES, "rules in force")
    del counted["default"]  # what opens a session is counted there, too
    equal(counted, decided, "requests that each rule decided")
    return (f"apply of {RULES} rules over {ASSETS} assets: {seconds:.2f} s ({cpu:.2f} s of CPU), "
            f"{memory >> 10} MiB; {allowed} of {len(requests)} requests allowed")
