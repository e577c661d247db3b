# SPDX-License-Identifier: GPL-2.0-only
"""keyswitch doctor: each way round the enforcer is made for real, found, and no
longer found once it is gone.  The plant is quiet before and after each of them.
"""
import contextlib
import ctypes
import json
import os
import struct

from kit import cases, equal
from ks import READONLY, Keyswitch
from plant import BUILT, PORT_C, PORT_S, Plant, run, wait_for
from test_cli import ENVIRONMENT, PROBLEM, USAGE, refused
from test_guard import without_nft

OK, WARNING = "ok", "warning"
# of the machine that the test runs on: test_doctor_host.py makes them
HOST = {"service", "driver", "kernel", "disk", "clock"}


def gateway(plant, *argv, **kwargs):
    return plant.nsenter(plant.gateway, *argv, **kwargs)


def quiet(plant):
    """A plant whose doctor finds nothing: veth says that it takes tags off."""
    for port in (PORT_C, PORT_S):
        gateway(plant, "ethtool", "-K", port, "rxvlan", "off", "rx-vlan-stag-hw-parse", "off")


def found(ks, *nics):
    """{(severity, check): [what was seen]} without what is in order, and without HOST."""
    done = ks.cmd("--json", "doctor", *nics, check=False)
    assert done.returncode in (0, PROBLEM), done.stderr
    report = json.loads(done.stdout)
    out = {}
    for finding in report["findings"]:
        assert finding["severity"] == OK or finding.get("advice"), f"no advice: {finding}"
        if finding["severity"] != OK and finding["check"] not in HOST:
            out.setdefault((finding["severity"], finding["check"]), []).append(finding["seen"])
    for severity in ("problem", WARNING, "note"):
        equal(report[severity + "s"], sum(finding["severity"] == severity for finding in
                                          report["findings"]), f"number of {severity}s")
    equal(done.returncode, PROBLEM if report["problems"] else 0, f"exit code for {out}")
    return out


def attached(plant, guard=True):
    quiet(plant)
    ks = Keyswitch(plant).attach()
    if guard and plant.mode != "wire":
        ks.cmd("guard", "on", "--untested")
    equal(found(ks), {}, "findings of a sound gateway")
    return ks


@contextlib.contextmanager
def way_round(ks, severity, check, *words):
    """Found after the caller's making (first half), gone after the undoing."""
    seen = found(ks)
    equal(set(seen), {(severity, check)}, f"findings {seen}")
    text = "\n".join(seen[severity, check])
    for word in words:
        assert word in text, f"'{word}' is missing in: {text}"
    yield text
    equal(found(ks), {}, f"findings after '{words}' is gone")


def nft(plant, text):
    gateway(plant, "nft", "-f", "-", input=text)


# ---- sockets ----

def spawned(plant, *argv):
    return plant.spawn(plant.gateway, "/usr/bin/python3", *argv)


BIND = """
import socket, sys, time
s = socket.socket(getattr(socket, sys.argv[1]), getattr(socket, sys.argv[2]))
if sys.argv[3] == "bind":
    s.bind((sys.argv[4], int(sys.argv[5])))
    if sys.argv[2] == "SOCK_STREAM":
        s.listen()
else:
    s.connect((sys.argv[4], int(sys.argv[5])))
print("there", flush=True)
time.sleep(100)
"""


LISTENERS = (
    (("AF_INET", "SOCK_STREAM", "0.0.0.0", 502), "problem", "tcp socket", "0.0.0.0:502"),
    (("AF_INET6", "SOCK_STREAM", "::", 44818), "problem", "tcp6", "[::]:44818"),
    (("AF_INET", "SOCK_DGRAM", "10.91.1.254", 2222), "problem", "udp socket",
     "10.91.1.254:2222"),
    (("AF_INET6", "SOCK_DGRAM", "fd91:1::fe", 44818), "problem", "udp6 socket",
     "[fd91:1::fe]:44818"),
    (("AF_INET", "SOCK_STREAM", "127.0.0.1", 502), WARNING, "127.0.0.1:502"))


