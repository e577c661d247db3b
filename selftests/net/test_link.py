# SPDX-License-Identifier: GPL-2.0-only
"""`link_follow: true`: a wire's port loses its carrier, its other one goes down with it,
and both come back; who is connected there is asked, not keyswitch.
"""
import signal
import time

from kit import denied_write, equal, read_registers
import tcp_split
from ks import READONLY, Keyswitch, events, metric
from plant import CLIENT_NIC, PORT_C, PORT_S, SERVER_NIC, Plant, run, wait_for
from test_doctor_host import see, unseen
from test_service import CAP_BPF, CAP_NET_ADMIN, Manager, privileges, start

FOLLOWING = READONLY + "link_follow: true\n"
# as link_follow.h has them
STEADY, GRACE = 2.0, 10.0


def carrier(ns, nic):
    """What the far end of the cable sees."""
    flags = run("ip", "-n", ns, "-o", "link", "show", nic).stdout
    return "LOWER_UP" in flags


def admin(plant, nic):
    return "UP" in run("ip", "-n", plant.gateway, "-o", "link", "show",
                       nic).stdout.split("<")[1].split(">")[0].split(",")


def cable(plant, ns, nic, state):
    run("ip", "-n", ns, "link", "set", nic, state)


def following(plant, policy=FOLLOWING):
    """Both ends have their carrier; serve follows."""
    plant.modbus_server()
    ks = Keyswitch(plant, policy).attach()
    serve, output = ks.serve()
    return ks, serve, output


def reads(plant):
    """A read is answered, over a connection of its own."""
    try:
        with plant.connect(plant.server4, 502) as sock:
            sock.sendall(read_registers())
            return len(tcp_split.receive(sock, 11, 1.0)) == 11
    except OSError:
        return False


def told(output):
    return [(e["in_iface"], e["keyswitch"]["action"]) for e in events(output)
            if e["event_type"] == "admin"]


def lost(plant):
    """The server's cable goes, so the client's end has to see it, too."""
    cable(plant, plant.server, SERVER_NIC, "down")
    wait_for(lambda: not carrier(plant.client, CLIENT_NIC), "the client's carrier goes")


def back(plant):
    cable(plant, plant.server, SERVER_NIC, "up")
    wait_for(lambda: carrier(plant.client, CLIENT_NIC), "the client's carrier returns", timeout=8)


def test_follows():
    """Server's cable out and in, then the client's: the other end goes and returns."""
    with Plant() as plant:
        ks, serve, output = following(plant)
        assert reads(plant) and not denied_write(plant), "a read alone passes"
        lost(plant)
        equal(metric(ks.metrics_text(), "keyswitch_link_held", port=PORT_C), 1, "held")
        equal(metric(ks.metrics_text(), "keyswitch_link_held", port=PORT_S), 0, "the other")
        equal([p["held"] for p in ks.json("status")["ports"]], [True, False], "status")
        see(ks, "note", "service", f"'{PORT_C}' is held down", "the other port has no carrier")
        start_of_hold = time.monotonic()
        back(plant)
        assert time.monotonic() - start_of_hold >= STEADY - 0.1, "it waits until the carrier is steady"
        wait_for(lambda: reads(plant), "traffic resumes", timeout=8)
        assert not denied_write(plant), "a write after the link's return"
        equal(told(output), [(PORT_C, "link_down"), (PORT_C, "link_up")], "events")
        equal(metric(ks.metrics_text(), "keyswitch_link_holds_total", port=PORT_C), 1, "times")
        unseen(ks, "service", "held down")
        # the port that came back has time for its own carrier: then it is the client's turn
        cable(plant, plant.client, CLIENT_NIC, "down")
        wait_for(lambda: not carrier(plant.server, SERVER_NIC), "the server's carrier goes",
                 timeout=GRACE + 5)
        cable(plant, plant.client, CLIENT_NIC, "up")
        wait_for(lambda: carrier(plant.server, SERVER_NIC), "the server's carrier returns", timeout=8)
        equal(told(output)[2:], [(PORT_S, "link_down"), (PORT_S, "link_up")], "events")
        wait_for(lambda: reads(plant), "traffic resumes", timeout=8)
        text = ks.cmd("events").stdout
        assert f"admin {PORT_S} link_down: '{PORT_C}' has no carrier" in text, text
        equal(serve.proc.poll(), None, "serve runs")


def test_flapping():
    """A carrier that is there for less than two seconds at a time brings nothing back."""
    with Plant() as plant:
        ks, _, output = following(plant)
        lost(plant)
        for _ in range(5):
            cable(plant, plant.server, SERVER_NIC, "up")
            end = time.monotonic() + 0.7
            while time.monotonic() < end:
                assert not carrier(plant.client, CLIENT_NIC), "up on a flapping link"
                time.sleep(0.05)
            cable(plant, plant.server, SERVER_NIC, "down")
        equal(told(output), [(PORT_C, "link_down")], "events")
        back(plant)
        equal(metric(ks.metrics_text(), "keyswitch_link_holds_total", port=PORT_C), 1, "times")


