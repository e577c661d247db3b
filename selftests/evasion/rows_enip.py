# SPDX-License-Identifier: GPL-2.0-only
"""EtherNet/IP and CIP messages whose layers contradict each other, and the stream
rules where messages are carried over segment borders.

Owns no state.  `read` and `write` are CIP requests that differ in their service.
"""
import struct

import enip_wire as w
import oracle
from attacker import ACK, FIN, PSH
from rows_handshake import COOKIES, ELSEWHERE
from scene import ENIP, ENIP_TALKS, row

TAG = w.tag_path("Setpoint")
READ = w.request(w.READ_TAG, TAG, b"\x01\0")
WRITE = w.request(w.WRITE_TAG, TAG, b"\xc4\0\x01\0\x07\0\0\0")
RESET = w.request(w.RESET, w.path(1, 1))
SET = w.request(w.SET_SINGLE, w.path(0x6B, 1, 1), b"\x07\0")
GET = w.request(w.GET_SINGLE, w.path(1, 1, 7))
RING = 16384
NULL = (w.ITEM_NULL, b"")
SOCKET = (0x8000, bytes(16))
KEY = b"\x34\4" + bytes(8)


def data(cip):
    return (w.ITEM_UNCONN_DATA, cip)


def rr(*items, count=None, tail=b""):
    """SendRRData with these CPF items."""
    cpf = w.cpf(*items)
    if count is not None:
        cpf = struct.pack("<H", count) + cpf[2:]
    return w.encap(w.SEND_RR, struct.pack("<IH", 0, 10) + cpf + tail, 1)


def resized(message, size):
    """The message with another encapsulation length."""
    return message[:2] + struct.pack("<H", size) + message[4:]


def messages(name, rule, *rows, families=(4,), control=True):
    """A row that sends each message on a connection of its own."""
    def attack(s):
        for message in rows:
            s.open(ENIP).put(0, message)
    row(f"CIP: {name}", rule, control, families)(attack)


def plain(cip):
    return w.send_rr(1, cip)


def msp(offsets, body, count=None):
    """Multiple_Service_Packet with these offsets in its table."""
    table = struct.pack(f"<H{len(offsets)}H", len(offsets) if count is None else count,
                        *offsets)
    return plain(w.request(w.MSP, w.ROUTER_PATH, table + body))


def routed(length, embedded, route=b"\1\0\1\0"):
    """Unconnected_Send with a length field of our own."""
    body = b"\x0a\x05" + struct.pack("<H", length) + embedded + route
    return plain(w.request(w.UNCONNECTED_SEND, w.MANAGER_PATH, body))


def reaching(words):
    """READ with a path that is so many words longer than what is there for it."""
    return READ[:1] + bytes([READ[1] + 1 + words]) + READ[2:]


messages("denied requests as they are", "policy", *(plain(cip) for cip in (
    WRITE, RESET, SET, w.request(w.WRITE_FRAG, TAG, b"\xc4\0\1\0\0\0\0\0\7\0\0\0"),
    w.request(w.RMW_TAG, TAG, b"\1\0\xff\xff"))), families=(4, 6))
messages("denied requests, connected", "policy", *(
    w.send_unit(1, 7, 1, cip) for cip in (WRITE, RESET, SET)))
messages("denied requests, unconnected send", "policy", *(
    plain(w.unconnected_send(cip)) for cip in (WRITE, RESET, SET)))
messages("denied member of a Multiple_Service_Packet, each place", "policy", *(
    plain(w.msp([READ] * n + [WRITE] + [READ] * (3 - n))) for n in range(4)))
messages("denied member, routed and connected", "policy",
         plain(w.unconnected_send(w.msp([READ, WRITE]))), w.send_unit(1, 7, 1, w.msp([WRITE])))
messages("encapsulation length beyond the items", "I4",
         rr(NULL, data(READ), tail=plain(WRITE)), rr(NULL, data(READ), tail=b"\0"))
messages("encapsulation length short of the items", "I4", *(
    resized(plain(READ), size) + plain(WRITE) for size in (0, 6, 16, len(plain(READ)) - 25)))
