# SPDX-License-Identifier: GPL-2.0-only
"""What leaves the gateway about refused requests, and that each is there or counted.

The judge of enforcement is the server; of events, the sums: what came out and what was
said to be missing is what the data path refused.
"""
import base64
import functools
import gzip
import hashlib
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import jsonschema

import enip_client
import tcp_split
from kit import abort, adu, cases, denied_write, equal, no_writes
from ks import READONLY, Keyswitch, events, lines, metric
from plant import PORT_C, ROOT, Plant, run, wait_for
from test_service import UNIT, unit_calls
from siem import SIEM, Datagrams, Siem, cef, listener, received

# four tests at once, and rsyslogd, on a small machine
wait_for = functools.partial(wait_for, timeout=30)

# every refusal is an event: nothing here is about the rate limit
FLOOD = READONLY.replace("limits:\n", "limits:\n  event_rate: 1000000\n")
LOGGED = READONLY.replace("  - name: writer-registers\n", "  - name: writer-registers\n    log: true\n") \
                 .replace("  - name: writer-setpoint\n", "  - name: writer-setpoint\n    log: true\n")


# ---- the shape ----

INT, TEXT = {"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}


def shape(required, **properties):
    return {"type": "object", "required": required.split(), "properties": properties}


KEYSWITCH = shape("kind reason reason_text verdict generation port suppressed message client",
                  verdict={"enum": ["allow", "deny", "would_deny"]}, generation=INT,
                  suppressed=INT, client=TEXT, rule=TEXT, asset=TEXT)
PACKET = dict(
    timestamp={"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}$"},
    event_type={"enum": ["alert", "flow", "modbus", "enip"]}, src_ip=TEXT, dest_ip=TEXT,
    src_port=INT, dest_port=INT, proto={"enum": ["TCP", "UDP"]},
    flow_id={"type": "integer", "minimum": 1, "maximum": 2**53},
    community_id={"type": "string", "pattern": "^1:[A-Za-z0-9+/]{27}=$"},
    in_iface={"enum": ["kc", "ks"]}, host=TEXT, keyswitch=KEYSWITCH)
ALWAYS = ("timestamp event_type src_ip src_port dest_ip dest_port proto flow_id community_id "
          "in_iface host keyswitch ")
SPAN = shape("address", address=INT, quantity=INT)
MODBUS = shape("request", request=shape(
    "transaction_id protocol_id unit_id function_raw function_code access_type category error_flags",
    read=SPAN, write=SPAN, transaction_id=INT, protocol_id=INT, unit_id=INT, function_raw=INT))
ENIP = shape("request", request=shape("command", command=TEXT, cip=shape(
    "service", path={"type": "array", "items": shape("segment_type value", value=INT)})))
SHAPES = {
    "alert": shape(ALWAYS + "alert", alert=shape(
        "action gid signature_id rev signature category severity",
        action={"enum": ["allowed", "blocked"]}, gid={"const": 1}, rev=INT,
        signature_id={"type": "integer", "minimum": 1000000, "maximum": 1999999},
        severity={"enum": [1, 2, 3]}), modbus=MODBUS, enip=ENIP, **PACKET),
    "flow": shape(ALWAYS + "flow", flow=shape(
        "state reason alerted", state={"enum": ["established", "closed"]}), **PACKET),
    "modbus": shape(ALWAYS + "app_proto modbus", modbus=MODBUS, **PACKET),
    "enip": shape(ALWAYS + "app_proto enip", enip=ENIP, **PACKET),
    "stats": shape("timestamp event_type host stats keyswitch", timestamp=PACKET["timestamp"],
                   stats=shape("uptime capture ips flow requests", ips=shape(
                       "accepted blocked rejected replaced")),
                   keyswitch=shape("generation mode events", events=shape(
                       "missed read suppressed lost quiet output_lost"))),
}


def community(event):
    """Community ID 1 with seed 0, written from its specification."""
    family = socket.AF_INET6 if ":" in event["src_ip"] else socket.AF_INET
    ends = sorted((socket.inet_pton(family, event[f"{end}_ip"]),
                   struct.pack(">H", event[f"{end}_port"])) for end in ("src", "dest"))
    proto = {"TCP": 6, "UDP": 17}[event["proto"]]
    data = b"\0\0" + ends[0][0] + ends[1][0] + bytes((proto, 0)) + ends[0][1] + ends[1][1]
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


def asked(plant, source, pdu):
    """A Modbus request on a connection of its own; True if it was answered."""
    sock = plant.connect(plant.server4, 502, source)
    sock.sendall(adu(pdu))
    answer = tcp_split.receive(sock, 9, 0.15)
    abort(sock)
    return bool(answer)


def test_eve():
    """One event of each type from real traffic, each of its shape, ids reckoned anew."""
    with Plant() as plant:
        log, target = plant.modbus_server(), plant.enip_target()
        plant.wire()
        running = plant.connect(plant.server4, 502)      # older than the attach: adopted
        run("ip", "-n", plant.gateway, "link", "set", "dev", PORT_C, "xdp", "off")
        run("ip", "-n", plant.gateway, "link", "set", "dev", "ks", "xdp", "off")
        ks = Keyswitch(plant, LOGGED).attach(adopt="audit")
        _, path = ks.serve("serve", "--stats", "1s")
        running.sendall(adu(struct.pack(">BHH", 3, 0, 1)))
        assert asked(plant, plant.other4, struct.pack(">BHH", 6, 100, 7)), "an allowed write"
        assert not asked(plant, plant.client4, struct.pack(">BHH", 6, 101, 9)), "a denied write"
        assert not asked(plant, plant.client4, bytes.fromhex("160064fff00001")), "a mask"
        for source, value in ((plant.other4, 42), (plant.client4, 43)):
            plant.nsenter(plant.client, "/usr/bin/python3", enip_client.__file__, "--source",
                          source, "--timeout", "0.3", plant.server4, f"write:Setpoint:{value}",
                          check=False)
        assert not denied_write(plant, plant.client6, host=plant.server6), "a denied write"
        wait_for(lambda: {event["event_type"] for event in lines(path)} >= {*SHAPES},
                 lambda: f"all types, but {[e['event_type'] for e in lines(path)]}")
        wait_for(lambda: accepted(lines(path)) > 10, lambda: f"{accepted(lines(path))} accepted")
        told = lines(path)
        for event in told:
            jsonschema.validate(event, SHAPES[event["event_type"]])
            if "src_port" in event:
                equal(event["community_id"], community(event), "community id")
        check_told(plant, told)
        equal([line["function"] for line in log.lines() if line["function"] != 3], [6], "writes")
        equal(target.count(service=0x4d), 1, "tags written")
        running.close()
        ks.balance()


def last_stats(told):
    return [e for e in told if e["event_type"] == "stats"][-1]


def accepted(told):
    return last_stats(told)["stats"]["ips"]["accepted"]


def check_told(plant, told):
    """The fields of known requests, typed from the protocols."""
    def requests(event_type, proto, function=None):
        found = [e for e in told if e["event_type"] == event_type and e.get("app_proto") == proto]
        return [e for e in found if function is None
                or e[proto]["request"].get("function_raw") == function]
    (write,) = requests("modbus", "modbus")
    equal((write["src_ip"], write["dest_ip"], write["dest_port"], "alert" in write),
          (plant.other4, plant.server4, 502, False), "an allowed write")
    equal(write["modbus"]["request"], {
        "transaction_id": 1, "protocol_id": 0, "unit_id": 1, "function_raw": 6,
        "function_code": "WrSingleReg", "access_type": "WRITE | HOLDING | SINGLE",
        "category": "PUBLIC_ASSIGNED", "error_flags": "NONE",
        "write": {"address": 100, "data": 7}}, "its request")
    equal({key: write["keyswitch"][key] for key in ("rule", "asset", "verdict", "reason", "client")},
          {"rule": "writer-registers", "asset": "plc", "verdict": "allow", "reason": "logged",
           "client": plant.other4}, "its decision")
    denied = [e for e in requests("alert", "modbus", 6) if e["src_ip"] == plant.client4]
    equal([(e["alert"]["action"], e["alert"]["signature"], e["alert"]["severity"],
            e["modbus"]["request"]["write"], e["keyswitch"]["rule"], e["keyswitch"]["request"])
           for e in denied],
          [("blocked", "request denied by policy", 1, {"address": 101, "data": 9}, "default",
            {"unit": 1, "function": 6, "address": 101, "quantity": 1})], "a denied write")
    (mask,) = requests("alert", "modbus", 22)
    equal(mask["modbus"]["request"]["write"], {"address": 100, "and_mask": 0xfff0, "or_mask": 1},
          "a denied mask")
    (six,) = [e for e in requests("alert", "modbus", 6) if ":" in e["src_ip"]]
    equal((six["src_ip"], six["keyswitch"]["client"]), (plant.client6, plant.client6), "IPv6")
    (tag,) = requests("enip", "enip")
    equal((tag["enip"]["request"], tag["keyswitch"]["request"]["tag"]),
          ({"command": "send_rr_data", "cip": {"service": "write_tag"}}, "Setpoint"), "a tag")
    (flow,) = [e for e in told if e["event_type"] == "flow"]
    equal((flow["flow"]["state"], flow["keyswitch"]["reason"]), ("established", "adopted"), "flow")
    ids = [e["flow_id"] for e in told if "flow_id" in e]
    equal(len(ids), len({*ids}), "a flow_id for each of the connections")
    stats = last_stats(told)
    assert stats["stats"]["capture"]["kernel_packets"] >= sum(stats["stats"]["ips"].values()) > 0


# ---- to a SIEM ----

def syslog(way, plant):
    if way == "unix":
        return ("--syslog", f"unix:{plant.dir}/log.sock")
    if way == "tcp":
        return ("--syslog", f"tcp:{SIEM}:514")
    return ("--syslog", f"tls:{SIEM}:6514", "--syslog-ca", plant.dir / "ca.pem",
            "--syslog-cert", plant.dir / "own.pem", "--syslog-key", plant.dir / "own.key")


@cases(("unix",), ("tcp",), ("tls",))
def test_rsyslog(way):
    """A real rsyslogd writes down the denied write that the server never saw."""
    with Plant() as plant, Siem(plant) as siem:
        siem.certificates()
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        siem.rsyslogd(way)
        path = plant.dir / "events"
        # as the unit starts it
        serve = plant.spawn(plant.gateway, *UNIT, plant.bpffs, *ks.argv(
            "serve", "--output", path, *syslog(way, plant)))
        wait_for(ks.metrics_up, lambda: f"serve answers: {serve.text()}")
        assert not denied_write(plant), "a write"
        assert not denied_write(plant, plant.client6, host=plant.server6), "a write"
        wait_for(lambda: len(siem.events()) >= 2, lambda: f"two messages: {serve.text()}")
        message, (four, six) = siem.messages()[0], siem.events()
        host = socket.gethostname()
        equal([message[name] for name in ("pri", "hostname", "app-name", "procid", "msgid")],
              [str(16 * 8 + 4), host, "keyswitch", str(serve.proc.pid), "alert"], "header")
        equal(re.fullmatch(r'\[meta sequenceId="(\d+)"\]\[origin software="keyswitch" '
                           r'swVersion="[\d.]+"\]', message["structured-data"])[1], "1", "sequence")
        told = events(path)
        equal(message["timestamp"], told[0]["timestamp"][:-2] + ":" + told[0]["timestamp"][-2:],
              "timestamp")
        for event, eve in ((four, told[0]), (six, told[1])):
            compare(event, eve)
        equal((four["src"], four["dst"], six["c6a2"], six["c6a3"]),
              (plant.client4, plant.server4, plant.client6, plant.server6), "addresses")
        wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_syslog_delivered_total") == 2,
                 "both acknowledged")
        no_writes(log)
        ks.balance()


