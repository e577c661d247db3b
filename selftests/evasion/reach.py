# SPDX-License-Identifier: GPL-2.0-only
"""How far conversations get into keyswitch: what became of each frame, told by the
frames that arrive at the server.

Every frame carries its number (IPv4 identification, IPv6 flow label), so the same
frame is known on both sides: whole, cut or missing.  Owns the table of classes and
their least shares; it reads no state of keyswitch.
"""
LEAST = 0.05  # of all conversations, each class
# class -> what arrived
CLASSES = {
    "E3": "new bytes",
    "E4 comparison": "bytes that had arrived before",
    "E4 tail": "bytes that had arrived before and new ones behind them",
    "carry": "new bytes that end inside a message",
    "trim": "the first part of a frame",
    "strip": "a frame without its bytes",
    "kill": "connections ended by keyswitch",
}


class Frames:
    """The frames of one conversation."""

    def __init__(self, borders):
        self.sent, self.borders = {}, set(borders)
        self.high, self.origin, self.reached = 0, None, set()

    def send(self, number, size):
        self.sent[number] = size

    def arrived(self, number, seq, size, syn):
        """A frame at the server; seq as on the wire."""
        if syn:
            self.origin, self.high = seq + 1, 0
        sent = self.sent.get(number)
        if sent is None or self.origin is None:
            return
        if size < sent:
            self.reached.add("trim" if size else "strip")
        if not size:
            return
        start = (seq - self.origin + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        self.bytes(start, start + size)

    def bytes(self, start, end):
        if end <= self.high:
            self.reached.add("E4 comparison")
            return
        self.reached.add("E4 tail" if start < self.high else "E3")
        if end not in self.borders:
            self.reached.add("carry")
        self.high = end


def shares(counts, cases):
    """(class, share, whether it is enough)"""
    for name in CLASSES:
        share = counts.get(name, 0) / max(1, cases)
        yield name, share, share >= LEAST
