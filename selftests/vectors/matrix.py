# SPDX-License-Identifier: GPL-2.0-only
"""Walks every cell side x state x class of the state matrix.

The matrix comes from the program's own X-macro; what a rule must do comes from
here. A flow is brought into the state by packets (the tombstone, which only
time makes, by an edit), one packet of the class is sent, and the reason counted
and the state afterwards are compared with the rule that the cell names.
"""
import vec

MARKS = ("<!-- the state matrix, from bpf/states.h -->", "<!-- end of the state matrix -->")

REACH = {
    "NONE": [],
    "SYN_SENT": ["c syn => handshake"],
    "SYNACKED": ["c syn => handshake", "s synack => handshake"],
    "ESTAB": ["open"],
    "CLOSED": ["open", "s rst => close"],
    "KILLED": ["open", "c data read(0) => ok",
               "repeat 2 c data read(5) | seq=-12 stay=1 => retransmit_mismatch",
               "c data read(5) | seq=-12 stay=1 => retransmit_mismatch kill=-12"],
    "OUTBOUND": ["s syn => outbound"],
    "DEAD": ["open", "edit state=7"],
}

PACKET = {"RST": "rst", "SYN": "syn", "SYNACK": "synack", "FIN": "fin", "ACK": "ack"}

def table(cells, rules):
    """The matrix and its rules as docs/soundness.md has them."""
    names = list(PACKET)[:3] + ["DATA"] + list(PACKET)[3:]
    rows = {}
    for side, state, name, rule in cells:
        rows.setdefault((side, state), {})[name] = rule
    out = ["| side | state | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for (side, state), row in rows.items():
        out.append(f"| {side.lower()} | {state} | " + " | ".join(row[n] for n in names) + " |")
    out += ["", "| rule | what it does |", "|---|---|"]
    out += [f"| {name} | {text} |" for name, text in rules.items()]
    return "\n".join(out)


# rule -> what any packet is counted as, or by class; and the state after it
RULES = {
    "unexpected": ("state_unexpected", None),
    "open": ("handshake", "SYN_SENT"),
    "reopen": ("handshake", None),
    "pend": ("handshake", "ESTAB"),
    "complete": ({"DATA": "ok", "FIN": "close", "ACK": "handshake"}, "ESTAB"),
    "accept": ({"DATA": "ok", "FIN": "close", "ACK": "ack"}, "ESTAB"),
    "client_rst": ("close", None),
    "last": ("close", None),
    "unseen": ("state_unexpected", None),
    "closed": ("flow_closed", None),
    "killed": ("flow_killed", None),
    "stray": ("no_state", None),
    "synack": ("handshake", "SYNACKED"),
    "live_synack": ("handshake", "ESTAB"),
    "server_rst": ("close", "CLOSED"),
    "track": ({"DATA": "reply", "FIN": "close", "ACK": "ack"}, "ESTAB"),
    "outbound": ("outbound", "OUTBOUND"),
    "adopt": ("from_server", None),  # adoption is off in these cases
    "pass": ("from_server", None),
}


def cases(cells):
    """(name, case) of each cell, for the enforce run: others follow a connection."""
    for side, state, name, rule in cells:
        reason, after = RULES[rule]
        if isinstance(reason, dict):
            reason = reason[name]
        after = after or state
        if rule == "client_rst" and state in ("ESTAB", "KILLED"):
            after = "CLOSED"  # its number is exact, the server takes it
        letter = side[0].lower()
        packet = "data " + ("read(0)" if letter == "c" else "reply()") if name == "DATA" else \
            PACKET[name]
        case = vec.Case(f"matrix {side}", state, "plant.yaml", [])
        lines = REACH[state] + [f"{letter} {packet} => {reason}",
                                "flow none" if after == "NONE" else f"flow state={after}"]
        case.lines = [(f"{side} {state} {name}: {rule}", line) for line in lines]
        yield f"matrix {side} {state} {name} {rule}", case
