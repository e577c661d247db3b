# SPDX-License-Identifier: GPL-2.0-only
"""Ethernet and IP: attacks on I3, bytes that reach the server beside the stream
or in a frame that a parser reads otherwise than the server.

Owns no state.  Rows over UDP use Modbus/UDP or EtherNet/IP, where one frame is
the whole attack.
"""
import ipaddress
import struct

import enip_wire as w
import raw_tcp
from attacker import ACK, PSH
from kit import read_registers, write_register
from scene import ENIP, IO, MODBUS, row

READ, WRITE = read_registers(), write_register()
SIZE = len(READ)
WRITE_TAG = w.send_rr(1, w.request(w.WRITE_TAG, w.tag_path("Setpoint"), b"\xc4\0\1\0\7\0\0\0"))
BROADCAST = b"\xff" * 6
CTAG, STAG = 0x8100, 0x88A8
NO_MODULE = "this kernel has no driver for it"


def segment(c, payload=WRITE, offset=SIZE):
    return c.segment(PSH | ACK, payload, seq=c.base + offset, ack=c.rcv_nxt)


def datagram(c, payload):
    """A UDP datagram to the client's port."""
    length = 8 + len(payload)
    head = struct.pack(">HHHH", c.sport, c.dport, length, 0)
    pseudo = c.src + c.dst + struct.pack(">II", length, 17)
    total = raw_tcp.checksum(pseudo + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", total) + payload


@row("IP fragments", "G0")
def fragments(s):
    c = s.reading(READ)
    tcp = segment(c)
    c.fragments(tcp, [(0, tcp[:24], 1), (24, tcp[24:], 0)])


@row("IP fragments, last one first", "G0")
def fragments_backwards(s):
    c = s.reading(READ)
    tcp = segment(c)
    c.fragments(tcp, [(24, tcp[24:], 0), (0, tcp[:24], 1)])


@row("tiny IP fragments: ports only in the first", "G0",
     {4: True, 6: "Linux wants the whole TCP header in the first"})
def fragments_tiny(s):
    c = s.reading(READ)
    tcp = segment(c)
    c.fragments(tcp, [(0, tcp[:8], 1), (8, tcp[8:16], 1), (16, tcp[16:], 0)])


@row("overlapping IP fragments", "G0", "Linux drops a datagram whose fragments overlap")
def fragments_overlapping(s):
    c = s.reading(READ)
    allowed, denied = segment(c, READ), segment(c)
    c.fragments(denied, [(0, allowed[:32], 1), (24, denied[24:], 0)])
    c.fragments(denied, [(24, denied[24:], 0), (0, allowed[:32], 1)], ident=77)


@row("overlapping IP fragments at offset 0, first for another port", "G0",
     "Linux drops a datagram whose fragments overlap")
def fragments_ports(s):
    c = s.reading(READ)
    tcp = segment(c)
    other = tcp[:2] + b"\x00\x50" + tcp[4:24]
    c.fragments(tcp, [(0, other, 1), (0, tcp[:24], 1), (24, tcp[24:], 0)])


@row("fragmented UDP datagram", "G0")
def fragments_udp(s):
    c = s.client()
    udp = datagram(c, WRITE)
    if s.family == 4:
        for offset, body, more in ((0, udp[:16], 1), (16, udp[16:], 0)):
            c.sock.send(c.ethernet(None, ()) + c.ipv4(body, 17, ident=c.sport,
                                                      fragment=offset // 8 | more << 13))
    else:
        for offset, body, more in ((0, udp[:16], 1), (16, udp[16:], 0)):
            head = struct.pack(">BBHI", 17, 0, offset | more, c.sport)
            c.sock.send(c.ethernet(None, ()) + c.ipv6(body, 17, extension=(44, head)))


@row("atomic fragment", "G0", families=(6,))
def fragment_atomic(s):
    c = s.reading(READ)
    tcp = segment(c)
    c.fragments(tcp, [(0, tcp, 0)])


@row("IPv4 options: NOP, record route, router alert", "G0", families=(4,))
def ip_options(s):
    for options in (b"\1\1\1\0", b"\x07\x07\x04\0\0\0\0\0", b"\x94\x04\0\0"):
        c = s.reading(READ)
        c.put(SIZE, WRITE, ip_options=options)


@row("IPv4 header length that hides the TCP header", "G0", families=(4,))
def ip_header_length(s):
    c = s.reading(READ)
    tcp = segment(c)
    c.sock.send(c.wrap(tcp, ip_options=b"\1" * 40))


@row("IPv6 extension headers: hop-by-hop, destination options", "G0", families=(6,))
def extension_headers(s):
    padding = b"\x06\0\x01\x04\0\0\0\0"
    twice = b"\x3c" + padding[1:] + padding
    for first, chain in ((0, padding), (60, padding), (0, twice)):
        c = s.reading(READ)
        c.put(SIZE, WRITE, extension=(first, chain))


@row("IPv6 hop-by-hop router alert in front of TCP", "G0", families=(6,))
def router_alert(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, extension=(0, b"\x06\0\x05\x02\0\0\x01\0"))


@row("IPv6 chain of eight extension headers", "G0", families=(6,))
def extension_chain(s):
    c = s.reading(READ)
    chain = b"\x3c\0\x01\x04\0\0\0\0" * 7 + b"\x06\0\x01\x04\0\0\0\0"
    c.put(SIZE, WRITE, extension=(60, chain))


@row("IPv6 routing header with no segment left", "G0", families=(6,))
def routing_header(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, extension=(43, b"\x06\0\0\0\0\0\0\0"))


def tagged(s, tags, control_offset=SIZE):
    c = s.reading(READ)
    c.put(control_offset, WRITE, tags=tags)


@row("IPv6 jumbo payload option", "G0", "Linux takes no jumbogram of this size",
     families=(6,))
def jumbo(s):
    c = s.reading(READ)
    tcp = segment(c)
    option = b"\x06\0\xc2\x04" + struct.pack(">I", 8 + len(tcp))
    c.sock.send(c.wrap(tcp, extension=(0, option), total=0))


@row("the reserved IP flag", "G0", families=(4,))
def reserved_flag(s):
    c = s.reading(READ)
    c.sock.send(c.ethernet(None, ()) + c.ipv4(segment(c), 6, fragment=0xC000))


@row("one priority tag (VLAN 0)", "G0")
def priority_tag(s):
    tagged(s, [(CTAG, 0xE000)])


@row("two priority tags", "G0")
def priority_tags(s):
    tagged(s, [(STAG, 0), (CTAG, 0)])


@row("three priority tags", "G0")
def three_tags(s):
    tagged(s, [(CTAG, 0), (CTAG, 0), (CTAG, 0)])


@row("three priority tags around UDP", "G0")
def three_tags_udp(s):
    c = s.client()
    c.sock.send(c.wrap(datagram(c, WRITE), 17, tags=[(STAG, 0), (CTAG, 0), (CTAG, 0)]))


@row("a VLAN id that the server does not have", "G0", "Linux takes it for another host's")
def foreign_vlan(s):
    tagged(s, [(CTAG, 5)])


@row("LLC/SNAP around IP", "G0", "Linux speaks no IP over 802.3")
def snap(s):
    c = s.reading(READ)
    frame = c.wrap(segment(c))
    for llc in (b"\xaa\xaa\x03\0\0\0" + frame[12:14], b"\x06\x06\x03"):
        packet = llc + frame[14:]
        c.sock.send(frame[:12] + struct.pack(">H", len(packet)) + packet)


@row("PPPoE, MPLS, HSR around IP", "G0", NO_MODULE)
def wrapped_ethertypes(s):
    c = s.reading(READ)
    frame = c.wrap(segment(c))
    ppp = b"\0\x21" if s.family == 4 else b"\0\x57"
    pppoe = b"\x11\0\0\1" + struct.pack(">H", len(frame) - 12) + ppp
    hsr = struct.pack(">HH", len(frame) - 14 + 6, 1)
    for kind, head in ((0x8864, pppoe), (0x8847, b"\0\x01\x01\x40"),
                       (0x892F, hsr + frame[12:14])):
        c.sock.send(frame[:12] + struct.pack(">H", kind) + head + frame[14:])


@row("IPIP, 6in4, GRE to the controller", "G0", NO_MODULE)
def ip_tunnels(s):
    c = s.reading(READ)
    packet = c.wrap(segment(c))[14:]
    gre = b"\0\0" + c.wrap(b"")[12:14]
    for protocol, body in ((4 if s.family == 4 else 41, packet), (47, gre + packet)):
        c.sock.send(c.wrap(body, protocol))


def vxlan(s, port):
    c, outer = s.reading(READ), s.client(port)
    inner = s.site.vxlan_macs[port] + c.macs[0] + c.wrap(segment(c))[12:]
    outer.sock.send(outer.wrap(datagram(outer, b"\x08\0\0\0\0\0\1\0" + inner), 17))


@row("VXLAN to the controller", "G0", families=(4,))
def vxlan_assigned(s):
    vxlan(s, 4789)


@row("VXLAN to the controller, at the port that Linux takes by default", "G0", families=(4,))
def vxlan_linux(s):
    vxlan(s, 8472)


@row("L2TP to the controller", "G0", "this server has no such tunnel")
def l2tp(s):
    c, outer = s.reading(READ), s.client(1701)
    outer.sock.send(outer.wrap(datagram(outer, b"\0\2\0\1\0\1" + c.wrap(segment(c))), 17))


@row("broadcast MAC with the controller's IP, TCP", "G0",
     "Linux takes no TCP from a broadcast frame")
def broadcast_tcp(s):
    c = s.reading(READ)
    c.put(SIZE, WRITE, destination=BROADCAST)


@row("broadcast MAC with the controller's IP, UDP", "UDP")
def broadcast_udp(s):
    c = s.client()
    c.sock.send(c.wrap(datagram(c, WRITE), 17, destination=BROADCAST))


@row("UDP: denied, trailing, two in one, cut", "UDP")
def udp(s):
    for payload in (WRITE, READ + WRITE, READ + b"\0", READ[:4] + b"\0\x12" + READ[6:] + WRITE):
        c = s.client()
        c.sock.send(c.wrap(datagram(c, payload), 17))


@row("UDP: length below the datagram's, and 0", "G0",
     "Linux cuts at the UDP length and drops length 0")
def udp_length(s):
    c = s.client()
    for length in (8, 0):
        head = datagram(c, WRITE)
        c.sock.send(c.wrap(head[:4] + struct.pack(">HH", length, 0) + head[8:], 17))


@row("EtherNet/IP over UDP: a write in a command of TCP", "UDP")
def udp_enip(s):
    c = s.client(ENIP)
    c.sock.send(c.wrap(datagram(c, WRITE_TAG), 17))


@row("EtherNet/IP implicit I/O toward the controller", "policy")
def udp_io(s):
    c = s.client(IO)
    io = struct.pack("<HHHIIHH", 2, 0x8002, 8, 7, 1, 0xB1, 8) + b"\1\0\1\0\0\0\7\0"
    c.sock.send(c.wrap(datagram(c, io), 17))


def to_address(s, address, payload=WRITE, destination=None):
    """UDP to another address of the server."""
    c = s.client(MODBUS, server=address)
    c.sock.send(c.wrap(datagram(c, payload), 17, destination=destination))


@row("UDP to the server's link-local address", "unlisted", families=(6,))
def link_local_udp(s):
    to_address(s, s.site.link_local)


@row("UDP to all nodes (ff02::1)", "unlisted", families=(6,))
def all_nodes(s):
    to_address(s, "ff02::1", destination=b"\x33\x33\0\0\0\1")


@row("UDP to the server's second address", "unlisted", families=(4,))
def second_address_udp(s):
    to_address(s, s.site.second)


@row("UDP to the directed and the limited broadcast address", "unlisted", families=(4,))
def broadcast_addresses(s):
    to_address(s, "10.91.1.255", destination=BROADCAST)
    to_address(s, "255.255.255.255", destination=BROADCAST)


@row("UDP to all hosts (224.0.0.1)", "unlisted", families=(4,))
def all_hosts(s):
    to_address(s, "224.0.0.1", destination=b"\x01\0\x5e\0\0\1")


@row("UDP from and to 0.0.0.0", "unlisted", families=(4,))
def zero_addresses(s):
    c = s.client(MODBUS, source="0.0.0.0", server="0.0.0.0")
    c.sock.send(c.wrap(datagram(c, WRITE), 17, destination=BROADCAST))


@row("TCP to the server's second address", "unlisted", families=(4,))
def second_address(s):
    c = s.client(server=s.site.second)
    if c.connect():
        c.put(0, WRITE)


@row("TCP to the server's link-local address", "unlisted", families=(6,))
def link_local(s):
    c = s.client(server=s.site.link_local)
    if c.connect():
        c.put(0, WRITE)


@row("UDP with a source of the protected side", "G0")
def spoofed(s):
    for text in (s.site.second, "10.91.1.77") if s.family == 4 else ("fd91:1::77",):
        c = s.client(source=text)
        c.sock.send(c.wrap(datagram(c, WRITE), 17))


@row("TCP segments with another client's source", "G0",
     "the server knows no such connection")
def spoofed_tcp(s):
    c = s.reading(READ)
    other = ipaddress.ip_address("10.91.1.77" if s.family == 4 else "fd91:1::77").packed
    c.put(SIZE, WRITE, source=other)
    c.sock.send(c.wrap(c.segment(PSH | ACK, WRITE, seq=c.base + SIZE, ack=c.rcv_nxt),
                       source=other))
