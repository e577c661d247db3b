# SPDX-License-Identifier: GPL-2.0-only
"""A conversation from a seed: who is spoken to, what the two versions of the stream
are (`good` is allowed throughout, `evil` is its denied twin of the same length), and
the script: segmented, reordered, repeated, overlapping, corrupted.

Owns the dice: the same seed gives the same script on every run.  Sends nothing
(player.py does) and knows nothing of what comes back: where a step depends on what
the server has acknowledged it only says so (`heal`, `strike`, `rst`).

Steps, each a tuple, offsets counted from the stream's first byte: ("syn", offset,
fields) ("synack", seconds) ("put", offset, bytes, flags, ack, fields) ("heal", bytes)
("strike", bytes) ("rst",) ("until", offset, seconds) ("answer", seconds) ("revive",
offset) ("wait", seconds) ("base", offset).  ack: (base, delta), base "live" or "first"
(the server's first byte).
"""
import random

from attacker import ACK, FIN, MASK, MSS, PSH, RST, SYN, URG
from stream_requests import REFUSED, TWINS, eip_open
from targets import TARGETS

DATA = PSH | ACK
LIVE, FIRST = ("live", 0), ("first", 0)
SEGMENT = 1380
RING = {"modbus": 4096, "enip": 16384}
GROUP = 256  # conversations that share the server's SYN cookie setting
COOKIES = (0, 1, 2)
ON_DENY = ("reset", "drop")  # the policy's, of so many cookie settings in a row
# the server's stack drops it: for its sum, which keyswitch sees too, or as another host's
NOT_TAKEN = ({"bad_checksum": True}, {"destination": b"\x02\0\0\0\0\1"})
MD5 = b"\x13\x12" + bytes(16) + b"\x01\x01"


