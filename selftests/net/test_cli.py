# SPDX-License-Identifier: GPL-2.0-only
"""The command line where things go wrong, and the metrics: each refusal is a
clear answer with its exit code, and none of them changes what is enforced.
"""
import json
import os
import pathlib
import pty
import subprocess
import tempfile

import tcp_split
from kit import abort, cases, denied_write, equal, no_writes, write_register
from ks import BINARY, READONLY, Keyswitch, metric
from plant import PORT_C, PORT_S, Plant, run

PROBLEM, USAGE, ENVIRONMENT = 1, 2, 3
METRICS = ("keyswitch_requests_total", "keyswitch_packets_total",
           "keyswitch_events_lost_total", "keyswitch_flows",
           "keyswitch_policy_generation", "keyswitch_build_info")


def refused(done, code, *words):
    """Exit code and the words that the answer must hold; never a silent one."""
    text = done.stdout + done.stderr
    equal(done.returncode, code, f"exit code of {done.args[2:]}:\n{text}")
    for word in words:
        assert word in text, f"'{word}' is missing in the answer of {done.args[2:]}:\n{text}"
    assert done.stderr.strip(), f"nothing on stderr: {done.args[2:]}"


def write_arrives(plant, log):
    before = log.count(function=6)
    try:
        sock = plant.connect(plant.server4, 502, timeout=0.4)
    except OSError:
        return False
    sock.sendall(write_register())
    tcp_split.receive(sock, 12, 0.3)
    abort(sock)
    return log.count(function=6) > before


def test_nothing_attached():
    with Plant() as plant:
        ks = Keyswitch(plant)
        for verb in (("detach",), ("apply", ks.policy), ("status",), ("counters",),
                     ("mode",), ("mode", "monitor"), ("events",), ("serve",)):
            refused(ks.cmd(*verb, check=False), PROBLEM, "attach")


def test_attach_refused():
    """None of these attaches anything."""
    with Plant() as plant:
        log = plant.modbus_server()
        plant.wire()
        ks = Keyswitch(plant)
        pair = f"{PORT_C}:{PORT_S}"
        wrong = ks.write_policy("wrong.yaml", READONLY.replace("readonly", "sometimes"))
        for argv, code, words in (
                (("attach", "--wire", pair), USAGE, ("--policy",)),
                (("attach", "--policy", ks.policy), USAGE, ("--wire",)),
                (("attach", "--policy", ks.policy, "--wire", PORT_C), USAGE, (PORT_C,)),
                (("attach", "--policy", ks.policy, "--wire", f"{PORT_C}:none0"), ENVIRONMENT,
                 ("none0",)),
                (("attach", "--policy", ks.policy, "--wire", f"{PORT_C}:{PORT_C}"), USAGE,
                 (PORT_C,)),
                (("attach", "--policy", wrong, "--wire", pair), PROBLEM,
                 (f"{wrong}:2:10", "'sometimes'")),
                (("attach", "--policy", "missing.yaml", "--wire", pair), PROBLEM,
                 ("missing.yaml",)),
                (("nonsense",), USAGE, ("nonsense",)),
                (("status", "--nonsense"), USAGE, ("nonsense",))):
            refused(ks.cmd(*argv, check=False), code, *words)
        assert not ks.pins.exists() or not list(ks.pins.iterdir()), list(ks.pins.iterdir())
        assert write_arrives(plant, log), "the no-op wire was disturbed"


def test_environment():
    with Plant() as plant:
        ks = Keyswitch(plant)
        pair = ("--policy", ks.policy, "--wire", f"{PORT_C}:{PORT_S}")
        pins = plant.dir / "no-bpffs" / "keyswitch"
        refused(plant.nsenter(plant.gateway, BINARY, "--pin-dir", pins, "--run-dir", ks.run_dir,
                              "attach", *pair, check=False), ENVIRONMENT, "bpf")
        os.chmod(plant.dir, 0o755)
        refused(plant.nsenter(plant.gateway, "setpriv", "--reuid", "65534", "--regid", "65534",
                              "--clear-groups", "--bounding-set", "-all", *ks.argv("attach"),
                              *pair, check=False), ENVIRONMENT)


