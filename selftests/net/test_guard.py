# SPDX-License-Identifier: GPL-2.0-only
"""The guard of inline pairs: with it the kernel forwards nothing to assets once
the XDP program is gone, without it everything.  Judged by what the server's
application reads and by which connections it takes.
"""
import json
import os
import socket
import time

import tcp_split
from kit import abort, cases, denied_write, equal, no_writes, read_registers, write_register
from ks import READONLY, Keyswitch
from plant import BUILT, PEERS, PORT_C, PORT_S, Plant, run, wait_for
from test_cli import ENVIRONMENT, PROBLEM, USAGE, refused

OTHER_ASSET = READONLY.replace("{p.server4}", "10.91.77.7").replace("{p.server6}", "fd91:77::7")


def poller(plant, server):
    return plant.spawn(plant.client, BUILT / "mb_client", "-q", "-i", "1000", "-n", 100000,
                       server, 3, 0, 10)


def guarded(plant):
    """An attached keyswitch with traffic and the guard on."""
    log = plant.modbus_server()
    ks = Keyswitch(plant).attach()
    poller(plant, plant.server4)
    ks.cmd("guard", "on")
    return log, ks


def lose(plant, ks, how="bpftool", port=PORT_C):
    """The XDP program of a NIC goes while packets come."""
    link = ks.pins / "links" / port
    if how == "bpftool":
        plant.nsenter(plant.gateway, "bpftool", "link", "detach", "pinned", link)
    else:
        os.unlink(link)
    gone(plant, port)


def gone(plant, port):
    wait_for(lambda: "xdp" not in nic(plant, port), f"the program of {port} is gone")


def nic(plant, name):
    return json.loads(run("ip", "-n", plant.gateway, "-j", "link", "show", name).stdout)[0]


def connects(plant, host, port=502, source=None):
    try:
        plant.connect(host, port, source, timeout=0.5).close()
    except OSError:
        return False
    return True


def ruleset(plant):
    return plant.nsenter(plant.gateway, "nft", "list", "ruleset").stdout


def grows(log, wait=0.3):
    before = log.count()
    time.sleep(wait)
    return log.count() > before


@cases(("router", 0, 4, "bpftool", True), ("router", 0, 6, "bpftool", True),
       ("router", 0, 4, "unlink", True), ("router", 0, 4, "bpftool", False),
       ("router", 0, 6, "bpftool", False), ("bridge", 0, 4, "bpftool", True),
       ("bridge", 0, 6, "bpftool", True), ("bridge", 0, 4, "bpftool", False),
       ("bridge", 1, 4, "bpftool", True), ("bridge", 2, 4, "bpftool", True),
       ("bridge", 2, 4, "bpftool", False), weight=2)
def test_program_goes(mode, vlans, version, how, guard):
    """guard False is the control: there the write arrives."""
    with Plant(mode, vlans) as plant:
        server = plant.server4 if version == 4 else plant.server6
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        reader = poller(plant, server)
        if guard:
            ks.cmd("guard", "on")
        assert not denied_write(plant), "a write while attached"
        sock = plant.connect(server, 502)
        wait_for(lambda: grows(log, 0.05), "the poller runs behind the guard")
        assert reader.proc.poll() is None, "the poller ended before the program went"
        lose(plant, ks, how)
        # what was on its way: the server's process may still read it
        time.sleep(0.1)
        before = log.count()
        sock.sendall(write_register())
        assert bool(tcp_split.receive(sock, 12, 0.8)) != guard, "write behind the lost program"
        equal(log.count() > before, not guard, "requests read behind the lost program")
        equal(log.count(function=6) > 0, not guard, "writes read behind the lost program")
        lose(plant, ks, how, PORT_S)
        equal(connects(plant, server), not guard, "a new connection")
        if guard:
            assert ks.json("guard", "show")["dropped"] > 0, "nothing dropped"
        abort(sock)