def compare(event, eve):
    """CEF says what EVE says."""
    ks = eve["keyswitch"]
    want = {"class": ks["reason"], "name": eve["alert"]["signature"], "severity": 8,
            "spt": str(eve["src_port"]), "dpt": str(eve["dest_port"]), "proto": eve["proto"],
            "app": "modbus", "act": "blocked", "cat": "alert", "reason": "policy_deny",
            "cs1": ks["rule"], "cs1Label": "rule", "cs2": ks["asset"], "cs2Label": "asset",
            "cs3": "deny", "cs4": eve["community_id"], "cn1": str(ks["generation"]),
            "cn1Label": "policyGeneration", "deviceInboundInterface": eve["in_iface"],
            "msg": "modbus unit 1 write_single_register address 10 quantity 1",
            "deviceExternalId": eve["host"], "externalId": str(eve["flow_id"])}
    equal({key: event.get(key) for key in want}, want, "CEF")
    seconds = time.mktime(time.strptime(eve["timestamp"][:19], "%Y-%m-%dT%H:%M:%S"))
    equal(event["rt"], f"{int(seconds)}{eve['timestamp'][20:23]}", "rt")


@cases(("ca",), ("name",))
def test_wrong_receiver(wrong):
    """A receiver that cannot prove who it is gets nothing, and that is said."""
    with Plant() as plant, Siem(plant) as siem:
        siem.certificates("DNS:siem.plant")
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        siem.rsyslogd("tls")
        argv = syslog("tls", plant) + ("--syslog-queue", "5")
        if wrong == "ca":
            other = plant.dir / "own.pem"
            argv = tuple(other if arg == plant.dir / "ca.pem" else arg for arg in argv) + (
                "--syslog-name", "siem.plant")
        serve, _ = ks.serve("serve", *argv)
        assert not denied_write(plant), "a write"
        wait_for(lambda: "not reachable" in serve.text() and "certificate" in serve.text(),
                 lambda: f"the reason: {serve.text()}")
        equal(metric(ks.metrics_text(), "keyswitch_serve_syslog_connected"), 0, "connected")
        equal(siem.messages(), [], "messages")
        serve.stop()
        assert "1 events were not acknowledged" in serve.text(), serve.text()
        if wrong == "name":     # with the right one it is the right receiver
            ks.serve("named", *syslog("tls", plant), "--syslog-name", "siem.plant")
            assert not denied_write(plant), "a write"
            wait_for(siem.events, "the event at the receiver that is named")


