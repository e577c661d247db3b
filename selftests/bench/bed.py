# SPDX-License-Identifier: GPL-2.0-only
"""Builds and drives the benchmark's driver: connections, acknowledgements, timed runs."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import frames
import policies
from frames import ACK, PSH, SYN

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
OUT = ROOT / ".output" / "bench"
PACKETS = 60000  # at least so many a timed run of one subject
RUNS = 50  # and at most so many test runs: of long requests a connection takes few at once
FLOOR = 16384  # connections that the floor has room for
CHUNK = 4000  # connections that open at once: fewer than opens may wait (KS_OPENS)


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
    for name in ("bench", "stays", "load", "match"):
        command("clang", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-mcpu=v3",
                "-isystem", f"/usr/include/{multiarch}", "-c", HERE / f"{name}.bpf.c", "-o",
                OUT / f"{name}.bpf.o")
    return OUT


def build_flooder():
    command("gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror",
            HERE / "flooder.c", *libraries(), "-o", OUT / "flooder")


def libraries():
    return re.search(r"^LIBS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()


def build():
    build_bpf()
    bpftool = next((p for p in ("/usr/sbin/bpftool",) if os.path.exists(p)), "bpftool")
    for name in ("bench", "stays"):
        skeleton = subprocess.run([bpftool, "gen", "skeleton", OUT / f"{name}.bpf.o", "name",
                                   f"{name}_bpf"], capture_output=True, check=True).stdout
        (OUT / f"{name}.skel.h").write_bytes(skeleton)
    objects = [ROOT / ".output/user" / f"{s.stem}.o" for s in sorted((ROOT / "user").glob("*.c"))
               if s.stem != "main"]
    command("gcc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT / '.output'}", f"-I{OUT}", "-O2", "-g",
            "-Wall", "-Wextra", "-Werror", *[HERE / f"{s}.c" for s in ("driver", "lanes", "stays")], *objects,
            *libraries(), "-lpthread", "-o", OUT / "driver")


class Void(Exception):
    """A run that did not do what its row says."""


class Bed:
    """
    One driver. What it holds is one instance of the product under one policy and
    connections through it; rows that want the same of both use them one after the other.
    """

    def __init__(self, seed, floor=FLOOR):
        self.seed, self.floor, self.held = seed, floor, None
        self.flows = self.made = self.version = 0
        build()

    def __enter__(self):
        self.policies = tempfile.TemporaryDirectory(prefix="keyswitch-bench-")
        self.proc = subprocess.Popen([OUT / "driver", str(self.floor)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.proc.stdin.close()
        self.proc.wait(60)
        self.policies.cleanup()

    def tell(self, *words):
        self.proc.stdin.write(" ".join(str(w) for w in words) + "\n")

    def ask(self, *words):
        self.tell(*words)
        self.proc.stdin.flush()
        answer = self.proc.stdout.readline().split()
        if not answer:
            sys.exit(f"the driver ended at '{' '.join(str(w) for w in words)[:100]}'")
        return answer

    def policy(self, name):
        path = pathlib.Path(self.policies.name) / f"{name}.yaml"
        if not path.exists():
            path.write_text(policies.text(name))
        return path

    # ---- runs ----

    def arm(self, lane, subject, frame, at=0, count=None, back=0, step=None):
        self.tell("arm", lane, subject, frame.role, at, self.flows if count is None else count,
                 frame.step if step is None else step, back, frame.base, frame.number,
                 frame.stamp, frame.flags, frame.bytes.hex())

    def go(self, mask, *repeat):
        """([ns a packet of each lane], events, {reason/action: packets})"""
        first, second, events, *moved = self.ask("go", mask, *repeat)
        return [int(first), int(second)], int(events), \
            {key: int(n) for key, n in (m.split("=") for m in moved)}

    def run(self, subject, frame, repeat, **kw):
        """(ns a packet, events, {reason/action: packets})"""
        self.arm(0, subject, frame, **kw)
        ns, events, moved = self.go(1, repeat, 0)
        return ns[0], events, moved

    @staticmethod
    def check(moved, wanted):
        """wanted: {reason: packets}"""
        reasons = {}
        for key, n in moved.items():
            reasons[key.split("/")[0]] = reasons.get(key.split("/")[0], 0) + n
        if reasons != wanted:
            raise Void(f"expected {wanted}, got {moved}")

    def expect(self, frame, reason, repeat=None, events=None, **kw):
        """A run in which every packet moves the reason, and sends so many events."""
        repeat = repeat or self.flows
        ns, sent, moved = self.run("keyswitch", frame, repeat, **kw)
        self.check(moved, {reason: repeat})
        if events is not None and sent != events:
            raise Void(f"expected {events} events, got {sent}")
        return ns

    # ---- connections ----

    def frame(self, role, flags, payload=b"", **kw):
        return frames.Frame(self.version, role, self.row.port, flags, payload, **kw)

    def open(self, row, version):
        """A fresh instance."""
        self.held = None
        self.row, self.version = row, version
        self.ask("instance", self.policy(row.policy))

    def make(self, row, n, version):
        """A fresh instance and n connections through it, with the session that the row wants."""
        self.open(row, version)
        self.connect(n, row.each)
        self.held, self.made = row.needs(version), n

    def connect(self, n, each):
        self.ask("flows", n, each, self.version)
        self.use(n)
        for at in range(0, n, CHUNK):
            self.opening(at, min(CHUNK, n - at))

    def opening(self, at, count):
        """Handshake and session of a part of the connections."""
        options = frames.wire.MSS + frames.wire.TS
        part = {"repeat": count, "at": at, "count": count}
        self.expect(self.frame("c", SYN, options=options), "handshake", **part)
        self.expect(self.frame("s", SYN | ACK, options=options), "handshake", **part)
        self.expect(self.frame("c", ACK), "handshake", **part)
        for asked, answered, *number in self.row.session:
            self.expect(self.frame("c", ACK | PSH, asked), "ok", **part)
            self.expect(self.frame("s", ACK | PSH, answered,
                                   number=number[0] if number else None), "reply", **part)

    def use(self, n, lane=0, first=0, seed=None):
        self.flows = n
        self.ask("use", lane, first, n, self.seed if seed is None else seed)

    def prepare(self, row, flows, version, made=None):
        """made: connections that the rows to come on the same instance want as well."""
        made = max(made or flows, flows)
        if self.held != row.needs(version) or self.made < flows:
            self.make(row, made, version)
        self.row, self.version = row, version
        self.use(flows)
        if row.raw:
            return
        self.ack = self.frame("s", ACK)
        self.sent = [row.frame(version, payload) for payload in row.requests]
        if row.back:
            self.expect(self.sent[0], "ok")
        if row.floor:
            self.run("floor", self.sent[0], flows, step=0)

    def prepare_floor(self, row, flows, version):
        """Without the product: connections of the floor alone."""
        self.row, self.version, self.held = row, version, None
        self.ask("flows", flows, row.each, version)
        self.use(flows)
        self.sent = [row.frame(version, payload) for payload in row.requests]
        self.run("floor", self.sent[0], flows, step=0)

    def memory(self):
        """{map: bytes}"""
        return {name: int(n) for name, n in (m.split("=") for m in self.ask("memory"))}

    # ---- timed ----

    def _raw(self, row, subject):
        ns, _, moved = self.run(subject, frames.Raw(row.role, row.raw(self.version)), PACKETS)
        if subject == "keyswitch":
            self.check(moved, {row.reason: PACKETS})
        return ns

    def timed(self, row, subject):
        """ns a packet, over runs that are as long whatever the subject: a run has its own cost."""
        if row.raw:
            return self._raw(row, subject)
        if row.events and subject == "keyswitch":
            time.sleep(1.002 - time.monotonic() % 1)  # a connection may send ten a second
        packets = row.packets or PACKETS * len(self.sent)
        room = 1 if len(self.sent) > 1 else row.room(-(-packets // self.flows))
        spent = sent = 0
        packets = min(packets, RUNS * len(self.sent) * self.flows * room)
        while sent < packets:
            repeat = self.flows * room
            for frame, reason in zip(self.sent, row.reason.split(",")):
                spent += repeat * self._run(row, subject, frame, reason, repeat)
                sent += repeat
            if subject == "keyswitch" and row.acked:
                self.expect(self.ack, "ack", step=0)
        return spent / sent

    def _run(self, row, subject, frame, reason, repeat):
        if subject != "keyswitch":
            return self.run(subject, frame, repeat, step=0)[0]
        if row.turns:
            ns, _, moved = self.run("keyswitch", frame, repeat)
            self.check(moved, {reason: repeat // 2, "reply": repeat // 2})
            return ns
        back = len(row.requests[0]) if row.back else 0
        return self.expect(frame, reason, repeat=repeat, back=back, step=row.step(frame),
                           events=repeat if row.events else None)
