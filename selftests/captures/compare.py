#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Replays every capture through keyswitch and compares each request with the
expected set.

Owns the comparison by (frame, index, fields, verdict), the list of explained
differences and what counts as failure. Decodes nothing itself. Prints one line
a capture and ends with 'N passed, N failed'.
"""
import argparse
import concurrent.futures
import fnmatch
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the checkout stays as it was

from expected import expected_leaves
from packets import CaptureError

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, '../..'))
MAX_EXPLAINED = 20
REPLAY_TIMEOUT = 120
SHOWN = 12

# Captures whose servers listen elsewhere, or speak I/O from both ends' port.
OPTIONS = {
    'lab/mb_libmodbus_random.pcap': {'modbus_ports': (502, 1502)},
    'lab/mb_libmodbus_unit.pcap': {'modbus_ports': (502, 1502)},
    'lab/enip_eeipnet_opener.pcap': {'server': '10.99.0.2/32'},
    'suricata-verify/enip_cip_example.pcap': {'server': '192.168.1.22/32'},
    'quickdraw/modicon_test.pcap': {'umas': True},
    'quickdraw/modbus_test_data_part2.pcap': {'umas': True},
}
PORTS_POLICY = '''version: 1
default: readonly
assets:
  plant:
    address: [0.0.0.0/0, "::/0"]
    modbus: {ports: [%s], umas: %s}
    enip: {}
'''
FIELDS = {
    'modbus': ['unit', 'function', 'subfunction', 'address', 'quantity',
               'write_address', 'write_quantity', 'umas_key'],
    'enip': ['command', 'service', 'class', 'instance', 'attribute', 'tag', 'route',
             'pccc_command', 'pccc_function', 'pccc_transaction', 'file',
             'file_type', 'element', 'sub_element', 'elements'],
}
# One coil, one register, one queue: nothing on the wire is called a quantity.
NO_QUANTITY = (5, 6, 22, 24)


class Result:
    """What one capture showed."""

    def __init__(self, name):
        self.name = name
        self.counts = (0, 0)
        self.problems = []
        self.differences = {}
        self.payloads = {}
        self.checked = 0


# ---- comparing two lines ----

def field_differences(want, got):
    """Names of the fields in which a line differs from the expected one."""
    names = []
    for name in ['proto', 'verdict'] + FIELDS[want['proto']]:
        mine, theirs = want.get(name), got.get(name)
        if mine == theirs:
            continue
        if name == 'quantity' and want.get('function') in NO_QUANTITY:
            continue
        # A malformed message is decoded as far as each side cared to go.
        if 'malformed' in want and None in (mine, theirs) and \
                name not in ('proto', 'verdict', 'function'):
            continue
        names.append(name)
    return names


def describe(leaf):
    """A line in a few words."""
    names = ['verdict', 'reason', 'malformed'] + FIELDS[leaf['proto']]
    return ' '.join('%s=%s' % (name, leaf[name]) for name in names
                    if leaf.get(name) is not None)


def compare_lines(want, got):
    """{(frame, index): text} of everything that is not the same."""
    found = {}
    for key in sorted(want.keys() | got.keys()):
        if key not in got:
            found[key] = 'missing: ' + describe(want[key])
        elif key not in want:
            found[key] = 'unexpected: ' + describe(got[key])
        else:
            names = field_differences(want[key], got[key])
            if names:
                found[key] = '%s: want %s; got %s' % (
                    ','.join(names), describe(want[key]), describe(got[key]))
    return found


# ---- running ----

def parse_replay(text, result):
    """Replay's lines by (frame, index); complains about any that is unfit."""
    lines = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            leaf = json.loads(line)
            key = leaf['frame'], leaf['index']
            if leaf['verdict'] not in ('allow', 'deny') or \
                    leaf['proto'] not in FIELDS:
                raise KeyError('verdict or proto')
        except (ValueError, KeyError, TypeError) as problem:
            result.problems.append('line %d unusable (%s): %s'
                                   % (number, problem, line[:120]))
            continue
        if key in lines:
            result.problems.append('frame %d index %d twice' % key)
        lines[key] = leaf
    return lines


