# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of Modbus requests, typed from the protocol reference.

Owns the length of every function's PDU, the fields a request carries and the
group of each function code. Pure: bytes in, records out. Shares no line and no
table with the product, so that a slip in one does not repeat in the other.
"""
import struct

MBAP = 7
LENGTH_MIN, LENGTH_MAX = 2, 254
UMAS, UMAS_LENGTH_MAX = 90, 506

GROUPS = {
    1: 'read', 2: 'read', 3: 'read', 4: 'read', 20: 'read', 24: 'read',
    7: 'diagnostic', 11: 'diagnostic', 12: 'diagnostic',
    17: 'discovery',
    5: 'write', 6: 'write', 15: 'write', 16: 'write', 21: 'write',
    22: 'write', 23: 'write',
    9: 'program', 10: 'program', 13: 'program', 14: 'program', 18: 'program',
    40: 'program', 41: 'program', 42: 'program', 126: 'program',
    125: 'firmware',
}
DIAGNOSTIC_GROUPS = {
    0: 'diagnostic', 2: 'diagnostic', 3: 'config',
    1: 'control', 4: 'control', 10: 'control', 20: 'control',
}
DIAGNOSTIC_GROUPS.update({sub: 'diagnostic' for sub in range(11, 19)})
UMAS_GROUPS = {0x29: 'firmware'}
for _group, _codes in {
        'read': '01 02 03 04 05 06 07 0a 12 20 22 24 26 27 2a 39 51 52 53 58 65 66 70 72 73 74',
        'write': '21 23 25 71',
        'control': '40 41 42 60 61 62 63 64',
        'program': '10 11 6e 28 30 31 32 33 34 35 36 37 43 50 6c 6d'}.items():
    UMAS_GROUPS.update({code: _group for code in bytes.fromhex(_codes)})
MEI_GROUPS = {13: 'config', 14: 'discovery'}

FIXED_LENGTHS = {1: 5, 2: 5, 3: 5, 4: 5, 5: 5, 6: 5, 7: 1, 11: 1, 12: 1,
                 17: 1, 22: 7, 24: 3}


def group_of(function, subfunction):
    """The one group of a function code; what nobody listed is 'other'."""
    if function == 8:
        return DIAGNOSTIC_GROUPS.get(subfunction, 'other')
    if function == 43:
        return MEI_GROUPS.get(subfunction, 'other')
    if function == UMAS:
        return UMAS_GROUPS.get(subfunction, 'other')
    return GROUPS.get(function, 'other')


def adu_length(data, umas=False):
    """Length of the ADU at the start of data; None: header incomplete.

    Raises ValueError where no framing is possible any more. umas: toward a server
    that speaks it, whose function 90 may be longer.
    """
    if len(data) >= 4 and data[2:4] != b'\0\0':
        raise ValueError('protocol id %s' % data[2:4].hex())
    if len(data) < 6:
        return None
    length = struct.unpack_from('>H', data, 4)[0]
    if umas and length > LENGTH_MAX:
        if len(data) < 8:
            return None
        if data[7] == UMAS and length <= UMAS_LENGTH_MAX:
            return 6 + length
    if not LENGTH_MIN <= length <= LENGTH_MAX:
        raise ValueError('MBAP length %d' % length)
    return 6 + length


def counted(pdu, at, per_unit=None):
    """Length by a byte count at `at`; per_unit(count) = what it must be."""
    if len(pdu) <= at:
        return None
    if per_unit is not None and pdu[at] != per_unit:
        return None
    return at + 1 + pdu[at]


def write_length(pdu):
    """FC 15 and 16: the byte count must be what the quantity implies."""
    if len(pdu) < 6:
        return None
    quantity = struct.unpack_from('>H', pdu, 3)[0]
    bits = (quantity + 7) // 8
    return counted(pdu, 5, bits if pdu[0] == 15 else 2 * quantity)


def file_length(pdu):
    """FC 20 and 21: a byte count that whole sub-requests fill exactly."""
    total = counted(pdu, 1)
    if total is None or total != len(pdu) or pdu[1] == 0:
        return None
    at = 2
    while at < len(pdu):
        if at + 7 > len(pdu) or pdu[at] != 6:
            return None
        words = struct.unpack_from('>H', pdu, at + 5)[0]
        at += 7 + (2 * words if pdu[0] == 21 else 0)
    return at


def diagnostic_length(pdu):
    """FC 8: one word of data; we hold the echo (0) to that as well."""
    return None if len(pdu) < 3 else 5


def has_length_rule(pdu):
    """Do we know how long this function's PDU must be?"""
    return pdu[0] in FIXED_LENGTHS or pdu[0] in (8, 15, 16, 20, 21, 23) or \
        (pdu[0] == 43 and pdu[1:2] in (b'', b'\x0e'))


def implied_length(pdu):
    """PDU length that the function code implies; None: a contradiction."""
    function = pdu[0]
    if function in FIXED_LENGTHS:
        return FIXED_LENGTHS[function]
    if function in (15, 16):
        return write_length(pdu)
    if function in (20, 21):
        return file_length(pdu)
    if function == 23:
        if len(pdu) < 10:
            return None
        return counted(pdu, 9, 2 * struct.unpack_from('>H', pdu, 7)[0])
    if function == 8:
        return diagnostic_length(pdu)
    if function == 43 and len(pdu) > 1 and pdu[1] == 14:
        return 4
    return None


def add_fields(leaf, pdu):
    """Address, quantity and sub-function, as far as the bytes reach."""
    function = pdu[0]
    word = lambda at: struct.unpack_from('>H', pdu, at)[0]
    if function in (1, 2, 3, 4, 15, 16, 23) and len(pdu) >= 5:
        leaf['address'], leaf['quantity'] = word(1), word(3)
    if function in (5, 6, 22) and len(pdu) >= 5:
        leaf['address'], leaf['quantity'] = word(1), 1
    if function == 24 and len(pdu) >= 3:
        leaf['address'] = word(1)
    if function == 23 and len(pdu) >= 9:
        leaf['write_address'], leaf['write_quantity'] = word(5), word(7)
    if function == 8 and len(pdu) >= 3:
        leaf['subfunction'] = word(1)
    if function == 43 and len(pdu) >= 2:
        leaf['subfunction'] = pdu[1]
    if function == UMAS and len(pdu) >= 3:  # session key, then its function
        inner = pdu[36:] if pdu[2] == 0x38 and len(pdu) >= 39 else pdu
        leaf['umas_key'], leaf['subfunction'] = inner[1], inner[2]


def umas_problem(pdu):
    """Why a UMAS request is refused whatever policy says; None if it is not."""
    if len(pdu) < 3:
        return 'length'
    if pdu[2] != 0x38:
        return None
    if len(pdu) < 39:
        return 'length'
    return 'signed' if pdu[36] != UMAS or pdu[38] == 0x38 else None


def decode(adu, umas=False):
    """One whole ADU as a leaf record. umas: does the server speak it?"""
    pdu = adu[MBAP:]
    leaf = {'proto': 'modbus', 'unit': adu[6], 'function': pdu[0]}
    add_fields(leaf, pdu)
    leaf['group'] = group_of(pdu[0], leaf.get('subfunction'))
    if has_length_rule(pdu) and implied_length(pdu) != len(pdu):
        leaf['malformed'] = 'length'
    problem = umas_problem(pdu) if umas else 'not spoken'
    if pdu[0] == UMAS and problem:
        leaf['malformed'] = problem
    return leaf


def broken(reason):
    """The line for bytes that cannot be framed at all."""
    return {'proto': 'modbus', 'malformed': reason}
