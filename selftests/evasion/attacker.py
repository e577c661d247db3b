# SPDX-License-Identifier: GPL-2.0-only
"""The attacker: the authorised client host with a TCP and an IP of its own.

Owns the bytes of every frame it sends, down to lengths and checksums that lie.
It remembers nothing but the numbers of its handshake: an attack says at which
stream offset it puts which bytes.  It must not look at keyswitch.
"""
import struct
import time

import raw_tcp
from raw_tcp import ACK, FIN, PSH, RST, SYN, URG  # noqa: F401  (the attacks use them)

MSS = b"\x02\x04\x05\xb4"
LIES = ("ttl", "ip_options", "total", "bad_ip_checksum", "padding", "destination", "tags",
        "extension", "source")
MASK = 0xFFFFFFFF
ETHERTYPE = {4: 0x0800, 6: 0x86DD}


def timestamp(value, echo=0):
    return b"\x01\x01\x08\x0a" + struct.pack(">II", value & MASK, echo & MASK)


class Attacker(raw_tcp.RawTcp):
    """`base` is the sequence number of stream offset 0."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.iss, self.irs, self.ts = self.snd_nxt, 0, None
        self.base = self.iss + 1 & MASK
        self.family = 4 if len(self.src) == 4 else 6

    # -- what goes out ------------------------------------------------------

    def out(self, flags, payload=b"", **fields):
        """One frame; fields in LIES concern Ethernet and IP, others TCP."""
        lies = {name: fields.pop(name) for name in LIES if name in fields}
        self.sock.send(self.wrap(self.segment(flags, payload, **fields), **lies))

    def put(self, offset, payload, flags=PSH | ACK, **fields):
        """Payload at a stream offset."""
        fields.setdefault("ack", self.rcv_nxt)
        self.out(flags, payload, seq=self.base + offset, **fields)

    def wrap(self, ip_payload, protocol=6, padding=b"", **lies):
        link = self.ethernet(lies.pop("destination", None), lies.pop("tags", ()))
        build = self.ipv4 if self.family == 4 else self.ipv6
        return link + build(ip_payload, protocol, **lies) + padding

    def ethernet(self, destination, tags):
        source, server = self.macs
        out = (destination or server) + source
        for tpid, tci in tags:
            out += struct.pack(">HH", tpid, tci)
        return out + struct.pack(">H", ETHERTYPE[self.family])

    def ipv4(self, body, protocol, ttl=64, ip_options=b"", total=None, fragment=0x4000,
             ident=0x4B53, bad_ip_checksum=False, source=None):
        ip_options += b"\0" * (-len(ip_options) % 4)
        size = 20 + len(ip_options) + len(body)
        head = struct.pack(">BBHHHBBH", 0x45 + len(ip_options) // 4, 0,
                           size if total is None else total, ident, fragment, ttl,
                           protocol, 0) + (source or self.src) + self.dst + ip_options
        total = raw_tcp.checksum(head) ^ (0x5555 if bad_ip_checksum else 0)
        return head[:10] + struct.pack(">H", total) + head[12:] + body

    def ipv6(self, body, protocol, ttl=64, extension=None, total=None, source=None, flow=0):
        """extension: (number of the first header, bytes before the body)"""
        first, chain = extension or (protocol, b"")
        size = len(chain) + len(body)
        return struct.pack(">IHBB", 6 << 28 | flow, size if total is None else total, first, ttl) \
            + (source or self.src) + self.dst + chain + body

    def fragments(self, tcp, pieces, ident=None):
        """pieces: (offset, bytes, more follow) of the IP payload, in sending order."""
        ident = ident or (self.sport << 4) & 0xFFFF
        for offset, body, more in pieces:
            if self.family == 4:
                packet = self.ipv4(body, 6, fragment=offset // 8 | more << 13, ident=ident)
            else:
                head = struct.pack(">BBHI", 6, 0, offset | more, ident)
                packet = self.ipv6(body, 6, extension=(44, head))
            self.sock.send(self.ethernet(None, ()) + packet)

    # -- what comes back ----------------------------------------------------

    def syn(self, iss=None, options=MSS, **fields):
        if iss is not None:
            self.iss, self.base = iss & MASK, iss + 1 & MASK
        self.out(fields.pop("flags", SYN), seq=self.iss, ack=0, options=options, **fields)
        return self

    def synack(self, timeout=0.5, data=0):
        """The SYN-ACK for our last SYN (and so much data in it); our numbers follow."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if got and got.flags & (SYN | ACK | RST) == SYN | ACK and \
                    got.ack - self.base & MASK <= data:
                self.irs, self.rcv_nxt = got.seq, got.seq + 1 & MASK
                return got
        return None

    def connect(self, **fields):
        """True when our side of the handshake is done."""
        self.syn(**fields)
        if not self.synack():
            return False
        self.put(0, b"", ACK, options=fields.get("options", MSS)[4:])
        return True

    def acked(self, offset, timeout=1.0):
        """True when the server acknowledged all bytes below the stream offset. Takes
        the server's data on the way."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if got is None or got.flags & RST:
                return False
            self.take(got)
            if got.flags & ACK and (got.ack - self.base - offset) & MASK < 1 << 31:
                return True
        return False

    def take(self, got):
        if got.seq == self.rcv_nxt and got.payload:
            self.rcv_nxt = got.seq + len(got.payload) & MASK

    def replied(self, size, timeout=1.0):
        """True when so many bytes of answer came, counted from the handshake."""
        end = time.monotonic() + timeout
        while (self.rcv_nxt - self.irs - 1) & MASK < size:
            got = self.receive(end - time.monotonic())
            if got is None or got.flags & RST:
                return False
            self.take(got)
        return True

    def saw(self, flags, timeout=0.5):
        """The next segment with all of these flags."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            got = self.receive(left)
            if got and got.flags & flags == flags:
                return got
        return None
