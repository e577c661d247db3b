#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""README's ten commands, as they stand there, in a clean Debian 12 on the gateway of a
plant: from the package to a gateway that is monitored and then enforces.

Plays the part of systemd, which is not there as process 1: 'systemctl start' does what
the installed unit says about folders, options, capabilities and the command.  The judge
of a write is the server's log; the scrape is an HTTP client's.
  trial.py CHROOT PACKAGE
"""
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "peers")]

from kit import abort, equal, read_registers, write_register  # noqa: E402
import plant as plants  # noqa: E402
from plant import PORT_C, PORT_S, Plant, PlantError, run, wait_for  # noqa: E402
import tcp_split  # noqa: E402

HEADING = "## Ten commands to a monitored gateway"
MOST = 10
SYSTEMCTL = r"""#!/bin/sh
# what systemd does at 'start' with these directives of the installed units
set -e
[ "$1" = start ] || exit 1
shift
for unit; do
	file=/lib/systemd/system/$unit.service
	value() { sed -n "s/^$1=-\{0,1\}//p" "$file" | tail -n 1; }
	mkdir -p /run/$(value RuntimeDirectory) /var/lib/$(value StateDirectory) /var/log/$(value LogsDirectory)
	[ ! -e "$(value EnvironmentFile)" ] || . "$(value EnvironmentFile)"
	export ATTACH_OPTIONS SERVE_OPTIONS
	[ -z "$(value ExecCondition)" ] || eval "$(value ExecCondition)"
	caps=$(value CapabilityBoundingSet | tr A-Z a-z | sed 's/cap_/,+/g; s/ //g')
	command="setpriv --bounding-set=-all$caps --inh-caps=-all --no-new-privs $(value ExecStart)"
	if [ "$(value Type)" = notify ]; then
		eval "exec setsid $command" >/run/$unit.out 2>&1 &
		echo $! >/run/$unit.pid
	else
		eval "$command"
	fi
done
"""


def commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text[text.index(HEADING):].split("\n## ")[0]
    lines = [line[4:].split("   #")[0].rstrip() for line in part.splitlines()
             if line.startswith("    ")]
    found = [line for line in lines if line and not line.startswith("#")]
    assert 0 < len(found) <= MOST, f"{len(found)} commands, at most {MOST}: {found}"
    return found


class Machine:
    """A Debian 12 in the gateway's network namespace; gone with the process that holds it."""

    def __init__(self, plant, lower, package):
        self.plant, self.root = plant, plant.dir / "root"
        layer = plant.dir / "layer"
        for folder in (self.root, layer):
            folder.mkdir()
        self.holder = plant.spawn(plant.gateway, "unshare", "-m", "sh", "-ec", f"""
            mount -t tmpfs layer {layer}
            mkdir {layer}/upper {layer}/work
            mount -t overlay -o lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work overlay {self.root}
            mount -t proc proc {self.root}/proc
            mount -t sysfs sysfs {self.root}/sys
            mount -t bpf bpf {self.root}/sys/fs/bpf
            echo ready
            exec sleep 600""")
        wait_for(lambda: "ready" in self.holder.text(), lambda: f"mounts: {self.holder.text()}")
        self.put("usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n')
        self.put("usr/local/bin/systemctl", SYSTEMCTL)
        # no archive here: what is recommended (logrotate, nftables) stays away, so nothing is asked
        self.shell("rm -rf /var/lib/apt/lists")
        self.shell(f"cat >/root/{package.name}", input=package.read_bytes(), text=None)

    def put(self, path, text):
        self.shell(f"cat >/{path}; chmod 755 /{path}", input=text)

    def shell(self, line, check=True, **kwargs):
        kwargs.setdefault("text", True)
        if kwargs["text"] is None:
            kwargs.pop("text")
        done = subprocess.run(
            ["nsenter", "-t", str(self.holder.proc.pid), "-m", "-n", "chroot", str(self.root), "env", "-i",
             "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive",
             "HOME=/root", "sh", "-c", f"cd /root; {line}"], capture_output=True, timeout=120, **kwargs)
        if check and done.returncode:
            raise PlantError(f"'{line}': exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def end_serve(self):
        pid = self.shell("cat /run/keyswitch.pid", check=False).stdout.strip()
        if pid:
            os.kill(int(pid), signal.SIGTERM)


def asked(plant, message, size):
    """Is the message answered, on a connection of its own?"""
    try:
        sock = plant.connect(plant.server4, 502)
    except OSError:
        return False
    sock.sendall(message)
    answer = tcp_split.receive(sock, size, 1.0)
    abort(sock)
    return len(answer or b"") == size


def writes(log):
    return log.count(function=6)


def denied(text, verdict):
    return sum(float(value) for value in re.findall(
        rf'^keyswitch_requests_total{{.*function="write_single_register",verdict="{verdict}".*}} (\S+)$',
        text, re.M))


def begin(plant):
    """The two NICs as README names them."""
    for port, name in ((PORT_C, "eth1"), (PORT_S, "eth2")):
        for words in (("down",), ("name", name)):
            run("ip", "-n", plant.gateway, "link", "set", port, *words)
        run("ip", "-n", plant.gateway, "link", "set", name, "up")
    run("ip", "-n", plant.gateway, "link", "set", "lo", "up")


def play(plant, machine, log, transcript):
    """Each command; what the plant sees after those that change something."""
    metrics = ""
    for line in commands():
        if "systemctl start" in line:
            assert not asked(plant, read_registers(), 11), "forwarded before the attach"
        done = machine.shell(line)
        transcript.append(f"$ {line}\n{done.stdout}")
        if "systemctl start" in line:
            wait_for(lambda: machine.shell("curl -s http://127.0.0.1:9502/metrics", check=False).stdout,
                     lambda: f"serve: {machine.shell('cat /run/keyswitch.out', check=False).stdout}")
            assert asked(plant, read_registers(), 11), "a read in monitor mode"
            assert asked(plant, write_register(), 12), "a write in monitor mode"
            equal(writes(log), 1, "writes that the server read in monitor mode")
        if "/metrics" in line:
            metrics = done.stdout
            equal(denied(metrics, "would_deny"), 1, f"would be denied, by the scrape: {metrics}")
        if "keyswitch events" in line:
            assert "would_deny" in done.stdout and "write_single_register" in done.stdout, done.stdout
    assert metrics, "no scrape among the commands"
    assert asked(plant, read_registers(), 11), "a read after enforcing"
    assert not asked(plant, write_register(), 12), "a write after enforcing was answered"
    equal(writes(log), 1, "writes that the server read")
    metrics = machine.shell("curl -s http://127.0.0.1:9502/metrics").stdout
    equal(denied(metrics, "deny"), 1, "denied, by the scrape")
    assert '"action":"blocked"' in machine.shell("cat /var/log/keyswitch/events.json").stdout, "the event"


def main(lower, package):
    package = pathlib.Path(package)
    plants.unwind()
    plants.build()
    with Plant() as plant:
        begin(plant)
        machine = Machine(plant, lower, package)
        log, transcript = plant.modbus_server(), []
        try:
            play(plant, machine, log, transcript)
        except BaseException:
            print("\n".join(transcript))
            raise
        finally:
            machine.end_serve()
    print(f"{len(commands())} commands: a denied write stopped before the server, counted in the scrape")


if __name__ == "__main__":
    main(*sys.argv[1:])
