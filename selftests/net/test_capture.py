# SPDX-License-Identifier: GPL-2.0-only
"""`keyswitch capture --denied`: what was refused, as Wireshark reads it. The judge of the
bytes is what tcpdump saw at their sender; files are read by tshark and by a reader of our own.
"""
import collections
import ctypes
import json
import mmap
import os
import re
import signal
import socket
import struct
import time

import enip_client as ec
import enip_wire as w
import pcapng
import raw_tcp
import tcp_split
from kit import abort, adu, cases, denied_write, equal, read_registers, write_register
from ks import READONLY, Keyswitch
from plant import CLIENT_NIC, PORT_C, PORT_S, VLAN_IDS, Plant, run, wait_for
from test_attacks import raw_client

OUTBOUND = READONLY + "outbound: deny\n"
FLOOD = 4000
BYTES = 256


class Capture:
    """A running capture, begun when it says so."""

    def __init__(self, plant, ks, *options, name="denied.pcapng", before=()):
        self.path = plant.dir / name
        self.process = plant.spawn(plant.gateway, *before, *ks.argv(
            "capture", "--denied", self.path, *options))
        wait_for(lambda: "capturing" in self.process.text() or
                 self.process.proc.poll() is not None, "capture begins")

    def end(self, code=0, how=signal.SIGINT):
        self.process.proc.send_signal(how)
        equal(self.process.wait(10), code, f"capture: {self.process.text()}")
        return self.read()

    def read(self):
        return pcapng.File(self.path.read_bytes())


def record(plant):
    path = plant.dir / "client.pcap"
    process = plant.spawn(plant.client, "tcpdump", "-i", CLIENT_NIC, "-Q", "out", "-U", "-s", "2048",
                          "-B", "16384", "--immediate-mode", "-Z", "root", "-w", path)
    wait_for(lambda: "listening on" in process.text(), "tcpdump listens")
    return process, path


def tshark(path, *fields):
    """[fields of a packet]; a warning, as of a file that is cut short, is an error."""
    asked = [word for field in fields for word in ("-e", field)]
    done = run("tshark", "-r", path, "-T", "fields", "-E", "separator=\t", *asked)
    said = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    equal(said, [], "what tshark says")
    return [line.split("\t") for line in done.stdout.splitlines()]


def producer(ks):
    """How many bytes the ring of denied packets has ever taken: its second page."""
    libc = ctypes.CDLL(None, use_errno=True)
    path = ctypes.create_string_buffer(os.fsencode(ks.pins / "maps" / "denied"))
    attr = ctypes.create_string_buffer(struct.pack("QII", ctypes.addressof(path), 0, 0), 128)
    fd = libc.syscall(321 if os.uname().machine == "x86_64" else 280, 7, attr, 128)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    try:
        with mmap.mmap(fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ,
                       offset=mmap.PAGESIZE) as page:
            return struct.unpack_from("Q", page)[0]
    finally:
        os.close(fd)


def enip_denied(plant):
    """A Multiple_Service_Packet whose second member writes, then reads again."""
    sock = plant.connect(plant.server4, 44818)
    client = ec.Client(sock).register()
    client.send("ucmm", ec.read_tag("Setpoint"))
    sock.settimeout(0.12)
    try:
        client.send("ucmm", w.msp([ec.read_tag("Speed"), ec.write_tag("Speed", 1),
                                   ec.read_tag("Speed")]))
    except OSError:
        pass
    abort(sock)


def refused(plant):
    """Refused requests of both protocols and families, and two longer than what is kept."""
    denied_write(plant)
    sock = plant.connect(plant.server6, 502)
    sock.sendall(read_registers() + write_register(tid=2))
    equal(len(tcp_split.receive(sock, 11, 1)), 11, "answer to the request before")
    abort(sock)
    long = plant.connect(plant.server4, 502)
    long.sendall(adu(struct.pack(">BHHB", 16, 0, 120, 240) + bytes(240)))
    tcp_split.receive(long, 12, 0.12)
    abort(long)
    enip_denied(plant)
    with plant.socket(plant.client, kind=socket.SOCK_DGRAM) as sock:
        sock.sendto(write_register(), (plant.server4, 502))
    out = plant.socket(plant.server)
    out.settimeout(0.1)
    try:
        out.connect((plant.client4, 9999))
    except OSError:
        pass
    out.close()


