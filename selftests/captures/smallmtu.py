#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rewrites a capture as an MTU of 100 would have made it: the payload of every TCP
segment, of either side, in pieces of at most 60 bytes.

Owns the cutting of Ethernet frames: lengths, sequence numbers, flags and checksums of
the pieces. What cannot be cut (no TCP, SYN, RST, fragments, not captured whole) stays as
it is, and so does the first segment of a connection without a handshake: only a segment
of whole messages says where such a one begins. Decodes no payload.
"""
import argparse
import struct
import sys

sys.dont_write_bytecode = True  # the checkout stays as it was

from capfile import Frame, read_frames, write_frames

PIECE = 60
ETHERNET = 1
TAGS, IP4, IP6, TCP = (0x8100, 0x88a8), 0x0800, 0x86dd, 6
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def checksum(data):
    """RFC 1071."""
    if len(data) & 1:
        data += b'\0'
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


class Segment:
    """Where the parts of a TCP frame are. end: of the IP packet, without what pads the
    frame; None if there is no TCP, or not all of it."""

    def __init__(self, data):
        self.data, self.end = data, None
        self.ip, kind = 14, int.from_bytes(data[12:14], 'big')
        while kind in TAGS:
            kind = int.from_bytes(data[self.ip + 2:self.ip + 4], 'big')
            self.ip += 4
        self.v6 = kind == IP6
        self.tcp, end, proto = self.inner() if kind in (IP4, IP6) else (0, 0, 0)
        if proto == TCP and self.tcp + 20 <= end <= len(data):
            self.payload = self.tcp + 4 * (data[self.tcp + 12] >> 4)
            self.end = end
        self.flags = data[self.tcp + 13] if self.end else 0

    def inner(self):
        """(where TCP begins, where the packet ends, protocol) of the IP header."""
        data, at = self.data, self.ip
        if self.v6:
            if len(data) < at + 40:
                return 0, 0, 0
            length = int.from_bytes(data[at + 4:at + 6], 'big')
            return at + 40, at + 40 + length, data[at + 6]
        if len(data) < at + 20 or int.from_bytes(data[at + 6:at + 8], 'big') & 0x3fff:
            return 0, 0, 0
        length = int.from_bytes(data[at + 2:at + 4], 'big') or len(data) - at
        return at + 4 * (data[at] & 15), at + length, data[at + 9]

    def begins(self, begun):
        """Is it the first of its stream that bears a SYN or data?"""
        if self.end is None or not self.flags & (SYN | ACK) or \
                (self.end == self.payload and not self.flags & SYN):
            return False
        stream = self.addresses() + self.data[self.tcp:self.tcp + 4]
        fresh = stream not in begun
        begun.add(stream)
        return fresh

    def cuttable(self):
        """Has it more payload than a piece, and flags that a piece may carry?"""
        return self.end is not None and self.end - self.payload > PIECE and \
            not self.flags & (SYN | RST)

    def addresses(self):
        """As the pseudo-header has them."""
        at, size = (self.ip + 8, 32) if self.v6 else (self.ip + 12, 8)
        return self.data[at:at + size]

    def piece(self, at):
        """The frame of the payload from `at` on."""
        body = self.data[self.payload + at:min(self.payload + at + PIECE, self.end)]
        head = bytearray(self.data[:self.payload])
        sequence, = struct.unpack_from('>I', head, self.tcp + 4)
        struct.pack_into('>I', head, self.tcp + 4, (sequence + at) & 0xffffffff)
        if self.payload + at + len(body) < self.end:
            head[self.tcp + 13] &= ~(FIN | PSH) & 0xff
        length = len(head) - self.tcp + len(body)
        if self.v6:
            struct.pack_into('>H', head, self.ip + 4, length)
        else:
            struct.pack_into('>H', head, self.ip + 2, self.tcp - self.ip + length)
            struct.pack_into('>H', head, self.ip + 10, 0)
            struct.pack_into('>H', head, self.ip + 10, checksum(bytes(head[self.ip:self.tcp])))
        struct.pack_into('>H', head, self.tcp + 16, 0)
        pseudo = self.addresses() + struct.pack('>II', length, TCP)
        struct.pack_into('>H', head, self.tcp + 16,
                         checksum(pseudo + bytes(head[self.tcp:]) + body))
        return bytes(head) + body


def cut(frame, begun):
    """The frames that one becomes. begun: the streams seen so far."""
    segment = Segment(frame.data)
    if segment.begins(begun) or frame.wire != len(frame.data) or not segment.cuttable():
        return [frame]
    found = [segment.piece(at)
             for at in range(0, segment.end - segment.payload, PIECE)]
    return [Frame(frame.time, data, len(data)) for data in found]


def rewrite(source, target):
    """Writes the cut capture; the original's frame number of each new frame."""
    link, frames = read_frames(source)
    if link != ETHERNET:
        raise ValueError('%s: link type %d, expected Ethernet' % (source, link))
    numbers, out, begun = [], [], set()
    for number, frame in enumerate(frames, 1):
        made = cut(frame, begun)
        out += made
        numbers += [number] * len(made)
    write_frames(target, link, out)
    return numbers


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='pcap or pcapng')
    parser.add_argument('target', help='pcap to write')
    args = parser.parse_args()
    try:
        numbers = rewrite(args.source, args.target)
    except (OSError, ValueError) as problem:
        print('smallmtu: %s' % problem, file=sys.stderr)
        return 3
    print('%d frames of %d' % (len(numbers), numbers[-1] if numbers else 0))
    return 0


if __name__ == '__main__':
    sys.exit(main())