def test_attach_twice():
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        done = ks.cmd("attach", "--policy", ks.policy, "--wire", f"{PORT_C}:{PORT_S}",
                      check=False)
        refused(done, PROBLEM, "attach")
        assert not write_arrives(plant, log), "a write after the second attach"
        equal(plant.mb_client(plant.server4, 3, 0, 1)[0], 0, "a read after the second attach")
        equal(ks.json("status")["generation"], 1, "policy generation")
        ks.balance()


def test_apply_refused():
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        broken = ks.write_policy("broken.yaml", "version: 1\ndefault: [\n")
        twice = ks.write_policy("twice.yaml", "version: 2\ndefault: maybe\nassets: {{}}\n")
        refused(ks.cmd("apply", broken, check=False), PROBLEM, f"{broken}:")
        refused(ks.cmd("apply", twice, check=False), PROBLEM, f"{twice}:1:10",
                f"{twice}:2:10", "'maybe'")
        refused(ks.cmd("apply", "missing.yaml", check=False), PROBLEM, "missing.yaml")
        refused(ks.cmd("apply", check=False), USAGE)
        equal(ks.json("status")["generation"], 1, "policy generation")
        assert not write_arrives(plant, log), "a write after refused applies"
        ks.balance()


def asked(ks, answer, code, *extra):
    """detach at a terminal, with this answer to its question."""
    terminal, other_end = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    done = ks.cmd("detach", *extra, check=False, stdin=other_end)
    os.close(terminal)
    os.close(other_end)
    equal(done.returncode, code, f"exit code after '{answer}': {done.stdout}{done.stderr}")
    assert "[y/N]" in done.stderr, done.stderr


@cases(("wire", ()), ("wire", ("--leave-wire",)), ("router", ()), ("bridge", ()))
def test_detach(mode, extra):
    with Plant(mode) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        assert not write_arrives(plant, log), "a write while attached"
        refused(ks.cmd("detach", *extra, check=False, stdin=subprocess.DEVNULL), USAGE, "--yes",
                "no frame passes" if mode == "wire" and not extra else "without inspection")
        for answer in ("n", "", "yesterday"):
            asked(ks, answer, PROBLEM, *extra)
        assert not write_arrives(plant, log), "a write after a refused detach"
        equal(plant.mb_client(plant.server4, 3, 0, 1)[0], 0, "a read while attached")
        no_writes(log)
        if mode == "bridge":
            asked(ks, "y", 0, *extra)
        else:
            ks.cmd("detach", "--yes", *extra)
        equal(write_arrives(plant, log), mode != "wire" or bool(extra), "a write after detach")
        refused(ks.cmd("status", check=False), PROBLEM, "attach")


def test_attach_again():
    """Detach leaves nothing that stands in the way of the next attach."""
    with Plant("router") as plant:
        log = plant.modbus_server()
        for last in (False, True):
            ks = Keyswitch(plant).attach()
            assert not write_arrives(plant, log), "a write while attached"
            equal(plant.mb_client(plant.server4, 3, 0, 1)[0], 0, "a read while attached")
            if last:
                ks.balance()
            ks.cmd("detach", "--yes")


def test_one_serve():
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        first, _ = ks.serve()
        refused(ks.cmd("serve", "--listen", "127.0.0.1:9503", check=False), PROBLEM, "serve")
        first.stop()
        equal(first.proc.returncode, 0, "exit code of a serve that was asked to end")
        ks.serve("second")


def test_metrics():
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        ks.serve()
        plant.mb_client("-n", "3", plant.server4, 3, 0, 1)
        denied_write(plant)
        text = ks.metrics_text()
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              capture_output=True, timeout=30)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")
        for name in METRICS:
            assert f"# TYPE {name} " in text, f"{name} is missing:\n{text}"
        for verdict, count in (("allow", 3), ("deny", 1)):
            equal(metric(text, "keyswitch_requests_total", verdict=verdict, proto="modbus",
                         asset="plc", port=PORT_C), count, f"requests with verdict {verdict}")
        equal(metric(text, "keyswitch_policy_generation"), 1, "generation")
        equal(metric(text, "keyswitch_events_lost_total"), 0, "events lost")
        ks.balance()


