# SPDX-License-Identifier: GPL-2.0-only
"""Random streams by a client that wants a denied request through.

One pair of ports an episode: segments cut anywhere, sent again with other bytes,
overlapping, ahead, with tails; acknowledgements of the server at any point of
what it has; SYNs on the live connection. The server is modelled at its worst:
it may use any byte of any packet that went on. After each packet must hold
  I1  no position of the stream has been sent on with two values, unless the
      server had acknowledged it before
  I4  what the server has up to its first gap are allowed messages only, ending
      at a message border where the asset's partial messages are held, and so
      does each segment then, first or sent again
Which messages are allowed is decided here; keyswitch is not asked.
"""
import itertools
import random

import vec
import wire

POLICY = "plant.yaml"
PORTS = itertools.count(20000)


def modbus_pool():
    good = [wire.read(0), wire.read(9, 4, fc=4), wire.write(100), wire.write_many(101, *range(9)),
            wire.mb(17), wire.write_many(100, *range(20)), wire.mb(43, tail=b"\x0e\1\0")]
    bad = [wire.write(1), wire.write_many(119, 1, 2), wire.mb(5, 1, 0xff00), wire.mb(90, tail=b"\0A"),
           wire.adu(b"\3\0\0\0\1" + wire.write(1)), wire.read_write(0, 1, 5, 7)]
    return good, bad


def enip_pool():
    good = [wire.rr(wire.read_tag("Level")), wire.rr(wire.write_tag("Speed")), wire.enip(0x63),
            wire.unit_data(wire.get_attribute()), wire.enip(0, b"n" * 40),
            wire.rr(wire.msp(wire.read_tag("A"), wire.write_tag("Speed"))),
            wire.rr(wire.req(0x4d, wire.sym("Speed"), b"\xc4\0\xc8\0" + bytes(800)))]
    bad = [wire.rr(wire.write_tag("Other")), wire.unit_data(wire.set_attribute()),
           wire.rr(wire.msp(wire.read_tag("A"), wire.write_tag("Other"))),
           wire.rr(wire.routed(wire.write_tag("Other"))), wire.enip(0x72)]
    return good, bad


def modbus_size(data):
    return 6 + int.from_bytes(data[4:6], "big") if len(data) >= 6 else None


def enip_size(data):
    return 24 + int.from_bytes(data[2:4], "little") if len(data) >= 24 else None


def modbus_allowed(data):
    """What plant.yaml lets the client `hmi` do, by whoever reads the message alone."""
    pdu = data[7:]
    if data[2:4] != b"\0\0" or len(pdu) < 1:
        return False
    at, n = (int.from_bytes(pdu[i:i + 2], "big") for i in (1, 3))
    if pdu[0] in (1, 2, 3, 4):
        return len(pdu) == 5
    if pdu[0] == 6:
        return len(pdu) == 5 and data[6] != 0 and 100 <= at <= 119
    if pdu[0] == 16:
        return len(pdu) == 6 + 2 * n and data[6] != 0 and 100 <= at and at + n <= 120
    return pdu[0] in (7, 11, 12, 17) and len(pdu) == 1 or \
        pdu[0] == 43 and len(pdu) == 4 and pdu[1] == 14


def cip_allowed(request):
    if request[:2] == b"\x0a\2":
        at = [int.from_bytes(request[i:i + 2], "little") for i in
              range(8, 8 + 2 * int.from_bytes(request[6:8], "little"), 2)] + [len(request) - 6]
        return all(cip_allowed(request[6 + i:6 + j]) for i, j in zip(at, at[1:]))
    return request[:1] in (b"\x4c", b"\x0e") or request.startswith(
        wire.req(0x4d, wire.sym("Speed")))


def enip_allowed(data):
    command = int.from_bytes(data[:2], "little")
    if command in (0x6f, 0x70):
        return cip_allowed(data[40 if command == 0x6f else 46:])
    return command == 0 or command == 0x63 and len(data) == 24


# name, server, port, messages, length of one, is one allowed, are partial ones held
KINDS = [("hold", "10.2.0.5", 502, modbus_pool(), modbus_size, modbus_allowed, True),
         ("carry", "10.2.0.7", 502, modbus_pool(), modbus_size, modbus_allowed, False),
         ("enip", "10.2.0.5", 44818, enip_pool(), enip_size, enip_allowed, False)]


class Broken(Exception):
    pass


class Server:
    """All bytes that were let through to it, by their place in the stream."""

    def __init__(self, kind):
        self.kind = kind
        self.bytes = {}
        self.acked = 0

    def take(self, at, payload):
        for i, byte in enumerate(payload, at):
            if i < self.acked:
                continue
            if self.bytes.setdefault(i, byte) != byte:
                raise Broken(f"I1: byte {i} was {self.bytes[i]:#x} and is now {byte:#x}")

    def prefix(self):
        n = 0
        while n in self.bytes:
            n += 1
        return bytes(self.bytes[i] for i in range(n))

    def check(self, end):
        """After a packet whose bytes end at `end`."""
        size, allowed, held = self.kind[4:]
        data, borders, whole = self.prefix(), {0}, 0
        while data:
            n = size(data)
            if n is None or n > len(data):
                break
            if not allowed(data[:n]):
                raise Broken(f"I4: the server may read {data[:n].hex()[:400]}")
            data, whole = data[n:], whole + n
            borders.add(whole)
        if held and data:
            raise Broken(f"I4: {len(data)} bytes of a message without its end")
        if held and end > self.acked and end not in borders:
            raise Broken(f"I4: a segment ends at byte {end}, which is no border")


