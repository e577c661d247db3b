# SPDX-License-Identifier: GPL-2.0-only
"""Pushing a policy: on trial, two at once, and death at any moment.  The judge is
what the server's application read, and what the state directory holds.
"""
import hashlib
import json
import signal
import time

import tcp_split
from kit import abort, cases, denied_write, equal, write_register
from ks import READONLY, Keyswitch, metric
from plant import Plant, wait_for
from test_cli import OPEN, PROBLEM, USAGE, refused, write_passes

LATEST = 7.0	# a trial of 5 s has ended
# system calls of apply that change something, and every how many of them one is tried
CHANGING = (("rename", 1), ("fsync", 1), ("symlink", 1), ("unlink", 1), ("write", 1), ("mkdir", 1),
            ("bpf", 6))


def asks(sock, log):
    """Does a write on this connection come to the server?"""
    before = log.count(function=6)
    try:
        sock.sendall(write_register())
        tcp_split.receive(sock, 12, 0.3)
    except OSError:
        pass
    return log.count(function=6) > before


def boot(ks):
    """The policy for the next boot, as text."""
    return (ks.state_dir / "boot").read_text(encoding="utf-8")


def actions(ks):
    return [change["action"] for change in ks.json("history")["changes"]]


@cases((False,), (True,), weight=3)
def test_trial_expires(killed):
    """Nobody confirms: the policy before is in force again, whether a process lives or not."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, _ = ks.serve()
        follow = plant.spawn(plant.gateway, *ks.argv("events", "--follow"))
        open_policy = ks.write_policy("open.yaml", OPEN)
        assert not denied_write(plant), "write under readonly answered"
        start = time.monotonic()
        ks.cmd("apply", open_policy, "--confirm", "5s", "--note", "try it")
        equal(0 < metric(ks.metrics_text(), "keyswitch_trial_remaining_seconds") <= 5, True, "metric")
        if killed:
            for process in (serve, follow):
                process.stop(signal.SIGKILL)
        busy, idle = (plant.connect(plant.server4, 502) for _ in range(2))
        assert asks(busy, log) and asks(idle, log), "write under the policy on trial"
        refused(ks.cmd("apply", ks.policy, check=False), PROBLEM, "on trial for another", " s")
        trial = ks.json("status")["trial"]
        equal((trial["generation_before"], 0 < trial["seconds_left"] <= 5), (1, True), trial)
        assert "keyswitch confirm" in ks.cmd("status").stdout
        equal(boot(ks), ks.policy.read_text(encoding="utf-8"), "boot policy during the trial")
        wait_for(lambda: not write_passes(plant), "the trial ends", timeout=LATEST)
        took = time.monotonic() - start
        assert 4.5 < took < LATEST, f"the trial ended after {took:.1f} s"
        assert not asks(busy, log), "write on a connection of the trial"
        status = ks.json("status")
        if not killed:
            text = ks.metrics_text()
            equal((metric(text, "keyswitch_trial_remaining_seconds"),
                   metric(text, "keyswitch_policy_generation")), (0, 1), "metrics after the trial")
        equal((status["trial"], status["generation"], status["mode"]), (None, 1, "enforce"), status)
        refused(ks.cmd("confirm", check=False), PROBLEM, "no policy is on trial")
        refused(ks.cmd("rollback", check=False), PROBLEM, "no policy before")
        equal(actions(ks), ["attach", "apply", "expired"], "history")
        assert "on trial for 5 s" in ks.cmd("history").stdout
        # a number is never given twice: connections are stamped with it
        ks.cmd("apply", ks.policy)
        equal(ks.json("status")["generation"], 3, "generation after a trial")
        assert not asks(idle, log), "write on a connection of the trial that slept"
        for sock in (busy, idle):
            abort(sock)
        ks.balance()
        return f"{took:.1f} s"


def test_trial_confirmed():
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("open.yaml", OPEN)
        ks.cmd("apply", other, "--confirm", "5s")
        equal(ks.json("confirm", "--note", "seen")["generation"], 2, "confirm's answer")
        equal(boot(ks), other.read_text(encoding="utf-8"), "boot policy after confirm")
        time.sleep(5.5)
        assert write_passes(plant), "write after a confirmed trial"
        equal(actions(ks), ["attach", "apply", "confirm"], "history")
        equal(ks.json("history")["changes"][2]["note"], "seen", "note")
        ks.cmd("rollback")
        assert not write_passes(plant), "write after rollback"
        ks.balance()


def test_trial_taken_back():
    """rollback ends a trial at once; all that came with its policy goes: mode, counters' names."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("more.yaml", OPEN.replace(
            "assets:\n", "assets:\n  first: 10.77.0.1\n") + "mode: monitor\n")
        plant.mb_client("-q", "-n", "3", plant.server4, 3, 0, 1)
        ks.cmd("apply", other, "--confirm", "1m")
        equal(ks.json("mode")["mode"], "monitor", "mode of the trial")
        plant.mb_client("-q", "-n", "2", plant.server4, 3, 0, 1)
        equal(ks.requests(asset="plc", function="read_holding_registers"), 2, "requests on trial")
        equal(ks.requests(asset="first"), 0, "requests to the asset whose number another had")
        ks.cmd("rollback")
        equal((ks.json("mode")["mode"], ks.json("status")["generation"]), ("enforce", 1), "back")
        assert not write_passes(plant), "write after the trial was taken back"
        equal(ks.requests(asset="plc", function="read_holding_registers"), 3,
              "requests under the policy before")
        equal(ks.requests(asset="first"), 0, "requests to an asset that is gone")
        equal(actions(ks), ["attach", "apply", "rollback"], "history")
        refused(ks.cmd("rollback", check=False), PROBLEM, "no policy before")
        ks.balance()


