# SPDX-License-Identifier: GPL-2.0-only
"""Bytes of the vectors: frames from Ethernet up, Modbus and CIP messages.

Written from the protocols' own documents, with nothing taken from keyswitch.
Every header field can be bent by name; it must not judge anything.
"""
import ipaddress
import struct

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
FLAGS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, "A": ACK, "U": URG, "E": ECE, "C": CWR}
CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
TS = bytes.fromhex("0101080a0000000100000002")
MD5 = bytes.fromhex("1312") + bytes(16) + b"\1\1"
AO = bytes.fromhex("1d0401020101") + b"\1\1"
MPTCP = bytes.fromhex("1e0c0001") + bytes(range(8))
MSS = bytes.fromhex("020405b4")
NOP12 = b"\1" * 12


def hexed(text):
    return bytes.fromhex(text)


# ---- headers ----

def csum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def l4_csum(src, dst, proto, segment):
    size = struct.pack(">HH", 0, len(segment)) if len(src) == 16 else struct.pack(">H", len(segment))
    middle = size + b"\0\0\0" + bytes([proto]) if len(src) == 16 else b"\0" + bytes([proto]) + size
    return csum(src + dst + middle + segment)


def tcp(src, dst, sport, dport, seq, ack, flags, payload=b"", opt=b"", doff=None, urg=0,
        badsum=False, win=8192, alike=False):
    """alike: the window is such that the right checksum looks like one that the sender's
    host left to its NIC, the sum of the pseudo header."""
    opt += b"\0" * (-len(opt) % 4)
    doff = 5 + len(opt) // 4 if doff is None else doff
    head = struct.pack(">HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff,
                       doff << 4, flags, win, 0, urg)
    segment = bytearray(head + opt + payload)
    if alike:
        segment[14:16] = bytes(2)
        pseudo = l4_csum(src, dst, 6, b"") ^ 0xffff  # of length 0: the length is a word of it
        pseudo = (pseudo + len(segment)) % 0xffff
        want = (0xffff - pseudo) - (l4_csum(src, dst, 6, bytes(segment)) ^ 0xffff)
        segment[14:16] = struct.pack(">H", want % 0xffff)
    total = l4_csum(src, dst, 6, bytes(segment))
    assert not alike or total == pseudo
    segment[16:18] = struct.pack(">H", total ^ 0x5555 if badsum else total)
    return bytes(segment)


def udp(src, dst, sport, dport, payload=b"", ulen=0):
    segment = bytearray(struct.pack(">HHHH", sport, dport, 8 + len(payload) + ulen, 0) + payload)
    segment[6:8] = struct.pack(">H", l4_csum(src, dst, 17, bytes(segment)))
    return bytes(segment)


def ip4(src, dst, proto, body, ipopt=b"", frag=(0, 0), iplen=0, ver=4, ihl=None, hops=64):
    ihl = 5 + len(ipopt) // 4 if ihl is None else ihl
    more, offset = frag
    head = bytearray(struct.pack(">BBHHHBBH4s4s", ver << 4 | ihl, 0, 20 + len(ipopt) + len(body) +
                                 iplen, 7, more << 13 | offset, hops, proto, 0, src, dst) + ipopt)
    head[10:12] = struct.pack(">H", csum(bytes(head)))
    return bytes(head) + body


def ip6(src, dst, proto, body, ext=(), iplen=0, ver=6, frag=None, hops=64):
    """ext: (its number, bytes behind its next-header byte) in wire order."""
    if frag:
        ext = (*ext, (44, struct.pack(">BHI", 0, frag[1] << 3 | frag[0], 7)))
    chain = [number for number, _ in ext] + [proto]
    extra = b"".join(bytes([chain[i + 1]]) + rest for i, (_, rest) in enumerate(ext))
    return struct.pack(">IHBB16s16s", ver << 28, len(extra) + len(body) + iplen, chain[0], hops,
                       src, dst) + extra + body


def ethernet(from_client, body, ethertype, vlan=()):
    macs = SERVER_MAC + CLIENT_MAC if from_client else CLIENT_MAC + SERVER_MAC
    tags = b"".join(struct.pack(">HH", tpid, vid) for tpid, vid in
                    (v if isinstance(v, tuple) else (0x8100, v) for v in vlan))
    return macs + tags + struct.pack(">H", ethertype) + body