def test_hostile_names():
    """What a client may choose does not leave its field, in CEF or JSON."""
    name = 'a|b=c\\d "e" src=6.6.6.6 CEF:0|x'
    with Plant() as plant, Siem(plant) as siem:
        plant.enip_target()
        ks = Keyswitch(plant).attach()
        siem.rsyslogd("tcp")
        _, path = ks.serve("serve", *syslog("tcp", plant))
        sock = plant.connect(plant.server4, 44818)
        tag = enip_client.Client(sock).register()
        sock.settimeout(0.2)
        try:
            tag.ucmm(enip_client.write_tag(name, 1))
        except (TimeoutError, ConnectionError):
            pass
        wait_for(siem.events, "the event")
        (event,), (eve,) = siem.events(), events(path)
        equal(eve["keyswitch"]["request"]["tag"], name, f"tag in {eve}")
        assert f" tag {name}" in event["msg"], event
        equal((event["src"], event["cs1"]), (plant.client4, "default"), "other fields")
        equal(metric(ks.metrics_text(), "keyswitch_requests_total", verdict="deny"), 1, "denied")


def account(ks, sent, delivered):
    """Every denied packet is an event that came out, or is counted as missing."""
    text = ks.metrics_text()
    def of(name, **labels):
        return int(metric(text, f"keyswitch_{name}_total", **labels))
    equal(of("requests", verdict="deny", proto="modbus"), sent, "denied writes")
    missing = of("events_suppressed") + of("events_lost")
    equal(of("serve_events") + missing, sent, "events read and missed")
    return delivered + missing == sent, text


