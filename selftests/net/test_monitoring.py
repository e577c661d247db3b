# SPDX-License-Identifier: GPL-2.0-only
"""policy/monitoring/ as a plant uses it: promtool's word on the rules, and a real
Prometheus that loads the same files, scrapes a real gateway and raises the alerts.
What is asked is Prometheus' HTTP API, never our own text.
"""
import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

from kit import abort, cases, denied_write, equal, read_registers, write_register
from ks import READONLY, Keyswitch, metric
from plant import CLIENT_NIC, PORT_C, PORT_S, ROOT, SERVER_NIC, Plant, netns, run, wait_for

FOLDER = ROOT / "policy" / "monitoring"
RULES, DASHBOARD = FOLDER / "keyswitch-alerts.yaml", FOLDER / "keyswitch-dashboard.json"
PORT = 9090
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def fetch(plant, url, **headers):
    with netns(plant.gateway):      # the opener makes its socket in this thread
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(url, headers=headers), timeout=5) as reply:
            return reply.headers, reply.read().decode()


class Prometheus:
    """Debian's, in the gateway's namespace, with the scrape and the rules that we ship; only
    the interval is shorter."""

    def __init__(self, plant):
        self.plant, folder = plant, plant.dir / "prometheus"
        folder.mkdir()
        shutil.copy(RULES, folder)
        text = (FOLDER / "prometheus.yaml").read_text(encoding="utf-8")
        assert "scrape_interval: 15s" in text, text
        config = folder / "prometheus.yml"
        config.write_text("global: {evaluation_interval: 1s}\n" +
                          text.replace("15s", "1s"), encoding="utf-8")
        run("promtool", "check", "config", config)
        self.process = plant.spawn(
            plant.gateway, "prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{PORT}")
        wait_for(self.ready, lambda: f"Prometheus: {self.process.text()}", timeout=20, step=0.1)

    def ready(self):
        try:
            return self.query("up")
        except OSError:
            return None

    def api(self, path, **query):
        text = fetch(self.plant, f"http://127.0.0.1:{PORT}/api/v1/{path}?"
                     + urllib.parse.urlencode(query))[1]
        return json.loads(text)["data"]

    def query(self, expr):
        return self.api("query", query=expr)["result"]

    def alerts(self):
        """{(name, asset or port): alert} of those that fire."""
        return {(a["labels"]["alertname"], a["labels"].get("asset") or a["labels"].get("port")): a
                for a in self.api("alerts")["alerts"] if a["state"] == "firing"}

    def fires(self, *key):
        return wait_for(lambda: self.alerts().get(key),
                        lambda: f"{key}, but {self.alerts()}\n{self.process.text()}",
                        timeout=30, step=0.2)


def test_rules():
    """Valid, and each alert rises by what it is for and by nothing else."""
    run("promtool", "check", "rules", RULES)
    run("promtool", "test", "rules", ROOT / "selftests" / "monitoring" / "rules.yaml")
    names = re.findall(r"^ *- alert: (\w+)$", RULES.read_text(), re.M)
    tested = (ROOT / "selftests" / "monitoring" / "rules.yaml").read_text()
    told = (ROOT / "docs" / "monitoring.md").read_text()
    assert len(names) > 10 and len(set(names)) == len(names), names
    for name in names:
        assert name in tested, f"no unit test of {name}"
        assert f"`{name}`" in told, f"docs/monitoring.md does not tell of {name}"
    for word in ("summary:", "description:", "action:", "severity:"):
        equal(len(re.findall(rf"^ +(?:labels: {{)?{word}", RULES.read_text(), re.M)), len(names),
              f"alerts with {word}")