def test_grace():
    """A port that comes back without its own carrier takes the other one down, but not at once:
    autonegotiation takes seconds, and two ports must not take each other down for ever."""
    with Plant() as plant:
        _, _, output = following(plant)
        lost(plant)
        cable(plant, plant.client, CLIENT_NIC, "down")
        cable(plant, plant.server, SERVER_NIC, "up")
        wait_for(lambda: told(output)[1:] == [(PORT_C, "link_up")], "brought back", timeout=8)
        end = time.monotonic() + GRACE - 3
        while time.monotonic() < end:
            assert carrier(plant.server, SERVER_NIC), "the other port went down at once"
            time.sleep(0.1)
        wait_for(lambda: not carrier(plant.server, SERVER_NIC), "it follows after all", timeout=9)
        cable(plant, plant.client, CLIENT_NIC, "up")
        wait_for(lambda: reads(plant), "traffic resumes", timeout=12)


def test_off():
    """By default nothing follows; a policy that says no brings back what is held."""
    with Plant() as plant:
        ks, serve, output = following(plant, READONLY)
        equal(privileges(serve.proc.pid)["CapEff"], CAP_BPF, "capabilities without link_follow")
        cable(plant, plant.server, SERVER_NIC, "down")
        wait_for(lambda: not carrier(plant.gateway, PORT_S), "the gateway's carrier goes")
        time.sleep(1.5)
        assert carrier(plant.client, CLIENT_NIC), "a port followed without being told"
        equal(told(output), [], "events")
        cable(plant, plant.server, SERVER_NIC, "up")
        serve.stop()
        ks.cmd("apply", ks.write_policy("on.yaml", FOLLOWING))
        serve, output = ks.serve("second")
        equal(privileges(serve.proc.pid)["CapEff"], CAP_BPF | CAP_NET_ADMIN, "capabilities with it")
        lost(plant)
        ks.cmd("apply", ks.policy)
        wait_for(lambda: carrier(plant.client, CLIENT_NIC), "brought back with the policy")
        time.sleep(1.5)
        equal(told(output), [(PORT_C, "link_down"), (PORT_C, "link_up")], "events, no more since")


def test_killed():
    """A serve that is killed while it holds a port: the next one, or detach, brings it back."""
    with Plant() as plant:
        ks, serve, _ = following(plant)
        lost(plant)
        serve.stop(signal.SIGKILL)
        see(ks, "problem", "service", f"'{PORT_C}' is held down", "does not run")
        cable(plant, plant.server, SERVER_NIC, "up")
        time.sleep(STEADY + 1)
        assert not carrier(plant.client, CLIENT_NIC), "who brought it up?"
        serve, _ = ks.serve("second")
        wait_for(lambda: carrier(plant.client, CLIENT_NIC), "the next serve brings it back", timeout=8)
        wait_for(lambda: reads(plant), "traffic resumes", timeout=8)
        # lost again, after its grace
        cable(plant, plant.server, SERVER_NIC, "down")
        wait_for(lambda: not carrier(plant.client, CLIENT_NIC), "goes again", timeout=GRACE + 5)
        serve.stop(signal.SIGKILL)
        ks.cmd("detach", "--yes")
        assert carrier(plant.client, CLIENT_NIC), "detach brings it back"
        equal(list(ks.run_dir.glob("held.*")), [], "notes that are left")


def test_stopped():
    """Stopped in order it lets go: nobody would bring the port back later."""
    with Plant() as plant:
        ks, serve, output = following(plant)
        lost(plant)
        serve.stop()
        assert carrier(plant.client, CLIENT_NIC), "stop lets go"
        equal(told(output), [(PORT_C, "link_down"), (PORT_C, "link_up")], "events")
        see(ks, "warning", "service", "'link_follow: true' and serve does not run")


def test_not_ours():
    """A port that the operator took down stays down; one that is held and that the operator
    brings up stays up until the link was whole again."""
    with Plant() as plant:
        _, _, output = following(plant)
        lost(plant)
        cable(plant, plant.gateway, PORT_C, "up")
        wait_for(lambda: len(told(output)) == 2, "it is told")
        time.sleep(1.5)
        assert carrier(plant.client, CLIENT_NIC), "the operator's word does not hold"
        cable(plant, plant.server, SERVER_NIC, "up")
        time.sleep(1.5)
        cable(plant, plant.gateway, PORT_S, "down")
        wait_for(lambda: not carrier(plant.client, CLIENT_NIC), "a port taken down is a lost carrier",
                 timeout=GRACE + 5)
        time.sleep(STEADY + 1)
        assert not admin(plant, PORT_S), "a port that the operator took down was brought up"


def test_later_policy():
    """A serve that gave the privilege away ends for its manager to start it again, and says so
    where there is none."""
    with Plant() as plant:
        plant.modbus_server()
        manager, ks = Manager(plant.dir / "notify"), Keyswitch(plant).attach()
        for env, ends in (((), False), (manager.env(), True)):
            serve, _ = start(plant, ks, *env)
            wait_for(ks.metrics_up, "serve answers")
            ks.cmd("apply", ks.write_policy("on.yaml", FOLLOWING))
            wait_for(lambda: "link_follow: true" in serve.text(), lambda: serve.text())
            if ends:
                equal(serve.wait(5), 0, f"serve: {serve.text()}")
            else:
                equal(serve.proc.poll(), None, "serve goes on")
                serve.stop()
            ks.cmd("apply", ks.policy)
        # a unit without the capability
        ks.cmd("apply", plant.dir / "on.yaml")
        serve, _ = start(plant, ks, "setpriv", "--bounding-set=-all,+bpf", "--inh-caps=-all")
        wait_for(lambda: "CAP_NET_ADMIN" in serve.text(), lambda: serve.text())
        equal(privileges(serve.proc.pid)["CapEff"], CAP_BPF, "capabilities")
