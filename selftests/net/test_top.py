# SPDX-License-Identifier: GPL-2.0-only
"""`keyswitch top` as it is seen: on a real pty, drawn by a terminal emulator, while real
clients poll and are refused.  What the figures have to be is counted by the clients and the
server's log.
"""
import os
import re
import signal
import termios

from kit import cases, denied_write, equal, no_writes
from ks import READONLY, Keyswitch
from plant import SERVER_NIC, Plant, run
from terminal import Terminal

# two more assets, and one with the longest name there is
LONG = "mixer-" + "x" * 57
ASSETS = READONLY.replace("assets:\n", f"assets:\n  boiler: 10.91.1.20\n  {LONG}: 10.91.1.21\n")


def top(plant, ks, *options, **kwargs):
    return Terminal(["nsenter", f"--net=/run/netns/{plant.gateway}",
                     *ks.argv("top", "--interval", "1s", *options)], **kwargs)


def started(plant, policy=READONLY):
    log = plant.modbus_server()
    ks = Keyswitch(plant, policy).attach()
    ks.serve()
    return ks, log


def poll(plant, n):
    code, said = plant.mb_client("-n", str(n), plant.server4, 3, 0, 4)
    equal((code, said["ok"]), (0, n), "polls")


def row(term, name):
    """Fields of the row that begins with this name, None without one."""
    for line in term.screen.display[5:term.lines - 1]:
        if line.split()[:1] == [name]:
            return line.split()
    return None


def names(term):
    return [line.split()[0] for line in term.screen.display[5:term.lines - 1] if line.strip()]


def framed(term):
    """Every line in its place, nothing beyond the width."""
    term.until(lambda: term.line(0).startswith("ENFORCE  policy 1, ") and
               re.match(r"\d\d:\d\d:\d\d ", term.line(1)) and
               (term.line(2) == "no trouble" or term.line(2).startswith("TROUBLE: ")) and
               "1 Assets" in term.line(3) and
               term.line(term.lines - 1).startswith("1-5 view  s sort"), "the frame")
    equal(term.beyond(), [], "beyond the width")


@cases(("vt100",), ("xterm-256color",), ("linux",))
def test_screen(term_name):
    with Plant() as plant:
        ks, log = started(plant)
        with top(plant, ks, term=term_name) as term:
            term.until(lambda: row(term, "plc"), "the asset")
            equal(term.line(4).split(), ["asset", "*REQ/S", "ALLOWED", "DENIED", "NEW", "WOULD", "FLOWS"],
                  "titles")
            poll(plant, 30)
            for _ in range(3):
                assert not denied_write(plant), "a write"
            term.until(lambda: row(term, "plc")[2:4] == ["30", "3"], "30 allowed, 3 denied")
            no_writes(log)
            equal(log.count(function=3), 30, "reads of the server")
            assert "3 requests denied" in term.line(0), term.text()
            framed(term)
            equal(term.line(2), "no trouble", "trouble")
            run("ip", "-n", plant.server, "link", "set", SERVER_NIC, "down")
            term.until(lambda: "no link on ks: the wire forwards nothing" in term.line(2), "trouble")
            framed(term)
            term.keys("q")
            equal(term.wait(), 0, "exit code")


