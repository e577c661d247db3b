# SPDX-License-Identifier: GPL-2.0-only
"""Expected meaning of EPATHs: what a request path names, by which ports a route
goes, where a connection path ends.

Owns the segments of CIP Vol 1, C-1.4, and which of their forms are refused because
two devices may read them differently. Pure: bytes in, records out; knows no service.
"""
import re
import struct

MAX_HOPS = 4
LINK_NAME = re.compile(r'[0-9a-z.:_-]{2,}')


class Malformed(Exception):
    """The bytes contradict themselves; the reason is for people."""


def byte(data, at):
    """One byte, or Malformed beyond the end."""
    if at >= len(data):
        raise Malformed('cut')
    return data[at]


def u16(data, at):
    """Little-endian 16 bits, or Malformed beyond the end."""
    if at + 2 > len(data):
        raise Malformed('cut')
    return struct.unpack_from('<H', data, at)[0]


# ---- request paths ----

LOGICAL = {0x20: 'class', 0x24: 'instance', 0x28: 'member',
           0x2c: 'connection_point', 0x30: 'attribute'}
ORDER = ['class', 'instance', 'attribute']


def logical_segment(path, at):
    """(name, value, length) of one logical segment."""
    form = path[at] & 3
    name = LOGICAL.get(path[at] & 0xfc)
    if name is None or form == 3:
        raise Malformed('segment 0x%02x' % path[at])
    length = (2, 4, 6)[form]
    if at + length > len(path):
        raise Malformed('segment cut')
    if form and path[at + 1] != 0:
        raise Malformed('pad byte')
    value = path[at + 1] if form == 0 else \
        int.from_bytes(path[at + 2:at + length], 'little')
    return name, value, length


def symbol_segment(path, at):
    """(text, length) of an ANSI extended symbol."""
    if at + 2 > len(path):
        raise Malformed('symbol cut')
    size = path[at + 1]
    length = 2 + size + (size & 1)
    if size == 0 or at + length > len(path):
        raise Malformed('symbol cut')
    if size & 1 and path[at + length - 1] != 0:
        raise Malformed('symbol pad')
    return path[at + 2:at + 2 + size].decode('latin-1'), length


def request_path(path):
    """A request path as {'tag'} or {'class','instance','attribute'}."""
    found, tag, at = {}, '', 0
    while at < len(path):
        if path[at] == 0x91:
            text, length = symbol_segment(path, at)
            if found:
                raise Malformed('mixed path')
            tag += ('.' if tag else '') + text
        else:
            name, value, length = logical_segment(path, at)
            if name == 'member' and tag:
                tag += '[%d]' % value
            elif tag or name not in ORDER or name in found or \
                    any(n in found for n in ORDER[ORDER.index(name):]):
                raise Malformed('ambiguous path at %s' % name)
            else:
                found[name] = value
        at += length
    return {'tag': tag} if tag else found


# ---- ports ----

def port_segment(path, at):
    """(hop, length) of a port segment; a hop is 'port/link', however it was spelled."""
    port, link, size = path[at] & 0x0f, at + 1, 1
    extended = path[at] & 0x10
    if extended:
        size, link = byte(path, link), link + 1
    if port == 15:
        port, link = u16(path, link), link + 2
    end = link + size
    length = end - at + (end - at & 1)
    if at + length > len(path):
        raise Malformed('port segment cut')
    if port == 0:
        raise Malformed('port 0')
    if not extended:
        return '%d/%d' % (port, path[link]), length
    name = path[link:end].decode('latin-1').lower()
    if not LINK_NAME.fullmatch(name) or name.isdigit() or any(path[end:at + length]):
        raise Malformed('link address')
    return '%d/%s' % (port, name), length


def leading_ports(path):
    """(hops, what stands behind them)."""
    hops, at = [], 0
    while at < len(path) and path[at] < 0x20:
        hop, length = port_segment(path, at)
        hops.append(hop)
        at += length
    return hops, path[at:]


def route_path(path):
    """The hops of Unconnected_Send's route path: ports and nothing else."""
    hops, rest = leading_ports(path)
    if rest:
        raise Malformed('route path segment 0x%02x' % rest[0])
    return hops


def join(route, hops):
    """One way behind the other."""
    if len(route) + len(hops) > MAX_HOPS:
        raise Malformed('more than %d hops' % MAX_HOPS)
    return route + hops


# ---- connection paths ----

def connection_path(path):
    """(hops, names, configures): names are the logical segments behind ports and
    electronic key; a data segment configures."""
    hops, rest = leading_ports(path)
    names, at, configures = [], 0, False
    while at < len(rest):
        if rest[at] < 0x20:
            raise Malformed('port behind an object')
        if rest[at] == 0x34:
            length = 10
        elif rest[at] == 0x80:
            configures, length = True, 2 + 2 * byte(rest, at + 1)
        else:
            name, value, length = logical_segment(rest, at)
            names.append((name, value))
        at += length
    if at != len(rest):
        raise Malformed('segment cut')
    return hops, names, configures
