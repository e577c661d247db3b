# SPDX-License-Identifier: GPL-2.0-only
"""Policies of the benchmarks, small and large."""

import re

HEAD = """version: 1
default: readonly
on_deny: drop
protected: [10.2.0.0/16, "fd00:2::/64"]
hosts:
  clients: [10.1.0.0/16, "fd00:0:0:1::/64"]
limits:
  flows: 32768
  modbus_rings: 17000
  enip_rings: 17000
  flows_per_client: 64
  half_open_per_client: 64
  event_rate: {rate}
assets:
  plc:
    address: [10.2.0.5, "fd00:2::5"]
    modbus: {{}}
    enip: {{route: 1/0}}
"""
RULES = """rules:
  - name: setpoints
    from: clients
    to: plc
    action: allow
    modbus: {functions: [write_single_register, write_multiple_registers], addresses: [0-122]}
  - name: tags
    from: clients
    to: plc
    action: allow
    cip: {services: [write_tag], tags: [Speed]}
"""


def plain(rate=1000000):
    return HEAD.format(rate=rate) + RULES


def address(i):
    return f"10.2.{100 + i // 250}.{1 + i % 250}"


def assets(n):
    more = "".join(f"  a{i}: {{address: {address(i)}, modbus: {{}}}}\n" for i in range(n - 1))
    return HEAD.format(rate=1000000) + more + RULES


def rules(n):
    """Ranges of registers for 100 assets, each of another host, and for the measured one."""
    hosts = "".join(f"  h{i}: 10.9.{i // 250}.{1 + i % 250}\n" for i in range(100))
    more = "".join(f"  a{i}: {{address: {address(i)}, modbus: {{}}}}\n" for i in range(100))
    text = "".join(f"""  - name: r{i}
    from: {'clients' if i % 100 == 0 else f'h{i % 100}'}
    to: {'plc' if i % 100 == 0 else f'a{i % 100}'}
    action: {'deny' if i % 3 == 0 else 'allow'}
    modbus: {{functions: [write_single_register], addresses: [{1000 + 5 * i}-{1003 + 5 * i}]}}
""" for i in range(n - 2))
    return HEAD.format(rate=1000000).replace("limits:", hosts + "limits:") + more + RULES + text


def values():
    return plain().replace("addresses: [0-122]}", "addresses: [0-122], values: 0-1000}")


def cyclic():
    """Implicit I/O as well."""
    return plain() + "  - {name: cyclic, from: clients, to: plc, io: run}\n"


POLICIES = {
    "io": cyclic,
    "values": values,
    "plain": plain,
    "quiet": lambda: plain(rate=1),
    "assets1000": lambda: assets(1000),
    "assets10000": lambda: assets(10000),
    "rules1000": lambda: rules(1000),
    "rules10000": lambda: rules(10000),
}


def room(flows):
    """Entries of each flow table and Modbus rings for so many connections."""
    return min(1 << 20, max(64, 2 * flows)), max(16, flows)


def sized(entries, rings):
    return plain().replace("flows: 32768", f"flows: {entries}").replace(
        "modbus_rings: 17000", f"modbus_rings: {rings}").replace("enip_rings: 17000",
                                                                 "enip_rings: 16")


def text(name):
    """A policy by its name. flowsN: room for N connections; fullN: N fill each flow table."""
    number = re.fullmatch(r"(flows|full)(\d+)", name)
    if not number:
        return POLICIES[name]()
    n = int(number[2])
    return sized(*room(n)) if number[1] == "flows" else sized(n, 2 * n)