def test_siem_away():
    """Nobody listens: polls and refusals go on, the queue fills, what falls out is counted
    and told; once somebody listens what waited and what is new arrives."""
    with Plant() as plant, Siem(plant) as siem, Datagrams(plant) as way:
        ks = Keyswitch(plant, FLOOD).attach()
        serve, path = ks.serve("serve", *syslog("tcp", plant), "--syslog-queue", "50")
        for number in range(300):
            way.write(number)
            if number % 10 == 0:
                assert way.read(number), "a poll while the SIEM is away"
        way.nothing_arrives()
        wait_for(lambda: len(events(path)) == 300, "all events in the file")
        wait_for(lambda: [e for e in lines(path) if e["event_type"] == "stats"
                          and e["keyswitch"]["events"]["missed"]], "a word of what is missing")
        text = ks.metrics_text()
        equal([int(metric(text, f"keyswitch_serve_syslog_{name}")) for name in
               ("lost_total", "queued", "delivered_total", "connected")], [250, 50, 0, 0], "counts")
        assert "not reachable: Connection refused" in serve.text(), serve.text()
        assert "250 not sent" in ks.cmd("events").stdout, ks.cmd("events").stdout
        siem.rsyslogd("tcp")
        wait_for(lambda: len(siem.events()) == 50, "what waited")
        equal([e["msg"] for e in siem.events()][0],
              "modbus unit 1 write_single_register address 10 quantity 1", "the first")
        assert f"is reached, 5" in serve.text() and "250 were lost" in serve.text(), serve.text()
        way.write(300)
        wait_for(lambda: len(siem.events()) == 51, "a new one")
        sequence = [int(re.search(r'sequenceId="(\d+)"', m["structured-data"])[1])
                    for m in siem.messages() if m["msgid"] == "alert"]
        assert sequence[:50] == [*range(1, 51)] and sequence[50] > 300, sequence
        way.nothing_arrives()
        ok, text = account(ks, 301, len(events(path)))
        assert ok, text
        equal(len(siem.events()) + metric(text, "keyswitch_serve_syslog_lost_total"), 301,
              "delivered and lost")
        ks.balance()