def test_json_everywhere():
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        for verb in (("status",), ("counters",), ("mode",), ("groups",), ("check", ks.policy)):
            done = ks.cmd("--json", *verb)
            json.loads(done.stdout)
            after = ks.cmd(*verb, "--json")
            equal(type(json.loads(after.stdout)), type(json.loads(done.stdout)), verb)
        json.loads(run(BINARY, "--json", "groups").stdout)


def test_explain():
    """What it refuses, and that verdicts of both kinds exit 0."""
    with Plant() as plant:
        ks = Keyswitch(plant)
        who = ("explain", ks.policy, "--from", "10.9.9.9", "--to", str(plant.server4))
        wrong = ks.write_policy("wrong.yaml", READONLY.replace("readonly", "sometimes"))
        for argv, code, words in (
                (("explain",), USAGE, ("no policy",)),
                (("explain", ks.policy), USAGE, ("--from",)),
                (("explain", ks.policy, "--from", "10.9.9.9"), USAGE, ("--to",)),
                (who, USAGE, ("no request", "--function")),
                ((*who, "extra"), USAGE, ("'extra'",)),
                ((*who, "--function", "wriet_single_coil"), USAGE,
                 ("--function", "did you mean 'write_single_coil'?")),
                ((*who, "--service", "write_tag", "--elements", "2"), USAGE, ("--elements", "--tag")),
                ((*who, "--function", "6", "--address", "70000"), USAGE,
                 ("--address", "'70000'")),
                ((*who[:2], "--from", "nobody", *who[4:], "--function", "17"), USAGE,
                 ("unknown host 'nobody'",)),
                (("explain", wrong, *who[2:], "--function", "17"), PROBLEM,
                 (f"{wrong}:2:10", "'sometimes'")),
                (("explain", "missing.yaml", *who[2:], "--function", "17"), PROBLEM,
                 ("missing.yaml",))):
            refused(ks.cmd(*argv, check=False), code, *words)
        for function, verdict in (("read_holding_registers", "allow"),
                                  ("write_single_register", "deny")):
            answer = ks.json(*who, "--function", function, "--address", "4x101")
            equal((answer["verdict"], answer["rule"], answer["request"]["address"]),
                  (verdict, "default", 100), function)
            text = ks.cmd(*who, "--function", function, "--address", "100").stdout
            assert "(4x101)" in text or not answer["considered"], text
        closed = ks.write_policy("closed.yaml", READONLY.replace("readonly", "deny"))
        argv = ("explain", closed, *who[2:], "--function", "17")
        equal(ks.json(*argv)["connection"], "pair_denied", "connection")
        assert "connection itself is refused" in ks.cmd(*argv).stdout
        help_text = ks.cmd("explain", "--help").stdout
        for word in ("--from", "--write-address", "--pccc", "--route"):
            assert word in help_text, word


