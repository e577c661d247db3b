# SPDX-License-Identifier: GPL-2.0-only
"""What goes the plain path leaves behind what the general path leaves.

Each connection is played twice: as it is, and with a policy in the shadow, where nothing
is plain (bpf/plain.h). Outcomes, frames, events field by field, the flow's entry, counters
of requests, rules and events must be the same; what was sent, sent again, is compared with
what was kept. Times, ports and how many events were hidden before one are left out.
"""
import itertools
import random
import struct

import vec
import wire

POLICY = "twins.yaml"
SERVERS, RACK = ("10.2.0.5", "10.2.0.6", "10.2.0.7"), "10.2.0.9"
PORTS = itertools.count(20000)
EVENT = {"t": (0, 8), "sport": (48, 50), "hidden": (72, 76)}  # of struct ks_event
MISC = ("lost", "hidden", "quiet", "other")
MIXES, RUNS_OF_ONE, TRIES = 120, 6, 5

PLAIN = [wire.read(0, 10), wire.read(9, 4, fc=4), wire.read(5, 1, fc=1), wire.read(40, 8, fc=2),
         wire.read(0xffff, 2), wire.read(3, 0), wire.write(100), wire.write(119),
         wire.mb(5, 100, 0xff00), wire.mb(5, 101, 0), wire.write_many(101, *range(9)),
         wire.write_many(100, *range(20)), wire.write_coils(100, [1] * 13),
         wire.write_coils(100, [1] * 16), wire.read(0, 10, unit=10), wire.write(140)]
REFUSED = [wire.write(1), wire.write(120 + 300), wire.mb(5, 200, 0xff00), wire.mb(5, 3, 0),
           wire.read(45, 8, fc=2), wire.read(50, 1, fc=2), wire.write_many(1, 7),
           wire.write_many(119, 1, 2), wire.write_coils(90, [1] * 20)]
OTHER = [wire.mb(5, 12, 0), wire.write(105), wire.write(205), wire.read(7, 1, fc=4),
         wire.read(0, 20, fc=4), wire.write(121), wire.write(131, 5), wire.write(131, 50),
         wire.write_many(131, 1, 2), wire.write_many(131, 1, 20), wire.read(0, 1, unit=20),
         wire.write(100, unit=0), wire.mb(17), wire.read_write(0, 1, 100, 7), wire.mb(5, 100, 1),
         wire.mb(22, 100, 0, 0), wire.write_many(100), wire.mb(16, 100, 1, tail=b"\2\0\7\0"),
         wire.mb(16, 100, 2, tail=b"\2\0\7"), wire.mb(15, 100, 9, tail=b"\1\xff"),
         wire.read()[:11], wire.read() + b"\0", wire.write_many(100, 1, 2)[:-1]]
# one whole SendRRData is plain (bpf/enip_plain.h): its members are counted in runs
MEMBERS = [wire.read_tag("Level"), wire.read_tag("Level"), wire.write_tag("Speed"),
           wire.write_tag("Valve"),
           wire.get_attribute(1), wire.get_attribute(0xf5), wire.get_attribute(0xf5),
           wire.get_attribute(0x77), wire.read_tag("Speed"), wire.set_attribute(0x64)]
STOPPED = [wire.write_tag("Other"), wire.set_attribute(), wire.get_attribute(6)]
CIP = [*MEMBERS, *STOPPED, wire.routed(MEMBERS[0]), wire.routed(MEMBERS[2]), wire.forward_open(),
       wire.msp(*MEMBERS), wire.msp(*MEMBERS[::-1]), wire.msp(*MEMBERS * 3), wire.msp(*MEMBERS * 4),
       wire.msp(MEMBERS[0], STOPPED[0]), wire.msp(*MEMBERS[4:7]), wire.routed(wire.msp(*MEMBERS)),
       wire.pccc(6), wire.mb_object(0x4e, 0, 2), wire.msp(MEMBERS[0], wire.pccc(6))]


def renamed(message, number):
    return struct.pack(">H", number & 0xffff) + message[2:]


def bent(message):
    """One bit of the header, the function or the byte count is another."""
    for at in (*range(2, 8), 12):
        for bit in range(8 if at < len(message) else 0):
            yield message[:at] + bytes([message[at] ^ 1 << bit]) + message[at + 1:]