def refusals(messages):
    return [message for message in messages if " alert [" in message]


def alerts(peer, count):
    """Sequence numbers of the next refusals that come."""
    got = refusals(received(peer, lambda messages: len(refusals(messages)) >= count))
    return [int(re.search(r'sequenceId="(\d+)"', message)[1]) for message in got]


def test_siem_that_never_reads():
    """Its window closes, then the queue fills; nothing else notices. When it reads at
    last each message is there once or was counted."""
    total = 1500
    with Plant() as plant, Siem(plant) as siem, Datagrams(plant) as way:
        ks = Keyswitch(plant, FLOOD).attach()
        receiver = listener(siem.ns, receive_buffer=4096)
        serve, path = ks.serve("serve", *syslog("tcp", plant), "--syslog-queue", "100")
        peer, _ = receiver.accept()
        for number in range(total):
            way.write(number)
            if number % 50 == 0:
                assert way.read(number), "a poll while the SIEM does not read"
                time.sleep(0.005)
        way.nothing_arrives()
        wait_for(lambda: len(events(path)) == total, "all events in the file")
        text = ks.metrics_text()
        lost = int(metric(text, "keyswitch_serve_syslog_lost_total"))
        assert lost > 0, text
        equal(metric(text, "keyswitch_serve_syslog_connected"), 1, "connected")
        numbers = alerts(peer, total - lost)
        equal((len(numbers), len({*numbers})), (total - lost,) * 2, "read once, beside what was lost")
        wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_syslog_queued") == 0, "no queue")
        way.write(total)
        equal(len(alerts(peer, 1)), 1, "a new one")
        # cut off: what was not acknowledged comes again, on a new connection
        abort(peer)
        way.write(total + 1)
        wait_for(lambda: "not reachable" in serve.text(), "the end is told")
        peer, _ = receiver.accept()
        equal(len(alerts(peer, 1)), 1, "one on a new connection")
        ok, text = account(ks, total + 2, len(events(path)))
        assert ok, text
        ks.balance()


