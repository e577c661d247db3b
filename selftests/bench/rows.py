# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the packet benchmark: what is sent, and which counter it must move."""
import struct

import frames
from frames import ACK, PSH, wire

MODBUS, ENIP = 502, 44818
CONN = 0x100  # CIP connection ids are small numbers here: the pacer's number of the flow


class Row:
    """
    requests: payloads of the client, one segment each, sent in turn by every connection.
    session: payload pairs (client, server) that open what the requests need.
    stamp, number: payload offsets of the transaction id and of the connection id.
    """

    def __init__(self, name, reason, requests, *, port=MODBUS, policy="plain", session=(),
                 number=None, stamp=None, moves=True, floor=False, role="c", least=1,
                 most=16000, each=64, back=False, raw=None, again=None):
        self.name, self.reason, self.requests, self.port = name, reason, requests, port
        self.policy, self.session, self.number, self.stamp = policy, session, number, stamp
        self.moves, self.floor, self.role, self.back, self.raw = moves, floor, role, back, raw
        self.least, self.most, self.each, self.again = least, most, each, again

    def room(self, wanted):
        """How often each connection sends before the server acknowledges: as wanted, if it may."""
        if self.again or not self.moves or self.back:
            return self.again or wanted
        size = sum(len(payload) for payload in self.requests)
        ring = 4096 if self.port == MODBUS else 16384
        return max(1, min(wanted, (ring - 256) // size if self.role == "c" else wanted))


def modbus(name, reason, *requests, **kw):
    kw.setdefault("stamp", 0)
    return Row(name, reason, requests, **kw)


def cip(name, reason, *requests, **kw):
    session = ((wire.register(), wire.register()), *kw.pop("session", ()))
    return Row(name, reason, requests, port=ENIP, session=session, most=4000, each=1, **kw)


READ = wire.read(0, 10)
WRITE = wire.write(100, 7)
DENIED = wire.write(200, 7)
MANY = wire.write_many(0, *range(123))
CONNECTED_AT = 24 + 8 + 4  # of the connection id: encapsulation, interface and count, item head
OPEN = (wire.rr(wire.forward_open()), wire.opened())
OPENED_AT = 24 + 8 + 4 + 4 + 4  # of the id in the reply: null item, data item, reply head


def connected(request):
    return wire.unit_data(request, conn=0)


READ_TAG, WRITE_TAG = wire.read_tag("Speed"), wire.write_tag("Speed")
ROUTER = {"session": ((OPEN[0], OPEN[1], OPENED_AT),), "number": CONNECTED_AT}

ROWS = [
    Row("not an asset, TCP toward it", "not_asset", (), raw=("c", lambda v: frames.tcp(v, "c", 8080, b"x" * 12))),
    Row("not an asset, TCP from it", "from_server", (), role="s", raw=("s", lambda v: frames.tcp(v, "s", 8080, b"x" * 12))),
    Row("not an asset, UDP toward it", "not_asset", (), raw=("c", lambda v: frames.udp(v, "c", 5000, b"x" * 12))),
    Row("not an asset, UDP from it", "from_server", (), role="s", raw=("s", lambda v: frames.udp(v, "s", 5000, b"x" * 12))),
    Row("not an asset, 1,000 assets", "not_asset", (), policy="assets1000",
        raw=("c", lambda v: frames.tcp(v, "c", 8080, b"x" * 12))),
    Row("not an asset, 10,000 assets", "not_asset", (), policy="assets10000",
        raw=("c", lambda v: frames.tcp(v, "c", 8080, b"x" * 12))),
    Row("server reply", "reply", (wire.reply(20),), role="s", stamp=0, floor=True),
    modbus("Modbus read", "ok", READ, floor=True),
    modbus("Modbus read, 1,000 rules", "ok", READ, policy="rules1000"),
    modbus("Modbus read, 10,000 rules", "ok", READ, policy="rules10000"),
    modbus("Modbus write single", "ok", WRITE, floor=True),
    modbus("Modbus write single, 1,000 rules", "ok", WRITE, policy="rules1000"),
    modbus("Modbus write single, 10,000 rules", "ok", WRITE, policy="rules10000"),
    modbus("Modbus write 123", "ok", MANY),
    modbus("Modbus write single, value bounds", "ok", WRITE, policy="values"),
    modbus("Modbus write 123, value bounds", "ok", MANY, policy="values"),
    modbus("Modbus 10 reads in a segment", "ok", READ * 10),
    modbus("Modbus 60 reads in a segment", "ok", READ * 60),
    modbus("Modbus retransmission", "retransmit", READ, back=True, stamp=None),
    modbus("Modbus write denied, no event", "policy_deny", DENIED, moves=False, policy="quiet"),
    modbus("Modbus write denied, event", "policy_deny", DENIED, moves=False, least=16000, again=1),
    cip("CIP read tag, connected", "ok", connected(READ_TAG), **ROUTER),
    cip("CIP write tag, connected", "ok", connected(WRITE_TAG), **ROUTER),
    cip("CIP read tag, Unconnected_Send", "ok", wire.rr(wire.routed(READ_TAG))),
    cip("CIP MSP of 1 read", "ok", wire.rr(wire.msp(READ_TAG))),
    cip("CIP MSP of 10 reads", "ok", wire.rr(wire.msp(*[READ_TAG] * 10))),
]

SPLIT = wire.rr(READ_TAG)
ROWS.append(cip("CIP read tag, header split", "carried,ok", SPLIT[:10], SPLIT[10:]))