def scenarios():
    """(name, server, first sequence number, segments)"""
    for i, message in enumerate(PLAIN + REFUSED + OTHER):
        for server in SERVERS:
            # sent again, asked again with another transaction, then something else
            yield (f"message-{i}", server, 1000,
                   [message, message, renamed(message, 9), wire.read(), message + message])
    for i, message in enumerate(REFUSED + OTHER):
        for other in (REFUSED[0], OTHER[-1]):
            # told once, in whatever segment it comes again, unless another was refused meanwhile
            yield (f"told-{i}", SERVERS[0], 1000,
                   [message, message + wire.read(), message, other, message, message + other, other,
                    other + message, message, wire.read(), message, wire.read(),
                    message + wire.read()])
    for i, message in enumerate((PLAIN[0], PLAIN[6], PLAIN[10], PLAIN[12], REFUSED[0])):
        for j, changed in enumerate(bent(message)):
            yield f"bent-{i}-{j}", SERVERS[0], 1000, [changed, message, wire.read() + changed]
    for i in range(MIXES):
        rng = random.Random(f"mix {i}")
        pool = PLAIN * 4 + (REFUSED + OTHER if i % 2 else [])
        many = [rng.choice(pool) for _ in range(rng.randrange(2, 40))]
        cuts = sorted(rng.randrange(len(many)) for _ in range(3))
        yield (f"mix-{i}", SERVERS[i % 2], rng.choice((0xfffffff0, rng.getrandbits(32))),
               [b"".join(many[a:b])[:1448] for a, b in zip([0, *cuts], [*cuts, len(many)]) if a != b])
    for coil in (PLAIN[8] + OTHER[14], PLAIN[8] + PLAIN[9] + OTHER[14], PLAIN[12] + PLAIN[13]):
        yield "any-coil", "10.2.0.8", 1000, [coil, PLAIN[8] * 2]
    for server in SERVERS:
        yield "two-rules", server, 1000, [wire.write(100) + wire.write(140) + wire.write(100) * 2]
    for i in range(RUNS_OF_ONE):  # around the end of the ring, and more runs than are kept
        few, start = [PLAIN[0], PLAIN[1 + i]], 4096 - 700 + 111 * i
        yield f"row-{i}", SERVERS[0], start, [few[0] * 60, b"".join(few * 40)[:1440], few[0] * 120]
        yield f"end-{i}", SERVERS[0], 4096 - 6 - i, [PLAIN[10], PLAIN[0] * 2]
    for i in range(1, 7):  # what follows on it is read through the mirror when both are sent again
        few = [PLAIN[0] + wire.write_many(100, 1), PLAIN[0] + PLAIN[1]]
        yield f"mirror-{i}", SERVERS[0], 4096 + i - len(few[0]) - 1, few
    for i, request in enumerate(CIP):
        message = wire.rr(request)
        yield (f"cip-{i}", RACK, 1000,
               [wire.register(), message, message, wire.rr(MEMBERS[0]), message + message])
    connected = [wire.unit_data(m, conn=0x31) for m in [*CIP, *CIP[:-3]]]
    for path in (wire.hop(1, 0), wire.hop(1, 4), b""):
        yield ("cip-connected", RACK, 1000,
               [wire.register(), wire.rr(wire.forward_open(path=path + wire.cls(2) + wire.inst(1))),
                Reply(wire.opened(conn=0x31)), *connected[:20], wire.rr(MEMBERS[0]), *connected[20:],
                wire.unit_data(MEMBERS[0], conn=0x32), wire.rr(wire.forward_close()), connected[0],
                Reply(wire.closed()), connected[0], connected[2]])
    opened = [wire.register(), wire.rr(wire.forward_open()), Reply(wire.opened(conn=0x31))]
    for at in range(47):  # envelope and service, after one that made the connection a near one
        bits = [connected[0][:at] + bytes([connected[0][at] ^ 1 << bit]) + connected[0][at + 1:]
                for bit in range(8)]
        yield (f"cip-bent-{at}", RACK, 1000,
               opened + [m for changed in bits for m in (connected[0], changed)])
    yield ("cip-rr-data", RACK, 1000, [*opened, connected[0], b"\x6f" + connected[0][1:]])
    for n in range(1, 34):  # bytes that no message before had, behind pieces of every length
        data = struct.pack("<HH", 0xc2, n) + random.Random(f"copy {n}").randbytes(n)
        yield (f"copy-{n}", RACK, 1000,
               [wire.register(), wire.rr(wire.req(0x4d, wire.sym("Speed"), data))])
    yield ("cip-row", RACK, 0x10000 - 300, [wire.register(), *[wire.rr(m) for m in CIP * 3]])
    yield "flood", SERVERS[0], 1000, [renamed(REFUSED[0], i) for i in range(40)]


class Reply(bytes):
    """A segment of the server."""


