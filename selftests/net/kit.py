# SPDX-License-Identifier: GPL-2.0-only
"""Words that the namespace tests share: Modbus bytes, expectations, cases.

Owns no state.  The groups below are typed from the protocol, not taken from
keyswitch.
"""
import concurrent.futures
import socket
import struct

import tcp_split

READS = {1, 2, 3, 4}
# unit id and PDU; every public code that writes, configures, controls or programs
WRITES = {
    5: "0105000aff00",
    6: "0106000a0007",
    15: "010f000a000201" "03",
    16: "0110000a000204" "00010002",
    21: "0115" "09" "06000100000001" "1234",
    22: "0116000af0f00101",
    23: "01170000000100" "0a000102" "0007",
    8: "010800010000",
    43: "012b0d00",
    90: "015a0002",
}


def cases(*rows, weight=1):
    """Marks a test to be run once a row of arguments."""
    def mark(function):
        function.cases = rows or [()]
        function.weight = weight
        return function
    return mark


def adu(pdu, tid=1, unit=1):
    """A Modbus/TCP message with the right length."""
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, unit) + pdu


def read_registers(address=0, quantity=1, tid=1):
    return adu(struct.pack(">BHH", 3, address, quantity), tid)


def write_register(address=10, value=7, tid=1):
    return adu(struct.pack(">BHH", 6, address, value), tid)


def write_registers(address, values, tid=1):
    return adu(struct.pack(f">BHHB{len(values)}H", 16, address, len(values), 2 * len(values),
                           *values), tid)


def write_coil(address=10, tid=1):
    return adu(struct.pack(">BHH", 5, address, 0xFF00), tid)


def equal(got, want, what):
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def no_writes(log):
    """The oracle: what the server's application read holds no write."""
    bad = [line for line in log.lines() if line["function"] not in READS]
    assert not bad, f"the server read {len(bad)} requests that are no read: {bad[:3]}"


def side_by_side(jobs, workers=12):
    """Results of the callables, in order."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda job: job(), jobs))


def abort(sock):
    """Closes with a RST: an orphan would go on retransmitting."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def denied_write(plant, source=None, wait=0.12, host=None):
    """A write on a new connection; True when it was answered.  The wait ends
    before the kernel would send it again, so that it is one request."""
    sock = plant.connect(host or plant.server4, 502, source)
    sock.sendall(write_register())
    answer = tcp_split.receive(sock, 12, wait)
    abort(sock)
    return bool(answer)