def replay(args, name, policy, result):
    """Runs keyswitch on one capture; its lines."""
    command = [args.keyswitch, 'replay', os.path.join(args.captures, name),
               '--policy', policy, '--json']
    # the lab's captures hold whole connections: nothing there needs adoption
    if not name.startswith('lab/'):
        command.append('--adopt')
    server = OPTIONS.get(name, {}).get('server')
    if server:
        command += ['--server', server]
    try:
        run = subprocess.run(command, text=True, timeout=REPLAY_TIMEOUT,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        result.problems.append('replay hung for %d s' % REPLAY_TIMEOUT)
        return {}
    if run.returncode != 0:
        result.problems.append('replay exit %d: %s'
                               % (run.returncode, run.stderr.strip()[-300:]))
    return parse_replay(run.stdout, result)


def run_capture(args, name, policies):
    """Expected set, replay and comparison of one capture."""
    result = Result(name)
    options = OPTIONS.get(name, {})
    modbus = options.get('modbus_ports'), options.get('umas', False)
    try:
        leaves, crosscheck, result.payloads = expected_leaves(
            os.path.join(args.captures, name), adopt=not name.startswith('lab/'), **options)
    except CaptureError as problem:
        result.problems.append(str(problem))
        return result
    result.checked = sum(crosscheck.agreed.values())
    result.problems += ['tshark disagrees with expected.py: ' + line
                        for line in crosscheck.differences]
    got = replay(args, name, policies[modbus], result)
    want = {(leaf['frame'], leaf['index']): leaf for leaf in leaves}
    result.counts = len(want), len(got)
    result.differences = compare_lines(want, got)
    return result


def write_policies(args, directory):
    """The policy for each set of ports, and for servers that speak UMAS."""
    policies = {(None, False): args.policy}
    for ports, umas in {(o.get('modbus_ports'), o.get('umas', False))
                        for o in OPTIONS.values()} - set(policies):
        path = os.path.join(directory, '%d.yaml' % len(policies))
        with open(path, 'w', encoding='utf-8') as out:
            out.write(PORTS_POLICY % (', '.join(map(str, ports or (502,))),
                                      str(umas).lower()))
        policies[ports, umas] = path
    return policies


# ---- explained differences ----

def read_explained(path):
    """{(capture, frame, index): bytes} of the list; ValueError if unfit."""
    explained = {}
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith('#') or not line.strip():
                continue
            cells = [cell.strip() for cell in line.split('|')]
            if len(cells) != 6 or not all(cells):
                raise ValueError('%s:%d: expected six columns' % (path, number))
            key = cells[0], int(cells[1]), int(cells[2])
            explained[key] = bytes.fromhex(cells[3])
    if len(explained) > MAX_EXPLAINED:
        raise ValueError('%s: %d differences, at most %d'
                         % (path, len(explained), MAX_EXPLAINED))
    return explained


def apply_explained(result, explained):
    """Takes explained differences away; a stale or wrong entry is a problem."""
    taken = 0
    for (name, frame, index), data in explained.items():
        if name != result.name:
            continue
        if result.differences.pop((frame, index), None) is None:
            result.problems.append('explained difference in frame %d index %d '
                                   'is none' % (frame, index))
        elif data not in result.payloads.get(frame, b''):
            result.problems.append('frame %d does not hold the bytes of the '
                                   'explained difference' % frame)
        taken += 1
    return taken


# ---- report ----

def report(result, taken, bad='FAIL'):
    """Prints one capture; True if it passed."""
    good = not result.problems and not result.differences
    print('%-4s %-52s expected %5d replayed %5d different %d explained %d, '
          'tshark agrees on %d lists'
          % ('ok' if good else bad, result.name, *result.counts,
             len(result.differences), taken, result.checked))
    for problem in result.problems[:SHOWN]:
        print('     ' + problem)
    for (frame, index), text in list(result.differences.items())[:SHOWN]:
        print('     frame %d index %d %s' % (frame, index, text))
    return good


def find_captures(root, patterns):
    """Names of the captures, relative to the root."""
    names = sorted(os.path.relpath(os.path.join(folder, name), root)
                   for folder, _, files in os.walk(root) for name in files
                   if name.endswith(('.pcap', '.pcapng')))
    return [name for name in names
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


def arguments():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--keyswitch', metavar='BIN',
                        default=os.path.join(ROOT, '.output/keyswitch'))
    parser.add_argument('--capture', metavar='GLOB', action='append',
                        help='relative to the captures; repeatable')
    parser.add_argument('--captures', metavar='DIR', default=os.environ.get(
        'KEYSWITCH_CAPTURES', os.path.join(ROOT, '../shared/pcaps')))
    parser.add_argument('--policy', metavar='FILE',
                        default=os.path.join(ROOT, 'policy/readonly.yaml'))
    parser.add_argument('--differences', metavar='FILE',
                        default=os.path.join(HERE, 'differences.txt'))
    parser.add_argument('--expect-red', action='store_true',
                        help='BIN is a mutant: pass only if requests differ')
    parser.add_argument('--jobs', type=int, default=2)
    return parser.parse_args()


def judge(args, results):
    """(passed, failed) over all captures."""
    explained = read_explained(args.differences)
    bad = 'red' if args.expect_red else 'FAIL'
    good = [report(r, apply_explained(r, explained), bad) for r in results]
    if not args.expect_red:
        return sum(good), len(good) - sum(good)
    # A mutant that crashes shows nothing: it must run, and be seen as wrong.
    ran = not any(result.problems for result in results)
    seen = any(result.differences for result in results)
    return int(ran and seen), int(not (ran and seen))


def main():
    """Runs all captures, two at a time."""
    args = arguments()
    names = find_captures(args.captures, args.capture or ['*'])
    if not names:
        print('compare: no capture in %r' % args.captures, file=sys.stderr)
        return 3
    if not os.access(args.keyswitch, os.X_OK):
        print('compare: no program %r' % args.keyswitch, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as directory, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        policies = write_policies(args, directory)
        results = list(pool.map(
            lambda name: run_capture(args, name, policies), names))
    try:
        passed, failed = judge(args, results)
    except ValueError as problem:
        print('compare: %s' % problem, file=sys.stderr)
        return 1
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
