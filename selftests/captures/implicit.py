# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of implicit I/O datagrams, UDP 2222 (CIP Vol 2, 2-6).

Owns whether a datagram belongs to a connection: one that stands, in its size, ahead of
the datagram before; one that is older than the capture is taken up by its first datagram.
Judges by no policy.
"""
import struct

from epath import Malformed
from forward import Connection, Open

HEAD = struct.Struct('<HHHIIHH')
SEQUENCED, CONNECTED_DATA = 0x8002, 0xb1


class Unseen(Open):
    """A connection that was never seen being opened: as large as its first datagram."""

    def __init__(self, size):
        self.size, self.variable, self.transport = size, False, None
        self.group, self.route, self.frame = 'io', [], 0


def head(data):
    """(connection id, sequence, data behind the items' heads); the items alone, in order."""
    if len(data) < HEAD.size:
        raise Malformed('I/O cut')
    count, first, length, ot_id, sequence, second, size = HEAD.unpack_from(data)
    if (count, first, length, second) != (2, SEQUENCED, 8, CONNECTED_DATA) or \
            HEAD.size + size != len(data):
        raise Malformed('I/O items')
    return ot_id, sequence, data[HEAD.size:]


def runs(opened, data):
    """Refuses to say what an idle datagram is: no capture has one. What is behind the
    count of class 1 begins with the run/idle header."""
    behind = data[2:] if opened.transport == 1 else data
    if opened.frame and not int.from_bytes(behind[:4], 'little') & ~0x0e:
        raise NotImplementedError('idle I/O: no capture has any')


def take(found, sequence, data):
    """The datagram as the next of its connection."""
    size = found.open.size
    if len(data) > size if found.open.variable else len(data) != size:
        raise Malformed('I/O of %d bytes, not %d' % (len(data), size))
    if found.sequence is not None and \
            not 0 < (sequence - found.sequence) % 2**32 < 2**31:
        raise Malformed('I/O sequence')
    runs(found.open, data)
    found.sequence = sequence


def decode(payload, connections, ends, adopt):
    """The one leaf of a datagram; it has no command."""
    leaf = {'proto': 'enip', 'group': 'io'}
    try:
        ot_id, sequence, data = head(payload)
        found = connections.find(ends, ot_id)
        if found is None and adopt:
            found = Connection(Unseen(len(data)), None)
            connections.standing[ends + (ot_id,)] = found
        if found is None or found.open.group != 'io':
            raise Malformed('I/O of no connection')
        if found.open.route:
            leaf['route'] = ','.join(found.open.route)
        take(found, sequence, data)
    except Malformed as problem:
        leaf['malformed'] = str(problem)
    return leaf
