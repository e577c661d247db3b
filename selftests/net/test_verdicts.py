# SPDX-License-Identifier: GPL-2.0-only
"""Allowed reads and denied writes of real clients and servers, in every mode,
over IPv4 and IPv6, with no VLAN tag, one and two.

The oracle is what the servers' applications read.  The control runs the same
requests over the no-op redirect, where every write must arrive.
"""
import socket
import struct

import enip_client as ec
import enip_wire as w
from kit import READS, WRITES, abort, cases, equal, side_by_side
from ks import ROUTED, Keyswitch
from plant import Plant, wait_for

IDENTITY_RESET = ec.reset()
DENIED_CIP = {
    "write tag": ec.write_tag("Setpoint", 1),
    "write array element": ec.write_tag("Counts[3]", 1),
    "write fragmented": w.request(w.WRITE_FRAG, w.tag_path("Counts"),
                                  struct.pack("<HHIi", 0xC4, 1, 0, 5)),
    "read-modify-write": w.request(w.RMW_TAG, w.tag_path("Setpoint"),
                                   struct.pack("<HII", 4, 2, 0xFFFFFFFF)),
    "set attribute": ec.set_attribute(0xF5, 1, 3, bytes(4)),
    "reset": IDENTITY_RESET,
    "MSP read+write": w.msp([ec.read_tag("Setpoint"), ec.write_tag("Setpoint", 1)]),
    "MSP get+reset": w.msp([ec.get_attribute(1, 1, 7), IDENTITY_RESET]),
}
ALLOWED_CIP = {
    "read tag": ec.read_tag("Setpoint"),
    "read fragmented": w.request(w.READ_FRAG, w.tag_path("Counts"), struct.pack("<HI", 16, 0)),
    "identity": ec.get_attribute(1, 1, 7),
    "tag list": w.request(w.GET_INSTANCES, w.path(w.SYMBOL, 0), struct.pack("<HHH", 2, 1, 2)),
    "MSP of reads": w.msp([ec.read_tag("Setpoint"), ec.read_tag("Counts[2]")]),
}
CARRIERS = ("ucmm", "unconnected_send", "connected")
COMBINATIONS = [("wire", 0), ("wire", 1), ("wire", 2), ("bridge", 0), ("bridge", 1),
                ("bridge", 2), ("router", 0)]
# seconds to wait for an answer that must not come, and for one that must
PATIENCE, LONG = 0.3, 3


def modbus_reads(plant, server, source):
    for function in READS:
        code, result = plant.mb_client("-b", source, server, function, 5, 3)
        equal((code, result["ok"]), (0, 1), f"FC {function} from {source}")


def modbus_writes(plant, server, source):
    """{function: was it answered}; each on a connection of its own."""
    def job(pdu):
        return lambda: plant.mb_client("-b", source, "-t", int(PATIENCE * 1000), server,
                                       "raw", pdu)[1]["lost"] == 0
    answers = side_by_side([job(pdu) for pdu in WRITES.values()], 4)
    return dict(zip(WRITES, answers))


def cip(plant, server, source, carrier, request, patience=LONG):
    """True when answered with status 0 within the time."""
    sock = plant.connect(server, 44818, source)
    client = ec.Client(sock).register()
    if carrier == "connected":
        client.open()
    sock.settimeout(patience)
    try:
        client.send(carrier, request)
        return True
    except (OSError, ec.Refused):
        return False
    finally:
        abort(sock)


def cip_answers(plant, server, source, requests, patience=LONG):
    pairs = [(carrier, name) for carrier in CARRIERS for name in requests]
    answers = side_by_side([lambda c=carrier, n=name: cip(plant, server, source, c, requests[n],
                                                             patience)
                            for carrier, name in pairs], 6)
    return dict(zip(pairs, answers))


def cip_writes(log, client):
    reads = {w.READ_TAG, w.READ_FRAG, w.GET_SINGLE, w.GET_ALL, w.GET_INSTANCES,
             w.FORWARD_OPEN, w.FORWARD_CLOSE}
    # 0x4E and 0x52 mean other things on a tag path
    return [line for line in log.lines() if "service" in line and line["client"] == client and (
        line["service"] not in reads
        or line["service"] == w.RMW_TAG and line.get("class") != w.CONNECTION_MANAGER)]


