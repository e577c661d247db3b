# SPDX-License-Identifier: GPL-2.0-only
"""Requests of reference.py as bytes, as words of 'keyswitch explain', as a capture.

Owns the forms alone; judges nothing.
"""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "vectors"), str(HERE.parent / "captures")]
import wire
from capfile import Frame, write_frames

import meaning as m

PORTS = {"modbus": 502, "enip": 44818}


# ---- bytes ----

def registers(q, order):
    return struct.pack(f"{order}{len(q.values)}H", *q.values)


def packed_coils(values):
    """The first in the lowest bit."""
    number = sum(bool(value) << i for i, value in enumerate(values))
    return number.to_bytes((len(values) + 7) // 8, "little")


def modbus_pdu(q):
    fc, span = q.function, q.span
    if fc in (1, 2, 3, 4):
        return struct.pack(">BHH", fc, span.start, len(span))
    if fc == 5:
        return struct.pack(">BHH", fc, span.start, 0xff00 if q.values[0] else 0)
    if fc == 6:
        return struct.pack(">BHH", fc, span.start, q.values[0])
    if fc == 15:
        coils = packed_coils(q.values)
        return struct.pack(">BHHB", fc, span.start, len(span), len(coils)) + coils
    if fc == 16:
        return struct.pack(">BHHB", fc, span.start, len(span), 2 * len(span)) + registers(q, ">")
    if fc == 22:
        return struct.pack(">BHHH", fc, span.start, *q.values)
    if fc == 23:
        w = q.written
        return struct.pack(">BHHHHB", fc, span.start, len(span), w.start, len(w), 2 * len(w)) + \
            registers(q, ">")
    if fc == 24:
        return struct.pack(">BH", fc, span.start)
    if fc == 8:
        return struct.pack(">BHH", fc, q.sub, 0)
    if fc == 43:
        return bytes([fc, q.sub, 1, 0])
    if fc == 90:
        return bytes([fc, 0, q.sub, 0])
    if fc == 20:
        return bytes.fromhex("1407" "06000100000001")
    if fc == 21:
        return bytes.fromhex("1509" "06000100000001" "1234")
    return bytes([fc])


def path(q):
    if q.kind == m.TAG:
        name, *members = q.tag.split(".")
        out = b""
        for part in (name, *members):
            base, *index = part.rstrip("]").split("[")
            out += wire.sym(base) + b"".join(wire.member(int(i.rstrip("]"))) for i in index)
        return out
    out = wire.cls(q.kind)
    if q.instance is not None:
        out += wire.inst(q.instance)
    return out + (wire.attr(q.attribute) if q.attribute is not None else b"")


def cip_data(q):
    """What the service's layout wants behind the path."""
    n = q.elements
    if q.service == 0x03:
        return b"\1\0\1\0"
    if q.kind in (m.TAG, m.SYMBOL):
        return {0x4c: struct.pack("<H", n), 0x52: struct.pack("<HI", n, 0),
                0x4d: struct.pack("<HH", 0xc4, n) + bytes(4 * n),
                0x53: struct.pack("<HHI", 0xc4, n, 0) + bytes(4 * n),
                0x4e: struct.pack("<HII", 4, 1, 0xffffffff)}.get(q.service, b"")
    if q.kind == m.MODBUS and q.span is not None:
        written = packed_coils(q.values) if q.service == 0x4f else \
            registers(q, "<") if q.service == 0x50 else b""
        return struct.pack("<HH", q.span.start, len(q.span)) + written
    if (q.kind, q.service) == (0x06, 0x4e):
        return wire.forward_close()[6:]
    return b"\1" if q.service in (0x10, 0x04, 0x02) else b""


def cip_request(q):
    if q.pccc is None:
        return wire.req(q.service, path(q), cip_data(q))
    if q.file:
        _, number, elements = q.file
        return wire.slc(q.pccc & 0xff, number, elements.start, size=2 * len(elements))
    return wire.pccc(q.pccc >> 8, bytes([q.pccc & 0xff]) + (b"\6" if q.pccc == 0x0f80 else b""))


def hops(route):
    out = b""
    for hop in route.split(","):
        port, link = hop.split("/")
        out += wire.hop(int(port), int(link) if link.isdigit() else link)
    return out


def enip_bytes(q):
    if q.kind == m.ENCAP:
        return wire.register() if q.service == 0x65 else wire.enip(q.service, session=0)
    request = cip_request(q)
    return wire.rr(request if q.route is None else wire.routed(request, hops(q.route)))


def payload(q, number=1):
    """number: told apart by it, in the field that a server sends back."""
    if q.proto == "modbus":
        return wire.adu(modbus_pdu(q), q.unit, number & 0xffff)
    data = enip_bytes(q)
    return data[:12] + struct.pack("<Q", number) + data[20:]


# ---- words ----

def span_text(span):
    return f"{span.start}-{span.stop - 1}"


def value_words(q):
    return {} if q.values is None else {"value": ",".join(map(str, q.values))}


def modbus_words(q):
    words = {"unit": q.unit, **value_words(q)}
    if q.function == 90:
        return words | {"umas": hex(q.sub)}
    words["function"] = f"{q.function}/{q.sub}" if q.function in m.WITH_SUB else q.function
    if q.span is not None:
        words["address"] = span_text(q.span)
    if q.written is not None:
        words["write-address"] = span_text(q.written)
    return words


def enip_words(q):
    if q.kind == m.ENCAP:
        return {"service": {code[m.ENCAP]: name for name, code in m.SERVICES.items()
                            if m.ENCAP in code}[q.service]}
    words = {} if q.route is None else {"route": q.route}
    if q.pccc is not None:
        words["pccc"] = f"0x{q.pccc >> 8:02x}/0x{q.pccc & 0xff:02x}"
        if q.file:
            words["file"] = f"{q.file[0]}{q.file[1]}:{span_text(q.file[2])}"
        return words
    words["service"] = hex(q.service)
    if q.kind == m.TAG:
        words |= {"tag": q.tag.replace("][", ","), "elements": q.elements}
    else:
        words["class"] = hex(q.kind)
    for key in ("instance", "attribute"):
        if getattr(q, key) is not None:
            words[key] = getattr(q, key)
    if q.kind == m.MODBUS and q.span is not None:
        words |= {"address": span_text(q.span), **value_words(q)}
    return words


def explain_words(q):
    words = modbus_words(q) if q.proto == "modbus" else enip_words(q)
    return {"from": q.client, "to": q.server, **words}


# ---- capture ----

class Flow:
    """One connection that stays open: what was refused goes on, as in monitor mode."""

    def __init__(self, capture, q, sport):
        self.capture = capture
        self.ends = wire.packed(q.client), wire.packed(q.server)
        self.ports, self.seq, self.ack = (sport, PORTS[q.proto]), 1000, 5000
        self.frame(True, wire.SYN, opt=wire.MSS)
        self.frame(False, wire.SYN | wire.ACK)
        self.frame(True, wire.ACK)

    def frame(self, client, flags, data=b"", opt=b""):
        """The number that the frame has in the capture."""
        turn = slice(None) if client else slice(None, None, -1)
        src, dst = self.ends[turn]
        sport, dport = self.ports[turn]
        seq, ack = (self.seq, self.ack)[turn]
        segment = wire.tcp(src, dst, sport, dport, seq, ack if flags & wire.ACK else 0, flags,
                           data, opt)
        make, ethertype = (wire.ip6, 0x86dd) if len(src) == 16 else (wire.ip4, 0x0800)
        step = len(data) + bool(flags & wire.SYN)
        self.seq, self.ack = (self.seq + step, self.ack) if client else (self.seq, self.ack + step)
        self.capture.append(wire.ethernet(client, make(src, dst, 6, segment), ethertype))
        return len(self.capture)

    def send(self, data):
        number = self.frame(True, wire.ACK | wire.PSH, data)
        self.frame(False, wire.ACK)
        return number


def write_capture(file, requests):
    """Frame number of each request."""
    frames, flows, numbers = [], {}, []
    for number, q in enumerate(requests, 1):
        key = q.client, q.server, q.proto
        if key not in flows:
            flows[key] = Flow(frames, q, 20000 + len(flows))
        numbers.append(flows[key].send(payload(q, number)))
    write_frames(file, 1, [Frame(10**18 + i * 10**6, f, len(f)) for i, f in enumerate(frames)])
    return numbers