def test_views():
    with Plant() as plant:
        ks, _ = started(plant)
        sock = plant.connect(plant.server4, 502, plant.other4)
        poll(plant, 5)
        assert not denied_write(plant), "a write"
        with top(plant, ks) as term:
            term.until(lambda: row(term, "plc"), "the asset")
            term.keys("2")
            term.until(lambda: row(term, plant.other4), "a client")
            equal(row(term, plant.other4)[1:4], ["1", "1", "0"], "flows, open and adopted of it")
            framed(term)
            term.keys("3")
            term.until(lambda: row(term, "write_single_register"), "a function")
            equal(row(term, "write_single_register")[1], "modbus", "its protocol")
            equal(row(term, "write_single_register")[4], "1", "denied")
            equal(row(term, "read_holding_registers")[3], "5", "allowed")
            framed(term)
            term.keys("\t")
            term.until(lambda: row(term, "policy_deny"), "a reason")
            equal(row(term, "policy_deny")[-2], "1", "packets")
            assert "request denied by policy" in term.text(), term.text()
            framed(term)
            for view in "12345":     # every column can be marked, and has room for its mark
                term.keys(view)
                for _ in range(7):
                    term.keys("s")
                    term.until(lambda: "*" in term.line(4), "a mark")
                    assert "~" not in term.line(4), term.line(4)
            term.keys("5")
            term.until(lambda: row(term, plant.client4), "a client that was refused")
            assert "plc: unit 1 write_single_register address 10" in term.text(), term.text()
            equal(row(term, plant.client4)[-1], "1", "times")
            framed(term)
            term.keys("h")
            term.until(lambda: "this help" in term.text(), "help")
            framed(term)
            term.keys("h1")
            term.until(lambda: row(term, "plc"), "the first view again")
        sock.close()


def test_sort_filter_pause():
    with Plant() as plant:
        ks, _ = started(plant, ASSETS)
        poll(plant, 2)
        with top(plant, ks, "--sort", "allowed") as term:
            term.until(lambda: row(term, "plc"), "the assets")
            equal(names(term), ["plc", "boiler", names(term)[2]], "most allowed first")
            term.keys("r")
            term.until(lambda: names(term)[2:] == ["plc"], "the other way round")
            assert "^ALLOWED" in term.line(4), term.line(4)
            term.keys("rn")
            term.until(lambda: term.line(4).startswith("*asset"), "by name")
            equal((names(term)[0], names(term)[2]), ("boiler", "plc"), "by name")
            # a name that does not fit is cut, its figures are not
            cut = names(term)[1]
            assert cut.endswith("~") and LONG.startswith(cut[:-1]), cut
            equal(row(term, cut)[1:], ["0"] * 6, "figures of a cut name")
            term.keys("s")
            term.until(lambda: "*REQ/S" in term.line(4), "the next column")
            term.keys("S")
            term.until(lambda: term.line(4).startswith("*asset"), "the one before")
            term.keys("/BOIL")
            term.until(lambda: names(term) == ["boiler"], "the filter while it is typed")
            assert term.line(23).startswith("filter: BOIL"), term.line(23)
            term.keys("x")
            term.until(lambda: names(term) == [], "nothing matches")
            assert "0 of 3" in term.line(3), term.line(3)
            term.keys("\x7f\r")
            term.until(lambda: term.line(3).endswith(" 1 of 3  /BOIL"), "kept")
            term.keys("\x1b")
            term.until(lambda: len(names(term)) == 3, "and taken away")
            framed(term)
            term.keys("p")
            term.until(lambda: "PAUSED" in term.line(1), "pause")
            poll(plant, 7)
            term.read(2.5)
            equal(row(term, "plc")[2], "2", "a picture that stands still")
            term.keys("p")
            term.until(lambda: row(term, "plc")[2] == "9", "and goes on")


def test_size():
    with Plant() as plant:
        ks, _ = started(plant, ASSETS)
        with top(plant, ks) as term:
            term.until(lambda: row(term, "plc"), "the assets")
            framed(term)
            term.resize(50, 8)
            term.until(lambda: term.line(0) == "terminal too small: 50x8, expected 60x10", "too small")
            equal(term.beyond(), [], "beyond the width")
            term.resize(60, 10)
            term.until(lambda: row(term, "plc") and term.line(9).startswith("1-5 view"), "small")
            equal(term.beyond(), [], "beyond the width")
            assert term.line(4).endswith("FLOWS"), term.text()
            term.resize(132, 40)
            term.until(lambda: term.line(39).startswith("1-5 view") and
                       row(term, LONG), "wide: the whole name")
            framed(term)
            term.resize(80, 24)
            term.until(lambda: term.line(23).startswith("1-5 view"), "as before")
            framed(term)


