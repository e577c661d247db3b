# SPDX-License-Identifier: GPL-2.0-only
"""What is told of the devices: errors that they answer, how long they take. The judge is
what the client was answered, and what both ends measured with clocks of their own.
"""
import contextlib
import json
import shutil
import socket
import struct
import subprocess
import threading
import time

import enip_client as ec
import enip_wire as w
import raw_tcp
import tcp_split
from kit import abort, adu, cases, equal, read_registers, side_by_side
from ks import Keyswitch, metric
from plant import CLIENT_NIC, SERVER_NIC, Plant, netns, run, wait_for
from test_attacks import raw_client

BEYOND = 2000      # first register that the server does not have
FIFO = adu(struct.pack(">BH", 24, 0))   # a read that libmodbus does not know
PORT = 502


class Device(threading.Thread):
    """A server whose reply to each request the test says: pieces, each a segment, after a
    delay. `took`: how long it had each request."""

    def __init__(self, plant, answer, port=PORT):
        super().__init__(daemon=True)
        self.answer, self.took = answer, []
        self.listener = plant.socket(plant.server)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((plant.server4, port))
        self.listener.listen()
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=self.listener.accept()[:1],
                                 daemon=True).start()

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            while request := sock.recv(300):
                begin = time.monotonic()
                delay, pieces = self.answer(request)
                time.sleep(delay)
                self.took.append(time.monotonic() - begin)
                tcp_split.send_pieces(sock, pieces, 0.05)
        sock.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def ask(sock, request, size):
    """The reply of `size` bytes, and how long it took."""
    begin = time.monotonic()
    sock.sendall(request)
    reply = tcp_split.receive(sock, size, 3)
    equal(len(reply or b""), size, f"reply to {request.hex()}")
    return reply, time.monotonic() - begin


def exceptions(ks, key="exceptions"):
    """{(asset, kind, status, name[, client]): replies}"""
    return {tuple(row[k] for k in ("asset", "kind", "status", "name", "client") if k in row):
            row["replies"] for row in ks.counters()[key]}


def unread(ks):
    return {row["asset"]: row["segments"] for row in ks.counters()["replies_unread"]}


def promtool(text):
    assert shutil.which("promtool"), "promtool is missing: scripts/install-deps test"
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")


@cases(("wire",), ("router",))
def test_modbus(mode):
    """Exceptions of libmodbus by asset, code and client, over IPv4 and IPv6."""
    with Plant(mode) as plant:
        plant.modbus_server(PORT, "-r", "20")
        ks = Keyswitch(plant).attach()
        for source, host, n in ((None, plant.server4, 3), (plant.other4, plant.server4, 2),
                                (None, plant.server6, 1)):
            sock = plant.connect(host, PORT, source)
            for _ in range(n):
                ask(sock, read_registers(), 11)
                equal(ask(sock, read_registers(BEYOND), 9)[0][7:], b"\x83\x02", "exception 2")
            abort(sock)
        sock = plant.connect(plant.server4, PORT)
        equal(ask(sock, FIFO, 9)[0][7:], b"\x98\x01", "exception 1")
        abort(sock)
        two, one = ("plc", "modbus", 2, "illegal_data_address"), ("plc", "modbus", 1, "illegal_function")
        equal(exceptions(ks), {two: 6, one: 1}, "exceptions")
        equal(exceptions(ks, "exceptions_by_client"), {
            (*two, plant.client4): 3, (*two, plant.other4): 2, (*two, plant.client6): 1,
            (*one, plant.client4): 1}, "by client")
        equal(unread(ks), {}, "unread")
        text = ks.cmd("counters").stdout
        for line in (f"3  plc               modbus 2 illegal_data_address to {plant.client4}",
                     "6  plc               modbus 2 illegal_data_address, last "):
            assert line in text, text
        serve, _ = ks.serve()
        text = ks.metrics_text()
        equal(metric(text, "keyswitch_asset_exceptions_total", asset="plc", kind="modbus",
                     status="2"), 6, "metric")
        promtool(text)
        serve.stop()
        numbered_anew(plant, ks, two)
        ks.balance()


