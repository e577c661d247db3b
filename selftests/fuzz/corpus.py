# SPDX-License-Identifier: GPL-2.0-only
"""Inputs of the fuzzers: payloads and TCP options of the captures, read anew in
each run, and the hand-made ones of seeds/ for what captures do not hold. Says
what each target gets of them; must not build or run anything but tshark.
"""
import concurrent.futures
import os
import pathlib
import re
import struct
import subprocess
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAPTURES = pathlib.Path(os.environ.get("KEYSWITCH_CAPTURES", ROOT.parent / "shared" / "pcaps"))
FIELDS = ["tcp.payload", "udp.payload", "tcp.options"]


def fields(capture):
    """Sets of the values that the capture has of each of FIELDS."""
    wanted = [word for name in FIELDS for word in ("-e", name)]
    # bytes are taken as they are; the dissectors would only cost time
    off = [word for name in ("modbus", "enip") for word in ("--disable-protocol", name)]
    lines = subprocess.run(["tshark", "-r", capture, *off, "-T", "fields", *wanted],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    columns = zip(*(line.split("\t") for line in sorted(set(lines))))
    return [{bytes.fromhex(v) for cell in column for v in cell.split(",") if v}
            for column in columns]


def captures():
    """(payloads, TCP option lists) of all captures, each once, in a fixed order."""
    files = sorted(p for kind in ("pcap", "pcapng") for p in CAPTURES.rglob(f"*.{kind}"))
    payloads, options = set(), set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for tcp, udp, opts in filter(None, pool.map(fields, files)):
            payloads |= tcp | udp
            options |= opts
    return sorted(payloads), sorted(options)


def hex_bytes(text):
    """Hex digits grouped by blanks and '|'; 'text' stands for its characters."""
    out = b""
    for quoted, digits in re.findall(r"'([^']*)'|([^'\s|]+)", text):
        out += quoted.encode() or bytes.fromhex(digits)
    return out


def hex_file(path):
    """One input a line; what is behind '#' is a comment."""
    if not path.exists():
        return []
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return [hex_bytes(line) for line in lines if line]


def seeds(name):
    return hex_file(HERE / "seeds" / f"{name}.hex")


# ---- the protocols, as far as it takes to cut a payload into parts ----

def adu(pdu):
    return struct.pack(">HHHB", 1, 0, len(pdu) + 1, 1) + pdu


def encapsulated(command, data):
    return struct.pack("<HHII8sI", command, len(data), 1, 0, b"_seed__ ", 0) + data


def unconnected(request):
    return encapsulated(0x6f, struct.pack("<IHHHHHH", 0, 10, 2, 0, 0, 0xb2, len(request)) + request)


def connected(request):
    head = struct.pack("<IHHHHIHHH", 0, 0, 2, 0xa1, 4, 7, 0xb1, len(request) + 2, 1)
    return encapsulated(0x70, head + request)


def requests(payload):
    """Message Router requests in the encapsulation PDUs of a payload."""
    while len(payload) >= 24:
        command, size = struct.unpack_from("<HH", payload)
        data, payload = payload[24:24 + size], payload[24 + size:]
        if command not in (0x6f, 0x70) or len(data) < 8:
            continue
        at = 8
        while at + 4 <= len(data):
            kind, size = struct.unpack_from("<HH", data, at)
            item, at = data[at + 4:at + 4 + size], at + 4 + size
            if kind in (0xb1, 0xb2):
                yield item[2:] if kind == 0xb1 else item


def path(request):
    """What stands for the path in a request, its size in words first."""
    return request[1:2] + request[2:2 + 2 * request[1]] if len(request) > 1 else request


# ---- what each target is given ----

def pieces(stream):
    """Input of fuzz_frame.c: a cut that depends on the stream only."""
    dice = zlib.crc32(stream)
    cuts = bytes((dice >> 3 * i) % (1 + min(len(stream), 40)) for i in range(dice % 8))
    for protocol in (0, 1, 2):
        yield bytes((protocol, len(cuts))) + cuts + stream


def cip_of(payloads):
    """Their requests; a payload without one stands for itself, as bytes like any other."""
    found = {r for p in payloads for r in (list(requests(p)) or [p])}
    return sorted(found)


def modbus_seeds():
    return [adu(pdu) for pdu in seeds("modbus")]


def path_seeds():
    return [bytes((len(p) // 2,)) + p for p in seeds("epath")]


def cip_seeds():
    made = [bytes((service,)) + p + data for p in path_seeds()
            for service, data in ((0x0e, b""), (0x4c, b"\1\0"))]
    return seeds("cip") + made


def enip_seeds():
    plain = [encapsulated(struct.unpack("<H", s[:2])[0], s[2:]) for s in seeds("enip")]
    return plain + [wrap(r) for r in cip_seeds() for wrap in (unconnected, connected)]


def policies():
    folders = ("policy", "selftests/policies")
    return [p.read_bytes() for f in folders for p in sorted((ROOT / f).glob("*.yaml"))]


def sample(inputs, most):
    """At most that many, over all lengths."""
    inputs = sorted(inputs, key=lambda i: (len(i), i))
    return inputs[::max(1, -(-len(inputs) // most))]


class Corpus:
    """The captures once, then by target: (inputs made of captures, hand-made ones)."""

    def __init__(self):
        self.payloads, self.options = captures()
        self.cip = cip_of(self.payloads)

    def inputs(self, target):
        return getattr(self, target)()

    def frame(self):
        own = seeds("frame") + modbus_seeds() + enip_seeds()
        return tuple([i for s in of for i in pieces(s)] for of in (self.payloads, own))

    def modbus(self):
        own = [bytes((listed,)) + a for a in modbus_seeds() for listed in (0, a[7], 255)]
        umas = [b"\x5a" + p for p in self.payloads if p[7:8] == b"\x5a"]
        return [b"\0" + p for p in self.payloads] + umas, own

    def enip(self):
        own = [bytes((udp,)) + p for p in enip_seeds() for udp in (0, 1)]
        return [b"\0" + p for p in self.payloads], own

    def unwrap(self):
        return self.cip, cip_seeds()

    def leaf(self):
        own = [bytes((flags,)) + r for r in cip_seeds() for flags in range(4)]
        return [b"\2" + r for r in self.cip], own

    def pccc(self):
        """Data of Execute_PCCC behind 0x80; hand-made ones have their first byte."""
        found = {r[2 + 2 * r[1]:] for r in self.cip if r[:1] == b"\x4b" and len(r) > 1}
        return [b"\x80" + data for data in sorted(found)], seeds("pccc")

    def epath(self):
        return sorted({path(r) for r in self.cip}), path_seeds()

    def tcp_options(self):
        made = [bytes((how,)) + o for o in seeds("options") for how in range(8)]
        return [bytes((how,)) + o for o in self.options for how in (0, 7)], made

    def policy(self):
        """Payloads are no policies: some of them, as text that must be refused."""
        return sample(self.payloads, 200), policies()


def regressions(target):
    """Inputs that once stopped a target, as they were."""
    return hex_file(HERE / "regress" / f"{target}.hex")
