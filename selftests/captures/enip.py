# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of EtherNet/IP messages: envelopes, paths, wrappers.

Owns the walk from the encapsulation header to each CIP request: CPF items,
Unconnected_Send, Multiple_Service_Packet, EPATH, exact data lengths of the
services that readonly lets through. What Execute_PCCC carries is in pccc.py. Pure: bytes in, records out. Which group a
(service, class) pair belongs to is in cipgroups.py.
"""
import struct

import pccc
from cipgroups import cip_group

HEADER = 24
NOP, LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES = 0x00, 0x04, 0x63, 0x64
REGISTER, UNREGISTER, SEND_RR, SEND_UNIT = 0x65, 0x66, 0x6f, 0x70
COMMAND_GROUPS = {
    NOP: 'session', REGISTER: 'session', UNREGISTER: 'session',
    LIST_SERVICES: 'discovery', LIST_IDENTITY: 'discovery',
    LIST_INTERFACES: 'discovery',
}
DATA_LENGTHS = {LIST_SERVICES: 0, LIST_IDENTITY: 0, LIST_INTERFACES: 0,
                REGISTER: 4, UNREGISTER: 0}
KNOWN = set(COMMAND_GROUPS) | {SEND_RR, SEND_UNIT}
LEGACY = {0x01, 0x72, 0x73, 0xc8}
UDP_COMMANDS = {LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES}

ITEM_NULL, ITEM_CONNECTED, ITEM_DATA_C, ITEM_DATA_U = 0x00, 0xa1, 0xb1, 0xb2
ITEM_SOCKADDR = (0x8000, 0x8001)
MSP, UNCONNECTED_SEND, FORWARD_OPEN, LARGE_OPEN = 0x0a, 0x52, 0x54, 0x5b
FORWARD_CLOSE = 0x4e
ROUTER, MANAGER = 0x02, 0x06


class Malformed(Exception):
    """The bytes contradict themselves; the reason is for people."""


def u16(data, at):
    """Little-endian 16 bits, or Malformed beyond the end."""
    if at + 2 > len(data):
        raise Malformed('cut')
    return struct.unpack_from('<H', data, at)[0]


def message_length(data):
    """Length of the message at the start of data; None: header incomplete."""
    if len(data) >= 2 and u16(data, 0) not in KNOWN | LEGACY:
        raise ValueError('command 0x%04x' % u16(data, 0))
    return HEADER + u16(data, 2) if len(data) >= HEADER else None


# ---- EPATH ----

LOGICAL = {0x20: 'class', 0x24: 'instance', 0x28: 'member',
           0x2c: 'connection_point', 0x30: 'attribute'}
ORDER = ['class', 'instance', 'attribute']


def logical_segment(path, at):
    """(name, value, length) of one logical segment."""
    form = path[at] & 3
    name = LOGICAL.get(path[at] & 0xfc)
    if name is None or form == 3:
        raise Malformed('segment 0x%02x' % path[at])
    length = (2, 4, 6)[form]
    if at + length > len(path):
        raise Malformed('segment cut')
    if form and path[at + 1] != 0:
        raise Malformed('pad byte')
    value = path[at + 1] if form == 0 else \
        int.from_bytes(path[at + 2:at + length], 'little')
    return name, value, length


def symbol_segment(path, at):
    """(text, length) of an ANSI extended symbol."""
    if at + 2 > len(path):
        raise Malformed('symbol cut')
    size = path[at + 1]
    length = 2 + size + (size & 1)
    if size == 0 or at + length > len(path):
        raise Malformed('symbol cut')
    if size & 1 and path[at + length - 1] != 0:
        raise Malformed('symbol pad')
    return path[at + 2:at + 2 + size].decode('latin-1'), length


def request_path(path):
    """A request path as {'tag'} or {'class','instance','attribute'}."""
    found, tag, at = {}, '', 0
    while at < len(path):
        if path[at] == 0x91:
            text, length = symbol_segment(path, at)
            if found:
                raise Malformed('mixed path')
            tag += ('.' if tag else '') + text
        else:
            name, value, length = logical_segment(path, at)
            if name == 'member' and tag:
                tag += '[%d]' % value
            elif tag or name not in ORDER or name in found or \
                    any(n in found for n in ORDER[ORDER.index(name):]):
                raise Malformed('ambiguous path at %s' % name)
            else:
                found[name] = value
        at += length
    return {'tag': tag} if tag else found


# ---- services whose data must have one exact length ----

def opens_router(data, large):
    """Does a Forward_Open's connection path lead to the Message Router?"""
    at = 39 if large else 35
    if len(data) <= at or at + 1 + 2 * data[at] != len(data):
        raise Malformed('connection path length')
    if data[at - 1] & 0x0f not in (2, 3):
        return False
    path, at = data[at + 1:], 0
    while at < len(path) and path[at] & 0xe0 == 0:
        at += port_length(path, at)
    if path[at:at + 2] == b'\x34\x04':
        at += 10
    return path[at:] in (b'\x20\x02\x24\x01',
                         b'\x21\0\x02\0\x24\x01', b'\x21\0\x02\0\x25\0\x01\0')