def test_explain_requests():
    """Answers in the order of the file, each what the single request gets; a line that is
    wrong is named and keeps no other from its answer."""
    with Plant() as plant:
        ks = Keyswitch(plant)
        who = {"from": "10.9.9.9", "to": str(plant.server4)}
        asked = [{**who, "function": f, "address": a} for f in (3, "write_single_register")
                 for a in (0, "4x101", "10-20")]
        lines = [json.dumps(line) for line in asked]
        file = plant.dir / "requests"
        file.write_text("\n".join([lines[0], "", *lines[1:]]))
        answers = [json.loads(a) for a in ks.cmd("--json", "explain", ks.policy, "--requests",
                                                 file).stdout.splitlines()]
        equal([a.pop("request_line") for a in answers], [1, 3, 4, 5, 6, 7], "lines")
        single = [ks.json("explain", ks.policy, *(word for key, value in line.items()
                                                  for word in (f"--{key}", str(value))))
                  for line in asked]
        equal(answers, single, "answers")
        file.write_text("\n".join([lines[0], '{"from": ', "[]", '{"from": "10.9.9.9"}',
                                   '{"form": 1}', lines[3].replace("write_", "wriet_"),
                                   json.dumps({**who, "unit": 1.5, "function": 17}), lines[1]]))
        done = ks.cmd("--json", "explain", ks.policy, "--requests", file, check=False)
        refused(done, USAGE, f"{file}:2: ", "expected a JSON object", f"{file}:3: no JSON object",
                f"{file}:4: no 'to'", f"{file}:5: unknown key 'form'", f"{file}:6: --function",
                "did you mean 'write_single_register'?", f"{file}:7: 'unit' is neither")
        equal([json.loads(a)["request_line"] for a in done.stdout.splitlines()], [1, 8], "lines answered")
        for argv, words in ((("--requests", "missing"), ("missing",)),
                            (("--requests", file, "--unit", "1"), ("--unit", "--requests")),
                            (("--requests", file, "--from", "10.9.9.9"), ("--from", "--requests"))):
            refused(ks.cmd("explain", ks.policy, *argv, check=False), USAGE, *words)


DIFF_PLANT = """version: 1
default: readonly
protected: 10.2.0.0/24
hosts: {{hmi: 10.1.0.10, eng: [10.1.0.20, "2001:db8::20"]}}
assets:
  plc1: {{address: 10.2.0.5, modbus: {{}}}}
  plc2: {{address: [10.2.0.6, "2001:db8:2::6"], enip: {{}}}}
rules:
  - {{name: setpoints, from: hmi, to: plc1, action: allow, modbus: {{functions: [6, 16], addresses: [0-99]}}}}
  - {{name: speed, from: eng, to: plc2, action: allow, cip: {{services: [write_tag], tags: [Speed]}}}}
"""
SETPOINTS, SPEED = DIFF_PLANT.splitlines(keepends=True)[-2:]

# what is replaced by what, and the lines that say it
DIFFERENCES = (
    ("0-99", "0-119", ["hmi (10.1.0.10) -> plc1: unit 1-255 write_single_register, "
                       "write_multiple_registers 100-119: denied -> allowed by 'setpoints'"]),
    ("0-99", "0-49, 90-99", ["hmi (10.1.0.10) -> plc1: unit 1-255 write_single_register, "
                             "write_multiple_registers 50-89: allowed by 'setpoints' -> "
                             "denied (default)"]),
    ("tags: [Speed]", "tags: [Speed, Other]",
     ["eng (10.1.0.20), eng (2001:db8::20) -> plc2: write_tag tag other (route direct): "
      "denied -> allowed by 'speed'"]),
    ("hmi: 10.1.0.10", "panel: 10.1.0.10, hmi: 10.1.0.11",
     ["panel (10.1.0.10) -> plc1: unit 1-255 write_single_register, write_multiple_registers "
      "0-99: allowed by 'setpoints' -> denied (default)",
      "hmi (10.1.0.11) -> plc1: unit 1-255 write_single_register, write_multiple_registers "
      "0-99: denied -> allowed by 'setpoints'"]),
    ("from: hmi, to: plc1, action: allow, modbus: {{functions: [6, 16], addresses: [0-99]}}",
     "to: plc1, action: allow, modbus: {{unit: 3, functions: [8/4]}}",
     ["every client -> plc1: unit 3 force_listen_only: denied -> allowed by 'setpoints'",
      "hmi (10.1.0.10) -> plc1: unit 1-255 write_single_register, write_multiple_registers "
      "0-99: allowed by 'setpoints' -> denied (default)"]),
    ("modbus: {{}}}}", "modbus: {{ports: [502, 1502], split: hold}}}}",
     ["modbus ports of asset 'plc1': 502 -> 502, 1502",
      "split of asset 'plc1': assemble -> hold"]),
    ("protected: 10.2.0.0/24", "mode: monitor\non_deny: drop\nlimits: {{flows: 1000}}",
     ["10.2.0.0/24 -> plc1: read_coils, read_discrete_inputs, read_holding_registers, "
      "read_input_registers, read_exception_status, get_comm_event_counter, "
      "get_comm_event_log, report_server_id, read_file_record, read_fifo_queue: "
      "denied -> allowed (default)", None, None, None,
      "mode: enforce -> monitor", "on_deny: reset -> drop", "protected: 10.2.0.0/24 -> none",
      "limits flows: 16384 -> 1000"]),
    # nothing that decides
    ("rules:", "# a comment\nrules:", []),
    (SETPOINTS + SPEED, SPEED + SETPOINTS, []),
    ("name: speed", "name: tempo", []),
    ("[0-99]", "[50-99, 0-60]", []),
)


