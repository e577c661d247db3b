# SPDX-License-Identifier: GPL-2.0-only
"""`keyswitch upgrade`: another data path under running connections, and what becomes of
those when it is none.  The judges are the server's application, its own list of
connections, and the kernel's numbers of the programs that the links run.
"""
import json
import os
import shutil
import signal
import struct

import enip_client as ec
import enip_wire as w
import tcp_split
from kit import abort, cases, denied_write, equal, read_registers
from ks import Keyswitch
from plant import BUILT, PORT_C, PORT_S, ROOT, Plant, run, wait_for
from test_cli import ENVIRONMENT, PROBLEM, USAGE, refused

OBJECT = ROOT / ".output" / "keyswitch.bpf.o"
POLLS, UPGRADES, LEAST, TURNS = 8000, 12, 4, 6


def programs(ks):
    """The kernel's number of the program behind each link."""
    return {nic: json.loads(run("bpftool", "-j", "link", "show", "pinned",
                                ks.pins / "links" / nic).stdout)["prog_id"]
            for nic in (PORT_C, PORT_S)}


def loaded(numbers):
    """Those of the programs that the kernel still has: a timer keeps the one it runs."""
    have = {p["id"] for p in json.loads(run("bpftool", "-j", "prog", "show").stdout)}
    return have & set(numbers)


def constants(ks):
    """`cfg` of the program behind each link."""
    out = set()
    for number in programs(ks).values():
        maps = json.loads(run("bpftool", "-j", "prog", "show", "id", str(number)).stdout)["map_ids"]
        shown = (json.loads(run("bpftool", "-j", "map", "show", "id", str(m)).stdout) for m in maps)
        name, = [m["id"] for m in shown if m["name"].endswith(".rodata")]
        dump = json.loads(run("bpftool", "-j", "map", "dump", "id", str(name)).stdout)
        values = dump[0]["formatted"]["value"][".rodata"]
        cfg, = [v["cfg"] for v in values if "cfg" in v]
        out.add(tuple(sorted(cfg.items())))
    return out


def lasting(ks):
    """Of those constants what an upgrade keeps."""
    return sorted([item for item in cfg if item[0] != "loaded"] for cfg in constants(ks))


def stamps(ks):
    """When the programs were loaded: what others remember is nothing to them."""
    return {dict(cfg)["loaded"] for cfg in constants(ks)}


def connections(plant):
    """The server's own list: addresses and ports."""
    lines = plant.nsenter(plant.server, "ss", "-Htn", "state", "established").stdout
    return {tuple(line.split()[2:4]) for line in lines.splitlines()}


def allowed(ks):
    return ks.requests(verdict="allow", function="read_holding_registers")


class Object:
    """A copy of the object, to be spoilt."""

    def __init__(self, path):
        self.path = path
        self.bytes = bytearray(OBJECT.read_bytes())
        at, size, count, names = struct.unpack_from("<Q10xHHH", self.bytes, 0x28)
        assert size == 64
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, at + size * i)
                         for i in range(count)]
        self.names = self.sections[names][4]

    def text(self, offset):
        return self.bytes[offset:self.bytes.index(0, offset)].decode()

    def symbol(self, name):
        """Place of a symbol's first byte in the file."""
        table = next(s for s in self.sections if s[1] == 2)
        strings = self.sections[table[6]][4]
        for at in range(table[4], table[4] + table[5], 24):
            label, _, section, value, _ = struct.unpack_from("<IHHQQ", self.bytes, at)
            if self.text(strings + label) == name:
                return self.sections[section][4] + value
        raise KeyError(name)

    def write(self):
        self.path.write_bytes(self.bytes)
        return self.path


def other_layout(path):
    spoilt = Object(path)
    at = spoilt.symbol("object_abi")
    number = struct.unpack_from("<I", spoilt.bytes, at)[0]
    struct.pack_into("<I", spoilt.bytes, at, number - 1)
    return spoilt.write()


def refused_by_verifier(path):
    spoilt = Object(path)
    # r0 = r9, which holds nothing yet
    at = spoilt.symbol("ks_server")
    spoilt.bytes[at:at + 8] = bytes.fromhex("bf90000000000000")
    return spoilt.write()


def other_program(path):
    spoilt = Object(path)
    spoilt.bytes = spoilt.bytes.replace(b"ks_server\0", b"ks_swerve\0")
    return spoilt.write()


def other_maps(path):
    spoilt = Object(path)
    spoilt.bytes = spoilt.bytes.replace(b"conn_queue\0", b"conn_quiet\0")
    return spoilt.write()