@cases(("q",), ("SIGTERM",), ("SIGINT",), ("SIGHUP",), ("^C",))
def test_end(how):
    """The terminal is as it was: modes, cursor, the screen before."""
    with Plant() as plant:
        ks, _ = started(plant)
        with top(plant, ks, term="xterm") as term:
            term.until(lambda: row(term, "plc"), "the asset")
            # a shell would see it so: no echo, no lines
            equal(termios.tcgetattr(term.fd)[3] & (termios.ECHO | termios.ICANON), 0, "modes")
            assert b"\x1b[?1049h" in term.bytes, "the other screen"
            if how.startswith("SIG"):
                os.kill(term.pid, getattr(signal, how))
            else:
                term.keys("\x03" if how == "^C" else how)
            equal(term.wait(), 0, "exit code")
            equal(termios.tcgetattr(term.fd), term.before, "modes")
            equal(term.bytes.count(b"\x1b[?1049h"), term.bytes.count(b"\x1b[?1049l"), "screens")
            tail = term.bytes[term.bytes.rindex(b"\x1b[?25l"):]
            assert b"\x1b[?25h" in tail or b"\x1b[?12l\x1b[?25h" in tail, tail


def test_once():
    """For scripts: no terminal, JSON, and a terminal that cannot be drawn on."""
    with Plant() as plant:
        ks, log = started(plant, ASSETS)
        poll(plant, 4)
        assert not denied_write(plant), "a write"
        for options in ((), ("--once",)):
            lines = ks.cmd("top", *options, "--sort", "denied").stdout.splitlines()
            assert lines[0].startswith("ENFORCE  policy 1, "), lines
            equal(lines[1].split()[:3], ["asset", "REQ/S", "ALLOWED"], "titles")
            equal(lines[2].split()[:4], ["plc", "0", "4", "1"], "the first row")
            equal([line for line in lines if len(line) > 80], [], "lines that are too wide")
        said = ks.json("top", "--filter", "plc")
        equal([(a["asset"], a["allowed"], a["denied"]) for a in said["assets"]], [("plc", 4, 1)],
              "assets")
        said = ks.json("top", "--sort", "name", "--limit", "2")
        equal([a["asset"] for a in said["assets"]], ["boiler", LONG], "assets by name")
        equal({d["reason"]: d["packets"] for d in said["denied"]}, {"policy_deny": 1}, "denied")
        equal({f["function"]: (f["proto"], f["denied"]) for f in said["functions"]},
              {"write_single_register": ("modbus", 1), "read_holding_registers": ("modbus", 0)},
              "functions")
        equal(said["standing"]["denied"], 1, "denied")
        equal([(r["client"], r["times"], "write_single_register" in r["what"]) for r in said["latest"]],
              [(plant.client4, 1, True)], "latest")
        for view in ("clients", "functions", "denied", "latest"):
            lines = ks.cmd("top", "--view", view).stdout.splitlines()
            assert len(lines) > 2, lines
            equal([line for line in lines if len(line) > 80], [], "lines that are too wide")
        no_writes(log)
        with top(plant, ks, term="nonsense") as term:
            equal(term.wait(), 3, "exit code")
            assert "TERM is 'nonsense'" in term.text() and "--once" in term.text(), term.text()
        for wrong, word in ((("--interval", "0s"), "'0s'"), (("--interval", "2"), "'2'"),
                            (("--view", "plc"), "'plc'"), (("--sort", "idle"), "'idle'"),
                            (("--filter", "x" * 64), "at most 63"), (("--limit", "-1"), "'-1'"),
                            (("extra",), "'extra'")):
            done = ks.cmd("top", *wrong, check=False)
            equal((done.returncode, done.stdout), (2, ""), wrong)
            assert word in done.stderr, done.stderr