def packed(address):
    return ipaddress.ip_address(address).packed


IP_WORDS = {"ipopt", "frag", "iplen", "ver", "ihl", "ext", "hops"}
OUTER_WORDS = {"vlan", "ethertype", "pad", "cut", "smac"}


def frame(from_client, src, dst, proto, body, words):
    """words: what is bent, see IP_WORDS and OUTER_WORDS."""
    src, dst = packed(src), packed(dst)
    make, ethertype = (ip6, 0x86dd) if len(src) == 16 else (ip4, 0x0800)
    packet = make(src, dst, proto, body, **{k: v for k, v in words.items() if k in IP_WORDS})
    out = ethernet(from_client, packet, words.get("ethertype", ethertype), words.get("vlan", ()))
    if "smac" in words:  # its last byte
        out = out[:6] + b"\2\0\0\0\0" + bytes([words["smac"]]) + out[12:]
    out += b"\xee" * words.get("pad", 0)
    return out[:len(out) - words.get("cut", 0)]


# ---- what came out ----

def parse(data, ethertypes=(0x8100, 0x88a8, 0x9100)):
    """Offsets and fields of an IP/TCP frame, checksums verified."""
    at, kind = 14, int.from_bytes(data[12:14], "big")
    while kind in ethertypes:
        kind, at = int.from_bytes(data[at + 2:at + 4], "big"), at + 4
    if kind == 0x0800:
        assert csum(data[at:at + 20]) == 0, "IP checksum wrong"
        end, l4, src, dst = at + int.from_bytes(data[at + 2:at + 4], "big"), at + 20, \
            data[at + 12:at + 16], data[at + 16:at + 20]
    else:
        end, l4, src, dst = at + 40 + int.from_bytes(data[at + 4:at + 6], "big"), at + 40, \
            data[at + 8:at + 24], data[at + 24:at + 40]
    assert l4_csum(src, dst, 6, data[l4:end]) == 0, "TCP checksum wrong"
    pay = l4 + (data[l4 + 12] >> 4) * 4
    seq, ack = struct.unpack(">II", data[l4 + 4:l4 + 12])
    return {"options": data[l4 + 20:pay], "payload": data[pay:end], "flags": data[l4 + 13],
            "rest": data[end:], "ports": data[l4:l4 + 4], "seq": seq, "ack": ack,
            "win": int.from_bytes(data[l4 + 14:l4 + 16], "big"), "macs": data[:12],
            "addresses": (src, dst)}


# ---- Modbus ----

def adu(pdu, unit=1, tid=1, proto=0, length=None):
    return struct.pack(">HHHB", tid, proto, len(pdu) + 1 if length is None else length, unit) + pdu


def mb(fc, *words, unit=1, tail=b"", tid=1):
    return adu(struct.pack(f">B{len(words)}H", fc, *words) + tail, unit, tid)


def read(address=0, quantity=1, fc=3, **kw):
    return mb(fc, address, quantity, **kw)


def write(address=100, value=7, fc=6, **kw):
    return mb(fc, address, value, **kw)


def write_many(address, *values, **kw):
    tail = struct.pack(f">B{len(values)}H", 2 * len(values), *values)
    return mb(16, address, len(values), tail=tail, **kw)