def port_length(path, at):
    """Length of a port segment, padded to even."""
    length = 2 if path[at] & 0x10 == 0 else 0
    if path[at] & 0x0f == 15:
        length += 2
    if path[at] & 0x10:
        if at + 2 > len(path):
            raise Malformed('port segment cut')
        length += 2 + path[at + 1]
    return length + (length & 1)


def data_length(leaf, data):
    """The exact length of a known service's data; None: nothing known."""
    service, target = leaf['service'], leaf.get('class')
    named = 'tag' in leaf or target == 0x6b
    if service in (0x01, 0x0e):
        return 0
    if service in (0x03, 0x55):
        if service == 0x55 and not named:
            return None
        return 2 + 2 * u16(data, 0)
    if service == 0x4c and named:
        return 2
    if service == 0x52 and named:
        return 6
    if service == 0x4c and target == 0x6c:
        return 6
    if service == FORWARD_CLOSE and target == MANAGER:
        if len(data) < 12:
            raise Malformed('Forward_Close cut')
        return 12 + 2 * data[10]
    return None


def vendor_class(target):
    """CIP Vol 1, 5-1: 0x64..0xC7 and 0x300..0x4FF are vendor specific."""
    return target is not None and (0x64 <= target <= 0xc7 or 0x300 <= target <= 0x4ff)


def judge_leaf(leaf, data, tail_allowed):
    """Adds group or the reason why the request is malformed."""
    service, target = leaf['service'], leaf.get('class')
    leaf['data'] = len(data)
    if service in (FORWARD_OPEN, LARGE_OPEN) and target == MANAGER:
        large = service == LARGE_OPEN
        leaf['group'] = 'session' if opens_router(data, large) else 'io'
        return
    leaf['group'] = cip_group(service, target, 'tag' in leaf)
    if (service, target) == (0x4b, 0x67):
        try:
            leaf.update(pccc.decode(data))
        except ValueError as problem:
            raise Malformed(str(problem)) from problem
        return
    length = data_length(leaf, data)
    if length is None or len(data) == length:
        return
    if service in (0x01, 0x0e) and vendor_class(target):
        return  # the vendor says what its own objects read, data included
    if tail_allowed and data[length:] == b'\0\0':
        return
    raise Malformed('data length %d, not %d' % (len(data), length))


# ---- requests and wrappers ----

def split_request(data):
    """(service, path bytes, data) of one Message Router request."""
    if len(data) < 2 or 2 + 2 * data[1] > len(data):
        raise Malformed('request cut')
    if data[0] & 0x80:
        raise Malformed('reply bit')
    end = 2 + 2 * data[1]
    return data[0], data[2:end], data[end:]


def is_target(where, target):
    """Is this path the object's first instance, as the wrappers want it?"""
    return where == {'class': target, 'instance': 1}


