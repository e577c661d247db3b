# SPDX-License-Identifier: GPL-2.0-only
"""The live data path against the reference evaluator: random policies in force on a
gateway, each request on a connection of its own, and what the server's application read
is what the reference allowed. The policies and requests are the first of those that
selftests/reference/run asks 'explain' and 'replay' about.

Owns the addresses of that plant.
"""
import json
import random
import subprocess
import sys

from kit import abort, cases, side_by_side
from ks import Keyswitch
from plant import CLIENT_NIC, ROOT, SERVER_NIC, Plant, PlantError, wait_for

sys.path.insert(0, str(ROOT / "selftests" / "reference"))
import draw
import form
from reference import Policy

SEED, POLICIES, REQUESTS, BATCHES = 20261128, 20, 50, 4  # 1000 requests
SHARE = 0.30
SOURCE_PORTS = 20000  # and up, one a request: the kernel gives a port again after an abort
LIMITS = {"limits": {"flows": 4096, "modbus_rings": 2048, "enip_rings": 2048,
                     "flows_per_client": 2000, "half_open_per_client": 1000}}
POOLS = ((draw.CLIENTS4, draw.CLIENTS6, CLIENT_NIC), (draw.SERVERS4, draw.SERVERS6, SERVER_NIC))


def settle(plant):
    """Every address of the pools, and who has it at the other end."""
    namespaces = plant.client, plant.server
    macs = [plant.mac(ns, nic) for ns, (_, _, nic) in zip(namespaces, POOLS)]
    for side, (four, six, nic) in enumerate(POOLS):
        lines = [f"addr add {a}/24 dev {nic}" for a in four]
        lines += [f"addr add {a}/64 dev {nic} nodad" for a in six]
        lines += [f"neigh replace {a} lladdr {macs[1 - side]} dev {nic} nud permanent"
                  for pool in POOLS[1 - side][:2] for a in pool]
        subprocess.run(["ip", "-n", namespaces[side], "-batch", "-"], input="\n".join(lines),
                       text=True, check=True, capture_output=True)


class Round:
    """One policy and its requests, each with what the reference says of it."""

    def __init__(self, seed, first):
        dice = random.Random(seed)
        self.seed, self.text = seed, draw.policy(dice, LIMITS)
        # a client with an address of the other side is no client of this plant
        clients = {str(a) for pool in POOLS[0][:2] for a in pool}
        drawn = [q for q in draw.requests(dice, self.text, 2 * REQUESTS) if q.client in clients]
        reference = Policy(self.text)
        self.requests = [(number, q, reference.judge(q).allowed)
                         for number, q in enumerate(drawn[:REQUESTS], first)]


def ask(plant, number, q, allowed):
    """The connection's own end, None if there was none. Patience is for those that must
    come through; the others are looked for in the server's log afterwards."""
    patience = 8.0 if allowed else 0.4
    try:
        sock = plant.connect(q.server, form.PORTS[q.proto], q.client, timeout=patience,
                             source_port=SOURCE_PORTS + number)
    except OSError:
        return None
    end = sock.getsockname()[:2]
    try:
        sock.sendall(form.payload(q, number))
        answer = sock.recv(1)
    except OSError:
        answer = b""
    if allowed and answer:
        sock.close()
    else:
        abort(sock)
    return end


def streams(logs):
    """{(client, port): what the application read}"""
    out = {}
    for log in logs:
        for line in log.lines():
            key = line["client"], line["port"]
            out[key] = out.get(key, "") + line["bytes"]
    return out


def ask_all(plant, requests):
    """{number: the connection's own end}"""
    ends = side_by_side([lambda r=r: ask(plant, *r) for r in requests], 16)
    return dict(zip((number for number, *_ in requests), ends))


def differences(logs, requests, ends):
    """What the server's application read, where that is not what the reference says."""
    def read(number):
        return got.get(ends[number], "") if ends[number] else ""

    def arrived():
        nonlocal got
        got = streams(logs)
        return all(read(number) for number, _, good in requests if good)
    got = {}
    try:
        wait_for(arrived, "what is allowed arrives", timeout=3)
    except PlantError:  # told below, one by one
        pass
    got = streams(logs)
    return [f"{'allowed' if good else 'denied'} by the reference, the server read "
            f"'{read(number)}'\n  {q}\n  {json.dumps(form.explain_words(q))}"
            for number, q, good in requests
            if read(number) != (form.payload(q, number).hex() if good else "")]


@cases(*((batch,) for batch in range(BATCHES)), weight=5)
def test_live(batch):
    rounds = [Round(SEED + i, 1 + i * REQUESTS) for i in range(batch, POLICIES, BATCHES)]
    wanted, ends = [], {}
    with Plant() as plant:
        settle(plant)
        logs = [plant.byte_server(port, echo=1) for port in form.PORTS.values()]
        ks = Keyswitch(plant)
        for number, turn in enumerate(rounds):
            ks.policy.write_text(turn.text)
            ks.cmd("apply", ks.policy) if number else ks.attach()
            ends |= ask_all(plant, turn.requests)
            wanted += turn.requests
        wrong = differences(logs, wanted, ends)
        ks.balance()
    assert not wrong, f"policies {[turn.seed for turn in rounds]}: {len(wrong)} of " \
        f"{len(wanted)} requests:\n" + "\n".join(wrong[:5])
    allowed = sum(good for *_, good in wanted)
    share = min(allowed, len(wanted) - allowed) / len(wanted)
    assert share >= SHARE, f"{allowed} of {len(wanted)} allowed: says too little"
    return f"{allowed} requests allowed, {len(wanted) - allowed} denied"
