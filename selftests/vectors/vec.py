# SPDX-License-Identifier: GPL-2.0-only
"""Reads *.vec files and turns their cases into frames and expectations.

A file is lines of text:

    policy FILE                    the policy of the cases below (beside the .vec file)
    case NAME [KEY=VALUE ...]      keys: runs, client, server, cport, sport, iss, vlan, ...
      open                         the three handshake packets, each `handshake`
      SIDE KIND [PAYLOAD] [| KEY=VALUE ...] => REASON [KEY=VALUE ...]
      repeat N LINE [; LINE]   {n} in them counts from 0
      next                         another connection of the same client from here
      flow KEY=VALUE ...           what the flow table must hold now; `flow none`
      edit KEY=VALUE               changes the flow's entry (state, flags, abi, age in ms)
      set KEY VALUE | policy FILE | drop TABLE | sleep MS | clock MS

SIDE: c, s; C, S for a second pair of NICs on the same tables.
KIND: syn synack ack data fin rst tcp udp raw. PAYLOAD and values are Python
expressions over wire.py. Left of =>: seq and ack move the number by so much,
all else bends the frame. Right of it: trim=N (action trim, N payload bytes go
on), join=BYTES (action join, these are the payload), back=N (its number steps back by
N), less=N (it acknowledges N less), gap=N (answered: what is missing begins N before it), kill=N (goes on as a RST whose number is N behind the packet's), tx=rst (answered),
tx=ack (answered), acked=N on the client's side (so much of the payload is taken, where it
is not all), on the server's (its acknowledgement grows by N), win=N (window then), opt=BYTES (options
changed to these), rule=NAME (of what is allowed only replay tells it), event=REASON (of
the event, where it is another one or none), alert=NAME (of the rule that marks it), value=AT/V
(it is refused for V at address AT), events=N, leaves=N, replay=REASON and monitor=REASON
where those runs differ.

Runs: enforce (verdicts in force), replay (the instance of `keyswitch replay`),
monitor (as attached). Only the connection's own numbers are modelled here.
"""
import pathlib
import struct

import wire

HERE = pathlib.Path(__file__).resolve().parent
RUNS = ("enforce", "replay", "monitor")
NEXT_PORT = [20000]


class Problem(Exception):
    pass


def value_of(text):
    return eval(text, {**vars(wire)})  # pylint: disable=eval-used


def pairs(words):
    out = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise Problem(f"'{word}' is no KEY=VALUE")
        out[key] = value
    return out


class Case:
    def __init__(self, where, name, policy, words):
        options = pairs(words)
        self.where, self.name, self.policy = where, name, policy
        self.runs = options.pop("runs", "enforce,replay").split(",")
        self.options = options
        self.lines = []


def load(path):
    policy, cases = None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        words = line.split()
        if not words:
            continue
        if words[0] == "policy" and not (cases and raw_indented(path, number)):
            policy = words[1]
        elif words[0] == "case":
            cases.append(Case(f"{path.name}:{number}", words[1], policy, words[2:]))
        else:
            cases[-1].lines.append((f"{path.name}:{number}", line))
    return cases


def raw_indented(path, number):
    return path.read_text().splitlines()[number - 1][:1].isspace()


class Step:
    """One command to the driver and what its line of output must say."""

    def __init__(self, where, command, expect=None, **facts):
        self.where, self.command, self.expect, self.facts = where, command, expect, facts


