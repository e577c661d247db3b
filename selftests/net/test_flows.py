# SPDX-License-Identifier: GPL-2.0-only
"""`keyswitch flows` and the first lines of `keyswitch status`: what they say is compared with
the sockets of the client and with what was sent over them.
"""
import re
import resource
import time

from kit import abort, equal, read_registers, write_register
from ks import DROPPING, READONLY, Keyswitch
from plant import SERVER_NIC, Plant, run, wait_for

MANY = 1300     # more than two batches


def asked(sock, times=1):
    for _ in range(times):
        sock.sendall(read_registers())
        equal(len(sock.recv(100)), 11, "the answer to a read")


def by_port(said):
    return {flow["client_port"]: flow for flow in said["flows"]}


def port(sock):
    return sock.getsockname()[1]


def test_rows():
    """One of each kind: adopted, open, over IPv6, behind a refused request, closed, killed."""
    with Plant() as plant:
        plant.modbus_server()
        plant.wire()
        early = plant.connect(plant.server4, 502)
        asked(early)
        for name in ("kc", "ks"):
            run("ip", "-n", plant.gateway, "link", "set", name, "xdp", "off")
        ks = Keyswitch(plant, DROPPING).attach()
        asked(early, 2)
        open4, other = plant.connect(plant.server4, 502), plant.connect(plant.server4, 502, plant.other4)
        open6 = plant.connect(plant.server6, 502)
        asked(open4, 3)
        asked(open6, 2)
        waits = plant.connect(plant.server4, 502)
        waits.sendall(write_register())
        ended = plant.connect(plant.server4, 502)
        ended_port = port(ended)
        asked(ended)
        ended.close()
        wait_for(lambda: by_port(ks.json("flows"))[ended_port]["state"] == "closed", "closed")
        wait_for(lambda: by_port(ks.json("flows"))[port(waits)]["waits"], "waits")
        said = ks.json("flows")
        rows = by_port(said)
        equal(set(rows), {*map(port, (early, open4, other, open6, waits)), ended_port}, "ports")
        equal((said["tracked"], said["open"], said["adopted"], said["limit"]), (6, 5, 1, 4096), "sums")
        want = {"client": plant.client4, "server": plant.server4, "server_port": 502, "vlan": [],
                "asset": "plc", "proto": "modbus", "state": "open", "adopted": False,
                "waits": False, "bytes_judged": 36, "bytes_replied": 33}
        got = rows[port(open4)]
        assert 0 <= got["idle"] <= got["age"] + 1 and got["age"] < 60, got
        time.sleep(1.1)
        older = by_port(ks.json("flows"))[port(open4)]
        assert got["age"] + 1 <= older["age"] <= got["age"] + 20, (got, older)
        del got["idle"], got["age"]
        equal({k: v for k, v in got.items() if k != "client_port"}, want, "an open connection")
        equal((rows[port(open6)]["client"], rows[port(open6)]["bytes_judged"]), (plant.client6, 24),
              "one over IPv6")
        equal((rows[port(early)]["adopted"], rows[port(early)]["bytes_judged"]), (True, None),
              "one from before the attach")
        equal(rows[port(waits)]["bytes_judged"], 0, "nothing of a refused request")
        text = ks.cmd("flows").stdout
        lines = text.splitlines()
        equal(lines[0], "6 connections tracked, 5 open, 1 adopted; room for 4096 per address family",
              "first line")
        equal([line for line in lines if len(line) > 80], [], "lines that are too wide")
        for sock, words in ((open4, "plc modbus open 36 33"), (early, "plc modbus open - - adopted"),
                            (waits, "plc modbus open 0 0 waits")):
            line = next(line for line in lines if f":{port(sock)} " in line)
            equal([word for word in line.split()[1:] if not re.fullmatch(r"\d+[smh]", word)],
                  words.split(), line)
        assert f"[{plant.client6}]:{port(open6)}" in text, text
        for sock in (early, open4, other, open6, waits):
            abort(sock)


