# SPDX-License-Identifier: GPL-2.0-only
"""Random policies, and random requests: half of them anywhere, half at the borders of
the policy's own ranges. A seed gives the same again. Owns what is drawn; judges nothing.

A policy is drawn as a tree and handed out as text; requests at borders are made from the
words that its rules say.
"""
import ipaddress
import re
import struct

import yaml

import meaning as m
import written
from reference import LOADER, Request, members, networks, number

# The plant of the live test has all of these.
CLIENTS4, SERVERS4, CLIENTS6, SERVERS6 = (list(ipaddress.ip_network(net)) for net in (
    "10.91.1.32/27", "10.91.1.160/28", "fd91:1::20/124", "fd91:1::a0/124"))
CLIENT_NETS = ["10.91.1.32", "10.91.1.33", "10.91.1.40/30", "10.91.1.32/28", "10.91.1.48/29",
               "10.91.1.50/31", "10.91.0.0/16", "0.0.0.0/0", "::/0", "fd91:1::20", "fd91:1::20/125",
               "fd91:1::2c/126"]
ASSET_NETS = ["10.91.1.160", "10.91.1.161", "10.91.1.162/31", "10.91.1.164/30", "10.91.1.160/29",
              "10.91.1.168/29", "0.0.0.0/0", "fd91:1::a0", "fd91:1::a8/125", "::/0"]
MB_FUNCTIONS = ["read", "write", "diagnostic", "discovery", "control", "config", "program", 3, 6,
                16, 15, 1, "0x05", 22, 24, 8, "8/0", "8/4", "43/14", "restart_communications",
                "read_coils", "write_single_register", "write_multiple_registers", 17, 7, 20, 21]
UMAS = ["read", "write", "control", "program", "0x22", "write_variables", "read_id", 65]
SERVICES = ["read", "write", "config", "control", "session", "discovery", "program", "firmware",
            "other", "0x0e", "0x10", "0x4c", "0x4d", "write_tag", "read_tag", "list_identity",
            "register_session", "execute_pccc", "modbus_write_coils", "get_and_clear"]
CLASSES = ["identity", "assembly", "parameter", "symbol", "tag", "pccc", "modbus", "0x64",
           "tcp_ip_interface", "0x300", "encapsulation", "connection_manager"]
PCCC = ["read", "write", "control", "0x0f/0xa2", "typed_logical_write_3", "change_mode", "6/0"]
FILES = ["N7", "N7:0-20", "N7:5", "N10:3-12", "N7:10-300"]
TAGS = ["Setpoint", "Array", "Array[3]", "Grid[1,2]", "Line[2].Level", "Pump.Speed"]
ROUTES = ["1/0", "1/3", "2/10.99.0.2", "1/3,1/0", "2/PLC-4"]
# An address is one kind of number under all rules of a policy: (first, last, in pairs,
# low word first).
LAYOUTS = [[(0, 65535, False, False)],
           [(0, 15, False, False), (16, 31, True, False), (33, 46, True, True)],
           [(0, 19, True, False), (21, 34, True, True), (35, 70, False, False)],
           [(1, 12, True, True), (13, 34, False, False), (35, 60, True, False)]]
WRITERS = ["write", "write", 6, 16, 15, "0x05", 22, "write_single_register", "write_multiple_registers"]
# What bounds are drawn from: (lowest, highest, how far apart)
NUMBERS = {"uint16": (0, 300, 100), "int16": (-120, 100, 60), "uint32": (0, 90000, 70000),
           "int32": (-70000, 70000, 60000), "float32": (-200, 400, 150)}
# (service, class) whose group the protocol reference gives
PAIRS = [(s, c) for s in (0x0e, 0x03, 0x01) for c in (0x01, 0x04, 0x0f, 0x64, 0x6b, 0xf5, 0x300)] + \
    [(s, c) for s in (0x10, 0x04, 0x02) for c in (0x04, 0x0f, 0x6b, 0xf5, 0xf6)] + \
    [(s, c) for s in (0x05, 0x06, 0x07) for c in (0x01, 0x04, 0x64, 0x300)] + \
    [(0x4c, 0x6b), (0x4d, 0x6b), (0x4b, 0xa1), (0x51, 0x37), (0x4c, 0xf6), (0x08, 0x300),
     (0x08, 0x64), (0x4b, 0x300), (0x4d, 0x64), (0x4e, 0x06), (0x5a, 0x06)]