def embedded_request(data):
    """The request inside Unconnected_Send, its envelope checked to the end."""
    length = u16(data, 2)
    end = 4 + length + (length & 1)
    if length == 0 or end + 2 > len(data):
        raise Malformed('embedded length')
    if end + 2 + 2 * data[end] != len(data):
        raise Malformed('route path length')
    return data[4:4 + length]


def members(data):
    """The requests of a Multiple_Service_Packet."""
    count = u16(data, 0)
    starts = [u16(data, 2 + 2 * i) for i in range(count)]
    ends = starts[1:] + [len(data)]
    if not count or starts[0] != 2 + 2 * count:
        raise Malformed('member offsets')
    if any(start >= end for start, end in zip(starts, ends)):
        raise Malformed('member offsets')
    return [data[start:end] for start, end in zip(starts, ends)]


def decode_request(data, wrapping, command):
    """Leaves of one request. wrapping: () at the top, else outer services."""
    leaf = {'proto': 'enip', 'command': command}
    try:
        service, path, rest = split_request(data)
        leaf['service'] = service
        where = request_path(path)
        leaf.update(where)
        if service == UNCONNECTED_SEND and where.get('class') == MANAGER:
            if wrapping or not is_target(where, MANAGER):
                raise Malformed('nesting')
            return decode_request(embedded_request(rest),
                                  (UNCONNECTED_SEND,), command)
        if service == MSP and where.get('class') == ROUTER:
            if MSP in wrapping or not is_target(where, ROUTER):
                raise Malformed('nesting')
            inner = wrapping + (MSP,)
            return [one for member in members(rest)
                    for one in decode_request(member, inner, command)]
        judge_leaf(leaf, rest, command == SEND_RR and not wrapping)
    except Malformed as problem:
        leaf['malformed'] = str(problem)
    return [leaf]


# ---- encapsulation ----

def items(data):
    """The CPF items as (type, bytes); the lengths must add up."""
    count, at, found = u16(data, 0), 2, []
    for _ in range(count):
        kind, length = u16(data, at), u16(data, at + 2)
        at += 4
        if at + length > len(data):
            raise Malformed('item cut')
        found.append((kind, data[at:at + length]))
        at += length
    if at != len(data):
        raise Malformed('bytes after the items')
    return found


def cip_request(command, data):
    """The CIP request of SendRRData or SendUnitData.

    The interface handle is not judged: libplctag leaves rubbish in it, servers
    ignore it, and no border of the message depends on it.
    """
    if len(data) < 6:
        raise Malformed('cut')
    found = items(data[6:])
    want = (ITEM_NULL, ITEM_DATA_U, 0, 0) if command == SEND_RR else \
        (ITEM_CONNECTED, ITEM_DATA_C, 4, 2)
    if len(found) < 2 or found[0][0] != want[0] or found[1][0] != want[1]:
        raise Malformed('item types')
    if any(kind not in ITEM_SOCKADDR or len(body) != 16
           for kind, body in found[2:]):
        raise Malformed('extra items')
    if len(found[0][1]) != want[2] or len(found[1][1]) < want[3]:
        raise Malformed('item length')
    return found[1][1][want[3]:]


def decode(message, transport):
    """Leaves of one whole encapsulation message."""
    command, length = u16(message, 0), u16(message, 2)
    leaf = {'proto': 'enip', 'command': command}
    try:
        if command in (SEND_RR, SEND_UNIT) and transport == 'tcp':
            request = cip_request(command, message[HEADER:])
            return decode_request(request, (), command)
        if transport == 'udp' and command not in UDP_COMMANDS:
            raise Malformed('command over UDP')
        if length != DATA_LENGTHS.get(command, length):
            raise Malformed('data length %d' % length)
        leaf['group'] = COMMAND_GROUPS.get(command, 'other')
    except Malformed as problem:
        leaf['malformed'] = str(problem)
    return [leaf]


def broken(reason):
    """The line for bytes that cannot be framed at all."""
    return {'proto': 'enip', 'malformed': reason}
