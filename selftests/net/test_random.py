# SPDX-License-Identifier: GPL-2.0-only
"""Random conversations of a raw-socket attacker: allowed and denied bytes at
every offset, overlapping, out of order, with forged flags and checksums.

The control runs the same generator over the no-op redirect and must
find writes at the server; with keyswitch there must be none.
A fixed seed makes a failure repeatable; it is printed with the conversation.
"""
import random
import struct

import enip_wire as w
import raw_tcp
from kit import cases, equal, read_registers, write_register
from ks import READONLY, Keyswitch
from plant import CLIENT_NIC, SERVER_NIC, Plant, netns, wait_for

CONVERSATIONS, SEED = 150, 20261122
FLAGS = (raw_tcp.FIN | raw_tcp.ACK, raw_tcp.RST, raw_tcp.RST | raw_tcp.ACK, raw_tcp.SYN,
         raw_tcp.SYN | raw_tcp.ACK, raw_tcp.ACK)


class Attacker:
    """Talks on one connection; `good` and `evil` have the same length."""

    def __init__(self, raw, dice, good, evil):
        self.raw, self.dice, self.good, self.evil = raw, dice, good, evil
        self.start, self.at, self.said = raw.snd_nxt, 0, []

    def step(self):
        kinds = (self.on, self.on, self.on, self.other, self.mutated, self.behind, self.flags,
                 self.listen)
        self.dice.choice(kinds)()

    def say(self, at, data, flags=raw_tcp.PSH | raw_tcp.ACK):
        fields = {"seq": self.start + at}
        if self.dice.random() < 0.05:
            fields["bad_checksum"] = True
        if self.dice.random() < 0.05:
            fields["ack"] = self.raw.rcv_nxt + self.dice.choice((-1, 1, 1000, -100000))
        self.said.append((at, data.hex(), flags, fields))
        self.raw.send(flags, data, **fields)

    def on(self):
        """The next good bytes."""
        size = self.dice.choice((12, 24, 36, self.dice.randint(1, 100)))
        self.say(self.at, self.good[self.at:self.at + size])
        self.at = min(len(self.good), self.at + size)

    def other(self):
        """Evil bytes over what was sent or is to come."""
        at = self.dice.randint(0, min(len(self.evil) - 1, self.at + 20))
        self.say(at, self.evil[at:at + self.dice.randint(1, 100)])

    def mutated(self):
        at = self.dice.randint(0, len(self.good) - 1)
        data = bytearray(self.good[at:at + self.dice.randint(1, 60)])
        for _ in range(self.dice.randint(0, 3)):
            data[self.dice.randrange(len(data))] = self.dice.choice((0, 1, 5, 6, 0x4D, 0x6F))
        self.say(at, bytes(data))

    def behind(self):
        """Evil bytes exactly where the stream is."""
        self.say(self.at, self.evil[self.at:self.at + self.dice.randint(1, 80)])

    def flags(self):
        data = self.dice.choice((b"", b"", self.evil[:12]))
        self.say(self.dice.randint(-3, 40), data, self.dice.choice(FLAGS))

    def listen(self):
        while (segment := self.raw.receive(0.003)):
            if segment.payload and segment.seq == self.raw.rcv_nxt:
                self.raw.rcv_nxt = (segment.seq + len(segment.payload)) & 0xFFFFFFFF
                self.raw.send(raw_tcp.ACK, seq=self.start + self.at)


def modbus_streams(_):
    return (b"".join(read_registers(0, 1, tid) for tid in range(1, 9)),
            b"".join(write_register(tid=tid) for tid in range(1, 9)))


def enip_streams(raw):
    """Reads, and NOPs that carry a write, against writes of the same size."""
    answer = raw.request(w.encap(w.REGISTER, b"\x01\0\0\0"), 28)
    session = struct.unpack("<I", answer[4:8])[0]
    read = w.send_rr(session, w.request(w.READ_FRAG, w.tag_path("Run"),
                                        struct.pack("<HI", 1, 0)))
    write = w.send_rr(session, w.request(w.WRITE_TAG, w.tag_path("Run"),
                                         bytes.fromhex("c10001000100")))
    good = read + w.encap(w.NOP, write) + 3 * read
    return good, (write * 6)[:len(good)]


def modbus_writes(log):
    """Messages that are no read, cut out of what the server's application read."""
    streams = {}
    for line in log.lines():
        streams[line["port"]] = streams.get(line["port"], b"") + bytes.fromhex(line["bytes"])
    bad = []
    for port, stream in streams.items():
        while len(stream) >= 8:
            size = 6 + int.from_bytes(stream[4:6], "big")
            if stream[7] not in (1, 2, 3, 4) or size != 12:
                bad.append((port, stream.hex()))
                break
            stream = stream[size:]
    return bad


def enip_writes(log):
    return [(line["port"], line) for line in log.lines()
            if line.get("service") == w.WRITE_TAG]


def converse(plant, port, streams, log, ended):
    """{source port: what was said}"""
    dice, said = random.Random(SEED), {}
    macs = plant.mac(plant.client, CLIENT_NIC), plant.mac(plant.server, SERVER_NIC)
    with netns(plant.client):
        sock = raw_tcp.open_packet(CLIENT_NIC)
    for number in range(CONVERSATIONS):
        raw = raw_tcp.RawTcp(sock, macs, (plant.raw4, plant.server4), (20000 + number, port),
                             iss=dice.getrandbits(32))
        assert raw.handshake(), f"handshake {number}"
        attacker = Attacker(raw, dice, *streams(raw))
        for _ in range(dice.randint(1, 14)):
            attacker.step()
        said[20000 + number] = attacker.said
    wait_for(lambda: ended(log), "the server has read all")
    return said


def settled():
    """A condition that holds once the log stops growing."""
    sizes = []

    def same(log):
        sizes.append(len(log.lines()))
        return len(sizes) > 20 and sizes[-1] == sizes[-20]
    return same


@cases(("modbus", True), ("modbus", False), ("enip", True), ("enip", False), weight=4)
def test_conversations(protocol, guarded):
    with Plant() as plant:
        if protocol == "modbus":
            log, port, streams, writes = plant.byte_server(502), 502, modbus_streams, \
                modbus_writes
        else:
            log, port, streams, writes = plant.enip_target(), 44818, enip_streams, enip_writes
        if guarded:
            ks = Keyswitch(plant, READONLY).attach()
        else:
            plant.wire()
        said = converse(plant, port, streams, log, settled())
        bad = writes(log)
        if not guarded:
            assert bad, "no write arrived over the no-op redirect: the generator is blunt"
            return f"control: {len(bad)} of {CONVERSATIONS} conversations wrote"
        equal([(what, said[port]) for port, what in bad], [], f"writes that arrived, seed {SEED}")
        ks.balance()
        return f"{CONVERSATIONS} conversations"