def test_filters():
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant, READONLY.replace("assets:\n", "assets:\n  idle: 10.91.1.20\n")).attach()
        socks = [plant.connect(plant.server4, 502, source) for source in
                 (plant.client4, plant.other4, plant.client4)]
        socks.append(plant.connect(plant.server6, 502))
        asked(socks[1])
        every = {port(sock) for sock in socks}
        for options, wanted in (
                ((), every), (("--asset", "plc"), every), (("--asset", "idle"), set()),
                (("--client", plant.other4), {port(socks[1])}),
                (("--client", "10.91.1.0/24"), {port(s) for s in socks[:3]}),
                (("--client", "fd91:1::/64"), {port(socks[3])}),
                (("--client", plant.other4, "--asset", "idle"), set())):
            said = ks.json("flows", *options)
            equal((set(by_port(said)), said["tracked"]), (wanted, 4), options)

        def latest():
            asked(socks[1])
            said = ks.json("flows", "--limit", "1")
            equal((len(said["flows"]), said["matching"]), (1, 4), "one of four")
            return port(socks[1]) in by_port(said)
        wait_for(latest, "the one that is used comes first")    # the clock's step is a few ms
        assert "1 shown of 4 that match" in ks.cmd("flows", "--limit", "1").stdout
        for options, code, word in ((("--asset", "nothing"), 1, "no asset 'nothing'"),
                                    (("--client", "plc"), 2, "'plc'"),
                                    (("--client", "10.91.1.5/24"), 2, "'10.91.1.5/24'"),
                                    (("--limit", "x"), 2, "'x'"), (("--limit", "-3"), 2, "'-3'"),
                                    (("plc",), 2, "'plc'")):
            for json_too in ((), ("--json",)):
                done = ks.cmd("flows", *json_too, *options, check=False)
                equal((done.returncode, done.stdout), (code, ""), options)
                assert word in done.stderr, done.stderr
        # names of assets are those in force; a number that now means another asset is none
        ks.cmd("apply", ks.write_policy("renamed.yaml", READONLY.replace("plc", "press")))
        asked(socks[1])
        rows = by_port(ks.json("flows"))
        equal(rows[port(socks[1])]["asset"], "press", "judged anew")
        assert rows[port(socks[0])]["asset"] in (None, "press"), rows
        for sock in socks:
            abort(sock)


def test_many():
    """All of a table that is read in several batches, each once."""
    with Plant() as plant:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        listener = plant.socket(plant.server)   # the kernel completes the handshakes
        listener.bind((plant.server4, 502))
        listener.listen(4096)
        ks = Keyswitch(plant).attach()
        socks = [plant.connect(plant.server4, 502) for _ in range(MANY)]
        said = ks.json("flows")
        ports = [flow["client_port"] for flow in said["flows"]]
        equal((len(ports), set(ports)), (MANY, {port(sock) for sock in socks}), "connections")
        equal(said["open"], MANY, "open")
        lines = ks.cmd("flows").stdout.splitlines()
        equal(len(lines), MANY + 2, "lines")
        for sock in socks:
            abort(sock)


def test_status():
    """First what matters: mode, policy, refusals, trouble; nothing wider than 80 columns."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        lines = ks.cmd("status").stdout.splitlines()
        assert re.match(r"ENFORCE  policy 1, \ds old  in \ds: 0 requests denied, 0 packets stopped$",
                        lines[0]), lines
        equal(lines[1], "trouble     'keyswitch serve' does not run: events wait in their ring", "trouble")
        ks.serve()
        sock = plant.connect(plant.server4, 502)
        sock.sendall(write_register())
        wait_for(lambda: ks.json("status")["standing"]["denied"] == 1, "counted")
        abort(sock)
        lines = ks.cmd("status").stdout.splitlines()
        assert "1 requests denied" in lines[0], lines
        equal(lines[1], "trouble     none", "trouble")
        equal([line for line in lines if len(line) > 80], [], "lines that are too wide")
        run("ip", "-n", plant.server, "link", "set", SERVER_NIC, "down")
        wait_for(lambda: ks.json("status")["standing"]["trouble"], "trouble")
        equal(ks.json("status")["standing"]["trouble"], ["no link on ks: the wire forwards nothing"],
              "trouble")
        ks.cmd("mode", "monitor")
        lines = ks.cmd("status").stdout.splitlines()
        assert lines[0].startswith("MONITOR  policy 1, "), lines
        equal([line.split(None, 1)[1] for line in lines if line.startswith("trouble")],
              ["no link on ks: the wire forwards nothing", "mode monitor: everything passes"], "trouble")
        equal([line for line in lines if len(line) > 80], [], "lines that are too wide")
