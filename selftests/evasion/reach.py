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
    "assemble": "a frame with more bytes than were sent in it",
    "trim": "the first part of a frame",
    "strip": "a frame without its bytes",
    "kill": "a RST in place of what was sent",
}


class Frames:
    """The frames of one conversation."""

    def __init__(self, borders):
        self.sent, self.borders = {}, set(borders)
        self.high, self.reached = None, set()

    def send(self, number, size, reset):
        self.sent[number] = size, reset

    def arrived(self, number, start, size, syn, reset):
        """A frame at the server; start: its first byte's place in the stream."""
        if syn:
            self.high = start + 1
        sent, was_reset = self.sent.get(number, (0, True))
        if number not in self.sent or self.high is None:
            return
        if reset and not was_reset:
            self.reached.add("kill")
        elif size < sent:
            self.reached.add("trim" if size else "strip")
        elif size > sent:
            self.reached.add("assemble")
        if size:
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
