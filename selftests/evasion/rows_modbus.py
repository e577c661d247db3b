# SPDX-License-Identifier: GPL-2.0-only
"""Modbus/TCP messages that a device may frame otherwise than a parser (I4).

Owns no state: each row is one message, or a few, on a fresh connection.
"""
import struct

from kit import adu, read_registers, write_coil, write_register
from scene import LIBMODBUS, row

READ, WRITE, COIL = read_registers(), write_register(), write_coil()
# function code -> a body of the right length
BODIES = {
    1: "00000001", 2: "00000001", 3: "00000001", 4: "00000001", 5: "000aff00", 6: "000a0007",
    7: "", 8: "00020000", 11: "", 12: "", 15: "000a00020103", 16: "000a0001020007", 17: "",
    20: "0706000100000001", 21: "0906000100000001" "1234", 22: "000af0f00101",
    23: "00000001000a0001020007", 24: "0000", 43: "0e0100",
}
FRAMED_BY_LIBMODBUS = (1, 2, 3, 4)


def message(function, extra=b"", length=None):
    pdu = bytes([function]) + bytes.fromhex(BODIES[function]) + extra
    whole = adu(pdu)
    return whole if length is None else whole[:4] + struct.pack(">H", length) + whole[6:]


def smuggle(function, hidden, port):
    def attack(s):
        s.open(port).put(0, message(function, hidden))
    return attack


def smuggle_short(function):
    def attack(s):
        size = len(message(function))
        c = s.open()
        c.put(0, message(function, length=2) + WRITE)
        c = s.open()
        c.put(0, message(function, length=size - 7) + WRITE)
    return attack


for _code in BODIES:
    row(f"MBAP length over a hidden write, function {_code}", "I4", families=(4,))(
        smuggle(_code, WRITE, 502))
    row(f"MBAP length short of the request, function {_code}", "I4", families=(4,))(
        smuggle_short(_code))
for _code in FRAMED_BY_LIBMODBUS:
    row(f"MBAP length over a hidden write, function {_code} (libmodbus)", "I4")(
        smuggle(_code, COIL, LIBMODBUS))


@row("MBAP length 0, 1, 255, 65535", "framing")
def odd_lengths(s):
    for length in (0, 1, 255, 65535):
        c = s.open()
        c.put(0, READ[:4] + struct.pack(">H", length) + WRITE[6:] + WRITE)
        c.put(0, READ + WRITE[:4] + struct.pack(">H", length) + WRITE[6:])


@row("MBAP length up to a denied request's middle", "framing")
def length_into_next(s):
    for extra in range(1, len(WRITE)):
        c = s.open()
        c.put(0, READ[:4] + struct.pack(">H", 6 + extra) + READ[6:] + WRITE)


@row("MBAP with another protocol id", "framing")
def protocol_id(s):
    for number in (1, 0x0100, 0xFFFF):
        s.open().put(0, WRITE[:2] + struct.pack(">H", number) + WRITE[4:])


@row("function codes 0, 128 and above, user-defined", "I4")
def strange_functions(s):
    for function in (0, 0x80, 0x86, 0xFF, 65, 90, 100, 125, 126):
        s.open().put(0, adu(bytes([function]) + b"\0\x0a\0\7"))


@row("sub-functions that control, reset or configure", "policy")
def subfunctions(s):
    for pdu in ("080001ff00", "0800010000", "0800040000", "08000a0000", "0800140000",
                "0800030a00", "2b0d00", "2b0e", "08", "0800", "080000"):
        s.open().put(0, adu(bytes.fromhex(pdu)))


@row("file record requests whose byte count lies", "I4")
def file_records(s):
    one = bytes.fromhex("06000100000001")
    for count, body in ((7, one + one), (14, one), (8, one + b"\6"), (0, one),
                        (7, b"\7" + one[1:]), (6, one[:6]), (255, one)):
        s.open().put(0, adu(bytes([20, count]) + body))


@row("read and write in one function", "policy")
def read_write(s):
    for pdu in ("1700000001000a0001020007", "1700000001000a000000", "16000affff0000"):
        s.open().put(0, adu(bytes.fromhex(pdu)))


@row("writes to unit 0 and 255", "policy")
def units(s):
    for unit in (0, 255):
        s.open().put(0, adu(WRITE[7:], unit=unit))


@row("write whose transaction id looks like a header", "framing")
def transaction(s):
    for tid in (0, 3, 6, 0xFFFF):
        s.open().put(0, READ + write_register(tid=tid) + READ)


@row("diagnostics over a hidden write, every sub-function that is allowed", "I4")
def diagnostics(s):
    for sub in (2, *range(11, 19)):
        s.open().put(0, adu(struct.pack(">BHH", 8, sub, 0) + WRITE))
