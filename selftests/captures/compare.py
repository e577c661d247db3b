#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Replays every capture through keyswitch and compares each request with the
expected set.

Owns which replays a capture gets, the comparison by (frame, index, fields, verdict,
rule), the list of explained differences and what counts as failure. Decodes nothing
itself. Prints one line a replay and ends with 'N passed, N failed'.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the checkout stays as it was

from expected import POLICIES, Expected
from packets import CaptureError
from policies import judged
from replay import OPTIONS, PROTOCOLS, adopts, replay, replay_cut, write_policies

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, '../..'))
MAX_EXPLAINED = 20
SHOWN = 12
WITH_RULES = ('logix', 'tags')
LEAST = 20      # requests that each of these allows by a rule, and denies

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
    """What one replay showed."""

    def __init__(self, name):
        self.name = name
        self.counts = (0, 0)
        self.problems = []
        self.differences = {}
        self.payloads = {}
        self.checked = 0
        self.tally = collections.Counter()


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
    if 'malformed' not in want and want['rule'] != got.get('rule'):
        names.append('rule')
    return names


def describe(leaf):
    """A line in a few words."""
    names = ['verdict', 'reason', 'malformed', 'rule'] + FIELDS[leaf['proto']]
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

def expect(args, name):
    """(Expected, first Result) of a capture, with what tshark says otherwise; None for
    the first if it cannot be read."""
    result = Result(name)
    try:
        expected = Expected(os.path.join(args.captures, name), adopt=adopts(name),
                            **OPTIONS.get(name, {}))
    except CaptureError as problem:
        result.problems.append(str(problem))
        return None, result
    result.checked = sum(expected.crosscheck.agreed.values())
    result.problems += ['tshark disagrees with expected.py: ' + line
                        for line in expected.crosscheck.differences]
    return expected, result


def compare(result, expected, policy, got, protocols):
    """Completes the result of one replay with what differs."""
    want = {(leaf['frame'], leaf['index']): leaf
            for leaf in judged(expected.leaves, POLICIES[policy]) if leaf['proto'] in protocols}
    got = {key: leaf for key, leaf in got.items() if leaf['proto'] in protocols}
    result.counts = len(want), len(got)
    result.payloads = expected.payloads
    result.differences = compare_lines(want, got)
    for leaf in got.values():
        result.tally[policy, leaf['verdict']] += 1
        result.tally[policy, 'rule'] += \
            leaf['verdict'] == 'allow' and leaf.get('rule') != 'default'
    return result


def run_small_mtu(args, name, folder, expected):
    """The capture cut to an MTU of 100, [] if all of it is smaller."""
    result = Result(name + ' at MTU 100')
    got = replay_cut(args, name, folder, policy_file('logix'), result.problems)
    if got is None and not result.problems:
        return []
    compare(result, expected, 'logix', got or {}, ('enip',))
    result.tally.clear()        # these requests were counted under logix
    return [result]


def run_capture(args, name, policies, folder):
    """Every replay of one capture: readonly, and where there is EtherNet/IP in it the two
    policies with rules and a small MTU. A Result each."""
    expected, result = expect(args, name)
    if expected is None:
        return [result]
    path, options = os.path.join(args.captures, name), OPTIONS.get(name, {})
    first = policies[options.get('modbus_ports'), options.get('umas', False)]
    got = replay(args, name, path, first, result.problems)
    results = [compare(result, expected, 'readonly', got, PROTOCOLS)]
    if not any(leaf['proto'] == 'enip' for leaf in expected.leaves):
        return results
    for policy in WITH_RULES:
        result = Result('%s under %s' % (name, policy))
        got = replay(args, name, path, policy_file(policy), result.problems)
        results.append(compare(result, expected, policy, got, ('enip',)))
    return results + run_small_mtu(args, name, folder, expected)


def policy_file(policy):
    """The text that policies.py repeats."""
    return os.path.join(HERE, policy + '.yaml')


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
    """Prints one replay; True if it passed."""
    good = not result.problems and not result.differences
    print('%-4s %-60s expected %5d replayed %5d different %d explained %d%s'
          % ('ok' if good else bad, result.name, *result.counts,
             len(result.differences), taken,
             ', tshark agrees on %d lists' % result.checked if result.checked else ''))
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


def report_tallies(results):
    """Prints what each policy did; for each with rules, True if it allowed by them and
    denied in numbers: a comparison that never allows shows nothing."""
    tally, good = sum((result.tally for result in results), collections.Counter()), []
    for policy in POLICIES:
        by_rule, denied = tally[policy, 'rule'], tally[policy, 'deny']
        print('%s: %d allowed, %d of them by a rule, %d denied'
              % (policy, tally[policy, 'allow'], by_rule, denied))
        if policy in WITH_RULES:
            good.append(min(by_rule, denied) >= LEAST)
            if not good[-1]:
                print('FAIL %s: expected at least %d by a rule and denied' % (policy, LEAST))
    return good


def judge(args, results):
    """(passed, failed) over all replays, and over the tallies of a full run."""
    explained = read_explained(args.differences)
    bad = 'red' if args.expect_red else 'FAIL'
    good = [report(r, apply_explained(r, explained), bad) for r in results]
    if not args.expect_red:
        good += [] if args.capture else report_tallies(results)
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
        policies = write_policies(args.policy, directory)
        results = [result for results in pool.map(
            lambda name: run_capture(args, name, policies, directory), names)
            for result in results]
    try:
        passed, failed = judge(args, results)
    except ValueError as problem:
        print('compare: %s' % problem, file=sys.stderr)
        return 1
    print('%d passed, %d failed' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
