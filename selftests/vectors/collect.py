# SPDX-License-Identifier: GPL-2.0-only
"""Nothing leaks: every entry goes when its time is over, with its ring and quota.

A build of the same sources with timeouts of a second and less. Waves of
connections are left in every state; after the wait no entry may be left, and
the next wave needs all rings and the client's whole quota. A SYN may be refused
with table_full (the kernel had no memory for its timer), never for ever.
"""
import shutil
import subprocess

import vec

SHORT = {"KS_T_OPENING": 600, "KS_T_IDLE": 1200, "KS_T_CLOSING": 600, "KS_T_TOMBSTONE": 200}  # ms
WAIT = 2600  # ms: idle, then half-closed or closed, then the tombstone
WAVES = 3
LEAKS = ("ring_full", "client_quota", "half_open_quota", "state=")

# connections of a wave left in each state: how many, packets
STATES = [(60, ["c syn"]),
          (20, ["c syn", "s synack", "c ack"]),
          (10, ["c syn", "s synack", "c ack", "s rst"]),
          (10, ["c syn", "s synack", "c ack", "c data read()"] +
           ["c data read(5) | seq=-12 stay=1"] * 3),
          (10, ["c syn", "s synack", "c ack", "c data read()", "c fin"]),
          (10, ["s syn"])]


def build(root):
    """The driver with short timeouts, in .output/collect."""
    place = root / ".output" / "collect"
    shutil.rmtree(place, ignore_errors=True)
    for folder in ("bpf", "user"):
        shutil.copytree(root / folder, place / folder)
    shutil.copy(root / "Makefile", place)
    header = place / "bpf" / "shared.h"
    lines = header.read_text().splitlines()
    for name, ms in SHORT.items():
        at, = [i for i, line in enumerate(lines) if line.split()[:2] == ["#define", name]]
        lines[at] = f"#define {name} ({ms} * 1000000ull)"
    header.write_text("\n".join(lines) + "\n")
    parts = ["user/loader.o", "user/loader_attach.o"]
    subprocess.run(["make", "-s", "OUT=out", *(f"out/{p}" for p in parts)], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    return place / "out", [place / "out" / p for p in parts]


def commands():
    """The driver's commands; flows are printed at the end of each wave only."""
    out = [f"instance live {vec.HERE / 'gc.yaml'}"]
    for _ in range(WAVES):
        keys = []
        for count, packets in STATES:
            for _ in range(count):
                case = vec.Case("collect", "wave", "gc.yaml", [])
                player = vec.Player(case, "replay", {"ok": {"effect": "PASS"}})
                case.lines = [("collect", f"{p} => ok") for p in packets]
                out += [step.command for step in player.play()]
                keys.append(f"flow {player.key()}")
        out += [f"sleep {WAIT}", *keys]
    return out


def judge(lines):
    """None, or what leaked."""
    text = "\n".join(lines)
    for word in LEAKS:
        if word in text:
            return f"{text.count(word)} times {word}"
    if lines.count("none") != WAVES * sum(count for count, _ in STATES):
        return f"{lines.count('none')} entries are gone"
    passed = sum(line.startswith("handshake/pass") for line in lines)
    return None if passed > 50 * WAVES else f"only {passed} handshake packets passed"
