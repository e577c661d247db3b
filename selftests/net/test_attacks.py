# SPDX-License-Identifier: GPL-2.0-only
"""Ways around a naive parser, with the servers' applications as the oracle:
hidden lengths, messages cut at every byte, several messages in one segment,
raw segments that no kernel sends.
"""
import socket
import statistics
import struct
import time

import enip_client as ec
import enip_wire as w
import raw_tcp
import tcp_split
from kit import (abort, adu, cases, equal, no_writes, read_registers, side_by_side,
                 write_coil, write_register)
from ks import DROPPING, Keyswitch
from plant import CLIENT_NIC, PORT_C, SERVER_NIC, VLAN_IDS, Plant, netns, wait_for

# under `split: hold` an answer comes after the sender's retransmission
HOLD_LIMIT = 3.0
BATCH = 12
SMUGGLED = read_registers(0, 1)[:4] + struct.pack(">H", 18) + \
    read_registers(0, 1)[6:] + write_coil(10, tid=2)


def coil(plant):
    """Coil 10 as the server's own namespace reads it, past the gateway."""
    with netns(plant.server):
        with socket.create_connection((plant.server4, 502), 2) as sock:
            sock.sendall(adu(struct.pack(">BHH", 1, 10, 1), 9))
            return tcp_split.receive(sock, 10, 2)[9] & 1


def smuggle(plant):
    sock = plant.connect(plant.server4, 502)
    sock.sendall(SMUGGLED)
    tcp_split.receive(sock, 24, 0.5)
    abort(sock)


@cases(("wire", False), ("wire", True), ("router", True))
def test_length_smuggling(mode, guarded):
    """A read whose MBAP length covers a hidden write of the coil."""
    with Plant(mode) as plant:
        log = plant.modbus_server()
        if guarded:
            ks = Keyswitch(plant).attach()
        else:
            plant.wire()
        equal(coil(plant), 0, "coil before")
        smuggle(plant)
        equal(coil(plant), 0 if guarded else 1, "coil after")
        equal(log.count(function=5), 0 if guarded else 1, "writes that the server read")
        if guarded:
            assert ks.reason("length_mismatch") > 0, ks.counters()["packets"]
            ks.balance()


def cut_modbus(plant, message, cuts, size):
    """(answer, seconds from the last piece)"""
    sock = plant.connect(plant.server4, 502)
    tcp_split.send_pieces(sock, tcp_split.pieces(message, cuts), 0.01)
    start = time.monotonic()
    answer = tcp_split.receive(sock, size, HOLD_LIMIT if size else 0.7)
    took = time.monotonic() - start
    abort(sock)
    return answer, took


def cut_enip(plant, message, cuts, size):
    sock = plant.connect(plant.server4, 44818)
    client = ec.Client(sock).register()
    # the session handle goes where the message has its placeholder
    message = message[:4] + struct.pack("<I", client.session) + message[8:]
    tcp_split.send_pieces(sock, tcp_split.pieces(message, cuts), 0.01)
    start = time.monotonic()
    answer = tcp_split.receive(sock, size, HOLD_LIMIT if size else 0.7)
    took = time.monotonic() - start
    abort(sock)
    return answer, took


