# SPDX-License-Identifier: GPL-2.0-only
"""Data: attacks on I1 (one byte value at each offset) and on what reaches the
stream at all.

Owns no state.  Rows that send an offset twice make the server miss the first
copy (a checksum, a timestamp, an option that it refuses), so that the second is
what it reads.
"""
from attacker import ACK, FIN, MASK, MSS, PSH, URG, timestamp
from kit import adu, read_registers, write_register
from scene import LIBMODBUS, row

READ, WRITE = read_registers(), write_register()
SIZE = len(READ)
LIKE = read_registers(10, 7)  # WRITE but for the function code
assert sum(a != b for a, b in zip(LIKE, WRITE)) == 1 and len(LIKE) == len(WRITE) == SIZE
# FC 20 of two file records, allowed, in which a write of register 0x600 stands
CARRIER = adu(bytes.fromhex("140e" "06000000060106" "06000000070001"))
HIDDEN_AT = 8
HIDDEN = CARRIER[HIDDEN_AT:HIDDEN_AT + SIZE]
RING = 4096
WRAP = (1 << 32) - 20
MPTCP_CAPABLE = b"\x1e\x0c\x00\x81" + bytes(range(8))
MPTCP_DSS = b"\x1e\x04\x20\x00"
MD5 = b"\x13\x12" + bytes(16) + b"\x01\x01"


@row("denied request as it is", "E3")
def plain(s):
    s.open().put(0, WRITE)


@row("denied request behind an allowed one, one segment", "E3")
def pipelined(s):
    s.open().put(0, READ + WRITE)


@row("every cut in two", "framing")
def cut_in_two(s):
    for cut in range(1, SIZE):
        c = s.open()
        c.put(0, WRITE[:cut])
        c.put(cut, WRITE[cut:])


@row("cuts in three", "framing")
def cut_in_three(s):
    for one in range(1, SIZE - 1, 3):
        for two in range(one + 1, SIZE, 3):
            c = s.open()
            for a, b in ((0, one), (one, two), (two, SIZE)):
                c.put(a, WRITE[a:b])


@row("every cut in two behind an allowed request", "framing")
def cut_behind_read(s):
    both = READ + WRITE
    for cut in range(1, len(both)):
        c = s.open()
        c.put(0, both[:cut])
        c.put(cut, both[cut:])
        c.put(SIZE, both[SIZE:])


@row("byte dribble", "framing")
def dribble(s):
    c = s.reading(READ)
    for at in range(SIZE):
        c.put(SIZE + at, WRITE[at:at + 1])


@row("out of order, pieces backwards", "E5")
def backwards(s):
    c = s.reading(READ)
    for at in range(SIZE - 4, -1, -4):
        c.put(SIZE + at, WRITE[at:at + 4])


@row("out of order, whole requests", "E5")
def requests_backwards(s):
    c = s.open()
    c.put(SIZE, WRITE)
    c.put(0, READ)
    c.put(SIZE, WRITE)


@row("overlap ahead of the stream, the new copy wins", "E5")
def overlap_new(s):
    c = s.open()
    c.put(7, LIKE[7:])
    c.put(6, WRITE[6:])
    c.put(0, WRITE[:6])


@row("overlap ahead of the stream, the old copy wins", "E5")
def overlap_old(s):
    c = s.open()
    c.put(6, WRITE[6:])
    c.put(7, LIKE[7:])
    c.put(0, LIKE[:6])
    c.put(0, LIKE)


@row("overlap of a queued tail with allowed bytes in order", "E5")
def overlap_queued(s):
    c = s.open()
    c.put(7, WRITE[7:])
    c.put(0, LIKE[:7])
    c.put(0, WRITE[:7])


def again(s, second, at=0, first=LIKE, iss=None, **refused):
    """first, which the server refuses, then other bytes at its place."""
    c = s.reading(READ, iss=iss)
    c.put(SIZE, first, **(refused or {"bad_checksum": True}))
    c.put(SIZE + at, second)
    return c


