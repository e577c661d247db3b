#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A small CIP client: one request in any of the three carriers, or several as
members of a Multiple_Service_Packet.

Owns one session; prints one line a request and exits 0 when every one was
answered with status 0, 1 otherwise.  It must not retry: silence is a result.
"""
import argparse
import socket
import struct
import sys

import enip_wire as w


class Refused(Exception):
    """The target answered, with another status than 0."""


class Client:
    def __init__(self, sock):
        self.sock, self.session, self.conn, self.seq = sock, 0, 0, 0

    def exact(self, n):
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed by the target")
            data += piece
        return data

    def message(self):
        header = self.exact(24)
        _, length, session, status, _, _ = w.HEADER.unpack(header)
        body = self.exact(length)
        if status:
            raise Refused(f"encapsulation status {status:#x}")
        return session, body

    def transact(self, data):
        self.sock.sendall(data)
        return self.message()

    def register(self):
        self.session, _ = self.transact(w.encap(w.REGISTER, b"\x01\0\0\0"))
        return self

    def identity(self):
        return self.transact(w.encap(w.LIST_IDENTITY))[1]

    def ucmm(self, cip):
        _, body = self.transact(w.send_rr(self.session, cip))
        return self.status(w.read_cpf(body)[3])

    def unconnected_send(self, cip):
        return self.ucmm(w.unconnected_send(cip))

    def open(self, large=False, serial=0x4B53):
        reply = self.ucmm(w.forward_open(serial, large))
        self.conn = int.from_bytes(reply[:4], "little")
        return self

    def close(self, serial=0x4B53):
        return self.ucmm(w.forward_close(serial))

    def connected(self, cip):
        if not self.conn:
            self.open()
        self.seq += 1
        _, body = self.transact(w.send_unit(self.session, self.conn, self.seq, cip))
        return self.status(w.read_cpf(body)[3][2:])

    def send(self, carrier, cip):
        return {"ucmm": self.ucmm, "unconnected_send": self.unconnected_send,
                "connected": self.connected}[carrier](cip)

    def members(self, carrier, requests):
        """Reply data of each member."""
        reply = self.send(carrier, w.msp(requests))
        return [self.status(member) for member in w.read_members(reply)]

    @staticmethod
    def status(reply):
        if reply[2]:
            raise Refused(f"service {reply[0] & 0x7F:#x}: status {reply[2]:#x}")
        return reply[4 + 2 * reply[3]:]


def read_tag(name, count=1):
    return w.request(w.READ_TAG, w.tag_path(name), struct.pack("<H", count))


def write_tag(name, value, kind=0xC4):
    return w.request(w.WRITE_TAG, w.tag_path(name), struct.pack("<HHi", kind, 1, value))


def get_attribute(cls, instance, attribute):
    return w.request(w.GET_SINGLE, w.path(cls, instance, attribute))


def set_attribute(cls, instance, attribute, value):
    return w.request(w.SET_SINGLE, w.path(cls, instance, attribute), value)


def reset(kind=0):
    return w.request(w.RESET, w.path(1, 1), bytes([kind]))


def parse_request(text):
    """read:TAG[:COUNT] write:TAG:VALUE get:C/I/A set:C/I/A:HEX reset[:TYPE] raw:HEX"""
    # a program tag has a colon of its own
    verb, _, rest = text.partition(":")
    if verb == "read":
        return read_tag(rest)
    if verb == "write":
        name, _, value = rest.rpartition(":")
        return write_tag(name, int(value, 0))
    if verb == "get":
        return get_attribute(*(int(n, 0) for n in rest.split("/")))
    if verb == "set":
        where, _, value = rest.partition(":")
        return set_attribute(*(int(n, 0) for n in where.split("/")), bytes.fromhex(value))
    if verb == "reset":
        return reset(int(rest or 0))
    if verb == "raw":
        return bytes.fromhex(rest)
    raise ValueError(f"'{text}': unknown verb '{verb}'")


def connect(host, port, source, timeout):
    bind = (source, 0) if source else None
    sock = socket.create_connection((host, port), timeout, bind)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def run(client, args):
    """Number of requests that failed."""
    if args.msp:
        requests = [parse_request(text) for text in args.requests]
        jobs = [(" + ".join(args.requests), lambda: client.members(args.carrier, requests))]
    else:
        jobs = [(text, lambda cip=parse_request(text): client.send(args.carrier, cip))
                for text in args.requests]
    failed = 0
    for text, job in jobs:
        try:
            reply = job()
        except (OSError, Refused) as err:
            failed += 1
            print(f"{text}: {'no answer' if isinstance(err, TimeoutError) else err}")
            continue
        shown = [part.hex() for part in reply] if isinstance(reply, list) else reply.hex()
        print(f"{text}: ok {shown}")
    return failed


def main():
    parser = argparse.ArgumentParser(description="CIP client for tests")
    parser.add_argument("--port", type=int, default=44818)
    parser.add_argument("--source", help="local address")
    parser.add_argument("--timeout", type=float, default=1.0)
    parser.add_argument("--carrier", default="ucmm",
                        choices=["ucmm", "unconnected_send", "connected"])
    parser.add_argument("--msp", action="store_true", help="all requests in one packet")
    parser.add_argument("host")
    parser.add_argument("requests", nargs="+", help=parse_request.__doc__)
    args = parser.parse_args()
    try:
        client = Client(connect(args.host, args.port, args.source, args.timeout))
        client.register()
    except (OSError, Refused) as err:
        print(f"cannot open a session: {err}")
        return 1
    return 1 if run(client, args) else 0


if __name__ == "__main__":
    sys.exit(main())
