# SPDX-License-Identifier: GPL-2.0-only
"""Every command of 'keyswitch --help': has --help, refuses what it does not know, says
what is wrong with its exit code, and prints JSON. A command without a row below fails.

Owns the rows; what a command does is tested elsewhere.
"""
import json
import pathlib
import re
import socket
import struct
import tempfile

from kit import equal
from ks import BINARY, Keyswitch
from plant import PORT_C, PORT_S, ROOT, Plant, run

PROBLEM, USAGE, ENVIRONMENT = 1, 2, 3
PAIR = f"{PORT_C}:{PORT_S}"
# A refusal, its exit code and a word of it; nothing is attached. POLICY: a good one.
REFUSED = (
    ("check missing.yaml", PROBLEM, "missing.yaml"),
    ("fmt missing.yaml", PROBLEM, "missing.yaml"),
    ("explain POLICY --from 10.9.9.9", USAGE, "--to"),
    ("explain POLICY --from 10.9.9.9 --to plc --proto sctp", USAGE, "'sctp'"),
    ("explain POLICY --from 10.9.9.9 --to plc --proto tcp", USAGE, "--port"),
    ("explain POLICY --from 10.9.9.9 --to plc --function 6 --address 1 --value big", USAGE, "'big'"),
    ("diff POLICY missing.yaml", USAGE, "missing.yaml"),
    ("reasons nonsense", USAGE, "'nonsense'"),
    ("groups read", USAGE, "'read'"),
    ("keygen missing/alice", ENVIRONMENT, "missing/alice"),
    ("sign POLICY", USAGE, "--key"),
    ("sign --key missing.key POLICY", PROBLEM, "missing.key"),
    (f"attach --policy POLICY --wire {PORT_C}:none0", ENVIRONMENT, "none0"),
    ("apply POLICY", PROBLEM, "attach"),
    ("apply POLICY --confirm soon", USAGE, "'soon'"),
    ("shadow POLICY", PROBLEM, "attach"),
    ("shadow POLICY --off", USAGE, "--off"),
    ("promote", PROBLEM, "attach"),
    ("promote --confirm soon", USAGE, "'soon'"),
    ("confirm", PROBLEM, "attach"),
    ("rollback", PROBLEM, "attach"),
    ("history extra", USAGE, "'extra'"),
    ("mode observe", USAGE, "'observe'"),
    ("status", PROBLEM, "attach"),
    ("flows", PROBLEM, "attach"),
    ("flows --client 10.1", USAGE, "'10.1'"),
    ("flows --limit 0", USAGE, "'0'"),
    ("top --once", PROBLEM, "attach"),
    ("top --once --sort size", USAGE, "'size'"),
    ("counters", PROBLEM, "attach"),
    ("events", PROBLEM, "attach"),
    ("events --json --cef", USAGE, "'--cef'"),
    ("serve", PROBLEM, "attach"),
    ("capture", USAGE, "--denied"),
    ("capture --denied missing/x.pcapng", PROBLEM, "attach"),
    ("serve --stats never", USAGE, "'never'"),
    ("serve --syslog-queue 0", USAGE, "'0'"),
    ("replay missing.pcap --policy POLICY", PROBLEM, "missing.pcap"),
    ("doctor none0", ENVIRONMENT, "none0"),
    ("guard maybe", USAGE, "'maybe'"),
    ("upgrade", PROBLEM, "attach"),
    ("detach --yes", PROBLEM, "attach"),
)
# What is said, and keys of the object that it prints (of the first, if it prints a list
# of them), in an order in which it can be said. CAPTURE: one request.
PRINTED = (
    (f"attach --policy POLICY --wire {PAIR} --adopt audit", {"pairs", "generation"}),
    ("apply OTHER", {"generation", "mode", "digest"}),
    ("rollback", {"generation", "digest"}),
    ("apply OTHER --confirm 1m", {"generation", "mode", "digest", "trial"}),
    ("confirm", {"generation", "digest"}),
    ("shadow POLICY", {"generation", "digest"}),
    ("shadow", {"generation", "digest"}),
    ("shadow --off", {"result"}),
    ("shadow POLICY", {"generation", "digest"}),
    ("promote", {"generation", "mode", "digest"}),
    ("history", {"changes"}),
    ("mode monitor", {"mode"}),
    ("status", {"attached", "mode", "policy"}),
    ("flows", {"tracked", "open", "limit", "flows"}),
    ("top --once", {"assets", "clients", "functions", "denied", "latest"}),
    ("counters", {"packets", "requests", "rules"}),
    ("capture --denied CAPTURED --seconds 1", {"packets", "lost", "ports"}),
    ("doctor", {"attached", "findings"}),
    ("guard show", {"on", "ports"}),
    ("check POLICY", {"severity", "message"}),
    ("fmt --check POLICY", {"file", "changed"}),
    ("groups", {"groups"}),
    ("reasons policy_deny", {"reasons"}),
    ("keygen KEYS", {"key"}),
    ("sign --key KEYS.key OTHER", {"key", "digest"}),
    ("diff POLICY POLICY", {"requests", "settings"}),
    ("explain POLICY --from 10.9.9.9 --to plc --function 17", {"verdict", "reason", "request"}),
    ("explain POLICY --from 10.9.9.9 --to plc --proto tcp --port 443",
     {"verdict", "reason", "service"}),
    ("replay CAPTURE --policy POLICY", {"verdict", "frame"}),
    ("upgrade", {"result"}),
    ("detach --yes", {"result"}),
)
# These print a line for what happens meanwhile, tested with what raises it.
MEANWHILE = {"events", "serve"}