def test_listeners():
    with Plant("router") as plant:
        ks = attached(plant)
        for (family, kind, host, port), severity, *words in LISTENERS:
            child = spawned(plant, "-c", BIND, family, kind, "bind", host, port)
            wait_for(lambda child=child: "there" in child.text(), "the socket")
            with way_round(ks, severity, "sockets", "python3", f"pid {child.proc.pid}", *words):
                child.stop()


CONNECTIONS = (
    (("AF_INET", "SOCK_STREAM", "10.91.2.10", 502), "problem", "the asset 10.91.2.10:502"),
    (("AF_INET6", "SOCK_STREAM", "fd91:2::10", 502), "problem", "the asset [fd91:2::10]:502"),
    (("AF_INET6", "SOCK_STREAM", "::ffff:10.91.2.10", 502), "problem",
     "tcp6 connection", "the asset 10.91.2.10:502"),
    (("AF_INET", "SOCK_STREAM", "10.91.2.11", 502), WARNING, "the OT port 10.91.2.11:502"),
    (("AF_INET", "SOCK_DGRAM", "10.91.2.10", 69), WARNING, "the asset 10.91.2.10:69"))


def test_connections():
    with Plant("router") as plant:
        plant.add_address(plant.server, "s0", "10.91.2.11/24")
        server = plant.spawn(plant.server, "/usr/bin/python3", "-c", BIND, "AF_INET6",
                             "SOCK_STREAM", "bind", "::", "502")
        wait_for(lambda: "there" in server.text(), "a server")
        # before the attach: keyswitch drops the answers to a handshake that it did not see
        children = [spawned(plant, "-c", BIND, family, kind, "connect", host, port)
                    for (family, kind, host, port), *_ in CONNECTIONS]
        for child in children:
            wait_for(lambda child=child: "there" in child.text(), "the connection")
        quiet(plant)
        ks = Keyswitch(plant).attach()
        ks.cmd("guard", "on", "--untested")
        for child, (_, severity, *words) in zip(children, CONNECTIONS):
            words = (f"pid {child.proc.pid})", *words)
            lines = found(ks)[severity, "sockets"]
            equal(sum(all(word in line for word in words) for line in lines), 1,
                  f"lines with {words} in {lines}")
            child.stop()
            left = found(ks).get((severity, "sockets"), [])
            equal(len(left), len(lines) - 1, f"lines when {words} is gone")
        equal(found(ks), {}, "findings without connections")


def test_own_port():
    """The ports are those of the policy, not only the protocols' own."""
    with Plant("router") as plant:
        ks = attached(plant)
        ks.cmd("apply", ks.write_policy("port.yaml", READONLY.replace(
            'plc: [{p.server4}, "{p.server6}"]',
            'plc: {{address: {p.server4}, modbus: {{ports: [1502]}}}}')))
        child = spawned(plant, "-c", BIND, "AF_INET", "SOCK_STREAM", "bind", "0.0.0.0", 1502)
        wait_for(lambda: "there" in child.text(), "the socket")
        with way_round(ks, "problem", "sockets", "0.0.0.0:1502"):
            child.stop()


# ---- the packet filter ----

NAT = "type nat hook prerouting priority dstnat\n"


def table(family, *objects):
    """Each object is its head and its lines."""
    body = "".join(f"{head} {{\n{lines}\n}}\n" for head, lines in objects)
    return f"table {family} t {{\n{body}}}\n"


