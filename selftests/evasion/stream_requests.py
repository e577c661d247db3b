# SPDX-License-Identifier: GPL-2.0-only
"""Requests for the stream fuzzer, from dice.

Owns three kinds: twins (an allowed request and a denied one of the same length,
so that either can stand at the same stream offsets), and lone refused ones whose
layers contradict each other.  `readonly` is the policy they are typed for; what is
denied is decided by the oracle, never by this file.
"""
import struct

import enip_wire as w
from kit import adu
from rows_modbus import BODIES

TAG = w.tag_path("Setpoint")
READ_TAG = w.request(w.READ_TAG, TAG, b"\x01\0")
WRITE_TAG = w.request(w.WRITE_TAG, TAG, b"\xc4\0\x01\0\x07\0\0\0")


# -- Modbus -----------------------------------------------------------------

def mb_read(dice):
    body = struct.pack(">HH", dice.randrange(64), 1 + dice.randrange(32))
    tid = dice.getrandbits(16)
    return (adu(bytes([dice.choice((1, 2, 3, 4))]) + body, tid),
            adu(bytes([6]) + body, tid))


def mb_coil(dice):
    tid = dice.getrandbits(16)
    body = struct.pack(">HH", dice.randrange(64), 0xFF00)
    return adu(b"\x01" + body, tid), adu(b"\x05" + body, tid)


def mb_bare(dice):
    tid = dice.getrandbits(16)
    return adu(bytes([dice.choice((7, 11, 12, 17))]), tid), adu(b"\x5a", tid)


def mb_diagnostics(dice):
    tid = dice.getrandbits(16)
    return adu(b"\x08\0\x02\0\0", tid), adu(b"\x08\0\x01\0\0", tid)


def mb_identify(dice):
    tid = dice.getrandbits(16)
    return adu(b"\x2b\x0e\x01\0", tid), adu(b"\x2b\x0d\x01\0", tid)


def mb_files(dice):
    """FC 20 of many records and FC 16 of the same length."""
    records, tid = 2 * dice.randint(1, 17), dice.getrandbits(16)
    words = (7 * records - 4) // 2
    body = b"".join(b"\6" + dice.randbytes(6) for _ in range(records))
    return (adu(bytes([20, 7 * records]) + body, tid),
            adu(struct.pack(">BHHB", 16, 10, words, 2 * words) + bytes(2 * words), tid))


def mb_hiding(dice):
    """FC 20 whose records spell a write at their third byte, for any unit."""
    records, tid = 2 * dice.randint(1, 8), dice.getrandbits(16)
    body = b"".join(b"\6\0" + bytes(5) if n % 2 == 0 else
                    b"\6\1\6" + struct.pack(">HH", dice.randrange(64), 7)
                    for n in range(records))
    words = (7 * records - 4) // 2
    return (adu(bytes([20, 7 * records]) + body, tid),
            adu(struct.pack(">BHHB", 16, 10, words, 2 * words) + bytes(2 * words), tid))


MODBUS_TWINS = (mb_read, mb_read, mb_read, mb_coil, mb_bare, mb_diagnostics, mb_identify,
                mb_files, mb_hiding)


def mb_refused(dice):
    """A message that no device should be given, and often a write behind it."""
    write = adu(struct.pack(">BHH", 6, 10, 7), dice.getrandbits(16))
    function = dice.choice(tuple(BODIES))
    whole = adu(bytes([function]) + bytes.fromhex(BODIES[function]), dice.getrandbits(16))
    kind = dice.randrange(6)
    if kind == 0:
        return whole
    if kind == 1:  # MBAP length over the write
        return resize_adu(whole + write, len(whole + write) - 6)
    if kind == 2:
        return resize_adu(whole, dice.randint(2, max(2, len(whole) - 7))) + write
    if kind == 3:
        return resize_adu(whole, dice.choice((0, 1, 255, 256, 0xFFFF))) + write
    if kind == 4:
        return whole[:2] + dice.choice((b"\0\1", b"\1\0")) + whole[4:] + write
    return adu(bytes([dice.choice((0, 65, 90, 100, 0x80, 0x86))]) + dice.randbytes(
        dice.randint(0, 12))) + write


def resize_adu(message, size):
    return message[:4] + struct.pack(">H", size) + message[6:]


# -- EtherNet/IP ------------------------------------------------------------

def to_id(serial):
    """The T->O id that w.forward_open() asks for; stream_server takes it as the O->T id."""
    return 0x20000000 | serial


def carry(dice):
    """One of the ways to bring a CIP request. dice.serial: of the conversation's open."""
    kind = dice.randrange(4)
    context, session = dice.randbytes(8), dice.randrange(1, 99)
    if kind == 0:
        conn = to_id(getattr(dice, "serial", 0))
        return lambda c: w.send_unit(session, conn, 1, c, context)
    if kind == 1:
        return lambda c: w.send_rr(session, w.unconnected_send(c), context)
    return lambda c: w.send_rr(session, c, context)


def both(dice, good, evil):
    bring = carry(dice)
    return bring(good), bring(evil)