# ---- a policy ----

def some(dice, values, most=3):
    return dice.sample(values, dice.randint(1, min(most, len(values))))


def spans(dice, top, most=3):
    out = []
    for _ in range(dice.randint(1, most)):
        lo = dice.randrange(top)
        out.append(f"{lo}-{dice.randint(lo, min(top, lo + top // 3))}" if dice.random() < .6 else lo)
    return out


def modbus_block(dice):
    block = {}
    if dice.random() < .3:
        block["unit"] = spans(dice, 5)
    if dice.random() < .3:
        lo = dice.randint(1, 40)
        block |= {"functions": [3, 6, 16] if dice.random() < .5 else [3],
                  "addresses": [f"4x{lo}-4x{lo + dice.randint(0, 30)}"]}
        return block
    if dice.random() < .8:
        block["functions"] = some(dice, MB_FUNCTIONS, 4)
    if dice.random() < .5:
        block["addresses"] = spans(dice, 60) + ([65535] if dice.random() < .2 else [])
        # addresses say nothing of functions that have none
        if "functions" in block:
            block["functions"] = [f for f in block["functions"] if has_address(f)] or ["write"]
    return block


def bounds(dice, kind):
    """A number, a range of them, or several."""
    out = []
    least, most, apart = NUMBERS[kind]
    for _ in range(dice.randint(1, 3)):
        lo = dice.randint(least, most)
        hi = lo + dice.choice([0, 1, dice.randint(0, apart), dice.randint(0, apart)])
        if kind == "float32":
            out.append(f"{lo / 4}..{hi / 4 + .1:.2f}" if lo < hi else lo / 10)
        elif kind == "uint16" and dice.random() < .5:
            out.append(f"0x{lo:x}-0x{hi:x}" if dice.random() < .3 else f"{lo}-{hi}")
        else:
            out.append(f"{lo}..{hi}" if lo < hi else lo)
    if dice.random() < .1 and kind != "float32":
        out.append({"uint16": "65530-65535", "int16": "-32768..-32000", "uint32": 4294967295,
                    "int32": "-2147483648..-2147483000"}[kind])
    return out if len(out) > 1 else out[0]