def allowed(plant):
    plant.mb_client("-q", "-n", "20", plant.server4, 3, 0, 10)
    plant.mb_client("-b", plant.other4, plant.server4, 6, 100, 5)


def reason_of(comment):
    return re.search(r"\((\w+)\)", comment)[1]


@cases(("wire", 0), ("wire", 2), ("bridge", 1), ("router", 0), weight=2)
def test_denied(mode, vlans):
    """Every refused packet with its first bytes as its sender sent it, and nothing else."""
    with Plant(mode, vlans) as plant:
        plant.modbus_server()
        plant.enip_target()
        ks = Keyswitch(plant, OUTBOUND).attach()
        tcpdump, sent = record(plant)
        began = time.time_ns()
        capture = Capture(plant, ks)
        allowed(plant)
        refused(plant)
        plant.silence()
        wait_for(ks.balanced, ks.balance_text)
        file = capture.end()
        tcpdump.stop(signal.SIGINT)
        check_bytes(file, sent, {*VLAN_IDS[vlans]})
        # what was refused and is told, whether it stopped or its connection ended
        counted = collections.Counter()
        for row in ks.counters()["packets"]:
            if row["action"] != "pass" and row["reason"] in (
                    "policy_deny", "outbound_denied", "pair_denied"):
                counted[row["port"], row["reason"]] += row["packets"]
        equal(collections.Counter((p.interface, reason_of(p.comment)) for p in file.packets),
              counted, "packets by port and reason")
        assert counted[PORT_C, "policy_deny"] >= 5 and counted[PORT_S, "outbound_denied"], counted
        equal([i.name for i in file.interfaces], [PORT_C, PORT_S], "interfaces")
        check_readers(capture.path, file, began)
        check_comments(plant, [p.comment for p in file.packets])


def check_bytes(file, sent, vlans):
    frames = collections.Counter((length, data[:BYTES])
                                 for length, data in pcapng.pcap_frames(sent.read_bytes()))
    for packet in file.packets:
        if packet.interface != PORT_C:
            continue
        key = packet.length, packet.data
        assert frames[key] > 0, f"not as it was sent: {packet.comment} {packet.data.hex()}"
        frames[key] -= 1
        tags = raw_tcp.read_frame(packet.data, [])
        if tags:
            equal(set(tags[4].vlans), vlans, "VLAN ids")
    assert any(p.length > len(p.data) == BYTES for p in file.packets), "none was cut"
    assert any(frames.values()), "tcpdump saw what was allowed, too"
    read = read_registers(quantity=10)[7:]
    assert not [p for p in file.packets if read in p.data], "an allowed request"


def check_readers(path, file, began):
    rows = tshark(path, "frame.interface_name", "frame.len", "frame.comment", "frame.time_epoch")
    equal([row[:3] for row in rows],
          [[p.interface, str(p.length), p.comment] for p in file.packets], "what tshark reads")
    times = [p.ns for p in file.packets]
    assert began <= min(times) and max(times) <= time.time_ns(), "times"
    equal([row[3] for row in rows],
          [f"{ns // 10**9}.{ns % 10**9:09}" for ns in times], "times that tshark reads")
    done = run("capinfos", "-M", "-c", "-s", path)
    equal(int(re.search(r"Number of packets: +(\d+)", done.stdout)[1]), len(file.packets), "capinfos")
    equal([(s.received, s.lost) for s in file.statistics],
          [(sum(p.interface == i.name for p in file.packets), 0) for i in file.interfaces],
          "statistics")


def check_comments(plant, comments):
    for pattern in (
            rf"denied: request denied by policy \(policy_deny\), rule default, modbus unit 1 "
            rf"write_single_register address 10 quantity 1, asset plc, client "
            rf"{plant.client4}:\d+, server {plant.server4}:502, policy generation 1",
            rf"write_single_register .*client \[{plant.client6}\]:\d+, server \[{plant.server6}\]:502,",
            r"write_multiple_registers address 0 quantity 120, asset plc",
            r"rule default, enip write_tag tag Speed, asset plc",
            rf"\(outbound_denied\), .*server {plant.server4}:\d+, client {plant.client4}:9999"):
        assert any(re.search(pattern, comment) for comment in comments), f"{pattern}: {comments}"
    # of a packet's requests the first that is refused
    assert not any("read_tag" in comment for comment in comments), comments