def test_generic():
    """The same in generic mode, which a large MTU at the far ends brings about."""
    with Plant("router") as plant:
        for ns, name in ((plant.client, "c0"), (plant.server, "s0")):
            run("ip", "-n", ns, "link", "set", name, "mtu", "9000")
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach("--generic")
        equal({port["xdp"] for port in ks.json("status")["ports"]}, {"generic"}, "XDP mode")
        poller(plant, plant.server4)
        ks.cmd("guard", "on")
        assert grows(log), "no read behind the guard"
        lose(plant, ks)
        time.sleep(0.1)
        assert not grows(log), "requests behind the lost program"
        no_writes(log)


@cases(("router",), ("bridge",))
def test_unlisted_addresses(mode):
    """Between the NICs it is not the address that counts."""
    with Plant(mode) as plant:
        alias = plant.server4.rsplit(".", 1)[0] + ".11"
        plant.add_address(plant.server, "s0", f"{alias}/24")
        plant.byte_server(8080)
        if mode == "router":
            plant.neighbour(plant.gateway, PORT_S, alias, plant.mac(plant.server, "s0"))
        else:
            plant.neighbour(plant.client, "c0", alias, plant.mac(plant.server, "s0"))
        _, ks = guarded(plant)
        assert connects(plant, alias, 8080), "an address that is no asset, guarded"
        lose(plant, ks)
        assert not connects(plant, alias, 8080), "an address that is no asset, program gone"
        ks.cmd("guard", "off")
        assert connects(plant, alias, 8080), "an address that is no asset, guard off"


def test_local_delivery():
    """The gateway itself stays reachable, guard or not, program or not."""
    with Plant("router") as plant:
        plant.spawn(plant.gateway, "/usr/bin/python3", PEERS / "tcp_log_server.py", "--log",
                    plant.dir / "gateway.log", "--port", "8080")
        plant.listening(plant.gateway, 8080)
        _, ks = guarded(plant)
        assert connects(plant, "10.91.1.254", 8080), "the gateway, guarded"
        lose(plant, ks)
        assert connects(plant, "10.91.1.254", 8080), "the gateway, program gone"
        assert not connects(plant, plant.server4), "the asset, program gone"


def third_nic(plant):
    """A second road from the client to the gateway, without keyswitch."""
    run("ip", "link", "add", "c1", "netns", plant.client, "type", "veth",
        "peer", "name", "x0", "netns", plant.gateway)
    for ns, name, address in ((plant.client, "c1", "10.91.3.1/24"),
                              (plant.gateway, "x0", "10.91.3.254/24")):
        plant.add_address(ns, name, address)
        run("ip", "-n", ns, "link", "set", name, "up")
    run("ip", "-n", plant.client, "route", "add", "default", "via", "10.91.3.254", "table", "3")
    run("ip", "-n", plant.client, "rule", "add", "from", "10.91.3.1", "lookup", "3")
    plant.nsenter(plant.gateway, "sysctl", "-q", "-w", "net.ipv4.conf.all.rp_filter=0")


def arrives(plant, source):
    """Does a datagram reach the server's application?"""
    with plant.socket(plant.server, kind=socket.SOCK_DGRAM) as there, \
         plant.socket(plant.client, kind=socket.SOCK_DGRAM) as here:
        there.settimeout(0.3)
        there.bind((plant.server4, 5005))
        here.bind((source, 0))
        here.sendto(b"request", (plant.server4, 5005))
        try:
            return there.recv(64) == b"request"
        except TimeoutError:
            return False