class Player:
    """Plays one case for one run."""

    def __init__(self, case, run, reasons):
        self.case, self.run, self.reasons = case, run, reasons
        o = {"client": "10.1.0.10", "server": "10.2.0.5", "sport": "502", "iss": "1000",
             "irs": "9000", "vlan": "()", **case.options}
        self.client, self.server = o["client"], o["server"]
        NEXT_PORT[0] += 1
        self.cport = int(o.get("cport", NEXT_PORT[0]))
        self.sport = int(o["sport"])
        self.iss, self.irs = int(o["iss"], 0), int(o["irs"], 0)
        self.vlan = value_of(o["vlan"])
        self.c, self.s = self.iss, self.irs
        self.steps = []
        self.events = 0

    def key(self):
        c, s = wire.packed(self.client), wire.packed(self.server)
        tags = [v[1] if isinstance(v, tuple) else v for v in self.vlan][:2] + [0, 0]
        link = 6 << 24 | (tags[0] & 0xfff) << 12 | tags[1] & 0xfff
        return (c + s + struct.pack(">HH", self.cport, self.sport) + struct.pack("=I", link)).hex()

    # ---- frames ----

    def numbers(self, side, kind, bent):
        """(seq, ack, flags) of an honest packet, then bent."""
        mine, other = (self.c, self.s) if side in "cC" else (self.s, self.c)
        start = self.iss if side in "cC" else self.irs
        flags = {"syn": wire.SYN, "synack": wire.SYN | wire.ACK, "ack": wire.ACK,
                 "data": wire.ACK | wire.PSH, "fin": wire.FIN | wire.ACK, "rst": wire.RST,
                 "tcp": wire.ACK}[kind]
        seq = start if kind in ("syn", "synack") else mine
        if kind == "synack":
            other = (self.iss if side in "sS" else self.irs) + 1
        ack = 0 if kind == "syn" else other
        if "flags" in bent:
            flags = sum(wire.FLAGS[f] for f in bent["flags"].strip("'"))
        return (seq + int(bent.get("seq", "0"), 0), ack + int(bent.get("ack", "0"), 0), flags)

    def build(self, side, kind, payload, bent):
        words = {k: value_of(v) for k, v in bent.items() if k not in
                 ("seq", "ack", "flags", "src", "dst", "stay")}
        words.setdefault("vlan", self.vlan)
        up = side in "cC"
        src, dst, sport, dport = (self.client, self.server, self.cport, self.sport) if up else \
            (self.server, self.client, self.sport, self.cport)
        src, dst = bent.get("src", src), bent.get("dst", dst)
        sport, dport = words.get("sport", sport), words.get("dport", dport)
        if kind == "raw":
            return payload, 0
        if kind == "ip":
            return wire.frame(up, src, dst, words["proto"], payload, words), 0
        addresses = wire.packed(src), wire.packed(dst)
        if kind == "udp":
            body = wire.udp(*addresses, sport, dport, payload, words.get("ulen", 0))
            return wire.frame(up, src, dst, 17, body[:words.get("only", None)], words), 0
        seq, ack, flags = self.numbers(side, kind, bent)
        body = wire.tcp(*addresses, sport, dport, seq, ack, flags, payload,
                        **{k: v for k, v in words.items() if k in
                           ("opt", "doff", "urg", "badsum", "win", "alike")})
        return wire.frame(up, src, dst, 6, body[:words.get("only", None)], words), seq

    def expected(self, words):
        """(reason, action) in this run."""
        reason = words.get(self.run, words["reason"])
        if reason not in self.reasons:
            raise Problem(f"no reason '{reason}'")
        effect = self.reasons[reason]["effect"].lower()
        if self.run != "enforce":
            return reason, "pass"
        named = [name for name in ("trim", "join", "kill", "tx") if name in words]
        return reason, named[0] if named else effect

    def advance(self, side, kind, seq, payload, bent, words, action):
        """What the honest sender of this packet takes for sent."""
        size = len(payload)
        if side in "cC" and "acked" in words:
            size = int(words["acked"])
        elif action == "trim":
            size = int(words["trim"])
        elif action in ("drop", "kill") or words.get("tx", "rst") == "rst" and action == "tx":
            return
        if kind in ("raw", "udp", "ip", "rst") or "stay" in bent:
            return
        if kind in ("syn", "synack") or (kind == "fin" or "F" in bent.get("flags", "")) and \
                action == "pass":
            size += 1
        if side in "cC":
            self.c = max(self.c, seq + size) if kind != "syn" else seq + 1
        else:
            self.s = max(self.s, seq + size) if kind != "synack" else seq + 1

    def frame(self, where, line):
        left, arrow, right = line.partition("=>")
        if not arrow:
            raise Problem("a frame without '=>'")
        head, _, bends = left.partition("|")
        side, kind, *rest = head.split(None, 2)
        bent = {}
        for word in bends.split():
            name, equals, text = word.partition("=")
            bent[name] = text if equals else "True"
        words = pairs(["reason=" + w if "=" not in w else w for w in right.split()])
        payload = value_of(rest[0]) if rest else b""
        data, seq = self.build(side, kind, payload, bent)
        reason, action = self.expected(words)
        self.steps.append(Step(where, f"frame {side} {data.hex()}", (reason, action), data=data,
                               words=words, payload=payload, run=self.run, case=self))
        self.advance(side, kind, seq, payload, bent, words, action)

    def line(self, where, line):
        verb, *rest = line.split()
        if verb == "open":
            for packet in ("c syn", "s synack", "c ack"):
                self.frame(where, packet + " => handshake")
        elif verb == "repeat":
            for number in range(int(rest[0])):
                for part in line.split(None, 2)[2].split(";"):
                    self.line(where, part.strip().replace("{n}", str(number)))
        elif verb == "flow":
            self.steps.append(Step(where, f"flow {self.key()}", rest, case=self, c=self.c, s=self.s))
        elif verb == "edit":
            name, _, value = rest[0].partition("=")
            self.steps.append(Step(where, f"flow {self.key()} {name} {value}"))
        elif verb == "policy":
            self.steps.append(Step(where, f"apply {HERE / rest[0]}"))
        elif verb in ("set", "drop", "sleep", "clock"):
            self.steps.append(Step(where, line))
        elif verb == "next":
            NEXT_PORT[0] += 1
            self.cport, self.c, self.s = NEXT_PORT[0], self.iss, self.irs
        else:
            self.frame(where, line)

    def play(self):
        for where, line in self.case.lines:
            try:
                self.line(where, line)
            except (Problem, KeyError, ValueError, SyntaxError, NameError, TypeError,
                    struct.error) as error:
                raise SystemExit(f"{where}: {line}: {type(error).__name__}: {error}")
        return self.steps