def datagrams(plant, server, family):
    """UDP: ListIdentity is answered, an I/O datagram goes out."""
    inet = socket.AF_INET6 if family == 6 else socket.AF_INET
    with plant.socket(plant.client, inet, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.sendto(w.encap(w.LIST_IDENTITY), (server, 44818))
        answer = sock.recv(2048)
        io = w.cpf((0x8002, struct.pack("<II", 7, 1)), (w.ITEM_CONN_DATA, bytes(8)))
        sock.sendto(io, (server, 2222))
    return answer


def endpoints(plant, family):
    if family == 6:
        return plant.server6, plant.client6, plant.other6
    return plant.server4, plant.client4, plant.other4


@cases(*COMBINATIONS, weight=5)
def test_modbus(mode, vlans):
    with Plant(mode, vlans) as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        side_by_side([lambda family=family: check_modbus(plant, log, *endpoints(plant, family))
                      for family in (4, 6)])
        assert ks.requests(verdict="deny") >= 2 * len(WRITES), ks.counters()["requests"]
        ks.balance()


def check_modbus(plant, log, server, client, writer):
    modbus_reads(plant, server, client)
    answers = modbus_writes(plant, server, client)
    assert not any(answers.values()), f"answered: {answers}"
    modbus_reads(plant, server, client)
    equal(sorted(line["function"] for line in log.lines() if line["client"] == client),
          sorted(2 * list(READS)), "requests that the server read")
    check_writer(plant, server, writer, log)


def check_writer(plant, server, writer, log):
    """The rule's registers and functions, and nothing beside them."""
    for function, address, quantity, allowed in (
            (6, 100, 1, True), (6, 109, 1, True), (6, 110, 1, False), (6, 99, 1, False),
            (16, 100, 10, True), (16, 105, 6, False), (5, 100, 1, False), (22, 100, 1, False)):
        wait = int((LONG if allowed else PATIENCE) * 1000)
        _, result = plant.mb_client("-b", writer, "-t", wait, server, function, address,
                                    quantity)
        equal(result["ok"], int(allowed), f"writer: FC {function} at {address}+{quantity}")
    equal([line["function"] for line in log.lines() if line["client"] == writer],
          [6, 6, 16], "the writer's requests that the server read")


@cases(*COMBINATIONS, weight=5)
def test_enip(mode, vlans):
    with Plant(mode, vlans) as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, ROUTED).attach()
        for family in (4, 6):
            check_enip(plant, log, family, *endpoints(plant, family))
        ks.balance()


def check_enip(plant, log, family, server, client, writer):
    answer = datagrams(plant, server, family)
    assert b"keyswitch test target" in answer, answer
    answers = cip_answers(plant, server, client, ALLOWED_CIP)
    assert all(answers.values()), f"not answered: {answers}"
    answers = cip_answers(plant, server, client, DENIED_CIP, PATIENCE)
    assert not any(answers.values()), f"answered: {answers}"
    equal(cip_writes(log, client), [], "writes that the target acted on")
    equal(log.count(transport="io"), 0, "I/O datagrams that the target read")
    assert all(cip(plant, server, writer, carrier, DENIED_CIP["write tag"])
               for carrier in CARRIERS), "the writer's tag"
    assert not cip(plant, server, writer, "ucmm", DENIED_CIP["write array element"], PATIENCE)
    equal([line["tag"] for line in cip_writes(log, writer)], ["Setpoint"] * len(CARRIERS),
          "the writer's writes that the target acted on")


@cases(("wire",), ("bridge",), ("router",))
def test_control(mode):
    """Without keyswitch every one of these writes arrives: the tests can fail."""
    with Plant(mode) as plant:
        if mode == "wire":
            plant.wire()
        modbus, enip = plant.modbus_server(), plant.enip_target()
        modbus_writes(plant, plant.server4, plant.client4)
        # libmodbus sleeps half a second over each code that it does not know
        wait_for(lambda: {line["function"] for line in modbus.lines()} == set(WRITES),
                 lambda: f"all writes read: {modbus.lines()}", timeout=10)
        datagrams(plant, plant.server4, 4)
        answers = cip_answers(plant, plant.server4, plant.client4, DENIED_CIP)
        assert all(answers.values()), f"not answered: {answers}"
        equal(len(cip_writes(enip, plant.client4)), 3 * len(DENIED_CIP), "CIP writes read")
        wait_for(lambda: enip.count(transport="io") == 1, "the I/O datagram read")
