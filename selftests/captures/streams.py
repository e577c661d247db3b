# SPDX-License-Identifier: GPL-2.0-only
"""From packets to the requests of a capture: roles, streams, messages.

Owns who is the server, the in-order stream of each client, retransmissions
(judged once), gaps and flows without a handshake (taken up at a segment that
holds whole messages only). Knows no policy.
"""
import functools
import ipaddress

import enip
import modbus
from packets import FLAG_ACK, FLAG_SYN

ENIP_PORT, IO_PORT = 44818, 2222
MESSAGES = {'modbus': (modbus.adu_length, modbus.broken),
            'enip': (enip.message_length, enip.broken)}


class Stream:
    """The client's bytes of one connection."""

    def __init__(self, proto, next_seq=None):
        self.proto = proto
        self.next_seq = next_seq
        self.lost = next_seq is None
        self.pending = b''
        self.resumed = False    # taken up where no border was known


def decode(proto, message, transport, umas):
    """One whole message as leaves."""
    if proto == 'modbus':
        return [modbus.decode(message, umas)]
    return enip.decode(message, transport)


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
    """Collects the leaves of a capture, packet by packet."""

    def __init__(self, modbus_ports, server=None, umas=False):
        self.umas = umas
        self.messages = dict(MESSAGES, modbus=(
            functools.partial(modbus.adu_length, umas=umas), modbus.broken))
        self.protocols = {port: 'modbus' for port in modbus_ports}
        self.protocols[ENIP_PORT] = 'enip'
        self.server = ipaddress.ip_network(server) if server else None
        self.streams = {}
        self.leaves = []
        self.packet = None

    def add(self, packet):
        """Judges one packet; only what goes toward a server counts."""
        self.packet = packet
        if packet.transport == 'udp':
            self.add_datagram(packet)
        elif self.toward_server(packet):
            self.add_segment(packet)

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

    def add_datagram(self, packet):
        """One PDU a datagram; implicit I/O has a line but no command."""
        if packet.dport == IO_PORT:
            if packet.sport != IO_PORT or self.is_server(packet.dst):
                self.emit([{'proto': 'enip', 'group': 'io'}])
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
            self.emit(decode(proto, packet.payload, 'udp', self.umas))
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
            return
        # RFC 9293, 3.10.7.4: without ACK a segment of a connection is dropped
        if not packet.payload or packet.torn or not packet.flags & FLAG_ACK:
            return
        stream = self.streams.setdefault(key, Stream(proto))
        data = self.new_bytes(stream, packet)
        if data:
            self.add_bytes(stream, data)

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
            leaves = decode(stream.proto, message, 'tcp', self.umas)
            for leaf in leaves:
                leaf['resumed'] = stream.resumed
            self.emit(leaves)