def renumber(ks):
    """A policy in which the asset's number is another's."""
    ks.cmd("apply", ks.write_policy("other.yaml", "version: 1\ndefault: readonly\n"
                                    "assets: {{pump: 192.0.2.1, plc: {p.server4}}}\n"))


def test_meanwhile():
    """A reply to a request of the policy before is no other asset's."""
    with Plant() as plant:
        release = threading.Event()

        def answer(_):
            release.wait(5)
            return 0, [adu(b"\x83\x02")]

        device = Device(plant, answer)
        ks = Keyswitch(plant).attach()
        sock = plant.connect(plant.server4, PORT)
        sock.sendall(read_registers())
        wait_for(lambda: ks.reason("ok") == 1, "the request went on")
        renumber(ks)
        release.set()
        equal(len(tcp_split.receive(sock, 9, 3)), 9, "reply")
        ask(sock, read_registers(), 9)
        abort(sock)
        equal({key[0]: n for key, n in exceptions(ks).items()}, {"none": 1, "plc": 1}, "assets")
        device.close()


def numbered_anew(plant, ks, key):
    """Its counters begin again."""
    renumber(ks)
    equal(exceptions(ks), {}, "exceptions under another policy")
    for name in ("exceptions", "exception_clients", "latency"):
        rows = run("bpftool", "-j", "map", "dump", "pinned", ks.pins / "maps" / name).stdout
        equal(json.loads(rows), [], f"entries of '{name}' that make room")
    sock = plant.connect(plant.server4, PORT)
    ask(sock, read_registers(BEYOND), 9)
    abort(sock)
    equal(exceptions(ks), {key: 1}, "exceptions of the asset's new number")


def test_unread():
    """Where no reply begins, or two are in one segment, nothing is guessed."""
    exception, reply = adu(b"\x83\x02"), adu(b"\x03\x02\0\x07")
    # the data of this reply is an exception, byte for byte
    spelled = adu(b"\x03\x0a" + exception + b"\0")
    rows = (((exception,), 1, 0), ((reply,), 0, 0), ((spelled,), 0, 0),
            ((exception[:5], exception[5:]), 0, 2), ((reply + exception,), 0, 1),
            ((exception + reply,), 1, 1), ((exception + exception,), 1, 1),
            ((adu(b"\x83\x02\0"),), 0, 1), ((adu(b"\x80\x0b"),), 1, 0),
            ((reply[:10], reply[10:]), 0, 2))
    with Plant() as plant:
        turn = []
        device = Device(plant, lambda _: (0, turn[-1]))
        ks = Keyswitch(plant).attach()
        before = [0, 0]
        for pieces, read, not_read in rows:
            turn.append(pieces)
            sock = plant.connect(plant.server4, PORT)
            ask(sock, read_registers(), sum(map(len, pieces)))
            abort(sock)
            now = [sum(exceptions(ks).values()), unread(ks).get("plc", 0)]
            equal([a - b for a, b in zip(now, before)], [read, not_read],
                  f"{[p.hex() for p in pieces]}: exceptions, unread")
            before = now
        device.close()
        ks.balance()


def raw_connect(plant):
    tcp = raw_client(plant, 4)
    assert tcp.handshake(), "handshake"
    return tcp


