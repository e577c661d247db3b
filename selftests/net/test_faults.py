# SPDX-License-Identifier: GPL-2.0-only
"""The machine round the data path fails: serve is killed a hundred times, the disk is full,
the power goes.  Enforcement is judged by the server's log, events by counting: what was
delivered, held back and lost is what the kernel refused.
"""
import json
import os
import random
import signal
import socket
import struct
import threading
import time

from kit import adu, denied_write, equal
from ks import READONLY, Keyswitch, metric
from plant import PORT_C, PORT_S, Plant, run, wait_for
from test_link import reads

FAST = READONLY.replace("limits:\n", "limits:\n  event_rate: 1000000\n")
KILLS = int(os.environ.get("FAULT_KILLS", "100"))
SECONDS = int(os.environ.get("FAULT_SECONDS", "45"))


class Load:
    """Denied writes as datagrams, each with a (source port, transaction) of its own."""

    def __init__(self, plant, a_second):
        self.plant, self.pause = plant, 20 / a_second
        self.sent, self.kept, self.over = set(), [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.is_set():
            sock = self.plant.socket(self.plant.client, kind=socket.SOCK_DGRAM)
            sock.bind((self.plant.client4, 0))
            port, number = sock.getsockname()[1], 0
            while number < 60000 and not self.over.is_set():
                for _ in range(20):
                    number += 1
                    message = adu(struct.pack(">BHH", 6, 10, 7), number)
                    sock.sendto(message, (self.plant.server4, 502))
                    self.sent.add((port, number))
                time.sleep(self.pause)
            self.kept.append(sock)      # its port is nobody else's


def lines(*paths):
    """Whole lines of these files; a torn one fails."""
    for path in paths:
        text = path.read_text() if path.exists() else ""
        assert not text or text.endswith("\n"), f"a torn line at the end of {path}: {text[-80:]}"
        for line in text.splitlines():
            yield json.loads(line)


def delivered(path):
    """How often each datagram's event is in the file."""
    times = {}
    for event in lines(path):
        key = event["src_port"], int(event["keyswitch"]["message"][:4], 16)
        times[key] = times.get(key, 0) + 1
    return times


def udp_log(plant):
    """What reaches the server at UDP 502."""
    sock = plant.socket(plant.server, kind=socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((plant.server4, 502))
    sock.setblocking(False)
    return sock


def nothing_came(sock):
    try:
        assert False, f"the server read {sock.recv(2048).hex()}"
    except BlockingIOError:
        pass


def test_killed_under_load():
    """kill -9 at any moment of its life: no event is gone without being counted, none is told
    more than once for each kill, and nothing that is denied gets through."""
    with Plant() as plant:
        log, heard = plant.modbus_server(), udp_log(plant)
        ks = Keyswitch(plant, FAST).attach()
        output, chance = plant.dir / "killed.events", random.Random(1)
        with Load(plant, 1000) as load:
            for _ in range(KILLS):
                serve = plant.spawn(plant.gateway, *ks.argv("serve", "--output", output))
                time.sleep(chance.uniform(0.01, 0.12))
                serve.stop(signal.SIGKILL)
                plant.processes.remove(serve)
            assert reads(plant), "a read between kills"
            assert not denied_write(plant), "a write between kills"
        plant.spawn(plant.gateway, *ks.argv("serve", "--output", output))
        expected = len(load.sent)
        tcp = 1     # the write of denied_write()
        wait_for(lambda: settled(ks, output), "the ring is read", timeout=20, step=0.2)
        events = [e for e in lines(output) if e["proto"] == "UDP"]
        own = plant.dir / "udp.events"
        own.write_text("".join(json.dumps(e) + "\n" for e in events))
        equal(ks.requests(verdict="deny"), expected + tcp, "denied, by the kernel's counter")
        have, told = delivered(own), ks.json("status")["events"]
        equal(len(have) + told["suppressed"] + told["lost"], expected, f"accounted, {told}")
        twice = sum(have.values()) - len(have)
        assert twice <= KILLS, f"{twice} events twice"
        assert len(have) > KILLS, "hardly any event: nothing was shown"
        nothing_came(heard)
        equal(log.count(function=6), 0, "writes that the server read")
        ks.balance()
        return f"{len(have)} events through {KILLS} kills, {twice} twice, {told['lost']} lost and counted"


def settled(ks, output):
    """serve is there, and no more lines come: one that has not begun brings none either."""
    if not ks.json("status")["events"]["serve"]:
        return False
    before = output.stat().st_size
    ks.cmd("events", check=False)
    time.sleep(0.5)
    return output.stat().st_size == before


def memory(pid):
    """Resident bytes of its own: what a leak makes grow."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file
                   if line.startswith(("Private_Dirty:", "Swap:"))) << 10


def test_memory():
    """Under events, readers and scrapes its memory stays what it was after the first tenth
    of the time; FAULT_SECONDS=3600 for an hour."""
    with Plant() as plant:
        ks = Keyswitch(plant, FAST).attach()
        serve, output = ks.serve()
        sizes = []
        with Load(plant, 1500) as load:
            start = time.monotonic()
            while (elapsed := time.monotonic() - start) < SECONDS:
                ks.metrics_text()
                ks.cmd("events")
                if output.stat().st_size > 64 << 20:
                    output.unlink()
                    serve.proc.send_signal(signal.SIGHUP)
                    wait_for(output.exists, "the file is opened anew")
                if elapsed > SECONDS / 10:
                    sizes.append(memory(serve.proc.pid))
                time.sleep(0.2)
        most = max(sizes[:len(sizes) // 4])
        text = ks.metrics_text()
        told = ks.json("status")["events"]
        read = metric(text, "keyswitch_serve_events_total")
        wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_events_total") + told["suppressed"]
                 + ks.json("status")["events"]["lost"] >= len(load.sent), "all are read", timeout=10)
        assert max(sizes[-5:]) <= most + (256 << 10), f"grew: {sizes[:3]} ... {sizes[-5:]}"
        return f"{read:.0f} events, {len(sizes)} scrapes, {sizes[0] >> 10} to {sizes[-1] >> 10} KiB"


def test_disk_full():
    """Events that do not fit are counted, enforcement goes on, and what comes after is whole."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant, FAST).attach()
        disk = plant.dir / "disk"
        disk.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64k", "small", disk)
        try:
            output = disk / "events"
            serve = plant.spawn(plant.gateway, *ks.argv("serve", "--output", output))
            wait_for(ks.metrics_up, lambda: serve.text())

            def errors():
                return metric(ks.metrics_text(), "keyswitch_serve_write_errors_total")
            with Load(plant, 500) as load:
                wait_for(lambda: errors() > 100, "the disk is full", timeout=10)
                assert not denied_write(plant) and reads(plant), "on a full disk"
            run("mount", "-o", "remount,size=8m", disk)
            assert not denied_write(plant), "a write after the disk has room"
            wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_events_total") >=
                     len(load.sent) + 2, "all are read")
            # sums of what was missed are lines as well, and are not counted when they are lost
            told = sum(event["event_type"] == "alert" for event in lines(output))
            equal(told + errors(), len(load.sent) + 2, "recorded and counted")
            equal(serve.proc.poll(), None, "serve runs")
            serve.stop()
        finally:
            run("umount", "-l", disk)


def test_reboot():
    """The power goes: pins, locks and programs are gone. A wire is dead until the attach, which
    takes the last policy that was in force for good."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        loose = ks.write_policy("open.yaml", READONLY.replace("default: readonly", "default: allow"))
        tight = ks.write_policy("tight.yaml", READONLY + "outbound: deny\n")
        ks.cmd("apply", tight)
        ks.cmd("apply", loose, "--confirm", "10m")
        run("umount", plant.bpffs)
        run("rm", "-rf", ks.run_dir)
        wait_for(lambda: "xdp" not in run("ip", "-n", plant.gateway, "link", "show", PORT_C).stdout,
                 "the program is gone with its pins")
        assert not reads(plant), "a wire that forwards without a data path"
        run("mount", "-t", "bpf", plant.tag, plant.bpffs)
        ks.cmd("attach", "--wire", f"{PORT_C}:{PORT_S}", "--adopt", "audit")
        wait_for(lambda: reads(plant), "reads pass again")
        assert not denied_write(plant), "a write under the policy that was on trial"
        equal(log.count(function=6), 0, "writes that the server read")
        digest = ks.json("status")["policy"]["digest"]
        changes = ks.json("history")["changes"]
        equal([change["action"] for change in changes], ["attach", "apply", "apply", "expired", "attach"],
              "history")
        equal(digest, changes[1]["digest"], "the policy before the trial")


def test_read_only_state():
    """A policy that cannot be recorded is in force all the same, and that is said."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant, READONLY.replace("default: readonly", "default: allow")).attach()
        ks.write_policy("tight.yaml", READONLY)
        assert denied_write(plant), "a write, allowed as yet"
        done = plant.nsenter(plant.gateway, "unshare", "-m", "sh", "-ec",
                             f'mount --bind {ks.state_dir} {ks.state_dir}; '
                             f'mount -o remount,bind,ro {ks.state_dir}; exec "$@"', "sh",
                             *ks.argv("apply", plant.dir / "tight.yaml"), check=False)
        assert done.returncode and "Read-only file system" in done.stderr, done
        assert not denied_write(plant), "a write under the policy that is in force"
        return done.stderr.splitlines()[0]