# ---- what the driver said ----

class Outcome:
    def __init__(self, text):
        words = text.split()
        self.counted, self.retval = words[0], words[1] if len(words) > 1 else ""
        self.frame = words[2] if len(words) > 2 else ""
        self.events = [w[6:].split(":") for w in words if w.startswith("event=")]
        self.leaves = [w[5:].split(":") for w in words if w.startswith("leaf=")]
        self.trace = [w[6:] for w in words if w.startswith("trace=")]


def rewritten(step, before, after, action):
    """A segment of which another part goes on than came."""
    words = step.facts["words"]
    if after["seq"] != before["seq"] - int(words.get("back", 0)) & 0xffffffff or \
            after["ack"] != before["ack"] - int(words.get("less", 0)) & 0xffffffff or \
            after["ports"] != before["ports"]:
        return "ports or numbers changed"
    if "opt" in words and after["options"] != value_of(words["opt"]):
        return f"options {after['options'].hex()}"
    want = None
    if action == "trim":
        want = step.facts["payload"][:int(words["trim"])]
    elif action == "join":
        want = value_of(words["join"])
    if want is not None and (after["payload"] != want or after["rest"]):
        return f"{len(after['payload'])} payload bytes and {len(after['rest'])} more"
    whole = after["seq"] + len(after["payload"]) == before["seq"] + len(before["payload"])
    if after["flags"] & wire.FIN and not (whole and before["flags"] & wire.FIN):
        return "FIN on a segment that was cut"
    return None


def answered(step, before, after, action):
    """A packet of keyswitch's own in place of the one that came."""
    words, size = step.facts["words"], len(before["payload"])
    kill, ack = action == "kill", words.get("tx") == "ack"
    back = (lambda pair: pair) if kill else (lambda pair: pair[::-1])
    ports = after["ports"] if kill else after["ports"][2:] + after["ports"][:2]
    if ports != before["ports"] or after["addresses"] != back(before["addresses"]) or \
            after["macs"] != (before["macs"] if kill else before["macs"][6:] + before["macs"][:6]):
        return "ports or addresses"
    if after["payload"] or after["rest"]:
        return "an answer with data"
    if ack:
        taken = -int(words["gap"]) if "gap" in words else int(words.get("acked", size))
        want = (before["ack"], before["seq"] + taken & 0xffffffff, wire.ACK)
        if "opt" in words and after["options"] != value_of(words["opt"]):
            return f"options {after['options'].hex()}"
        if after["win"] != int(words.get("win", after["win"])):
            return f"window {after['win']}"
    elif kill:
        want = (before["seq"] - int(words["kill"]) & 0xffffffff, before["ack"],
                wire.RST | wire.ACK)
    elif before["flags"] & wire.ACK:
        want = (before["ack"], 0, wire.RST)
    else:
        want = (0, before["seq"] + size + bool(before["flags"] & wire.SYN), wire.RST | wire.ACK)
    got = (after["seq"], after["ack"], after["flags"])
    return None if got == want else f"numbers and flags {got}, want {want}"


