# SPDX-License-Identifier: GPL-2.0-only
"""Cases of requests inside requests that end too early: at every byte, in envelopes
that are right about the length. From a client that may do anything the whole passes,
so that nothing but the cut refuses the rest. Must not judge anything.
"""
import vec
import wire


def umas(reason_at):
    """(payload, reason) of a signed UMAS request cut at every byte of its PDU."""
    whole = wire.signed(0x41, b"\xff\0")[7:]
    for n in range(1, len(whole) + 1):
        yield wire.adu(whole[:n]), reason_at(n)


def inside(request, head, reason_at):
    """The same of what stands behind `head` bytes of a CIP request."""
    for n in range(len(request) - head + 1):
        yield wire.rr(request[:head + n]), reason_at(n, len(request) - head)


def pccc(n, size):
    return "ok" if n == size else "pccc_malformed" if n < 12 else "length_mismatch"


def exact(n, size):
    return "ok" if n == size else "length_mismatch"


def service(request):
    """Bytes of a request in front of its data."""
    return 2 + 2 * request[1]


ENG, HMI = "client=10.1.0.20", "client=10.1.0.10"
KINDS = [("umas.yaml", [ENG], "signed UMAS", umas(lambda n: "length_mismatch" if n < 39 else "ok"))]
for name, request, reason in [
        ("typed logical read", wire.slc(0xa2, 7, 300, size=20), pccc),
        ("typed logical write", wire.slc(0xaa, 256, 300, size=6), pccc),
        ("two-address write", wire.slc(0xa9, 7, 3, size=4), pccc),
        ("masked write", wire.slc(0xab, 3, 1, kind=0x85), pccc),
        ("word range read", wire.plc5(1, 7, 300, sub=2, words=10), pccc),
        ("typed read", wire.plc5(0x68, 7, 3, words=4), pccc),
        ("mode", wire.pccc(15, b"\x80\6"), pccc)]:
    KINDS.append(("pccc.yaml", [ENG, "sport=44818"], name,
                  inside(request, service(request), reason)))
for name, request in [("translated read", wire.mb_object(0x4e, 0, 9)),
                      ("translated write", wire.mb_object(0x50, 100, 2, bytes(4))),
                      ("passed write", wire.mb_object(0x51, data=wire.write_many(100, 1, 2)[7:]))]:
    KINDS.append(("pccc.yaml", [HMI, "sport=44818", "server=10.2.0.6"], name,
                  inside(request, service(request), exact)))


def cases():
    for policy, words, name, messages in KINDS:
        case = vec.Case("truncated", name.replace(" ", "-"), policy, words)
        case.lines = [(f"truncated {name}", "open")]
        for payload, reason in messages:
            case.lines.append((f"truncated {name}: {len(payload)} bytes",
                               f"c data hexed('{payload.hex()}') => {reason}"))
        yield case