def write_coils(address, bits, **kw):
    """bits: a string of 0 and 1, the first coil first."""
    data = bytearray((len(bits) + 7) // 8)
    for i, bit in enumerate(bits):
        data[i // 8] |= int(bit) << i % 8
    return mb(15, address, len(bits), tail=bytes([len(data)]) + bytes(data), **kw)


def real(value, low_first=False):
    """The two registers of a float32."""
    pair = struct.unpack(">HH", struct.pack(">f", value))
    return pair[::-1] if low_first else pair


def read_write(address, quantity, waddress, *values, **kw):
    tail = struct.pack(f">B{len(values)}H", 2 * len(values), *values)
    return mb(23, address, quantity, waddress, len(values), tail=tail, **kw)


def umas(sub, data=b"", key=0, **kw):
    return mb(90, tail=bytes([key, sub]) + data, **kw)


def signed(sub, data=b"", key=0, fc=90, **kw):
    """A UMAS request behind a signature of 32 bytes, and once more."""
    return umas(0x38, b"\1" + bytes(range(32)) + bytes([fc, key, sub]) + data, **kw)


def block(first, end):
    """SACK option of one block, as it stands in an answer."""
    return b"\x01\x01\x05\x0a" + struct.pack(">II", first, end)


def reply(n=10):
    return adu(b"\3" + bytes([n]) + bytes(n))


# ---- EtherNet/IP ----

def enip(command, data=b"", session=1, options=0, length=None):
    return struct.pack("<HHII8sI", command, len(data) if length is None else length, session, 0,
                       b"_vector_", options) + data


def items(*pairs, count=None):
    return struct.pack("<IHH", 0, 10, len(pairs) if count is None else count) + b"".join(
        struct.pack("<HH", kind, len(data)) + data for kind, data in pairs)


def register():
    return enip(0x65, b"\1\0\0\0", session=0)


def rr(request, **kw):
    return enip(0x6f, items((0, b""), (0xb2, request)), **kw)


def unit_data(request, conn=0x11223344, sequence=1):
    return enip(0x70, items((0xa1, struct.pack("<I", conn)),
                            (0xb1, struct.pack("<H", sequence) + request)))


def segment(kind, number, size=None):
    """8, 16 or 32 bit logical segment."""
    size = size or (8 if number < 0x100 else 16 if number < 0x10000 else 32)
    return {8: lambda: struct.pack("<BB", kind, number),
            16: lambda: struct.pack("<BBH", kind | 1, 0, number),
            32: lambda: struct.pack("<BBI", kind | 2, 0, number)}[size]()


def cls(number, size=None):
    return segment(0x20, number, size)


def inst(number, size=None):
    return segment(0x24, number, size)


def attr(number, size=None):
    return segment(0x30, number, size)


def member(number, size=None):
    return segment(0x28, number, size)


def sym(name):
    name = name.encode() if isinstance(name, str) else name
    return b"\x91" + bytes([len(name)]) + name + b"\0" * (len(name) & 1)


def req(service, path, data=b"", words=None):
    return bytes([service, len(path) // 2 if words is None else words]) + path + data


def read_tag(name, count=1):
    return req(0x4c, sym(name), struct.pack("<H", count))


def write_tag(name, value=7):
    return req(0x4d, sym(name), struct.pack("<HHI", 0xc4, 1, value))


def elements(service, name, *index, count=1, more="", kind=0xc4):
    """A tag service on so many elements from name[index]... (.more) on, of DINT or of a
    structure (0x2a0)."""
    path = sym(name) + b"".join(member(i) for i in index) + (sym(more) if more else b"")
    data = struct.pack("<H", count)
    if service in (0x4d, 0x53):
        data = struct.pack("<H", kind) + (b"\x34\x12" if kind == 0x2a0 else b"") + data
    if service in (0x52, 0x53):
        data += bytes(4)
    return req(service, path, data + bytes(4 * count if service in (0x4d, 0x53) else 0))


def get_attribute(c=1, i=1, a=1):
    return req(0x0e, cls(c) + inst(i) + attr(a))


def set_attribute(c=4, i=1, a=3, data=b"\1"):
    return req(0x10, cls(c) + inst(i) + attr(a), data)


def hop(port, link, wide=False):
    """Port segment; link: a number, or the text of an extended link address."""
    text = link.encode() if isinstance(link, str) else b""
    wide = wide or port > 14
    head = bytes([(15 if wide else port) | (0x10 if text else 0)]) + bytes([len(text)] if text else [])
    head += (struct.pack("<H", port) if wide else b"") + (text or bytes([link]))
    return head + b"\0" * (len(head) & 1)


def routed(request, route=b"\1\0", path=None, reserved=0, length=None):
    pad = b"\0" * (len(request) & 1)
    return req(0x52, path or cls(6) + inst(1), struct.pack(
        "<BBH", 10, 5, len(request) if length is None else length) + request + pad +
        struct.pack("<BB", len(route) // 2, reserved) + route)


def msp(*requests, count=None, offsets=None, path=None):
    n = len(requests)
    starts, at = [], 2 + 2 * n
    for r in requests:
        starts.append(at)
        at += len(r)
    table = struct.pack("<H", n if count is None else count) + struct.pack(
        f"<{n}H", *(offsets or starts))
    return req(0x0a, path or cls(2) + inst(1), table + b"".join(requests))


def forward_open(path=None, transport=0xa3, service=0x54, words=None, to=0x1234, serial=1,
                 size=500, rpi=2000000,
                 variable=False):
    """Large (0x5b) has 32-bit parameters."""
    path = cls(2) + inst(1) if path is None else path
    large = service == 0x5b
    params = struct.pack("<I", 0x40000000 | variable << 25 | size) if large else \
        struct.pack("<H", 0x4000 | variable << 9 | size)
    data = struct.pack("<BBIIHHIB3xI", 10, 14, 0, to, serial, 2, 3, 1, rpi) + params + \
        struct.pack("<I", rpi) + params + bytes([transport])
    return req(service, cls(6) + inst(1), data + bytes(
        [len(path) // 2 if words is None else words]) + path)


def opened(conn=0x11223344, to=0x1234, serial=1, service=0xd4, status=0, extra=b""):
    """The target's reply to a Forward_Open."""
    return rr(bytes([service, 0, status, 0]) + struct.pack(
        "<IIHHIIIBB", conn, to, serial, 2, 3, 2000000, 2000000, 0, 0) + extra)


def forward_close(serial=1):
    return req(0x4e, cls(6) + inst(1), struct.pack("<BBHHIBB", 10, 14, serial, 2, 3, 2, 0) +
               cls(2) + inst(1))


def closed(serial=1, status=0):
    return rr(bytes([0xce, 0, status, 0]) + struct.pack("<HHIBB", serial, 2, 3, 0, 0))


def answer(service=0x4c, data=b"\xc4\0\7\0\0\0"):
    """A reply to an unconnected request."""
    return rr(bytes([service | 0x80, 0, 0, 0]) + data)


ASSEMBLY = cls(4) + inst(0x66) + segment(0x2c, 0x65) + segment(0x2c, 0x64)


def cyclic(conn=0x11223344, sequence=1, data=bytes(38), count=2, length=None):
    """An O->T datagram of implicit I/O."""
    return struct.pack("<HHHIIHH", count, 0x8002, 8, conn, sequence, 0xb1,
                       len(data) if length is None else length) + data


# ---- PCCC, Modbus inside CIP ----

def pccc(cmd, data=b"", sts=0, tns=1, who=hexed("074d0012345678")):
    """Execute_PCCC around one command; data begins with the function, if it has one."""
    return req(0x4b, cls(0x67) + inst(1), who + struct.pack("<BBH", cmd, sts, tns) + data)


def number(n):
    return bytes([n]) if n < 0xff else struct.pack("<BH", 0xff, n)


def slc(fnc, file, element, sub=0, kind=0x89, size=2, data=None):
    """A typed logical command; writes carry `size` bytes unless told otherwise."""
    values = {0xa9: size, 0xaa: size, 0xab: size + 2}.get(fnc, 0)
    return pccc(0x0f, bytes([fnc, size]) + number(file) + bytes([kind]) + number(element) +
                (b"" if fnc in (0xa1, 0xa9) else number(sub)) +
                (bytes(values) if data is None else data))


def plc5(fnc, file, element, sub=None, words=1, offset=0, total=None, data=None):
    """Word range write and read (0, 1), typed write and read (0x67, 0x68)."""
    level = bytes([6]) + number(file) + number(element) if sub is None else \
        bytes([14]) + number(file) + number(element) + number(sub)
    rest = {0: bytes(2 * words), 1: bytes([2 * words]), 0x67: b"\x42" + bytes(2 * words),
            0x68: struct.pack("<H", words)}[fnc]
    return pccc(0x0f, struct.pack("<BHH", fnc, offset, words if total is None else total) + level +
                (rest if data is None else data))


def mb_object(service, address=None, quantity=1, data=b"", path=None):
    """A request to class 0x44; without an address, data alone."""
    span = b"" if address is None else struct.pack("<HH", address, quantity)
    return req(service, path or cls(0x44) + inst(1), span + data)
