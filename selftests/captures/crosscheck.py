# SPDX-License-Identifier: GPL-2.0-only
"""Compares our own decoding of a packet with tshark's dissection of it.

Owns the mapping between our leaves and tshark's fields. tshark prints each
field as a flat list a frame, so lists are compared, not single requests.
Frames that tshark does not dissect at all are counted apart, by why: a segment
it calls a retransmission, a segment after a gap, a nonzero interface handle,
bytes that are malformed.
"""
import collections

MODBUS_LISTS = [
    ('function', ['modbus.func_code']),
    ('unit', ['mbtcp.unit_id']),
    ('address', ['modbus.reference_num', 'modbus.read_reference_num']),
    ('quantity', ['modbus.bit_cnt', 'modbus.word_cnt', 'modbus.read_word_cnt']),
    ('write_address', ['modbus.write_reference_num']),
    ('write_quantity', ['modbus.write_word_cnt']),
    ('subfunction', ['modbus.diagnostic_code', 'modbus.mei']),
]
PCCC_LISTS = [
    ('pccc_command', ['cip.pccc.cmd.code']),
    ('pccc_function', ['cip.pccc.fnc.code_06', 'cip.pccc.fnc.code_07',
                       'cip.pccc.fnc.code_0f']),
    ('pccc_transaction', ['cip.pccc.tns.code']),
    ('file', ['cip.pccc.file.num']),
    ('file_type', ['cip.pccc.file.type']),
    ('element', ['cip.pccc.element.num']),
    ('sub_element', ['cip.pccc.subelement.num']),
]
# tshark 4.0 takes the address of three of the five typed logical commands apart
PCCC_ADDRESS = {'file', 'file_type', 'element', 'sub_element'}
PCCC_TAKEN_APART = (0xa2, 0xaa)
# We call one register a quantity of one; tshark prints none.
NO_QUANTITY = (5, 6, 22)
# tshark prints one word count for each file record.
FILE_RECORDS = (20, 21)
WRAPPERS = {0x0a, 0x52}
CONNECTED, FORWARD_CLOSE = 0x70, 0x4e


class Crosscheck:
    """Counts lists on which tshark agrees and keeps the others."""

    def __init__(self):
        self.agreed = collections.Counter()
        self.apart = collections.Counter()
        self.differences = []

    def add(self, packet, leaves):
        """One packet and the leaves it completed."""
        leaves = [leaf for leaf in leaves
                  if 'function' in leaf or 'command' in leaf]
        if not leaves:
            return
        why = self.not_dissected(packet, leaves)
        if why:
            self.apart[why] += 1
        elif leaves[0]['proto'] == 'modbus':
            self.modbus(packet, leaves)
        else:
            self.enip(packet, leaves)

    @staticmethod
    def not_dissected(packet, leaves):
        """Why tshark has nothing to compare with; '' if it has."""
        if any('malformed' in leaf for leaf in leaves):
            return 'malformed'
        if not packet.values('modbus.func_code') + \
                packet.values('enip.command'):
            if packet.row['tcp.analysis.retransmission']:
                return 'retransmission'
            if leaves[0].get('resumed'):
                return 'after a gap'
        if any(packet.values('enip.srrd.iface')):
            return 'interface handle'
        return ''

    def same(self, packet, name, mine, theirs):
        """Counts one list, or keeps what differs."""
        if mine == theirs:
            self.agreed[name] += 1
        else:
            self.differences.append('frame %d %s: ours %s, tshark %s'
                                    % (packet.frame, name, mine, theirs))

    def modbus(self, packet, leaves):
        """All Modbus fields of a frame."""
        # tshark 4.0 does not look into UMAS
        leaves = [{k: v for k, v in leaf.items() if k != 'subfunction'}
                  if leaf['function'] == 90 else leaf for leaf in leaves]
        functions = {leaf['function'] for leaf in leaves}
        for name, fields in MODBUS_LISTS:
            if name == 'quantity' and functions & set(FILE_RECORDS):
                continue
            mine = [leaf[name] for leaf in leaves if name in leaf
                    and (name != 'quantity'
                         or leaf['function'] not in NO_QUANTITY)]
            theirs = [v for field in fields for v in packet.values(field)]
            self.same(packet, name, sorted(mine), sorted(theirs))

    def pccc(self, packet, requests):
        """Command, function and address of every PCCC command of a frame."""
        if not any('pccc_command' in leaf for leaf in requests):
            return
        for name, fields in PCCC_LISTS:
            mine = [leaf[name] for leaf in requests if name in leaf and
                    (name not in PCCC_ADDRESS or leaf['pccc_function'] in PCCC_TAKEN_APART)]
            theirs = [v for field in fields for v in packet.values(field)]
            self.same(packet, name, sorted(mine), sorted(theirs))

    def enip(self, packet, leaves):
        """Services must be all there is beside wrappers; path numbers and
        symbols must be among tshark's, which lists connection paths too."""
        self.same(packet, 'command', sorted({leaf['command'] for leaf in leaves}),
                  sorted(set(packet.values('enip.command'))))
        requests = [leaf for leaf in leaves if 'service' in leaf]
        self.pccc(packet, requests)
        theirs = collections.Counter(packet.values('cip.service'))
        mine = collections.Counter(leaf['service'] for leaf in requests)
        extra = (theirs - mine).keys() - WRAPPERS
        self.same(packet, 'service', sorted(set(mine - theirs) | extra), [])
        for name in ('class', 'instance', 'attribute'):
            theirs = collections.Counter(packet.values('cip.' + name))
            mine = collections.Counter(leaf[name] for leaf in requests
                                       if name in leaf)
            self.same(packet, name, sorted((mine - theirs).elements()), [])
        self.routes(packet, leaves)
        theirs = packet.row['cip.symbol'].split(',')
        self.same(packet, 'tag', [leaf['tag'] for leaf in requests
                                  if 'tag' in leaf
                                  and leaf['tag'].split('[')[0] not in theirs], [])

    def routes(self, packet, leaves):
        """Every port segment of a frame, and of the connection that a frame names; which
        Forward_Open opened that. tshark knows connections older than a handshake."""
        opened = [leaf['opened_in'] for leaf in leaves if 'opened_in' in leaf]
        theirs = packet.values('enip.fwd_open_in')
        if opened and theirs:
            self.same(packet, 'connection', opened, theirs)
        elif CONNECTED in (leaf['command'] for leaf in leaves):
            self.apart['connection known to one alone'] += 1
            return
        links = packet.values('cip.linkaddress.byte') + packet.values('cip.linkaddress.string')
        theirs = ['%d/%s' % hop for hop in zip(packet.values('cip.port'), links)]
        mine = [hop for leaf in leaves for hop in leaf.get('said', [])]
        if FORWARD_CLOSE in (leaf.get('service') for leaf in leaves):
            # tshark lists the ports of what is closed as well
            mine, theirs = set(mine), set(theirs)
        self.same(packet, 'route', mine, theirs)