def test_other_nic_and_apply():
    """Assets get nothing from NICs without keyswitch; the set follows the policy."""
    with Plant("router") as plant:
        third_nic(plant)
        ks = Keyswitch(plant, OTHER_ASSET).attach()
        ks.cmd("guard", "on", "--untested")
        assert arrives(plant, "10.91.3.1"), "no asset, other NIC"
        plc = ks.write_policy("plc.yaml", READONLY)
        ks.cmd("apply", plc)
        assert not arrives(plant, "10.91.3.1"), "asset, other NIC"
        assert arrives(plant, plant.client4), "asset, keyswitch's NIC"
        ks.cmd("apply", ks.policy)
        assert arrives(plant, "10.91.3.1"), "no asset any more"
        ks.cmd("apply", plc)
        ks.cmd("guard", "off")
        assert arrives(plant, "10.91.3.1"), "asset, other NIC, guard off"


@cases(("router",), ("bridge",))
def test_removed(mode):
    """off and detach leave nothing; on twice is on; a foreign tc filter stays."""
    with Plant(mode) as plant:
        log, ks = guarded(plant)
        ks.cmd("guard", "on")
        assert grows(log), "no read behind a guard that was switched on twice"
        ks.cmd("guard", "off")
        equal(ruleset(plant), "", "rules after 'guard off'")
        assert "clsact" not in qdiscs(plant), qdiscs(plant)
        equal(ks.json("guard", "show")["on"], False, "guard after 'guard off'")
        run("tc", "-n", plant.gateway, "qdisc", "add", "dev", PORT_S, "clsact")
        run("tc", "-n", plant.gateway, "filter", "add", "dev", PORT_S, "egress", "u32",
            "match", "u32", "0", "0", "classid", "1:1")
        ks.cmd("guard", "on")
        assert grows(log), "no read behind the guard"
        ks.cmd("detach", "--yes")
        equal(ruleset(plant), "", "rules after detach")
        equal(qdiscs(plant).count("clsact"), 1, "clsact after detach")
        assert not ks.pins.exists(), list(ks.pins.rglob("*"))
        assert grows(log), "no read after detach"
        ks.attach()
        equal(ks.json("guard", "show")["on"], False, "guard after the next attach")


def qdiscs(plant):
    return run("tc", "-n", plant.gateway, "qdisc", "show").stdout


def without_nft(ks, *args):
    """keyswitch in a mount namespace whose nft cannot be run."""
    return ks.plant.nsenter(ks.plant.gateway, "unshare", "-m", "sh", "-c",
                            'mount --bind /dev/null /usr/sbin/nft && exec "$@"', "sh",
                            *ks.argv(*args), check=False)


def test_refused():
    with Plant("router") as plant:
        ks = Keyswitch(plant)
        for verb in ("on", "show"):
            refused(ks.cmd("guard", verb, check=False), PROBLEM, "attach")
        refused(ks.cmd("guard", check=False), USAGE, "'on', 'off' or 'show'")
        refused(ks.cmd("guard", "maybe", check=False), USAGE, "'maybe'")
        refused(ks.cmd("guard", "on", "off", check=False), USAGE, "'off'")
        log = plant.modbus_server()
        ks.attach()
        os.chmod(plant.dir, 0o755)
        refused(plant.nsenter(plant.gateway, "setpriv", "--reuid", "65534", "--regid", "65534",
                              "--clear-groups", "--bounding-set", "-all",
                              *ks.argv("guard", "on"), check=False), ENVIRONMENT, "privileges")
        plant.nsenter(plant.client, "sysctl", "-q", "-w", "net.ipv6.conf.c0.disable_ipv6=1")
        time.sleep(0.2)
        refused(ks.cmd("guard", "on", check=False), PROBLEM, "no frame", PORT_C, "--untested")
        poller(plant, plant.server4)
        wait_for(lambda: grows(log, 0.05), "the poller runs")
        refused(without_nft(ks, "guard", "on"), ENVIRONMENT, "nft", "apt install nftables")
        lose(plant, ks)
        refused(ks.cmd("guard", "on", check=False), PROBLEM, PORT_C, "metadata")
        # none of them left a half of the guard
        equal(ruleset(plant), "", "rules after refused guards")
        assert "clsact" not in qdiscs(plant), qdiscs(plant)
        equal(ks.json("guard", "show")["on"], False, "guard after refused guards")
        lose(plant, ks, port=PORT_S)
        assert connects(plant, plant.server4), "a refused guard stopped traffic"


