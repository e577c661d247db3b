# SPDX-License-Identifier: GPL-2.0-only
"""The load of the benchmarks in namespaces (load.bpf.c), and whose CPU time it is."""
import json
import os
import pathlib
import socket
import struct
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "net"), str(HERE.parent / "vectors")]

import plant as plants  # noqa: E402  pylint: disable=wrong-import-position
import wire  # noqa: E402  pylint: disable=wrong-import-position
from plant import CLIENT_NIC, PORT_C, PORT_S, SERVER_NIC  # noqa: E402  pylint: disable=wrong-import-position

FLOWS, FIRST_PORT, CPU = 64, 20000, 1


# ---- the load ----

OPTIONS = wire.MSS + b"\1" * 28  # of a SYN: as many bytes as the longest frame needs


def segment(src, dst, ports, flags, payload):
    return wire.tcp(src, dst, *ports, 0, 0, flags, payload,
                    OPTIONS if flags & wire.SYN else b"")


def base(src, dst, data):
    """Sum of segment and pseudo header, the checksum's field as zero."""
    data = bytes(data[:16]) + b"\0\0" + bytes(data[18:])
    pseudo = src + dst + (6).to_bytes(2, "big") + len(data).to_bytes(2, "big")
    padded = pseudo + data + b"\0" * (len(data) & 1)
    total = sum(int.from_bytes(padded[i:i + 2], sys.byteorder) for i in range(0, len(padded), 2))
    return (total & 0xffff) + (total >> 16)


def templates(client, server, request):
    """The value of the map `frames`."""
    client, server = wire.packed(client), wire.packed(server)
    out, sums = b"", b""
    for src, dst, ports, flags, payload in (
            (client, server, (0, 502), wire.ACK | wire.PSH, request),
            (server, client, (502, 0), wire.SYN | wire.ACK, b""),
            (server, client, (502, 0), wire.ACK | wire.PSH, wire.reply(20))):
        body = segment(src, dst, ports, flags, payload)
        out += wire.ethernet(src == client, wire.ip4(src, dst, 6, body), 0x0800)
        sums += base(src, dst, body).to_bytes(4, sys.byteorder)
    return out + b"\0" + sums


class Load:
    def __init__(self, plant, built, request):
        self.plant, self.maps = plant, plant.bpffs / "load-maps"
        self.progs = progs = plant.bpffs / "load"
        plants.run("bpftool", "prog", "loadall", built / "load.bpf.o", progs, "type", "xdp",
                   "pinmaps", self.maps)
        value = templates(plant.client4, plant.server4, request)
        plants.run("bpftool", "map", "update", "pinned", self.maps / "frames", "key", "hex",
                   "00", "00", "00", "00", "value", "hex", *value.hex(" ").split())
        for ns, nic, name in ((plant.client, CLIENT_NIC, "client"),
                              (plant.server, SERVER_NIC, "server")):
            plants.run("ip", "-n", ns, "link", "set", "dev", nic, "xdp", "off")
            plant.nsenter(ns, "bpftool", "net", "attach", "xdpdrv", "pinned",
                          progs / f"load_{name}", "dev", nic)

    def dump(self, name):
        return json.loads(plants.run("bpftool", "-j", "map", "dump", "pinned",
                                     self.maps / name).stdout)

    def replies(self):
        return sum(cpu["value"] for cpu in self.dump("replies")[0]["formatted"]["values"])

    def alive(self):
        return {row["formatted"]["key"]: row["formatted"]["value"]
                for row in self.dump("alive")[:FLOWS]}

    def macs(self):
        """Destination and source of a client's frame."""
        plant = self.plant
        gateway = plant.mac(plant.gateway, PORT_C) if plant.mode == "router" else \
            plant.mac(plant.server, SERVER_NIC)
        return bytes.fromhex((gateway + plant.mac(plant.client, CLIENT_NIC)).replace(":", ""))

    def start(self):
        """One SYN a connection; all of them answered, or not one where writes are refused."""
        plant, macs = self.plant, self.macs()
        src, dst = wire.packed(plant.client4), wire.packed(plant.server4)
        with plants.netns(plant.client):
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sock.bind((CLIENT_NIC, 0))
        for i in range(FLOWS):
            body = wire.tcp(src, dst, FIRST_PORT + i, 502, 5000, 0, wire.SYN, b"", OPTIONS)
            sock.send(macs + b"\x08\0" + wire.ip4(src, dst, 6, body))
            time.sleep(0.001)
        sock.close()

    def arm_flood(self, pace):
        """pace: ns from one frame to the next"""
        index = json.loads(plants.run("ip", "-n", self.plant.client, "-j", "link", "show",
                                      CLIENT_NIC).stdout)[0]["ifindex"]
        value = self.macs() + struct.pack("=IIIQ", index, 0, pace, 0)
        plants.run("bpftool", "map", "update", "pinned", self.maps / "flood", "key", "hex",
                   "00", "00", "00", "00", "value", "hex", *value.hex(" ").split())

    def flooded(self):
        """Writes that the flood has sent, modulo 2^32."""
        return self.dump("flood")[0]["formatted"]["value"]["next"]


# ---- whose CPU ----

def threads_before():
    return {p.name for p in pathlib.Path("/proc").glob("[0-9]*")}


def napi_threads(plant, known):
    """{port: pid} of the four ports' receive threads, new since `known`, all on one CPU."""
    for ns, nic in ((plant.client, CLIENT_NIC), (plant.server, SERVER_NIC),
                    (plant.gateway, PORT_C), (plant.gateway, PORT_S)):
        plants.run("ip", "netns", "exec", ns, "sh", "-c",
                   f"echo 1 > /sys/class/net/{nic}/threaded")
    found = {}
    for pid in threads_before() - known:
        try:
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name.startswith("napi/"):
            found[name[5:].split("-")[0]] = int(pid)
    for pid in found.values():
        os.sched_setaffinity(pid, {CPU})
    return found


def cpu_ns(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
