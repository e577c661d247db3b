# SPDX-License-Identifier: GPL-2.0-only
"""Which group a CIP (service, class) pair belongs to, typed from the reference.

Owns that one table for the expected verdicts. Not derived from the product's
table and not read by it: the two are compared through real captures.
"""

# (service, class): classes in ranges are written out by the loops below.
PAIRS = {}


def put(group, services, classes):
    """Gives each pair its one group; a pair named twice is a typing error."""
    for service in services:
        for target in classes:
            if PAIRS.setdefault((service, target), group) != group:
                raise ValueError('pair %02x/%02x twice' % (service, target))


SETS = [0x02, 0x04, 0x10]
VENDOR_PROGRAM = [0x64, 0x68, 0x69, 0x70, 0x6b, 0x6c]

put('read', [0x4c, 0x52, 0x55], [0x6b, 0x6c])
put('read', [0x4b, 0x4f], [0x37])
put('read', [0x4b, 0x4c, 0x4d, 0x4e], [0x44])
put('read', [0x56, 0x57, 0x5a], [0x06])
put('read', [0x4c], [0xb2])
put('session', [0x4e], [0x06])
put('write', SETS + [0x19], list(range(0x08, 0x0c)) + list(range(0x1d, 0x23)) + [0x04])
put('write', SETS + [0x19, 0x4d, 0x4e, 0x53], [0x6b])
put('write', [0x4f, 0x50], [0x44])
put('config', SETS + [0x0d, 0x15, 0x16, 0x19, 0x1a, 0x1b],
    list(range(0xf0, 0xfb)) + [0x43, 0x47, 0x48, 0x45, 0x05, 0x0f, 0x8b,
                               0x92, 0x93] + list(range(0x52, 0x58))
    + list(range(0x5d, 0x63)))
put('config', [0x4c], [0xf6])
put('control', [0x53, 0x54], [0x39])
put('program', [0x08, 0x09], VENDOR_PROGRAM)
put('firmware', [0x4b, 0x4d], [0xa1])
put('firmware', [0x4c, 0x4e, 0x50, 0x51], [0x37])

# Classes all of whose services that no table names are of one group.
CLASSES = {0xa1: 'firmware', 0x37: 'firmware'}

# Services that mean the same on every class, unless the pair says otherwise.
COMMON = {0x01: 'read', 0x03: 'read', 0x0e: 'read', 0x11: 'read', 0x18: 'read',
          0x05: 'control', 0x06: 'control', 0x07: 'control', 0x1c: 'control',
          0x08: 'config', 0x09: 'config', 0x17: 'session'}
TAG = {0x4c: 'read', 0x52: 'read', 0x55: 'read',
       0x4d: 'write', 0x4e: 'write', 0x53: 'write',
       0x02: 'write', 0x04: 'write', 0x10: 'write', 0x19: 'write',
       0x01: 'read', 0x03: 'read', 0x0e: 'read', 0x11: 'read', 0x18: 'read'}


def cip_group(service, target, tagged):
    """The one group of a pair; target None: a path without class."""
    if tagged:
        return TAG.get(service, 'other')
    if target is None:
        return 'other'
    if target == 0x01 and service in (0x01, 0x03, 0x0e):
        return 'discovery'
    if (service, target) in PAIRS:
        return PAIRS[(service, target)]
    return COMMON.get(service, CLASSES.get(target, 'other'))
