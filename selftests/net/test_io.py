# SPDX-License-Identifier: GPL-2.0-only
"""Implicit I/O and the connections that carry it, against a real target: its log of the
datagrams that its application read is the judge.
"""
import os
import socket
import struct
import time

import enip_client as ec
import enip_wire as w
from kit import abort, cases, equal
from ks import READONLY, Keyswitch
from plant import Plant, wait_for

PATH = bytes.fromhex("20042466" "2c65" "2c64")
SIZE = 38  # sequence count, run/idle header, 32 bytes of outputs
SECONDS = int(os.environ.get("KEYSWITCH_IO_SECONDS", "6"))
CYCLIC = READONLY + """\
  - name: cyclic
    from: [{p.client4}, "{p.client6}"]
    to: plc
    io: run
"""


def outputs(number, run=1):
    return struct.pack("<HI", number & 0xFFFF, run) + number.to_bytes(32, "little")


class Originator:
    """A scanner: the TCP connection, the class 1 connection, and a UDP socket."""

    def __init__(self, plant, host, serial=7):
        self.plant, self.host, self.serial, self.sequence = plant, host, serial, 0
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.tcp = ec.Client(plant.connect(host, 44818)).register()
        reply = self.tcp.ucmm(w.forward_open(serial, transport=1, target=PATH, rpi=10000,
                                             size=SIZE))
        self.conn, self.to_id = struct.unpack("<II", reply[:8])
        self.udp = plant.socket(plant.client, self.family, socket.SOCK_DGRAM)

    def send(self, **bent):
        self.sequence += 1
        message = w.cyclic(bent.get("conn", self.conn), bent.get("sequence", self.sequence),
                           bent.get("data", outputs(self.sequence)))
        bent.get("sock", self.udp).sendto(message, (self.host, 2222))
        return message

    def end(self):
        abort(self.tcp.sock)
        self.udp.close()


def received(log):
    return [bytes.fromhex(line["bytes"]) for line in log.lines() if line["transport"] == "io"]


def compare(got, want):
    """What the target's application read, without printing it all."""
    strange = [message.hex() for message in got if message not in want]
    equal(strange[:2], [], f"datagrams that arrived and should not ({len(strange)})")
    equal(len(got), len(want), "datagrams that the target's application read")
    equal(got == want, True, "their order")


@cases(("wire", 4), ("router", 6), weight=6)
def test_io_runs(mode, family):
    """A class 1 connection at 10 ms loses nothing; what does not belong to it is dropped."""
    with Plant(mode) as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, CYCLIC).attach(adopt="off")
        host, other = (plant.server6, plant.other6) if family == 6 else \
            (plant.server4, plant.other4)
        scanner = Originator(plant, host)
        stranger = plant.socket(plant.client, scanner.family, socket.SOCK_DGRAM)
        stranger.bind((other, 0))
        sent, count = [], SECONDS * 100
        for number in range(count):
            sent.append(scanner.send())
            if number % 10 == 5:
                forge(scanner, stranger)
            time.sleep(0.01)
        wait_for(lambda: len(received(log)) >= count, "the last datagram")
        time.sleep(0.2)
        compare(received(log), sent)
        for reason in ("io_sequence", "io_size", "io_unknown", "io_malformed", "policy_deny"):
            assert ks.reason(reason) >= count // 10 - 1, (reason, ks.counters()["packets"])
        equal(scanner.tcp.ucmm(w.forward_close(scanner.serial))[:2], b"\7\0", "closed")
        scanner.send()
        time.sleep(0.2)
        equal(len(received(log)), count, "datagrams after Forward_Close")
        scanner.end()
        ks.balance()
        return f"{count} datagrams in {SECONDS} s and more, none lost"


def forge(scanner, stranger):
    """One of each kind that must not arrive."""
    number = scanner.sequence
    scanner.send(sock=stranger)                      # right id, wrong host
    scanner.sequence = number
    scanner.send(sequence=number)                    # seen before
    scanner.sequence = number
    scanner.send(data=outputs(1) + b"\0")            # another size
    scanner.sequence = number
    scanner.send(conn=scanner.conn + 1)              # an id that nobody opened
    scanner.sequence = number
    scanner.udp.sendto(w.cyclic(scanner.conn, number + 1, outputs(1))[:-1], (scanner.host, 2222))


@cases((4,), (6,))
def test_io_while_idle(family):
    """io: idle-only: the target reads what says idle, and nothing that says run."""
    with Plant("wire") as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, CYCLIC.replace("io: run", "io: idle-only")).attach()
        scanner = Originator(plant, plant.server6 if family == 6 else plant.server4)
        idle = []
        for number in range(1, 21):
            idle.append(scanner.send(data=outputs(number, run=0)))
            scanner.send(data=outputs(number, run=1))
        wait_for(lambda: len(received(log)) >= len(idle), "the last datagram")
        time.sleep(0.2)
        compare(received(log), idle)
        equal(ks.reason("policy_deny"), 20, "datagrams refused")
        scanner.end()
        ks.balance()