def test_siem_cut_off():
    """What was written to a connection but never acknowledged is sent again on the next."""
    with Plant() as plant, Siem(plant) as siem, Datagrams(plant) as way:
        ks = Keyswitch(plant, FLOOD).attach()
        receiver = listener(siem.ns)
        _, path = ks.serve("serve", *syslog("tcp", plant))
        peer, _ = receiver.accept()
        for number in range(3):
            way.write(number)
        equal(alerts(peer, 3), [1, 2, 3], "while all is well")
        run("ip", "-n", siem.ns, "link", "set", "m0", "down")
        for number in range(5):
            way.write(number)
        wait_for(lambda: len(events(path)) == 8, "all events in the file")
        equal([int(metric(ks.metrics_text(), f"keyswitch_serve_syslog_{name}"))
               for name in ("delivered_total", "queued", "connected")], [3, 5, 1], "cut off")
        # its receiver forgets the connection; it cannot say so yet
        abort(peer)
        run("ip", "-n", siem.ns, "link", "set", "m0", "up")
        receiver.settimeout(20)
        peer, _ = receiver.accept()
        equal(alerts(peer, 5), [4, 5, 6, 7, 8], "what had been on its way")
        wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_syslog_delivered_total") == 8,
                 "all acknowledged")
        way.nothing_arrives()
        peer.close()
        ks.balance()


# its whole life: connects, is refused, shakes hands, sends, loses the peer, connects again
def test_filter():
    """TLS needs no system call that serve's own filter or its unit refuses, and no more
    than the unit's one capability."""
    with Plant() as plant, Siem(plant) as siem:
        siem.certificates()
        plant.modbus_server()
        ks, trace = Keyswitch(plant).attach(), plant.dir / "trace"
        serve = plant.spawn(plant.gateway, "strace", "-D", "-f", "-o", trace, *ks.argv(
            "serve", "--output", plant.dir / "events", *syslog("tls", plant)))
        wait_for(ks.metrics_up, lambda: f"serve answers: {serve.text()}")
        daemon = siem.rsyslogd("tls")
        for number in (1, 2):
            assert not denied_write(plant), "a write"
            wait_for(lambda: len(siem.events()) >= number, lambda: f"event {number}: {serve.text()}")
            daemon.stop()
            if number == 1:
                daemon = siem.rsyslogd("tls")
        serve.proc.send_signal(signal.SIGTERM)
        equal(serve.wait(10), 0, f"serve: {serve.text()}")
        text = trace.read_text()
        filtered = re.split(r"seccomp\(", text)[-1].splitlines()[1:]
        equal([line for line in filtered if "EPERM" in line and "SNDBUFFORCE" not in line], [],
              "refused calls")
        made = set(re.findall(r"^\d+ +(\w+)\(", text, re.M)) - {"execve"}
        assert {"connect", "sendto", "recvfrom", "ioctl"} <= made, made
        equal(made - unit_calls(), set(), "calls that keyswitch.service does not allow")


# ---- to a file ----

def serve_on(plant, ks, output):
    serve = plant.spawn(plant.gateway, *ks.argv("serve", "--output", output))
    wait_for(ks.metrics_up, lambda: f"serve answers: {serve.text()}")
    return serve


