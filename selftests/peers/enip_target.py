#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""An EtherNet/IP target: TCP and UDP 44818, UDP 2222, a few objects and tags.

Every request that its application acted on is one JSON line in the log,
flushed at once; members of a Multiple_Service_Packet and requests inside an
Unconnected_Send are a line each.  The log is the oracle of the tests, so the
target parses strictly and on its own (enip_wire.py, no keyswitch file) and
must not act on a message that it has not read whole.
"""
import argparse
import json
import re
import selectors
import signal
import socket
import struct
import sys

import enip_wire as w

OK, BAD_SERVICE, BAD_PATH, BAD_DATA, BAD_ATTRIBUTE, TOO_MUCH = 0, 0x08, 0x05, 0x13, 0x14, 0x15
SIZES = {0xC1: 1, 0xC2: 1, 0xC3: 2, 0xC4: 4, 0xC5: 8, 0xCA: 4}


class Tag:
    def __init__(self, instance, kind, count=1):
        self.instance, self.kind, self.count = instance, kind, count
        self.size = SIZES[kind]
        self.data = bytearray(self.size * count)


def default_tags():
    return {
        "Setpoint": Tag(1, 0xC4),
        "Speed": Tag(2, 0xCA),
        "Counts": Tag(3, 0xC4, 16),
        "Run": Tag(4, 0xC1),
        "Program:Main.Speed": Tag(5, 0xC4),
    }


class Device:
    """The objects: answers one CIP request, whatever carried it."""

    def __init__(self):
        self.tags = default_tags()
        self.resets = 0
        self.attributes = {
            (0xF5, 1, 1): b"\x01\0\0\0", (0xF5, 1, 2): b"\x14\0\0\0",
            (0xF5, 1, 3): b"\0\0\0\0", (0xF5, 1, 6): b"\x06\0target",
            (0x04, 100, 3): bytes(8), (0x04, 101, 3): bytes(8),
        }
        self.settable = {(0xF5, 1, 3), (0xF5, 1, 6), (0x04, 100, 3), (0x04, 101, 3)}

    def identity(self):
        name = b"keyswitch test target"
        return [struct.pack("<H", 0x1337), struct.pack("<H", 14), struct.pack("<H", 1),
                b"\x01\x02", struct.pack("<H", 0x60), struct.pack("<I", 0xC0FFEE),
                bytes([len(name)]) + name]

    def answer(self, service, path, data):
        """(general status, reply data)"""
        if "tag" in path:
            return self.tag_request(service, path["tag"], data)
        if path.get("class") == w.SYMBOL and service == w.GET_INSTANCES:
            return self.list_tags(path.get("instance", 0), data)
        if path.get("class") == 1 and path.get("instance") == 1:
            return self.identity_request(service, path, data)
        return self.attribute_request(service, path, data)

    def identity_request(self, service, path, data):
        values = self.identity()
        if service == w.GET_ALL:
            return OK, b"".join(values)
        if service == w.RESET:
            self.resets += 1
            return OK, b""
        if service == w.GET_SINGLE and 1 <= path.get("attribute", 0) <= len(values):
            return OK, values[path["attribute"] - 1]
        return (BAD_ATTRIBUTE if service == w.GET_SINGLE else BAD_SERVICE), b""

    def attribute_request(self, service, path, data):
        key = (path.get("class"), path.get("instance"), path.get("attribute"))
        if service not in (w.GET_SINGLE, w.SET_SINGLE):
            return BAD_SERVICE, b""
        if key not in self.attributes:
            return BAD_PATH, b""
        if service == w.GET_SINGLE:
            return OK, self.attributes[key]
        if key not in self.settable:
            return BAD_ATTRIBUTE, b""
        if len(data) != len(self.attributes[key]):
            return (TOO_MUCH if len(data) > len(self.attributes[key]) else BAD_DATA), b""
        self.attributes[key] = data
        return OK, b""

    def list_tags(self, first, data):
        r = w.Reader(data)
        wanted = [r.u16() for _ in range(r.u16())]
        r.done()
        out = b""
        for name, tag in self.tags.items():
            if tag.instance < first or "." in name:
                continue
            fields = {1: struct.pack("<H", len(name)) + name.encode(),
                      2: struct.pack("<H", tag.kind | (0x2000 if tag.count > 1 else 0)),
                      7: struct.pack("<H", tag.size),
                      8: struct.pack("<III", tag.count if tag.count > 1 else 0, 0, 0)}
            if any(number not in fields for number in wanted):
                return BAD_ATTRIBUTE, b""
            out += struct.pack("<I", tag.instance) + b"".join(fields[n] for n in wanted)
        return OK, out

    def find_tag(self, text):
        match = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", text)
        lower = {name.lower(): tag for name, tag in self.tags.items()}
        tag = lower.get(match[1].lower())
        index = int(match[2] or 0)
        return (tag, index) if tag and index < tag.count else (None, 0)

    def tag_request(self, service, text, data):
        tag, index = self.find_tag(text)
        if tag is None:
            return BAD_PATH, b""
        handlers = {w.READ_TAG: self.read_tag, w.READ_FRAG: self.read_frag,
                    w.WRITE_TAG: self.write_tag, w.WRITE_FRAG: self.write_frag,
                    w.RMW_TAG: self.modify_tag}
        if service not in handlers:
            return BAD_SERVICE, b""
        return handlers[service](tag, index, w.Reader(data))

    def read_tag(self, tag, index, r):
        count = r.u16()
        r.done()
        if not 1 <= count <= tag.count - index:
            return BAD_DATA, b""
        at = index * tag.size
        return OK, struct.pack("<H", tag.kind) + tag.data[at:at + count * tag.size]

    def read_frag(self, tag, index, r):
        count, offset = r.u16(), r.u32()
        r.done()
        end = (index + count) * tag.size
        if not 1 <= count <= tag.count - index:
            return BAD_DATA, b""
        return OK, struct.pack("<H", tag.kind) + tag.data[index * tag.size + offset:end]

    def write_tag(self, tag, index, r):
        kind, count = r.u16(), r.u16()
        values = r.rest()
        if kind != tag.kind or not 1 <= count <= tag.count - index:
            return BAD_DATA, b""
        # node clients pad BOOL values to a word
        if len(values) < count * tag.size or len(values) > count * tag.size + 1:
            return BAD_DATA, b""
        at = index * tag.size
        tag.data[at:at + count * tag.size] = values[:count * tag.size]
        return OK, b""

    def write_frag(self, tag, index, r):
        kind, count, offset = r.u16(), r.u16(), r.u32()
        values = r.rest()
        at = index * tag.size + offset
        if kind != tag.kind or at + len(values) > (index + count) * tag.size:
            return BAD_DATA, b""
        tag.data[at:at + len(values)] = values
        return OK, b""

    def modify_tag(self, tag, index, r):
        size = r.u16()
        ors, ands = r.take(size), r.take(size)
        r.done()
        if size != tag.size:
            return BAD_DATA, b""
        at = index * tag.size
        for i in range(size):
            tag.data[at + i] = (tag.data[at + i] | ors[i]) & ands[i]
        return OK, b""


class Peer:
    """One TCP connection: bytes not yet read whole, session, CIP connections."""

    def __init__(self, sock, address):
        self.sock, self.address = sock, address
        self.pending = b""
        self.session = 0
        self.connections = {}


class Target:
    def __init__(self, log, tcp_port, io_port):
        self.log_file, self.device = log, Device()
        self.sessions, self.conn_ids = 0, 0x4B530000
        self.selector = selectors.DefaultSelector()
        self.open(socket.SOCK_STREAM, tcp_port, self.on_accept)
        self.open(socket.SOCK_DGRAM, tcp_port, self.on_datagram)
        self.open(socket.SOCK_DGRAM, io_port, self.on_io)

    def open(self, kind, port, handler):
        sock = socket.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
        self.selector.register(sock, selectors.EVENT_READ, lambda: handler(sock))

    def log(self, address, transport, **fields):
        host = address[0].removeprefix("::ffff:")
        line = {"client": host, "port": address[1], "transport": transport, **fields}
        self.log_file.write(json.dumps(line) + "\n")
        self.log_file.flush()

    def on_accept(self, listener):
        sock, address = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(sock, address)
        self.selector.register(sock, selectors.EVENT_READ, lambda: self.on_bytes(peer))

    def drop(self, peer):
        self.selector.unregister(peer.sock)
        peer.sock.close()

    def on_bytes(self, peer):
        try:
            data = peer.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            return self.drop(peer)
        peer.pending += data
        while len(peer.pending) >= 24:
            size = 24 + int.from_bytes(peer.pending[2:4], "little")
            if len(peer.pending) < size:
                return None
            message, peer.pending = peer.pending[:size], peer.pending[size:]
            if not self.on_message(peer, message):
                return self.drop(peer)
        return None

    def on_message(self, peer, message):
        """False closes the connection."""
        try:
            reply = self.command(peer, message)
        except w.Malformed as err:
            self.log(peer.address, "tcp", malformed=str(err), bytes=message.hex())
            return False
        if reply:
            try:
                peer.sock.sendall(reply)
            except OSError:
                return False
        return reply is not None

    def command(self, peer, message):
        """Reply bytes, b"" for none, None to close."""
        command, _, session, status, context, options = w.HEADER.unpack(message[:24])
        body = message[24:]
        if status or options:
            raise w.Malformed("status or options")
        if command in (w.SEND_RR, w.SEND_UNIT):
            if not peer.session or session != peer.session:
                return w.encap(command, b"", session, context, 0x64)
            answer = self.unconnected if command == w.SEND_RR else self.connected
            return w.encap(command, answer(peer, body), session, context)
        self.log(peer.address, "tcp", command=command)
        if command == w.REGISTER:
            if body != b"\x01\0\0\0":
                raise w.Malformed("register")
            self.sessions += 1
            peer.session = self.sessions
            return w.encap(command, body, peer.session, context)
        if command == w.UNREGISTER:
            return None
        if command == w.NOP:
            return b""
        return self.listing(command, body, context)

    def listing(self, command, body, context):
        if command not in (w.LIST_SERVICES, w.LIST_IDENTITY, w.LIST_INTERFACES):
            return w.encap(command, b"", 0, context, 0x01)
        if body:
            raise w.Malformed("list with data")
        if command == w.LIST_INTERFACES:
            return w.encap(command, struct.pack("<H", 0), 0, context)
        if command == w.LIST_SERVICES:
            item = struct.pack("<HH", 1, 0x120) + b"Communications\0\0"
            return w.encap(command, w.cpf((0x100, item)), 0, context)
        item = struct.pack("<H", 1) + struct.pack(">HH4s8x", 2, 44818, b"\0\0\0\0")
        item += b"".join(self.device.identity()) + b"\x03"
        return w.encap(command, w.cpf((0x0C, item)), 0, context)

    def unconnected(self, peer, body):
        kind, address, data_kind, data = w.read_cpf(body)
        if (kind, address, data_kind) != (w.ITEM_NULL, b"", w.ITEM_UNCONN_DATA):
            raise w.Malformed("items of SendRRData")
        reply = self.dispatch(peer, data, "ucmm", w.SEND_RR)
        return struct.pack("<IH", 0, 0) + w.cpf((w.ITEM_NULL, b""), (w.ITEM_UNCONN_DATA, reply))

    def connected(self, peer, body):
        kind, address, data_kind, data = w.read_cpf(body)
        if (kind, data_kind) != (w.ITEM_CONNECTED, w.ITEM_CONN_DATA) or len(address) != 4:
            raise w.Malformed("items of SendUnitData")
        conn = int.from_bytes(address, "little")
        if conn not in peer.connections:
            raise w.Malformed("unknown connection")
        back, route = peer.connections[conn]
        reply = data[:2] + self.dispatch(peer, data[2:], "connected", w.SEND_UNIT, route=route)
        back = struct.pack("<I", back)
        return struct.pack("<IH", 0, 0) + w.cpf((w.ITEM_CONNECTED, back),
                                                (w.ITEM_CONN_DATA, reply))

    def dispatch(self, peer, cip, carrier, command, inside=False, route=b""):
        """One Message Router request; wrappers are unwrapped once. route: of what stands
        around it. This target answers for every module that it leads to."""
        service, path, data = w.read_request(cip)
        cls = path.get("class")
        if service == w.MSP and cls == w.MESSAGE_ROUTER and not inside:
            replies = [self.dispatch(peer, member, carrier, command, True, route)
                       for member in w.read_members(data)]
            return bytes([service | 0x80, 0, 0, 0]) + w.msp(replies)[6:]
        if service == w.UNCONNECTED_SEND and cls == w.CONNECTION_MANAGER:
            if carrier != "ucmm" or inside:
                raise w.Malformed("nested Unconnected_Send")
            inner, further = self.embedded(data)
            return self.dispatch(peer, inner, "unconnected_send", command, route=route + further)
        if cls == w.CONNECTION_MANAGER:
            status, reply = self.manager(peer, service, data, route)
        else:
            status, reply = self.device.answer(service, path, data)
        self.log(peer.address, "tcp", command=command, carrier=carrier, member=inside,
                 service=service, **path, route=route.hex(), data=data.hex(), status=status)
        return bytes([service | 0x80, 0, status, 0]) + reply

    def embedded(self, data):
        r = w.Reader(data)
        r.take(2)
        size = r.u16()
        cip = r.take(size)
        r.take(size % 2)
        words = r.u8()
        r.take(1)
        route = r.take(2 * words)
        r.done()
        return cip, route

    def manager(self, peer, service, data, route):
        r = w.Reader(data)
        if service in (w.FORWARD_OPEN, w.LARGE_FORWARD_OPEN):
            r.take(2)
            _, back = r.u32(), r.u32()
            triad = r.take(8)
            r.take(4)
            rpis = b""
            for _ in range(2):
                rpis += r.take(4)
                r.take(2 if service == w.FORWARD_OPEN else 4)
            r.take(1)
            target = r.take(2 * r.u8())
            r.done()
            self.conn_ids += 1
            peer.connections[self.conn_ids] = back, route + target.removesuffix(w.ROUTER_PATH)
            return OK, struct.pack("<II", self.conn_ids, back) + triad + rpis + b"\0\0"
        if service == w.FORWARD_CLOSE:
            r.take(2)
            triad = r.take(8)
            words = r.u8()
            r.take(1)
            r.take(2 * words)
            r.done()
            return OK, triad + b"\0\0"
        return BAD_SERVICE, b""

    def on_datagram(self, sock):
        message, address = sock.recvfrom(65536)
        try:
            if len(message) < 24 or 24 + int.from_bytes(message[2:4], "little") != len(message):
                raise w.Malformed("length")
            command, _, _, _, context, _ = w.HEADER.unpack(message[:24])
            reply = self.listing(command, message[24:], context)
        except w.Malformed as err:
            self.log(address, "udp", malformed=str(err), bytes=message.hex())
            return
        self.log(address, "udp", command=command)
        sock.sendto(reply, address)

    def on_io(self, sock):
        message, address = sock.recvfrom(65536)
        self.log(address, "io", bytes=message.hex())

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data()


def main():
    parser = argparse.ArgumentParser(description="EtherNet/IP target for tests")
    parser.add_argument("--log", help="JSON lines of what the application acted on")
    parser.add_argument("--port", type=int, default=44818)
    parser.add_argument("--io-port", type=int, default=2222)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = open(args.log, "a", encoding="utf-8") if args.log else sys.stdout
    Target(log, args.port, args.io_port).run()


if __name__ == "__main__":
    main()
