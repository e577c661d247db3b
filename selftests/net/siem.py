# SPDX-License-Identifier: GPL-2.0-only
"""A management network with a syslog receiver in it, and what arrives there.

Owns the namespace `siem` beside a plant, joined to its gateway, the certificates, and a
reader of CEF typed from the format's description, not from keyswitch.
"""
import re
import select
import shutil
import socket
import struct
import time

import ks
from kit import adu
from plant import PlantError, netns, run, wait_for

GATEWAY, SIEM = "10.92.0.1", "10.92.0.2"
TOOLS = ks.ROOT / ".output" / "tools"
FIELDS = ("pri", "timestamp", "hostname", "app-name", "procid", "msgid", "structured-data", "msg")
# a line for each message: its parts as rsyslog has read them
TEMPLATE = "%pri%\\t%timereported:::date-rfc3339%\\t" + "\\t".join(
    f"%{name}%" for name in FIELDS[2:]) + "\\n"


def rsyslogd_argv():
    """The installed one, else that which scripts/install-deps unpacked."""
    installed = shutil.which("rsyslogd")
    if installed:
        return [installed]
    multiarch = run("gcc", "-print-multiarch").stdout.strip()
    return [TOOLS / "usr/sbin/rsyslogd", "-M", TOOLS / f"usr/lib/{multiarch}/rsyslog"]