RULES = (
    ("problem", "nat", "ip", "chain c",
             NAT + "tcp dport 8502 dnat to 10.91.2.10:502", ("10.91.2.10", "'ip t c'")),
    ("problem", "nat", "ip6", "chain c",
              NAT + "tcp dport 8502 dnat to [fd91:2::10]:502", ("fd91:2::10",)),
    ("problem", "nat", "inet", "chain c",
             NAT + "tcp dport 8502 dnat ip to 10.91.2.10", ("10.91.2.10",)),
    (WARNING, "nat", "ip", "chain c",
            NAT + "dnat to tcp dport map { 8502 : 10.91.2.10 }", ("map",)),
    (WARNING, "nat", "ip", "chain c",
                 NAT + "tcp dport 8502 redirect to 502", ("redirects",)),
    (WARNING, "conntrack", "ip", "ct helper h", 'type "ftp" protocol tcp;',
               ("'h'", "ftp")),
    ("problem", "shortcuts", "netdev", "chain c",
            'type filter hook ingress device x0 priority 0\nfwd to "ks"', ("'ks'",)),
    ("problem", "shortcuts", "netdev", "chain c",
            'type filter hook ingress device x0 priority 0\ndup to "ks"', ("'ks'",)),
    (WARNING, "shortcuts", "inet", "chain c",
             "type filter hook prerouting priority 0\nmeta mark set ct mark", ("mark",)),
)


def test_rules():
    with Plant("router") as plant:
        # a NIC that is up forwards, too: this one stays down
        veth(plant, "x0", up=False)
        ks = attached(plant)
        for severity, check, family, head, lines, words in RULES:
            nft(plant, table(family, (head, lines)))
            with way_round(ks, severity, check, *words):
                nft(plant, f"delete table {family} t\n")


def test_harmless_rules():
    """Translation elsewhere and filters are nobody's way round."""
    with Plant("router") as plant:
        ks = attached(plant)
        nft(plant, table("ip", ("chain c", NAT + "tcp dport 8080 dnat to 10.91.9.9"),
                         ("chain f", "type filter hook forward priority 0\ntcp dport 23 drop")))
        equal(found(ks), {}, "findings")


@cases(("iptables", "10.91.2.10"), ("ip6tables", "fd91:2::10"))
def test_iptables(tool, target):
    with Plant("router") as plant:
        ks = attached(plant)
        rule = ("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "-j", "DNAT", "--to-destination",
                target)
        gateway(plant, f"{tool}-nft", *rule)
        with way_round(ks, WARNING, "nat", "iptables-nft"):
            gateway(plant, f"{tool}-nft", "-t", "nat", "-F")
        gateway(plant, f"{tool}-legacy", *rule)
        seen = found(ks)
        equal(set(seen), {(WARNING, "iptables")}, f"findings {seen}")
        assert f"{tool}-legacy" in seen[WARNING, "iptables"][0], seen


# ---- other roads ----

def veth(plant, name, up=True):
    run("ip", "link", "add", name, "netns", plant.gateway, "type", "veth", "peer", "name",
        f"{name}p", "netns", plant.client)
    if up:
        run("ip", "-n", plant.gateway, "link", "set", name, "up")


def ip(plant, *argv):
    return run("ip", "-n", plant.gateway, *argv)


@cases((True, WARNING), (False, "problem"))
def test_forwarding(guard, severity):
    """A third NIC that is routed: the guard leaves it the assets' neighbours."""
    with Plant("router") as plant:
        quiet(plant)
        ks = Keyswitch(plant).attach()
        if guard:
            ks.cmd("guard", "on", "--untested")
        before = found(ks)
        veth(plant, "x0")
        seen = found(ks)
        equal(set(seen) - set(before), {(severity, "forwarding")}, f"findings {seen}")
        assert "'x0'" in seen[severity, "forwarding"][0], seen
        ip(plant, "link", "set", "x0", "down")
        equal(found(ks), before, "findings with the NIC down")
        ip(plant, "link", "set", "x0", "up")
        gateway(plant, "sysctl", "-q", "-w", "net.ipv4.conf.x0.forwarding=0")
        equal(set(found(ks)), set(seen), "findings with IPv6 routed")
        gateway(plant, "sysctl", "-q", "-w", "net.ipv6.conf.x0.disable_ipv6=1")
        equal(found(ks), before, "findings with nothing routed")