@cases((signal.SIGTERM,), (signal.SIGHUP,))
def test_ended(how):
    """By its manager, or with its terminal: the file is whole."""
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        plant.modbus_server()
        capture = Capture(plant, ks)
        denied_write(plant)
        wait_for(lambda: capture.read().packets, "the packet, while capture runs")
        packets = len(capture.read().packets)
        file = capture.end(how=how)
        assert len(file.packets) >= packets, file.packets
        assert file.statistics, "the counts that end a capture"


def test_nobody_reads():
    """Without a capture nothing is sent: before, after, and soon after one was killed."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        denied_write(plant)
        equal(producer(ks), 0, "ring before any capture")
        capture = Capture(plant, ks)
        denied_write(plant)
        wait_for(lambda: capture.read().packets, "the packet, while capture runs")
        assert producer(ks) > 0, "ring"
        capture.end()
        at = producer(ks)
        denied_write(plant)
        equal(producer(ks), at, "ring after the capture")
        capture = Capture(plant, ks)
        capture.process.stop(signal.SIGKILL)

        def silent():
            before = producer(ks)
            denied_write(plant)
            return producer(ks) == before
        wait_for(silent, "the ring rests after a kill", timeout=20, step=0.5)
        # what nobody read of that one is none of the next one's
        capture = Capture(plant, ks)
        denied_write(plant)
        file = capture.end()
        assert file.packets and all(p.ns >= file.statistics[0].began for p in file.packets), \
            file.packets
        wait_for(lambda: not denied_write(plant), "enforcement")


def null_scan(plant):
    """A socket, and a frame that is refused for its flags."""
    raw = raw_client(plant, 4)
    return raw.sock, raw.frame(0)


def test_lost():
    """A ring that is full: what did not fit is counted, in the file and in the summary."""
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        capture = Capture(plant, ks)
        sock, frame = null_scan(plant)
        capture.process.proc.send_signal(signal.SIGSTOP)
        wait_for(lambda: "T (stopped)" in open(f"/proc/{capture.process.proc.pid}/status").read(),
                 "stops")
        for _ in range(FLOOD):
            sock.send(frame)
        wait_for(lambda: ks.reason("tcp_flags") == FLOOD, "the flood has come")
        capture.process.proc.send_signal(signal.SIGCONT)
        file = capture.end()
        lost = sum(s.lost for s in file.statistics)
        assert 0 < lost < FLOOD, file.statistics
        equal(len(file.packets) + lost, FLOOD, "written and lost")
        equal([s.received for s in file.statistics], [FLOOD, 0], "received")
        assert f"{len(file.packets)} denied packets" in capture.process.text(), capture.process.text()
        assert f"{lost} lost" in capture.process.text(), capture.process.text()
        ks.balance()


def test_ends():
    """--count, --seconds, --json; a pipe, and one whose reader goes away; monitor; --all."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        sock, frame = null_scan(plant)
        capture = Capture(plant, ks, "--count", "3")
        for _ in range(5):
            sock.send(frame)
        equal(capture.process.wait(10), 0, f"capture: {capture.process.text()}")
        equal(len(capture.read().packets), 3, "--count 3")
        done = json.loads(ks.cmd("--json", "capture", "--denied", capture.path, "--seconds",
                                 "1").stdout)
        equal(done, {"file": str(capture.path), "packets": 0, "lost": 0, "ports": [
            {"port": port, "packets": 0, "lost": 0} for port in (PORT_C, PORT_S)]}, "--json")
        equal(capture.path.stat().st_mode & 0o777, 0o600, "mode of the file")
        piped(plant, ks, sock, frame)
        all_packets(plant, ks)
        ks.cmd("mode", "monitor")
        capture = Capture(plant, ks)
        assert denied_write(plant), "a write in monitor mode"
        comments = [p.comment for p in capture.end().packets]
        assert comments and all(c.startswith("would be denied: ") for c in comments), comments
        ks.cmd("mode", "enforce")
        capture = Capture(plant, ks)
        ks.cmd("detach", "--yes")
        equal(capture.process.wait(10), 0, "capture after a detach")
        assert "was detached" in capture.process.text(), capture.process.text()


