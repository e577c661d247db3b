# SPDX-License-Identifier: GPL-2.0-only
"""Requests that the addressed module hands on: what is allowed toward it is not allowed
through it. The target answers for every module; its log of what it executed, and by
which route, is the judge.
"""
import enip_client as ec
import enip_wire as w
from kit import abort, cases, equal
from ks import ROUTED, Keyswitch, events
from plant import Plant, wait_for

ROUTES = {
    "": "", "1/0": "0100", "1/3": "0103", "1/4": "0104", "1/0,1/3": "01000103",
    "2/10.99.0.2": "1209" + b"10.99.0.2".hex() + "00", "18/3": "0f120003",
}
POLICY = ROUTED + """\
  - name: writer-of-slot-3
    from: writer
    to: plc
    action: allow
    cip: {{services: [write_tag], tags: ["Counts[2]"], route: [1/3, 2/10.99.0.2]}}
"""
# by tag: the routes by which the writer may write it
ALLOWED = {"Setpoint": {"", "1/0"}, "Counts[2]": {"1/3", "2/10.99.0.2"}, "Counts[1]": set()}


class Way:
    """A connection of its own by one carrier and one route."""

    def __init__(self, plant, host, source, carrier, route):
        self.client = ec.Client(plant.connect(host, 44818, source)).register()
        self.carrier, self.route = carrier, bytes.fromhex(route)

    def send(self, cip):
        if self.carrier == "unconnected_send":
            return self.client.ucmm(w.unconnected_send(cip, self.route))
        if self.carrier == "routed_open" and not self.client.conn:
            self.open(w.unconnected_send(w.forward_open(5), self.route))
        elif not self.client.conn:
            self.open(w.forward_open(5, self.carrier == "large",
                                     target=self.route + w.ROUTER_PATH))
        return self.client.connected(cip)

    def open(self, request):
        self.client.conn = int.from_bytes(self.client.ucmm(request)[:4], "little")

    def answered(self, cip):
        self.client.sock.settimeout(0.5)
        try:
            self.send(cip)
            return True
        except (OSError, ec.Refused):
            return False


def written(log):
    """(route, tag) of every write that the target executed."""
    return sorted((line["route"], line["tag"]) for line in log.lines()
                  if line.get("service") == w.WRITE_TAG)


@cases(("unconnected_send", 4), ("connected", 6), ("large", 4), ("routed_open", 4), weight=3)
def test_route_is_judged(carrier, family):
    """Reads go everywhere; a write goes where a rule names the route, or the asset's own."""
    with Plant("wire") as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, POLICY).attach()
        _, path = ks.serve()
        host, source = (plant.server6, plant.other6) if family == 6 else \
            (plant.server4, plant.other4)
        refused, want = set(), []
        for route, octets in ROUTES.items():
            for tag, ways in ALLOWED.items():
                way = Way(plant, host, source, carrier, octets)
                way.send(ec.read_tag(tag))
                equal(way.answered(ec.write_tag(tag, 5)), route in ways, f"{tag} by '{route}'")
                if route in ways:
                    want.append((octets, tag))
                else:
                    refused.add((route, tag))
                abort(way.client.sock)
        equal(written(log), sorted(want), "writes that the target executed, by route")
        wait_for(lambda: len(events(path)) >= len(refused), "the events")
        told = {(r.get("route", ""), r["tag"]) for r in
                (e["keyswitch"]["request"] for e in events(path))}
        equal(told, refused, "routes and tags in the events")
        equal(ks.requests(verdict="deny"), len(refused), "denied requests counted")
        ks.balance()
        return f"{len(want)} writes executed, {len(refused)} refused"


@cases((4,))
def test_route_of_two_opens_of_one_name(family):
    """Two opens with the same triad are asked at once, one by the own route: neither the
    first nor the second connection may write, whichever reply is whose."""
    del family
    with Plant("router") as plant:
        log = plant.enip_target()
        ks = Keyswitch(plant, POLICY).attach()
        client = ec.Client(plant.connect(plant.server4, 44818, plant.other4)).register()
        opens = [w.send_rr(client.session, w.forward_open(5, target=bytes.fromhex(route) +
                                                          w.ROUTER_PATH))
                 for route in ("0104", "0100")]
        client.sock.sendall(b"".join(opens))
        ids = [int.from_bytes(client.status(w.read_cpf(client.message()[1])[3])[:4], "little")
               for _ in opens]
        wait_for(lambda: ks.reason("reply") >= 2, "the replies")
        for conn in ids:
            client.conn = conn
            client.sock.settimeout(0.5)
            try:
                client.connected(ec.write_tag("Setpoint", 5))
                raise AssertionError(f"written on connection {conn:#x}")
            except OSError:
                pass
        equal(written(log), [], "writes that the target executed")
        abort(client.sock)
        ks.balance()
