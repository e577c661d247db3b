# SPDX-License-Identifier: GPL-2.0-only
"""Reads a capture through tshark into plain packet records.

Owns the tshark command line and the field list: addresses, ports, sequence
numbers and payload bytes for the decoder of ours, and tshark's own dissection
of Modbus and CIP for the cross-check. Checksums are not verified: many of the
captures were taken before the NIC filled them in. Decides nothing.
"""
import subprocess

HEADER_FIELDS = [
    'frame.number', 'frame.len', 'frame.protocols', 'ip.len', 'ip.src', 'ip.dst', 'ipv6.src',
    'ipv6.dst', 'tcp.srcport', 'tcp.dstport', 'tcp.seq_raw', 'tcp.flags',
    'tcp.payload', 'udp.srcport', 'udp.dstport', 'udp.payload',
]
DISSECTION_FIELDS = [
    'mbtcp.unit_id', 'modbus.func_code', 'modbus.reference_num',
    'modbus.bit_cnt', 'modbus.word_cnt', 'modbus.read_reference_num',
    'modbus.read_word_cnt', 'modbus.write_reference_num',
    'modbus.write_word_cnt', 'modbus.diagnostic_code', 'modbus.mei',
    'enip.command', 'cip.service', 'cip.class', 'cip.instance',
    'cip.attribute', 'cip.symbol', 'enip.srrd.iface',
    'cip.pccc.cmd.code', 'cip.pccc.fnc.code_06', 'cip.pccc.fnc.code_07',
    'cip.pccc.fnc.code_0f', 'cip.pccc.tns.code', 'cip.pccc.file.num',
    'cip.pccc.file.type', 'cip.pccc.element.num', 'cip.pccc.subelement.num',
    'tcp.analysis.retransmission', 'cip.port', 'cip.linkaddress.byte',
    'cip.linkaddress.string', 'enip.fwd_open_in',
]
FLAG_SYN, FLAG_RST, FLAG_ACK = 0x02, 0x04, 0x10


class CaptureError(Exception):
    """tshark could not read the capture."""


class Packet:
    """One TCP or UDP packet: who, where in the stream, which bytes."""

    def __init__(self, row):
        self.frame = int(row['frame.number'])
        self.src = row['ip.src'] or row['ipv6.src']
        self.dst = row['ip.dst'] or row['ipv6.dst']
        self.transport = 'tcp' if row['tcp.srcport'] else 'udp'
        self.sport = int(row[self.transport + '.srcport'])
        self.dport = int(row[self.transport + '.dstport'])
        self.seq = int(row['tcp.seq_raw'] or 0)
        self.flags = int(row['tcp.flags'] or '0', 16)
        # RFC 791: no host takes a datagram longer than the frame that brings it
        self.torn = int(row['ip.len'] or 0) > int(row['frame.len'])
        self.payload = bytes.fromhex(row[self.transport + '.payload'])
        self.row = row

    def values(self, field):
        """What tshark printed for a field that may occur several times."""
        text = self.row[field]
        return [int(v, 0) if v[:1].isdigit() else v
                for v in text.split(',')] if text else []


def tshark_command(capture, modbus_ports):
    """The one command line; -n because a name lookup would be traffic."""
    command = ['tshark', '-n', '-r', capture, '-T', 'fields',
               '-E', 'separator=/t', '-E', 'occurrence=a',
               '-o', 'tcp.check_checksum:FALSE', '-o', 'ip.check_checksum:FALSE']
    # The preference, not -d: it also tells tshark which side asks.
    command += ['-o', 'mbtcp.tcp.port:' + ','.join(map(str, modbus_ports))]
    for field in HEADER_FIELDS + DISSECTION_FIELDS:
        command += ['-e', field]
    return command


def read_packets(capture, modbus_ports):
    """Yields the TCP and UDP packets of a capture, quotes in ICMP left out."""
    result = subprocess.run(tshark_command(capture, modbus_ports), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if result.returncode != 0:
        raise CaptureError('%s: %s' % (capture, result.stderr.strip()))
    names = HEADER_FIELDS + DISSECTION_FIELDS
    for line in result.stdout.splitlines():
        row = dict(zip(names, line.split('\t')))
        if 'icmp' in row['frame.protocols']:
            continue
        if row['tcp.srcport'] or row['udp.srcport']:
            yield Packet(row)
