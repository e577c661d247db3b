# SPDX-License-Identifier: GPL-2.0-only
"""keyswitch in the gateway of a plant, and what the tests ask of it.

Owns the policy file, the pin directory and the run directory of one attach.
It must not read a kernel map by itself: what keyswitch says is compared with
the NIC's counters and the servers' logs, never with a second reading of its
own state.
"""
import json
import os
import pathlib
import re
import urllib.request

from plant import PORT_C, PORT_S, ROOT, PlantError, netns, run, wait_for

BINARY = pathlib.Path(os.environ.get("KEYSWITCH", ROOT / ".output" / "keyswitch"))

# Limits: tables that are quick to make, and room for tests that open many
# connections in a row.
READONLY = """\
version: 1
default: readonly
limits:
  flows: 4096
  modbus_rings: 2048
  enip_rings: 1024
  flows_per_client: 2000
  half_open_per_client: 64
hosts:
  writer: [{p.other4}, "{p.other6}"]
assets:
  plc: [{p.server4}, "{p.server6}"]
rules:
  - name: writer-registers
    from: writer
    to: plc
    action: allow
    modbus: {{functions: [write_single_register, 16], addresses: [100-109]}}
  - name: writer-setpoint
    from: writer
    to: plc
    action: allow
    cip: {{services: [write_tag], tags: [Setpoint]}}
"""

DROPPING = READONLY + "on_deny: drop\n"
# the controller is in slot 0, as Logix clients name it
ROUTED = READONLY.replace("plc: [{p.server4}, \"{p.server6}\"]",
                          "plc: {{address: [{p.server4}, \"{p.server6}\"], modbus: {{}}, "
                          "enip: {{route: 1/0}}}}")


class Keyswitch:
    def __init__(self, plant, policy=READONLY):
        self.plant = plant
        self.pins = plant.bpffs / "keyswitch"
        self.run_dir = plant.dir / "run"
        self.run_dir.mkdir(exist_ok=True)
        self.state_dir = plant.dir / "state"
        self.policy = self.write_policy("policy.yaml", policy)
        self.before = self.after = None

    def write_policy(self, name, text):
        path = self.plant.dir / name
        path.write_text(text.format(p=self.plant), encoding="utf-8")
        return path

    def argv(self, *args):
        return [BINARY, "--pin-dir", self.pins, "--run-dir", self.run_dir, "--state-dir",
                self.state_dir, *args]

    def cmd(self, *args, check=True, timeout=30, **kwargs):
        return self.plant.nsenter(self.plant.gateway, *self.argv(*args), check=check,
                                  timeout=timeout, **kwargs)

    def json(self, *args):
        return json.loads(self.cmd("--json", *args).stdout)

    def attach(self, *extra, adopt="audit"):
        verb = "--wire" if self.plant.mode == "wire" else "--inline"
        self.before = self.received()
        self.cmd("attach", "--policy", self.policy, verb, f"{PORT_C}:{PORT_S}",
                 "--adopt", adopt, *extra)
        self.after = self.received()
        return self

    def serve(self, name="serve", *extra):
        """A running 'keyswitch serve'; events go to the file it returns."""
        events = self.plant.dir / f"{name}.events"
        process = self.plant.spawn(self.plant.gateway,
                                   *self.argv("serve", "--output", events, *extra))
        wait_for(lambda: process.proc.poll() is not None or self.metrics_up(),
                 "'keyswitch serve' answers")
        if process.proc.poll() is not None:
            raise PlantError(f"serve ended ({process.proc.returncode}):\n{process.text()}")
        return process, events

    def metrics_up(self):
        try:
            return self.metrics_text()
        except OSError:
            return None

    def metrics_text(self):
        # the opener makes its socket in this thread
        with netns(self.plant.gateway):
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open("http://127.0.0.1:9502/metrics", timeout=3) as reply:
                return reply.read().decode()

    def received(self):
        return {port: self.plant.rx_packets(port) for port in (PORT_C, PORT_S)}

    def counters(self):
        return self.json("counters")

    def packets(self, **labels):
        return total(self.counters()["packets"], "packets", labels)

    def requests(self, **labels):
        return total(self.counters()["requests"], "requests", labels)

    def reason(self, name):
        return self.packets(reason=name)

    def balance(self):
        """Frames received by each NIC == sum of packets_total of that port. The
        last step of a test: it ends the plant's traffic."""
        self.plant.silence()
        wait_for(self.balanced, lambda: f"balance: {self.balance_text()}", timeout=3)

    def balanced(self):
        first, counted, second = self.received(), self.counters()["packets"], self.received()
        self.last = (first, counted)
        # a frame may arrive between two readings: only a quiet moment decides
        return first == second and all(
            first[port] - self.after[port] <= total(counted, "packets", {"port": port})
            <= first[port] - self.before[port] for port in first)

    def balance_text(self):
        nic, counted = self.last
        return ", ".join(
            f"{port}: NIC {nic[port] - self.after[port]}..{nic[port] - self.before[port]}, "
            f"counted {total(counted, 'packets', {'port': port})}" for port in nic)


def total(rows, key, labels):
    return sum(row[key] for row in rows
               if all(row.get(name) == value for name, value in labels.items()))


def events(path):
    """What a serve has written so far of single packets."""
    return [event for event in lines(path) if event["event_type"] != "stats"]


def lines(path):
    """All that a serve has written so far, sums too."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def parse_metrics(text):
    """{(name, frozenset of labels): value}"""
    out = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r'(\w+)(?:\{(.*)\})? (\S+)', line)
        labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")
        out[match[1], frozenset(labels)] = float(match[3])
    return out


def metric(text, name, **labels):
    want = set(labels.items())
    return sum(value for (key, have), value in parse_metrics(text).items()
               if key == name and want <= have)


def replay(capture, policy, *extra):
    """The JSON lines of 'keyswitch replay'."""
    done = run(BINARY, "--json", "replay", capture, "--policy", policy, *extra, check=False,
               timeout=60)
    if done.returncode not in (0, 1):
        raise PlantError(f"replay: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]
