# SPDX-License-Identifier: GPL-2.0-only
"""Nothing leaks: every entry goes when its time is over, with its ring and quota.

A build of the same sources with timeouts of a second and less. Waves of
connections are left in every state, with time between for all of them to end: a wave
on none may be left, and rings and the client's quota, which suffice for two waves,
never run out.
"""
import shutil
import subprocess

import vec

SHORT = {"KS_T_OPENING": 400, "KS_T_IDLE": 700, "KS_T_CLOSING": 400, "KS_T_TOMBSTONE": 150}  # ms
WAIT = 1600  # ms: idle, then half-closed or closed, then the tombstone
WAVES, SCALE, LATER = 5, 8, 1
LEAKS = ("ring_full", "client_quota", "half_open_quota", "state=")

# connections of a wave left in each state: how many, packets
STATES = [(60, ["c syn"]),
          (20, ["c syn", "s synack", "c ack"]),
          (10, ["c syn", "s synack", "c ack", "s rst"]),
          (10, ["c syn", "s synack", "c ack", "c data read()"] +
           ["c data read(5) | seq=-12 stay=1"] * 3),
          (10, ["c syn", "s synack", "c ack", "c data read()", "c fin"]),
          (10, ["s syn"])]


def build(root, place):
    """(include folder, objects) of the loader with short timeouts, made in `place`."""
    for folder in ("bpf", "user"):
        shutil.copytree(root / folder, place / folder)
    shutil.copy(root / "Makefile", place)
    header = place / "bpf" / "tracked.h"
    lines = header.read_text().splitlines()
    for name, ms in SHORT.items():
        at, = [i for i, line in enumerate(lines) if line.split()[:2] == ["#define", name]]
        lines[at] = f"#define {name} ({ms} * 1000000ull)"
    header.write_text("\n".join(lines) + "\n")
    parts = ["user/loader.o", "user/loader_attach.o"]
    subprocess.run(["make", "-s", "OUT=out", *(f"out/{p}" for p in parts)], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    return place / "out", [place / "out" / p for p in parts]


def commands(scale=SCALE):
    """The driver's commands; a wave's flows are printed LATER waves on."""
    out = [f"instance live {vec.HERE / 'gc.yaml'}"]
    waves = []
    for _ in range(WAVES):
        keys = []
        for count, packets in STATES:
            for _ in range(count * scale):
                case = vec.Case("collect", "wave", "gc.yaml", [])
                player = vec.Player(case, "replay", {"ok": {"effect": "PASS"}})
                case.lines = [("collect", f"{p} => ok") for p in packets]
                out += [step.command for step in player.play()]
                keys.append(f"flow {player.key()}")
        waves.append(keys)
        out += [f"sleep {WAIT}", *(waves[-1 - LATER] if len(waves) > LATER else [])]
    return out


def judge(lines):
    """None, or what leaked."""
    text = "\n".join(lines)
    for word in LEAKS:
        if word in text:
            return f"{text.count(word)} times {word}"
    if lines.count("none") != (WAVES - LATER) * SCALE * sum(count for count, _ in STATES):
        return f"{lines.count('none')} entries are gone"
    passed = sum(line.startswith("handshake/pass") for line in lines)
    return None if passed > 50 * WAVES * SCALE else f"only {passed} handshake packets passed"