def write_errors(ks):
    return int(metric(ks.metrics_text(), "keyswitch_serve_write_errors_total"))


def test_disk_full():
    """Whole lines or none, counted and told; with space again it goes on."""
    with Plant() as plant, Datagrams(plant) as way:
        small = plant.dir / "small"
        small.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=64k", plant.tag, small)
        try:
            disk_full(plant, way, small)
        finally:
            for process in plant.processes:
                process.stop()
            run("umount", small)


def disk_full(plant, way, small):
    ks = Keyswitch(plant, FLOOD).attach()
    path = small / "events.json"
    serve = serve_on(plant, ks, path)
    follow = plant.spawn(plant.gateway, *ks.argv("--json", "events", "--follow"))
    for number in range(200):
        way.write(number)
    wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_events_total") == 200, "all read")
    way.nothing_arrives()
    kept = len(events(path))
    assert 0 < kept < 200, kept
    assert path.read_bytes().endswith(b"}\n"), "a part of a line"
    equal(write_errors(ks), 200 - kept, "lost lines")
    assert "No space left on device" in serve.text(), serve.text()
    wait_for(lambda: '"missed":' in follow.text(), "a word of it to those who follow")
    (small / "events.json").rename(small / "old.json")
    serve.proc.send_signal(signal.SIGHUP)
    wait_for(path.exists, "a new file")
    way.write(200)
    wait_for(lambda: write_errors(ks) == 201 - kept, "one more is lost")
    (small / "old.json").unlink()
    way.write(201)
    wait_for(lambda: events(path), "an event where there is space again")
    equal(sum(map(int, re.findall(r"again, (\d+) were lost", serve.text()))), 201 - kept,
          f"lost lines that are told: {serve.text()}")
    way.nothing_arrives()
    ok, text = account(ks, 202, kept + len(events(path)) + write_errors(ks))
    assert ok, text
    ks.balance()


@cases(("gone",), ("slow",))
def test_reader_of_stdout(what):
    """journald is gone, or does not read: serve lives, answers, pings and counts."""
    with Plant() as plant, Datagrams(plant) as way:
        ks = Keyswitch(plant, FLOOD).attach()
        reader, writer = os.pipe()
        errors = open(plant.dir / "errors", "wb")
        serve = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{plant.gateway}", *map(str, ks.argv("serve"))],
            stdout=writer, stderr=errors)
        try:
            os.close(writer)
            wait_for(ks.metrics_up, "serve answers")
            if what == "gone":
                os.close(reader)
            for number in range(400):
                way.write(number)
                assert number % 50 or way.read(number), "a poll"
            wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_events_total") == 400,
                     "all events are read")
            way.nothing_arrives()
            lost, delivered = write_errors(ks), 0
            if what == "slow":
                os.set_blocking(reader, False)
                text = b"".join(iter(lambda: os.read(reader, 65536) if select_ready(reader) else b"",
                                     b"")).decode()
                delivered = sum(json.loads(line)["event_type"] == "alert"
                                for line in text.splitlines())
                assert delivered > 0 and text.endswith("}\n"), text[-200:]
            assert lost > 0, "nothing lost"
            ok, text = account(ks, 400, delivered + lost)
            assert ok, f"{delivered} delivered\n{text}"
            equal(serve.poll(), None, "serve runs")
            said = (plant.dir / "errors").read_text()
            assert ("Broken pipe" if what == "gone" else "too slow") in said, said
            ks.balance()
        finally:
            serve.terminate()
            serve.wait(10)
            errors.close()
            if what == "slow":
                os.close(reader)


def select_ready(fd):
    return bool(select.select([fd], [], [], 0)[0])


