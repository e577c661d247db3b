#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Replay judges what was captured, in either mode: a denied write in the middle
of a connection changes no later verdict. Compares a replay of the whole capture
with one from which the denied write's frames were cut out.

Owns which frames are cut out; the verdicts are keyswitch's.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the checkout stays as it was

from capfile import read_frames, write_frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAPTURES = pathlib.Path(os.environ.get('KEYSWITCH_CAPTURES', ROOT.parent / 'shared' / 'pcaps'))
POLICY = ROOT / 'policy' / 'readonly.yaml'
# Connections with a handshake or without, pipelined or not, both protocols.
SUBJECTS = ['icsnpp-modbus/modbus_example.pcap', 'quickdraw/modbus_test_data_part2.pcap',
            'iti/ModbusTCP.pcap', 'suricata-verify/modbus.pcap', 'lab/enip_pylogix_cpppo.pcap',
            'lab/enip_pycomm3_generic_opener.pcap', 'iti/EIP-ChangeDateAttempt.pcap']


def without(capture, frames, target):
    """The capture without the given frames (1-based)."""
    link, all_frames = read_frames(capture)
    write_frames(target, link, [frame for number, frame in enumerate(all_frames, 1)
                                if number not in frames])


def replay(binary, capture, mode):
    argv = [binary, 'replay', capture, '--policy', POLICY, '--adopt', '--json', '--mode', mode]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit('replay failed: %s' % done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def fields(line):
    """What a line says apart from where it stands and how a refusal is called."""
    kept = {k: v for k, v in line.items() if k not in ('frame', 'index', 'verdict')}
    return kept | {'refused': line['verdict'] != 'allow'}


def victim(lines):
    """Frame of a denied write that stands alone in its frame, with requests of
    the same connection before and behind it."""
    for at, line in enumerate(lines):
        same = [l for l in lines if l['sport'] == line['sport'] and l['src'] == line['src']]
        alone = sum(l['frame'] == line['frame'] for l in lines) == 1
        if line['verdict'] != 'allow' and alone and same[0] is not line and \
                same[-1] is not line and same[-1]['verdict'] == 'allow':
            return at
    return None


def check(binary, capture, folder):
    """'' or what went wrong."""
    enforced = replay(binary, capture, 'enforce')
    monitored = replay(binary, capture, 'monitor')
    if [fields(l) for l in enforced] != [fields(l) for l in monitored]:
        return 'enforce and monitor judge differently'
    if any(l['verdict'] == 'would_deny' for l in enforced) or \
            any(l['verdict'] == 'deny' for l in monitored):
        return 'a verdict does not carry the name of its mode'
    at = victim(enforced)
    if at is None:
        return 'no denied request in the middle of a connection'
    cut = folder / capture.name
    without(capture, {enforced[at]['frame']}, cut)
    want = [fields(l) for l in enforced[:at] + enforced[at + 1:]]
    for mode in ('enforce', 'monitor'):
        got = [fields(l) for l in replay(binary, cut, mode)]
        if got != want:
            first = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b),
                         min(len(want), len(got)))
            return '%s without frame %d: %d requests, want %d, first difference at %d' % (
                mode, enforced[at]['frame'], len(got), len(want), first)
    return ''


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--keyswitch', default=ROOT / '.output' / 'keyswitch')
    binary = parser.parse_args().keyswitch
    failed = 0
    with tempfile.TemporaryDirectory(prefix='keyswitch-follow.') as folder, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        problems = list(pool.map(
            lambda name: check(binary, CAPTURES / name, pathlib.Path(folder)), SUBJECTS))
    for name, problem in zip(SUBJECTS, problems):
        failed += bool(problem)
        print('not ok' if problem else 'ok', 'a denied write changes no later verdict:', name, problem)
    print('%d passed, %d failed' % (len(SUBJECTS) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