class Siem:
    """with Siem(plant) as siem: ..."""

    def __init__(self, plant):
        self.plant, self.ns = plant, f"{plant.tag}-m"
        self.file = plant.dir / "siem.log"

    def __enter__(self):
        run("ip", "netns", "add", self.ns)
        try:
            run("ip", "link", "add", "m0", "netns", self.ns, "type", "veth",
                "peer", "name", "km", "netns", self.plant.gateway)
            for ns, nic, address in ((self.ns, "m0", SIEM), (self.plant.gateway, "km", GATEWAY)):
                run("ip", "-n", ns, "addr", "add", f"{address}/24", "dev", nic)
                run("ip", "-n", ns, "link", "set", nic, "up")
            run("ip", "-n", self.ns, "link", "set", "lo", "up")
            run("ip", "-n", self.plant.gateway, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", self.ns)

    def certificates(self, san=f"IP:{SIEM}"):
        """An authority, the receiver's certificate and one for keyswitch."""
        def openssl(*argv):
            run("openssl", *argv, cwd=self.plant.dir)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=plant CA", "-keyout", "ca.key", "-out", "ca.pem")
        for name, alt in (("siem", san), ("own", "DNS:gateway")):
            openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                    "-addext", f"subjectAltName={alt}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                    "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem")

    def rsyslogd(self, way, ns=None):
        """A real one that listens; way: tcp, tls or unix."""
        d = self.plant.dir
        listen = {
            "tcp": f'module(load="imtcp")\ninput(type="imtcp" address="{SIEM}" port="514")',
            "tls": 'module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" '
                   'StreamDriver.AuthMode="x509/name" PermittedPeer=["gateway"])\n'
                   f'input(type="imtcp" address="{SIEM}" port="6514")',
            "unix": 'module(load="imuxsock" SysSock.Use="off")\n'
                    f'input(type="imuxsock" Socket="{d}/log.sock" UseSpecialParser="off" '
                    'UseSysTimeStamp="off" IgnoreTimestamp="off" '
                    'ParseHostname="on" RateLimit.Interval="0")',
        }[way]
        (d / "rsyslog.conf").write_text(
            f'global(workDirectory="{d}" maxMessageSize="16k" DefaultNetstreamDriverCAFile='
            f'"{d}/ca.pem" DefaultNetstreamDriverCertFile="{d}/siem.pem" '
            f'DefaultNetstreamDriverKeyFile="{d}/siem.key")\n{listen}\n'
            f'template(name="parts" type="string" string="{TEMPLATE}")\n'
            f'action(type="omfile" file="{self.file}" template="parts")\n', encoding="ascii")
        daemon = self.plant.spawn(ns or self.ns, *rsyslogd_argv(), "-n", "-f",
                                  d / "rsyslog.conf", "-i", d / "rsyslog.pid")
        if way == "unix":
            wait_for((d / "log.sock").exists, lambda: f"rsyslogd listens: {daemon.text()}",
                     timeout=20)
        else:
            wait_for(lambda: run("nsenter", f"--net=/run/netns/{self.ns}", "ss", "-Hltn").stdout,
                     lambda: f"rsyslogd listens: {daemon.text()}", timeout=20)
        return daemon

    def messages(self):
        """What has come in, as dicts of FIELDS."""
        if not self.file.exists():
            return []
        text = self.file.read_text(encoding="utf-8")
        return [dict(zip(FIELDS, line.split("\t"), strict=True))
                for line in text[:text.rfind("\n") + 1].split("\n")[:-1]]

    def events(self):
        """The CEF of all but sums."""
        found = [cef(message["msg"].strip()) for message in self.messages()]
        return [event for event in found if event["class"] != "stats"]


def unescape(text, special):
    """A backslash before anything but `special` is an error."""
    out, at = [], 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            assert at < len(text) and text[at] in special, f"escape in {text!r}"
            out.append({"n": "\n", "r": "\r"}.get(text[at], text[at]))
        else:
            out.append(text[at])
        at += 1
    return "".join(out)


def cef(line):
    """Header and extension of a CEF line."""
    assert "\n" not in line, line
    parts = re.findall(r"((?:[^|\\]|\\.)*)\|", line)[:7]
    assert len(parts) == 7 and parts[0] == "CEF:0", line
    rest = line[sum(len(part) + 1 for part in parts):]
    event = dict(zip(("vendor", "product", "version", "class", "name"),
                     (unescape(part, "\\|") for part in parts[1:6])))
    event["severity"] = int(parts[6])
    # a key is a word before an '=' that has no backslash; its value goes to the next one
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", rest))
    for match, after in zip(keys, keys[1:] + [None]):
        assert match[1] not in event, f"{match[1]} twice in {line}"
        text = rest[match.end():after.start() if after else None]
        assert not re.search(r"(?<!\\)(?:\\\\)*=", text), f"'=' in {text!r}"
        event[match[1]] = unescape(text, "\\=nr")
    return event


def received(sock, enough, seconds=20.0):
    """The octet-counted messages that come until enough(messages), or the time is up."""
    data, end = b"", time.monotonic() + seconds
    while not enough(split(data)):
        left = end - time.monotonic()
        if left <= 0 or not select.select([sock], [], [], left)[0]:
            raise PlantError(f"timeout: messages, but {split(data)[-3:]}")
        chunk = sock.recv(1 << 20)
        if not chunk:
            raise PlantError(f"the connection ended after {len(split(data))} messages")
        data += chunk
    return split(data)


def split(data):
    """RFC 6587 3.4.1; a last message that is not whole is left out."""
    out = []
    while data:
        length, blank, rest = data.partition(b" ")
        assert length.isdigit() and not length.startswith(b"0"), data[:60]
        if not blank or len(rest) < int(length):
            break
        out.append(rest[:int(length)].decode("utf-8"))
        data = rest[int(length):]
    return out


class Datagrams:
    """Modbus over UDP: each denied write is one packet and one event; the server's side
    sees which ones arrive."""

    def __init__(self, plant):
        self.plant = plant
        self.server = plant.socket(plant.server, kind=socket.SOCK_DGRAM)
        self.server.bind((plant.server4, 502))
        self.client = plant.socket(plant.client, kind=socket.SOCK_DGRAM)
        self.client.connect((plant.server4, 502))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.client.close()

    def write(self, number):
        self.client.send(adu(struct.pack(">BHH", 6, 10, number & 0xffff), number & 0xffff))

    def read(self, number):
        """A poll; True if the server got it."""
        self.client.send(adu(struct.pack(">BHH", 3, 0, 1), number & 0xffff))
        self.server.settimeout(2)
        return self.server.recv(600)[7] == 3

    def nothing_arrives(self):
        """What the server hears next is this poll: no write came before it."""
        assert self.read(0), "the server received a write"


def listener(plant_ns, port=514, receive_buffer=None):
    """A plain TCP receiver in a namespace."""
    with netns(plant_ns):
        sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.bind((SIEM, port))
    sock.listen()
    sock.settimeout(10)
    return sock
