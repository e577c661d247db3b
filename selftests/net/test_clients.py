# SPDX-License-Identifier: GPL-2.0-only
"""Third-party EtherNet/IP clients through the gateway: the npm packages
ethernet-ip and st-ethernet-ip, and nmap.

The packages are installed once into .output/npm in the versions that
peers/npm/package.json pins.
"""
import fcntl
import json
import shutil

import enip_wire as w
from kit import cases, equal
from ks import Keyswitch
from plant import PEERS, ROOT, Plant, run

NPM = ROOT / ".output" / "npm"


def install():
    """.output/npm/node_modules with exactly the pinned versions."""
    NPM.mkdir(parents=True, exist_ok=True)
    pinned = json.loads((PEERS / "npm" / "package.json").read_text())["dependencies"]
    with open(NPM / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        have = {}
        for name in pinned:
            path = NPM / "node_modules" / name / "package.json"
            have[name] = json.loads(path.read_text())["version"] if path.exists() else None
        if have != pinned:
            shutil.copy(PEERS / "npm" / "package.json", NPM)
            run("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix",
                NPM, cwd=NPM, timeout=100)


def drive(plant, package, patience=1500):
    done = plant.nsenter(plant.client, "env", f"NODE_PATH={NPM / 'node_modules'}", "node",
                         PEERS / "npm" / "client.js", package, plant.server4, patience,
                         timeout=30)
    return json.loads(done.stdout)


@cases(*((package, mode, guarded) for package in ("ethernet-ip", "st-ethernet-ip")
         for mode, guarded in (("wire", False), ("wire", True), ("router", True))), weight=3)
def test_npm(package, mode, guarded):
    install()
    with Plant(mode) as plant:
        log = plant.enip_target()
        if guarded:
            ks = Keyswitch(plant).attach()
        else:
            plant.wire()
        result = drive(plant, package)
        equal([result[key] for key in ("connected", "read", "group")], [True, "ok", "ok"],
              f"reads of {package}: {result}")
        equal(result["write"] == "ok", not guarded, f"write of {package}: {result}")
        equal(log.count(service=w.WRITE_TAG), 0 if guarded else 1, "writes at the target")
        if guarded:
            ks.balance()


@cases(("wire",), ("router",))
def test_nmap(mode):
    with Plant(mode) as plant:
        plant.enip_target()
        plant.modbus_server()
        ks = Keyswitch(plant).attach()
        done = plant.nsenter(plant.client, "nmap", "-n", "-Pn", "-p", "44818", "--script",
                             "enip-info", plant.server4, timeout=60)
        assert "keyswitch test target" in done.stdout, done.stdout
        ks.balance()