def values_block(dice, layout):
    lo, hi, pair, low_first = dice.choice(layout)
    kind = dice.choice(list(written.PAIRS)) if pair else dice.choice(["uint16", "int16", "uint16"])
    said = {"type": kind, "bounds": bounds(dice, kind)}
    if low_first or (pair and dice.random() < .3):
        said["words"] = "low-first" if low_first else "high-first"
    block = {"values": said["bounds"] if kind == "uint16" else said}
    if pair:
        first = lo + 2 * dice.randrange((hi - lo) // 2)
        last = first + 2 * dice.randint(1, max(1, (hi - first) // 2)) - 1
        block |= {"functions": some(dice, ["write", 16, "write_multiple_registers"]),
                  "addresses": f"{first}-{last}"}
    else:
        block["functions"] = some(dice, WRITERS)
        if hi < 65535 or dice.random() < .5:
            first = dice.randint(lo, min(hi, 60))
            block["addresses"] = f"{first}-{dice.randint(first, min(hi, 70))}"
    if dice.random() < .2:
        block["unit"] = spans(dice, 5)
    return block


def has_address(function):
    return function in ("read", "write", "0x05", "read_coils", "write_single_register",
                        "write_multiple_registers") or function in m.TABLES


def cip_block(dice):
    block = {}
    if dice.random() < .25:
        block["tags"] = some(dice, TAGS)
        if dice.random() < .7:
            block["services"] = some(dice, ["read", "write", "write_tag", "read_tag", "0x4d"])
    else:
        if dice.random() < .7:
            block["services"] = some(dice, SERVICES, 4)
        if dice.random() < .5:
            block["classes"] = some(dice, CLASSES)
        if dice.random() < .4:
            block["instances"] = spans(dice, 12)
    if dice.random() < .4:
        block["attributes"] = spans(dice, 6)
    if dice.random() < .3:
        block["route"] = "any" if dice.random() < .3 else some(dice, ["direct", *ROUTES])
    return block


def umas_block(dice):
    return {"functions": some(dice, UMAS)} | ({"unit": spans(dice, 5)} if dice.random() < .3 else {})


def pccc_block(dice):
    block = {"functions": some(dice, PCCC)} if dice.random() < .8 else {}
    return block | ({"files": some(dice, FILES)} if dice.random() < .6 else {})


def dense_rule(dice, name, sources, layout):
    """Of those that speak of the same few registers, one before the other."""
    out = {"name": name}
    if dice.random() < .2:
        out["from"] = some(dice, sources)
    return out | {"action": dice.choice(["allow", "allow", "allow", "deny", "alert", "alert"]),
                  "modbus": values_block(dice, layout) if dice.random() < .8 else modbus_block(dice)}


def rule(dice, name, sources, assets, layout):
    out = {"name": name}
    if dice.random() < .7:
        out["from"] = some(dice, sources) if dice.random() < .8 else dice.choice(CLIENT_NETS)
    out["to"] = some(dice, assets, 2) if dice.random() < .6 else "any"
    out["action"] = dice.choice(["allow"] * 13 + ["deny"] * 4 + ["alert"] * 3)
    kind = dice.random()
    if kind < .45:
        out["modbus"] = modbus_block(dice) if dice.random() < .5 else values_block(dice, layout)
    elif kind < .52:
        out["umas"] = umas_block(dice)
    if .4 < kind < .9:
        out["cip"] = cip_block(dice)
    elif .9 < kind < .97:
        out["pccc"] = pccc_block(dice)
    if "modbus" in out and "umas" in out:
        del out["umas"]
    return out


def assets(dice):
    out = {}
    for i, net in enumerate(some(dice, ASSET_NETS, 5)):
        asset = {"address": net}
        if dice.random() < .9:
            asset["modbus"] = {"umas": dice.random() < .5, "opaque": [9, 65]}
            if dice.random() < .2:
                asset["modbus"]["units"] = ["0-3", 255]
        if dice.random() < .9 or "modbus" not in asset:
            asset["enip"] = {"route": some(dice, ROUTES, 2)} if dice.random() < .5 else {}
        out[f"a{i}"] = asset
    return out


def tree(dice):
    out = {"version": 1, "default": dice.choice(["deny", "readonly", "readonly", "allow"])}
    if dice.random() < .2:
        out["local"] = "10.91.1.175"
    if dice.random() < .2:
        out["protected"] = dice.choice(["10.91.1.128/25", "10.91.1.48/28"])
    if dice.random() < .15:
        out["unlisted"] = "allow"
    out["hosts"] = {f"h{i}": some(dice, CLIENT_NETS) for i in range(dice.randint(1, 5))}
    out["groups"] = {"g0": some(dice, sorted(out["hosts"]))}
    if dice.random() < .5:
        out["groups"]["g1"] = ["g0", dice.choice(sorted(out["hosts"]))]
    out["assets"] = assets(dice)
    sources = [*out["hosts"], *out["groups"]]
    layout = dice.choice(LAYOUTS)
    few, dense = [dice.choice(layout)], dice.random() < .3
    out["rules"] = [dense_rule(dice, f"r{i}", sources, few) if dense and dice.random() < .7 else
                    rule(dice, f"r{i}", sources, sorted(out["assets"]), layout)
                    for i in range(dice.randint(1, 14))]
    return out


def policy(dice, extra=None):
    """A policy's text. extra: what else is said in it."""
    return yaml.safe_dump(tree(dice) | (extra or {}), sort_keys=False, default_flow_style=None,
                          width=200)


# ---- requests anywhere ----

def span(dice, top=70, most=20):
    lo = dice.randrange(top) if dice.random() < .95 else 65536 - dice.randint(1, most)
    return range(lo, min(65536, lo + dice.randint(1, most)))


def addresses(dice, targets):
    """targets: the networks of assets, where most requests go."""
    target = dice.choice(targets)
    clients, servers = (CLIENTS4, SERVERS4) if target.version == 4 else (CLIENTS6, SERVERS6)
    inside = [a for a in servers if a in target]
    # now and then somebody with an address of the other side
    client = dice.choice(clients if dice.random() < .97 else servers)
    return {"client": str(client),
            "server": str(dice.choice(inside if inside and dice.random() < .9 else servers))}


def written_words(dice, function, places):
    """None: it writes none. Mostly small numbers, in one register or in two."""
    if function not in written.FUNCTIONS:
        return None
    if function in written.COILS:
        return tuple(dice.randint(0, 1) for _ in places)
    if function == 22:
        keep = dice.choice([0, 0, 1, 7, 0x0f, 0xff00, 0xffff, dice.randrange(65536)])
        return keep, dice.choice([dice.randint(0, 300), dice.randrange(65536)])
    top = dice.choice([1, 120, 300, 65536])
    return tuple(dice.randrange(top) for _ in places)


def modbus_request(dice, where, function=None, at=None, unit=None, write=written_words):
    """write: gives what is written at the places."""
    q = {"proto": "modbus", "unit": dice.choice([0, 1, 1, 1, 2, 3, 4, 255]) if unit is None else unit}
    function = function or dice.choice([1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 15, 16, 16, 17, 20, 21, 22, 23,
                                        24, 43, 90, 9, 65, 11])
    q["function"] = function
    if function in m.WITH_SUB:
        q["sub"] = {8: [0, 1, 2, 4, 10, 20], 43: [14], 90: [0x02, 0x10, 0x22, 0x23, 0x41, 0x99]}[
            function][dice.randrange(6) if function != 43 else 0]
    if function in m.TABLES or function == 23:
        q["span"] = at or span(dice)
        if function in (5, 6, 22, 24):
            q["span"] = range(q["span"].start, q["span"].start + 1)
    if function == 23:
        q["written"] = span(dice) if at is None and dice.random() < .5 else q["span"]
    q["values"] = write(dice, 16 if function == 23 else function, q.get("written") or q.get("span"))
    return Request(**where, **q)


def cip_request(dice, where, pair=None, tag=None, instance=None, attribute=None, route=None,
                file=None, span_=None, write=written_words):
    q = {"proto": "enip", "route": route}
    if route is None and dice.random() < .3:
        q["route"] = dice.choice(["1/0", "1/3", "2/10.99.0.2", "1/3,1/0", "2/plc-4", "1/9"])
    kind = dice.random() if not (pair or tag or file or span_) else 1 if pair else 0 if tag else \
        .45 if file else .55
    if kind < .35:
        q |= {"kind": m.TAG, "service": dice.choice([0x4c, 0x4d, 0x4d, 0x4e, 0x52, 0x53]),
              "tag": tag or dice.choice(["setpoint", "Array[3]", "Array[4]", "Array", "Grid[1][2]",
                                         "Line[2].Level", "Pump.Speed", "Other"])}
        if q["service"] != 0x4e and dice.random() < .3:
            q["elements"] = dice.randint(2, 4)
    elif kind < .5:
        code = dice.choice([0x0fa2, 0x0faa, 0x0faa, 0x0f80, 0x0600])
        q |= {"kind": m.PCCC, "service": 0x4b, "instance": 1, "pccc": code}
        if file or code in (0x0fa2, 0x0faa):
            lo = dice.randrange(25)
            q |= {"pccc": code if code in (0x0fa2, 0x0faa) else 0x0faa, "file": file or (
                "N", dice.choice([7, 7, 10, 8]), range(lo, lo + dice.randint(1, 6)))}
    elif kind < .6:
        service = dice.choice(sorted(m.MODBUS_SERVICES))
        q |= {"kind": m.MODBUS, "service": service, "instance": 1, "span": span_ or span(dice),
              "function": m.MODBUS_SERVICES[service]}
        q["values"] = write(dice, q["function"], q["span"])
    elif kind < .68:
        return Request(**where, proto="enip", kind=m.ENCAP, service=dice.choice(
            [0x63, 0x04, 0x65, 0x00]))
    else:
        service, kind = pair or dice.choice(PAIRS)
        q |= {"kind": kind, "service": service}
        if instance is not None or dice.random() < .8:
            q["instance"] = dice.randrange(13) if instance is None else instance
            if attribute is not None or service in (0x0e, 0x10) or dice.random() < .2:
                q["attribute"] = dice.randrange(7) if attribute is None else attribute
    return Request(**where, **q)


# ---- requests at the borders of a policy ----

def beside(dice, lo, hi, top):
    """Something that begins or ends at a border of [lo, hi], or just beyond it."""
    at = dice.choice([lo - 1, lo, lo + 1, hi - 1, hi, hi + 1])
    return min(max(at, 0), top)


def ends(text):
    lo, _, hi = str(text).partition("-")
    return number(lo), number(hi or lo)


def number_beside(dice, said):
    """Written at a border of some bounds, as words: one, or two in their order."""
    number_ = dice.choice(dice.choice(said.bounds)) + dice.choice([0, 0, 0, 1, -1])
    if said.type not in written.PAIRS:
        return [number_ & 0xffff]
    if said.type == "float32" and dice.random() < .1:
        number_ = dice.choice([-0.0, float("nan"), float("inf"), -float("inf")])
    if said.type != "float32":
        number_ = min(max(number_, -2**31), 2**32 - 1) & 0xffffffff
    high, low = struct.unpack(">HH", struct.pack(
        ">f" if said.type == "float32" else ">I", number_))
    return [low, high] if said.low_first else [high, low]


def words_beside(said, first):
    """Gives what is written: numbers at borders. Pairs begin at first, or at an even distance."""
    def write(dice, function, places):
        if function not in written.FUNCTIONS:
            return None
        if function in written.COILS:
            return written_words(dice, function, places)
        if function == 22:
            keep = dice.choice([0, 0, 0, 1, 3, 7, 15, 31, 63])
            return keep, number_beside(dice, said)[-1]
        same = number_beside(dice, said)
        out = {}
        for at in places:
            numbers = same if dice.random() < .9 else number_beside(dice, said)
            begin = at - (at - first) % len(numbers)
            for i, word in enumerate(numbers):
                out.setdefault(begin + i, word)
        return tuple(out[at] for at in places)
    return write


def address_beside(dice, nets, pool):
    """One inside the net, its first, its last, or a neighbour, as far as the plant goes."""
    nets = [net for net in nets if net.version == pool[0].version]
    if not nets:
        return str(dice.choice(pool))
    net = dice.choice(nets)
    first, last = int(net[0]), int(net[-1])
    at = dice.choice([first, first, last, last, dice.randint(first, last), first - 1, last + 1])
    at = min(max(at, int(pool[0])), int(pool[-1]))
    return str(ipaddress.ip_address(at))


class Border:
    def __init__(self, text):
        self.tree = yaml.load(text, LOADER)
        self.rules = self.tree["rules"]

    def sources(self, name):
        if name in self.tree["groups"]:
            return [net for member in members(self.tree["groups"][name])
                    for net in self.sources(member)]
        return networks(self.tree["hosts"].get(name, name))

    def targets(self, names):
        return [net for name in members(names)
                for net in networks(self.tree["assets"][name]["address"])]

    def who(self, dice, r):
        """Client and server of one family, at the borders of what the rule names."""
        nets = [net for name in members(r.get("from", [])) for net in self.sources(name)]
        to = r.get("to", "any")
        targets = self.targets(to if to != "any" else sorted(self.tree["assets"]))
        four = dice.choice(targets).version == 4
        clients, servers = (CLIENTS4, SERVERS4) if four else (CLIENTS6, SERVERS6)
        return {"client": address_beside(dice, nets, clients),
                "server": address_beside(dice, targets, servers)}

    def modbus(self, dice, r):
        block = r.get("modbus") or {}
        function = self.function(dice, members(block.get("functions", [])))
        at, unit, write = None, None, written_words
        lo, hi = self.address(dice, block)
        if lo is not None:
            at = self.span(dice, lo, hi) if "values" not in block or dice.random() < .4 else \
                self.inside(dice, lo, hi, 1)
            function = function if function in m.TABLES else dice.choice([3, 6, 16, 23, 16])
        if "values" in block:
            said = written.values(block["values"])
            write = words_beside(said, lo or 0)
            if said.type in written.PAIRS:
                at = at if dice.random() < .3 else self.inside(dice, lo, hi, 2)
                function = dice.choice([16, 16, 16, 23, function])
            else:
                function = dice.choice([function] * 5 + [22, 22, 23])
            if at and dice.random() < .15:
                return cip_request(dice, self.who(dice, r), span_=at, write=write)
        if "unit" in block:
            unit = beside(dice, *ends(dice.choice(members(block["unit"]))), 255)
        return modbus_request(dice, self.who(dice, r), function, at, unit, write)

    @staticmethod
    def address(dice, block):
        """One of the ranges of addresses, (None, None) if it says none."""
        if "addresses" not in block:
            return None, None
        text = dice.choice(members(block["addresses"]))
        lo, hi = ends(re.sub(r"[134]x", "", text))
        return (lo - 1, hi - 1) if re.match("[134]x", text) else (lo, hi)

    @staticmethod
    def inside(dice, lo, hi, width):
        """Some whole numbers of a range, of so many registers each."""
        first = lo + width * dice.randint(0, (hi - lo) // width)
        return range(first, min(hi + 1, first + width * dice.randint(1, 4)))

    @staticmethod
    def span(dice, lo, hi, most=20):
        first = beside(dice, lo, hi, 65535)
        last = beside(dice, lo, hi, 65535)
        first, last = min(first, last), max(first, last)
        return range(first, min(last, first + most - 1) + 1)

    @staticmethod
    def function(dice, texts):
        """A function that one of these could mean."""
        codes = [code for code in (1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 20, 21, 22, 24)
                 for text in texts if text == m.modbus_group(code) or m.FUNCTIONS.get(text) == code
                 or (re.fullmatch(r"(0x)?[0-9a-f]+", text) and number(text) == code)]
        codes += [8 for text in texts if str(text).startswith("8")]
        return dice.choice(codes) if codes else None

    def umas(self, dice, r):
        unit = (r["umas"] or {}).get("unit")
        return modbus_request(dice, self.who(dice, r), 90, unit=unit and beside(
            dice, *ends(dice.choice(members(unit))), 255))

    def cip(self, dice, r):
        block = r.get("cip") or {}
        said = {}
        routes = [x for x in members(block.get("route", [])) if x not in ("any", "direct")]
        if routes and dice.random() < .6:
            said["route"] = dice.choice(routes).lower()
        if "tags" in block and dice.random() < .8:
            tag = dice.choice(members(block["tags"])).replace(",", "][")
            return cip_request(dice, self.who(dice, r), tag=dice.choice(
                [tag, tag.upper(), "x" + tag, tag + "[0]", re.sub(r"\[\d+\]$", "", tag)]), **said)
        pairs = [(s, c) for s, c in PAIRS if self.meant(block, s, c)]
        if pairs and (dice.random() < .8 or "attributes" in block or "instances" in block):
            said["pair"] = dice.choice(pairs)
            for key, word in (("instance", "instances"), ("attribute", "attributes")):
                if word in block:
                    said[key] = beside(dice, *ends(dice.choice(members(block[word]))), 2**32 - 2)
        return cip_request(dice, self.who(dice, r), **said)

    @staticmethod
    def meant(block, service, kind):
        classes = [m.CLASSES[c] if c in m.CLASSES else number(c)
                   for c in members(block.get("classes", []))]
        services = members(block.get("services", []))
        return (not classes or kind in classes) and (not services or any(
            text == m.cip_group(service, kind) or m.SERVICES.get(text, {}).get(kind) == service or
            (re.fullmatch(r"0x[0-9a-f]+", text) and number(text) == service) for text in services))

    def pccc(self, dice, r):
        files = (r["pccc"] or {}).get("files")
        if not files:
            return cip_request(dice, self.who(dice, r), file=("N", 7, range(0, 1)))
        number_, lo, hi = re.fullmatch(r"N(\d+)(?::(\d+))?(?:-(\d+))?",
                                       dice.choice(members(files))).groups()
        lo = int(lo or 0)
        return cip_request(dice, self.who(dice, r), file=("N", int(number_), self.span(
            dice, lo, int(hi or lo), 30)))

    def request(self, dice):
        # where values are in bounds is one place of many: asked oftener
        r = dice.choices(self.rules, [4 if "values" in (r.get("modbus") or {}) else 1
                                      for r in self.rules])[0]
        blocks = [block for block in ("modbus", "umas", "cip", "pccc") if block in r]
        # a rule without any is about both protocols
        return getattr(self, dice.choice(blocks or ["modbus", "cip"]))(dice, r)


def requests(dice, text, n):
    """n requests: anywhere and at the borders, by turns."""
    border = Border(text)
    targets = border.targets(sorted(border.tree["assets"]))
    for i in range(n):
        if i % 2:
            yield border.request(dice)
        elif dice.random() < .5:
            yield modbus_request(dice, addresses(dice, targets))
        else:
            yield cip_request(dice, addresses(dice, targets))
