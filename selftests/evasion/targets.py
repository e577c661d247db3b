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
  flows: 16384
  modbus_rings: 6144
  enip_rings: 2048
  flows_per_client: 16000
  half_open_per_client: 8000
"""
READ = 65536
SHORT = 2  # backlog of the ports that run over


class Target:
    """text: its lines in `assets`. ports: the port, and one with a short backlog.
    judge: bytes -> None or why they hold a denied request. weight: its share."""

    def __init__(self, name, host, proto, ports, text, judge, server="stream", weight=4):
        self.name, self.proto, self.ports, self.judge = name, proto, ports, judge
        self.weight = weight
        self.server, self.text = server, text
        self.addresses = {4: f"10.91.1.{host}", 6: f"fd91:1::{host}"}
        self.carries = "carry" in text or proto == "enip"

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


def modbus_carry(data):
    """Whole messages, nothing refused; the last one may be cut."""
    return oracle.modbus(whole_modbus(data))


def modbus_strict(data):
    """Whole messages and nothing else: no part of one may have been sent on."""
    why = oracle.modbus(data)
    if not why and len(whole_modbus(data)) != len(data):
        why = f"a message that was cut: {data[len(whole_modbus(data)):].hex()}"
    return why


def enip_stream(data):
    at = 0
    while len(data) - at >= 24:
        size = 24 + int.from_bytes(data[at + 2:at + 4], "little")
        if at + size > len(data):
            break
        at += size
    return oracle.enip(data[:at])


TARGETS = (
    Target("strict", 20, "modbus", (502, 503),
           "modbus: {{ports: PORTS, framing: strict, split: hold}}", modbus_strict),
    Target("carry", 21, "modbus", (502, 503),
           "modbus: {{ports: PORTS, framing: strict, split: carry}}", modbus_carry),
    Target("enip", 22, "enip", (44818, 44819), "enip: {{ports: PORTS}}", enip_stream),
    # a line of libmodbus is one request as it was cut out and executed
    Target("libmodbus", 23, "modbus", (1502,),
           "modbus: {{ports: PORTS, framing: strict, split: hold}}", oracle.modbus,
           "libmodbus", 1),
)
BY_ADDRESS = {address: target for target in TARGETS for address in target.addresses.values()}


def policy(targets=TARGETS):
    """As a template for ks.Keyswitch: braces are doubled."""
    return ("version: 1\ndefault: readonly\nunlisted: deny\n" + LIMITS + "assets:\n" +
            "".join(target.policy() for target in targets))


def listeners(targets=TARGETS):
    """Arguments of stream_server: ADDRESS,PORT,BACKLOG,READ."""
    for target in targets:
        if target.server == "stream":
            for port, backlog in zip(target.ports, (4096, SHORT)):
                for address in (f"::ffff:{target.addresses[4]}", target.addresses[6]):
                    yield f"{address},{port},{backlog},{READ}"