messages("encapsulation length over the next message", "I4",
         resized(plain(READ), len(plain(READ) + plain(WRITE)) - 24) + plain(WRITE))
messages("encapsulation options, unknown commands", "I4",
         plain(READ)[:20] + b"\1\0\0\0" + plain(READ)[24:], w.encap(0x72, plain(WRITE)[24:], 1),
         w.encap(0x6E, plain(WRITE)[24:], 1))
messages("two data items", "I4", rr(NULL, data(READ), data(WRITE)),
         rr(NULL, data(WRITE), data(READ)), rr(data(WRITE), NULL, data(READ)),
         rr(NULL, data(READ), (0x8000, bytes(16)), data(WRITE)))
messages("item count below and above the items", "I4",
         rr(NULL, data(READ), data(WRITE), count=2), rr(NULL, data(READ), count=3),
         rr(NULL, data(READ), count=1), rr(NULL, data(READ), count=0))
messages("item length beyond the message, and 0", "I4",
         plain(READ)[:38] + struct.pack("<H", 200) + plain(READ)[40:],
         plain(READ)[:38] + b"\0\0" + plain(READ)[40:])
messages("address item with data, of another kind", "I4", rr((0, WRITE), data(READ)),
         rr((w.ITEM_CONNECTED, bytes(4)), data(WRITE)), rr((0x8000, bytes(16)), data(WRITE)))
messages("connected data in SendRRData and the other way round", "I4",
         rr(NULL, (w.ITEM_CONN_DATA, b"\1\0" + WRITE)),
         w.encap(w.SEND_UNIT, plain(WRITE)[24:], 1))
messages("MSP offsets outside the packet", "MSP", msp([4, 200], READ), msp([200], WRITE),
         msp([4, 0xFFFF], READ + WRITE))
messages("MSP offsets that overlap", "MSP", msp([6, 6], READ + WRITE),
         msp([6, 8], READ + WRITE), msp([6, 6 + len(READ) - 2], READ + WRITE))
messages("MSP offsets backwards", "MSP", msp([6 + len(READ), 6], READ + WRITE))
messages("MSP offsets into the table", "MSP", msp([2, 6], READ + WRITE), msp([0, 6], READ))
messages("MSP with bytes between table and first member", "MSP",
         msp([4 + len(WRITE)], WRITE + READ))
messages("MSP with bytes behind the last member's request", "MSP",
         msp([6, 6 + len(READ)], READ + GET + WRITE), msp([4], READ + WRITE))
messages("MSP count above and below the offsets", "MSP",
         msp([4], READ, count=2), msp([6, 6 + len(READ)], READ + WRITE, count=1),
         msp([], b"", count=0))
messages("MSP within an MSP, MSP at another path", "nesting",
         plain(w.msp([READ, w.msp([WRITE])])),
         plain(w.request(w.MSP, w.path(2), w.msp([WRITE])[6:])))
