# SPDX-License-Identifier: GPL-2.0-only
"""The policy language as an evaluator: slow, simple, one element at a time.

Written from the text of policies and the description of the language, not from the
compiler. Owns what a policy says of a request. It reads YAML and nothing of keyswitch.

A request is a Request below; Policy(text).judge(request) gives an Answer. Words that the
language gets later have their place in RULE_WORDS: a function of (policy, rule, value,
request, element) that says whether the rule takes the element.

Outside: `rate`, which needs a clock, `log`, which decides nothing, `io`, and zones.
"""
import dataclasses
import ipaddress
import re

import yaml

import meaning as m
import written

# scalars stay as they are written
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclasses.dataclass(frozen=True)
class Request:
    """proto: modbus or enip. What does not apply is None."""
    client: str
    server: str
    proto: str
    unit: int = None
    function: int = None
    sub: int = None
    span: range = None        # addresses; of function 23 those read
    written: range = None     # function 23
    values: tuple = None      # a word for each register or coil written; of function 22 both masks
    kind: object = None       # a CIP class, m.TAG or m.ENCAP
    service: int = None
    instance: int = None
    attribute: int = None
    tag: str = None
    elements: int = 1
    route: str = None         # None: direct
    pccc: int = None          # command << 8 | function, kind PCCC
    file: tuple = None        # (letters, number, range of elements)


@dataclasses.dataclass(frozen=True)
class Answer:
    """before: decided without any rule, the word says why. alert: the rule that marks."""
    allowed: bool
    rule: str = None
    before: str = None
    alert: str = None


@dataclasses.dataclass(frozen=True)
class Element:
    """One thing that a request touches; as_modbus: judged by what rules say of Modbus.
    words: by address, all that the request writes."""
    as_modbus: bool
    unit: int = None
    function: int = None
    at: int = None
    words: dict = None


# ---- reading values ----

def members(value):
    return value if isinstance(value, list) else [value]


def number(text):
    return int(text, 0)


def in_spans(value, spans):
    """Numbers and ranges such as 3, 0x10, 5-9."""
    for text in members(spans):
        lo, _, hi = text.partition("-")
        if value is not None and number(lo) <= value <= number(hi or lo):
            return True
    return False


def networks(value):
    return [ipaddress.ip_network(text) for text in members(value)]


def holds(nets, address):
    return [net.prefixlen for net in nets if address.version == net.version and address in net]


def tag_path(text):
    """As the wire has it: every index in brackets of its own, no upper case."""
    return re.sub(r"\[[^]]*\]", lambda x: x[0].replace(",", "]["), text.lower())


def route_path(text):
    """Hops as port/link: numbers in decimal, names without upper case."""
    hops = []
    for hop in text.split(","):
        port, link = hop.strip().split("/")
        link = str(number(link)) if re.fullmatch(r"0x[0-9a-f]+|\d+", link, re.I) else link.lower()
        hops.append(f"{number(port)}/{link}")
    return ",".join(hops)


# ---- what a rule's words say of one element ----

def any_word(value):
    return value == "any"


def takes_from(policy, rule, value, q, _):
    if any_word(value):
        return True
    client = ipaddress.ip_address(q.client)
    return any(holds(nets, client) for nets in map(policy.source, members(value)))


def takes_to(policy, rule, value, q, _):
    return any_word(value) or policy.asset_of(q.server) in members(value)


def takes_unit(policy, rule, value, q, e):
    return in_spans(e.unit, value)


def takes_functions(policy, rule, value, q, e):
    """Groups, names, codes, and a code with its sub-function."""
    sub = e.at if e.function in m.WITH_SUB else None
    for text in members(value):
        code, _, part = text.partition("/")
        if text in m.GROUPS:
            hit = m.modbus_group(e.function, sub) == text
        elif text in m.FUNCTIONS:
            hit = m.FUNCTIONS[text] == e.function
        elif text in m.SUBFUNCTIONS:
            hit = m.SUBFUNCTIONS[text] == (e.function, sub)
        else:
            hit = number(code) == e.function and (not part or number(part) == sub)
        if hit:
            return True
    return False