@row("retransmission with other bytes, same length", "E4")
def again_same(s):
    again(s, WRITE)


@row("retransmission with other bytes, four times", "E4")
def again_four(s):
    c = again(s, WRITE)
    for _ in range(3):
        c.put(SIZE, WRITE)


@row("retransmission with other bytes, shorter", "E4")
def again_shorter(s):
    c = again(s, WRITE[:8])
    c.put(SIZE + 8, WRITE[8:])


@row("retransmission with other bytes, longer", "E4")
def again_longer(s):
    again(s, WRITE + READ)


@row("retransmission with the same bytes and a denied tail", "E4")
def again_tail(s):
    again(s, LIKE + WRITE)


@row("retransmission collapsed, the second request other", "E4")
def again_collapsed(s):
    c = s.reading(READ)
    c.put(SIZE, READ, bad_checksum=True)
    c.put(2 * SIZE, LIKE, bad_checksum=True)
    c.put(SIZE, READ + WRITE)


@row("retransmission shifted by one", "E4")
def again_shifted(s):
    c = s.reading(READ)
    c.put(SIZE, LIKE + READ, bad_checksum=True)
    c.put(SIZE + 1, WRITE[1:] + READ)
    c.put(SIZE, WRITE)


@row("retransmission that differs in one byte only, piece of it", "E4")
def again_byte(s):
    c = again(s, LIKE[:7])
    c.put(SIZE + 7, WRITE[7:8])
    c.put(SIZE + 8, LIKE[8:])


@row("retransmission beginning in what the server has", "E4")
def again_straddles(s):
    c = s.reading(READ)
    c.put(SIZE, LIKE, bad_checksum=True)
    c.put(SIZE - 5, READ[-5:] + WRITE)
    c.put(0, READ + WRITE)


@row("retransmission whose FIN cuts an allowed request", "E4",
     "a prefix of an allowed request asks nothing")
def again_fin(s):
    c = s.reading(READ)
    c.put(SIZE, LIKE, bad_checksum=True)
    c.put(SIZE, LIKE[:5], FIN | PSH | ACK)
    c.put(SIZE + 5, WRITE[5:])


@row("FIN refused by checksum, its place acknowledged by data", "S1")
def fin_acknowledged(s):
    c = s.reading(READ)
    c.put(SIZE, b"", FIN | ACK, bad_checksum=True)
    c.put(SIZE, LIKE, bad_checksum=True)
    c.put(SIZE, LIKE[:1])
    c.acked(SIZE + 1)
    c.put(SIZE + 1, WRITE[1:])


@row("refused by an old timestamp, then other bytes", "E4")
def old_timestamp(s):
    now = 0x10000
    c = s.reading(READ, options=MSS + timestamp(now))
    c.put(SIZE, LIKE, options=timestamp(now - 5000))
    c.put(SIZE, WRITE, options=timestamp(now + 1))


@row("refused for a missing timestamp, then other bytes", "E4")
def no_timestamp(s):
    now = 0x10000
    c = s.reading(READ, options=MSS + timestamp(now))
    c.put(SIZE, LIKE, bad_checksum=True)
    c.put(SIZE, WRITE, options=timestamp(now + 1))


@row("refused by an MD5 option, then other bytes", "G0")
def md5(s):
    again(s, WRITE, options=MD5)


@row("refused by a bad IP checksum, then other bytes", "E4", families=(4,))
def bad_ip_checksum(s):
    again(s, WRITE, bad_ip_checksum=True)


@row("refused for a missing ACK flag, then other bytes", "G0")
def no_ack_flag(s):
    again(s, WRITE, flags=PSH)


@row("refused by its ack, ahead of all that was sent, then other bytes", "E1")
def ack_ahead(s):
    c = s.reading(READ)
    c.put(SIZE, LIKE, ack=c.rcv_nxt + 100000)
    c.put(SIZE, WRITE)


