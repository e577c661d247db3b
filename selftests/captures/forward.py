# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of Forward_Open, Forward_Close and the replies to them (CIP Vol 1,
3-5.5), and the CIP connections that they make and end in a capture.

Owns which connection a connected message or an implicit I/O datagram belongs to: one
that was asked for on the same TCP connection, with the same triad and T->O id, and
whose target answered with status 0. A refused open counts as well: replay follows what
was sent. No capture needs timeouts, the end of a TCP connection or two opens of one
name. Judges no request.
"""
import struct

from epath import Malformed, connection_path

SEND_RR, ITEM_DATA_U = 0x6f, 0xb2
FORWARD_OPEN, LARGE_OPEN, FORWARD_CLOSE = 0x54, 0x5b, 0x4e
ROUTER_PATH = [('class', 2), ('instance', 1)]


class Open:
    """What a Forward_Open asks for."""

    def __init__(self, data, large):
        end = 40 if large else 36
        if len(data) < end or end + 2 * data[end - 1] != len(data):
            raise Malformed('connection path length')
        self.to_id, serial, vendor, originator = struct.unpack_from('<IHHI', data, 6)
        self.triad = serial, vendor, originator
        params = struct.unpack_from('<I' if large else '<H', data, 26)[0]
        self.size = params & (0xffff if large else 0x1ff)
        self.variable = bool(params & (1 << 25 if large else 1 << 9))
        self.transport = data[end - 2] & 0x0f
        self.hops, names, configures = connection_path(data[end:])
        explicit = self.transport in (2, 3) and names == ROUTER_PATH
        self.group = 'config' if configures else 'session' if explicit else 'io'
        self.route = []         # with that of the wrapper in front
        self.frame = 0


class Adopted:
    """What is known of a connection that is older than the capture: nothing, so it is
    taken for one to the Message Router of the module that the address names."""
    group, hops, route, frame = 'session', [], [], 0


class Connection:
    """An open that its target accepted; sequence is that of the last datagram."""

    def __init__(self, opened, stream):
        self.open, self.stream, self.sequence = opened, stream, None


def answer(message):
    """(service, reply data) of a successful reply to an unconnected request, or None."""
    if len(message) < 44 or struct.unpack_from('<H', message)[0] != SEND_RR or \
            any(message[8:12]) or any(message[32:36]):
        return None
    count, kind, size = struct.unpack_from('<H4xHH', message, 30)
    reply = message[40:40 + size]
    if count < 2 or kind != ITEM_DATA_U or size < 4 or not reply[0] & 0x80 or any(reply[2:4]):
        return None
    return reply[0] & 0x7f, reply[4:]


class Connections:
    """All of a capture; a stream is the client's half of a TCP connection."""

    def __init__(self):
        self.asked = {}
        self.standing = {}      # (client, server, O->T id)

    def ask(self, stream, opened):
        """The client's Forward_Open."""
        self.asked[stream, opened.to_id, opened.triad] = opened

    def hear(self, stream, ends, message):
        """The server's message: does it make or end a connection?"""
        found = answer(message)
        if found is None:
            return
        service, data = found
        if service in (FORWARD_OPEN, LARGE_OPEN) and len(data) >= 16:
            ot_id, to_id, *triad = struct.unpack_from('<IIHHI', data)
            opened = self.asked.pop((stream, to_id, tuple(triad)), None)
            if opened:
                self.standing[ends + (ot_id,)] = Connection(opened, stream)
        elif service == FORWARD_CLOSE and len(data) >= 8:
            triad = struct.unpack_from('<HHI', data)
            self.standing = {key: one for key, one in self.standing.items()
                             if (one.stream, one.open.triad) != (stream, triad)}

    def find(self, ends, ot_id):
        """The standing connection of that id, or None."""
        return self.standing.get(ends + (ot_id,))
