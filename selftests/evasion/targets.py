# SPDX-License-Identifier: GPL-2.0-only
"""Who the stream fuzzer talks to: one controller for each way that keyswitch can
treat a stream, each at an address of its own, under one policy.

Owns the policy text, the addresses and ports, and for each target what of the
bytes that its application read is a denied request.  To judge another mode, add a
row to TARGETS.
"""
import oracle

LIMITS = """\
limits:
  flows: 32768
  modbus_rings: 16384
  enip_rings: 2048
  flows_per_client: 16000
  half_open_per_client: 8000
"""
READ = 65536
ONE_READ = 1024  # what OpenPLC's read() asks for
WORK = 2  # milliseconds that a one-read device takes for half of its answer
SHORT = 2  # backlog of the ports that run over


class Target:
    """text: its lines in `assets`. ports: the port, and one with a short backlog.
    judge: what each read() gave -> None or why that holds a denied request. weight:
    its share. carries: what a sender may go on behind."""

    def __init__(self, name, host, proto, ports, text, judge, server="stream", weight=4):
        self.name, self.proto, self.ports, self.judge = name, proto, ports, judge
        self.weight = weight
        self.server, self.text = server, text
        self.addresses = {4: f"10.91.1.{host}", 6: f"fd91:1::{host}"}
        self.carries = "hold" not in text
        self.single = "single" in text

    def policy(self):
        return (f"  {self.name}:\n    address: [{self.addresses[4]}, \"{self.addresses[6]}\"]\n"
                f"    {self.text.replace('PORTS', str(list(self.ports)))}\n")


def whole_modbus(data):
    """The stream up to its last whole message."""
    at = 0
    while len(data) - at >= 8:
        size = 6 + int.from_bytes(data[at + 4:at + 6], "big")
        if at + size > len(data) and 8 <= size <= 260:
            break
        at += size
    return data[:at] if at <= len(data) else data


def modbus_carry(reads):
    """Whole messages, nothing refused; the last one may be cut."""
    return oracle.modbus(whole_modbus(b"".join(reads)))


def modbus_strict(reads):
    """Whole messages and nothing else: no part of one may have been sent on."""
    data = b"".join(reads)
    why = oracle.modbus(data)
    if not why and len(whole_modbus(data)) != len(data):
        why = f"a message that was cut: {data[len(whole_modbus(data)):].hex()}"
    return why


def modbus_single(reads):
    """A device that takes a read() for a request: each is one message and no more."""
    for data in reads:
        why = oracle.modbus(data)
        if why or len(data) < 8 or len(data) != 6 + int.from_bytes(data[4:6], "big"):
            return why or f"a read() that is not one message: {data.hex()}"
    return None


def modbus_line(reads):
    """A line of libmodbus is one request as it was cut out and executed."""
    return oracle.modbus(b"".join(reads))


def enip_stream(reads):
    data, at = b"".join(reads), 0
    while len(data) - at >= 24:
        size = 24 + int.from_bytes(data[at + 2:at + 4], "little")
        if at + size > len(data):
            break
        at += size
    return oracle.enip(data[:at])


TARGETS = (
    Target("hold", 20, "modbus", (502, 503),
           "modbus: {{ports: PORTS, framing: strict, split: hold}}", modbus_strict),
    Target("carry", 21, "modbus", (502, 503),
           "modbus: {{ports: PORTS, framing: strict, split: carry}}", modbus_carry),
    Target("enip", 22, "enip", (44818, 44819), "enip: {{ports: PORTS}}", enip_stream, weight=6),
    Target("assemble", 23, "modbus", (502, 503), "modbus: {{ports: PORTS}}", modbus_strict,
           weight=6),
    Target("single", 24, "modbus", (502, 503), "modbus: {{ports: PORTS, framing: single}}",
           modbus_single, weight=3),
    Target("single-hold", 25, "modbus", (502, 503),
           "modbus: {{ports: PORTS, framing: single, split: hold}}", modbus_single, weight=2),
    Target("libmodbus", 26, "modbus", (1502,), "modbus: {{ports: PORTS}}", modbus_line,
           "libmodbus", 1),
    Target("libmodbus-hold", 27, "modbus", (1503,), "modbus: {{ports: PORTS, split: hold}}",
           modbus_line, "libmodbus", 1),
)
BY_ADDRESS = {address: target for target in TARGETS for address in target.addresses.values()}


def policy(on_deny, targets=TARGETS):
    """As a template for ks.Keyswitch: braces are doubled."""
    return (f"version: 1\ndefault: readonly\nunlisted: deny\non_deny: {on_deny}\n{LIMITS}assets:\n" +
            "".join(target.policy() for target in targets))


def listeners(targets=TARGETS):
    """Arguments of stream_server: ADDRESS,PORT,BACKLOG,READ,WORK[,opens]."""
    for target in targets:
        if target.server == "stream":
            for port, backlog in zip(target.ports, (4096, SHORT)):
                for address in (f"::ffff:{target.addresses[4]}", target.addresses[6]):
                    how = f"{ONE_READ},{WORK}" if target.single else f"{READ},0"
                    how += ",opens" if target.proto == "enip" else ""
                    yield f"{address},{port},{backlog},{how}"