def test_rules_count_anew():
    """What a policy's rules counted is its own, however many had the room before it; a
    policy that comes back after a trial goes on."""
    def counted(reads):
        plant.mb_client("-q", "-n", reads, plant.server4, 3, 0, 1)
        return sum(row["requests"] for row in ks.counters()["rules"])

    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("open.yaml", OPEN)
        for again in range(1, 7):  # more than there are slots
            equal(counted(again), again, f"requests under policy number {again}")
            ks.cmd("apply", other if again % 2 else ks.policy)
        equal(counted(2), 2, "requests before the trial")
        ks.cmd("apply", other, "--confirm", "1m")
        equal(counted(1), 1, "requests on trial")
        ks.cmd("rollback")
        equal(counted(3), 5, "requests of the policy that came back")
        ks.balance()


def test_trial_refused():
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        for time_text, words in (("soon", "'soon'"), ("5", "'5'"), ("-5s", "'-5s'"), ("0s", "'0s'"),
                                 ("5mm", "'5mm'"), ("4s", "expected 5s"), ("25h", "to 24h"),
                                 ("99999999999999999999s", "'99999999999999999999s'")):
            refused(ks.cmd("apply", ks.policy, f"--confirm={time_text}", check=False), USAGE, words)
        refused(ks.cmd("confirm", "now", check=False), USAGE, "'now'")
        refused(ks.cmd("rollback", "--confirm", "5m", check=False), USAGE, "--confirm")
        refused(ks.cmd("confirm", check=False), PROBLEM, "no policy is on trial")
        equal(ks.json("status")["generation"], 1, "generation")
        for verb in ("apply", "confirm", "rollback"):
            assert "--note" in ks.cmd(verb, "--help").stdout, verb


def test_applies_at_once():
    """Twelve at once: each is whole, one after the other, none is lost."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        other = ks.write_policy("open.yaml", OPEN)
        started = [plant.spawn(plant.gateway, *ks.argv("--json", "apply", policy))
                   for policy in (other, ks.policy) * 6]
        for process in started:
            equal(process.wait(), 0, process.text())
        assert any("waiting for another" in process.text() for process in started), "none waited"
        said = [json.loads(process.text().splitlines()[-1]) for process in started]
        equal(sorted(answer["generation"] for answer in said), list(range(2, 14)), "generations")
        changes = ks.json("history")["changes"]
        equal([change["generation"] for change in changes], list(range(1, 14)), "history")
        last = changes[-1]["digest"]
        equal(last, max(said, key=lambda answer: answer["generation"])["digest"], "digest")
        equal(ks.json("status")["policy"]["digest"], last, "policy in force")
        equal(write_passes(plant), boot(ks) == other.read_text(encoding="utf-8"), "boot and force")
        ks.balance()


def killed_at(plant, ks, call, count, policy):
    """apply, killed where it would make its n-th call of this name; False: it made fewer."""
    done = plant.nsenter(
        plant.gateway, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
        f"inject={call}:signal=KILL:when={count}", *ks.argv("apply", policy), check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode != 0


def consistent(ks, status, fresh):
    """For the boot, and on disk, are whole policies only.  Is the new one in force?"""
    for copy in (ks.state_dir / "policies").glob("*.yaml"):
        digest = hashlib.sha256(copy.read_bytes()).hexdigest()
        equal(copy.stem, digest, "a copy's name and what it holds")
    digest = hashlib.sha256(boot(ks).encode()).hexdigest()
    said = [change["digest"] for change in ks.json("history")["changes"]]
    assert digest in said, f"boot policy {digest} is not in the history {said}"
    equal(status["boot"], "this" if status["policy"]["digest"] == digest else "other", "boot")
    return status["policy"]["digest"] == hashlib.sha256(fresh.encode()).hexdigest()


@cases((), weight=8)
def test_killed_anywhere():
    """kill -9 at the calls of an apply that change anything: never half a policy."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        steps, tries, in_force = 0, 0, set()
        for call, stride in CHANGING:
            for count in range(1, 1000, stride):
                # a new policy each time: its copy has to be written
                text = OPEN if tries % 2 else READONLY
                policy = ks.write_policy("next.yaml", text + f"# {tries}\n")
                tries += 1
                fresh = policy.read_text(encoding="utf-8")
                if not killed_at(plant, ks, call, count, policy):
                    break
                steps += 1
                in_force.add(consistent(ks, ks.json("status"), fresh))
                before, answered = log.count(function=6), denied_write(plant, wait=0.1)
                equal(log.count(function=6) > before, answered, "writes at the server")
        equal(in_force, {True, False}, "kills before and after the new policy came into force")
        assert steps > 40, f"only {steps} steps"
        ks.cmd("apply", ks.policy)
        equal(ks.json("status")["boot"], "this", "boot policy after an apply that ended")
        ks.balance()
        return f"{steps} steps"
