# SPDX-License-Identifier: GPL-2.0-only
"""Handshake, RST and FIN: attacks on where the stream begins and whether the
connection still stands (I2 of the design).

Owns no state.  READ is allowed, WRITE is denied and differs in its function code.
"""
from attacker import ACK, FIN, MSS, PSH, RST, SYN
from kit import read_registers, write_register
from rows_data import CARRIER, HIDDEN, HIDDEN_AT
from scene import CLOSING, LIBMODBUS, row

READ, WRITE = read_registers(), write_register()
SIZE = len(READ)
TFO = b"\x22\x02\x01\x01"
COOKIES = 2
LONG_READ = read_registers(0, 20)


@row("SYN cookie completed for an ISN five below", "H3", tcp_syncookies=COOKIES)
def cookie_origin(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.put(-5, WRITE, ack=c.rcv_nxt - 5)


# an allowed read; from its second byte on libmodbus takes it for a write of unit 3
SECOND = read_registers(0x0600, 7)


def begin_inside(s, port, first, *more):
    """The beginning, which the server refuses; then its second byte, for which the
    cookie counts too: its last two bits are the segment size, not the number."""
    c = s.client(port)
    s.need(c.syn().synack(), "SYN-ACK")
    c.put(0, first, bad_checksum=True)
    c.put(1, first[1:])
    c.put(0, first + b"".join(more))


@row("SYN cookie completed one byte inside a request that was refused", "H3",
     tcp_syncookies=COOKIES)
def cookie_one_inside(s):
    begin_inside(s, LIBMODBUS, SECOND, LONG_READ)


@row("SYN(a), SYN(a-5) with cookies, completed for a", "H1", tcp_syncookies=COOKIES)
def cookie_two_syns_first(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.out(SYN, seq=c.iss - 5, ack=0, options=MSS)
    c.put(-5, bytes(5) + WRITE)
    c.put(0, WRITE)


@row("SYN(a), SYN(a-5) with cookies, completed for a-5", "H1", tcp_syncookies=COOKIES)
def cookie_two_syns_second(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    cookie, base = c.rcv_nxt, c.base
    c.syn(iss=c.iss - 5)
    c.put(0, WRITE, ack=cookie + c.base - base)


@row("SYN(a), SYN(a-5) a second later with cookies, completed for a", "H1", families=(4,),
     tcp_syncookies=COOKIES)
def cookie_two_syns_late(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    s.pause(1.1)
    c.out(SYN, seq=c.iss - 5, ack=0, options=MSS)
    c.put(0, WRITE)
    c.put(-5, bytes(5) + WRITE)


@row("SYN(a), SYN(a-5) without cookies, completed for a", "H1", tcp_syncookies=0)
def two_syns_first(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.out(SYN, seq=c.iss - 5, ack=0, options=MSS)
    c.put(-5, bytes(5) + WRITE)
    c.put(0, WRITE)


@row("SYN(a), SYN(a-5) without cookies, completed for a-5", "H1",
     "without cookies the server keeps to the first SYN", tcp_syncookies=0)
def two_syns_second(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.syn(iss=c.iss - 5)
    c.put(0, WRITE)


@row("SYN-ACK race: ACK and data behind the SYN, cookie foretold", "H2",
     tcp_syncookies=COOKIES)
def synack_race(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    ahead = c.rcv_nxt - c.base
    c.syn(iss=c.iss + 1000)
    c.put(0, WRITE, ack=c.base + ahead)


@row("handshake completed with a wrong ack, cookies", "H3", tcp_syncookies=COOKIES)
def wrong_ack_cookie(s):
    for delta in (-3, -2, -1, 1, 2, 3):
        c = s.client()
        s.need(c.syn().synack(), "SYN-ACK")
        c.put(0, WRITE, ack=c.rcv_nxt + delta)


@row("handshake completed with a wrong ack", "H3", "Linux answers it with a RST",
     tcp_syncookies=0)
def wrong_ack(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.put(0, WRITE, ack=c.rcv_nxt + 1000)
    c.put(0, WRITE, ack=c.rcv_nxt - 1)


@row("handshake completed with a wrong seq", "H3", tcp_syncookies=0)
def wrong_seq(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.put(7, WRITE[7:])
    c.put(0, WRITE)


@row("SYN with data, then other data at the same place", "H1")
def syn_with_data(s):
    c = s.client()
    c.out(SYN, READ, seq=c.iss, ack=0, options=MSS)
    c.synack(0.2)
    c.put(0, WRITE)


@row("TCP Fast Open: write in the SYN", "H1", tcp_fastopen=0x602)
def fast_open(s):
    for options in (MSS, MSS + TFO):
        c = s.client()
        c.out(SYN, WRITE, seq=c.iss, ack=0, options=options)


@row("Fast Open: write right behind the SYN with data", "H1", tcp_fastopen=0x602)
def fast_open_behind(s):
    c = s.client()
    c.out(SYN, READ, seq=c.iss, ack=0, options=MSS + TFO)
    got = c.synack(0.2, data=SIZE)
    if got:
        c.put(got.ack - c.base, WRITE)


@row("SYN on a live connection, then data", "H1")
def syn_on_live(s):
    c = s.reading(READ)
    c.out(SYN, seq=c.base + 2 * SIZE - 1, ack=0, options=MSS)
    c.put(SIZE, WRITE)
    c.put(SIZE, WRITE)


@row("SYN on a live connection, data after it was given up", "H1", families=(4,))
def syn_on_live_late(s):
    c = s.reading(READ)
    c.out(SYN, seq=c.base + 2 * SIZE - 1, ack=0, options=MSS)
    s.pause(3.3)
    c.put(SIZE, WRITE)


@row("client SYN-ACK on a live connection, then data", "H2")
def client_synack(s):
    c = s.reading(READ)
    c.out(SYN | ACK, seq=c.base + 2 * SIZE - 1, ack=c.rcv_nxt, options=MSS)
    c.put(SIZE, WRITE)


@row("client SYN-ACK without a SYN, then data", "H2", "Linux answers it with a RST")
def client_synack_first(s):
    c = s.client()
    c.out(SYN | ACK, seq=c.iss, ack=1, options=MSS)
    c.put(0, WRITE, ack=1)


@row("split handshake: SYN-ACK instead of the last ACK", "H3")
def split_handshake(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.out(SYN | ACK, seq=c.iss, ack=c.rcv_nxt, options=MSS)
    c.put(0, WRITE)


@row("duplicate SYN answered again after data", "H2")
def duplicate_syn(s):
    c = s.reading(READ)
    c.out(SYN, seq=c.iss, ack=0, options=MSS)
    c.put(0, WRITE)
    c.put(SIZE, WRITE)


@row("port reuse after FIN", "close")
def reuse_after_fin(s):
    c = s.reading(READ)
    c.put(SIZE, b"", FIN | ACK)
    got = c.saw(FIN)
    s.need(got, "FIN of the server")
    c.put(SIZE + 1, b"", ACK, ack=got.seq + 1)
    again = s.open(sport=c.sport, iss=c.iss - SIZE)
    again.put(0, WRITE)


@row("port reuse after a server RST", "close")
def reuse_after_server_rst(s):
    c = s.client()
    s.need(c.syn().synack(), "SYN-ACK")
    c.out(RST, seq=c.base, ack=0)
    c.put(0, READ)
    s.need(c.saw(RST), "RST of the server")
    again = s.open(sport=c.sport, iss=c.iss - SIZE)
    again.put(0, WRITE)


@row("port reuse after a client RST", "H1")
def reuse_after_client_rst(s):
    c = s.reading(READ)
    c.put(SIZE, b"", RST | ACK)
    again = s.open(sport=c.sport, iss=c.iss)
    again.put(0, WRITE)


@row("port reuse in the server's TIME_WAIT", "H1")
def reuse_in_time_wait(s):
    c = s.open(CLOSING)
    c.put(0, READ)
    got = c.saw(FIN)
    s.need(got, "FIN of the server")
    c.put(SIZE, b"", FIN | ACK, ack=got.seq + len(got.payload) + 1)
    s.pause(0.05)
    again = s.open(CLOSING, sport=c.sport, iss=c.iss + SIZE + 200)
    again.put(0, WRITE)


@row("cookie used again after a client RST, data below what was acknowledged", "E4",
     tcp_syncookies=COOKIES)
def cookie_again(s):
    c = s.reading(READ)
    first = c.irs + 1
    c.put(SIZE, b"", RST | ACK)
    c.put(0, WRITE, ack=first)


@row("cookie used again after a client RST, data across what was acknowledged", "E4",
     tcp_syncookies=COOKIES)
def cookie_again_tail(s):
    c = s.reading(READ)
    first = c.irs + 1
    c.put(SIZE, b"", RST | ACK)
    c.put(0, WRITE + READ, ack=first)


@row("cookie used again after a client RST, at an allowed request's inside", "E4",
     tcp_syncookies=COOKIES)
def cookie_inside(s):
    c = s.reading(LONG_READ, LIBMODBUS)
    s.need(c.replied(49), "reply")
    c.put(SIZE, b"", RST | ACK)
    inside(c, CARRIER)


def inside(c, last):
    """An allowed request behind LONG_READ that the server does not get, then the
    write inside it (up to the end of `last`), with the cookie of that place."""
    c.put(SIZE, CARRIER, bad_checksum=True)
    at = SIZE + HIDDEN_AT
    c.put(at, last[HIDDEN_AT:], ack=c.irs + 1 + at)


@row("cookie used again after the server gave up without a word, inside a request", "E4",
     families=(4,), tcp_syncookies=COOKIES, tcp_retries2=1)
def cookie_after_timeout(s):
    lasts = (CARRIER[:HIDDEN_AT + len(HIDDEN)], CARRIER, CARRIER + READ)
    clients = [s.open(LIBMODBUS) for _ in lasts]
    for c in clients:
        c.put(0, LONG_READ)
    for c, last in zip(clients, lasts):
        s.forgotten(c)
        inside(c, last)


ELSEWHERE = b"\x02\0\0\0\0\1"  # a MAC that the server does not listen to


@row("cookie used again after the server gave up without a word, by an ACK inside a request",
     "cookie", families=(4,), tcp_syncookies=COOKIES, tcp_retries2=1)
def cookie_by_ack(s):
    c = s.open(LIBMODBUS)
    c.put(0, LONG_READ)
    s.forgotten(c)
    at = SIZE + HIDDEN_AT
    c.put(SIZE, CARRIER, destination=ELSEWHERE)
    c.put(at, b"", ACK, ack=c.irs + 1 + at)
    s.pause(0.05)
    c.put(SIZE, CARRIER, ack=c.irs + 1 + at)


@row("SYN cookie of a minute ago, by an ACK inside a request", "E1", families=(4,),
     tcp_syncookies=COOKIES)
def cookie_of_a_minute_ago(s):
    """A cookie is as far from the client's number as the minute says, and is taken for
    two: the older one's distance is not that of the handshake which keyswitch saw."""
    c = s.client(LIBMODBUS)
    s.need(c.syn().synack(), "SYN-ACK")
    older = c.rcv_nxt - c.base
    for _ in range(33):
        s.pause(2)
        s.need(c.syn(iss=c.iss + 100000).synack(), "SYN-ACK")
        if abs((c.rcv_nxt - c.base - older + (1 << 31)) % (1 << 32) - (1 << 31)) > 1 << 20:
            break
    c.put(0, b"", ACK, destination=ELSEWHERE)
    c.put(0, CARRIER, destination=ELSEWHERE)
    c.put(HIDDEN_AT, b"", ACK, ack=c.base + HIDDEN_AT + older)
    s.pause(0.05)
    c.put(0, CARRIER, ack=c.base + HIDDEN_AT + older)


@row("cookie used again after the server's close", "close", families=(4,),
     tcp_syncookies=COOKIES, tcp_fin_timeout=1)
def cookie_after_close(s):
    c = s.open(CLOSING)
    c.put(0, READ)
    got = c.saw(FIN)
    s.need(got, "FIN of the server")
    c.put(SIZE, b"", ACK, ack=got.seq + len(got.payload) + 1)
    s.pause(1.5)
    c.put(0, WRITE, ack=c.irs + 1)


def after_rst(s, seq, flags=RST | ACK, **fields):
    """A RST at an offset behind READ, then the write."""
    c = s.reading(READ)
    c.put(SIZE + seq, b"", flags, **fields)
    c.put(SIZE, WRITE)


@row("RST with a bad seq, then data", "RST")
def rst_bad_seq(s):
    after_rst(s, 1 << 30)


@row("RST in the window, then data", "RST")
def rst_in_window(s):
    after_rst(s, 100)


@row("RST without ACK, one below, then data", "RST")
def rst_bare(s):
    after_rst(s, -1, RST, ack=0)


@row("RST with a bad checksum, then data", "RST")
def rst_bad_checksum(s):
    after_rst(s, 0, bad_checksum=True)


@row("RST with a bad IP checksum, then data", "RST", families=(4,))
def rst_bad_ip_checksum(s):
    after_rst(s, 0, bad_ip_checksum=True)


@row("RST with a bad ack, then data", "RST", "Linux looks at a RST's seq only")
def rst_bad_ack(s):
    after_rst(s, 0, ack=1)


@row("RST with a low TTL, then data", "RST",
     "no router stands between the gateway and this server, so the RST ends the connection")
def rst_low_ttl(s):
    after_rst(s, 0, ttl=1)


@row("RST with data", "RST", "Linux reads no data of a RST")
def rst_data(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, RST | ACK)
    c.put(SIZE, WRITE, RST)


@row("SYN and RST in one", "G0")
def syn_rst(s):
    after_rst(s, 0, SYN | RST, bad_checksum=True)


@row("FIN with a bad checksum, then data", "E2")
def fin_bad_checksum(s):
    after_rst(s, 0, FIN | ACK, bad_checksum=True)


@row("FIN beyond the window, then data", "E2")
def fin_bad_seq(s):
    after_rst(s, 1 << 30, FIN | ACK)


@row("FIN without ACK, then data", "G0")
def fin_bare(s):
    after_rst(s, 0, FIN)


@row("FIN with the denied data", "E3")
def fin_with_data(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, FIN | PSH | ACK)


@row("FIN behind a gap, then data that it overlaps", "E5")
def fin_overlapped(s):
    c = s.reading(READ)
    c.put(SIZE + SIZE, b"", FIN | ACK)
    c.put(SIZE, WRITE)
    c.put(SIZE, WRITE + READ)


@row("FIN, then data in its place and behind it", "E2", "Linux reads nothing behind a FIN")
def fin_then_data(s):
    c = s.reading(READ)
    c.put(SIZE, b"", FIN | ACK)
    c.put(SIZE, WRITE)
    c.put(SIZE + 1, WRITE)


@row("data with FIN refused by checksum, then other data", "E4")
def fin_data_refused(s):
    c = s.reading(READ)
    c.put(SIZE, READ, FIN | PSH | ACK, bad_checksum=True)
    c.put(SIZE, WRITE)