@cases(("run", 0), ("static", 20))
def test_io_of_a_connection_opened_elsewhere(rule, arrive):
    """The open came by another way than through this gateway, or before it was there."""
    with Plant("router") as plant:
        log = plant.enip_target()
        scanner = Originator(plant, plant.server4)
        ks = Keyswitch(plant, CYCLIC.replace("io: run", f"io: {rule}")).attach(adopt="off")
        sent = [scanner.send() for _ in range(20)]
        wait_for(lambda: ks.reason("ok") + ks.reason("io_unknown") >= 20, "the last datagram")
        time.sleep(0.2)
        compare(received(log), sent[:arrive])
        scanner.end()


@cases((4,), (6,))
def test_io_ends_with_its_tcp_connection(family):
    with Plant("router") as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, CYCLIC).attach()
        scanner = Originator(plant, plant.server6 if family == 6 else plant.server4)
        scanner.send()
        wait_for(lambda: len(received(log)) == 1, "the first datagram")
        abort(scanner.tcp.sock)
        wait_for(lambda: ks.reason("close"), "the RST")
        scanner.send()
        time.sleep(0.2)
        equal(len(received(log)), 1, "datagrams after the RST")
        assert ks.reason("io_unknown") == 1, ks.counters()["packets"]
        ks.balance()


@cases()
def test_io_that_runs_is_adopted():
    """Attached under a running class 1 connection, with adopt: audit, nothing is lost."""
    with Plant("router") as plant:
        log = plant.enip_target()
        scanner = Originator(plant, plant.server4)
        sent = [scanner.send()]
        ks = Keyswitch(plant, CYCLIC).attach()
        for _ in range(50):
            sent.append(scanner.send())
            time.sleep(0.01)
        wait_for(lambda: len(received(log)) >= 51, "the last datagram")
        compare(received(log), sent)
        equal(ks.packets(action="drop"), 0, "packets dropped")
        scanner.end()


# what readonly refuses, in each carrier; the request, the service that the target would log
DENIED = {
    "write tag": (ec.write_tag("Setpoint", 1), w.WRITE_TAG),
    "set attribute of the TCP/IP interface, 8 bit": (
        w.request(0x10, bytes.fromhex("20f524013005"), bytes(4)), 0x10),
    "set attribute of the TCP/IP interface, 16 bit": (
        w.request(0x10, bytes.fromhex("2100f500250001003100 0500".replace(" ", "")), bytes(4)), 0x10),
    "set attribute of the TCP/IP interface, 32 bit": (
        w.request(0x10, bytes.fromhex("2200f50000002600010000003200 05000000".replace(" ", "")),
                  bytes(4)), 0x10),
    "stop the CPU": (w.request(7, bytes.fromhex("20642401"), bytes.fromhex("deadbeef")), 7),
    "reset": (ec.reset(), 5),
    "get and reset": (w.msp([ec.get_attribute(1, 1, 1), ec.reset()]), 5),
    "firmware update": (w.request(0x4B, bytes.fromhex("20a12401"), bytes(8)), 0x4B),
    "firmware transfer": (w.request(0x4D, bytes.fromhex("20a12401"), bytes(64)), 0x4D),
    "open with a data segment": (w.forward_open(9, target=PATH + bytes.fromhex("80010102")), 0x54),
    "open of cyclic outputs": (w.forward_open(9, transport=1, target=PATH, size=SIZE), 0x54),
}


@cases(("ucmm",), ("unconnected_send",), ("connected",))
def test_readonly_refuses(carrier):
    """Each in this carrier, on a connection of its own; reads on the same connection pass."""
    with Plant("wire") as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant).attach()
        denied = 0
        for name, (cip, service) in DENIED.items():
            client = ec.Client(plant.connect(plant.server4, 44818, timeout=2)).register()
            client.send(carrier, ec.get_attribute(1, 1, 1))
            client.send(carrier, ec.read_tag("Setpoint"))
            client.sock.settimeout(1)
            try:
                client.send(carrier, cip)
                raise AssertionError(f"{name} was answered")
            except (OSError, ec.Refused):
                denied += 1
            client.sock.close()
            acted = [line for line in log.lines() if line.get("service") == service and
                     not (service == 0x54 and carrier == "connected" and
                          line.get("data", "").endswith("220022401"))]
            if carrier == "connected" and service == 0x54:
                continue  # the explicit connection itself was opened so
            equal(acted, [], f"what the target acted on: {name}")
        equal(denied, len(DENIED), "requests refused")
        equal(ks.requests(verdict="deny"), len(DENIED), "denied requests counted")
        ks.balance()
