# SPDX-License-Identifier: GPL-2.0-only
"""From packets to the requests of a capture: roles, streams, messages.

Owns who is the server, the in-order stream of each side, retransmissions
(judged once), gaps and flows without a handshake (taken up at a segment that
holds whole messages only), and which CIP connection a message belongs to. Replies are
followed from a handshake on, up to a gap. Knows no policy.
"""
import functools
import ipaddress

import enip
import implicit
import modbus
from forward import Adopted, Connections
from packets import FLAG_ACK, FLAG_SYN

ENIP_PORT, IO_PORT = 44818, 2222
MESSAGES = {'modbus': (modbus.adu_length, modbus.broken),
            'enip': (enip.message_length, enip.broken)}


class Stream:
    """The bytes of one side of a connection."""

    def __init__(self, proto, next_seq=None):
        self.proto = proto
        self.next_seq = next_seq
        self.lost = next_seq is None
        self.pending = b''
        self.resumed = False    # taken up where no border was known
        self.replies = None     # of a client's stream: the server's, while followed


def holds_whole_messages(length_of, data):
    """Does data begin and end on a message border?"""
    while data:
        try:
            length = length_of(data)
        except ValueError:
            return False
        if length is None or length > len(data):
            return False
        data = data[length:]
    return True


class Requests:
    """Collects the leaves of a capture, packet by packet. adopt: connections may be older
    than the capture."""

    def __init__(self, modbus_ports, server=None, umas=False, adopt=True):
        self.umas, self.adopt = umas, adopt
        self.connections = Connections()
        self.messages = dict(MESSAGES, modbus=(
            functools.partial(modbus.adu_length, umas=umas), modbus.broken))
        self.protocols = {port: 'modbus' for port in modbus_ports}
        self.protocols[ENIP_PORT] = 'enip'
        self.server = ipaddress.ip_network(server) if server else None
        self.streams = {}
        self.leaves = []
        self.packet = None

    def add(self, packet):
        """Judges one packet; what a server says only makes and ends CIP connections."""
        self.packet = packet
        if packet.transport == 'udp':
            self.add_datagram(packet)
        elif self.toward_server(packet):
            self.add_segment(packet)
        else:
            self.add_replies(packet)

    def toward_server(self, packet):
        """Role by SYN, else by port: a known client keeps its role."""
        key = (packet.src, packet.sport, packet.dst, packet.dport)
        if packet.flags & FLAG_SYN and not packet.flags & FLAG_ACK:
            return packet.dport in self.protocols
        if key in self.streams:
            return True
        if key[2:] + key[:2] in self.streams:
            return False
        return packet.dport in self.protocols and \
            packet.sport not in self.protocols

    def emit(self, leaves):
        """Numbers leaves within their frame."""
        for leaf in leaves:
            last = self.leaves[-1] if self.leaves else None
            same = last is not None and last['frame'] == self.packet.frame
            leaf['frame'] = self.packet.frame
            leaf['index'] = last['index'] + 1 if same else 0
            self.leaves.append(leaf)

    def decode(self, proto, message, stream):
        """One whole message as leaves; stream: None for a datagram."""
        if proto == 'modbus':
            return [modbus.decode(message, self.umas)]
        leaves = enip.decode(message, 'tcp' if stream else 'udp',
                             functools.partial(self.connection_of, stream))
        for leaf in leaves:
            if 'opens' in leaf:
                leaf['opens'].frame = self.packet.frame
                self.connections.ask(stream, leaf['opens'])
        return leaves

    def connection_of(self, stream, ot_id):
        """The Open behind a connected message's id. A TCP connection whose replies are
        not followed may have opened any."""
        found = self.connections.find((self.packet.src, self.packet.dst), ot_id)
        if found and found.stream is stream:
            return found.open
        return None if stream.replies else Adopted

    def add_datagram(self, packet):
        """One PDU a datagram; implicit I/O has a line but no command."""
        if packet.dport == IO_PORT:
            if packet.sport != IO_PORT or self.is_server(packet.dst):
                self.emit([implicit.decode(packet.payload, self.connections,
                                           (packet.src, packet.dst), self.adopt)])
            return
        proto = self.protocols.get(packet.dport)
        if proto is None or not packet.payload:
            return
        length_of, broken = self.messages[proto]
        try:
            whole = length_of(packet.payload) == len(packet.payload)
        except ValueError:
            whole = False
        if whole:
            self.emit(self.decode(proto, packet.payload, None))
        else:
            self.emit([broken('datagram')])

    def is_server(self, address):
        """Only what the caller named: both ends speak from port 2222."""
        if self.server is None:
            return False
        address = ipaddress.ip_address(address)
        return address.version == self.server.version and \
            address in self.server

    def add_segment(self, packet):
        """Keeps the stream position and hands over what is new."""
        key = (packet.src, packet.sport, packet.dst, packet.dport)
        proto = self.protocols[packet.dport]
        if packet.flags & FLAG_SYN:
            stream = self.streams.get(key)
            first = (packet.seq + 1) & 0xffffffff
            if stream is None or stream.next_seq != first:
                self.streams[key] = Stream(proto, first)
                self.streams[key].replies = Stream(proto)
            return
        # RFC 9293, 3.10.7.4: without ACK a segment of a connection is dropped
        if not packet.payload or packet.torn or not packet.flags & FLAG_ACK:
            return
        stream = self.streams.setdefault(key, Stream(proto))
        data = self.new_bytes(stream, packet)
        if data:
            self.add_bytes(stream, data)

    def add_replies(self, packet):
        """The server's messages, for what they say of CIP connections."""
        stream = self.streams.get((packet.dst, packet.dport, packet.src, packet.sport))
        if stream is None or stream.proto != 'enip' or stream.replies is None:
            return
        replies = stream.replies
        if packet.flags & FLAG_SYN:
            if replies.lost:
                replies.next_seq, replies.lost = (packet.seq + 1) & 0xffffffff, False
            return
        data = self.new_bytes(replies, packet)
        if replies.resumed:
            stream.replies = None
            return
        replies.pending += data
        while len(replies.pending) >= enip.HEADER:
            length = enip.HEADER + int.from_bytes(replies.pending[2:4], 'little')
            if length > len(replies.pending):
                return
            self.connections.hear(stream, (packet.dst, packet.src), replies.pending[:length])
            replies.pending = replies.pending[length:]

    def new_bytes(self, stream, packet):
        """What of a segment continues the stream; b'' for old bytes and for
        a segment that cannot be placed on a message border."""
        data, ahead = packet.payload, 0
        if stream.next_seq is not None:
            ahead = (packet.seq - stream.next_seq + 2**31) % 2**32 - 2**31
        if ahead < 0:
            data = data[-ahead:]
        if not data or (ahead < 0 and stream.lost):
            return b''
        stream.next_seq = (packet.seq + len(packet.payload)) & 0xffffffff
        stream.resumed = stream.lost or ahead > 0
        if stream.resumed:
            stream.pending = b''
            stream.lost = not holds_whole_messages(self.messages[stream.proto][0], data)
        return b'' if stream.lost else data

    def add_bytes(self, stream, data):
        """Every message that the new bytes complete."""
        length_of, broken = self.messages[stream.proto]
        stream.pending += data
        while stream.pending:
            try:
                length = length_of(stream.pending)
            except ValueError as problem:
                self.emit([broken(str(problem))])
                stream.pending, stream.lost = b'', True
                return
            if length is None or length > len(stream.pending):
                return
            message = stream.pending[:length]
            stream.pending = stream.pending[length:]
            leaves = self.decode(stream.proto, message, stream)
            for leaf in leaves:
                leaf['resumed'] = stream.resumed
            self.emit(leaves)
