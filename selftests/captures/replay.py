# SPDX-License-Identifier: GPL-2.0-only
"""One replay of a capture through keyswitch, and its lines.

Owns the command line of keyswitch, what it must be told of a capture (OPTIONS), and the
way back from the frames of a rewritten capture. Compares nothing.
"""
import json
import os
import subprocess

import smallmtu

TIMEOUT = 120
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
PROTOCOLS = ('modbus', 'enip')


def adopts(name):
    """The lab's captures hold whole connections: nothing there needs adoption."""
    return not name.startswith('lab/')


def parse(text, problems):
    """Replay's lines by (frame, index); complains about any that is unfit."""
    lines = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            leaf = json.loads(line)
            key = leaf['frame'], leaf['index']
            if leaf['verdict'] not in ('allow', 'deny') or leaf['proto'] not in PROTOCOLS:
                raise KeyError('verdict or proto')
        except (ValueError, KeyError, TypeError) as problem:
            problems.append('line %d unusable (%s): %s' % (number, problem, line[:120]))
            continue
        if key in lines:
            problems.append('frame %d index %d twice' % key)
        lines[key] = leaf
    return lines


def replay(args, name, path, policy, problems):
    """Runs keyswitch on `path`, which is capture `name` or was made of it; its lines."""
    command = [args.keyswitch, 'replay', path, '--policy', policy, '--json']
    if adopts(name):
        command.append('--adopt')
    server = OPTIONS.get(name, {}).get('server')
    if server:
        command += ['--server', server]
    try:
        run = subprocess.run(command, text=True, timeout=TIMEOUT,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        problems.append('replay hung for %d s' % TIMEOUT)
        return {}
    if run.returncode != 0:
        problems.append('replay exit %d: %s' % (run.returncode, run.stderr.strip()[-300:]))
    return parse(run.stdout, problems)


def replay_cut(args, name, folder, policy, problems):
    """The capture cut to an MTU of 100: its lines, by the frames of the original. None if
    there was nothing to cut, or no way to."""
    path = os.path.join(folder, name.replace('/', '.') + '.cut.pcap')
    try:
        numbers = smallmtu.rewrite(os.path.join(args.captures, name), path)
    except (OSError, ValueError) as problem:
        problems.append(str(problem))
        return None
    if numbers == sorted(set(numbers)):
        return None
    lines, count = {}, {}
    for (frame, _), leaf in sorted(replay(args, name, path, policy, problems).items()):
        frame = numbers[frame - 1]
        count[frame] = count.get(frame, -1) + 1
        lines[frame, count[frame]] = leaf
    return lines


def write_policies(policy, folder):
    """Which policy for each set of ports, and for servers that speak UMAS."""
    policies = {(None, False): policy}
    for ports, umas in {(o.get('modbus_ports'), o.get('umas', False))
                        for o in OPTIONS.values()} - set(policies):
        path = os.path.join(folder, '%d.yaml' % len(policies))
        with open(path, 'w', encoding='utf-8') as out:
            out.write(PORTS_POLICY % (', '.join(map(str, ports or (502,))),
                                      str(umas).lower()))
        policies[ports, umas] = path
    return policies