class Twin:
    """One connection; `left` is all that is compared."""

    def __init__(self, driver, server, iss, client="10.1.0.10"):
        self.driver, self.client, self.server, self.cport = driver, client, server, next(PORTS)
        self.sport = 44818 if server == RACK else 502
        self.iss, self.irs, self.at, self.told = iss, 9000, 0, 0
        self.left = []
        self.replied = 0
        self.send("c", wire.SYN, iss, 0)
        self.send("s", wire.SYN | wire.ACK, self.irs, iss + 1)
        self.send("c", wire.ACK, iss + 1, self.irs + 1)
        self.sent = b""

    def send(self, side, flags, seq, ack, payload=b""):
        ends = (self.client, self.server)[::1 if side == "c" else -1]
        ports = (self.cport, self.sport)[::1 if side == "c" else -1]
        segment = wire.tcp(*map(wire.packed, ends), *ports, seq, ack, flags, payload)
        text = self.driver(f"frame {side} {wire.frame(side == 'c', *ends, 6, segment, {}).hex()}")
        got = vec.Outcome(text)
        changed = got.frame not in ("same", "") and wire.parse(bytes.fromhex(got.frame))
        records = [self.masked(w[7:]) for w in text.split() if w.startswith("record=")]
        self.told += len(records)
        self.left.append((side, got.counted, got.retval, changed and
                          [changed[k] for k in ("seq", "ack", "flags", "payload")], records))
        return got.counted, changed

    @staticmethod
    def masked(record):
        data = bytearray.fromhex(record)
        for start, end in EVENT.values():
            data[start:end] = bytes(end - start)
        return data.hex()

    def segment(self, payload):
        seq, ack = self.iss + 1 + len(self.sent), self.irs + 1 + self.replied
        if isinstance(payload, Reply):
            self.replied += len(payload)
            return self.send("s", wire.ACK, ack, seq, payload)[0]
        counted, changed = self.send("c", wire.ACK, seq, ack, payload)
        if counted.endswith("/trim"):
            self.sent += changed["payload"]
        elif counted.endswith("/pass"):
            self.sent += payload
        return counted

    def acknowledged(self):
        """The server has all that went on."""
        self.send("s", wire.ACK, self.irs + 1, self.iss + 1 + len(self.sent))

    def again(self):
        """All of it once more, and once with another last bit."""
        for at in range(max(0, len(self.sent) - 4000), len(self.sent), 1000):
            self.send("c", wire.ACK, self.iss + 1 + at, self.irs + 1, self.sent[at:at + 1000])
        if self.sent:
            self.send("c", wire.ACK, self.iss + len(self.sent), self.irs + 1,
                      bytes([self.sent[-1] ^ 1]))

    def entry(self):
        key = (wire.packed(self.client) + wire.packed(self.server) +
               struct.pack(">HH", self.cport, self.sport) + struct.pack("=I", 6 << 24))
        self.left.append(self.driver(f"flow {key.hex()}"))


def tally(driver):
    return {name: [int(n) for n in value.split("/")] for name, value in
            (word.split("=") for word in driver("tally").split())}


def moved(driver, before):
    after = tally(driver)
    changed = {name: [b - a for a, b in zip(before.get(name, [0] * len(counts)), counts)]
               for name, counts in after.items()}
    return {name: counts for name, counts in changed.items() if any(counts)}


# both ways count in the same function: where that is, twins cannot tell
COUNTED = ("10.2.0.5", [wire.write(100) + wire.write(140) + wire.write(100)],
           {"plc:write_single_register": 3, "setpoints": 2, "spares": 1}), \
    (RACK, [wire.register(), wire.rr(wire.msp(*MEMBERS))],
     {"rack:register_session": 1, "rack:read_tag/tag": 3, "rack:write_tag/tag": 2,
      "rack:get_attribute_single/identity": 1, "rack:get_attribute_single/tcp_ip_interface": 2,
      "rack:get_attribute_single/other_class": 1, "rack:set_attribute_single/program_name": 1,
      "default": 5, "tags": 1, "valves": 1, "objects": 3, "devices": 1})


def counted(driver):
    driver("set shadow 0")
    for server, segments, wanted in COUNTED:
        before = tally(driver)
        twin = Twin(driver, server, 1000)
        for payload in segments:
            twin.segment(payload)
        got = {name: allowed for name, (allowed, *_) in moved(driver, before).items()}
        yield f"counted at {server}", got != wanted and f"got {got}, want {wanted}" or None


def played(driver, shadow, scenario):
    _, server, iss, segments = scenario
    driver(f"set shadow {shadow}")
    before = tally(driver)
    twin = Twin(driver, server, iss)
    reasons = [twin.segment(payload) for payload in segments]
    twin.again()
    twin.entry()
    changed = moved(driver, before)
    hidden = changed.pop("hidden", [0])[0]
    twin.left.append(sorted(changed.items()))
    events = twin.told + hidden
    if hidden:  # which ones were, the second decides in which they came
        twin.left = [entry[:4] if isinstance(entry, tuple) else entry for entry in twin.left]
    return reasons, hidden, [*twin.left, events]


def run(driver):
    """(name, error or None) of each scenario."""
    driver("set records 1")
    yield from counted(driver)
    seen, ever_hidden = set(), 0
    for scenario in scenarios():
        name = f"{scenario[0]} {scenario[1]}"
        for _ in range(TRIES):  # a second that ends in between hides other events
            reasons, hidden, plain = played(driver, 0, scenario)
            _, others, general = played(driver, 1, scenario)
            if hidden == others:
                break
        seen.update(reasons)
        ever_hidden += hidden
        wrong = next(((a, b) for a, b in itertools.zip_longest(plain, general) if a != b), None)
        yield name, wrong and f"plain {wrong[0]}\n    general {wrong[1]}"
    wanted = {"ok/pass", "policy_deny/drop", "policy_deny/trim", "policy_deny/kill",
              "unit_unlisted/drop", "length_mismatch/drop", "malformed/drop"}
    missing = sorted(wanted - seen) + ([] if ever_hidden > 10 else ["a hidden event"])
    yield "what twins have met", missing and f"never met: {missing}" or None
