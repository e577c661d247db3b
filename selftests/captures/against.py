#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""'replay --against': what it says of two policies is what two replays say by themselves,
over real captures; and, over a capture made here, what was written down beforehand.

Owns the crafted capture and what is expected of it; the verdicts are keyswitch's.
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

from capfile import Frame, write_frames

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'selftests' / 'vectors'))
import wire

CAPTURES = pathlib.Path(os.environ.get('KEYSWITCH_CAPTURES', ROOT.parent / 'shared' / 'pcaps'))
PLANT = 'assets: {plant: {address: [0.0.0.0/0, "::/0"], modbus: {%s}, enip: {}}}\n'
OLD = 'version: 1\ndefault: readonly\n' + PLANT % ''
NEW = 'version: 1\ndefault: deny\n' + PLANT % '' + '''rules:
  - {name: some, to: plant, action: allow, modbus: {functions: [3, write], addresses: [0-9]}}
  - {name: session, to: plant, action: allow, cip: {services: [session, discovery]}}
  - {name: tags, to: plant, action: allow, cip: {services: [write_tag, read_tag], tags: [Setpoint]}}
'''
# The same words as NEW, but for the way they are written.
SAME = NEW.replace('[3, write]', '[write, 3]').replace('0-9', '0-4, 5-9')
PORTS = NEW.replace('modbus: {}', 'modbus: {ports: [1502]}', 1)
SUBJECTS = ['icsnpp-modbus/modbus_example.pcap', 'quickdraw/modbus_test_data_part2.pcap',
            'iti/ModbusTCP.pcap', 'suricata-verify/modbus.pcap', 'lab/enip_pylogix_cpppo.pcap',
            'lab/enip_pycomm3_generic_opener.pcap', 'lab/mb_npm_modbusserial_pipelined.pcap']


def replay(binary, capture, *extra):
    """(exit code, JSON lines, the last one of --against apart)."""
    argv = [binary, 'replay', capture, '--adopt', '--json', *extra]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if '--against' not in extra and done.returncode:
        raise SystemExit('replay failed: %s' % done.stderr)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def decided(line):
    """(allowed, reason, rule); the rule says nothing where the request's form decided."""
    by_rule = line['reason'] in ('ok', 'policy_deny')
    return line['verdict'] == 'allow', line['reason'], line['rule'] if by_rule else None


def change(was, now):
    if was[0] != now[0]:
        return 'now_allowed' if now[0] else 'now_denied'
    return 'same' if was == now else 'other_rule'


def expected(binary, capture, old, new):
    """{(frame, index): change} and how many are the same, from two replays."""
    sides = []
    for policy in (old, new):
        lines = replay(binary, capture, '--policy', policy)[1]
        sides.append({(l['frame'], l['index']): decided(l) for l in lines})
    both = {key: change(sides[0][key], sides[1][key]) for key in sides[0].keys() & sides[1].keys()}
    return both, sides[0].keys() ^ sides[1].keys()


def check(binary, capture, old, new):
    """'' or what went wrong, and how many differences there were."""
    want, alone = expected(binary, capture, old, new)
    code, lines, _ = replay(binary, capture, '--policy', old, '--against', new)
    summary = lines.pop()['summary']
    got = {(l['frame'], l['index']): l['change'] for l in lines}
    for key, what in want.items():
        if got.get(key, 'same') != what:
            return 'frame %d index %d: %s, want %s' % (*key, got.get(key, 'same'), what), 0
    for key in alone:
        if key in got and any(l['was']['request'] == l['now']['request'] for l in lines
                              if (l['frame'], l['index']) == key):
            return 'frame %d index %d: a request under one policy alone' % key, 0
    if got.keys() - want.keys() - alone:
        return 'requests that no replay has: %s' % (got.keys() - want.keys() - alone), 0
    for what in ('now_allowed', 'now_denied', 'other_rule'):
        n = sum(l['change'] == what for l in lines)
        if not n == summary[what] == sum(g[what] for g in summary['groups']):
            return '%d %s, the summary says %d' % (n, what, summary[what]), 0
    if summary['requests'] != len(want) + len(alone) or code != bool(got):
        return 'exit %d and %d requests of %d' % (code, summary['requests'], len(want)), 0
    return '', len(got)


class Talk:
    """Frames of one connection, with its handshake, as a capture has them."""

    def __init__(self, sport, dport=502, client='10.1.0.10'):
        self.ends = wire.packed(client), wire.packed('10.2.0.5')
        self.ports, self.seq, self.ack = (sport, dport), 1000, 5000
        self.frames = [self.frame(True, wire.SYN, opt=wire.MSS), self.frame(False, wire.SYN | wire.ACK),
                       self.frame(True, wire.ACK)]

    def frame(self, client, flags, payload=b'', opt=b''):
        src, dst = self.ends if client else self.ends[::-1]
        ports = self.ports if client else self.ports[::-1]
        seq, ack = (self.seq, self.ack) if client else (self.ack, self.seq)
        segment = wire.tcp(src, dst, *ports, seq, ack if flags & wire.ACK else 0, flags, payload, opt)
        step = len(payload) + bool(flags & wire.SYN)
        if client:
            self.seq += step
        else:
            self.ack += step
        return wire.ethernet(client, wire.ip4(src, dst, 6, segment), 0x800)

    def send(self, payload):
        self.frames.append(self.frame(True, wire.ACK | wire.PSH, payload))
        self.frames.append(self.frame(False, wire.ACK))


