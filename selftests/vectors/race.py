# SPDX-License-Identifier: GPL-2.0-only
"""Two CPUs on one connection: a segment that is judged while the other CPU
changes the connection is not let through (`commit_conflict`), and nothing else
comes of it. The one reason that a single CPU cannot produce.
"""
import re

import streams
import wire


ROUNDS = 10  # of 20,000 pairs; one makes some sixty conflicts


class Connection(streams.Episode):
    def __init__(self, driver):
        super().__init__(driver, streams.KINDS[0], 0)
        self.iss, self.irs, self.over = 0x1000, 0x2000, False

    def frame(self, flags, seq, payload=b""):
        ends = "10.1.0.10", self.kind[1]
        segment = wire.tcp(*map(wire.packed, ends), self.cport, self.kind[2], seq, self.irs + 1,
                           flags, payload)
        return wire.frame(True, *ends, 6, segment, {}).hex()


def begin(driver):
    """A connection with one request; the command that races its two segments."""
    connection, request = Connection(driver), streams.KINDS[0][3][0][0]
    connection.send("c", wire.SYN, connection.iss, 0)
    connection.send("s", wire.SYN | wire.ACK, connection.irs, connection.iss + 1)
    connection.send("c", wire.ACK, connection.iss + 1, connection.irs + 1)
    connection.client(0, request)
    again = connection.frame(wire.ACK, connection.iss + 1, request)
    fin = connection.frame(wire.FIN | wire.ACK, connection.iss + 1 + len(request))
    return f"race {again} {fin}"


def commands():
    """What a driver without Python is to be told."""
    said = []
    race = begin(lambda command: said.append(command) or "ok/pass 2 same")
    return said + [race] * 2


def run(driver):
    """None, or what is wrong."""
    race, seen, rounds = begin(driver), set(), 0
    while rounds < ROUNDS and "commit_conflict" not in seen:
        seen |= set(re.findall(r"([a-z_]+)/", driver(race)))
        rounds += 1
    if seen != {"commit_conflict", "retransmit", "close"}:
        return f"two CPUs moved {sorted(seen)}"
    return None
