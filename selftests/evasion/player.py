# SPDX-License-Identifier: GPL-2.0-only
"""Plays conversations on the wire, many at a time, from one packet socket.

Owns source ports, the numbers that servers answer with, and the clock: a
conversation that waits costs nothing.  It judges nothing; what the server's
application read is read elsewhere (server_log.py).
"""
import collections
import heapq
import select
import socket
import struct
import time

import reach
from attacker import ACK, MASK, MSS, RST, SYN, Attacker, timestamp
from conversation import SEGMENT
from plant import CLIENT_NIC, SERVER_NIC, netns
from raw_tcp import ETH_P_ALL, PACKET_QDISC_BYPASS, SOL_PACKET, read_frame

AT_ONCE = 96
PORTS = range(20000, 21000)
HANDSHAKE = 0.03  # within which most handshakes are done
SETTLE = 0.25  # from a conversation's last frame to the next use of its port
PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 23, 33
DATA = 0x18
NUMBERS = 0xFFFF
STRAYS = 2


def packet_socket(namespace, interface):
    """A packet socket that sees what comes in."""
    with netns(namespace):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((interface, ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    sock.setblocking(False)
    return sock


def signed(number):
    """A difference of sequence numbers."""
    return (number + (1 << 31) & MASK) - (1 << 31)


class Speaker(Attacker):
    """One conversation on the wire."""

    show = False  # every frame is printed

    def __init__(self, sock, macs, source, case, sport):
        super().__init__(sock, macs, (source, case.target.addresses[case.family]),
                         (sport, case.port), iss=case.iss)
        self.case, self.frames = case, reach.Frames(case.borders)
        self.number, self.acked, self.syn_at = 0, 0, None
        self.last_ack, self.heard = None, False
        self.answered = self.ended = False  # since the last data, since the last SYN
        self.knocking, self.strays = False, 0
        self.awaited = self.ticket = None  # condition that ends a wait, the wait's number
        self.script = self.play()

    def out(self, flags, payload=b"", **fields):
        self.number = self.number % NUMBERS + 1
        self.frames.send(self.number, len(payload), flags & RST)
        if self.show:
            known = {name: value for name, value in fields.items() if name not in ("seq", "ack")}
            self.tell("sends", flags, fields["seq"], fields["ack"], payload.hex(), known)
        super().out(flags, payload, **fields)

    def tell(self, what, flags, seq, ack, *more):
        """A line of a replay; numbers count from the first SYN and its answer."""
        names = "".join(name for bit, name in enumerate("FSRPAU") if flags >> bit & 1)
        print(f"{self.number:3} {what} {names:3} seq {signed(seq - self.case.iss - 1)} ack "
              f"{signed(ack - self.irs - 1)}", *more, flush=True)

    def wrap(self, ip_payload, protocol=6, padding=b"", **lies):
        lies["ident" if self.family == 4 else "flow"] = self.number
        return super().wrap(ip_payload, protocol, padding, **lies)

    # -- the script, one step a turn; yields (seconds, condition) ------------

    def play(self):
        for kind, *args in self.case.steps:
            wait = getattr(self, f"step_{kind}")(*args)
            if wait:
                yield wait
                self.knocking = False
        yield 0.002, None
        self.step_rst()

    def step_syn(self, offset, fields):
        fields = dict(fields)
        payload = fields.pop("payload", b"")
        options = fields.pop("options", MSS) + self.stamp({})
        self.syn_at, self.heard, self.ended = self.base + offset & MASK, False, False
        self.out(SYN, payload, seq=self.syn_at, ack=0, options=options, **fields)

    def step_synack(self, seconds):
        self.knocking = not self.heard
        return seconds, lambda: self.heard

    def step_put(self, offset, data, flags, ack, fields):
        fields = dict(fields)
        base = self.irs + 1 if ack[0] == "first" else self.rcv_nxt
        if "options" not in fields:
            fields["options"] = self.stamp(fields)
        fields.pop("age", None)
        self.answered = False
        self.put(offset, data, flags, ack=base + ack[1], **fields)

    def stamp(self, fields):
        """The timestamp option, of this age (None: left out)."""
        age = fields.get("age", 0)
        if not self.case.timestamps or age is None:
            return b""
        return timestamp(int(time.monotonic() * 1000) + age)

    def step_heal(self, size):
        """What the server lacks, from a border, as an honest stack sends it again."""
        if self.acked < self.case.at:
            self.put_good(self.acked, min(self.case.at, self.acked + size))

    def put_good(self, start, end):
        whole = [border for border in self.case.borders if start < border <= end]
        end = whole[-1] if whole else end
        self.put(start, self.case.good[start:min(end, start + SEGMENT)], options=self.stamp({}))

    def step_strike(self, data):
        self.put(self.acked, data[:SEGMENT], options=self.stamp({}))

    def step_rst(self):
        seq = self.base + self.acked if self.last_ack is None else self.last_ack
        self.out(RST | ACK, seq=seq, ack=self.rcv_nxt)

    def step_until(self, offset, seconds):
        return (seconds, lambda: self.acked >= offset) if self.acked < offset else None

    def step_answer(self, seconds):
        return seconds, lambda: self.answered or self.ended

    def step_revive(self, offset):
        """The next of a connection that was ended begins at this place."""
        if not self.ended:
            return None
        self.step_syn(offset - 1, {})
        self.acked = offset
        return self.step_synack(0.05)

    @staticmethod
    def step_wait(seconds):
        return seconds, None

    def step_base(self, by):
        self.base, self.acked = self.base + by & MASK, 0

    # -- what comes back ----------------------------------------------------

    def hear(self, got):
        if self.show:
            self.tell("    hears", got.flags, got.ack, got.seq, got.payload.hex())
        if got.flags & SYN:
            if got.flags & ACK and self.syn_at is not None and not self.heard:
                self.heard, self.knocking = True, False
                self.irs, self.rcv_nxt = got.seq, got.seq + 1 & MASK
            return
        self.take(got)
        self.answered |= bool(got.payload)
        self.ended |= bool(got.flags & RST)
        if got.flags & RST or not got.flags & ACK:
            return
        if self.knocking and self.strays < STRAYS:
            self.stray(got)
        self.last_ack = got.ack
        offset = signed(got.ack - self.base)
        if abs(offset) < 1 << 20:
            self.acked = max(self.acked, offset)


    def stray(self, got):
        """The server still has an older connection: ended, as a kernel ends it."""
        self.strays += 1
        self.out(RST, seq=got.ack, ack=0)
        self.out(SYN, seq=self.syn_at, ack=0, options=MSS + self.stamp({}))


class Player:
    """Keeps AT_ONCE conversations going."""

    def __init__(self, plant, at_once=AT_ONCE):
        self.plant, self.at_once = plant, at_once
        self.sock = packet_socket(plant.client, CLIENT_NIC)
        self.far = packet_socket(plant.server, SERVER_NIC)
        self.macs = (plant.mac(plant.client, CLIENT_NIC), plant.mac(plant.server, SERVER_NIC))
        self.ports = collections.defaultdict(lambda: collections.deque(PORTS))
        self.speakers = {}  # (family, target address, source port) -> Speaker
        self.due, self.ended = [], collections.deque()
        self.counts, self.cases, self.order, self.active = collections.Counter(), 0, 0, 0
        self.played, self.unheard = collections.Counter(), collections.Counter()  # by target

    def close(self):
        self.sock.close()
        self.far.close()

    def run(self, cases, between=lambda: None):
        """Begins all cases, the last have made their handshakes; `between` is called
        every now and then."""
        for case in cases:
            self.begin(case)
            while self.active >= self.at_once:
                self.turn()
                between()
        end = time.monotonic() + HANDSHAKE
        while time.monotonic() < end:
            self.turn()

    def finish(self, between=lambda: None):
        while self.active or self.ended:
            self.turn()
            between()

    def begin(self, case):
        pool = self.ports[case.family, case.target.name]
        source = self.plant.raw4 if case.family == 4 else self.plant.raw6
        speaker = Speaker(self.sock, self.macs, source, case, pool.popleft())
        self.speakers[speaker.dst, speaker.sport] = speaker
        self.active += 1
        self.sleep(speaker, 0)

    def sleep(self, speaker, seconds, awaited=None):
        self.order += 1
        speaker.awaited = awaited
        speaker.ticket = self.order
        heapq.heappush(self.due, (time.monotonic() + seconds, self.order, speaker))

    def turn(self):
        """Wakes whose time has come, and listens for at most until the next has."""
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            _, ticket, speaker = heapq.heappop(self.due)
            if speaker.ticket == ticket:
                self.step(speaker)
        left = self.due[0][0] - time.monotonic() if self.due else 0
        select.select([self.sock], [], [], min(max(left, 0), 0.002))
        self.listen()
        self.retire()

    def step(self, speaker):
        speaker.ticket = None
        wait = next(speaker.script, None)
        if wait is None:
            self.active -= 1
            self.ended.append((time.monotonic() + SETTLE, speaker))
        elif wait[1] and wait[1]():
            self.sleep(speaker, 0)
        else:
            self.sleep(speaker, *wait)

    def listen(self):
        for frame in frames(self.sock):
            found = read_frame(frame, ())
            speaker = found and self.speakers.get((found[0], found[3]))
            if not speaker:
                continue
            speaker.hear(found[4])
            if speaker.awaited and speaker.awaited():
                self.sleep(speaker, 0)
        for frame in frames(self.far):
            self.arrived(frame)

    def arrived(self, frame):
        """A frame at the server's NIC: how much of it is left?"""
        kind = frame[12:14]
        if kind == b"\x08\0":
            number, ip, size = int.from_bytes(frame[18:20], "big"), 14 + 4 * (frame[14] & 15), \
                14 + int.from_bytes(frame[16:18], "big")
            address = frame[30:34]
        elif kind == b"\x86\xdd":
            number, ip, size = int.from_bytes(frame[16:18], "big"), 54, \
                54 + int.from_bytes(frame[18:20], "big")
            address = frame[38:54]
        else:
            return
        if len(frame) < ip + 20:
            return
        sport, _, seq, _, doff, flags = struct.unpack(">HHIIBB", frame[ip:ip + 14])
        speaker = self.speakers.get((address, sport))
        if speaker:
            size -= ip + 4 * (doff >> 4)
            speaker.frames.arrived(number, signed(seq - speaker.base), size, flags & SYN,
                                   flags & RST)
            if speaker.show:
                print(f"        frame {number} arrives with {size} bytes")

    def retire(self):
        now = time.monotonic()
        while self.ended and self.ended[0][0] <= now:
            _, speaker = self.ended.popleft()
            self.cases += 1
            self.counts.update(speaker.frames.reached)
            self.played[speaker.case.target.name] += 1
            self.unheard[speaker.case.target.name] += speaker.irs == 0
            self.ports[speaker.family, speaker.case.target.name].append(speaker.sport)

    def seed_of(self, address, sport):
        speaker = self.speakers.get((socket.inet_pton(
            socket.AF_INET6 if ":" in address else socket.AF_INET, address), sport))
        return speaker.case.seed if speaker else None


def frames(sock):
    while True:
        try:
            yield sock.recv(65536)
        except BlockingIOError:
            return
