# SPDX-License-Identifier: GPL-2.0-only
"""`keyswitch serve` as a service manager and the kernel see it: what it notifies, what it
can do no more, and that the plant does not notice whether it runs.  The test plays the
manager's part: it owns the notify socket.  Capabilities are read from /proc.
"""
import os
import re
import select
import signal
import socket
import time

from kit import cases, denied_write, equal
from ks import READONLY, Keyswitch, events, metric
from plant import PORT_C, PORT_S, ROOT, SERVER_NIC, Plant, PlantError, run, wait_for

CAP_BPF, CAP_NET_ADMIN = 1 << 39, 1 << 12
WATCHDOG_US = 400_000
# what keyswitch.service leaves to the process at its start: a bpffs that is read only ($0)
# and two capabilities
UNIT = ("unshare", "-m", "sh", "-ec", 'mount -o remount,bind,ro "$0"; ! touch "$0/a" 2>&-; '
        'exec setpriv --bounding-set=-all,+bpf,+net_admin --inh-caps=-all --no-new-privs "$@"')
# and keyswitch-attach.service
ATTACH_UNIT = ("setpriv", "--inh-caps=-all", "--no-new-privs",
               "--bounding-set=-all,+bpf,+perfmon,+net_admin,+sys_admin")


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))

    def env(self):
        return ("env", f"NOTIFY_SOCKET={self.path}", f"WATCHDOG_USEC={WATCHDOG_US}")

    def hear(self, seconds):
        """The next message as {word: value}, None when none comes in time."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return None
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def expect(self, word, value, seconds=5.0):
        """Skips other messages; returns how many there were."""
        end, others = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            message = self.hear(left)
            if message and message.get(word) == value:
                return len(others)
            others.append(message)
        raise PlantError(f"no {word}={value} in {seconds} s, but {others}")

    def drain(self):
        while self.hear(0):
            pass


def start(plant, ks, *before):
    output = plant.dir / "events"
    return plant.spawn(plant.gateway, *before, *ks.argv("serve", "--output", output)), output


def test_notify():
    """READY, the mode and generation, pings, STOPPING; enforcement is there after it."""
    with Plant() as plant:
        plant.modbus_server()
        manager, ks = Manager(plant.dir / "notify"), Keyswitch(plant).attach()
        serve, _ = start(plant, ks, *manager.env())
        equal(manager.hear(5), {"READY": "1", "STATUS": "enforce, policy generation 1"}, "first word")
        equal(metric(ks.metrics_text(), "keyswitch_policy_generation"), 1, "answers when ready")
        for _ in range(3):
            equal(manager.hear(5), {"WATCHDOG": "1"}, "ping")
        (plant.dir / "next.yaml").write_text(ks.policy.read_text() + "outbound: deny\n")
        ks.cmd("apply", plant.dir / "next.yaml", "--confirm", "60s")
        manager.expect("STATUS", "enforce, policy generation 2, on trial")
        ks.cmd("confirm")
        manager.expect("STATUS", "enforce, policy generation 2")
        ks.cmd("mode", "monitor")
        manager.expect("STATUS", "monitor, policy generation 2")
        ks.cmd("mode", "enforce")
        serve.proc.send_signal(signal.SIGTERM)
        manager.expect("STOPPING", "1")
        equal(serve.wait(5), 0, f"serve: {serve.text()}")
        assert not denied_write(plant), "a write after serve was stopped"
        equal(ks.json("status")["attached"], True, "attached")


def test_hung():
    """A serve that stands still pings no more, so that its manager ends it; killed, it
    takes nothing with it, and the next one begins where it was."""
    with Plant() as plant:
        plant.modbus_server()
        manager, ks = Manager(plant.dir / "notify"), Keyswitch(plant).attach()
        serve, _ = start(plant, ks, *manager.env())
        manager.expect("READY", "1")
        serve.proc.send_signal(signal.SIGSTOP)
        wait_for(lambda: "T (stopped)" in open(f"/proc/{serve.proc.pid}/status").read(), "stops")
        manager.drain()
        equal(manager.hear(3 * WATCHDOG_US / 1e6), None, "word of a stopped process")
        assert not denied_write(plant), "a write while serve stands still"
        serve.proc.send_signal(signal.SIGCONT)
        equal(manager.hear(5), {"WATCHDOG": "1"}, "ping of one that goes on")
        serve.stop(signal.SIGKILL)
        assert not denied_write(plant), "a write after serve was killed"
        _, output = start(plant, ks, *manager.env())
        manager.expect("READY", "1")
        wait_for(lambda: events(output), "the event of the write while none ran")


def privileges(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
    equal(fields["NoNewPrivs"], "1", "NoNewPrivs")
    equal(fields["Seccomp"], "2", "a filter of system calls")
    return {name: int(fields[name], 16) for name in
            ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")}


@cases(("root", 0), ("unit", CAP_BPF | CAP_NET_ADMIN))
def test_privileges(start_with, bounding):
    """CAP_BPF alone, with all of root's at the start or with the unit's, and it is enough:
    counters, names of a policy that came later, events, a reopened file."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, output = start(plant, ks, *((*UNIT, plant.bpffs) if start_with == "unit" else ()))
        wait_for(ks.metrics_up, lambda: f"serve answers: {serve.text()}")
        equal(privileges(serve.proc.pid), {"CapEff": CAP_BPF, "CapPrm": CAP_BPF, "CapInh": 0,
                                           "CapBnd": bounding, "CapAmb": 0}, "capabilities")
        assert not denied_write(plant), "a write"
        wait_for(lambda: events(output), "the first event")
        equal(events(output)[0]["keyswitch"]["rule"], "default", "rule of the first event")
        later = ks.policy.read_text() + (
            "  - {name: nobody, to: plc, action: deny, modbus: {functions: [write]}}\n")
        for number in range(6):     # through every slot
            name = f"nobody-{number}"
            (plant.dir / "later.yaml").write_text(later.replace("nobody", name))
            ks.cmd("apply", plant.dir / "later.yaml")
            os.rename(output, plant.dir / f"events.{number}")
            serve.proc.send_signal(signal.SIGHUP)
            wait_for(output.exists, lambda: f"the file is opened anew: {serve.text()}")
            assert not denied_write(plant), "a write under the later policy"
            wait_for(lambda: events(output), "an event in the new file")
            equal(events(output)[0]["keyswitch"]["rule"], name, "rule of an event")
            text = ks.metrics_text()
            equal(metric(text, "keyswitch_rule_requests_total", rule=name, verdict="deny"), 1,
                  "the rule's counter")
        equal(metric(text, "keyswitch_policy_generation"), 7, "generation")
        assert "keyswitch_flows " in text, text
        equal(serve.proc.poll(), None, "serve runs")


