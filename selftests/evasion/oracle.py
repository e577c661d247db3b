# SPDX-License-Identifier: GPL-2.0-only
"""The judge: bytes that a server's application read -> the first thing in them
that policy `readonly` denies.

Owns a strict parser of Modbus/TCP and of EtherNet/IP, typed from the protocols
and shared with nothing of keyswitch.  What it cannot account for to the last byte
is denied: a device might read it in another way.  A message that the stream ends
in is no request; its function code, if it came, is still looked at.
"""
import struct

import enip_wire as w

READS = {1, 2, 3, 4, 20, 24}
BARE = {7, 11, 12, 17}
DIAGNOSTICS = {0, 2, *range(11, 19)}
# service -> bytes of its data that are well-formed
CIP_READS = {
    w.GET_ALL: lambda data: not data,
    w.GET_SINGLE: lambda data: not data,
    w.READ_TAG: lambda data: len(data) == 2,
    w.READ_FRAG: lambda data: len(data) == 6,
}
# Forward_Open -> bytes of its data in front of the connection path
OPENS = {w.FORWARD_OPEN: 36, w.LARGE_FORWARD_OPEN: 40}
SESSION = {w.NOP, w.LIST_SERVICES, w.LIST_IDENTITY, w.LIST_INTERFACES, w.REGISTER,
           w.UNREGISTER}


def modbus(data):
    """None, or why the stream holds something denied."""
    while data:
        if len(data) < 8:
            return None
        proto, length, _, function = struct.unpack(">HHBB", data[2:8])
        if proto or not 2 <= length <= 254:
            return f"no Modbus/TCP header: {data[:8].hex()}"
        message, data = data[:6 + length], data[6 + length:]
        why = modbus_function(function)
        if not why and len(message) == 6 + length:
            why = modbus_length(function, message[8:])
        if why:
            return f"{why}: {message.hex()}"
    return None


def modbus_function(function):
    if function in READS | BARE | {8, 43}:
        return None
    return f"function {function}"


def modbus_length(function, body):
    if function in BARE:
        return "length" if body else None
    if function == 8:
        sub = int.from_bytes(body[:2], "big")
        if len(body) < 4 or len(body) > 4 and sub:
            return "length"
        return None if sub in DIAGNOSTICS else f"diagnostics {sub}"
    if function == 43:
        return None if len(body) == 3 and body[0] == 14 else "MEI"
    if function == 24:
        return None if len(body) == 2 else "length"
    if function == 20:
        records = body[1:]
        whole = body and body[0] == len(records) and len(records) % 7 == 0 and records
        return None if whole and set(records[::7]) == {6} else "file records"
    return None if len(body) == 4 else "length"


def modbus_datagram(data):
    if not data:
        return None
    whole = len(data) >= 8 and len(data) == 6 + int.from_bytes(data[4:6], "big")
    return modbus(data) or (None if whole else f"no single message: {data.hex()}")


def enip(data):
    while len(data) >= w.HEADER.size:
        command, length, _, _, _, options = w.HEADER.unpack(data[:24])
        body, data = data[24:24 + length], data[24 + length:]
        if len(body) < length:
            return None if command in SESSION | {w.SEND_RR, w.SEND_UNIT} else "command"
        try:
            enip_message(command, options, body)
        except w.Malformed as why:
            return f"{why}: command {command:#x} {body.hex()}"
    return None


def enip_unopened(data):
    """No connection was opened, so no connected message has any business there."""
    while len(data) >= w.HEADER.size:
        command, length = struct.unpack("<HH", data[:4])
        if command == w.SEND_UNIT:
            return f"a connected message: {data[24:24 + length].hex()}"
        data = data[24 + length:]
    return None


def enip_datagram(data):
    """Over UDP only discovery is a command."""
    command = int.from_bytes(data[:2], "little")
    known = command in (w.LIST_SERVICES, w.LIST_IDENTITY, w.LIST_INTERFACES)
    return None if known and len(data) == w.HEADER.size else f"command {command:#x} over UDP"


def io(data):
    return f"implicit I/O: {data.hex()}"


def enip_message(command, options, body):
    if options:
        raise w.Malformed("options")
    if command in SESSION:
        want = {w.REGISTER: 4, w.NOP: len(body)}.get(command, 0)
        if len(body) != want:
            raise w.Malformed("length of command")
        return
    if command not in (w.SEND_RR, w.SEND_UNIT):
        raise w.Malformed("command")
    # libplctag puts part of an item where the interface handle (0) stands: it may hold
    # anything, and what follows is judged as CIP whatever it says
    kind, address, data_kind, cip = w.read_cpf(bytes(4) + body[4:])
    connected = command == w.SEND_UNIT
    if (kind, data_kind) != ((w.ITEM_CONNECTED, w.ITEM_CONN_DATA) if connected else
                             (w.ITEM_NULL, w.ITEM_UNCONN_DATA)):
        raise w.Malformed("items")
    if len(address) != 4 * connected:
        raise w.Malformed("address item")
    cip_request(cip[2:] if connected else cip, 0)


def vendor(number):
    return 0x64 <= number <= 0xC7 or 0x300 <= number <= 0xFFFF


def cip_request(cip, depth):
    service, path, data = w.read_request(cip)
    if service == w.UNCONNECTED_SEND and path == {"class": w.CONNECTION_MANAGER,
                                                  "instance": 1}:
        if depth:
            raise w.Malformed("nesting")
        return cip_request(embedded(data), 1)
    if service == w.MSP and path == {"class": w.MESSAGE_ROUTER, "instance": 1}:
        if depth > 1:
            raise w.Malformed("nesting")
        for member in w.read_members(data):
            cip_request(member, 2)
        return None
    if service in OPENS and path.get("class") == w.CONNECTION_MANAGER and "tag" not in path:
        return session(data, OPENS[service])
    if service not in CIP_READS:
        raise w.Malformed(f"service {service:#x}")
    if service in (0x01, 0x0E) and vendor(path.get("class", 0)):
        return None  # vendor classes give even common reads data of their own
    if not CIP_READS[service](data):
        raise w.Malformed(f"length of service {service:#x}")
    if service in (w.READ_TAG, w.READ_FRAG) and "tag" not in path:
        raise w.Malformed(f"service {service:#x} on an object")
    return None


def embedded(data):
    r = w.Reader(data)
    r.take(2)
    length = r.u16()
    cip = r.take(length)
    r.take(length & 1)
    words = r.u8()
    if r.u8():
        raise w.Malformed("reserved byte of the route")
    r.take(2 * words)
    r.done()
    return cip


def session(data, fixed):
    """A connection for explicit messages to the Message Router, and no other."""
    if len(data) != fixed + len(w.ROUTER_PATH) or data[fixed:] != w.ROUTER_PATH or \
            data[fixed - 1] != len(w.ROUTER_PATH) // 2 or data[fixed - 2] & 15 not in (2, 3):
        raise w.Malformed("connection that is no session with the Message Router")