def cip_tags(dice):
    """(read, write) of one tag, same length."""
    tag = w.tag_path(dice.choice(("Run", "Setpoint", "Program:Main.Speed", "A[3]", "x" * 30)))
    return (w.request(w.READ_FRAG, tag, struct.pack("<HI", 1, dice.choice((0, 8)))),
            w.request(w.WRITE_TAG, tag, b"\xc3\0\1\0" + dice.randbytes(2)))


def cip_attributes(dice):
    path = w.path(dice.choice((1, 0x6B, 0x300)), dice.choice((1, 300)), dice.choice((1, 7)))
    return w.request(w.GET_SINGLE, path), w.request(w.SET_SINGLE, path)


def cip_one(dice):
    return dice.choice((cip_tags, cip_tags, cip_attributes))(dice)


def eip_tag(dice):
    return both(dice, *cip_tags(dice))


def eip_attribute(dice):
    return both(dice, *cip_attributes(dice))


def eip_many(dice):
    """A Multiple_Service_Packet; in the twin one member is denied."""
    members = [cip_one(dice) for _ in range(dice.choice((1, 2, 3, 5, 12, 30)))]
    chosen = dice.choice((0, len(members) - 1, dice.randrange(len(members))))
    good = [member[0] for member in members]
    evil = good[:chosen] + [members[chosen][1]] + good[chosen + 1:]
    return both(dice, w.msp(good), w.msp(evil))


def eip_nop(dice):
    """A NOP that carries a write; the twin is a command that nobody knows."""
    inner = w.send_rr(1, WRITE_TAG) * dice.choice((1, 1, 2, 20, 40))
    return w.encap(w.NOP, inner), w.encap(0x72, inner)


def eip_list(dice):
    command = dice.choice((w.LIST_IDENTITY, w.LIST_SERVICES, w.LIST_INTERFACES))
    context = dice.randbytes(8)
    return w.encap(command, b"", 0, context), w.encap(0x72, b"", 0, context)


def eip_open(dice, serial=None):
    serial = dice.getrandbits(16) if serial is None else serial
    large = dice.randrange(2)
    good = w.forward_open(serial, large)
    return (w.send_rr(1, good), w.send_rr(1, good[:-4] + b"\x20\x04\x24\x01"))


ENIP_TWINS = (eip_tag, eip_tag, eip_tag, eip_attribute, eip_many, eip_many, eip_nop, eip_list,
              eip_open)


def eip_refused(dice):
    """Envelopes, wrappers and paths that lie about what they hold."""
    kind = dice.randrange(8)
    read, write = w.send_rr(1, READ_TAG), w.send_rr(1, WRITE_TAG)
    if kind == 0:
        return dice.choice((write, w.send_rr(1, w.request(w.RESET, w.path(1, 1)))))
    if kind == 1:
        size = dice.choice((0, 6, 16, len(read) - 25, len(read + write) - 24))
        return read[:2] + struct.pack("<H", size) + read[4:] + write
    if kind == 2:
        return w.encap(w.SEND_RR, struct.pack("<IH", 0, 0) + w.cpf(
            (w.ITEM_NULL, b""), (w.ITEM_UNCONN_DATA, READ_TAG), (w.ITEM_UNCONN_DATA, WRITE_TAG)))
    if kind in (3, 4):
        return lying_msp(dice)
    if kind == 5:
        size = dice.choice((len(READ_TAG), len(READ_TAG) - 2, len(READ_TAG) + 2, 0, 0xFFFF))
        body = b"\x0a\x05" + struct.pack("<H", size) + READ_TAG + WRITE_TAG + b"\1\0\1\0"
        return w.send_rr(1, w.request(w.UNCONNECTED_SEND, w.MANAGER_PATH, body))
    if kind == 6:
        return w.send_rr(1, w.request(w.GET_SINGLE, w.path(1, 1) + w.path(0x6B, 1, 1)))
    return w.send_rr(1, bytes([w.READ_TAG, dice.choice((0, 1, len(TAG) // 2 + 1))]) + TAG +
                     WRITE_TAG)


def lying_msp(dice):
    """Offsets that leave bytes to nobody, or give them twice."""
    many = 6 + len(READ_TAG)
    offsets, body = dice.choice((
        ([6, 6], READ_TAG + WRITE_TAG), ([6, 8], READ_TAG + WRITE_TAG),
        ([4, 200], READ_TAG), ([many, 6], READ_TAG + WRITE_TAG),
        ([4 + len(WRITE_TAG)], WRITE_TAG + READ_TAG), ([4], READ_TAG + WRITE_TAG),
        ([6, many], READ_TAG + READ_TAG + WRITE_TAG), ([6, many], READ_TAG + WRITE_TAG)))
    table = struct.pack(f"<H{len(offsets)}H", len(offsets), *offsets)
    return w.send_rr(1, w.request(w.MSP, w.ROUTER_PATH, table + body))


TWINS = {"modbus": MODBUS_TWINS, "enip": ENIP_TWINS}
REFUSED = {"modbus": mb_refused, "enip": eip_refused}
