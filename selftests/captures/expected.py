#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints what a correct keyswitch must say about a capture, one JSON line a
request, under one of the policies of policies.py.

Owns the cross-check of every decoded field against tshark's own dissection. Shares no
file with keyswitch.
"""
import argparse
import json
import sys

sys.dont_write_bytecode = True  # the checkout stays as it was

import policies
from crosscheck import Crosscheck
from packets import CaptureError, read_packets
from streams import Requests

POLICIES = {'readonly': policies.readonly, 'logix': policies.logix, 'tags': policies.tags}
OURS = ('resumed', 'said', 'opens', 'opened_in')    # of a leaf, beside what is compared


class Expected:
    """The requests of a capture: leaves, the cross-check, payloads by frame. adopt:
    connections may be older than the capture."""

    def __init__(self, capture, modbus_ports=(502,), server=None, umas=False, adopt=True):
        self.crosscheck, self.payloads = Crosscheck(), {}
        requests = Requests(modbus_ports, server, umas, adopt)
        for packet in read_packets(capture, modbus_ports):
            self.payloads[packet.frame] = packet.payload
            before = len(requests.leaves)
            requests.add(packet)
            self.crosscheck.add(packet, requests.leaves[before:])
        self.leaves = requests.leaves


def arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('capture')
    parser.add_argument('--policy', choices=sorted(POLICIES), default='readonly')
    parser.add_argument('--modbus-port', type=int, action='append',
                        help='TCP port of Modbus servers (default 502)')
    parser.add_argument('--umas', action='store_true',
                        help='Modbus servers speak UMAS')
    parser.add_argument('--server', metavar='PREFIX',
                        help='servers where both ports are 2222')
    parser.add_argument('--adopt', action='store_true',
                        help='connections may be older than the capture')
    return parser.parse_args()


def main():
    """Prints the leaves, and what tshark says otherwise."""
    args = arguments()
    try:
        expected = Expected(args.capture, args.modbus_port or [502], args.server, args.umas,
                            args.adopt)
    except CaptureError as problem:
        print('expected: %s' % problem, file=sys.stderr)
        return 3
    for leaf in policies.judged(expected.leaves, POLICIES[args.policy]):
        print(json.dumps({name: value for name, value in leaf.items() if name not in OURS},
                         sort_keys=True))
    for line in expected.crosscheck.differences:
        print('tshark differs: ' + line, file=sys.stderr)
    return 1 if expected.crosscheck.differences else 0


if __name__ == '__main__':
    sys.exit(main())