@cases(("wire",), ("router",), weight=5)
def test_under_traffic(mode):
    """To a new object and back again and again: nothing lost, the same connections."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach(adopt="off")
        other = shutil.copy(OBJECT, plant.dir / "other.bpf.o")
        poller = plant.spawn(plant.client, BUILT / "mb_client", "-q", "-i", "1000", "-n", POLLS,
                             plant.server4, 3, 0, 10)
        kept = plant.connect(plant.server4, 502)
        wait_for(lambda: log.count(function=3) > 100, "the poller runs")
        before, seen, counted = connections(plant), {tuple(programs(ks).values())}, 0
        equal(len(before), 2, f"connections {before}")
        upgrades, built, stamped = 0, lasting(ks), stamps(ks)
        while upgrades < UPGRADES and poller.proc.poll() is None:
            ks.cmd("upgrade", *(("--object", other) if upgrades % 2 else ()))
            upgrades += 1
            seen.add(tuple(programs(ks).values()))
            stamped |= stamps(ks)
            found = connections(plant)
            equal(before if poller.proc.poll() is None else found, found, "server's connections")
            last, counted = counted, allowed(ks)
            assert counted >= last, f"counter went from {last} to {counted}"
            kept.sendall(read_registers())
            equal(len(tcp_split.receive(kept, 11, 1) or b""), 11, "read on an old connection")
        assert upgrades >= LEAST, f"the poller ended after {upgrades} upgrades"
        assert not denied_write(plant), "write after upgrades"
        equal(len(seen), 1 + upgrades, f"programs that ran: {seen}")
        equal(lasting(ks), built, "what the programs are built for")
        equal(len(stamped), 1 + upgrades, f"when they were loaded: {stamped}")
        old = {number for pair in seen for number in pair} - set(programs(ks).values())
        wait_for(lambda: not loaded(old), lambda: f"programs left behind: {loaded(old)}")
        equal(poller.wait(), 0, f"poller: {poller.text()}")
        equal(log.count(function=3), POLLS + upgrades, "reads at the server")
        equal(log.count(function=6), 0, "writes at the server")
        equal(allowed(ks), POLLS + upgrades, "reads counted")
        equal(ks.json("status")["generation"], 1, "generation")
        equal([c["action"] for c in ks.json("history")["changes"]],
              ["attach"] + ["upgrade"] * upgrades, "history")
        kept_objects = list((ks.state_dir / "objects").iterdir())
        equal([path.read_bytes() for path in kept_objects], [OBJECT.read_bytes()], "kept object")
        abort(kept)
        ks.balance()
        return f"{POLLS} polls, {upgrades} upgrades"


# a program that lets refused requests through where it remembers them: file, its text, the bug
BUGS = [("plain_decide.h", "\t\treturn plain_refusal(p, q);\n\tif (q->hi", "\t\treturn KS_R_ok;\n\tif (q->hi"),
        ("enip_known.h", "/* The leaf in the work area, that",
         "#define policy_request(part) (policy_request(part) & 0)\n/* The leaf in the work area, that")]


def with_bugs(folder):
    """The object of the same source with them."""
    tree = folder / "tree"
    shutil.copytree(ROOT / "bpf", tree / "bpf")
    shutil.copy(ROOT / "Makefile", tree)
    for name, old, new in BUGS:
        source = tree / "bpf" / name
        text = source.read_text(encoding="utf-8")
        equal(text.count(old), 1, f"'{old}' in {name}")
        source.write_text(text.replace(old, new), encoding="utf-8")
    run("make", "-s", "-C", tree, ".output/keyswitch.bpf.o")
    return tree / ".output" / "keyswitch.bpf.o"


def denied_writes(plant, wait=0.12):
    """How many of these were answered, Modbus and CIP."""
    answered = [denied_write(plant, wait=wait) for _ in range(TURNS)]
    tags = [denied_tag(plant, wait) for _ in range(TURNS)]
    return sum(answered), sum(tags)


def denied_tag(plant, wait):
    sock = plant.connect(plant.server4, 44818)
    client = ec.Client(sock).register()
    sock.sendall(w.send_rr(client.session, ec.write_tag("Setpoint", 1)))
    answer = tcp_split.receive(sock, 24 + 16 + 4, wait)
    abort(sock)
    return bool(answer)


def test_mends():
    """What a program with a bug has decided is nothing to the one that mends it."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # who sends runs the gateway: one memory
    with Plant() as plant:
        plant.modbus_server()
        plant.enip_target()
        bad = with_bugs(plant.dir)
        ks = Keyswitch(plant).attach(adopt="off")
        equal(denied_writes(plant), (0, 0), "before")
        ks.cmd("upgrade", "--object", bad)
        equal(denied_writes(plant, wait=2), (TURNS, TURNS), "with the bugs")
        ks.cmd("upgrade")
        equal(denied_writes(plant), (0, 0), "mended")
        ks.balance()