class Episode:
    def __init__(self, driver, kind, seed):
        self.driver, self.kind = driver, kind
        self.rng = random.Random(f"{kind[0]} {seed}")
        self.cport = next(PORTS)
        self.passed = 0
        self.seen = set()
        self.server = Server(kind)

    def send(self, side, flags, seq, ack, payload=b""):
        up = side == "c"
        ends = ("10.1.0.10", self.kind[1]) if up else (self.kind[1], "10.1.0.10")
        ports = (self.cport, self.kind[2]) if up else (self.kind[2], self.cport)
        segment = wire.tcp(wire.packed(ends[0]), wire.packed(ends[1]), *ports, seq, ack, flags, payload)
        data = wire.frame(up, *ends, 6, segment, {})
        got = vec.Outcome(self.driver(f"frame {side} {data.hex()}"))
        reason, action = got.counted.split("/")
        self.seen.add(reason)
        self.over |= reason in ("flow_killed", "flow_closed")
        if action == "trim":
            return wire.parse(bytes.fromhex(got.frame))["payload"]
        return payload if action == "pass" else None

    def client(self, at, payload, flags=wire.ACK):
        passed = self.send("c", flags, self.iss + 1 + at, self.irs + 1, payload)
        if passed:
            self.server.take(at, passed)
            self.server.check(at + len(passed))

    # ---- moves ----

    def fresh(self):
        """A segment of the next bytes, as a mixture of messages, cut anywhere."""
        good, bad = self.kind[3]
        at = len(self.server.prefix())
        text = b"".join(self.rng.choice(bad if self.rng.random() < .15 else good)
                        for _ in range(self.rng.randrange(1, 5)))
        # mostly what was said before goes on from here: else its message never ends well
        if self.rng.random() < .9:
            text = self.sent[at:] + text
        if self.rng.random() < .3:
            text = text[:self.rng.randrange(1, len(text) + 1)]
        self.sent = self.sent[:at] + text
        self.client(at, text[:1400])
        if len(self.server.prefix()) == at and self.rng.random() < .8:
            self.sent = self.sent[:at]  # refused: something else in its place

    def again(self):
        """A piece sent before, maybe changed, maybe with a tail."""
        have = self.server.prefix()
        if not have:
            return
        start = self.rng.randrange(max(0, len(have) - 4000), len(have))
        text = bytearray(self.sent[start:start + self.rng.randrange(1, 600)] or have[start:])
        if self.rng.random() < .04:
            text[self.rng.randrange(len(text))] ^= 1 << self.rng.randrange(8)
        if self.rng.random() < .3 and start + len(text) >= len(have):
            text += self.rng.choice(self.kind[3][self.rng.random() < .3])
        self.client(start, bytes(text), wire.ACK | (wire.FIN if self.rng.random() < .02 else 0))

    def ahead(self):
        gap = self.rng.randrange(1, 3000)
        self.client(len(self.server.prefix()) + gap, self.rng.choice(self.kind[3][1]))

    def acknowledge(self):
        have = len(self.server.prefix())
        at = have if self.rng.random() < .7 else self.rng.randrange(self.server.acked, have + 1)
        self.send("s", wire.ACK, self.irs + 1, self.iss + 1 + at)
        self.server.acked = max(self.server.acked, at)

    def strange_ack(self):
        """An acknowledgement that the server would never send changes nothing bad."""
        self.send("s", wire.ACK, self.irs + 1, self.iss + 1 - self.rng.randrange(1, 1 << 31))

    def syn(self):
        self.send("c", wire.SYN, self.rng.getrandbits(32), 0)
        if self.rng.random() < .5:
            self.fresh()
        self.acknowledge()  # the challenge ACK of a live server

    def reset(self):
        self.send("c", wire.RST, self.iss + 1 + len(self.server.prefix()), 0)

    def begin(self):
        """A new incarnation, on the same ports: both ends have forgotten the old one."""
        self.passed += len(self.server.prefix())
        self.server = Server(self.kind)
        self.over, self.sent = False, b""  # sent: what the client last said, whoever has it
        self.iss = self.rng.choice([self.rng.getrandbits(32), 0xffffff00 + self.rng.randrange(250)])
        self.irs = self.rng.getrandbits(32)
        if self.send("c", wire.SYN, self.iss, 0) is None:  # another one waits for its answer
            self.cport = next(PORTS)
            self.send("c", wire.SYN, self.iss, 0)
        self.send("s", wire.SYN | wire.ACK, self.irs, self.iss + 1)
        self.send("c", wire.ACK, self.iss + 1, self.irs + 1)

    def run(self, moves):
        choices = [self.fresh] * 20 + [self.again] * 12 + [self.acknowledge] * 10 + [
            self.ahead] * 2 + [self.strange_ack, self.syn, self.reset]
        self.begin()
        for _ in range(moves):
            if self.over:
                self.begin()
            self.rng.choice(choices)()
        return self.passed + len(self.server.prefix())


def run(driver, seeds, moves):
    """(name, error or None, bytes that passed, reasons seen) of each kind and seed."""
    for kind in KINDS:
        for seed in seeds:
            episode = Episode(driver, kind, seed)
            try:
                size, error = episode.run(moves), None
            except (Broken, AssertionError) as broken:
                size, error = episode.passed, str(broken)
            yield f"stream {kind[0]} seed {seed}", error, size, episode.seen
