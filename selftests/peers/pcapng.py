# SPDX-License-Identifier: GPL-2.0-only
"""Blocks of a pcapng file, read strictly: what does not fit the specification
(draft-ietf-opsawg-pcapng) is an error. Typed from it, not from keyswitch.
"""
import collections
import struct

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
Interface = collections.namedtuple("Interface", "name description longest")
Packet = collections.namedtuple("Packet", "interface ns length data comment flags")
Statistics = collections.namedtuple("Statistics", "interface began ended received lost")


def options(data):
    out, at = {}, 0
    while True:
        code, size = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert size == 0 and at + 4 == len(data), "bytes behind the end of the options"
            return out
        out[code] = data[at + 4:at + 4 + size]
        assert len(out[code]) == size, "option beyond its block"
        at += 4 + (size + 3 & ~3)


def blocks(data):
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert size % 4 == 0 and at + size <= len(data), f"block of {size} bytes at {at}"
        assert struct.unpack_from("<I", data, at + size - 4)[0] == size, "length at the end"
        yield kind, data[at + 8:at + size - 4]
        at += size


def time_of(data):
    high, low = struct.unpack("<II", data)
    return high << 32 | low


class File:
    def __init__(self, data):
        self.application, self.interfaces, self.packets, self.statistics = None, [], [], []
        for number, (kind, body) in enumerate(blocks(data)):
            assert (kind == SECTION) == (number == 0), "one section, at the beginning"
            {SECTION: self.section, INTERFACE: self.interface, PACKET: self.packet,
             STATISTICS: self.statistic}[kind](body)

    def section(self, body):
        assert struct.unpack_from("<IHHq", body) == (0x1A2B3C4D, 1, 0, -1), "section header"
        self.application = options(body[16:])[4].decode()

    def interface(self, body):
        link, _, longest = struct.unpack_from("<HHI", body)
        found = options(body[8:])
        assert link == 1 and found[9] == b"\x09", "Ethernet, in nanoseconds"
        self.interfaces.append(Interface(found[2].decode(), found[3].decode(), longest))

    def packet(self, body):
        number, high, low, size, length = struct.unpack_from("<IIIII", body)
        found = options(body[20 + (size + 3 & ~3):])
        self.packets.append(Packet(self.interfaces[number].name, high << 32 | low, length,
                                   body[20:20 + size], found[1].decode(), found[2]))

    def statistic(self, body):
        found = options(body[12:])
        received, lost = (struct.unpack("<Q", found[code])[0] for code in (4, 5))
        self.statistics.append(Statistics(
            self.interfaces[struct.unpack_from("<I", body)[0]].name, time_of(found[2]),
            time_of(found[3]), received, lost))


def pcap_frames(data):
    """[(length, bytes)] of a little-endian pcap file."""
    at, out = 24, []
    while at + 16 <= len(data):
        size, length = struct.unpack_from("<II", data, at + 8)
        out.append((length, data[at + 16:at + 16 + size]))
        at += 16 + size
    return out
