#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sends given bytes in given pieces, one segment each, through the kernel's own
TCP (TCP_NODELAY), and collects what comes back.

Owns the segment borders of the first transmission only: a retransmission is
cut as the kernel likes, which is what real clients do too.
"""
import argparse
import socket
import sys
import time


def pieces(data, cuts):
    """data cut at each offset of cuts"""
    borders = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in zip(borders, borders[1:]) if b > a]


def send_pieces(sock, parts, delay):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for number, part in enumerate(parts):
        if number:
            time.sleep(delay)
        sock.sendall(part)


def receive(sock, size, timeout):
    """Up to size bytes, what came within the time; None = connection gone first."""
    end, data = time.monotonic() + timeout, b""
    while len(data) < size:
        left = end - time.monotonic()
        if left <= 0:
            break
        sock.settimeout(left)
        try:
            part = sock.recv(size - len(data))
        except TimeoutError:
            break
        except OSError:
            return data or None
        if not part:
            return data or None
        data += part
    return data


def main():
    parser = argparse.ArgumentParser(description="sends hex pieces as TCP segments")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("hex", nargs="+", help="one piece each")
    parser.add_argument("--source")
    parser.add_argument("--delay", type=float, default=0.02, help="seconds between pieces")
    parser.add_argument("--reply", type=int, default=1, help="bytes of answer to wait for")
    parser.add_argument("--timeout", type=float, default=1.0)
    args = parser.parse_args()
    bind = (args.source, 0) if args.source else None
    sock = socket.create_connection((args.host, args.port), args.timeout, bind)
    send_pieces(sock, [bytes.fromhex(text) for text in args.hex], args.delay)
    reply = receive(sock, args.reply, args.timeout)
    print((reply or b"").hex())
    return 0 if reply and len(reply) == args.reply else 1


if __name__ == "__main__":
    sys.exit(main())
