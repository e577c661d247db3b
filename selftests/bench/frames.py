# SPDX-License-Identifier: GPL-2.0-only
"""Frames of the packet benchmark: template and the sum that the pacer goes on from.

Built from the vectors' wire.py. Client address and port, sequence and acknowledgement
numbers and what `number` and `stamp` point at are the pacer's: zero in the sum here.
"""
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "vectors"))
import wire  # noqa: E402  pylint: disable=wrong-import-position

SERVER = {4: "10.2.0.5", 6: "fd00:2::5"}
NOBODY = {4: "10.2.0.250", 6: "fd00:2::250"}  # in the assets' own subnet, no asset
CLIENT = {4: "0.0.0.0", 6: "::"}
SYN, ACK, PSH = wire.SYN, wire.ACK, wire.PSH
HEADERS = {4: 14 + 20, 6: 14 + 40}


class Raw:
    """A frame that the pacer leaves alone."""

    step = base = number = stamp = 0
    flags = "r"

    def __init__(self, role, data):
        self.role, self.bytes = role, data


class Frame:
    """role: c or s. number, stamp: payload offsets of what the pacer writes."""

    flags = "-"

    def __init__(self, version, role, port, flags, payload=b"", number=None, stamp=None,
                 options=wire.TS):
        opt = options + b"\0" * (-len(options) % 4)
        self.role, self.step = role, len(payload) + (1 if flags & SYN else 0)
        ends = (CLIENT[version], SERVER[version])
        src, dst = map(wire.packed, ends if role == "c" else ends[::-1])
        ports = (0, port) if role == "c" else (port, 0)
        body = wire.tcp(src, dst, *ports, 0, 0, flags, payload, opt)
        frame = wire.frame(role == "c", *(ends if role == "c" else ends[::-1]), 6, body, {})
        start = HEADERS[version] + 20 + len(opt)
        self.number = start + number if number is not None else 0
        self.stamp = start + stamp if stamp is not None else 0
        frame, summed = bytearray(frame), bytearray(body)
        for at, size in ((self.number, 4), (self.stamp, 2)):
            if at:
                assert not at & 1 and at < 256
                frame[at:at + size] = bytes(size)
                summed[at - HEADERS[version]:at - HEADERS[version] + size] = bytes(size)
        summed[16:18] = bytes(2)
        self.bytes = bytes(frame)
        self.base = checksum_base(src, dst, 6, bytes(summed))


class Datagram:
    """UDP of a client; number, stamp: payload offsets, 32 bits each."""

    role, step, flags = "c", 0, "uw"

    def __init__(self, version, port, payload, number, stamp):
        ends = (CLIENT[version], SERVER[version])
        src, dst = map(wire.packed, ends)
        body = wire.udp(src, dst, port, port, payload)
        self.bytes = wire.frame(True, *ends, 17, body, {})
        start = HEADERS[version] + 8
        self.number, self.stamp = start + number, start + stamp
        summed = bytearray(body)
        summed[6:8] = bytes(2)
        for at in (number, stamp):
            assert not at & 1
            summed[8 + at:12 + at] = bytes(4)
        self.base = checksum_base(src, dst, 17, bytes(summed))


def checksum_base(src, dst, protocol, segment):
    """Of segment and pseudo header, as the machine reads words from memory."""
    pseudo = src + dst + struct.pack(">HH", protocol, len(segment))
    data = pseudo + segment + b"\0" * (len(segment) & 1)
    return sum(struct.unpack(f"={len(data) // 2}H", data))


def udp(version, role, port, payload):
    ends = ("10.1.0.9" if version == 4 else "fd00:1::9", NOBODY[version])
    ends = ends if role == "c" else ends[::-1]
    ports = (33333, port) if role == "c" else (port, 33333)
    src, dst = map(wire.packed, ends)
    return wire.frame(role == "c", *ends, 17, wire.udp(src, dst, *ports, payload), {})


def tcp(version, role, port, payload):
    ends = ("10.1.0.9" if version == 4 else "fd00:1::9", NOBODY[version])
    ends = ends if role == "c" else ends[::-1]
    ports = (33333, port) if role == "c" else (port, 33333)
    src, dst = map(wire.packed, ends)
    body = wire.tcp(src, dst, *ports, 1, 1, ACK, payload, wire.TS)
    return wire.frame(role == "c", *ends, 6, body, {})