def takes_umas(policy, rule, value, q, e):
    for text in members(value):
        if text in m.GROUPS:
            hit = m.modbus_group(90, e.at) == text
        else:
            hit = (m.UMAS[text] if text in m.UMAS else number(text)) == e.at
        if hit:
            return True
    return False


NUMBERED = {"1": "discrete", "3": "input", "4": "holding"}


def address_spans(value):
    """(table or None, first, last): 0-based wire addresses, or 4x101 and the like."""
    for text in members(value):
        ends = text.split("-")
        tables = [NUMBERED[end[0]] for end in ends if re.match(r"[134]x", end)]
        ends = [int(end[2:]) - 1 if tables else number(end) for end in ends]
        yield tables[0] if tables else None, ends[0], ends[-1]


def takes_addresses(policy, rule, value, q, e):
    """Of the function's own table."""
    table = m.TABLES.get(e.function)
    return any(table and said in (None, table) and lo <= e.at <= hi
               for said, lo, hi in address_spans(value))


def takes_values(policy, rule, value, q, e):
    """What is written there; what is not known is nobody's to allow."""
    if e.function not in written.FUNCTIONS:
        return False
    said = policy.values_of(value)
    # pairs are of registers: nothing is said of coils
    if said.type in written.PAIRS and e.function in written.COILS:
        return False
    spans = [ends for _, *ends in address_spans(rule["modbus"].get("addresses", []))]
    found = written.number_in(said, e.function, e.words, e.at, spans)
    return rule["action"] != "allow" if found is None else said.holds(found)


def takes_services(policy, rule, value, q, _):
    for text in members(value):
        if text in m.GROUPS:
            hit = policy.cip_group(q) == text
        elif text in m.SERVICES:
            hit = m.SERVICES[text].get(q.kind) == q.service
        else:
            hit = number(text) == q.service and q.kind != m.ENCAP
        if hit:
            return True
    return False


def takes_classes(policy, rule, value, q, _):
    return any((m.CLASSES[text] if text in m.CLASSES else number(text)) == q.kind
               for text in members(value))


def takes_instances(policy, rule, value, q, _):
    return isinstance(q.kind, int) and q.kind != m.PCCC and in_spans(q.instance, value)


def takes_attributes(policy, rule, value, q, _):
    return q.kind not in (m.ENCAP, m.PCCC) and in_spans(q.attribute, value)


def takes_tags(policy, rule, value, q, _):
    if q.kind != m.TAG:
        return False
    asked = tag_path(q.tag)
    if q.elements > 1:      # the whole array's business
        asked = re.sub(r"(\[\d+\])+$", "", asked)
    return asked in map(tag_path, members(value))


def takes_route(policy, rule, value, q, _):
    if any_word(value):
        return True
    routes = members(value)
    return "direct" in routes if q.route is None else q.route in [
        route_path(text) for text in routes if text != "direct"]


def takes_pccc(policy, rule, value, q, _):
    for text in members(value):
        if text in m.GROUPS:
            hit = m.pccc_group(q.pccc) == text
        elif text in m.PCCC_NAMES:
            hit = m.PCCC_NAMES[text] == q.pccc
        else:
            command, _, function = text.partition("/")
            hit = number(command) << 8 | number(function or "0") == q.pccc
        if hit:
            return True
    return False


def takes_files(policy, rule, value, q, e):
    for text in members(value):
        letters, digits, lo, hi = re.fullmatch(r"([A-Za-z]+)(\d+)(?::(\d+)(?:-(\d+))?)?",
                                               text).groups()
        lo, hi = (int(lo), int(hi or lo)) if lo else (0, 0xffff)
        if q.file and (letters.upper(), int(digits)) == q.file[:2] and lo <= e.at <= hi:
            return True
    return False


RULE_WORDS = {"from": takes_from, "to": takes_to}
MODBUS_WORDS = {"unit": takes_unit, "functions": takes_functions, "addresses": takes_addresses,
                "values": takes_values}
UMAS_WORDS = {"unit": takes_unit, "functions": takes_umas}
CIP_WORDS = {"services": takes_services, "classes": takes_classes, "instances": takes_instances,
             "attributes": takes_attributes, "tags": takes_tags, "route": takes_route}
