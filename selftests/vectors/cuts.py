# SPDX-License-Identifier: GPL-2.0-only
"""A request cut at every offset into two and into every three pieces gets the
verdict that it gets uncut: an allowed one reaches the server whole, of a denied
one never the last byte. Where messages are held, the whole comes again as the
sender's TCP would send it.

Each cut is a connection of its own on one port, ended by the server's RST.
"""
import streams
import wire


class Connection(streams.Episode):
    def __init__(self, driver, kind, number):
        super().__init__(driver, kind, number)
        self.cport, self.over = 9, False
        self.iss, self.irs = self.rng.getrandbits(32), self.rng.getrandbits(32)

    def pieces(self, request, cuts):
        self.send("c", wire.SYN, self.iss, 0)
        self.send("s", wire.SYN | wire.ACK, self.irs, self.iss + 1)
        self.send("c", wire.ACK, self.iss + 1, self.irs + 1)
        places = [0, *cuts, len(request)]
        for start, end in zip(places, places[1:]):
            self.client(start, request[start:end])
            self.send("s", wire.ACK, self.irs + 1, self.iss + 1 + len(self.server.prefix()))
        if self.kind[6]:
            self.client(0, request)
        got = self.server.prefix()
        self.send("s", wire.RST | wire.ACK, self.irs + 1, self.iss + 1 + len(got))
        return got


def every_cut(size):
    for first in range(1, size):
        yield (first,)
        for second in range(first + 1, size):
            yield (first, second)


def check(driver, kind, request, allowed):
    """How many cuts, and the first that went wrong."""
    number = 0
    for number, cuts in enumerate(every_cut(len(request)), 1):
        connection = Connection(driver, kind, number)
        try:
            got = connection.pieces(request, cuts)
        except streams.Broken as broken:
            return number, f"cut at {cuts}: {broken}"
        if allowed and got != request:
            return number, f"cut at {cuts}: {len(got)} of {len(request)} bytes arrived"
        refused = connection.seen & {"policy_deny", "message_after_prefix"}
        if not allowed and (len(got) == len(request) or not refused):
            return number, f"cut at {cuts}: {len(got)} bytes arrived, {sorted(connection.seen)}"
    return number, None


def run(driver):
    """(name, error or None) for an allowed and a denied request of each kind."""
    for kind in streams.KINDS:
        good, bad = kind[3]
        for request, allowed in ((good[0], True), (bad[0], False)):
            count, error = check(driver, kind, request, allowed)
            word = "allowed" if allowed else "denied"
            yield f"{kind[0]}: {word} request of {len(request)} bytes in {count} cuts", error