def piped(plant, ks, sock, frame):
    line = " ".join(map(str, ks.argv("capture", "--denied", "-")))
    for tail, want in (("--count 2 | tshark -r - -T fields -e frame.comment", 2),
                       ("| head -c 200 >/dev/null", 0)):
        shell = plant.spawn(plant.gateway, "bash", "-c", f"{line} {tail}; echo codes ${{PIPESTATUS[@]}}")
        wait_for(lambda: "capturing" in shell.text(), "capture begins")
        for _ in range(2 if want else 1):
            sock.send(frame)
        equal(shell.wait(10), 0, shell.text())
        assert "codes 0 0" in shell.text(), shell.text()
        equal(shell.text().count("(tcp_flags)"), want, f"comments: {shell.text()}")


def all_packets(plant, ks):
    """A segment behind a gap raises no event: only --all shows it."""
    tcp = raw_client(plant, 4)
    assert tcp.handshake(), "handshake"
    for options, want in ((), 0), (("--all",), 1):
        capture = Capture(plant, ks, *options)
        before = ks.reason("out_of_order")
        tcp.send(raw_tcp.PSH | raw_tcp.ACK, read_registers(), seq=tcp.snd_nxt + 100)
        wait_for(lambda: ks.reason("out_of_order") > before, "the segment was dropped")
        equal(len(tcp.request(read_registers(), 11)), 11, "reply to what is allowed")
        equal([reason_of(p.comment) for p in capture.end().packets], ["out_of_order"] * want,
              f"packets with {options}")
    tcp.reset()


# a file system with room for a few blocks; what is in it is copied out
SMALL = ('mkdir -p "$1" && mount -t tmpfs -o size=16k none "$1" && shift 1 && '
         'out=$1 && shift 1 && "$@"; code=$?; cp "$out/full.pcapng" "$out.copy"; exit $code')


def test_errors():
    """What cannot be written is told, and nothing is left half written."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        for path, word in ((plant.dir / "none" / "x.pcapng", "No such file"),
                           (plant.dir, "Is a directory"), ("/dev/full", "No space left")):
            done = ks.cmd("capture", "--denied", path, check=False)
            equal(done.returncode, 3, f"{path}: {done.stderr}")
            assert word in done.stderr and f"'{path}'" in done.stderr, done.stderr
        for options in (("--count", "0"), ("--seconds", "-1"), ("--count", "many"), ("extra",)):
            done = ks.cmd("capture", "--denied", plant.dir / "x.pcapng", *options, check=False)
            equal(done.returncode, 2, f"{options}: {done.stderr}")
            assert f"'{options[-1]}'" in done.stderr, done.stderr
        assert not (plant.dir / "x.pcapng").exists(), "a file of a usage error"
        first = Capture(plant, ks, name="first.pcapng")
        done = ks.cmd("capture", "--denied", first.path, check=False)
        equal(done.returncode, 1, f"second capture: {done.stderr}")
        assert "another 'keyswitch capture'" in done.stderr, done.stderr
        denied_write(plant)
        assert first.end().packets, "the first capture's file was cut by the second"
        done = plant.nsenter(plant.gateway, "setpriv", "--reuid=65534", "--clear-groups",
                             "--bounding-set=-all", *ks.argv("capture", "--denied", "/tmp/no.pcapng"),
                             check=False)
        equal(done.returncode, 3, f"without privileges: {done.stderr}")
        assert not os.path.exists("/tmp/no.pcapng"), "a file without privileges"
        disk_full(plant, ks)


def disk_full(plant, ks):
    small = plant.dir / "small"
    shell = plant.spawn(plant.gateway, "unshare", "-m", "sh", "-c", SMALL, "sh", small, small,
                        *ks.argv("capture", "--denied", small / "full.pcapng"))
    wait_for(lambda: "capturing" in shell.text(), "capture begins")
    sock, frame = null_scan(plant)

    def ended():
        for _ in range(20):
            sock.send(frame)
        return shell.proc.poll() is not None
    wait_for(ended, "the disk is full", step=0.05)
    equal(shell.wait(10), 3, shell.text())
    assert "No space left" in shell.text(), shell.text()
    assert not denied_write(plant), "a write"
    file = pcapng.File((plant.dir / "small.copy").read_bytes())
    assert file.packets, "nothing before the disk was full"
    equal(len(tshark(plant.dir / "small.copy", "frame.len")), len(file.packets), "tshark")