def members(name):
    """The calls of one of systemd's sets, those of sets in it too."""
    if not name.startswith("@"):
        return {name}
    lines = run("systemd-analyze", "syscall-filter", name).stdout.splitlines()[1:]
    return set().union(*(members(line.strip()) for line in lines
                         if line.strip() and not line.strip().startswith("#")))


def unit_calls():
    """What the filter of keyswitch.service allows: lists, and lists taken away again."""
    allowed = set()
    for line in (ROOT / "debian" / "keyswitch.service").read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            named = set().union(*map(members, words.lstrip("~").split()))
            allowed = allowed - named if words.startswith("~") else allowed | named
    return allowed


# what it does in a life: all that it may do has to be enough, or EPERM shows up
def test_filter():
    """No system call of a working serve is refused, and each bpf() of it reads."""
    with Plant() as plant:
        plant.modbus_server()
        manager = Manager(plant.dir / "notify")
        ks = Keyswitch(plant, READONLY + "link_follow: true\n").attach()
        trace = plant.dir / "trace"
        # -D: the tracer is the child, signals go to serve
        serve, output = start(plant, ks, *manager.env(), "strace", "-D", "-o", trace)
        manager.expect("READY", "1")
        follower = plant.spawn(plant.gateway, *ks.argv("events", "--follow"))
        for _ in range(2):
            assert not denied_write(plant), "a write"
            wait_for(lambda: events(output), "the event")
            os.rename(output, plant.dir / "events.1")
            serve.proc.send_signal(signal.SIGHUP)
            wait_for(output.exists, "the file is opened anew")
            ks.cmd("events")
            ks.metrics_text()
            manager.drain()
        run("ip", "-n", plant.server, "link", "set", SERVER_NIC, "down")
        wait_for(lambda: manager.drain() or "link_down" in output.read_text(), "a port is held down")
        run("ip", "-n", plant.server, "link", "set", SERVER_NIC, "up")
        # a manager that does not read stops the one that pings
        wait_for(lambda: manager.drain() or "link_up" in output.read_text(), "and brought back")
        wait_for(lambda: "default" in follower.text(), lambda: f"follower: {follower.text()}")
        manager.expect("WATCHDOG", "1")
        serve.proc.send_signal(signal.SIGTERM)
        manager.expect("STOPPING", "1")
        equal(serve.wait(10), 0, f"serve: {serve.text()}")
        text = trace.read_text()
        filtered = text[text.index("seccomp("):].splitlines()[1:]
        # without CAP_NET_ADMIN sd_notify() does with a buffer as it is
        equal([line for line in filtered if "EPERM" in line and "SNDBUFFORCE" not in line], [],
              "refused calls")
        bpf = {re.match(r"bpf\((\w+)", line)[1] for line in filtered if line.startswith("bpf(")}
        assert bpf and not {c for c in bpf if not re.search("LOOKUP|GET", c)}, bpf
        assert len(filtered) > 100, text
        made = set(re.findall(r"^(\w+)\(", text, re.M)) - {"execve"}
        assert {"bpf", "capset", "seccomp"} <= made, made
        equal(made - unit_calls(), set(), "calls that keyswitch.service does not allow")


def test_first_policy():
    """Without --policy: the last in force, else /etc/keyswitch/policy.yaml, else no attach."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant)
        # an /etc of its own for the command
        own = ("unshare", "-m", "sh", "-ec",
               'mount -t tmpfs none /etc; mkdir /etc/keyswitch; '
               '[ -z "$1" ] || cp "$1" /etc/keyswitch/policy.yaml; shift; exec "$@"', "sh")
        attach = ks.argv("attach", "--wire", f"{PORT_C}:{PORT_S}", "--adopt", "audit")
        done = plant.nsenter(plant.gateway, *own, "", *attach, check=False)
        equal(done.returncode, 2, f"no policy at all: {done.stderr}")
        for word in (f"'{ks.state_dir}/boot'", "'/etc/keyswitch/policy.yaml'"):
            assert word in done.stderr, done.stderr
        plant.nsenter(plant.gateway, *own, ks.policy, *ATTACH_UNIT, *attach)
        assert not denied_write(plant), "a write under the first policy"
        (plant.dir / "open.yaml").write_text(ks.policy.read_text().replace("readonly", "allow"))
        ks.cmd("apply", plant.dir / "open.yaml")
        ks.cmd("detach", "--yes")
        plant.nsenter(plant.gateway, *own, ks.policy, *ATTACH_UNIT, *attach)
        assert denied_write(plant), "the policy that was in force last did not come back"