def test_diff():
    """Lines and exit codes of differences, of none, and of what cannot be compared."""
    with Plant() as plant:
        ks = Keyswitch(plant)
        old = ks.write_policy("old.yaml", DIFF_PLANT)
        for what, other, lines in DIFFERENCES:
            assert what in DIFF_PLANT, what
            new = ks.write_policy("new.yaml", DIFF_PLANT.replace(what, other))
            done = ks.cmd("diff", old, new, check=False)
            found = done.stdout.splitlines()
            equal(done.returncode, 1 if lines else 0, f"exit code of {other}:\n{done.stdout}")
            equal(len(found), len(lines or ["no difference"]), done.stdout)
            for line, want in zip(found, lines or ["no difference"]):
                assert want is None or line == want, f"{line}\nexpected\n{want}"
            answer = json.loads(ks.cmd("--json", "diff", old, new, check=False).stdout)
            equal(len(answer["requests"]) + len(answer["settings"]), len(lines), answer)
        wrong = ks.write_policy("wrong.yaml", DIFF_PLANT.replace("readonly", "sometimes"))
        for argv, words in (
                (("diff",), ("OLD NEW",)), (("diff", old), ("OLD NEW",)),
                (("diff", old, old, old), (str(old),)),
                (("diff", old, wrong), (f"{wrong}:2:10", "'sometimes'")),
                (("diff", "missing.yaml", old), ("missing.yaml",))):
            refused(ks.cmd(*argv, check=False), USAGE, *words)


OPEN = READONLY + """\
  - {{name: open, from: [{p.client4}, "{p.client6}"], to: plc, action: allow, modbus: {{}}}}
"""


def write_passes(plant):
    return plant.mb_client("-q", "-t", 500, plant.server4, 6, 10, 7)[1]["ok"] == 1


