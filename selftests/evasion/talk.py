# SPDX-License-Identifier: GPL-2.0-only
"""Honest clients: kernel TCP connections whose requests come from a seed, many at a
time from one thread.

Owns the pace (how many requests wait for their answers, in how many writes each goes
out) and what became of each request.  The servers greet and then echo, so an answer is
right if it is the request.  It judges no time; it only measures.
"""
import heapq
import random
import selectors
import socket
import time

import stream_requests as sr

GREETING = 24  # bytes that the server says first


class Talk:
    """One connection and its requests. plan: dict with address, proto, requests, window,
    writes, nodelay, mss (0: as the route says), longest (bytes of a request)."""

    def __init__(self, seed, plan, source=None):
        self.seed, self.plan, self.source = seed, plan, source
        self.dice = random.Random(seed)
        self.requests = [self.request() for _ in range(plan["requests"])]
        self.pieces = []  # what is left to write: (bytes, ends a request)
        self.asked = self.answered = 0
        self.heard, self.greeting = bytearray(), GREETING
        self.stall, self.error = 0.0, None
        self.begun = self.last = time.monotonic()
        self.ended = None

    def request(self):
        while True:
            one = self.dice.choice(sr.TWINS[self.plan["proto"]])(self.dice)[0]
            # connected data needs a connection that was opened, and replies that open it
            if len(one) <= self.plan["longest"] and one[:2] != b"\x70\0":
                return one

    def connect(self, plant):
        plan = self.plan
        self.sock = plant.socket(plant.client, socket.AF_INET6 if ":" in plan["address"]
                                 else socket.AF_INET)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, plan["nodelay"])
        if plan["mss"]:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, plan["mss"])
        self.sock.connect_ex((plan["address"], 502 if plan["proto"] == "modbus" else 44818))

    def cut(self, request):
        places = sorted(self.dice.sample(range(1, len(request)), self.plan["writes"] - 1))
        cuts = [0, *places, len(request)]
        return [(request[a:b], b == len(request)) for a, b in zip(cuts, cuts[1:])]

    def write(self):
        """Seconds until it shall be called again, None: not before an answer."""
        while self.pieces or (self.asked < len(self.requests) and
                              self.asked - self.answered < self.plan["window"]):
            if not self.pieces:
                self.pieces = self.cut(self.requests[self.asked])
                self.asked += 1
            data, last = self.pieces[0]
            sent = self.sock.send(data)
            if sent < len(data):
                self.pieces[0] = data[sent:], last
                return 0.01
            self.pieces.pop(0)
            if not last and self.dice.random() < 0.3:
                return self.dice.choice((0.001, 0.005))
        return None

    def read(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed")
        self.heard += data[self.greeting:]
        self.greeting -= min(self.greeting, len(data))
        now = time.monotonic()
        self.stall, self.last = max(self.stall, now - self.last), now
        while self.answered < self.asked and \
                len(self.heard) >= len(self.requests[self.answered]):
            want = self.requests[self.answered]
            if bytes(self.heard[:len(want)]) != want:
                raise ValueError(f"another answer: {self.heard[:len(want)].hex()}")
            del self.heard[:len(want)]
            self.answered += 1

    def done(self):
        return self.answered == len(self.requests)

    def end(self, error=None):
        self.error, self.ended = error, time.monotonic()
        self.sock.close()

    def text(self):
        return (f"seed {self.seed} {self.plan}: {self.answered} of {len(self.requests)} answered, "
                f"{self.asked} asked, silent for {time.monotonic() - self.last:.1f} s: {self.error}")


def run(plant, talks, patience, at_once=64):
    """All of them to their ends; one that hears nothing for `patience` seconds has hung."""
    choose, due, order = selectors.DefaultSelector(), [], 0
    waiting, live = list(reversed(talks)), set()

    def step(talk, readable):
        nonlocal order
        try:
            if readable:
                talk.read()
            wait = None if talk.done() else talk.write()
        except BlockingIOError:
            wait = 0.01
        except OSError as why:
            return finish(talk, f"{type(why).__name__} {why}")
        except ValueError as why:
            return finish(talk, str(why))
        if talk.done():
            return finish(talk, None)
        if wait is not None:
            order += 1
            heapq.heappush(due, (time.monotonic() + wait, order, talk))
        return None

    def finish(talk, error):
        choose.unregister(talk.sock)
        talk.end(error)
        live.discard(talk)

    while waiting or live:
        while waiting and len(live) < at_once:
            talk = waiting.pop()
            talk.begun = talk.last = time.monotonic()
            talk.connect(plant)
            choose.register(talk.sock, selectors.EVENT_WRITE, talk)
            live.add(talk)
        now = time.monotonic()
        while due and due[0][0] <= now:
            talk = heapq.heappop(due)[2]
            if talk in live:
                step(talk, False)
        left = max(0.0, due[0][0] - time.monotonic()) if due else 0.2
        for key, events in choose.select(min(left, 0.2)):
            if events & selectors.EVENT_WRITE:
                key.data.last = time.monotonic()  # connected
                choose.modify(key.fileobj, selectors.EVENT_READ, key.data)
                step(key.data, False)
            else:
                step(key.data, True)
        for talk in [talk for talk in live if time.monotonic() - talk.last > patience]:
            finish(talk, "hangs")
    choose.close()
