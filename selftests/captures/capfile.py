# SPDX-License-Identifier: GPL-2.0-only
"""Capture files as frames, and frames as a capture file.

Owns the layout of pcap (both byte orders, micro- and nanoseconds) and of those pcapng
blocks that hold frames; writes classic pcap with nanoseconds. Knows no protocol.
"""
import struct

CLASSIC = {0xa1b2c3d4: 1000, 0xa1b23c4d: 1}      # magic: nanoseconds in a unit
SECTION, INTERFACE, OLD_PACKET, SIMPLE, PACKET = 0x0a0d0d0a, 1, 2, 3, 6
ORDER_MAGIC = 0x1a2b3c4d
OPTION_END, OPTION_RESOLUTION = 0, 9


class Frame:
    """One frame: time in ns, bytes, and how long it was on the wire."""

    def __init__(self, time, data, wire):
        self.time, self.data, self.wire = time, data, wire


def read_classic(data, order):
    """(link type, frames)"""
    unit = CLASSIC[struct.unpack_from(order + 'I', data)[0]]
    link = struct.unpack_from(order + 'I', data, 20)[0] & 0xffff
    frames, at = [], 24
    while at + 16 <= len(data):
        seconds, part, size, wire = struct.unpack_from(order + '4I', data, at)
        body = data[at + 16:at + 16 + size]
        if len(body) < size:
            break               # the file was cut; other readers stop here too
        frames.append(Frame(seconds * 10**9 + part * unit, body, wire))
        at += 16 + size
    return link, frames


def resolution(options, order):
    """Units a second of an interface's timestamps."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + 'HH', options, at)
        if code == OPTION_END:
            break
        if code == OPTION_RESOLUTION:
            value = options[at + 4]
            return 2 ** (value & 0x7f) if value & 0x80 else 10 ** value
        at += 4 + (size + 3) // 4 * 4
    return 10 ** 6


def blocks(data):
    """(byte order, type, body) of each pcapng block."""
    at, order = 0, '<'
    while at + 12 <= len(data):
        if struct.unpack_from('<I', data, at)[0] == SECTION:
            order = '<' if struct.unpack_from('<I', data, at + 8)[0] == ORDER_MAGIC else '>'
        kind, size = struct.unpack_from(order + 'II', data, at)
        if size < 12:
            raise ValueError('pcapng block of %d bytes' % size)
        if at + size > len(data):
            break               # as in read_classic()
        yield order, kind, data[at + 8:at + size - 4]
        at += size


def read_next_generation(data):
    """(link type, frames)"""
    interfaces, frames = [], []
    for order, kind, body in blocks(data):
        if kind == SECTION:
            interfaces = []
        elif kind == INTERFACE:
            link = struct.unpack_from(order + 'H', body)[0]
            interfaces.append((link, resolution(body[8:], order)))
        elif kind == PACKET:
            which, high, low, size, wire = struct.unpack_from(order + '5I', body)
            time = (high << 32 | low) * 10**9 // interfaces[which][1]
            frames.append(Frame(time, body[20:20 + size], wire))
        elif kind in (OLD_PACKET, SIMPLE):
            raise ValueError('pcapng block %d: no capture has any' % kind)
    if len({link for link, _ in interfaces}) != 1:
        raise ValueError('several link types in one capture')
    return interfaces[0][0], frames


def read_frames(path):
    """(link type, frames) of a capture."""
    with open(path, 'rb') as file:
        data = file.read()
    for order in '<>' if len(data) >= 24 else '':
        if struct.unpack_from(order + 'I', data)[0] in CLASSIC:
            return read_classic(data, order)
    if data[:4] == SECTION.to_bytes(4, 'little'):
        return read_next_generation(data)
    raise ValueError('%s: neither pcap nor pcapng' % path)


def write_frames(path, link, frames):
    """A classic pcap."""
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 1 << 18, link))
        for frame in frames:
            seconds, part = divmod(frame.time, 10**9)
            out.write(struct.pack('<4I', seconds, part, len(frame.data), frame.wire))
            out.write(frame.data)