PCCC_WORDS = {"functions": takes_pccc, "files": takes_files}
BLOCKS = ("modbus", "umas", "cip", "pccc", "io")
OTHER_WORDS = {"name", "action", "on_deny", *BLOCKS}


def takes_all(words, policy, rule, block, q, e):
    """Every word that the block says takes the element."""
    return all(words[word](policy, rule, value, q, e) for word, value in (block or {}).items())


class Policy:
    def __init__(self, text):
        self.tree = yaml.load(text, LOADER)
        self.default = self.tree.get("default", "deny")
        self.unlisted = self.tree.get("unlisted", "deny")
        self.rules = self.tree.get("rules", [])
        self.assets, self.found, self.named, self.read = {}, {}, {}, {}
        for name, asset in self.tree["assets"].items():
            asset = dict(asset) if isinstance(asset, dict) else {"address": asset}
            if "modbus" not in asset and "enip" not in asset:
                asset |= {"modbus": {}, "enip": {}}
            self.assets[name] = asset | {"nets": networks(asset["address"])}

    # ---- who ----

    def asset_of(self, server):
        """Every rule asks: found once an address."""
        if server not in self.found:
            self.found[server] = self.find_asset(ipaddress.ip_address(server))
        return self.found[server]

    def find_asset(self, server):
        """The asset with the longest prefix; the gateway's own addresses are none."""
        if holds(networks(self.tree.get("local", [])), server):
            return None
        found = {max(hit): name for name, asset in self.assets.items()
                 if (hit := holds(asset["nets"], server))}
        return found[max(found)] if found else None

    def source(self, name):
        """Likewise of what `from` names."""
        if name not in self.named:
            self.named[name] = self.find_source(name)
        return self.named[name]

    def find_source(self, name):
        """The networks of a member of `from`: host, group of them, or an address."""
        if name in self.tree.get("groups", {}):
            return [net for member in members(self.tree["groups"][name])
                    for net in self.source(member)]
        if name in self.tree.get("hosts", {}):
            return networks(self.tree["hosts"][name])
        return networks(name)

    def is_forged(self, client):
        """An address of the protected side; of an asset that is the whole world, no."""
        client = ipaddress.ip_address(client)
        return bool(holds(networks(self.tree.get("protected", [])), client)) or any(
            length for asset in self.assets.values() for length in holds(asset["nets"], client))

    # ---- what is asked ----

    def values_of(self, said):
        """Likewise of `values`."""
        if str(said) not in self.read:
            self.read[str(said)] = written.values(said)
        return self.read[str(said)]

    def masks_left(self, rules, q):
        """Function 22, a word an element: each at which some rule changes its mind."""
        said = [self.values_of(block["values"]) for rule in rules
                if "values" in (block := rule.get("modbus") or {})]
        return [Element(True, q.unit, 22, q.span.start, {q.span.start: word})
                for word in written.turns(said, *written.numbers_left(q.values))]

    @staticmethod
    def cip_group(q):
        return m.pccc_group(q.pccc) if q.pccc is not None else m.cip_group(q.service, q.kind)

    def parts(self, rules, q):
        """Lists of elements, each judged by itself, all have to be allowed."""
        if q.proto == "modbus":
            return [self.masks_left(rules, q)] if q.function == 22 else \
                modbus_parts(q.unit, q.function, q.sub, q.span, q.written, q.values)
        inside = q.file[2] if q.file else [None]
        parts = [[Element(False, at=at) for at in inside]]
        if q.kind == m.MODBUS and q.function:
            parts += modbus_parts(255, q.function, None, q.span, None, q.values)
        return parts

    # ---- rules ----

    def speaks(self, rule, q):
        """Is this rule about this client and this asset?"""
        who = {word: rule[word] for word in rule if word not in OTHER_WORDS}
        return takes_all(RULE_WORDS, self, rule, who, q, None)

    def takes(self, rule, q, e):
        """Does this rule, which speaks of the request, decide this element?"""
        said = [block for block in BLOCKS if block in rule]
        if e.as_modbus:
            return self.takes_modbus(rule, said, q, e)
        return self.takes_cip(rule, said, q, e)

    def takes_modbus(self, rule, said, q, e):
        block = rule.get("modbus", rule.get("umas"))
        if said and block is None:
            return False
        # a broadcast is more than anybody asked for, unless it is a read
        if e.unit == 0 and rule["action"] == "allow" and "unit" not in (block or {}) and \
                m.modbus_group(e.function) != "read":
            return False
        if "umas" in rule:
            return e.function == 90 and takes_all(UMAS_WORDS, self, rule, block, q, e)
        return takes_all(MODBUS_WORDS, self, rule, block, q, e)

    def own_route(self, rule, q):
        """A rule that says no route: allowing opens no module behind the asset."""
        asset = self.assets[self.asset_of(q.server)]
        routes = [route_path(text) for text in members((asset["enip"] or {}).get("route", []))]
        return rule["action"] != "allow" or q.route is None or q.route in routes

    def takes_cip(self, rule, said, q, e):
        block = rule.get("cip", rule.get("pccc"))
        if "io" in rule or (said and block is None):
            return False
        if "route" not in (block or {}) and not self.own_route(rule, q):
            return False
        if "pccc" in rule:
            return q.pccc is not None and takes_all(PCCC_WORDS, self, rule, block, q, e)
        return takes_all(CIP_WORDS, self, rule, block, q, e)

    def shuts(self, rule, q, e):
        """A rule with tags: writes by a symbol's number could be to any tag."""
        cip = rule.get("cip") or {}
        route = {"route": cip["route"]} if "route" in cip else {}
        return "tags" in cip and rule["action"] != "alert" and q.kind == m.SYMBOL and self.cip_group(q) == "write" and \
            takes_all(CIP_WORDS, self, rule, route, q, e) and \
            (bool(route) or self.own_route(rule, q))

    def by_default(self, q, e):
        if self.default == "deny":
            return False
        sub = e.at if e.function in m.WITH_SUB else None
        group = m.modbus_group(e.function, sub) if e.as_modbus else self.cip_group(q)
        if self.default == "readonly":
            return group in m.READONLY
        # 'allow' never includes what has no known form
        if e.as_modbus:
            return m.measured(e.function, sub) or (e.function == 90 and group != "other")
        return q.pccc is None or group != "other"

    def element(self, rules, q, e):
        """(allowed, rule, alert rule before it)"""
        alert = None
        for rule in rules:
            if self.takes(rule, q, e):
                if rule["action"] != "alert":
                    return rule["action"] == "allow", rule["name"], alert
                alert = alert or rule["name"]
            if not e.as_modbus and self.shuts(rule, q, e):
                return False, "default", alert
        return self.by_default(q, e), "default", alert

    def judge(self, q):
        """The first refused element's rule, else the rule of the last part's first one."""
        if self.is_forged(q.client):
            return Answer(False, before="spoofed")
        asset = self.assets.get(self.asset_of(q.server))
        if asset is None or q.proto not in asset:
            return Answer(self.unlisted == "allow", before="unlisted_allowed" if
                          self.unlisted == "allow" else "unlisted")
        if q.proto == "modbus" and (before := refused_form(asset["modbus"] or {}, q)):
            return Answer(False, before=before)
        rules = [rule for rule in self.rules if self.speaks(rule, q)]
        alert = None
        for part in self.parts(rules, q):
            first = None
            for e in part:
                allowed, rule, marked = self.element(rules, q, e)
                alert, first = alert or marked, first or rule
                if not allowed:
                    return Answer(False, rule, alert=alert)
        return Answer(True, first, alert=alert)


def refused_form(modbus, q):
    """Functions without a length are the asset's to list, units too."""
    known = modbus.get("umas") == "true" if q.function == 90 else \
        m.measured(q.function, q.sub) or str(q.function) in members(modbus.get("opaque", []))
    if not known:
        return "function_opaque"
    return "" if "units" not in modbus or in_spans(q.unit, modbus["units"]) else "unit_unlisted"


def modbus_parts(unit, function, sub, span, span_written, values):
    if function == 23:      # writes first, judged as 16, then reads, judged as 3
        return modbus_parts(unit, 16, None, span_written, None, values) + \
            modbus_parts(unit, 3, None, span, None, None)
    places = span if span is not None else [sub]
    words = dict(zip(places, values or ()))
    return [[Element(True, unit, function, at, words) for at in places]]
