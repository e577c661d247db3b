# SPDX-License-Identifier: GPL-2.0-only
"""Odd but honest peers: devices that dribble their replies or answer with garbage,
libmodbus clients that send raw and malformed requests where denied ones are dropped.

The groups are typed from what libmodbus' own test programs do; nothing here is an
attack, so nothing that is allowed may be lost.
"""
import re
import socket
import threading
import time

import tcp_split
from kit import adu, cases, equal, read_registers
from ks import DROPPING, Keyswitch
from plant import Plant

MODBUS = "assets:\n  plc: [{p.server4}, \"{p.server6}\"]\n"
MODES = {"assemble": "modbus: {{}}", "hold": "modbus: {{split: hold}}",
         "single": "modbus: {{framing: single}}"}
CARRY = "modbus: {{split: carry}}"


def policy(mode):
    how = MODES.get(mode, CARRY)
    return DROPPING.replace(MODBUS, "assets:\n  plc:\n    address: [{p.server4}, \"{p.server6}\"]\n"
                            f"    {how}\n")


class Device(threading.Thread):
    """Answers each request of 12 bytes; how is the caller's: answer(sock, request)."""

    def __init__(self, plant, answer):
        super().__init__(daemon=True)
        self.answer, self.read = answer, []
        self.listener = plant.socket(plant.server)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((plant.server4, 502))
        self.listener.listen(4)
        self.start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while request := tcp_split.receive(sock, 12, 5):
                self.read.append(request)
                self.answer(sock, request)
            sock.close()


def reply(request):
    words = int.from_bytes(request[10:12], "big")
    return adu(bytes([3, 2 * words]) + bytes(2 * words), int.from_bytes(request[:2], "big"))


def dribble(sock, request):
    for byte in reply(request):
        sock.sendall(bytes([byte]))
        time.sleep(0.002)


@cases(*((mode,) for mode in MODES))
def test_dribbled_replies(mode):
    with Plant() as plant:
        device = Device(plant, dribble)
        ks = Keyswitch(plant, policy(mode)).attach()
        code, got = plant.mb_client("-q", "-n", 15, plant.server4, 3, 0, 5)
        equal((code, got["ok"]), (0, 15), f"dribbled replies: {got}")
        equal(len(device.read), 15, "requests at the device")
        ks.balance()


COILS, COILS_ARE = adu(bytes.fromhex("0100000018")), adu(bytes.fromhex("0103a55a00"))


@cases(("carry",), ("assemble",))
def test_even_in_pieces(mode):
    """Requests as long as their answers, in two pieces: on such a connection every
    second piece has numbers that would complete a SYN cookie (bpf/cookie.h)."""
    with Plant() as plant:
        device = Device(plant, lambda sock, _: sock.sendall(COILS_ARE))
        ks = Keyswitch(plant, policy(mode)).attach()
        sock = plant.connect(plant.server4, 502)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(60):
            sock.sendall(COILS[:5])
            time.sleep(0.005)
            sock.sendall(COILS[5:])
            equal(tcp_split.receive(sock, 12, 2), COILS_ARE, "the answer")
        time.sleep(0.5)
        for side in (plant.client, plant.server):
            sent = plant.nsenter(side, "nstat", "-az", "TcpRetransSegs").stdout
            equal(re.findall(r"TcpRetransSegs\s+(\d+)", sent), ["0"], f"retransmissions of {side}")
        equal(len(device.read), 60, "requests at the device")
        sock.close()
        ks.balance()


GARBAGE = (b"\xff" * 9, b"\0\1\0\0\0\3\1\x83\2" * 3, b"\0" * 300, bytes(range(256)))


@cases(*((mode,) for mode in ("assemble", "hold")))
def test_garbage_replies(mode):
    """The client gets what the device says, whatever that is."""
    with Plant() as plant:
        rest = list(GARBAGE)
        Device(plant, lambda sock, _: sock.sendall(rest.pop(0)))
        ks = Keyswitch(plant, policy(mode)).attach()
        sock = plant.connect(plant.server4, 502)
        for garbage in GARBAGE:
            sock.sendall(read_registers())
            equal(tcp_split.receive(sock, len(garbage), 2), garbage, "what the device said")
        sock.close()
        ks.balance()


# unit and PDU: a length that its function does not have, functions that nobody knows
BAD = ("0103000000", "010300000001ff", "0141", "01ff00", "0110000a0002040001", "0100")
RAW = ("010300000001", "0111", "010100000008")


@cases(*((mode,) for mode in MODES))
def test_raw_requests(mode):
    """With on_deny: drop a refused request keeps its own connection waiting, no other."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant, policy(mode)).attach()
        other = plant.connect(plant.server4, 502)
        for number, bad in enumerate(BAD):
            code, got = plant.mb_client("-q", "-t", 100, plant.server4, "raw", bad)
            equal((code, got["lost"]), (1, 1), f"raw {bad}: {got}")
            other.sendall(read_registers(tid=number))
            equal(tcp_split.receive(other, 11, 2)[:2], number.to_bytes(2, "big"), "another's answer")
        for raw in RAW:
            code, got = plant.mb_client("-q", plant.server4, "raw", raw)
            equal((code, got["lost"]), (0, 0), f"raw {raw}: {got}")
        equal(log.count(), len(BAD) + len(RAW), "requests at the server")
        other.close()
        ks.balance()
