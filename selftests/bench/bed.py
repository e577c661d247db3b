# SPDX-License-Identifier: GPL-2.0-only
"""Builds and drives the benchmark's driver: connections, acknowledgements, timed runs."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import frames
import policies
from frames import ACK, PSH, SYN

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
OUT = ROOT / ".output" / "bench"
PACKETS = 60000  # at least so many a timed run of one subject


def command(*argv):
    subprocess.run([str(a) for a in argv], cwd=ROOT, check=True)


def told(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          check=False).stdout.strip()


def describe():
    """Where and what a run measured."""
    model = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {"machine": model[0] if model else told("uname", "-m"), "kernel": told("uname", "-r"),
            "commit": told("git", "-C", HERE, "describe", "--always", "--dirty")}


def build_bpf():
    """The BPF objects; where they are."""
    OUT.mkdir(parents=True, exist_ok=True)
    command("make", "-s", "all")
    multiarch = told("gcc", "-print-multiarch")
    for name in ("bench", "load", "match"):
        command("clang", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3",
                "-isystem", f"/usr/include/{multiarch}", "-c", HERE / f"{name}.bpf.c", "-o",
                OUT / f"{name}.bpf.o")
    return OUT


def build():
    build_bpf()
    libs = re.search(r"^LIBS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    bpftool = next((p for p in ("/usr/sbin/bpftool",) if os.path.exists(p)), "bpftool")
    skeleton = subprocess.run([bpftool, "gen", "skeleton", OUT / "bench.bpf.o", "name",
                               "bench_bpf"], capture_output=True, check=True).stdout
    (OUT / "bench.skel.h").write_bytes(skeleton)
    objects = [ROOT / ".output/user" / f"{s.stem}.o" for s in sorted((ROOT / "user").glob("*.c"))
               if s.stem != "main"]
    command("gcc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT / '.output'}", f"-I{OUT}", "-O2", "-g",
            "-Wall", "-Wextra", "-Werror", HERE / "driver.c", *objects, *libs, "-o", OUT / "driver")


class Void(Exception):
    """A run that did not do what its row says."""


class Bed:
    def __init__(self, seed):
        self.seed = seed
        self.flows = self.version = 0
        build()

    def __enter__(self):
        self.policies = tempfile.TemporaryDirectory(prefix="keyswitch-bench-")
        self.proc = subprocess.Popen([OUT / "driver"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        self.proc.wait(30)
        self.policies.cleanup()

    def ask(self, *words):
        self.proc.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.proc.stdin.flush()
        answer = self.proc.stdout.readline().split()
        if not answer:
            sys.exit(f"the driver ended at '{' '.join(str(w) for w in words)[:100]}'")
        return answer

    def policy(self, name):
        path = pathlib.Path(self.policies.name) / f"{name}.yaml"
        if not path.exists():
            path.write_text(policies.POLICIES[name]())
        return path

    def run(self, subject, frame, repeat, back=0, step=None):
        """(ns a packet, {reason/action: packets})"""
        ns, _, *moved = self.ask("run", subject, frame.role, repeat,
                                 frame.step if step is None else step, back, frame.base,
                                 frame.number, frame.stamp, frame.bytes.hex())
        return int(ns), {key: int(n) for key, n in (m.split("=") for m in moved)}

    def expect(self, frame, *reasons, repeat=None, **kw):
        """An untimed run in which every packet moves one of the reasons."""
        repeat = repeat or self.flows
        ns, moved = self.run("keyswitch", frame, repeat, **kw)
        good = sum(n for key, n in moved.items() if key.split("/")[0] in reasons)
        if good != repeat or sum(moved.values()) != repeat:
            raise Void(f"{repeat} packets, expected {' or '.join(reasons)}, got {moved}")
        return ns

    # ---- connections ----

    def frame(self, role, flags, payload=b"", **kw):
        return frames.Frame(self.version, role, self.row.port, flags, payload, **kw)

    def prepare(self, row, flows, version):
        self.row, self.flows, self.version = row, flows, version
        self.ask("instance", self.policy(row.policy))
        self.ask("flows", flows, row.each, version, self.seed)
        if row.raw:
            return
        options = frames.wire.MSS + frames.wire.TS
        self.expect(self.frame("c", SYN, options=options), "handshake")
        self.expect(self.frame("s", SYN | ACK, options=options), "handshake")
        self.expect(self.frame("c", ACK), "handshake")
        self.ack = self.frame("s", ACK)
        for asked, answered, *number in row.session:
            self.expect(self.frame("c", ACK | PSH, asked), "ok")
            self.expect(self.frame("s", ACK | PSH, answered, number=number[0] if number else None),
                        "reply")
        self.sent = [self.frame(row.role, ACK | PSH, payload, number=row.number, stamp=row.stamp)
                     for payload in row.requests]
        if row.back:
            self.expect(self.sent[0], "ok")
        if row.floor:
            self.run("floor", self.sent[0], flows, step=0)

    # ---- timed ----

    def _raw(self, row, subject):
        role, make = row.raw
        ns, _, *moved = self.ask("run", subject, role, PACKETS, 0, 0, "raw", 0, 0,
                                 make(self.version).hex())
        if subject == "keyswitch":
            for m in moved:
                if m.split("/")[0] != row.reason:
                    raise Void(f"{row.name}: expected {row.reason}, got {moved}")
        return int(ns)

    def _step(self, row, frame):
        return 0 if row.back or not row.moves else frame.step

    def timed(self, row, subject):
        """ns a packet, over runs that are as long whatever the subject: a run has its own cost."""
        if row.raw:
            return self._raw(row, subject)
        wanted = -(-PACKETS // self.flows)
        room = 1 if len(self.sent) > 1 else row.room(wanted)
        spent = packets = 0
        while packets < PACKETS * len(self.sent):
            repeat = self.flows * room
            for frame, reason in zip(self.sent, row.reason.split(",")):
                spent += repeat * self._run(row, subject, frame, reason, repeat)
                packets += repeat
            if subject == "keyswitch" and row.role == "c" and row.moves and not row.back:
                self.expect(self.ack, "ack", step=0)
        return spent / packets

    def _run(self, row, subject, frame, reason, repeat):
        if subject != "keyswitch":
            return self.run(subject, frame, repeat, step=0)[0]
        back = len(row.requests[0]) if row.back else 0
        return self.expect(frame, reason, repeat=repeat, back=back, step=self._step(row, frame))