@row("refused by its ack, behind all that the server may have, then other bytes", "E1")
def ack_behind(s):
    for behind in (2, 1000, 1 << 19):
        c = s.reading(READ)
        # another window keeps it off the fast path, which takes any old ack
        c.put(SIZE, LIKE, ack=c.rcv_nxt - behind, window=1000)
        c.put(SIZE, WRITE)


@row("refused by a header length below 20, then other bytes", "G0")
def short_doff(s):
    again(s, WRITE, doff=4)


@row("refused by a header length beyond the packet, then other bytes", "G0")
def long_doff(s):
    again(s, WRITE, doff=15)


@row("refused by a total length beyond the frame, then other bytes", "G0")
def long_total(s):
    again(s, WRITE, total=1400)


@row("refused by a total length inside the TCP header, then other bytes", "G0")
def short_total(s):
    again(s, WRITE, total=30 if s.family == 4 else 10)


@row("Ethernet padding that a parser might take for payload", "G0")
def padding(s):
    c = s.reading(READ)
    c.put(SIZE, READ, padding=READ)
    c.put(2 * SIZE, WRITE)


@row("denied request with padding behind it", "G0")
def padded_write(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, padding=READ + bytes(30))


@row("payload hidden in the header by its length", "G0")
def payload_as_options(s):
    c = s.reading(READ)
    c.put(SIZE, b"\x01" * 12 + WRITE, doff=8)


@row("urgent byte that the application does not read", "G0")
def urgent(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE[:7] + b"\x03" + WRITE[7:], PSH | ACK | URG, urgent=8)


@row("urgent pointer without its flag", "G0")
def urgent_bare(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, urgent=3)


@row("data left of the ISN", "E4")
def left_of_isn(s):
    for left in (1, 5, SIZE):
        s.open().put(-left, READ[:left] + WRITE)


@row("data left of the ISN, aligned as allowed requests", "E4")
def left_of_isn_aligned(s):
    c = s.open()
    c.put(-2, (b"\0\0" + WRITE + bytes(2)))
    c.put(-SIZE, READ + WRITE)


@row("data left of the ring", "E4")
def left_of_ring(s):
    c = s.open()
    count = RING // (SIZE * 50) + 2
    for n in range(count):
        c.put(n * 50 * SIZE, READ * 50)
        s.need(c.acked((n + 1) * 50 * SIZE), "allowed requests")
    end = count * 50 * SIZE
    c.put(end - 30000, WRITE)
    c.put(end - 1400, WRITE * 100)
    c.put(end - SIZE, READ + WRITE)


@row("keepalive with a byte, then data", "E4")
def keepalive(s):
    c = s.reading(READ)
    c.put(SIZE - 1, b"\xff")
    c.put(SIZE - 1, b"")
    c.put(SIZE - 1, b"\xff" + WRITE)


@row("keepalive with another byte in place of one that was refused", "E4")
def keepalive_byte(s):
    c = s.reading(READ)
    c.put(SIZE, LIKE, bad_checksum=True)
    c.put(SIZE, LIKE[:7])
    c.put(SIZE + 7, WRITE[7:8])
    c.put(SIZE + 8, WRITE[8:])


@row("zero window announced, then data", "E3")
def zero_window(s):
    c = s.reading(READ)
    c.put(SIZE, b"", ACK, window=0)
    c.put(SIZE, WRITE[:1], window=0)
    c.put(SIZE, WRITE, window=0)


@row("data beyond the window, then data", "E5")
def beyond_window(s):
    c = s.reading(READ)
    c.put(SIZE + (1 << 20), READ)
    c.put(SIZE + (1 << 31) - 5, READ)
    c.put(SIZE - (1 << 31) + 5, READ)
    c.put(SIZE, WRITE)


