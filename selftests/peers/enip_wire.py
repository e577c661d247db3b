# SPDX-License-Identifier: GPL-2.0-only
"""EtherNet/IP on the wire: builders and strict readers for the test peers.

Owns the byte layouts (encapsulation, CPF, EPATH) and nothing else: no socket,
no state.  A reader raises Malformed on every byte that it cannot account for;
it must not guess.
"""
import struct

NOP, LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES = 0x00, 0x04, 0x63, 0x64
REGISTER, UNREGISTER, SEND_RR, SEND_UNIT = 0x65, 0x66, 0x6F, 0x70
GET_ALL, GET_LIST, SET_SINGLE, GET_SINGLE = 0x01, 0x03, 0x10, 0x0E
RESET, MSP = 0x05, 0x0A
READ_TAG, WRITE_TAG, RMW_TAG = 0x4C, 0x4D, 0x4E
READ_FRAG, WRITE_FRAG, GET_INSTANCES = 0x52, 0x53, 0x55
UNCONNECTED_SEND, FORWARD_OPEN, LARGE_FORWARD_OPEN, FORWARD_CLOSE = 0x52, 0x54, 0x5B, 0x4E
MESSAGE_ROUTER, CONNECTION_MANAGER, SYMBOL = 0x02, 0x06, 0x6B
ROUTER_PATH = b"\x20\x02\x24\x01"
MANAGER_PATH = b"\x20\x06\x24\x01"
ITEM_NULL, ITEM_CONNECTED, ITEM_CONN_DATA, ITEM_UNCONN_DATA = 0x0000, 0x00A1, 0x00B1, 0x00B2
HEADER = struct.Struct("<HHII8sI")


class Malformed(Exception):
    pass


class Reader:
    """Takes bytes from the front; running short is Malformed."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        if n > len(self.data):
            raise Malformed(f"want {n} bytes, have {len(self.data)}")
        out, self.data = self.data[:n], self.data[n:]
        return out

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "little")

    def u32(self):
        return int.from_bytes(self.take(4), "little")

    def rest(self):
        return self.take(len(self.data))

    def done(self):
        if self.data:
            raise Malformed(f"{len(self.data)} bytes too many")


def encap(command, data=b"", session=0, context=b"\0" * 8, status=0):
    return HEADER.pack(command, len(data), session, status, context, 0) + data


def cpf(*items):
    return struct.pack("<H", len(items)) + b"".join(
        struct.pack("<HH", kind, len(data)) + data for kind, data in items)


def send_rr(session, cip, context=b"\0" * 8):
    body = struct.pack("<IH", 0, 10) + cpf((ITEM_NULL, b""), (ITEM_UNCONN_DATA, cip))
    return encap(SEND_RR, body, session, context)


def send_unit(session, conn_id, seq, cip, context=b"\0" * 8):
    body = struct.pack("<IH", 0, 0) + cpf(
        (ITEM_CONNECTED, struct.pack("<I", conn_id)),
        (ITEM_CONN_DATA, struct.pack("<H", seq) + cip))
    return encap(SEND_UNIT, body, session, context)


def read_cpf(data):
    """(address type, address, data type, data) of a command's CPF part."""
    r = Reader(data)
    if r.u32() != 0:
        raise Malformed("interface handle")
    r.u16()
    count = r.u16()
    if not 2 <= count <= 4:
        raise Malformed(f"{count} items")
    items = []
    for _ in range(count):
        kind, length = r.u16(), r.u16()
        items.append((kind, r.take(length)))
    r.done()
    if any(kind not in (0x8000, 0x8001) for kind, _ in items[2:]):
        raise Malformed("third item")
    return (*items[0], *items[1])


def _segment(kind, number):
    if number < 0x100:
        return bytes([kind, number])
    if number < 0x10000:
        return struct.pack("<BBH", kind | 1, 0, number)
    return struct.pack("<BBI", kind | 2, 0, number)


def path(cls, instance=None, attribute=None):
    out = _segment(0x20, cls)
    if instance is not None:
        out += _segment(0x24, instance)
    if attribute is not None:
        out += _segment(0x30, attribute)
    return out