def test_logrotate():
    """logrotate renames and signals while events come: none is missing."""
    with Plant() as plant, Datagrams(plant) as way:
        ks = Keyswitch(plant, FLOOD).attach()
        logs = plant.dir / "log"
        logs.mkdir(mode=0o755)
        serve = serve_on(plant, ks, logs / "events.json")
        shipped = (ROOT / "debian" / "keyswitch.logrotate").read_text()
        config = shipped.replace("/var/log/keyswitch", str(logs)).replace(
            "root adm", "root root")
        config = re.sub(r"\[ ! -d.*", f"kill -HUP {serve.proc.pid}", config)
        assert "kill -HUP" in config and str(logs) in config, config
        (plant.dir / "rotate.conf").write_text("su root root\n" + config)
        number = 0
        for turn in range(4):
            # an empty one would not be rotated
            way.write(number)
            number += 1
            wait_for(lambda: events(logs / "events.json"), "an event in the file")
            stop = time.monotonic() + 0.3
            rotating = threading.Thread(target=run, args=(
                "logrotate", "-f", "-s", plant.dir / "rotate.state", plant.dir / "rotate.conf"))
            rotating.start()
            while rotating.is_alive() or time.monotonic() < stop:
                way.write(number)
                number += 1
                time.sleep(0.0005)
            rotating.join()
        way.nothing_arrives()
        wait_for(lambda: metric(ks.metrics_text(), "keyswitch_serve_events_total") == number,
                 "all are read")
        files = sorted(logs.iterdir())
        assert len(files) == 5, files
        assert [file.suffix for file in files].count(".gz") == 3, files
        seen = []
        for file in files:
            text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            seen += [json.loads(line) for line in text.splitlines()]
        told = sum(event["event_type"] == "alert" for event in seen)
        ok, text = account(ks, number, told)
        assert ok, f"{told} of {number}\n{text}"
        equal(write_errors(ks), 0, "lost lines")
        ks.balance()
        return f"{number} events in {len(files)} files"


# ---- limits and words ----

def test_suppressed():
    """What a rate limit holds back is told though no event of its kind comes after it."""
    with Plant() as plant, Datagrams(plant) as way:
        ks = Keyswitch(plant, READONLY.replace("limits:\n", "limits:\n  event_rate: 5\n")).attach()
        _, path = ks.serve("serve", "--stats", "off")
        for number in range(100):
            way.write(number)
        way.nothing_arrives()
        hidden = wait_for(lambda: int(metric(ks.metrics_text(), "keyswitch_events_suppressed_total")),
                          "suppressed events")
        wait_for(lambda: [e for e in lines(path) if e["event_type"] == "stats"
                          and e["keyswitch"]["events"]["suppressed"] == hidden], "a stats event")
        missed = sum(e["keyswitch"]["events"]["missed"] for e in lines(path)
                     if e["event_type"] == "stats")
        equal(len(events(path)) + missed, 100, "told and missed")
        assert f"{hidden} suppressed" in ks.cmd("events").stdout, ks.cmd("events").stdout
        line = ks.cmd("events", "--cef").stdout.splitlines()[-1]
        equal((cef(line)["class"], cef(line)["cn2"], cef(line)["severity"]),
              ("stats", str(hidden), 5), "CEF of it")
        ks.balance()


@cases(("--syslog nowhere", 2, "'nowhere'"), ("--syslog tcp:siem.plant:514", 2, "ADDRESS:PORT"),
       ("--syslog unix:", 2, "'unix:'"), ("--syslog-ca x.pem", 2, "tls:"),
       ("--syslog tls:10.92.0.2:6514 --syslog-ca missing.pem", 3, "missing.pem"),
       ("--syslog tls:10.92.0.2:6514 --syslog-cert x.pem", 2, "--syslog-key"),
       ("--syslog-queue 0", 2, "'0'"), ("--stats never", 2, "'never'"),
       ("--output /missing/events", 3, "/missing/events"))
def test_serve_refuses(said, code, word):
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        done = ks.cmd("serve", *said.split(), check=False)
        equal((done.returncode, done.stdout), (code, ""), f"{said}: {done.stderr}")
        assert word in done.stderr, f"{said}: {done.stderr}"
