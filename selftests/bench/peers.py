# SPDX-License-Identifier: GPL-2.0-only
"""What a gateway may run in keyswitch's place, each with the same six writes refused."""
import shutil

from ks import Keyswitch
from plant import PORT_C, PORT_S

FUNCTIONS = "5, 6, 15, 16, 22, 23"
POLICY = """version: 1
default: readonly
on_deny: drop
limits: {{half_open_per_client: 64}}
assets:
  plc: [{p.server4}]
"""


class Peer:
    """setup(plant, built): puts the peer in place; what keyswitch is told by. blocks: it refuses writes at all."""

    def __init__(self, name, mode, setup, blocks=True, needs=None):
        self.name, self.mode, self.setup, self.blocks, self.needs = name, mode, setup, blocks, needs

    def missing(self):
        return self.needs if self.needs and not shutil.which(self.needs) else None


def nothing(plant, built):  # pylint: disable=unused-argument
    for port in (PORT_C, PORT_S):
        plant.nsenter(plant.gateway, "ethtool", "-K", port, "gro", "on")


def bridge(plant, built):
    nothing(plant, built)
    plant.nsenter(plant.gateway, "sysctl", "-q", "-w", "net.bridge.bridge-nf-call-iptables=0",
                  check=False)


def noop(plant, built):  # pylint: disable=unused-argument
    plant.wire()


def nft(rules):
    def setup(plant, built):
        nothing(plant, built)
        plant.nsenter(plant.gateway, "nft", "-f", "-", input=rules)
    return setup


FORWARD = """table inet filter {{
  chain forward {{
    type filter hook forward priority 0; policy {policy};
    {rules}
  }}
}}
"""
MATCH = f"tcp dport 502 @ih,56,8 {{ {FUNCTIONS} }} counter drop"
STATEFUL = "ct state established,related accept\n    tcp dport 502 ct state new accept"
NETDEV = f"""table netdev filter {{
  chain ingress {{
    type filter hook ingress device "{PORT_C}" priority 0;
    {MATCH}
  }}
}}
"""


def tc_bpf(plant, built):
    nothing(plant, built)
    plant.nsenter(plant.gateway, "tc", "qdisc", "add", "dev", PORT_C, "clsact")
    plant.nsenter(plant.gateway, "tc", "filter", "add", "dev", PORT_C, "ingress", "bpf", "da",
                  "obj", built / "match.bpf.o", "sec", "tc")


def drop(plant, built):
    nothing(plant, built)
    plant.nsenter(plant.gateway, "ip", "link", "set", "dev", PORT_C, "xdpdrv", "obj",
                  built / "match.bpf.o", "sec", "xdp")


def keyswitch(plant, built):  # pylint: disable=unused-argument
    ks = Keyswitch(plant, POLICY)
    ks.attach()
    return ks


PEERS = [
    Peer("router", "router", nothing, blocks=False),
    Peer("bridge", "bridge", bridge, blocks=False),
    Peer("no-op redirect", "wire", noop, blocks=False),
    Peer("keyswitch wire", "wire", keyswitch),
    Peer("keyswitch router", "router", keyswitch),
    Peer("nft netdev", "router", nft(NETDEV), needs="nft"),
    Peer("nft forward", "router", nft(FORWARD.format(policy="accept", rules=MATCH)), needs="nft"),
    Peer("nft forward, conntrack", "router",
         nft(FORWARD.format(policy="drop", rules=f"{MATCH}\n    {STATEFUL}")), needs="nft"),
    Peer("tc-bpf", "router", tc_bpf),
    # a rule set and a thread per port of its own; see docs/performance.md for its figures
    Peer("suricata", "wire", None, needs="suricata"),
]


# Where a flood of writes ends: all refuse them but the first, which refuses everything.
FLOOD = [
    Peer("no-op drop", "wire", drop, blocks=None),
    *(peer for peer in PEERS if peer.name in ("keyswitch wire", "keyswitch router", "nft netdev",
                                              "tc-bpf")),
]


def chosen(peers, names):
    """Those whose name holds one of `names`, or all; what is not installed is said."""
    out = []
    for peer in peers:
        if names and not any(name in peer.name for name in names):
            continue
        if peer.missing():
            print(f"{peer.name}: left out, '{peer.missing()}' is not installed")
        else:
            out.append(peer)
    if not out:
        raise SystemExit(f"no gateway is named like that, expected one of: "
                         f"{', '.join(peer.name for peer in peers)}")
    return out