messages("path size lies", "EPATH", plain(b"\x4c\0" + TAG + b"\1\0"),
         plain(b"\x4c\1" + TAG + b"\1\0"), plain(b"\x4d\xff" + TAG + b"\xc4\0\1\0\7\0\0\0"),
         plain(bytes([0x4C, len(TAG) // 2 + 1]) + TAG + b"\1\0"))
messages("path that names class, instance or attribute twice", "EPATH", *(
    plain(w.request(w.GET_SINGLE, path)) for path in (
        w.path(1, 1) + w.path(0x6B, 1, 1), b"\x20\1\x20\x6b\x24\1\x30\1",
        b"\x20\1\x24\1\x24\2\x30\1", b"\x20\1\x24\1\x30\1\x30\2")))
messages("write at a path of 8, 16 and 32 bits, with a nonzero pad", "EPATH", *(
    plain(w.request(w.SET_SINGLE, path, b"\7\0")) for path in (
        b"\x20\x6b\x24\1\x30\1", b"\x21\0\x6b\0\x25\0\1\0\x31\0\1\0",
        b"\x21\xff\x6b\0\x25\xff\1\0", b"\x22\0\x6b\0\0\0\x26\0\1\0\0\0")))
messages("request with the reply bit", "CIP", plain(bytes([0xCD]) + WRITE[1:]))
messages("unconnected send with a length that lies", "CIP",
         routed(len(READ), READ + WRITE), routed(len(READ) - 2, READ),
         routed(len(READ) + 200, READ), routed(0, WRITE), routed(0xFFFF, WRITE))
messages("unconnected send with an odd length", "CIP", routed(len(WRITE), WRITE),
         routed(len(READ + b"\1"), READ + b"\1"), routed(len(WRITE) - 1, WRITE))
messages("unconnected send whose route size lies", "CIP",
         routed(len(READ), READ, b"\x09\0\1\0"), routed(len(READ), READ, b"\0\0" + WRITE),
         routed(len(READ), READ, b"\1\7\1\0"))
messages("unconnected send nested", "nesting",
         plain(w.unconnected_send(w.unconnected_send(WRITE))),
         plain(w.unconnected_send(w.unconnected_send(READ))))
messages("a write in the data of NOP, then as it is", "framing",
         w.encap(w.NOP, plain(WRITE)) + plain(WRITE))
messages("RegisterSession with a request behind its data", "I4",
         w.encap(w.REGISTER, b"\1\0\0\0" + plain(WRITE)))
messages("denied behind allowed, one segment", "E3", plain(READ) + plain(WRITE),
         plain(READ) * 20 + plain(WRITE) + plain(READ))
messages("services with bytes behind their data, or too few", "I4", *(
    plain(cip) for cip in (
        READ + b"\0", READ + WRITE, READ[:-1], GET + b"\1", GET + WRITE,
        w.request(w.READ_FRAG, TAG, bytes(6)) + WRITE, w.request(w.READ_FRAG, TAG, bytes(5)),
        w.request(w.GET_LIST, w.path(1, 1), b"\2\0\1\0"),
        w.request(w.GET_LIST, w.path(1, 1), b"\1\0\1\0" + WRITE))))
messages("path that reaches into the next member, or into the route", "EPATH",
         msp([6, 6 + len(READ)], reaching(1) + WRITE),
         msp([6, 6 + len(READ)], reaching(len(WRITE) // 2) + WRITE),
         msp([6, 6 + len(READ)], READ + reaching(1)), plain(w.unconnected_send(reaching(1))),
         plain(w.unconnected_send(reaching(2))))
messages("path with a port, a key, a connection point, data in it", "EPATH", *(
    plain(w.request(w.GET_SINGLE, path)) for path in (
        b"\1\0" + w.path(1, 1, 7), b"\x12\x02ab" + w.path(1, 1, 7), KEY + w.path(1, 1, 7),
        b"\x20\1\x2c\1\x30\7", b"\x20\1\x24\1\x2c\2\x30\7", b"\x80\1\7\0" + w.path(1, 1, 7),
        w.path(1, 1) + b"\x80\1\7\0", b"\x43\5" + w.path(1, 1, 7), b"\xa1\1" + w.path(1, 1, 7),
        b"\x23\0\1\0" + b"\x24\1\x30\7")))
messages("wrapper at a class or instance that 16 bits cut short", "nesting", *(
    plain(w.request(service, path, wrapped)) for service, number, wrapped in (
        (w.UNCONNECTED_SEND, 6, w.unconnected_send(WRITE)[6:]), (w.MSP, 2, w.msp([WRITE])[6:]))
    for path in (w.path(0x10000 + number, 1), w.path(number, 0x10001), w.path(number, 1, 1),
                 TAG)))
messages("wrapper as a member", "nesting", plain(w.msp([READ, w.unconnected_send(WRITE)])),
         plain(w.msp([w.unconnected_send(READ)])),
         plain(w.unconnected_send(w.msp([READ, w.unconnected_send(WRITE)]))),
         plain(w.unconnected_send(w.msp([w.msp([WRITE])]))))
messages("reply bit inside a wrapper", "CIP", plain(w.msp([READ, b"\xcc" + READ[1:]])),
         plain(w.unconnected_send(b"\xcc" + READ[1:])), plain(w.unconnected_send(b"\xcd" + WRITE[1:])),
         plain(w.msp([b"\x8a" + w.msp([WRITE])[1:]])))
messages("Forward_Open to I/O, with a path that lies, with bytes behind it", "I4", *(
    plain(cip) for cip in (
        w.forward_open(1, target=w.path(4, 0x64)), w.forward_open(1, transport=1),
        w.forward_open(1, large=True, target=w.path(4, 0x64)), w.forward_open(1) + WRITE,
        w.forward_open(1)[:-5] + b"\3" + w.ROUTER_PATH, w.forward_open(1)[:-5] + b"\1" + w.ROUTER_PATH,
        w.forward_open(1)[:-5] + b"\0", w.forward_close(1) + WRITE)))
messages("connected data that ends in or behind its sequence count", "I4",
         w.send_unit(1, 7, 1, b""), w.send_unit(1, 7, 1, b"\x4c"),
         w.encap(w.SEND_UNIT, struct.pack("<IH", 0, 0) + w.cpf(
             (w.ITEM_CONNECTED, bytes(4)), (w.ITEM_CONN_DATA, b"\1")), 1) + plain(WRITE))
messages("more items than a message has", "I4",
         rr(NULL, data(READ), SOCKET, SOCKET, data(WRITE)), rr(NULL, data(READ), *[SOCKET] * 3),
         rr(NULL, data(READ), SOCKET, SOCKET, data(WRITE), count=4))


@row("CIP: every cut in two", "framing", families=(4,))
def cut_in_two(s):
    message = plain(WRITE)
    for cut in range(1, len(message)):
        c = s.open(ENIP)
        c.put(0, message[:cut])
        c.put(cut, message[cut:])


@row("CIP: byte dribble", "framing")
def dribble(s):
    c = s.open(ENIP)
    for at, byte in enumerate(plain(READ) + plain(w.msp([READ, WRITE]))):
        c.put(at, bytes([byte]))


@row("CIP: out of order", "E5")
def backwards(s):
    message = plain(WRITE)
    c = s.open(ENIP)
    c.put(44, message[44:])
    c.put(24, message[24:44])
    c.put(0, message[:24])


COUNTED, DENIED = plain(READ), plain(bytes([w.WRITE_TAG]) + READ[1:])
SERVICE = 40  # where they differ
assert [n for n, (a, b) in enumerate(zip(COUNTED, DENIED)) if a != b] == [SERVICE]


def carried(s, cut):
    """The first part of an allowed request, judged and refused by the server."""
    c = s.open(ENIP)
    c.put(0, COUNTED[:cut], bad_checksum=True)
    return c


@row("CIP: carried part sent again with another service", "E4")
def carried_again(s):
    for cut in (SERVICE + 1, SERVICE + 3, len(COUNTED) - 1):
        c = carried(s, cut)
        c.put(0, DENIED)
        c.put(0, DENIED[:cut])
        c.put(cut, DENIED[cut:])


@row("CIP: carried part sent again with another service across the ring's end", "E4")
def carried_ring_end(s):
    for left in (1, SERVICE - 1, SERVICE, SERVICE + 1, SERVICE + 2):
        c = s.open(ENIP, iss=3 * RING - 1 - left)
        c.put(0, COUNTED[:SERVICE + 3], bad_checksum=True)
        c.put(0, DENIED)
        c.put(0, DENIED[:SERVICE + 3])
        c.put(SERVICE + 3, DENIED[SERVICE + 3:])


@row("CIP: carried part sent again byte by byte, one other", "E4")
def carried_dribble(s):
    c = carried(s, SERVICE + 2)
    for at, byte in enumerate(DENIED):
        c.put(at, bytes([byte]))


@row("CIP: carried length sent again with another length", "E4")
def carried_length(s):
    c = carried(s, 24)
    c.put(0, resized(COUNTED, 0)[:24])
    c.put(24, plain(WRITE))


@row("CIP: FIN in a carried request, then data", "E2", "Linux reads nothing behind a FIN")
def carried_fin(s):
    c = s.open(ENIP)
    c.put(0, COUNTED[:SERVICE], FIN | PSH | ACK)
    c.put(SERVICE, DENIED[SERVICE:])
    c.put(SERVICE + 1, DENIED[SERVICE:])


@row("CIP: longer than is inspected", "framing")
def too_long(s):
    c = s.open(ENIP)
    c.put(0, rr(NULL, data(READ + bytes(1200))))
    c = s.open(ENIP)
    c.put(0, resized(plain(READ), 0xFFFF))
    c.put(len(plain(READ)), plain(WRITE) * 15)


NOP_HEAD = 24
CARRIER = w.encap(w.NOP, plain(WRITE))


def forgotten_inside(s, *pieces):
    """A message that holds a write as data, its first part lost behind us; then what
    follows, from the write on, with the cookie of that place."""
    c, ask = s.open(ENIP_TALKS), plain(READ)
    c.put(0, ask)
    s.forgotten(c)
    first, at = len(ask), len(ask) + NOP_HEAD
    c.put(first, CARRIER[:NOP_HEAD + 4 * (len(pieces) > 1)], destination=ELSEWHERE)
    for start, size in pieces:
        piece = CARRIER[NOP_HEAD + start:NOP_HEAD + start + size]
        c.put(at + start, piece, ACK, ack=c.irs + 1 + at + start)
        s.pause(0.05)


@row("CIP: cookie used again after the server gave up without a word, inside a message",
     "cookie", families=(4,), tcp_syncookies=COOKIES, tcp_retries2=1)
def carried_by_data(s):
    forgotten_inside(s, (0, 1000))


@row("CIP: cookie used again after the server gave up without a word, by an ACK inside a message",
     "cookie", families=(4,), tcp_syncookies=COOKIES, tcp_retries2=1)
def carried_by_ack(s):
    forgotten_inside(s, (0, 0), (0, 1000))


SEGMENT = 700  # what the server's segments hold, and what the forged replies divide
OPEN, OPENED_AS = w.forward_open(9), 0x77


def forged_reply():
    """The successful answer to OPEN, as its target would give it."""
    cip = bytes([w.FORWARD_OPEN | 0x80, 0, 0, 0]) + struct.pack(
        "<IIHHIIIBB", OPENED_AS, 0x20000009, 9, 0x1337, 42, 2000000, 2000000, 0, 0)
    return rr(NULL, data(cip))


def forged(s, *messages_):
    """An open that the target does not answer, then data that it sends back."""
    c = s.open(ENIP_TALKS, options=b"\x02\x04" + struct.pack(">H", SEGMENT))
    c.put(0, plain(OPEN))
    at = len(plain(OPEN))
    s.need(c.replied(8 * at), "reply")
    for message in messages_:
        c.put(at, message)
        at += len(message)
        s.need(c.replied(8 * at), "reply")
    for conn in (OPENED_AS, 0x20000009):
        c.put(at, w.send_unit(1, conn, 1, READ))


FORGED = forged_reply()


@row("CIP: reply to an open forged inside data that is read", "S1", families=(4,),
     judge=oracle.enip_unopened)
def forged_inside(s):
    forged(s, w.encap(w.NOP, FORGED))


@row("CIP: reply to an open forged at the beginning of the server's segments", "S1",
     families=(4,), judge=oracle.enip_unopened)
def forged_segments(s):
    pad = bytes(len(FORGED) - w.HEADER.size)  # forged replies stand at multiples of their size
    forged(s, w.encap(w.NOP, pad + FORGED * (SEGMENT // len(FORGED))))


LOCAL = w.request(w.WRITE_TAG, w.tag_path("Local"), b"\xc4\0\x01\0\x07\0\0\0")
messages("write that is allowed at the addressed module, by a route to another", "route", *(
    plain(w.unconnected_send(LOCAL, bytes.fromhex(route))) for route in (
        "0100",                                     # port 1, link 0
        "0103", "0f010003",                         # and the same port in its wide form
        "120931302e39312e302e3100",                 # port 2, link "10.91.0.1"
        "01000103",                                 # two hops
        "0103" * 5)))                               # more than are followed
