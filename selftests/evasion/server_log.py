# SPDX-License-Identifier: GPL-2.0-only
"""What the servers' applications read, judged connection by connection while the
logs grow.

Owns the log files' places and the verdicts; the judgement itself is the target's
(targets.py).  It looks at nothing but the servers' own logs.
"""
import json

import targets


class Tail:
    """The whole lines that a file has got since last asked."""

    def __init__(self, path):
        self.path, self.at = path, 0

    def lines(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.at)
                text = file.read()
        except FileNotFoundError:
            return []
        text = text[:text.rfind(b"\n") + 1]
        self.at += len(text)
        return text.decode().splitlines()


class Connection:
    def __init__(self, target, seed, said):
        self.target, self.seed, self.said, self.data = target, seed, said, []

    def judge(self):
        return self.target.judge(self.data)


class Judge:
    """libmodbus: target -> its server's log. seed_of(server address, source port) ->
    whose connection that is."""

    def __init__(self, stream, libmodbus, seed_of):
        self.stream = Tail(stream)
        self.libmodbus = {target: Tail(path) for target, path in libmodbus.items()}
        self.seed_of, self.open = seed_of, {}
        self.findings, self.connections, self.bytes = [], 0, 0

    def read(self):
        """Takes what is new; finished connections are judged."""
        for line in self.stream.lines():
            kind, number, *rest = line.split()
            if kind == "o":
                self.accepted(number, *rest)
            elif kind == "d":
                data = bytes.fromhex(rest[0])
                self.bytes += len(data)
                self.open[number].data.append(data)
            else:
                self.finish(number)
        for target, tail in self.libmodbus.items():
            for line in tail.lines():
                self.executed(target, json.loads(line))

    def accepted(self, number, local, port, _, sport):
        self.connections += 1
        self.open[number] = Connection(targets.BY_ADDRESS[local],
                                       self.seed_of(local, int(sport)), (local, port, sport))

    def finish(self, number):
        one = self.open.pop(number)
        why = one.judge()
        if why:
            self.findings.append((one.seed, one.target.name, ":".join(one.said), why))

    def executed(self, target, line):
        """One request that libmodbus cut out and executed."""
        local = target.addresses[6 if ":" in line["client"] else 4]
        self.bytes += len(line["bytes"]) // 2
        why = target.judge([bytes.fromhex(line["bytes"])])
        if why:
            self.findings.append((self.seed_of(local, line["port"]), target.name,
                                  f"{local}:{line['port']}", why))

    def end(self):
        """Judges what is still open."""
        self.read()
        for number in list(self.open):
            self.finish(number)