def test_bridge():
    with Plant("bridge") as plant:
        ks = attached(plant)
        veth(plant, "x0")
        equal(found(ks), {}, "findings with a NIC beside the bridge")
        ip(plant, "link", "set", "x0", "master", "br0")
        with way_round(ks, "problem", "bridges", "'br0'", "'x0'"):
            ip(plant, "link", "set", "x0", "nomaster")


def test_wire():
    """The kernel has no business at a wire's NICs."""
    with Plant("wire") as plant:
        ks = attached(plant)
        plant.add_address(plant.gateway, PORT_S, "10.91.1.200/24")
        with way_round(ks, WARNING, "wires", f"'{PORT_S}'", "10.91.1.200"):
            ip(plant, "addr", "flush", "dev", PORT_S)
        gateway(plant, "sysctl", "-q", "-w", f"net.ipv6.conf.{PORT_C}.disable_ipv6=0")
        plant.add_address(plant.gateway, PORT_C, "fd91:1::200/64")
        with way_round(ks, WARNING, "wires", f"'{PORT_C}'", "address"):
            gateway(plant, "sysctl", "-q", "-w", f"net.ipv6.conf.{PORT_C}.disable_ipv6=1")
        ip(plant, "link", "add", "br1", "type", "bridge")
        ip(plant, "link", "set", PORT_S, "master", "br1")
        with way_round(ks, "problem", "wires", f"'{PORT_S}'", "'br1'"):
            ip(plant, "link", "set", PORT_S, "nomaster")
        # one page holds what XDP takes: the wire's other NIC stays as it is
        ip(plant, "link", "set", PORT_S, "mtu", "1400")
        with way_round(ks, WARNING, "mtu", "1400"):
            ip(plant, "link", "set", PORT_S, "mtu", "1500")


@cases(("tun", "tuntap", "add", "t0", "mode", "tap"),
       ("vxlan", "link", "add", "t0", "type", "vxlan", "id", "7", "dstport", "4789", "local",
        "10.91.1.254"))
def test_tunnel(kind, *make):
    with Plant("router") as plant:
        ks = attached(plant)
        ip(plant, *make)
        equal(found(ks), {}, "findings with the tunnel down")
        ip(plant, "link", "set", "t0", "up")
        with way_round(ks, WARNING, "tunnels", "'t0'", kind):
            ks.cmd("guard", "off")
            seen = found(ks)
            assert ("problem", "tunnels") in seen, seen
            ks.cmd("guard", "on", "--untested")
            ip(plant, "link", "del", "t0")


def test_subinterface():
    with Plant("bridge") as plant:
        # a bridge's port can have none
        ip(plant, "link", "set", PORT_S, "nomaster")
        ks = attached(plant)
        for kind in ("macvlan", "macvtap"):
            ip(plant, "link", "add", "link", PORT_S, "name", "m0", "type", kind)
            with way_round(ks, "problem", "subinterfaces", "'m0'", f"'{PORT_S}'", kind):
                ip(plant, "link", "del", "m0")


def test_filter():
    with Plant("router") as plant:
        ks = attached(plant)
        for way in ("ingress", "egress"):
            where = ("dev", PORT_S, way, "prio", "7")
            run("tc", "-n", plant.gateway, "filter", "add", *where, "u32", "match", "u32", "0",
                "0", "classid", "1:1")
            with way_round(ks, WARNING, "filters", way, f"'{PORT_S}'", "u32", "priority 7"):
                run("tc", "-n", plant.gateway, "filter", "del", *where)


# ---- NICs and the attachment ----

def test_vlan_offload():
    with Plant("wire") as plant:
        ks = attached(plant)
        for option in ("rxvlan", "rx-vlan-stag-hw-parse"):
            gateway(plant, "ethtool", "-K", PORT_C, option, "on")
            with way_round(ks, WARNING, "offload", f"'{PORT_C}'", option):
                gateway(plant, "ethtool", "-K", PORT_C, option, "off")


