# SPDX-License-Identifier: GPL-2.0-only
"""What is remembered of a decision (bpf/plain_decide.h) is used for its like alone.

The same requests, most of which differ from an earlier one in one thing, are sent in the
same order twice: as they are, and with a policy in the shadow, where nothing is plain and
so nothing is remembered. What became of each, and all counters, must be the same.
"""
import random

import twins
import wire

POLICY = "remembered.yaml"
CLIENTS = ("10.1.0.10", "10.1.0.11")
SERVERS = ("10.2.0.5", "10.2.0.6", "10.2.0.7", "10.2.0.8")
UNITS = (1, 10, 65, 74)
REQUESTS, LONG = 4000, 8


def request(rng):
    address = rng.choice((0, 49, 50, 99, 100, 149, 512, 599, rng.randrange(64) * 16))
    unit, fc = rng.choice(UNITS), rng.choice((1, 2, 3, 4, 5, 6, 6, 6, 16))
    if fc <= 4:
        return wire.read(address, rng.choice((1, 2, 60)), fc=fc, unit=unit)
    if fc == 16:
        return wire.write_many(address, *[7] * rng.choice((1, 2)), unit=unit)
    return wire.mb(fc, address, rng.choice((0, 0xff00) if fc == 5 else (5, 50)), unit=unit)


def requests():
    """(client, server, payload), now and then several requests in one"""
    rng = random.Random("remembered")
    for i in range(REQUESTS):
        some = b"".join(request(rng) for _ in range(3 if i % LONG == 0 else 1))
        yield rng.choice(CLIENTS), rng.choice(SERVERS), some


def played(driver, shadow):
    driver(f"set shadow {shadow}")
    before = twins.tally(driver)
    ends = {}
    for client, server, payload in requests():
        twin = ends.get((client, server))
        if not twin:
            twin = ends[client, server] = twins.Twin(driver, server, 1000, client)
        yield twin.segment(payload)
        twin.acknowledged()
    moved = twins.moved(driver, before)
    moved.pop("hidden", None)
    yield moved


def run(driver):
    """(name, error or None)"""
    remembered, asked = list(played(driver, 0)), list(played(driver, 1))
    wrong = [f"request {i}: {a}, without memory {b}"
             for i, (a, b) in enumerate(zip(remembered, asked)) if a != b]
    yield "remembered as asked", "\n    ".join(wrong[:5]) or None
    allowed = remembered.count("ok/pass")
    yield "remembered both ways", (f"{allowed} of {REQUESTS} allowed"
                                   if min(allowed, REQUESTS - allowed) < REQUESTS // 5 else None)