def tag_path(name):
    out = b""
    for member in name.split("."):
        symbol, *indices = member.replace("]", "").split("[")
        raw = symbol.encode()
        out += bytes([0x91, len(raw)]) + raw + b"\0" * (len(raw) % 2)
        for index in indices:
            out += _segment(0x28, int(index))
    return out


def request(service, epath, data=b""):
    return bytes([service, len(epath) // 2]) + epath + data


def unconnected_send(cip, route=b"\x01\x00"):
    data = b"\x0a\x05" + struct.pack("<H", len(cip)) + cip + b"\0" * (len(cip) % 2)
    return request(UNCONNECTED_SEND, MANAGER_PATH,
                   data + bytes([len(route) // 2, 0]) + route)


def msp(members):
    offset = 2 + 2 * len(members)
    table, body = struct.pack("<H", len(members)), b""
    for member in members:
        table += struct.pack("<H", offset + len(body))
        body += member
    return request(MSP, ROUTER_PATH, table + body)


def read_members(data):
    """The members of a Multiple_Service_Packet."""
    r = Reader(data)
    count = r.u16()
    offsets = [r.u16() for _ in range(count)]
    ends = offsets[1:] + [len(data)]
    if not count or offsets[0] != 2 + 2 * count:
        raise Malformed("first offset")
    if any(end - start < 2 for start, end in zip(offsets, ends)):
        raise Malformed("offsets")
    return [data[start:end] for start, end in zip(offsets, ends)]


def forward_open(serial, large=False, transport=0xA3, target=ROUTER_PATH, rpi=2000000,
                 size=None):
    """size: of fixed O->T and T->O data; else as large as explicit connections are."""
    params = struct.pack("<I", 0x42000FA2) if large else struct.pack("<H", 0x43F4)
    if size is not None:
        params = struct.pack("<H", 0x4000 | size)
    body = b"\x0a\x05" + struct.pack("<II", 0, 0x20000000 | serial)
    body += struct.pack("<HHI", serial, 0x1337, 42) + b"\x03\0\0\0"
    for _ in range(2):
        body += struct.pack("<I", rpi) + params
    body += bytes([transport, len(target) // 2]) + target
    return request(LARGE_FORWARD_OPEN if large else FORWARD_OPEN, MANAGER_PATH, body)


def cyclic(conn_id, sequence, data):
    """An O->T datagram of implicit I/O, class 1: data begins with its sequence count."""
    return struct.pack("<HHHIIHH", 2, 0x8002, 8, conn_id, sequence, 0xB1, len(data)) + data


def forward_close(serial, target=ROUTER_PATH):
    body = b"\x0a\x05" + struct.pack("<HHI", serial, 0x1337, 42)
    return request(FORWARD_CLOSE, MANAGER_PATH,
                   body + bytes([len(target) // 2, 0]) + target)


def read_request(data):
    """(service, path fields, data behind the path) of a Message Router request."""
    r = Reader(data)
    service = r.u8()
    if service & 0x80:
        raise Malformed("reply bit")
    epath = r.take(2 * r.u8())
    return service, read_path(epath), r.rest()


def read_path(epath):
    """{class, instance, attribute, member} or {tag}, each at most once."""
    r, out, tag = Reader(epath), {}, ""
    while r.data:
        kind = r.u8()
        if kind == 0x91:
            length = r.u8()
            name = r.take(length).decode("latin-1")
            r.take(length % 2)
            tag += ("." if tag else "") + name
            continue
        number = _number(r, kind)
        if kind & 0xFC == 0x28:
            if tag:
                tag += f"[{number}]"
            else:
                _once(out, "member", number)
        else:
            names = {0x20: "class", 0x24: "instance", 0x2C: "point", 0x30: "attribute"}
            if kind & 0xFC not in names:
                raise Malformed(f"segment {kind:#x}")
            _once(out, names[kind & 0xFC], number)
    if tag:
        out["tag"] = tag
    return out


def _once(out, name, number):
    if name in out:
        raise Malformed(f"second {name}")
    out[name] = number


def _number(r, kind):
    width = kind & 3
    if width == 0:
        return r.u8()
    if width == 3:
        raise Malformed(f"segment {kind:#x}")
    r.take(1)
    return r.u16() if width == 1 else r.u32()