def test_generic():
    """Generic XDP, here on bridges, which have no native one; GRO switched on later."""
    with Plant("router") as plant:
        quiet(plant)
        for name in ("b0", "b1"):
            ip(plant, "link", "add", name, "type", "bridge")
            gateway(plant, "sysctl", "-q", "-w", f"net.ipv6.conf.{name}.disable_ipv6=1")
            ip(plant, "link", "set", name, "up")
            gateway(plant, "ethtool", "-K", name, "gro", "off")
        ks = Keyswitch(plant)
        ks.cmd("attach", "--policy", ks.policy, "--wire", "b0:b1", "--generic", "--adopt",
               "off")
        seen = found(ks)
        equal(len(seen[WARNING, "attachment"]), 2, f"generic programs: {seen}")
        assert "generic" in seen[WARNING, "attachment"][0], seen
        assert ("problem", "offload") not in seen, seen
        gateway(plant, "ethtool", "-K", "b0", "gro", "on")
        text = found(ks)["problem", "offload"]
        equal(len(text), 1, f"merging NICs: {text}")
        assert "'b0' has 'gro' on" in text[0], text


@cases(("wire",), ("router",))
def test_attachment(mode):
    with Plant(mode) as plant:
        ks = attached(plant)
        ks.cmd("mode", "monitor")
        with way_round(ks, WARNING, "attachment", "monitor"):
            ks.cmd("mode", "enforce")
        ip(plant, "link", "set", PORT_S, "down")
        with way_round(ks, WARNING, "attachment", f"'{PORT_S}' is down"):
            ip(plant, "link", "set", PORT_S, "up")
        links = ks.pins / "links"
        gateway(plant, "bpftool", "link", "detach", "pinned", links / PORT_C)
        text = found(ks)["problem", "attachment"]
        equal(len(text), 1, f"findings {text}")
        assert f"'{PORT_C}' is detached" in text[0], text
        os.unlink(links / PORT_S)
        text = "\n".join(found(ks)["problem", "attachment"])
        assert f"'{PORT_S}' is gone" in text, text
        ip(plant, "link", "del", PORT_C)
        text = "\n".join(found(ks)["problem", "attachment"])
        assert f"NIC '{PORT_C}'" in text and "namespace" in text, text


def test_other_program():
    """Another program in our link's place."""
    with Plant("wire") as plant:
        ks = attached(plant)
        other = plant.bpffs / "other"
        run("bpftool", "prog", "load", BUILT / "xdp_pass.bpf.o", other, "type", "xdp")
        swap_program(ks.pins / "links" / PORT_C, other)
        with way_round(ks, "problem", "attachment", f"NIC '{PORT_C}' runs XDP program"):
            swap_program(ks.pins / "links" / PORT_C, ks.pins / "progs" / PORT_C)


def swap_program(link, program):
    """BPF_LINK_UPDATE of two pins, which bpftool cannot do."""
    libc = ctypes.CDLL(None, use_errno=True)

    def bpf(command, attr):
        buf = ctypes.create_string_buffer(attr, 128)
        fd = libc.syscall(321 if os.uname().machine == "x86_64" else 280, command, buf, 128)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        return fd

    paths = [ctypes.create_string_buffer(os.fsencode(path)) for path in (link, program)]
    fds = [bpf(7, struct.pack("QII", ctypes.addressof(path), 0, 0)) for path in paths]
    bpf(29, struct.pack("IIII", *fds, 0, 0))
    for fd in fds:
        os.close(fd)