def all_cuts(size, three):
    """Every border in two pieces; a sample of the pairs for three."""
    if not three:
        return [(cut,) for cut in range(1, size)]
    pairs = [(a, b) for a in range(1, size) for b in range(a + 1, size)]
    return pairs[::max(1, len(pairs) // 40)]


def every_cut(job, message, size, three):
    """Runs the cuts in batches below the quota of flows of one client."""
    return side_by_side([lambda cuts=cuts: (cuts, *job(message, cuts, size))
                         for cuts in all_cuts(len(message), three)], BATCH)


def timing(results):
    took = [seconds for _, _, seconds in results]
    return f"{len(results)} cuts, answered after {statistics.median(took) * 1000:.0f} ms " \
           f"(median), {max(took) * 1000:.0f} ms (slowest)"


@cases((False,), (True,), weight=6)
def test_modbus_cut(three):
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()

        def job(message, cuts, size):
            return cut_modbus(plant, message, cuts, size)

        reads = every_cut(job, read_registers(0, 2, tid=7), 13, three)
        bad = [(cuts, answer) for cuts, answer, _ in reads if not answer or len(answer) != 13]
        equal(bad, [], "cut reads that were not answered")
        write = adu(bytes.fromhex("10000a00020400010002"))
        for message in (write, write_register()):
            for cuts, answer, _ in every_cut(job, message, 0, three):
                assert not answer, f"write cut at {cuts} answered: {answer.hex()}"
        no_writes(log)
        equal(log.count(function=3), len(reads), "reads that the server read")
        behind_a_read(job, log, three)
        ks.balance()
        return timing(reads)


def behind_a_read(job, log, three):
    """A read and a write in a row, cut anywhere: the read is answered."""
    both = read_registers(0, 2, tid=1) + write_register(tid=2)
    for cuts, answer, _ in every_cut(job, both, 13, three):
        equal(len(answer or b""), 13, f"answer to a read before a write, cut at {cuts}")
    no_writes(log)


@cases((False,), (True,))
def test_cut_control(three):
    """Over the no-op redirect the cut writes arrive, at each border."""
    with Plant() as plant:
        plant.wire()
        log = plant.modbus_server()

        def job(message, cuts, size):
            return cut_modbus(plant, message, cuts, size)

        writes = every_cut(job, write_register(), 12, three)
        equal(log.count(function=6), len(writes), "cut writes that the server read")


@cases((False,), (True,), weight=8)
def test_enip_cut(three):
    with Plant() as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant).attach()

        def job(message, cuts, size):
            return cut_enip(plant, message, cuts, size)

        read = w.send_rr(0, w.unconnected_send(ec.read_tag("Setpoint")))
        size = 24 + 16 + 10
        reads = every_cut(job, read, size, three)
        bad = [(cuts, answer) for cuts, answer, _ in reads if not answer or len(answer) != size]
        equal(bad, [], "cut reads that were not answered")
        equal(log.count(service=w.READ_TAG), len(reads), "reads that the target acted on")
        write = w.send_rr(0, w.msp([ec.read_tag("Setpoint"), ec.write_tag("Setpoint", 1)]))
        for cuts, answer, _ in every_cut(job, write, 0, three):
            assert not answer, f"write cut at {cuts} answered: {answer.hex()}"
        equal(log.count(service=w.WRITE_TAG), 0, "writes that the target acted on")
        equal(log.count(malformed="length"), 0, "malformed messages at the target")
        ks.balance()
        return timing(reads)


@cases((4,), (6,))
def test_two_in_a_segment(family):
    """Read and write in one segment: the read goes through, the write never."""
    with Plant() as plant:
        server = plant.server6 if family == 6 else plant.server4
        modbus, enip = plant.modbus_server(), plant.enip_target()
        # the end of the connection would overtake the second answer
        ks = Keyswitch(plant, DROPPING).attach()
        sock = plant.connect(server, 502)
        sock.sendall(read_registers(0, 1, tid=1) + read_registers(0, 1, tid=2)
                     + write_register(tid=3))
        answer = tcp_split.receive(sock, 33, 1.5)
        abort(sock)
        equal(len(answer or b""), 22, "bytes answered to two reads before a write")
        no_writes(modbus)
        equal(modbus.count(function=3), 2, "reads that the server read")
        sock = plant.connect(server, 502)
        sock.sendall(write_register() + read_registers())
        tcp_split.receive(sock, 12, 0.5)
        abort(sock)
        no_writes(modbus)
        two_cip(plant, server, enip)
        ks.balance()


def two_cip(plant, server, log):
    sock = plant.connect(server, 44818)
    client = ec.Client(sock).register()
    sock.sendall(w.send_rr(client.session, ec.read_tag("Setpoint"))
                 + w.send_rr(client.session, ec.write_tag("Setpoint", 1)))
    answer = tcp_split.receive(sock, 200, 1.5)
    abort(sock)
    equal(len(answer or b""), 24 + 16 + 10, "bytes answered to a CIP read before a write")
    equal(log.count(service=w.READ_TAG), 1, "CIP reads that the target acted on")
    equal(log.count(service=w.WRITE_TAG), 0, "CIP writes that the target acted on")


def raw_client(plant, family, port=502):
    addresses = (plant.raw6, plant.server6) if family == 6 else (plant.raw4, plant.server4)
    with netns(plant.client):
        sock = raw_tcp.open_packet(CLIENT_NIC)
    macs = plant.mac(plant.client, CLIENT_NIC), plant.mac(plant.server, SERVER_NIC)
    if plant.mode == "router":
        macs = macs[0], plant.mac(plant.gateway, PORT_C)
    return raw_tcp.RawTcp(sock, macs, addresses, (raw_tcp.source_port(), port),
                          VLAN_IDS[plant.vlans])


def overlap(plant, family):
    """An answered read sent again with other bytes, and a write behind it."""
    raw = raw_client(plant, family)
    assert raw.handshake(), "raw handshake"
    start = raw.snd_nxt
    equal(len(raw.request(read_registers(), 11)), 11, "bytes answered to a raw read")
    raw.send(raw_tcp.PSH | raw_tcp.ACK, write_register() + write_register(tid=2), seq=start)
    raw.send(raw_tcp.PSH | raw_tcp.ACK, write_register()[4:] + write_register(tid=2),
             seq=start + 4)
    raw.collect(12, 0.3)
    raw.reset()


def without_handshake(plant, family):
    raw = raw_client(plant, family)
    raw.rcv_nxt = 1000
    for flags in (raw_tcp.PSH | raw_tcp.ACK, raw_tcp.SYN, raw_tcp.ACK | raw_tcp.FIN):
        raw.send(flags, write_register())
    raw.collect(12, 0.2)


def forged(plant, family):
    """Writes in packets that a server might or might not drop."""
    raw = raw_client(plant, family)
    assert raw.handshake(), "raw handshake"
    seq, push = raw.snd_nxt, raw_tcp.PSH | raw_tcp.ACK
    raw.send(push, write_register(), seq=seq, bad_checksum=True)
    raw.send(push | raw_tcp.URG, write_register(), seq=seq, urgent=3)
    raw.send(push, write_register(), seq=seq, ack=raw.rcv_nxt + 100000)
    raw.send(raw_tcp.RST, write_register(), seq=seq)
    raw.send(push, write_register(), seq=seq, options=bytes([19, 18]) + bytes(16))
    raw.collect(12, 0.3)
    raw.reset()


@cases(("wire", 0, 4), ("wire", 0, 6), ("wire", 1, 4), ("wire", 2, 6), ("bridge", 2, 4),
       ("router", 0, 4), ("router", 0, 6))
def test_raw(mode, vlans, family):
    with Plant(mode, vlans) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        for attack in (overlap, without_handshake, forged):
            attack(plant, family)
            no_writes(log)
        equal(log.count(function=3), 1, "reads that the server read")
        ks.balance()


@cases((4,), (6,))
def test_raw_control(family):
    """Over the no-op redirect the raw client's write arrives."""
    with Plant("wire", 2) as plant:
        plant.wire()
        log = plant.modbus_server()
        raw = raw_client(plant, family)
        assert raw.handshake(), "raw handshake"
        equal(len(raw.request(read_registers() + write_register(), 23)), 23, "bytes answered")
        raw.reset()
        wait_for(lambda: log.count(function=6) == 1, "the write at the server")


@cases(("wire", 1460), ("wire", 88), ("router", 536))
def test_enip_large(mode, segment):
    """Packets of many members over a Large_Forward_Open connection: longer than a segment,
    the members straddle the borders, each is judged; with a write at any place none is
    acted on."""
    with Plant(mode) as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant).attach()

        def connect(timeout):
            sock = plant.socket(plant.client)
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
            sock.connect((plant.server4, 44818))
            return ec.Client(sock).register().open(large=True)

        client = connect(5)
        reads = [ec.read_tag("Setpoint")] * 120
        # 4002 bytes is what a Large_Forward_Open asks for
        assert 1448 < len(w.msp(reads)) <= 4002, len(w.msp(reads))
        answers = client.members("connected", reads)
        equal(len(answers), 120, "answers of 120 reads")
        equal(log.count(service=w.READ_TAG), 120, "reads that the target acted on")
        client.sock.close()
        for place in (0, 59, 119):
            members = [*reads]
            members[place] = ec.write_tag("Setpoint", 1)
            client = connect(1)
            try:
                client.members("connected", members)
                raise AssertionError(f"answered with a write at place {place}")
            except (OSError, EOFError, ec.Refused):
                pass
            client.sock.close()
        equal(log.count(service=w.READ_TAG), 120, "reads beside a write")
        equal(log.count(service=w.WRITE_TAG), 0, "writes that the target acted on")
        equal(log.count(malformed="length"), 0, "malformed messages at the target")
        assert ks.reason("message_after_prefix") + ks.packets(action="kill") >= 3, \
            ks.counters()["packets"]
        ks.balance()