def cookies(seed):
    return COOKIES[seed // GROUP % len(COOKIES)]


def on_deny(seed):
    return ON_DENY[seed // GROUP // len(COOKIES) % len(ON_DENY)]


class Conversation:
    def __init__(self, seed, families=(4, 6)):
        self.seed, self.dice = seed, random.Random(seed)
        dice = self.dice
        self.target = dice.choices(TARGETS, [target.weight for target in TARGETS])[0]
        self.family = families[dice.randrange(840) % len(families)]
        short = cookies(seed) == 1 and dice.random() < 0.6
        self.port = self.target.ports[-1 if short else 0]
        self.timestamps = dice.random() < 0.15
        self.iss = self.first_number()
        self.good, self.evil, self.borders = self.streams()
        self.at, self.ack, self.steps = 0, dice.choice((LIVE, LIVE, FIRST)), []
        self.handshake()
        for _ in range(dice.randint(6, 16)):
            dice.choices(KINDS, WEIGHTS)[0](self)

    # -- what is said -------------------------------------------------------

    def first_number(self):
        """Also such that the stream crosses the ring's end, or sequence numbers wrap."""
        dice, ring = self.dice, RING[self.target.proto]
        kind = dice.random()
        if kind < 0.3:
            return (dice.randrange(1 << 16) * ring - dice.randint(1, 80)) & MASK
        if kind < 0.4:
            return (1 << 32) - dice.randint(1, 80)
        return dice.getrandbits(32)

    def streams(self):
        dice, good, evil, borders = self.dice, [], [], [0]
        for number in range(60 if dice.random() < 0.04 else dice.randint(3, 14)):
            one, other = dice.choice(TWINS[self.target.proto])(dice)
            if number == 0 and self.target.proto == "enip":
                one, other = self.opening(one, other)
            good.append(one)
            evil.append(other if dice.random() < 0.8 else one)
            borders.append(borders[-1] + len(one))
        return b"".join(good), b"".join(evil), borders

    def opening(self, one, other):
        """Mostly the explicit connection on which the conversation's connected requests go."""
        self.dice.serial = self.dice.getrandbits(16)
        return eip_open(self.dice, self.dice.serial) if self.dice.random() < 0.7 else (one, other)

    def border(self, at, count=1):
        """The border that lies so many messages behind `at`."""
        for border in self.borders:
            if border > at:
                count -= 1
                if not count:
                    return border
        return len(self.good)

    def behind(self):
        """An offset that was sent before; mostly a border."""
        back = [border for border in self.borders if border < self.at][-4:]
        if back and self.dice.random() < 0.75:
            return self.dice.choice(back)
        return max(0, self.at - self.dice.randint(1, 60))

    # -- steps --------------------------------------------------------------

    def put(self, offset, data, flags=DATA, ack=None, **fields):
        self.steps.append(("put", offset, data[:SEGMENT], flags, ack or self.ack, fields))

    def sent(self, upto):
        """Good bytes up to there are on their way; mostly waits for them."""
        self.at = max(self.at, upto)
        if self.dice.random() < 0.7:
            self.steps.append(("answer", 0.016) if self.target.single else
                              ("until", self.at, 0.008))

    def whole(self):
        end = min(self.border(self.at, self.dice.choice((1, 1, 1, 2, 4))), self.at + SEGMENT)
        self.put(self.at, self.good[self.at:end])
        self.sent(end)

    def cut(self):
        end = self.border(self.at)
        if end - self.at < 2:
            return self.whole()
        middle = self.at + min(self.dice.randint(1, end - self.at - 1), SEGMENT)
        self.put(self.at, self.good[self.at:middle])
        if self.target.carries:
            return self.sent(middle)
        if self.dice.random() < 0.5:
            self.put(middle, self.good[middle:end])
        return self.steps.append(("heal", SEGMENT))

    def dribble(self):
        for _ in range(self.dice.randint(2, 12)):
            self.put(self.at, self.good[self.at:self.at + 1])
            if self.target.carries:
                self.at = min(self.at + 1, len(self.good))
        self.sent(self.at)

    def trimmed(self):
        """Something refused behind something allowed, in one segment."""
        end = self.border(self.at)
        tail = self.evil[end:self.border(end)] if self.dice.random() < 0.6 else \
            REFUSED[self.target.proto](self.dice)
        self.put(self.at, (self.good[self.at:end] + tail)[:SEGMENT])
        self.sent(end)
        self.revive()

    def revive(self):
        """What was refused may have ended the connection: mostly a new one."""
        if self.dice.random() < 0.7:
            self.at = next((border for border in self.borders if border >= self.at), self.at)
            self.steps += [("wait", 0.002), ("revive", self.at)]
            self.put(self.at, b"", ACK)

    def refused(self):
        """Nothing allowed: the twin, or a lie, or a piece of either."""
        data = self.evil[self.at:self.border(self.at)] if self.dice.random() < 0.5 else \
            REFUSED[self.target.proto](self.dice)
        if self.dice.random() < 0.3:
            data = data[:self.dice.randint(1, max(1, len(data)))]
        self.put(self.at, data)
        if self.dice.random() < 0.4:
            self.put(self.at, self.good[self.at:self.border(self.at)])
            self.sent(self.border(self.at))
        self.revive()

    def resend(self):
        start = self.behind()
        end = self.dice.choice((self.at, self.at, self.border(start),
                                start + self.dice.randint(1, 80)))
        source = self.good if self.dice.random() < 0.65 else self.evil
        self.put(start, source[start:min(end, self.at)])

    def tail(self):
        """What was sent, sent again with more behind it."""
        start, end = self.behind(), self.border(self.at, self.dice.choice((1, 1, 2)))
        old, new = self.dice.choices(((self.good, self.good), (self.good, self.evil),
                                      (self.evil, self.evil), (self.evil, self.good)),
                                     (5, 3, 1, 1))[0]
        if self.dice.random() < 0.2:
            end = max(self.at, end - self.dice.randint(1, 9))
        self.put(start, old[start:self.at] + new[self.at:end])
        if old is self.good and new is self.good:
            self.sent(min(end, start + SEGMENT))

    def inserted(self):
        """A copy that the server refuses, then another at its place."""
        end = min(self.border(self.at, self.dice.choice((1, 1, 2))), self.at + SEGMENT)
        if self.target.carries and self.dice.random() < 0.4:
            end = self.dice.randint(self.at, end)
        self.put(self.at, self.good[self.at:end], **self.lie())
        start = self.at
        self.at = max(self.at, end)
        for _ in range(self.dice.randint(1, 3)):
            self.overlay(start, end)
        self.steps.append(("heal", SEGMENT))
        self.sent(self.at)

    def overlay(self, start, end):
        """Other bytes over [start, end), shifted or cut or as they are."""
        kind = self.dice.random()
        if kind < 0.5:
            self.put(start, self.evil[start:end])
        elif kind < 0.65:
            middle = self.dice.randint(start, end)
            self.put(middle, self.evil[middle:self.border(end)])
            self.put(start, self.evil[start:middle])
        elif kind < 0.8:
            self.put(start, REFUSED[self.target.proto](self.dice))
        else:
            self.put(start + self.dice.choice((-5, -1, 1, 2)), self.evil[start:end])

    def lie(self):
        """Fields for which the server, not the packet's form, refuses a segment."""
        lies = [*NOT_TAKEN] * 2 + [{"bad_checksum": True}] * 2 + [{"ack": ("live", -(1 << 19))}]
        if self.family == 4:
            lies.append({"bad_ip_checksum": True})
        if self.timestamps:
            lies += [{"age": -100000}] * 4 + [{"age": None}]
        return dict(self.dice.choice(lies))

    def shifted(self):
        end, by = self.border(self.at), self.dice.choice((-6, -2, -1, 1, 2, 5, 8, 12))
        if self.dice.random() < 0.5:
            self.put(self.at + by, self.good[self.at:end])
        else:
            self.put(self.at, self.good[max(0, self.at + by):max(0, end + by)])

    def ahead(self):
        """Pieces behind a gap, in any order and version; then the gap is filled."""
        first = self.border(self.at)
        pieces = [(first, self.border(first)), (self.border(first), self.border(first, 2)),
                  (max(self.at, first - self.dice.randint(1, 8)), self.border(first))]
        self.dice.shuffle(pieces)
        for start, end in pieces[:self.dice.randint(1, 3)]:
            self.put(start, self.dice.choice((self.good, self.evil))[start:end])
        self.whole()

    def keepalive(self):
        back = self.dice.choice((1, 1, 2, 0))
        data = self.dice.choice((b"", b"", self.evil[self.at - back:self.at] if back else b""))
        self.put(self.at - back, data, ACK)

    def noise(self):
        """Flags and numbers that a live connection does not expect."""
        dice, near = self.dice, self.at + self.dice.choice((0, 0, -1, 1, 12, -12, 5000, -70000))
        kind = dice.randrange(9)
        if kind == 0:
            return self.put(near, b"", dice.choice((RST, RST | ACK)))
        if kind == 1:
            data = dice.choice((b"", b"", self.good[self.at:self.border(self.at)]))
            return self.put(dice.choice((self.at, near)), data, FIN | ACK,
                            **dice.choice(({}, {"bad_checksum": True})))
        if kind == 2:
            return self.put(near, b"", SYN | ACK)
        if kind == 3:
            return self.steps.append(("syn", dice.choice((0, near, self.at)), {}))
        if kind == 4:
            delta = dice.choice((-1, 1, 12, 1000, -100000, 1 << 21))
            return self.put(self.at, self.evil[self.at:self.at + 12], ack=("live", delta))
        return self.packet_lies()

    def packet_lies(self):
        """Headers that are at odds with the frame."""
        end = self.border(self.at)
        both = self.good[self.at:end] + self.evil[end:self.border(end)]
        fields = self.dice.choice((
            {"doff": 4}, {"doff": 15}, {"doff": 8}, {"urgent": 3, "flags": DATA | URG},
            {"flags": PSH}, {"flags": 0}, {"flags": SYN | FIN}, {"options": MD5},
            {"options": b"\x1e\x04\x20\x00"}, {"options": b"\x05\x01"}, {"window": 0},
            {"padding": self.evil[end:self.border(end)][:40]},
            {"total": 20 if self.family == 6 else 40}, {"total": 40 + len(both) + 8}))
        fields = dict(fields)
        self.put(self.at, both, fields.pop("flags", DATA), **fields)

    def heal(self):
        self.steps.append(("heal", self.dice.choice((SEGMENT, SEGMENT, 60))))
        self.sent(self.at)

    def strike(self):
        """A denied request where the server stands."""
        data = self.evil[self.at:self.border(self.at)] or REFUSED[self.target.proto](self.dice)
        self.steps.append(("strike", data))
        self.revive()

    def pause(self):
        self.steps.append(("wait", self.dice.choices((0.003, 0.02, 1.1), (60, 20, 1))[0]))

    # -- handshakes ---------------------------------------------------------

    def handshake(self):
        dice = self.dice
        self.steps += [("syn", -1, {}), ("synack", 0.05)]
        if dice.random() < 0.25:
            dice.choice((self.early, self.elsewhere, self.jump, self.two_syns, self.other_flags,
                         self.payload, self.raced))()
        if dice.random() < 0.6:
            self.put(0, b"", ACK, FIRST)

    def early(self):
        """Numbers of a connection that begins elsewhere: cookies are linear."""
        by = self.dice.choice((-12, -5, -1, 1, 3, 4, 5, 8, 9, 12))
        self.put(by, b"", ACK, ("first", self.dice.choice((by, by, 0))))

    def elsewhere(self):
        by = self.dice.choice((-12, -5, -1, 1, 3, 5, 8, 12))
        data = self.dice.choice((self.good, self.evil))[max(by, 0):self.border(0)]
        self.put(by, bytes(max(-by, 0)) + data if self.dice.random() < 0.5 else data,
                 ack=("first", self.dice.choice((by, by, 0, -1, 1))))

    def jump(self):
        """The stream's beginning, refused; a cookie then for a place inside it."""
        end = self.border(0, self.dice.choice((1, 2)))
        if self.target.carries and self.dice.random() < 0.6:
            end -= self.dice.randint(1, end - 1)
        self.put(0, self.good[:end], ack=FIRST, **self.dice.choice(NOT_TAKEN))
        for _ in range(self.dice.randint(1, 3)):
            at = self.dice.choice((end, end, end // 2, self.dice.randint(1, end)))
            self.put(at, self.dice.choice((self.good[at:self.border(at)], b"")),
                     ack=("first", at))
        if self.dice.random() < 0.5:
            self.put(end, self.good[end:self.border(end)], ack=("first", end))

    def two_syns(self):
        """A second SYN; the handshake is completed for either."""
        by = self.dice.choice((-6, -5, -13, 4, 11, 1000))
        if self.dice.random() < 0.05:
            self.steps.append(("wait", 1.1))
        self.steps.append(("syn", by, {}))
        if self.dice.random() < 0.5:
            self.steps.append(("synack", 0.02))
        data = self.dice.choice((self.evil, self.good))[:self.border(0)]
        self.put(self.dice.choice((0, by + 1)), data, ack=("first", self.dice.choice((0, by + 1))))

    def other_flags(self):
        for _ in range(self.dice.randint(1, 3)):
            kind = self.dice.randrange(4)
            if kind == 0:
                self.put(self.dice.choice((-1, 0, 12)), b"", SYN | ACK, FIRST)
            elif kind == 1:
                self.put(0, b"", self.dice.choice((RST, RST | ACK)), FIRST,
                         bad_checksum=self.dice.random() < 0.5)
            elif kind == 2:
                self.put(0, self.evil[:12], FIN | ACK, FIRST)
            else:
                self.put(0, self.evil[:12], ack=("first", self.dice.choice((-1, 1, 1000))))

    def payload(self):
        """SYN with data, TCP Fast Open."""
        self.steps.append(("syn", self.dice.choice((-1, -1, 20)), {
            "payload": self.dice.choice((self.evil, self.good))[:min(self.border(0), SEGMENT)],
            "options": MSS + self.dice.choice((b"", b"\x22\x02\x01\x01"))}))

    def raced(self):
        """The SYN again and data right behind it: its SYN-ACK comes after the data; then
        another stream from the same number on."""
        end = self.border(0, 2)
        if self.target.carries:
            end = self.dice.randint(1, end)
        self.put(0, b"", ACK, FIRST)
        self.steps.append(("syn", -1, {}))
        self.put(0, self.good[:end], ack=FIRST)
        self.at = max(self.at, end)
        self.steps.append(("wait", 0.003))
        self.put(0, self.evil[:self.border(0, 3)], ack=FIRST)
        self.put(0, REFUSED[self.target.proto](self.dice), ack=FIRST)

    def reopen(self):
        """The same ports again; the new stream may lie over the old one's numbers."""
        by = self.dice.choice((0, -12, 12, 1 << 20, -(1 << 20), self.at))
        self.steps += [("rst",), ("wait", 0.002), ("base", by), ("syn", -1, {}),
                       ("synack", 0.05)]
        self.at = 0
        self.put(0, b"", ACK, FIRST)


# what a conversation is made of, and how often
MIX = {
    Conversation.whole: 16, Conversation.cut: 9, Conversation.dribble: 2,
    Conversation.trimmed: 7, Conversation.refused: 6, Conversation.resend: 8,
    Conversation.tail: 9, Conversation.inserted: 10, Conversation.shifted: 3,
    Conversation.ahead: 5, Conversation.keepalive: 2, Conversation.noise: 4,
    Conversation.heal: 8, Conversation.strike: 5, Conversation.pause: 2,
    Conversation.reopen: 1,
}
KINDS, WEIGHTS = list(MIX), list(MIX.values())