@cases(("router",), ("bridge",))
def test_guard(mode):
    with Plant(mode) as plant:
        quiet(plant)
        ks = Keyswitch(plant).attach()
        seen = found(ks)
        equal(set(seen), {(WARNING, "guard")}, f"findings without a guard: {seen}")
        assert "keyswitch guard on" in ks.cmd("doctor").stdout
        ks.cmd("guard", "on", "--untested")
        equal(found(ks), {}, "findings with the guard")
        for damage, words in (
                (("nft", "delete", "table", "bridge", "keyswitch_guard"), "no table 'bridge'"),
                (("nft", "flush", "chain", "inet", "keyswitch_guard", "forward"), "incomplete"),
                (("nft", "flush", "set", "inet", "keyswitch_guard", "clients"), "incomplete"),
                (("nft", "delete", "element", "inet", "keyswitch_guard", "assets4",
                  "{", plant.server4, "}"), "another policy"),
                (("tc", "filter", "del", "dev", PORT_S, "ingress"), f"not at '{PORT_S}'")):
            gateway(plant, *damage)
            with way_round(ks, "problem", "guard", words):
                ks.cmd("guard", "on", "--untested")
        stale(plant, ks)


def stale(plant, ks):
    """A policy with as many assets, applied while nft could not be run."""
    other = ks.write_policy("other.yaml", READONLY.replace("{p.server4}", "10.91.77.7"))
    done = without_nft(ks, "apply", other)
    equal(done.returncode, ENVIRONMENT, "exit code of an apply that left the guard behind")
    assert "guard" in done.stderr, done.stderr
    with way_round(ks, "problem", "guard", "another policy"):
        ks.cmd("apply", other)


# ---- without an instance ----

def test_not_attached():
    with Plant("wire") as plant:
        quiet(plant)
        ks = Keyswitch(plant)
        scope = {(WARNING, "scope")}
        equal(set(found(ks)), scope, "findings without anything")
        equal(set(found(ks, PORT_C, PORT_S)), scope, "findings of quiet NICs")
        plant.attach_pass(plant.gateway, PORT_C)
        seen = found(ks, PORT_C)
        assert "will refuse" in seen["problem", "attachment"][0], seen
        run("ip", "-n", plant.gateway, "link", "set", "dev", PORT_C, "xdp", "off")
        veth(plant, "x0")
        ip(plant, "link", "set", "x0", "mtu", "9000")
        assert "9000" in found(ks, "x0")["problem", "mtu"][0]
        ip(plant, "link", "del", "x0")
        equal(set(found(ks, PORT_C)), scope, "findings of another NIC")
        child = spawned(plant, "-c", BIND, "AF_INET", "SOCK_STREAM", "bind", "0.0.0.0", 502)
        wait_for(lambda: "there" in child.text(), "the socket")
        assert ":502" in found(ks)["problem", "sockets"][0]


def test_left_wire():
    with Plant("wire") as plant:
        ks = attached(plant)
        ks.cmd("detach", "--yes", "--leave-wire")
        assert "uninspected" in found(ks)["problem", "attachment"][0]


def test_errors():
    with Plant("router") as plant:
        quiet(plant)
        ks = Keyswitch(plant)
        refused(ks.cmd("doctor", "none0", check=False), ENVIRONMENT, "'none0'")
        refused(ks.cmd("doctor", "--nonsense", check=False), USAGE, "nonsense")
        refused(ks.cmd("doctor", *["lo"] * 17, check=False), USAGE, "16")
        os.chmod(plant.dir, 0o755)
        refused(gateway(plant, "setpriv", "--reuid", "65534", "--regid", "65534",
                        "--clear-groups", "--bounding-set", "-all", *ks.argv("doctor"),
                        check=False), ENVIRONMENT, "privileges")
        ks.attach()
        refused(ks.cmd("doctor", PORT_C, check=False), USAGE, f"'{PORT_C}'")
        ks.cmd("guard", "on", "--untested")
        done = without_nft(ks, "doctor")
        equal(done.returncode, 0, "exit code without nft")
        assert "not looked at: 'nft' is missing" in done.stdout, done.stdout
        (ks.pins / "maps" / "work").unlink()
        refused(ks.cmd("doctor", check=False), PROBLEM, "remains")
