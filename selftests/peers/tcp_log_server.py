#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A TCP server that logs exactly the bytes its application read, one JSON line
a read: {"conn": N, "client": ..., "port": ..., "bytes": hex}; an empty `bytes`
is the end of the connection.  With --echo it sends them back, N times; with --close-after
it closes first, after so many bytes.  It must not interpret a byte.
"""
import argparse
import json
import selectors
import signal
import socket
import sys


class Server:
    def __init__(self, log, port, echo, limit):
        self.log, self.echo, self.limit, self.count = log, echo, limit, 0
        self.sizes = {}
        self.selector = selectors.DefaultSelector()
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", port))
        listener.listen(64)
        self.selector.register(listener, selectors.EVENT_READ,
                               lambda: self.on_accept(listener))

    def on_accept(self, listener):
        sock, address = listener.accept()
        self.count += 1
        number = self.count
        self.selector.register(sock, selectors.EVENT_READ,
                               lambda: self.on_bytes(sock, number, address))

    def on_bytes(self, sock, number, address):
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        line = {"conn": number, "client": address[0].removeprefix("::ffff:"),
                "port": address[1], "bytes": data.hex()}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        self.sizes[number] = size = self.sizes.get(number, 0) + len(data)
        if not data or self.limit and size >= self.limit:
            self.selector.unregister(sock)
            sock.close()
        elif self.echo:
            sock.sendall(data * self.echo)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data()


def main():
    parser = argparse.ArgumentParser(description="logs what it reads")
    parser.add_argument("--log")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--echo", type=int, nargs="?", const=1, default=0, metavar="N")
    parser.add_argument("--close-after", type=int, default=0, metavar="BYTES")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log = open(args.log, "a", encoding="utf-8") if args.log else sys.stdout
    Server(log, args.port, args.echo, args.close_after).run()


if __name__ == "__main__":
    main()
