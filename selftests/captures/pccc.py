# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of PCCC commands inside Execute_PCCC, typed from the DF1 manual
(1770-6.5.16, chapters 7 and 13) and the reference's groups.

Owns the fields of a command, the data-table elements that it may touch and its group.
Pure: bytes in, records out; ValueError where the bytes contradict themselves. Shares
no line and no table with the product.
"""

READ = {0x0f: [0x01, 0x04, 0x09, 0x17, 0x29, 0x68, 0xa1, 0xa2, 0xa7], 0x06: [0, 1, 3]}
WRITE = {0x0f: [0x00, 0x02, 0x03, 0x08, 0x18, 0x26, 0x67, 0x79, 0xa9, 0xaa, 0xab, 0xaf]}
CONTROL = {0x0f: [0x07, 0x0a, 0x3a, 0x41, 0x80], 0x07: [0, 1, 3]}
PROGRAM = {0x0f: [0x05, 0x06, 0x11, 0x12, 0x50, 0x52, 0x53, 0x55, 0x57, 0x5e, 0x81, 0x82, 0x8f],
           0x07: [4, 5, 6]}
CONFIG = {0x06: [2, 4, 5, 6, 7, 8, 10]}
GROUPS = {'read': READ, 'write': WRITE, 'control': CONTROL, 'program': PROGRAM, 'config': CONFIG}
PLAIN = {0: 'write', 1: 'read', 2: 'write', 5: 'write', 8: 'write'}
WITH_FUNCTION = (0x06, 0x07, 0x0f)
ELEMENT_BYTES = {0x86: 6, 0x87: 6, 0x88: 6, 0x8a: 4, 0x91: 4, 0x8d: 84}


class Reader:
    """Fields from left to right."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        if self.at >= len(self.data):
            raise ValueError('PCCC cut')
        self.at += 1
        return self.data[self.at - 1]

    def word(self):
        return self.byte() | self.byte() << 8

    def number(self):
        """One byte, or 0xff and two."""
        value = self.byte()
        return self.word() if value == 0xff else value

    def left(self):
        return len(self.data) - self.at


def group_of(command, function):
    """The one group of a command; what nobody listed is 'other'."""
    if command not in WITH_FUNCTION:
        return PLAIN.get(command, 'other')
    found = [name for name, codes in GROUPS.items() if function in codes.get(command, [])]
    return found[0] if found else 'other'


def typed_logical(function, r):
    """A1, A2, A9, AA, AB: byte size, file, type, element, sub-element, values."""
    size, file = r.byte(), r.number()
    kind, element = r.byte(), r.number()
    sub = 0 if function in (0xa1, 0xa9) else r.number()
    values = {0xa9: size, 0xaa: size, 0xab: size + 2}.get(function, 0)
    if r.left() != values:
        raise ValueError('PCCC values')
    reach = 2 * sub + max(size, 1)
    unit = ELEMENT_BYTES.get(kind, 2)
    return {'file': file, 'file_type': kind, 'element': element, 'sub_element': sub,
            'elements': -(-reach // unit)}


def decode(data):
    """Fields and group of the data of Execute_PCCC."""
    if len(data) < 12 or data[0] != 7:
        raise ValueError('PCCC requestor')
    r = Reader(data[7:])
    command = r.byte()
    if command > 15:
        raise ValueError('PCCC command 0x%02x' % command)
    r.byte()
    fields = {'pccc_transaction': r.word(), 'pccc_command': command}
    function = None
    if command in WITH_FUNCTION:
        function = fields['pccc_function'] = r.byte()
    if command == 0x0f and function in (0xa1, 0xa2, 0xa9, 0xaa, 0xab):
        fields.update(typed_logical(function, r))
    elif command == 0x0f and function in (0x00, 0x01, 0x67, 0x68):
        raise NotImplementedError('PLC-5 addresses: no capture has one')
    elif (command, function) == (6, 3) and r.left():
        raise ValueError('PCCC diagnostic status with data')
    fields['group'] = group_of(command, function)
    return fields