def commands():
    """Names in the list that --help prints."""
    text = run(BINARY, "--help").stdout
    listed = text[text.index("Commands:"):text.index("'keyswitch COMMAND --help'")]
    return re.findall(r"^  ([a-z]\S*) +\S", listed, re.M)


def named(rows):
    return {said.split()[0] for said, *_ in rows}


def argv(said, files):
    """KEYS.key: a file beside what KEYS stands for."""
    return [re.sub("^[A-Z]+", lambda word: str(files.get(word[0], word[0])), arg)
            for arg in said.split()]


def test_help():
    """--help on stdout and 0; an unknown option is told on stderr with a way to help, and 2."""
    names = commands()
    assert len(names) >= 26, names
    for name in names:
        text = run(BINARY, name, "--help").stdout
        for word in (f"Usage: keyswitch {name}", "--json", "--pin-dir", "--help"):
            assert word in text, f"'{word}' is missing in 'keyswitch {name} --help'"
        for said in ((name, "--nonsense"), ("--json", name, "--nonsense")):
            done = run(BINARY, *said, check=False)
            equal((done.returncode, done.stdout), (USAGE, ""), said)
            for word in ("'--nonsense'", f"keyswitch {name} --help"):
                assert word in done.stderr, f"{said}: {done.stderr}"


def test_refusals():
    """With --json too: nothing on stdout that could be taken for an answer."""
    equal(sorted(named(REFUSED)), sorted(commands()), "commands with a row")
    with Plant() as plant:
        ks = Keyswitch(plant)
        for said, code, word in REFUSED:
            for options in ((), ("--json",)):
                done = ks.cmd(*options, *argv(said, {"POLICY": ks.policy}), check=False)
                equal(done.returncode, code, f"exit code of {options} {said}: {done.stderr}")
                assert word in done.stderr or word in done.stdout, f"{said}: {done.stderr}"
                answer = done.stdout.strip()
                report = said.startswith("check") or (said.startswith("fmt") and options)
                assert report or not answer, f"{said}: {answer}"
        assert not ks.pins.exists() or not list(ks.pins.iterdir()), list(ks.pins.iterdir())


def sections(page):
    """{command: its part of keyswitch(8)}, options without roff's backslashes."""
    page = page.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "").replace("\\fI", "")
    parts = re.split(r"^\.SS keyswitch ", page.split("\n.SH COMMANDS\n")[1].split("\n.SH ")[0],
                     flags=re.M)[1:]
    return {part.split()[0]: part for part in parts}


