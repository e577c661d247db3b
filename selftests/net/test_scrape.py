# SPDX-License-Identifier: GPL-2.0-only
"""/metrics under load and attack: 50 scrapers, clients that never finish asking, clients
that never take their answer, more connections than serve has places.  Meanwhile the plant
polls and somebody writes: the judges are the client that counts its answers, the server's
log and the kernel's own account of the process.
"""
import re
import select
import signal
import socket
import threading
import time

from kit import abort, denied_write, equal, no_writes
from ks import Keyswitch, events, metric
from plant import Plant, wait_for

SCRAPERS, SCRAPES = 50, 40
PLACES = 32     # HTTP_CLIENTS of user/http.h
ASK = b"GET /metrics HTTP/1.1\r\nHost: gateway\r\nAccept: %s\r\n\r\n"
FORMATS = (b"*/*", b"application/openmetrics-text; version=1.0.0")


def connect(plant, timeout=15.0, receive=None):
    sock = plant.socket(plant.gateway)
    sock.settimeout(timeout)
    if receive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.connect(("127.0.0.1", 9502))
    return sock


def answer(sock):
    """Status and body of all that comes; None if the connection ended without a word."""
    data = b""
    while piece := sock.recv(1 << 16):
        data += piece
    if not data:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    equal(len(body), length, f"bytes of an answer that began with {head[:60]}")
    return int(head.split()[1]), body


def scrape(plant, accept=FORMATS[0]):
    sock = connect(plant)
    try:
        sock.sendall(ASK % accept)
        return answer(sock)
    finally:
        sock.close()


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])


def whole(body, accept):
    text = body.decode()
    assert text.startswith("# HELP keyswitch_build"), text[:80]
    last = text.splitlines()[-1]
    wanted = "# EOF" if accept == FORMATS[1] else "keyswitch_serve_connections_cut_total "
    assert last.startswith(wanted), last


class Crowd:
    """50 threads that scrape as fast as they are answered."""

    def __init__(self, plant, scrapes):
        self.plant, self.scrapes, self.done, self.wrong = plant, scrapes, 0, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.hammer, args=(FORMATS[n % 2],))
                        for n in range(SCRAPERS)]
        for thread in self.threads:
            thread.start()

    def hammer(self, accept):
        for _ in range(self.scrapes):
            try:
                got = scrape(self.plant, accept)
                equal(got and got[0], 200, "status")
                whole(got[1], accept)
            except Exception as error:  # told by the main thread, whatever it was
                with self.lock:
                    self.wrong.append(repr(error))
                return
            with self.lock:
                self.done += 1

    def join(self):
        for thread in self.threads:
            thread.join()
        equal(self.wrong, [], "scrapes that went wrong")


def test_hammered():
    """Polls are answered, writes refused and counted exactly, each scrape is whole, and serve
    is as large afterwards as after its first round."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, file = ks.serve()
        Crowd(plant, 4).join()
        before = memory(serve.proc.pid)
        crowd = Crowd(plant, SCRAPES)
        writes = polls = 0
        while any(thread.is_alive() for thread in crowd.threads) or writes < 10:
            code, said = plant.mb_client("-n", "20", plant.server4, 3, 0, 4)
            equal((code, said["ok"]), (0, 20), "polls beside the scrapers")
            assert not denied_write(plant), "a write beside the scrapers"
            polls, writes = polls + 20, writes + 1
        crowd.join()
        equal(crowd.done, SCRAPERS * SCRAPES, "whole scrapes")
        after = memory(serve.proc.pid)
        assert after <= before + 2048, f"VmRSS {before} kB before, {after} kB after"
        no_writes(log)
        text = ks.metrics_text()
        equal((log.count(function=3), metric(text, "keyswitch_requests_total", verdict="allow")),
              (polls, polls), "reads: of the server, counted")
        equal(metric(text, "keyswitch_requests_total", verdict="deny"), writes, "refusals counted")
        equal(metric(text, "keyswitch_events_lost_total"), 0, "events lost")
        denied = lambda: sum(e["keyswitch"]["reason"] == "policy_deny" for e in events(file))
        wait_for(lambda: denied() == writes, lambda: f"{denied()} of {writes} events")
        equal(metric(text, "keyswitch_serve_connections_cut_total"), 0, "scrapers cut")
        ks.balance()
        return f"{crowd.done} scrapes, {polls} polls, {writes} writes, VmRSS {before} -> {after} kB"


def drip(sock, stop):
    """A byte of a header a tenth of a second, for ever."""
    try:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        while not stop.wait(0.1):
            sock.sendall(b"a")
    except OSError:
        pass


def test_slow_loris():
    """Three times as many as there are places, of each kind: silent, dripping, and with an
    answer that is never taken. An honest scraper is answered meanwhile, and they are all gone
    in the end without its help."""
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, _ = ks.serve()
        stop = threading.Event()
        slow = [connect(plant, receive=2048) for _ in range(3 * PLACES)]
        drippers = [threading.Thread(target=drip, args=(sock, stop)) for sock in slow[::3]]
        for thread in drippers:
            thread.start()
        for sock in slow[1::3]:
            sock.sendall(ASK % FORMATS[0])
        times = []
        for _ in range(10):
            start = time.monotonic()
            got = scrape(plant)
            equal(got and got[0], 200, "status of an honest scrape")
            whole(got[1], FORMATS[0])
            times.append(time.monotonic() - start)
            assert not denied_write(plant), "a write beside them"
        # what Prometheus waits for an answer unless told otherwise
        assert max(times) < 10, times
        silent = slow[2::3]
        wait_for(lambda: len(select.select(silent, [], [], 0)[0]) == len(silent),
                 "the silent ones are ended", timeout=15)
        stop.set()
        for thread in drippers:
            thread.join()
        cut = metric(ks.metrics_text(), "keyswitch_serve_connections_cut_total")
        assert cut >= 2 * PLACES, cut
        equal(serve.proc.poll(), None, "serve runs")
        for sock in slow:
            abort(sock)
        return f"longest of ten scrapes {max(times):.1f} s, {cut:.0f} connections cut"


def test_refusals():
    """What is no scrape is told so, in whole answers, and a torn one does no harm."""
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        serve, _ = ks.serve()
        for text, status in ((b"GET / HTTP/1.1\r\nHost: g\r\n\r\n", 404),
                             (b"GET /metricsx HTTP/1.1\r\nHost: g\r\n\r\n", 404),
                             (b"POST /metrics HTTP/1.1\r\nHost: g\r\nContent-Length: 3\r\n\r\nabc", 405),
                             (b"DELETE /metrics HTTP/1.1\r\nHost: g\r\n\r\n", 405),
                             (b"nonsense\r\n\r\n", None),
                             (b"GET /metrics HTTP/1.1\r\nHost: g\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431)):
            sock = connect(plant)
            sock.sendall(text)
            got = answer(sock)
            equal(got and got[0], status, text[:60])
            sock.close()
        sock = connect(plant)
        sock.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: g\r\n\r\n")
        head = b""
        while piece := sock.recv(1 << 16):
            head += piece
        assert head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n"), head
        sock.close()
        for n in range(100):    # gone in the middle of asking, or of the answer
            sock = connect(plant)
            sock.sendall((ASK % FORMATS[n % 2])[:n * 2])
            abort(sock)
        equal(scrape(plant)[0], 200, "status afterwards")
        serve.proc.send_signal(signal.SIGTERM)
        equal(serve.wait(10), 0, "exit code")