def test_formats():
    """By the strict parser of OpenMetrics' own people, and by promtool."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        ks.serve()
        denied_write(plant)
        sock = plant.connect(plant.server4, 502, plant.other4)
        sock.sendall(write_register(100))
        equal(len(sock.recv(100)), 12, "the answer to an allowed write")
        url = "http://127.0.0.1:9502/metrics"
        headers, text = fetch(plant, url, Accept=OPENMETRICS)
        equal(headers["Content-Type"], OPENMETRICS + "; charset=utf-8", "type")
        families = {f.name: f for f in text_string_to_metric_families(text)}
        assert len(families) > 30, families.keys()
        equal({s.labels["rule"] for s in families["keyswitch_rule_requests"].samples},
              {"default", "writer-registers"}, "rules")
        lost = families["keyswitch_events_lost"].samples
        equal([s.name for s in lost], ["keyswitch_events_lost_total", "keyswitch_events_lost_created"],
              "samples of a counter")
        headers, plain = fetch(plant, url)
        equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8", "type")
        done = subprocess.run(["promtool", "check", "metrics"], input=plain, text=True,
                              capture_output=True, timeout=30)
        equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool")
        # both say the same
        names = set(re.findall(r"^(keyswitch\w+)", plain, re.M))
        equal(set(re.findall(r"^(keyswitch\w+)", text, re.M)) -
              {f"{n[:-6]}_created" for n in names if n.endswith("_total")}, names, "names")
        table = (ROOT / "docs" / "monitoring.md").read_text()
        said = re.findall(r"^\| `(keyswitch_\w+)` \| (\w+) \| [\w, ]*\| (.*) \|$", table, re.M)
        kind = dict(re.findall(r"^# TYPE (\w+) (\w+)$", plain, re.M))
        equal({(n, k, h + ".") for n, k, h in said},
              {(n, kind[n], h) for n, h in re.findall(r"^# HELP (\w+) (.*)$", plain, re.M)},
              "metrics in the table of docs/monitoring.md")


def test_figures():
    """How things stand, against what was done: mode, policy, trial, boot, tables, clients."""
    with Plant() as plant:
        plant.modbus_server()
        start = time.time()
        ks = Keyswitch(plant).attach()
        ks.serve()

        def now(name, **labels):
            return metric(ks.metrics_text(), f"keyswitch_{name}", **labels)
        for name in ("attached_timestamp_seconds", "policy_applied_timestamp_seconds",
                     "serve_start_timestamp_seconds"):
            assert start - 2 <= now(name) <= time.time(), (name, now(name), start)
        equal([now(n) for n in ("enforcing", "policy_generation", "policy_rules", "policy_assets",
                                "boot_policy_current", "trial_remaining_seconds", "clients")],
              [1, 1, 2, 1, 1, 0, 0], "at the start")
        socks = [plant.connect(plant.server4, 502, source) for source in
                 (plant.client4, plant.other4, plant.other4)]
        socks.append(plant.connect(plant.server6, 502))
        wait_for(lambda: now("clients_known") == 3, lambda: f"{now('clients_known')} known clients")
        equal([now("table_entries", table=t) for t in
               ("flows_ipv4", "flows_ipv6", "modbus_rings", "enip_rings", "clients")],
              [3, 1, 4, 0, 3], "entries")
        equal([now("table_entries_limit", table=t) for t in
               ("flows_ipv4", "flows_ipv6", "modbus_rings", "enip_rings", "clients")],
              [4096, 4096, 2048, 1024, 16384], "limits")
        equal((now("flows"), now("flows_adopted")), (4, 0), "connections")
        equal((now("port_info", port=PORT_C, role="client", attach="wire", peer=PORT_S, xdp="native"),
               now("port_info", port=PORT_S, role="protected", peer=PORT_C)), (1, 1), "ports")
        ks.cmd("mode", "monitor")
        assert denied_write(plant), "a write in monitor mode"
        equal((now("enforcing"), now("asset_requests_total", asset="plc", access="write",
                                     verdict="would_deny")), (0, 1), "monitor mode")
        ks.cmd("mode", "enforce")
        ks.cmd("apply", ks.write_policy("next.yaml", READONLY + "outbound: deny\n"), "--confirm", "1m")
        assert 0 < now("trial_remaining_seconds") <= 60, now("trial_remaining_seconds")
        equal((now("policy_generation"), now("boot_policy_current")), (2, 0), "on trial")
        ks.cmd("confirm")
        equal((now("trial_remaining_seconds"), now("boot_policy_current")), (0, 1), "confirmed")
        for sock in socks:
            abort(sock)


@cases((1000,), (1001,))
def test_many_assets(assets):
    """Zeros end with the thousandth asset, what was counted does not."""
    with Plant() as plant:
        plant.modbus_server()
        more = "".join(f"  a{n}: 10.50.{n >> 8}.{n & 255}\n" for n in range(assets - 1))
        ks = Keyswitch(plant, READONLY.replace("assets:\n", "assets:\n" + more)).attach()
        ks.serve()
        assert not denied_write(plant), "a write"
        rows = [line for line in ks.metrics_text().splitlines()
                if line.startswith("keyswitch_asset_requests_total{")]
        equal([r for r in rows if not r.endswith(" 0")], [
            'keyswitch_asset_requests_total{asset="plc",access="write",verdict="deny"} 1'], "counted")
        equal(len(rows), 9000 if assets == 1000 else 1, "series")


def test_alerts():
    """A refused write, a link that goes, a program that goes and a gateway that is gone, as
    Prometheus tells them."""
    with Plant() as plant:
        log = plant.modbus_server()
        ks = Keyswitch(plant).attach()
        serve, _ = ks.serve()
        prometheus = Prometheus(plant)
        wait_for(lambda: prometheus.query("keyswitch_enforcing == 1"), "a scrape", timeout=20)
        wait_for(lambda: prometheus.query("count_over_time(keyswitch_enforcing[1m]) >= 3"),
                 "three scrapes", timeout=20)
        equal(prometheus.alerts(), {}, "alerts of a gateway that is well")
        assert not denied_write(plant), "a write"
        alert = prometheus.fires("KeyswitchDeniedWrite", "plc")
        assert "a write to plc was refused" in alert["annotations"]["summary"], alert
        equal(log.count(function=6), 0, "writes that the server read")
        equal(set(prometheus.alerts()), {("KeyswitchDeniedWrite", "plc")}, "nothing else")
        run("ip", "-n", plant.server, "link", "set", SERVER_NIC, "down")
        prometheus.fires("KeyswitchLinkGone", PORT_S)
        assert ("KeyswitchLinkGone", PORT_C) not in prometheus.alerts(), prometheus.alerts()
        run("ip", "-n", plant.client, "link", "del", CLIENT_NIC)
        prometheus.fires("KeyswitchProgramGone", PORT_C)
        assert ("KeyswitchProgramGone", PORT_S) not in prometheus.alerts(), prometheus.alerts()
        serve.stop()
        wait_for(lambda: any(a["labels"]["alertname"] == "KeyswitchNotScraped"
                             for a in prometheus.api("alerts")["alerts"]),
                 "KeyswitchNotScraped is pending", timeout=20)


def expressions(node):
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        for value in node.values():
            yield from expressions(value)
    if isinstance(node, list):
        for value in node:
            yield from expressions(value)


# what Grafana puts in place of its variables
GRAFANA = (("$__rate_interval", "1m"), ("$__range", "1h"), ("$instance", ".*"))


def test_dashboard():
    """Each expression brings something from a real gateway, and each metric in them is there."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    exprs = list(expressions(board))
    panels = [p for p in board["panels"] if p["type"] != "row"]
    assert len(exprs) >= len(panels) > 15, exprs
    equal(len({p["id"] for p in board["panels"]}), len(board["panels"]), "ids of panels")
    for panel in panels:
        assert panel["title"] and panel["description"] and panel["targets"], panel
    inputs = [v["name"] for v in board["templating"]["list"]]
    equal(inputs, ["datasource", "instance"], "variables")
    with Plant() as plant:
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        ks.serve()
        prometheus = Prometheus(plant)
        sock = plant.connect(plant.server4, 502)
        for _ in range(3):
            sock.sendall(read_registers())
            sock.recv(100)
            denied_write(plant)
            before = prometheus.query("keyswitch_serve_scrapes_total")
            wait_for(lambda: prometheus.query("keyswitch_serve_scrapes_total") not in ([], before),
                     "the next scrape", timeout=20)
        for expr in exprs:
            for variable, value in GRAFANA:
                expr = expr.replace(variable, value)
            assert "$" not in expr, expr
            # an annotation is there when something changes
            if "changes(" in expr:
                expr = expr.replace("> 0", ">= 0")
            assert wait_for(lambda: prometheus.query(expr), f"an answer to {expr}", timeout=10)
            for name in re.findall(r"\bkeyswitch_\w+", expr):
                assert prometheus.api("series", **{"match[]": name}), name
        names = {v["query"]["query"] for v in board["templating"]["list"] if v["name"] == "instance"}
        equal(names, {"label_values(keyswitch_enforcing, instance)"}, "query of the variable")
        equal(prometheus.api("label/instance/values", **{"match[]": "keyswitch_enforcing"}),
              ["127.0.0.1:9502"], "gateways")


@cases(("alert",), ("dashboard",))
def test_rules_know_their_metrics(what):
    """No expression names a metric that a scrape does not have."""
    text = (RULES if what == "alert" else DASHBOARD).read_text()
    names = set(re.findall(r"\bkeyswitch_\w+", text))
    with Plant() as plant:
        ks = Keyswitch(plant).attach()
        ks.serve()
        scraped = set(re.findall(r"^# TYPE (\w+) ", ks.metrics_text(), re.M))
    assert len(names) > 10, names
    equal(names - scraped, set(), "metrics that are not there")
