#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints what a correct keyswitch must say about a capture, one JSON line a
request, under the front-page policy (everybody reads, nobody writes).

Owns the verdict (readonly groups allow, all else and whatever is malformed is
denied) and the cross-check of every decoded field against tshark's own
dissection. Shares no file with keyswitch.
"""
import argparse
import json
import sys

sys.dont_write_bytecode = True  # the checkout stays as it was

from crosscheck import Crosscheck
from packets import CaptureError, read_packets
from streams import Requests

OURS = ('resumed', 'said', 'opens', 'opened_in')    # of a leaf, beside what is compared
READONLY = {'read', 'diagnostic', 'discovery', 'session'}


def expected_leaves(capture, modbus_ports=(502,), server=None, umas=False, adopt=True):
    """(leaves, crosscheck, payload by frame) of a capture. adopt: connections may be older
    than it."""
    requests = Requests(modbus_ports, server, umas, adopt)
    crosscheck, payloads = Crosscheck(), {}
    for packet in read_packets(capture, modbus_ports):
        payloads[packet.frame] = packet.payload
        before = len(requests.leaves)
        requests.add(packet)
        crosscheck.add(packet, requests.leaves[before:])
    for leaf in requests.leaves:
        allowed = 'malformed' not in leaf and leaf['group'] in READONLY
        leaf['verdict'] = 'allow' if allowed else 'deny'
    return requests.leaves, crosscheck, payloads


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('capture')
    parser.add_argument('--modbus-port', type=int, action='append',
                        help='TCP port of Modbus servers (default 502)')
    parser.add_argument('--umas', action='store_true',
                        help='Modbus servers speak UMAS')
    parser.add_argument('--server', metavar='PREFIX',
                        help='servers where both ports are 2222')
    parser.add_argument('--adopt', action='store_true',
                        help='connections may be older than the capture')
    args = parser.parse_args()
    try:
        leaves, crosscheck, _ = expected_leaves(
            args.capture, args.modbus_port or [502], args.server, args.umas, args.adopt)
    except CaptureError as problem:
        print('expected: %s' % problem, file=sys.stderr)
        return 3
    for leaf in leaves:
        print(json.dumps({name: value for name, value in leaf.items() if name not in OURS},
                         sort_keys=True))
    for line in crosscheck.differences:
        print('tshark differs: ' + line, file=sys.stderr)
    return 1 if crosscheck.differences else 0


if __name__ == '__main__':
    sys.exit(main())