def test_sent_again():
    """A reply that the server sends again is counted once, and gives one latency."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        tcp = raw_connect(plant)
        tcp.send(raw_tcp.PSH | raw_tcp.ACK, read_registers(BEYOND))
        copies = 0
        while copies < 3:       # not acknowledged: TCP sends it again
            segment = tcp.receive(3)
            assert segment, f"{copies} copies of the reply"
            copies += len(segment.payload) == 9
        equal(list(exceptions(ks).values()), [1], f"{copies} copies of one exception")
        equal([row["samples"] for row in ks.counters()["latency"]], [1], "samples")
        tcp.reset()


def refused(client, carrier, cip):
    try:
        client.send(carrier, cip)
    except ec.Refused as told:
        return str(told)
    raise AssertionError("not refused by the target")


def test_enip():
    """Errors of the EtherNet/IP target: in each carrier, and of the encapsulation."""
    with Plant() as plant:
        plant.enip_target()
        ks = Keyswitch(plant).attach()
        for carrier in ("ucmm", "unconnected_send", "connected"):
            sock = plant.connect(plant.server4, 44818)
            client = ec.Client(sock).register()
            client.send(carrier, ec.read_tag("Setpoint"))
            assert "status 0x5" in refused(client, carrier, ec.read_tag("Nothing"))
            assert "status 0x14" in refused(client, carrier, ec.get_attribute(1, 1, 99))
            if carrier == "ucmm":
                client.session += 1
                assert "encapsulation status 0x64" in refused(client, carrier, ec.read_tag("Speed"))
            abort(sock)
        equal(exceptions(ks), {("plc", "cip", 5, "path_destination_unknown"): 3,
                               ("plc", "cip", 0x14, "attribute_not_supported"): 3,
                               ("plc", "encapsulation", 0x64, "invalid_session"): 1}, "errors")
        equal({key[4] for key in exceptions(ks, "exceptions_by_client")}, {plant.client4}, "clients")
        equal(unread(ks), {}, "unread")
        ks.balance()


def test_enip_borders():
    """An EtherNet/IP server's replies are read wherever they begin, whatever its segments;
    connected data that is no reply is not."""
    no, yes = (w.send_rr(1, bytes([0xCC, 0, status, 0])) for status in (5, 0))
    other = w.send_rr(1, bytes([0x4C, 0, 5, 0]))
    session = w.encap(w.REGISTER, b"\x01\0\0\0", 1)
    rows = (((no,), 1, 0), ((no[:20], no[20:42], no[42:]), 1, 0), ((yes + no, yes), 1, 0),
            ((no + no[:30], no[30:]), 2, 0), ((other,), 0, 1), ((no[:24 + 10],), 0, 0))
    with Plant() as plant:
        turn = []
        device = Device(plant, lambda request: (
            0, (session,) if request[0] == w.REGISTER else turn[-1]), 44818)
        ks = Keyswitch(plant).attach()
        before = [0, 0]
        for pieces, read, not_read in rows:
            turn.append(pieces)
            sock = plant.connect(plant.server4, 44818)
            ask(sock, w.encap(w.REGISTER, b"\x01\0\0\0"), len(session))
            ask(sock, w.send_rr(1, ec.read_tag("Setpoint")), sum(map(len, pieces)))
            abort(sock)
            now = [sum(exceptions(ks).values()), unread(ks).get("plc", 0)]
            equal([a - b for a, b in zip(now, before)], [read, not_read],
                  f"{[p.hex() for p in pieces]}: errors, unread")
            before = now
        device.close()
        ks.balance()


# ---- latency ----

def histogram(text, asset="plc"):
    """{seconds: samples of at most so many} of /metrics."""
    found = {}
    for line in text.splitlines():
        name = f'keyswitch_asset_latency_seconds_bucket{{asset="{asset}",le="'
        if line.startswith(name):
            limit, count = line.removeprefix(name).split('"} ')
            found[float(limit)] = int(count)
    return found


def test_latency():
    """Each sample is in the bucket of what the two ends measured: not less than the device
    had the request, nor more than the client waited."""
    delays = (0, 0.003, 0.02, 0.02, 0.02, 0.06, 0.15)
    with Plant() as plant:
        left = list(delays)
        device = Device(plant, lambda _: (left.pop(0), [adu(b"\x03\x02\0\x07")]))
        ks = Keyswitch(plant).attach()
        serve, _ = ks.serve()
        equal(histogram(ks.metrics_text()), {}, "before any request")
        sock = plant.connect(plant.server4, PORT)
        waited = [ask(sock, read_registers(), 11)[1] for _ in delays]
        text = ks.metrics_text()
        buckets = histogram(text)
        assert len(buckets) > 20 and buckets[float("inf")] == len(delays), buckets
        for limit, count in buckets.items():
            least, most = (sum(t <= limit for t in times) for times in (waited, device.took))
            assert least <= count <= most, f"{limit}: {count} of {waited}, {device.took}"
        total = metric(text, "keyswitch_asset_latency_seconds_sum", asset="plc")
        assert sum(device.took) - 1e-5 <= total <= sum(waited), (total, waited, device.took)
        equal(metric(text, "keyswitch_asset_latency_seconds_count", asset="plc"), len(delays), "count")
        promtool(text)
        serve.stop()
        row = ks.counters()["latency"][0]
        equal((row["asset"], row["samples"]), ("plc", len(delays)), "counters")
        # between the powers of two around the fourth and the last
        assert sorted(device.took)[3] / 2 <= row["p50_seconds"] <= 2 * sorted(waited)[3], row
        assert max(device.took) / 2 <= row["p99_seconds"] <= 2 * max(waited), row
        assert "latency     plc: half of 7 replies within " in ks.cmd("status").stdout
        assert "latency (samples" in ks.cmd("counters").stdout
        equal(ks.json("status")["latency"], [row], "status --json")
        abort(sock)
        device.close()
        ks.balance()


def test_latency_of_what_is_sent_again():
    """Nobody knows which of two equal requests was answered: no sample. The next one gives one."""
    with Plant() as plant:
        release = threading.Event()

        def answer(_):
            release.wait(5)
            return 0, [adu(b"\x03\x02\0\x07")]

        device = Device(plant, answer)
        ks = Keyswitch(plant).attach()
        tcp = raw_connect(plant)
        for again in (True, False):
            release.clear()
            at = tcp.snd_nxt
            tcp.send(raw_tcp.PSH | raw_tcp.ACK, read_registers())
            if again:
                tcp.send(raw_tcp.PSH | raw_tcp.ACK, read_registers(), seq=at)
                wait_for(lambda: ks.reason("retransmit"), "the copy went on")
            release.set()
            equal(len(tcp.collect(11, 3)), 11, "reply")
            equal(sum(row["samples"] for row in ks.counters()["latency"]), 0 if again else 1,
                  "samples")
        tcp.reset()
        device.close()


def test_latency_of_many():
    """Connections side by side, one request of each at a time, all of them timed."""
    with Plant() as plant:
        plant.modbus_server()
        plant.enip_target()
        ks = Keyswitch(plant).attach()

        def talk(n):
            sock = plant.connect(plant.server6 if n % 2 else plant.server4, PORT)
            for _ in range(6):
                ask(sock, read_registers(), 11)
            abort(sock)
        # fewer than a CPU times in a tick
        side_by_side([lambda n=n: talk(n) for n in range(8)])
        equal([row["samples"] for row in ks.counters()["latency"]], [48], "samples")
        sock = plant.connect(plant.server4, 44818)
        client = ec.Client(sock).register()
        for _ in range(10):
            client.send("ucmm", ec.read_tag("Setpoint"))
        abort(sock)
        equal([row["samples"] for row in ks.counters()["latency"]], [59], "with EtherNet/IP")
        ks.balance()


def test_latency_of_acknowledgements():
    """What ends a sample: new data that acknowledges the request, nothing less."""
    bare = "10.91.1.77"     # no kernel answers there
    with Plant() as plant:
        ks = Keyswitch(plant)
        ks.policy.write_text(ks.policy.read_text().replace(plant.server4, bare))
        ks.attach()
        macs, port = [plant.mac(plant.client, CLIENT_NIC), plant.mac(plant.server, SERVER_NIC)], \
            raw_tcp.source_port()
        with netns(plant.client):
            client = raw_tcp.RawTcp(raw_tcp.open_packet(CLIENT_NIC), macs, (plant.raw4, bare),
                                    (port, PORT))
        with netns(plant.server):
            server = raw_tcp.RawTcp(raw_tcp.open_packet(SERVER_NIC), macs[::-1],
                                    (bare, plant.raw4), (PORT, port))
        client.send(raw_tcp.SYN)
        server.rcv_nxt = server.receive(2).seq + 1
        server.send(raw_tcp.SYN | raw_tcp.ACK)
        client.rcv_nxt = client.receive(2).seq + 1
        client.send(raw_tcp.ACK)
        client.send(raw_tcp.ACK | raw_tcp.PSH, read_registers())
        request = None
        while not request or not request.payload:
            request = server.receive(2)
        reply, begin = adu(b"\x03\x02\0\x07"), server.snd_nxt
        covers = request.seq + len(request.payload)
        for name, flags, payload, fields, samples in (
                ("data that acknowledges nothing new", raw_tcp.ACK, reply, {}, 0),
                ("data that acknowledges a part", raw_tcp.ACK, reply, {"ack": covers - 1}, 0),
                ("an acknowledgement alone", raw_tcp.ACK, b"", {"ack": covers}, 0),
                ("an acknowledgement ahead of data", raw_tcp.ACK, b"",
                 {"ack": covers, "seq": begin + 100}, 0),
                ("old data", raw_tcp.ACK, reply, {"ack": covers, "seq": begin}, 0),
                ("new data that acknowledges it", raw_tcp.ACK, reply,
                 {"ack": covers, "seq": begin + 100}, 1),
                ("more data", raw_tcp.ACK, reply, {"ack": covers, "seq": begin + 111}, 1)):
            server.send(flags, payload, **fields)
            assert client.receive(2), f"{name} was not forwarded"
            equal(sum(row["samples"] for row in ks.counters()["latency"]), samples, name)
        # a SYN takes the sample's room; 2^30 below, so that what is in it would be acknowledged
        client.send(raw_tcp.ACK | raw_tcp.PSH, read_registers(tid=2), ack=begin + 122)
        client.send(raw_tcp.SYN, seq=covers - (1 << 30))
        wait_for(lambda: ks.reason("handshake") >= 4, "the SYN went on")
        server.send(raw_tcp.ACK, reply, ack=client.snd_nxt, seq=begin + 122)
        assert client.receive(2), "the reply was not forwarded"
        equal(sum(row["samples"] for row in ks.counters()["latency"]), 1, "after a SYN")
        ks.balance()


def fill(ks, name, keys, value):
    """So many entries of a numbering that is none, as of assets that are gone."""
    path = ks.plant.dir / f"{name}.batch"
    path.write_text("".join(
        f"map update pinned {ks.pins}/maps/{name} key hex {key.hex(' ')} value hex {value.hex(' ')}\n"
        for key in keys))
    run("bpftool", "batch", "file", path, timeout=60)


def test_full():
    """Tables that are full: what finds no room is counted, and traffic goes on."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        fill(ks, "exceptions", (struct.pack("<HHBBH", n, 0xFFFF, 1, 2, 0) for n in range(4096)),
             bytes(16))
        # of one CPU: bpftool gives it to all
        fill(ks, "latency", (struct.pack("<HH", n, 0xFFFF) for n in range(1024)), bytes(8 * 27))
        sock = plant.connect(plant.server4, PORT)
        for _ in range(2):
            ask(sock, read_registers(BEYOND), 9)
        abort(sock)
        counters = ks.counters()
        equal((counters["exceptions_uncounted"], counters["latency_uncounted"],
               counters["exceptions"], counters["latency"]), (2, 2, [], []), "uncounted")
        equal([row["replies"] for row in counters["exceptions_by_client"]], [2], "by client")
        ks.balance()