def relabelled(step, before, after):
    """The server's packet: at most another acknowledgement, a smaller window."""
    words = step.facts["words"]
    for name in ("ports", "seq", "payload", "rest", "flags", "addresses"):
        if before[name] != after[name]:
            return f"{name} changed"
    if "opt" not in words and before["options"] != after["options"]:
        return "options changed"
    if after["ack"] != before["ack"] + int(words.get("acked", 0)) & 0xffffffff:
        return f"acknowledges {after['ack'] - before['ack']} more"
    if after["win"] > before["win"] or "win" in words and after["win"] != int(words["win"]):
        return f"window {after['win']}"
    return None


def changed_frame(step, got, action):
    words, data = step.facts["words"], step.facts["data"]
    server = step.command.startswith(("frame s", "frame S"))
    told_change = {"opt", "acked", "win", "less"} & set(words) and step.facts["run"] == "enforce"
    if action == "pass" and not told_change and (got.frame == "same" or not server):
        return None if got.frame == "same" else f"the frame changed: {got.frame}"
    if got.frame == "same":
        return "the frame did not change"
    before, after = wire.parse(data), wire.parse(bytes.fromhex(got.frame))
    if action in ("tx", "kill"):
        return answered(step, before, after, action)
    if server and action != "trim":
        return relabelled(step, before, after) or \
            (f"options {after['options'].hex()}" if "opt" in words and
             after["options"] != value_of(words["opt"]) else None)
    return rewritten(step, before, after, action)


def told(step, got, reason, action, reasons):
    """Nothing silent: what is dropped for a reason with a kind raises an event."""
    words, kinds, case = step.facts["words"], reasons[reason]["kind"], step.facts["case"]
    if step.facts["run"] == "replay":
        return f"trace says {got.trace}" if got.trace != [f"{reason}/{action}"] else None
    if "events" in words and len(got.events) != int(words["events"]):
        return f"{len(got.events)} events"
    case.events += len(got.events)
    names = {e[1] for e in got.events}
    want = words.get("event", reason if kinds else "")
    if want and want not in names and case.events < 10:
        return f"no event of '{want}', but {sorted(names)}"
    if not kinds and reasons[reason]["effect"] == "PASS" and names - {want}:
        return f"events {sorted(names)}"
    return None


def judged(step, got):
    words = step.facts["words"]
    rules = [x[2] for x in got.leaves] if step.facts["run"] == "replay" else \
        [e[3] for e in got.events]
    replay = step.facts["run"] == "replay"
    told_rule = replay or step.expect[0] != "ok" or "event" in words
    met = [x[3:5] for x in got.leaves] if replay else [e[5:7] for e in got.events]
    for at, name in enumerate(("alert", "value")):
        if name in words and told_rule and words[name] not in [m[at] for m in met]:
            return f"{name} {[m[at] for m in met]}"
    if "rule" in words and told_rule and words["rule"] not in rules:
        return f"rules {rules}"
    if "leaves" in words and step.facts["run"] == "replay" and len(got.leaves) != \
            int(words["leaves"]):
        return f"{len(got.leaves)} leaves"
    return None


def check_frame(step, text, reasons):
    got, (reason, action) = Outcome(text), step.expect
    if got.counted != f"{reason}/{action}":
        return f"counted {got.counted}, want {reason}/{action}"
    retval = {"drop": "1", "tx": "3"}.get(action, "2")
    if got.retval != retval:
        return f"XDP verdict {got.retval}, want {retval}"
    try:
        return (None if action == "drop" else changed_frame(step, got, action)) or \
            told(step, got, reason, action, reasons) or judged(step, got)
    except AssertionError as error:
        return str(error)


def check_flow(step, text):
    if step.expect == ["none"]:
        return None if text == "none" else f"flow is {text}"
    got = pairs(text.split()) if text != "none" else {}
    for key, want in pairs(step.expect).items():
        base = {"c_nxt": "c", "c_una": "c", "msg_start": "c", "s_nxt": "s"}.get(key)
        if base and want[0] in "+-":
            want = str((step.facts[base] + int(want)) & 0xffffffff)
        if got.get(key) != want:
            return f"flow {key}={got.get(key)}, want {want}"
    return None


def check(step, text, reasons):
    """None, or what is wrong."""
    if step.command.startswith("frame"):
        return check_frame(step, text, reasons)
    if step.command.startswith("flow") and step.expect:
        return check_flow(step, text)
    return None if text and text != "none" else f"the driver said '{text}'"
