# SPDX-License-Identifier: GPL-2.0-only
"""The test plant: namespaces client - gateway - server joined by veth pairs.

Owns every namespace, process and mount of a run and removes them at the end,
after a failure too.  The gateway's two NICs are `kc` (client side) and `ks`
(protected side); nothing outside the plant's own namespaces is touched.
Modes: `wire` (the gateway's kernel moves no frame), `bridge` and `router`
(XDP_PASS, the kernel moves them).
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "selftests" / "peers"
BUILT = ROOT / ".output" / "peers"
sys.path.insert(0, str(PEERS))
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

CLIENT_NIC, SERVER_NIC, PORT_C, PORT_S = "c0", "s0", "kc", "ks"
VLAN_IDS = {0: (), 1: (101,), 2: (202, 101)}
SYSCTLS = ("net.ipv6.conf.all.accept_ra=0", "net.ipv6.conf.default.accept_ra=0",
           "net.ipv6.conf.all.router_solicitations=0",
           "net.ipv6.conf.default.router_solicitations=0",
           "net.ipv6.conf.default.dad_transmits=0",
           "net.ipv4.tcp_timestamps=1")
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)
_local = threading.local()


class PlantError(Exception):
    pass


def run(*argv, check=True, timeout=30, **kwargs):
    """Runs a command to its end; PlantError with its output when it fails."""
    argv = [str(arg) for arg in argv]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **kwargs)
    if check and done.returncode:
        raise PlantError(f"'{' '.join(argv)}': exit {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
    return done


def wait_for(condition, what, timeout=5.0, step=0.01):
    """The first true value of condition()."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise PlantError(f"timeout: {what() if callable(what) else what}")
        time.sleep(step)


