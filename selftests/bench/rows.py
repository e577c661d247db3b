# SPDX-License-Identifier: GPL-2.0-only
"""The rows of the packet benchmark: what is sent, and which counter it must move."""
import copy

import frames
from frames import ACK, PSH, wire

MODBUS, ENIP, IO = 502, 44818, 2222
CONN = 0x100  # CIP connection ids are small numbers here: the pacer's number of the flow


class Row:
    """
    requests: payloads of the client, one segment each, sent in turn by every connection.
    session: payload pairs (client, server) that open what the requests need.
    stamp, number: payload offsets of the transaction id and of the connection id.
    least, most: connections. packets: of a timed run. events: each packet sends one.
    turns: in every other lap the server answers, with the same bytes.
    """

    def __init__(self, name, reason, requests, *, port=MODBUS, policy="plain", session=(),
                 number=None, stamp=None, moves=True, floor=False, role="c", least=1,
                 most=16000, each=64, back=False, raw=None, again=None, udp=False, packets=None,
                 events=False, turns=False):
        self.name, self.reason, self.requests, self.port = name, reason, requests, port
        self.policy, self.session, self.number, self.stamp = policy, session, number, stamp
        self.moves, self.floor, self.role, self.back, self.raw = moves, floor, role, back, raw
        self.least, self.most, self.each, self.again, self.udp = least, most, each, again, udp
        self.packets, self.events, self.turns = packets, events, turns
        if raw:
            self.most = 1  # no connection's
        self.acked = role == "c" and moves and not (back or udp or turns)

    def needs(self, version):
        """Rows that need the same run on the same connections."""
        return self.policy, version, self.port, self.each, self.session

    def frame(self, version, payload):
        if self.udp:
            return frames.Datagram(version, IO, payload, self.number, self.stamp)
        frame = frames.Frame(version, self.role, self.port, ACK | PSH, payload, number=self.number,
                             stamp=self.stamp)
        frame.flags = "t" if self.turns else "-"
        return frame

    def step(self, frame):
        return 0 if self.back or not self.moves else frame.step

    def room(self, wanted):
        """How often each connection sends before the server acknowledges: as wanted, if it may."""
        if self.turns:
            return wanted + wanted % 2
        if self.again or not self.acked:
            return self.again or wanted
        size = sum(len(payload) for payload in self.requests)
        ring = 4096 if self.port == MODBUS else 16384
        return max(1, min(wanted, (ring - 256) // size))


def modbus(name, reason, *requests, **kw):
    kw.setdefault("stamp", 0)
    return Row(name, reason, requests, **kw)


REGISTER = (wire.register(), wire.register())


def cip(name, reason, *requests, **kw):
    session = (REGISTER, *kw.pop("session", ()))
    return Row(name, reason, requests, port=ENIP, session=session, **{"each": 8, **kw})


READ = wire.read(0, 10)
WRITE = wire.write(100, 7)
DENIED = wire.write(200, 7)
MANY = wire.write_many(0, *range(123))
CONNECTED_AT = 24 + 8 + 4  # of the connection id: encapsulation, interface and count, item head
RPI = 60000000  # us: no connection times out while it is measured
OPENED_AT = 24 + 8 + 4 + 4 + 4  # of the id in the reply: null item, data item, reply head
# One to a client: the serial number is the same in all. Most: KS_CONNS.
ONE = {"each": 1, "most": 8000}


def opens(**kw):
    return wire.rr(wire.forward_open(rpi=RPI, **kw)), wire.opened(), OPENED_AT


def connected(request):
    return wire.unit_data(request, conn=0)


READ_TAG, WRITE_TAG = wire.read_tag("Speed"), wire.write_tag("Speed")
SPLIT = wire.rr(READ_TAG)
ROUTER = {"session": (opens(),), "number": CONNECTED_AT, **ONE}
OUTPUTS = wire.cyclic(conn=0, sequence=0, data=b"\1\0\1\0\0\0" + bytes(32))
SCANNER = {"session": (REGISTER, opens(path=wire.ASSEMBLY, transport=1, size=len(OUTPUTS) - 18)),
           "number": 6, "stamp": 10, "port": ENIP, "policy": "io", "udp": True, "moves": False, **ONE}

ROWS = [
    Row("not an asset, TCP toward it", "not_asset", (), raw=lambda v: frames.tcp(v, "c", 8080, b"x" * 12)),
    Row("not an asset, TCP from it", "from_server", (), role="s", raw=lambda v: frames.tcp(v, "s", 8080, b"x" * 12)),
    Row("not an asset, UDP toward it", "not_asset", (), raw=lambda v: frames.udp(v, "c", 5000, b"x" * 12)),
    Row("not an asset, UDP from it", "from_server", (), role="s", raw=lambda v: frames.udp(v, "s", 5000, b"x" * 12)),
    Row("not an asset, 1,000 assets", "not_asset", (), policy="assets1000",
        raw=lambda v: frames.tcp(v, "c", 8080, b"x" * 12)),
    Row("not an asset, 10,000 assets", "not_asset", (), policy="assets10000",
        raw=lambda v: frames.tcp(v, "c", 8080, b"x" * 12)),
    Row("server reply", "reply", (wire.reply(20),), role="s", stamp=0, floor=True),
    modbus("Modbus read", "ok", READ, floor=True),
    modbus("Modbus read and its reply", "ok", READ, turns=True),
    modbus("Modbus write single and its reply", "ok", WRITE, turns=True),
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
    # all events of a run must fit into their ring, and a flow may send ten a second: eight laps
    modbus("Modbus write denied, event", "policy_deny", DENIED, moves=False, least=8000, most=8000,
           again=1, packets=8 * 8000, events=True),
    cip("CIP read tag, connected", "ok", connected(READ_TAG), **ROUTER),
    cip("CIP write tag, connected", "ok", connected(WRITE_TAG), **ROUTER),
    cip("CIP read tag, connected, 10,000 rules", "ok", connected(READ_TAG), **ROUTER,
        policy="rules10000"),
    cip("CIP write tag, connected, 10,000 rules", "ok", connected(WRITE_TAG), **ROUTER,
        policy="rules10000"),
    cip("CIP read tag, Unconnected_Send", "ok", wire.rr(wire.routed(READ_TAG))),
    cip("CIP write tag, Unconnected_Send", "ok", wire.rr(wire.routed(WRITE_TAG))),
    cip("CIP MSP of 1 read", "ok", wire.rr(wire.msp(READ_TAG))),
    cip("CIP MSP of 10 reads", "ok", wire.rr(wire.msp(*[READ_TAG] * 10))),
    # sent in turn, so that a run is one frame of each connection: of one there is none to time
    cip("CIP read tag, header split", "carried,ok", SPLIT[:10], SPLIT[10:], least=1000),
    Row("CIP implicit I/O", "ok", (OUTPUTS,), **SCANNER),
]


def named(name, policy):
    """The row under another policy."""
    out = copy.copy(next(row for row in ROWS if row.name == name))
    out.policy = policy
    return out