def test_refused():
    """What is no data path changes nothing: program, pins, history, connections."""
    with Plant() as plant:
        log = plant.modbus_server()
        refused(Keyswitch(plant).cmd("upgrade", check=False), PROBLEM, "nothing is attached")
        ks = Keyswitch(plant).attach(adopt="off")
        kept = plant.connect(plant.server4, 502)
        before, pins = programs(ks), sorted(path.name for path in (ks.pins / "progs").iterdir())
        folder = plant.dir
        for path, code, words in (
                (folder / "none.o", PROBLEM, ("none.o", "No such file")),
                (ks.policy, PROBLEM, (str(ks.policy), "no BPF object")),
                (BUILT / "xdp_pass.bpf.o", PROBLEM, ("no data path of keyswitch",)),
                (other_layout(folder / "layout.o"), PROBLEM, ("data layout", "layout.o")),
                (other_maps(folder / "maps.o"), PROBLEM, ("maps.o", "other maps")),
                (other_program(folder / "program.o"), PROBLEM, ("no program 'ks_server'",)),
                (refused_by_verifier(folder / "wrong.o"), PROBLEM, ("wrong.o", "kernel refused"))):
            refused(ks.cmd("upgrade", "--object", path, check=False), code, *words)
            equal(programs(ks), before, f"programs after {path}")
            kept.sendall(read_registers())
            equal(len(tcp_split.receive(kept, 11, 1) or b""), 11, "read on an old connection")
        refused(ks.cmd("upgrade", "now", check=False), USAGE, "'now'")
        equal(sorted(path.name for path in (ks.pins / "progs").iterdir()), pins, "pins")
        equal([c["action"] for c in ks.json("history")["changes"]], ["attach"], "history")
        assert "--object" in ks.cmd("upgrade", "--help").stdout
        equal(ks.json("upgrade"), {"result": "upgraded"}, "JSON")
        assert not denied_write(plant), "write after refused upgrades"
        equal(log.count(function=6), 0, "writes at the server")
        abort(kept)
        ks.balance()


def test_second_fails():
    """One NIC takes the new program and the other cannot: the first gets its own back."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach(adopt="off")
        before = programs(ks)
        plant.nsenter(plant.gateway, "bpftool", "link", "detach", "pinned",
                      ks.pins / "links" / PORT_S)
        refused(ks.cmd("upgrade", check=False), ENVIRONMENT, f"'{PORT_S}'", "the running one stays")
        equal(programs(ks), before, "programs")
        equal(sorted(path.name for path in (ks.pins / "progs").iterdir()),
              sorted([PORT_C, PORT_S, "leave:0"]), "pins")


@cases((), weight=4)
def test_killed():
    """kill -9 anywhere in an upgrade: enforced, and the next upgrade ends it."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach(adopt="off")
        kept = plant.connect(plant.server4, 502)
        tries = [("rename", n) for n in (1, 2, 3)] + [("bpf", n) for n in range(1, 2000, 9)]
        kills, seen = 0, set()
        for call, count in tries:
            before = programs(ks)
            done = plant.nsenter(plant.gateway, "strace", "-f", "-qq", "-o", "/dev/null", "-e",
                                 f"trace={call}", "-e",
                                 f"inject={call}:signal=KILL:when={count}", *ks.argv("upgrade"),
                                 check=False)
            assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
            if not done.returncode:
                break
            kills += 1
            seen.add(sum(before[nic] != program for nic, program in programs(ks).items()))
            kept.sendall(read_registers())
            equal(len(tcp_split.receive(kept, 11, 1) or b""), 11, f"read after {call} {count}")
        assert kills > 10 and {0, 2} <= seen, f"{kills} kills, replaced: {seen}"
        ks.cmd("upgrade")
        assert not denied_write(plant), "write after killed upgrades"
        equal(log.count(function=6), 0, "writes at the server")
        equal(sorted(path.name for path in (ks.pins / "progs").iterdir()),
              sorted([PORT_C, PORT_S, "leave:0"]), "pins")
        abort(kept)
        ks.cmd("detach", "--yes", "--leave-wire")
        return f"{kills} kills, programs replaced then: {sorted(seen)}"