def build():
    """Compiles the peers that are C, when their source is newer. A guest got them made."""
    if not shutil.which("gcc"):
        return
    BUILT.mkdir(parents=True, exist_ok=True)
    multiarch = run("gcc", "-print-multiarch").stdout.strip()
    for name in ("mb_server", "mb_client"):
        _compile(f"{name}.c", name, "gcc", "-O2", "-Wall", "-Wextra", "-Werror",
                 last=["-lmodbus"])
    _compile("race.c", "race", "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
    _compile("relay.c", "relay", "gcc", "-O2", "-Wall", "-Wextra", "-Werror")
    _compile("stream_server.c", "stream_server", "gcc", "-O2", "-Wall", "-Wextra", "-Werror")
    for name in ("xdp_pass", "xdp_wire", "vlan"):
        _compile(f"{name}.bpf.c", f"{name}.bpf.o", "clang", "-O2", "-g", "-Wall",
                 "-Wextra", "-Werror", "-target", "bpf", f"-I/usr/include/{multiarch}", "-c")


def _compile(source, target, *command, last=()):
    src, out = PEERS / source, BUILT / target
    if not out.exists() or out.stat().st_mtime < src.stat().st_mtime:
        fresh = out.with_name(f"{out.name}.{os.getpid()}")
        run(*command, src, "-o", fresh, *last)
        fresh.rename(out)


@contextlib.contextmanager
def netns(name):
    """This thread's sockets are made in namespace `name`."""
    with open("/proc/thread-self/ns/net", "rb") as here, \
         open(f"/run/netns/{name}", "rb") as there:
        if _libc.setns(there.fileno(), 0x40000000):
            raise PlantError(f"setns '{name}': {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            _libc.setns(here.fileno(), 0x40000000)


class Process:
    """A child of ours; output goes to a file, ended by its own pid."""

    def __init__(self, argv, output):
        self.output = output
        self.file = open(output, "wb")
        self.proc = subprocess.Popen([str(arg) for arg in argv], stdout=self.file,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def text(self):
        return pathlib.Path(self.output).read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout=60):
        try:
            return self.proc.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            raise PlantError(f"{self.proc.args}: still running after {timeout} s\n"
                             f"{self.text()}") from None

    def stop(self, sig=signal.SIGTERM, timeout=5):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(timeout)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.file.close()


def unwind():
    """From now on SIGTERM unwinds this program: its plants go away."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))


class Plant:
    """with Plant("wire", vlans=1) as plant: ..."""

    def __init__(self, mode="wire", vlans=0):
        if mode not in ("wire", "bridge", "router"):
            raise PlantError(f"mode '{mode}'")
        self.mode, self.vlans = mode, vlans
        self.tag = f"ks{os.getpid()}-{next(_numbers)}"
        self.client, self.gateway, self.server = (f"{self.tag}-{c}" for c in "cgs")
        split = mode == "router"
        self.client4, self.client6 = "10.91.1.1", "fd91:1::1"
        self.other4, self.other6 = "10.91.1.2", "fd91:1::2"
        self.raw4, self.raw6 = "10.91.1.66", "fd91:1::66"
        self.server4 = "10.91.2.10" if split else "10.91.1.10"
        self.server6 = "fd91:2::10" if split else "fd91:1::10"
        self.dir, self.processes, self.mounted = None, [], False

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.tag}-"))
        try:
            self.mount_bpffs()
            self.make_namespaces()
            self.make_links()
            self.make_addresses()
            self.make_forwarding()
            if self.vlans:
                self.make_vlans()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.stop()
        for name in (self.client, self.server, self.gateway):
            if os.path.exists(f"/run/netns/{name}"):
                run("ip", "netns", "del", name)
        if self.mounted:
            run("umount", self.bpffs)
        shutil.rmtree(self.dir, ignore_errors=True)

    # An instance of its own: unmounting it unpins all that a run left.
    def mount_bpffs(self):
        self.bpffs = self.dir / "bpf"
        self.bpffs.mkdir()
        run("mount", "-t", "bpf", self.tag, self.bpffs)
        self.mounted = True

    def make_namespaces(self):
        for name in (self.client, self.gateway, self.server):
            run("ip", "netns", "add", name)
            self.nsenter(name, "sysctl", "-q", "-w", *SYSCTLS)
            run("ip", "-n", name, "link", "set", "lo", "up")

    def make_links(self):
        for ns, nic, port in ((self.client, CLIENT_NIC, PORT_C), (self.server, SERVER_NIC, PORT_S)):
            self.make_veth(ns, nic, port)
            if self.mode != "router":
                self.nsenter(self.gateway, "sysctl", "-q", "-w",
                             f"net.ipv6.conf.{port}.disable_ipv6=1")
            for where, name in ((ns, nic), (self.gateway, port)):
                # a redirected frame keeps no checksum offload
                self.nsenter(where, "ethtool", "-K", name, "tx", "off")
                run("ip", "-n", where, "link", "set", name, "up")
            self.attach_pass(ns, nic)

    def make_veth(self, ns, nic, port):
        run("ip", "link", "add", nic, "netns", ns, "type", "veth",
            "peer", "name", port, "netns", self.gateway)

    def attach_pass(self, ns, nic):
        run("ip", "-n", ns, "link", "set", "dev", nic, "xdp", "obj",
            BUILT / "xdp_pass.bpf.o", "sec", "xdp")

    def make_addresses(self):
        split = self.mode == "router"
        for address in (self.client4, self.other4):
            self.add_address(self.client, CLIENT_NIC, f"{address}/24")
        self.add_address(self.client, CLIENT_NIC, f"{self.client6}/64")
        # deprecated: the kernel takes it as source only when asked to
        self.add_address(self.client, CLIENT_NIC, f"{self.other6}/64", "preferred_lft", "0")
        self.add_address(self.server, SERVER_NIC, f"{self.server4}/24")
        self.add_address(self.server, SERVER_NIC, f"{self.server6}/64")
        if split:
            self.make_routes()
            return
        for address in (self.server4, self.server6):
            self.neighbour(self.client, CLIENT_NIC, address, self.mac(self.server, SERVER_NIC))
        for address in (self.client4, self.other4, self.raw4,
                        self.client6, self.other6, self.raw6):
            self.neighbour(self.server, SERVER_NIC, address, self.mac(self.client, CLIENT_NIC))

    def make_routes(self):
        for net, ns, nic, port in ((1, self.client, CLIENT_NIC, PORT_C),
                                   (2, self.server, SERVER_NIC, PORT_S)):
            for gw, width in ((f"10.91.{net}.254", 24), (f"fd91:{net}::fe", 64)):
                self.add_address(self.gateway, port, f"{gw}/{width}")
                self.neighbour(ns, nic, gw, self.mac(self.gateway, port))
                run("ip", "-n", ns, "route", "add", "default", "via", gw)
        for address in (self.client4, self.other4, self.raw4,
                        self.client6, self.other6, self.raw6):
            self.neighbour(self.gateway, PORT_C, address, self.mac(self.client, CLIENT_NIC))
        for address in (self.server4, self.server6):
            self.neighbour(self.gateway, PORT_S, address, self.mac(self.server, SERVER_NIC))

    def make_forwarding(self):
        if self.mode == "router":
            self.nsenter(self.gateway, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
                         "net.ipv6.conf.all.forwarding=1")
        elif self.mode == "bridge":
            run("ip", "-n", self.gateway, "link", "add", "br0", "type", "bridge",
                "forward_delay", "0", "stp_state", "0", "mcast_snooping", "0")
            self.nsenter(self.gateway, "sysctl", "-q", "-w",
                         "net.ipv6.conf.br0.disable_ipv6=1")
            for port in (PORT_C, PORT_S):
                run("ip", "-n", self.gateway, "link", "set", port, "master", "br0")
            run("ip", "-n", self.gateway, "link", "set", "br0", "up")

    # The kernel here may lack 8021q: tc programs push and pop the tags.
    def make_vlans(self):
        for ns, nic in ((self.client, CLIENT_NIC), (self.server, SERVER_NIC)):
            self.nsenter(ns, "ethtool", "-K", nic, "tx-vlan-hw-insert", "off",
                         "tx-vlan-stag-hw-insert", "off")
            run("tc", "-n", ns, "qdisc", "add", "dev", nic, "clsact")
            for way, verb in (("egress", "push"), ("ingress", "pop")):
                run("tc", "-n", ns, "filter", "add", "dev", nic, way, "bpf", "da", "obj",
                    BUILT / "vlan.bpf.o", "sec", f"tc/{verb}{self.vlans}")

    def add_address(self, ns, nic, address, *extra):
        nodad = ["nodad"] if ":" in address else []
        run("ip", "-n", ns, "addr", "add", address, "dev", nic, *nodad, *extra)

    def neighbour(self, ns, nic, address, lladdr):
        run("ip", "-n", ns, "neigh", "replace", address, "lladdr", lladdr, "dev", nic,
            "nud", "permanent")

    def mac(self, ns, nic):
        return json.loads(run("ip", "-n", ns, "-j", "link", "show", nic).stdout)[0]["address"]

    def rx_packets(self, port):
        link = json.loads(run("ip", "-n", self.gateway, "-s", "-j", "link", "show", port).stdout)
        return link[0]["stats64"]["rx"]["packets"]

    def silence(self):
        """No frame enters the gateway any more: orphans of denied writes would go on."""
        for ns, nic in ((self.client, CLIENT_NIC), (self.server, SERVER_NIC)):
            run("ip", "-n", ns, "link", "set", nic, "down")

    # nsenter, not 'ip netns exec': that one hides the bpffs.
    def nsenter(self, ns, *argv, **kwargs):
        return run("nsenter", f"--net=/run/netns/{ns}", *argv, **kwargs)

    def spawn(self, ns, *argv):
        """Starts a process in a namespace; it ends with the plant at the latest."""
        output = self.dir / f"out-{len(self.processes)}"
        process = Process(["nsenter", f"--net=/run/netns/{ns}", *argv], output)
        self.processes.append(process)
        return process

    def socket(self, ns, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        with netns(ns):
            return socket.socket(family, kind)

    def connect(self, host, port, source=None, timeout=2.0, source_port=0):
        """A TCP connection from the client's namespace."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = self.socket(self.client, family)
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if source:
                sock.bind((source, source_port))
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        return sock

    def listening(self, ns, port, kind="t"):
        wait_for(lambda: self.nsenter(ns, "ss", f"-Hl{kind}n", f"sport = {port}").stdout,
                 f"a listener on port {port}", step=0.02)

    def modbus_server(self, port=502, *options):
        log = self.dir / f"mb-{port}.log"
        self.spawn(self.server, BUILT / "mb_server", "-p", port, "-l", log, *options)
        self.listening(self.server, port)
        return Log(log)

    def enip_target(self):
        log = self.dir / "enip.log"
        self.spawn(self.server, "/usr/bin/python3", PEERS / "enip_target.py", "--log", log)
        self.listening(self.server, 44818)
        self.listening(self.server, 2222, "u")
        return Log(log)

    def byte_server(self, port, echo=0):
        log = self.dir / f"tcp-{port}.log"
        self.spawn(self.server, "/usr/bin/python3", PEERS / "tcp_log_server.py", "--log", log,
                   "--port", port, "--echo", int(echo))
        self.listening(self.server, port)
        return Log(log)

    def mb_client(self, *argv, timeout=30):
        """(exit code, {"ok", "exceptions", "lost"}) of one mb_client run."""
        done = self.nsenter(self.client, BUILT / "mb_client", *argv, check=False,
                            timeout=timeout)
        if done.returncode not in (0, 1):
            raise PlantError(f"mb_client {argv}: {done.stderr}")
        return done.returncode, json.loads(done.stdout.splitlines()[-1])

    def wire(self):
        """The control: frames cross uninspected."""
        for port, opposite in ((PORT_C, PORT_S), (PORT_S, PORT_C)):
            prog, maps = self.bpffs / f"wire-{port}", self.bpffs / f"maps-{port}"
            run("bpftool", "prog", "load", BUILT / "xdp_wire.bpf.o", prog, "type", "xdp",
                "pinmaps", maps)
            index = json.loads(run("ip", "-n", self.gateway, "-j", "link", "show",
                                   opposite).stdout)[0]["ifindex"]
            value = index.to_bytes(4, sys.byteorder).hex(" ").split()
            self.nsenter(self.gateway, "bpftool", "map", "update", "pinned",
                         maps / "opposite", "key", "hex", *"00 00 00 00".split(),
                         "value", "hex", *value)
            self.nsenter(self.gateway, "bpftool", "net", "attach", "xdp", "pinned", prog,
                         "dev", port)


class Log:
    """The JSON lines of a server: what its application read."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def lines(self):
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        # the last line may still be on its way
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def count(self, **fields):
        return sum(all(line.get(key) == value for key, value in fields.items())
                   for line in self.lines())