@cases()
def test_history():
    """What was in force, in order; back and forth; what cannot be recorded or read."""
    with Plant() as plant:
        plant.modbus_server(502)
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("other.yaml", OPEN)
        refused(ks.cmd("rollback", check=False), PROBLEM, "no policy before")
        refused(ks.cmd("rollback", "now", check=False), USAGE, "'now'")
        equal(write_passes(plant), False, "write under readonly")
        ks.cmd("apply", other, "--note", "ticket 7")
        equal(write_passes(plant), True, "write under the other policy")
        for allowed in (False, True):
            ks.cmd("rollback")
            equal(write_passes(plant), allowed, "write after rollback")
        with open(ks.state_dir / "history", "a", encoding="utf-8") as cut:
            cut.write('{"time": "2026-')
        ks.cmd("apply", ks.policy)
        changes = ks.json("history")["changes"]
        equal([c["action"] for c in changes], ["attach", "apply", "rollback", "rollback", "apply"],
              "actions")
        equal([c["generation"] for c in changes], [1, 2, 3, 4, 5], "generations")
        equal([c["digest"] == changes[0]["digest"] for c in changes],
              [True, False, True, False, True], "digests")
        equal((changes[1]["note"], changes[1]["file"], changes[1]["uid"]),
              ("ticket 7", str(other), 0), "who and why")
        assert "ticket 7" in ks.cmd("history").stdout
        copy = ks.state_dir / "policies" / f"{changes[1]['digest']}.yaml"
        equal(copy.read_text(encoding="utf-8"), other.read_text(encoding="utf-8"), "the copy")
        copy.write_text(copy.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
        refused(ks.cmd("rollback", check=False), PROBLEM, str(copy), "SHA-256")
        equal(ks.json("status")["policy"]["generation"], 5, "generation after a refused rollback")
        done = ks.cmd("--state-dir", "/proc/none", "apply", other, check=False)
        refused(done, ENVIRONMENT, "/proc/none", "not in the history")
        equal(write_passes(plant), True, "write after an apply that is not recorded")
        refused(ks.cmd("--state-dir", plant.dir / "policy.yaml", "history", check=False), ENVIRONMENT,
                "policy.yaml/history")


UNTIDY = "version:  1\nassets: {plc: 10.2.0.1} # one\n"
TIDY = "version: 1\nassets: {plc: 10.2.0.1} # one\n"


def fmt(*argv, **kwargs):
    return run(BINARY, "fmt", *argv, check=False, **kwargs)


def test_fmt():
    """In place: the whole file or nothing, with its mode and owner, through a link."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        policy, link, broken = (folder / n for n in ("policy.yaml", "link.yaml", "broken.yaml"))
        policy.write_text(UNTIDY)
        policy.chmod(0o640)
        os.chown(policy, 12, 34)
        link.symlink_to(policy.name)
        broken.write_text("version: 1\nassets:  {plc: 10.2.0.300}\n")
        equal(fmt(policy).stdout, TIDY, "fmt to stdout")
        done = fmt("--check", policy)
        equal((done.returncode, done.stdout), (PROBLEM, f"{policy}\n"), "fmt --check")
        equal(json.loads(fmt("--check", "--json", policy).stdout),
              [{"file": str(policy), "changed": True}], "fmt --check --json")
        equal(policy.read_text(), UNTIDY, "the file after --check")
        refused(fmt("--write", broken), PROBLEM, f"{broken}:2:16", "10.2.0.300")
        equal(broken.read_text(), "version: 1\nassets:  {plc: 10.2.0.300}\n", "a broken file")
        done = fmt("--write", link, broken)
        equal((done.returncode, done.stdout), (PROBLEM, f"{link}\n"), "fmt --write")
        assert link.is_symlink(), "the link was replaced"
        st = policy.stat()
        equal((policy.read_text(), st.st_mode & 0o7777, st.st_uid, st.st_gid),
              (TIDY, 0o640, 12, 34), "the file, its mode and owner")
        equal((fmt("--check", policy).returncode, fmt("--write", policy).stdout), (0, ""),
              "a file that is laid out")
        equal(policy.stat().st_ino, st.st_ino, "the inode of a file that needs nothing")
        equal(sorted(p.name for p in folder.iterdir()),
              ["broken.yaml", "link.yaml", "policy.yaml"], "what is left in the folder")


def test_fmt_refused():
    with tempfile.TemporaryDirectory() as folder:
        policy = pathlib.Path(folder) / "policy.yaml"
        policy.write_text(UNTIDY)
        refused(fmt(), USAGE, "at least one")
        refused(fmt("--write", "--check", policy), USAGE, "--write", "--check")
        refused(fmt("--nonsense", policy), USAGE, "nonsense")
        refused(fmt(policy.with_name("none.yaml")), PROBLEM, "none.yaml", "No such file")
        refused(fmt(folder), PROBLEM, "Is a directory")
        pipe = run("sh", "-c", f"cat {policy} | {BINARY} fmt --write /dev/stdin", check=False)
        refused(pipe, ENVIRONMENT, "/dev/stdin")
        # no room: the file stays as it was and nothing lies beside it
        full = run("sh", "-c", f"ulimit -f 0; trap '' XFSZ; {BINARY} fmt --write {policy} 2>&1",
                   check=False)
        equal(full.returncode, ENVIRONMENT, f"exit code without room:\n{full.stdout}")
        equal(policy.read_text(), UNTIDY, "the file without room")
        equal([p.name for p in pathlib.Path(folder).iterdir()], ["policy.yaml"], "the folder")
