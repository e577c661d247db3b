# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of EtherNet/IP messages: envelopes, wrappers, requests.

Owns the walk from the encapsulation header to each CIP request: CPF items,
Unconnected_Send, Multiple_Service_Packet, exact data lengths of the services that
readonly lets through. Paths and routes are in epath.py, what a Forward_Open asks for in
forward.py, what Execute_PCCC carries in pccc.py. Pure: bytes in, records out. Which
group a (service, class) pair belongs to is in cipgroups.py. For the cross-check the first
leaf of a message has the hops that it names ('said') and the frame that opened its
connection.
"""
import pccc
from cipgroups import cip_group
from epath import Malformed, join, leading_ports, request_path, route_path, u16
from forward import FORWARD_CLOSE, FORWARD_OPEN, LARGE_OPEN, SEND_RR, Open

HEADER = 24
NOP, LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES = 0x00, 0x04, 0x63, 0x64
REGISTER, UNREGISTER, SEND_UNIT = 0x65, 0x66, 0x70
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
MSP, UNCONNECTED_SEND = 0x0a, 0x52
ROUTER, MANAGER = 0x02, 0x06


def message_length(data):
    """Length of the message at the start of data; None: header incomplete."""
    if len(data) >= 2 and u16(data, 0) not in KNOWN | LEGACY:
        raise ValueError('command 0x%04x' % u16(data, 0))
    return HEADER + u16(data, 2) if len(data) >= HEADER else None


# ---- services whose data must have one exact length ----

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


def tag_elements(service, data):
    """How many elements a tag service is about; 0: its data do not say."""
    if service in (0x4d, 0x53) and len(data) >= 6:
        return u16(data, 4 if u16(data, 0) == 0x02a0 else 2)
    if service in (0x4d, 0x53):
        return u16(data, 2)
    return u16(data, 0) if service in (0x4c, 0x52) else 0


def vendor_class(target):
    """CIP Vol 1, 5-1: 0x64..0xC7 and 0x300..0x4FF are vendor specific."""
    return target is not None and (0x64 <= target <= 0xc7 or 0x300 <= target <= 0x4ff)


def open_leaf(leaf, data, route):
    """A Forward_Open: its group, and the route that goes on by its connection path."""
    opened = Open(data, leaf['service'] == LARGE_OPEN)
    leaf['said'] = leaf.get('said', []) + opened.hops
    opened.route = join(route, opened.hops)
    set_route(leaf, opened.route)
    leaf.update(group=opened.group, opens=opened)


def judge_leaf(leaf, data, route, tail_allowed):
    """Adds group or the reason why the request is malformed."""
    service, target = leaf['service'], leaf.get('class')
    leaf['data'] = len(data)
    if service in (FORWARD_OPEN, LARGE_OPEN) and target == MANAGER:
        open_leaf(leaf, data, route)
        return
    leaf['group'] = cip_group(service, target, 'tag' in leaf)
    if (service, target) == (0x4b, 0x67):
        try:
            leaf.update(pccc.decode(data))
        except ValueError as problem:
            raise Malformed(str(problem)) from problem
        return
    length = data_length(leaf, data)
    if 'tag' in leaf and target is None and len(data) >= 4 - 2 * (service in (0x4c, 0x52)):
        count = tag_elements(service, data)
        leaf.update({'elements': count} if count else {})
    if (service, target) == (FORWARD_CLOSE, MANAGER):
        # no route: it only ends; tshark lists its ports all the same
        leaf['said'] = leaf.get('said', []) + leading_ports(data[12:])[0]
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
    """(request, hops) of Unconnected_Send, its envelope checked to the end."""
    length = u16(data, 2)
    end = 4 + length + (length & 1)
    if length == 0 or end + 2 > len(data):
        raise Malformed('embedded length')
    if end + 2 + 2 * data[end] != len(data) or data[end + 1] != 0:
        raise Malformed('route path length')
    return data[4:4 + length], route_path(data[end + 2:])


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


def set_route(leaf, route):
    """The hops as keyswitch writes them; a request without any has no route."""
    if route:
        leaf['route'] = ','.join(route)


def routed_request(data, route, command):
    """Leaves of the request inside an Unconnected_Send."""
    request, hops = embedded_request(data)
    leaves = decode_request(request, (UNCONNECTED_SEND,), command, join(route, hops))
    leaves[0]['said'] = hops + leaves[0].get('said', [])
    return leaves


def decode_request(data, wrapping, command, route):
    """Leaves of one request. wrapping: () at the top, else outer services; route: the
    hops to where it is executed."""
    leaf = {'proto': 'enip', 'command': command}
    set_route(leaf, route)
    try:
        service, path, rest = split_request(data)
        leaf['service'] = service
        where = request_path(path)
        leaf.update(where)
        if service == UNCONNECTED_SEND and where.get('class') == MANAGER:
            if wrapping or not is_target(where, MANAGER):
                raise Malformed('nesting')
            return routed_request(rest, route, command)
        if service == MSP and where.get('class') == ROUTER:
            if MSP in wrapping or not is_target(where, ROUTER):
                raise Malformed('nesting')
            inner = wrapping + (MSP,)
            return [one for member in members(rest)
                    for one in decode_request(member, inner, command, route)]
        judge_leaf(leaf, rest, route, command == SEND_RR and not wrapping)
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
    """(request, connection id or None) of SendRRData or SendUnitData.

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
    ot_id = int.from_bytes(found[0][1], 'little') if want[2] else None
    return found[1][1][want[3]:], ot_id


def connected_request(request, connection):
    """Leaves of a SendUnitData; connection: what find gave for its id."""
    if connection is None:
        raise Malformed('unknown connection')
    if connection.group != 'session':
        raise NotImplementedError('connected data not for the Message Router: no capture has any')
    leaves = decode_request(request, (), SEND_UNIT, connection.route)
    if connection.frame:
        leaves[0]['opened_in'] = connection.frame
        leaves[0]['said'] = connection.hops + leaves[0].get('said', [])
    return leaves


def decode(message, transport, find):
    """Leaves of one whole encapsulation message. find: the Open that a connection id
    stands for, None if it stands for nothing."""
    command, length = u16(message, 0), u16(message, 2)
    leaf = {'proto': 'enip', 'command': command}
    try:
        if command in (SEND_RR, SEND_UNIT) and transport == 'tcp':
            request, ot_id = cip_request(command, message[HEADER:])
            if command == SEND_UNIT:
                return connected_request(request, find(ot_id))
            return decode_request(request, (), command, [])
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