def test_no_inline_pair():
    with Plant("wire") as plant:
        ks = Keyswitch(plant).attach()
        refused(ks.cmd("guard", "on", check=False), PROBLEM, "wire")
        equal(ruleset(plant), "", "rules")
        ks.cmd("detach", "--yes")
        ks.cmd("attach", "--policy", ks.policy, "--tap", PORT_C, "--adopt", "off")
        refused(ks.cmd("guard", "on", check=False), PROBLEM, "tap")
        equal(ruleset(plant), "", "rules")


def test_client_only():
    """One NIC has the program: what goes to assets needs the word all the same."""
    with Plant("router") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant)
        ks.cmd("attach", "--policy", ks.policy, "--client-only", PORT_C, "--adopt", "off")
        poller(plant, plant.server4)
        ks.cmd("guard", "on")
        assert grows(log), "no read behind the guard"
        lose(plant, ks)
        time.sleep(0.1)
        assert not grows(log), "requests behind the lost program"
        assert not connects(plant, plant.server4), "a new connection"
        ks.cmd("guard", "off")
        assert connects(plant, plant.server4), "a new connection, guard off"


def test_failed_again():
    """A second 'guard on' that fails leaves the first in force."""
    with Plant("router") as plant:
        log, ks = guarded(plant)
        lose(plant, ks)
        refused(ks.cmd("guard", "on", check=False), PROBLEM, "metadata")
        assert not connects(plant, plant.server4), "the guard was opened by a failed 'guard on'"
        assert not grows(log), "requests behind the lost program"


def test_untested():
    with Plant("bridge") as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        ks.cmd("guard", "on", "--untested")
        sock = plant.connect(plant.server4, 502)
        sock.sendall(read_registers())
        equal(len(tcp_split.receive(sock, 11, 1) or b""), 11, "a read behind the guard")
        lose(plant, ks, "unlink")
        sock.sendall(write_register())
        assert not tcp_split.receive(sock, 12, 0.5), "a write behind the lost program"
        no_writes(log)
        abort(sock)


def test_instance_lost():
    """Every pin deleted: the guard stands, and 'guard off' still finds it."""
    with Plant("router") as plant:
        log, ks = guarded(plant)
        for path in sorted(ks.pins.glob("*/*")):
            path.unlink()
        for port in (PORT_C, PORT_S):
            gone(plant, port)
        assert not connects(plant, plant.server4), "the asset without any pin"
        assert not grows(log), "requests without any pin"
        ks.cmd("guard", "off", check=False)
        equal(ruleset(plant), "", "rules after 'guard off'")
        assert "clsact" not in qdiscs(plant), qdiscs(plant)
        assert connects(plant, plant.server4), "the asset after 'guard off'"


def test_trial():
    """During a trial, and when it ran out, the guard holds the assets of both policies."""
    with Plant("router") as plant:
        _, ks = guarded(plant)
        other = ks.write_policy("other.yaml", OTHER_ASSET)

        def held():
            rules = ruleset(plant)
            return plant.server4 in rules, "10.91.77.7" in rules
        equal(held(), (True, False), "assets before")
        ks.cmd("apply", other, "--confirm", "5s")
        equal(held(), (True, True), "assets during the trial")
        wait_for(lambda: not ks.json("status")["trial"], "the trial ends", timeout=8)
        equal(held(), (True, True), "assets after it")
        ks.cmd("apply", other, "--confirm", "1m")
        ks.cmd("confirm")
        equal(held(), (False, True), "assets of the policy that was kept")
        ks.cmd("rollback")
        equal(held(), (True, False), "assets after rollback")