@row("sequence numbers that wrap inside a denied request", "E3")
def wrap(s):
    for left in (1, 7, 8, SIZE):
        c = s.reading(READ, iss=(1 << 32) - 1 - SIZE - left)
        c.put(SIZE, WRITE)


@row("sequence numbers that wrap inside a retransmission", "E4")
def wrap_again(s):
    c = again(s, WRITE, iss=WRAP)
    c.put(SIZE + 5, WRITE[5:])
    c.put(SIZE, WRITE[:10])


@row("sequence numbers that wrap behind the ISN", "E4")
def wrap_isn(s):
    s.open(iss=2).put(-SIZE, READ + WRITE)
    s.open(iss=MASK).put(-SIZE, READ + WRITE)


@row("retransmission with other bytes across the ring's end", "E4")
def again_ring_end(s):
    for left in (0, 1, 5, 7, 8, 11, SIZE):
        again(s, WRITE, iss=5 * RING - 1 - SIZE - left)


@row("retransmission with other bytes across the ring's end, a hundred requests", "E4")
def again_ring_end_long(s):
    for left in (1, 511, 512, 1203, 1208):
        again(s, READ * 100 + WRITE, first=READ * 100 + LIKE, iss=5 * RING - 1 - SIZE - left)


@row("denied request across the ring's end", "E3")
def ring_end(s):
    for left in range(1, SIZE):
        c = s.reading(READ, iss=5 * RING - 1 - SIZE - left)
        c.put(SIZE, WRITE)


@row("reserved bits, ECE and CWR", "G0")
def reserved_bits(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, PSH | ACK | 0xC0)


@row("MPTCP: data with a DSS option", "G0")
def mptcp_dss(s):
    c = s.open(options=MSS + MPTCP_CAPABLE)
    c.put(0, WRITE, options=MPTCP_DSS)
    c.put(0, WRITE)


@row("options that end early or lie about their length", "G0")
def option_lies(s):
    for options in (b"\x00\x13\x12\x00", b"\x1e\x00\x01\x01", b"\x13\x01\x01\x01",
                    b"\x05\x0a\x01\x01", b"\xfd\x28\x00\x00"):
        c = s.reading(READ)
        c.put(SIZE, READ, options=options, bad_checksum=True)
        c.put(SIZE, WRITE, options=options)


@row("more requests in a segment than are followed", "E3")
def many(s):
    c = s.open()
    c.put(0, READ * 115 + WRITE)
    c = s.open()
    c.put(0, adu(b"\x07") * 170 + WRITE)


@row("allowed request sent in pieces, a write inside it (libmodbus)", "framing")
def pieces_of_allowed(s):
    """libmodbus takes eight bytes of FC 20, answers and flushes; the rest comes later."""
    c = s.open(LIBMODBUS)
    c.put(0, CARRIER, bad_checksum=True)
    c.put(0, CARRIER[:HIDDEN_AT])
    s.pause(0.8)
    c.put(HIDDEN_AT, CARRIER[HIDDEN_AT:])
    s.pause(0.8)


@row("allowed request in two new pieces, a write inside it (libmodbus)", "framing")
def new_pieces_of_allowed(s):
    c = s.open(LIBMODBUS)
    c.put(0, CARRIER[:HIDDEN_AT])
    s.pause(0.8)
    c.put(HIDDEN_AT, CARRIER[HIDDEN_AT:])
    s.pause(0.8)


@row("allowed request behind another, its inside ahead of its head (libmodbus)", "framing",
     "TCP hands the application both at once")
def pieces_backwards(s):
    c = s.reading(READ, LIBMODBUS)
    c.put(SIZE, READ + CARRIER, bad_checksum=True)
    c.put(2 * SIZE + HIDDEN_AT, CARRIER[HIDDEN_AT:])
    c.put(SIZE, READ + CARRIER[:HIDDEN_AT])
    s.pause(0.8)