def crafted():
    """(frames, {(frame, index): change from OLD to NEW}, the same from NEW to PORTS)"""
    talk, other = Talk(40000), Talk(40001, 1502)
    talk.send(wire.write(address=5) + wire.read(address=0, quantity=10))    # frame 4: two requests
    talk.send(wire.write(address=10))       # 6: denied by both; the stream goes on
    talk.send(wire.read(address=9, quantity=2))  # 8: one register too many
    talk.send(wire.write_many(8, 1, 2))     # 10
    talk.send(wire.adu(b'\x06\0\x05', 1))   # 12: malformed under any policy
    talk.send(wire.write_many(9, 1, 2)[:7])  # 14: a request in two pieces ...
    talk.send(wire.write_many(9, 1, 2)[7:])  # 16: ... denied by both
    other.send(wire.write(address=3))       # 21
    first = {(4, 0): 'now_allowed', (4, 1): 'other_rule', (8, 0): 'now_denied', (10, 0): 'now_allowed'}
    # where 502 is no port of the asset, there is no request; 1502 was no port before
    second = {(4, 0): 'now_denied', (4, 1): 'now_denied', (10, 0): 'now_denied',
              (6, 0): 'other_rule', (8, 0): 'other_rule', (12, 0): 'other_rule',
              (16, 0): 'other_rule', (21, 0): 'other_rule'}
    return talk.frames + other.frames, first, second


def check_crafted(binary, folder, old, new, want):
    capture = folder / 'crafted.pcap'
    frames = crafted()[0]
    write_frames(capture, 1, [Frame(10**18 + i * 10**6, f, len(f)) for i, f in enumerate(frames)])
    code, lines, _ = replay(binary, capture, '--policy', folder / old, '--against', folder / new)
    lines.pop()
    got = {(l['frame'], l['index']): l['change'] for l in lines}
    return '' if (got, code) == (want, bool(want)) else 'exit %d, %s, want %s' % (code, got, want)


def check_clients(binary, folder):
    """Of a connection of each of many clients every request is judged, the last as well."""
    for clients in (64, 65, 200):
        capture, frames = folder / 'clients.pcap', []
        for i in range(clients):
            talk = Talk(40000, client='10.1.1.%d' % (i + 1))
            talk.send(wire.read())
            frames += talk.frames
        write_frames(capture, 1, [Frame(10**18 + i * 10**6, f, len(f)) for i, f in enumerate(frames)])
        lines = replay(binary, capture, '--policy', folder / 'OLD.yaml')[1]
        if len({line['src'] for line in lines}) != clients:
            return '%d requests of %d clients' % (len(lines), clients)
    return ''


def check_refusals(binary, folder):
    """A comparison that cannot be made is 2, never 'no difference' or 'a difference'."""
    capture, old = folder / 'crafted.pcap', folder / 'OLD.yaml'
    (folder / 'cut.pcap').write_bytes(capture.read_bytes()[:-3])
    (folder / 'wrong.yaml').write_text('version: 1\ndefault: sometimes\n')
    for argv, words in (
            ((capture, '--policy', old, '--against', folder / 'none.yaml'), 'none.yaml'),
            ((capture, '--policy', old, '--against', folder / 'wrong.yaml'), "2, \"column\": 10"),
            ((folder / 'none.pcap', '--policy', old, '--against', old), 'none.pcap'),
            ((folder / 'cut.pcap', '--policy', old, '--against', old), 'cut.pcap')):
        code, _, text = replay(binary, argv[0], *argv[1:])
        if code != 2 or words.replace(' ', '') not in text.replace(' ', ''):
            return '%s: exit %d: %s' % (argv[1:], code, text)
    return ''


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--keyswitch', default=ROOT / '.output' / 'keyswitch')
    binary = parser.parse_args().keyswitch
    results = []
    with tempfile.TemporaryDirectory(prefix='keyswitch-against.') as name, \
            concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name)
        for policy, text in (('OLD', OLD), ('NEW', NEW), ('SAME', SAME), ('PORTS', PORTS)):
            (folder / (policy + '.yaml')).write_text(text)
        old, new, same = (folder / (p + '.yaml') for p in ('OLD', 'NEW', 'SAME'))
        found = list(pool.map(lambda c: check(binary, CAPTURES / c, old, new), SUBJECTS))
        for subject, (problem, n) in zip(SUBJECTS, found):
            results.append(('old and new on ' + subject, problem or ('' if n else 'no difference')))
        problem, n = check(binary, CAPTURES / SUBJECTS[0], new, same)
        results.append(('another spelling', problem or n))
        _, first, second = crafted()
        results.append(('the crafted capture', check_crafted(binary, folder, 'OLD.yaml', 'NEW.yaml', first)))
        results.append(('the crafted capture, other way', check_crafted(
            binary, folder, 'NEW.yaml', 'OLD.yaml', {
                key: {'now_allowed': 'now_denied', 'now_denied': 'now_allowed'}.get(what, what)
                for key, what in first.items()})))
        results.append(('an asset on another port', check_crafted(binary, folder, 'NEW.yaml',
                                                                  'PORTS.yaml', second)))
        results.append(('a client a connection', check_clients(binary, folder)))
        results.append(('refusals', check_refusals(binary, folder)))
    for what, problem in results:
        print('not ok' if problem else 'ok', 'replay --against:', what, problem or '')
    failed = sum(bool(problem) for _, problem in results)
    print('%d passed, %d failed' % (len(results) - failed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
