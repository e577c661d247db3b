# SPDX-License-Identifier: GPL-2.0-only
"""Two connections of one place among the hints (bpf/entry.h), of which one is of the other
address family and its key begins with the bytes of the other's: each is its own.
"""
import ipaddress
import re
import struct

import vec

ENTRY = vec.HERE.parents[1] / "bpf" / "entry.h"
POLICY = "plant.yaml"
CLIENT, SERVER4, SERVER6, PORT = "10.1.0.10", "10.2.0.5", "fd00:2::5", 502
CPORT = 19999  # below those that other cases get
WORD = (1 << 64) - 1
# as they stand in entry.h: whoever changes one changes the copy here
MIX, PLACE = "(sum ^ sum >> 32 ^ word) * 0x9e3779b97f4a7c15ull", "sum >> 40 & cfg.near_mask"


def place(key, mask):
    total = 0
    for word, in struct.iter_unpack("<Q", key):
        total = (total ^ total >> 32 ^ word) * 0x9e3779b97f4a7c15 & WORD
    return total >> 40 & mask


def ends(cport):
    return struct.pack(">HH", cport, PORT) + struct.pack("<I", 6 << 24)


def collision():
    """(client, port) over IPv6 whose key begins as that of CLIENT's connection does."""
    text = ENTRY.read_text()
    assert MIX in text and PLACE in text, "entry.h finds places in another way"
    flows = int(re.search(r"^  flows: (\d+)$", (vec.HERE / POLICY).read_text(), re.M)[1])
    mask = (1 << (4 * flows - 1).bit_length()) - 1
    key4 = ipaddress.ip_address(CLIENT).packed + ipaddress.ip_address(SERVER4).packed + ends(CPORT)
    start = key4 + ipaddress.ip_address(SERVER6).packed
    port = next(p for p in range(1024, 65536) if place(start + ends(p), mask) == place(key4, mask))
    return str(ipaddress.ip_address(key4)), port


def cases():
    client, port = collision()
    first = vec.Case("places.py", "place-of-another-family-taken", POLICY,
                     ["runs=enforce", f"client={client}", f"server={SERVER6}", f"cport={port}"])
    second = vec.Case("places.py", "place-shared-with-another-family", POLICY,
                      ["runs=enforce", f"client={CLIENT}", f"cport={CPORT}"])
    first.lines = [("places.py", line) for line in ("open", "c data read() => ok")]
    second.lines = [("places.py", line) for line in (
        "c syn => handshake", "flow state=SYN_SENT", "s synack => handshake", "c ack => handshake",
        "c data read() => ok", "flow c_nxt=+0")]
    return [first, second]