def test_manual():
    """Each command and each of its own options is in keyswitch(8) and in both completions,
    with the exit codes of all."""
    with tempfile.TemporaryDirectory() as folder:
        run(ROOT / "scripts" / "make-manual", BINARY, ROOT / "policy" / "keyswitch.schema.json",
            ROOT / "policy" / "cell.yaml", folder)
        page, bash, zsh = ((pathlib.Path(folder) / name).read_text()
                           for name in ("keyswitch.8", "keyswitch.bash", "_keyswitch"))
    described = sections(page)
    equal(sorted(described), sorted(commands()), "commands in keyswitch(8)")
    exits = page.split(".SH EXIT STATUS")[1].split(".SH ")[0]
    equal(re.findall(r"\.TP\n\\fB(\d)\\fR", exits), ["0", "1", "2", "3"], "exit codes")
    for name in commands():
        text = run(BINARY, name, "--help").stdout
        own = text.split("--json")[0]
        arms = [re.search(rf"^\t{name}\)(.*?;;)$", script, re.M | re.S)[1] for script in (bash, zsh)]
        for option in re.findall(r"^ +(?:-\S, )? *(--[a-z-]+)", own, re.M):
            assert option in described[name], f"{option} of {name} is missing in keyswitch(8)"
            for arm in arms:
                assert option in arm, f"{option} of {name} is missing in {arm[:80]}"
        assert len(described[name].split("\n")) > 1 and described[name].split("\n")[1], name


def test_reasons():
    """Each reason says what to do, and docs/reasons.md is what the binary prints."""
    page = run(BINARY, "reasons", "--markdown").stdout
    equal((ROOT / "docs" / "reasons.md").read_text(), page, "docs/reasons.md, made by 'make docs'")
    reasons = json.loads(run(BINARY, "--json", "reasons").stdout)["reasons"]
    listed = re.findall(r"^\tR\((\w+), (\w+),", (ROOT / "bpf" / "reasons.h").read_text(), re.M)
    equal([r["reason"] for r in reasons], [name for name, _ in listed], "reasons in bpf/reasons.h")
    for reason, (name, effect) in zip(reasons, listed):
        equal(reason["effect"], {"PASS": "passes", "DROP": "stopped", "TX": "answered"}[effect], name)
        for key in ("means", "cause", "advice"):
            assert len(reason[key]) >= len("its answers"), f"{name}: no {key}: {reason}"
    # a packet's reason that a row names is another row's name
    for word in re.findall(r"as for `(\w+)`|as `(\w+)`", page):
        assert {*word} & {name for name, _ in listed}, word


def capture(path, plant):
    """A datagram to the asset: one request."""
    addresses = [socket.inet_aton(a) for a in (plant.client4, plant.server4)]
    adu = bytes.fromhex("000100000006010300000001")
    udp = struct.pack(">HHHH", 4000, 502, 8 + len(adu), 0) + adu
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + b"".join(addresses)
    frame = bytes(12) + b"\x08\0" + ip + udp
    path.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 1 << 16, 1) +
                     struct.pack("<4I", 1, 0, len(frame), len(frame)) + frame)
    return path


def first(text):
    """The object in an answer: itself, the first of a list, or the first line."""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = json.loads(text.splitlines()[0])
    return answer[0] if isinstance(answer, list) else answer


def test_json():
    equal(sorted(named(PRINTED) | MEANWHILE), sorted(commands()), "commands with a row")
    with Plant() as plant:
        ks = Keyswitch(plant)
        files = {"POLICY": ks.policy, "CAPTURE": capture(plant.dir / "one.pcap", plant),
                 "KEYS": plant.dir / "alice", "CAPTURED": plant.dir / "denied.pcapng",
                 "OTHER": ks.write_policy("other.yaml", "version: 1\nassets: {{plc: {p.server4}}}\n")}
        for said, keys in PRINTED:
            done = ks.cmd("--json", *argv(said, files), check=False)
            equal(done.returncode, 0, f"exit code of {said}: {done.stderr}")
            missing = keys - first(done.stdout).keys()
            assert not missing, f"{said}: no {missing} in {done.stdout[:300]}"
