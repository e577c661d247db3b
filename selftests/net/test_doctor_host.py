# SPDX-License-Identifier: GPL-2.0-only
"""keyswitch doctor at the machine: service, drivers, kernel, disk and clock.  Each
finding is made for real in a mount namespace of the command's own, and no longer found
once it is undone; a clock and a kernel that cannot be changed here answer through strace.
"""
import contextlib
import json
import os
import signal

from kit import equal
from ks import BINARY, READONLY, Keyswitch
from plant import CLIENT_NIC, PORT_C, PORT_S, ROOT, Plant, run, wait_for
from test_doctor import HOST, quiet

UNITS = ("keyswitch-attach.service", "keyswitch.service")
OPTIONS = f"--wire {PORT_C}:{PORT_S} --adopt audit"
# an /etc of its own for services: the units as the package puts them, and their options
OWN_UNITS = f"""
mount -t tmpfs none /etc/systemd/system
mount -t tmpfs none /etc/default
cp {ROOT}/debian/keyswitch.service {ROOT}/debian/keyswitch-attach.service /etc/systemd/system
"""
ENABLED = OWN_UNITS + f"""
systemctl -q enable {" ".join(UNITS)} 2>&-
echo 'ATTACH_OPTIONS="{OPTIONS}"' >/etc/default/keyswitch
"""
# a wide log file's place, and what serve is told
LOGS = """
mount -t tmpfs -o size=200m logs /var/log
mkdir /var/log/keyswitch
echo 'SERVE_OPTIONS="--output /var/log/keyswitch/events.json"' >>/etc/default/keyswitch
"""


def synchronised(answer):
    """adjtimex() says so: 0 is a clock that is, 5 one that is not."""
    return ("strace", "-o", "/dev/null", "-e", f"inject=clock_adjtime,adjtimex:retval={answer}")


def doctor(ks, *options, setup="", before=(), nics=(), check=False):
    """`doctor`'s end, in a mount namespace that `setup` made."""
    return ks.plant.nsenter(ks.plant.gateway, "unshare", "-m", "sh", "-ec", setup + '\nexec "$@"',
                            "sh", *before, *ks.argv(*options, "doctor", *nics), check=check)


def found(ks, **how):
    """{(severity, check): text of all that was seen}"""
    done = doctor(ks, "--json", **how)
    assert done.returncode in (0, 1), done.stderr
    out = {}
    for finding in json.loads(done.stdout)["findings"]:
        key = finding["severity"], finding["check"]
        assert finding["severity"] == "ok" or finding.get("advice"), finding
        if finding["check"] in HOST:
            out[key] = out.get(key, "") + finding["seen"] + "\n"
    return out


def see(ks, severity, check, *words, **how):
    text = found(ks, **how).get((severity, check), "")
    for word in words:
        assert word in text, f"'{word}' is missing in {severity} {check}: {text or found(ks, **how)}"


def unseen(ks, check, *words, **how):
    """None of them, in whatever was found amiss."""
    for (severity, name), text in found(ks, **how).items():
        for word in words:
            assert severity == "ok" or name != check or word not in text, f"{severity} {text}"


@contextlib.contextmanager
def attached():
    with Plant() as plant:
        quiet(plant)
        yield plant, Keyswitch(plant).attach()


# ---- service ----

def test_serve():
    with attached() as (_, ks):
        see(ks, "warning", "service", "'keyswitch serve' does not run")
        serve, _ = ks.serve()
        see(ks, "ok", "service", "runs and answers")
        unseen(ks, "service", "serve' ")
        serve.proc.send_signal(signal.SIGSTOP)
        see(ks, "warning", "service", "does not answer for 2 s")
        serve.proc.send_signal(signal.SIGCONT)
        see(ks, "ok", "service", "runs and answers")
        serve.stop(signal.SIGKILL)
        see(ks, "warning", "service", "'keyswitch serve' does not run")


def test_units():
    with attached() as (_, ks):
        bare = "mount -t tmpfs none /etc/systemd/system; mount -t tmpfs none /etc/default\n"
        for unit in UNITS:
            see(ks, "warning", "service", f"'{unit}' is not installed", setup=bare)
            see(ks, "warning", "service", f"'{unit}' is not enabled", setup=OWN_UNITS)
            unseen(ks, "service", "unit ", "ATTACH_OPTIONS", setup=ENABLED)
            masked = ENABLED + f"rm /etc/systemd/system/{unit}; systemctl -q mask {unit} 2>&-\n"
            see(ks, "warning", "service", f"'{unit}' is masked", setup=masked)
        see(ks, "warning", "service", "ATTACH_OPTIONS of", "is empty",
            setup=ENABLED + "echo ATTACH_OPTIONS= >/etc/default/keyswitch\n")
        other = ENABLED + "echo 'ATTACH_OPTIONS=\"--wire kc:ks1\"' >/etc/default/keyswitch\n"
        see(ks, "warning", "service", f"does not name NIC '{PORT_S}'", setup=other)
        unseen(ks, "service", f"'{PORT_C}'", setup=other)


def test_not_attached():
    """A unit that should have attached and did not is a problem; without one nothing is."""
    with Plant() as plant:
        ks = Keyswitch(plant)
        see(ks, "problem", "service", OPTIONS, "a wire forwards nothing", setup=ENABLED)
        inline = ENABLED + "echo ATTACH_OPTIONS='--inline kc:ks' >/etc/default/keyswitch\n"
        see(ks, "problem", "service", "the kernel forwards without inspection", setup=inline)
        see(ks, "ok", "service", "nothing should be", setup=OWN_UNITS)


def test_boot_policy():
    with attached() as (_, ks):
        see(ks, "ok", "service", "the next boot takes the policy that is in force")
        boot = ks.state_dir / "boot"
        kept = boot.resolve()
        boot.unlink()
        see(ks, "problem", "service", "none and does not attach")
        first = "mount -t tmpfs none /etc; mkdir /etc/keyswitch; echo >/etc/keyswitch/policy.yaml\n"
        see(ks, "warning", "service", "takes '/etc/keyswitch/policy.yaml'", setup=first)
        boot.symlink_to(kept.relative_to(boot.parent))
        unseen(ks, "service", "next boot takes", "for the next boot")
        text = kept.read_text()
        kept.write_text(text + "# changed\n")
        see(ks, "problem", "service", f"'{kept}', is not readable or was changed")
        kept.write_text(text)
        other = ks.write_policy("other.yaml", READONLY + "outbound: deny\n")
        ks.cmd("apply", other, "--confirm", "5m")
        see(ks, "ok", "service", "the one in force is on trial")
        ks.cmd("confirm")
        unseen(ks, "service", "next boot takes", "for the next boot")
        boot.unlink()
        boot.symlink_to(kept.relative_to(boot.parent))
        see(ks, "warning", "service", "takes another policy than is in force")


# ---- drivers and kernel ----

def test_driver():
    with attached() as (plant, ks):
        see(ks, "ok", "driver", f"'{PORT_C}': driver 'veth', XDP native", f"'{PORT_S}'")
        unseen(ks, "driver", "carrier")
        run("ip", "-n", plant.client, "link", "set", CLIENT_NIC, "down")
        see(ks, "warning", "driver", f"NIC '{PORT_C}' has no carrier")
        unseen(ks, "driver", f"'{PORT_S}'")


def test_kernel():
    with Plant() as plant:
        ks = Keyswitch(plant)
        see(ks, "ok", "kernel", f"Linux {os.uname().release} on {os.uname().machine}")
        unseen(ks, "kernel", "")
        refused = ("strace", "-o", "/dev/null", "-e", "inject=bpf:error=EPERM")
        see(ks, "problem", "kernel", "refuses an XDP program: Operation not permitted",
            "no map of type 'ringbuf'", before=refused)
        ks.pins = plant.dir / "pins"
        see(ks, "problem", "kernel", f"'{ks.pins}' is in no bpffs")
        for name, value, severity, words in (
                ("unprivileged_bpf_disabled", 0, "warning", "every user"),
                ("bpf_stats_enabled", 1, "note", "times each run")):
            path = plant.dir / name
            path.write_text(f"{value}\n")
            see(ks, severity, "kernel", words, setup=f"mount --bind {path} /proc/sys/kernel/{name}\n")


def test_jit():
    """Its switch is seen in the first network namespace alone; the real one is left alone."""
    with Plant() as plant:
        off = plant.dir / "off"
        off.write_text("0\n")
        for there in (False, True):
            setup = f"mount --bind {off} /proc/sys/net/core/bpf_jit_enable; " if there else ""
            done = run("unshare", "-m", "sh", "-ec", setup + 'exec "$@"', "sh", BINARY, "--pin-dir",
                       plant.bpffs / "none", "doctor", check=False)
            equal("the BPF JIT is off" in done.stdout, there, f"found: {done.stdout}")


# ---- disk and clock ----

def test_disk():
    with attached() as (_, ks):
        unseen(ks, "disk", "")
        for folder, what in ((ks.state_dir, "not recorded"), (ks.run_dir, "lock")):
            def on(size, then="", folder=folder):
                return f"mount -t tmpfs -o size={size} full {folder}\n{then}\n"
            fill = f"dd if=/dev/zero of={folder}/fill bs=1M 2>&- || :"
            see(ks, "problem", "disk", f"'{folder}' is full", what, setup=on("2m", fill))
            see(ks, "problem", "disk", f"'{folder}' is full (",
                ", 0 files left)", setup=on("100m,nr_inodes=1"))
            see(ks, "problem", "disk", f"'{folder}' cannot be written: Read-only file system",
                setup=on("100m", f"mount -o remount,ro {folder}"))
            see(ks, "warning", "disk", f"'{folder}' has 32 MiB left", setup=on("32m"))
            unseen(ks, "disk", f"'{folder}'", setup=on("100m"))


def test_events_file():
    with attached() as (_, ks):
        logs = ENABLED + LOGS
        unseen(ks, "disk", "", setup=logs)
        long = logs + "truncate -s 2G /var/log/keyswitch/events.json\n"
        see(ks, "warning", "disk", "'/var/log/keyswitch/events.json' has 2048 MiB", setup=long)
        full = logs + "dd if=/dev/zero of=/var/log/fill bs=1M 2>&- || :\n"
        see(ks, "problem", "disk", "'/var/log/keyswitch' is full", "write_errors", setup=full)
        # to the journal: no file of ours
        unseen(ks, "disk", "", setup=full + "echo SERVE_OPTIONS=--output=- >/etc/default/keyswitch\n")


def test_clock():
    with attached() as (_, ks):
        see(ks, "warning", "clock", "not synchronised", before=synchronised(5))
        see(ks, "ok", "clock", "the clock is synchronised", before=synchronised(0))
        history = ks.state_dir / "history"
        times = os.stat(history).st_mtime
        os.utime(history, (times + 86400, times + 86400))
        see(ks, "problem", "clock", "before the last change of a policy", before=synchronised(0))
        os.utime(history, (times, times))
        unseen(ks, "clock", "before the last change")
        none = "mount -t tmpfs none /sys/class\n"
        see(ks, "note", "clock", "no battery-backed clock", setup=none)
        unseen(ks, "clock", "battery", setup=none + "mkdir -p /sys/class/rtc/rtc0\n")


# ---- for monitoring ----

def test_plugin():
    """Exit codes and the line of a monitoring plugin: each of the four."""
    with attached() as (plant, ks):
        ks.serve()
        well = {"setup": ENABLED, "before": synchronised(0), "nics": ("--nagios",)}
        for code, line, how in (
                (0, "KEYSWITCH OK - 0 problems, 0 warnings | problems=0 warnings=0\n", {}),
                (1, "KEYSWITCH WARNING - 0 problems, 1 warning, clock: the clock is not synchronised",
                 {"before": synchronised(5)}),
                (2, f"KEYSWITCH CRITICAL - 1 problem, 0 warnings, disk: '{ks.state_dir}' is full",
                 {"setup": ENABLED + f"mount -t tmpfs kept /mnt; cp -a {ks.state_dir}/. /mnt; "
                  f"mount -t tmpfs -o size=4m full {ks.state_dir}; "
                  f"cp -a /mnt/. {ks.state_dir}\n"
                  f"dd if=/dev/zero of={ks.state_dir}/fill bs=4k 2>&- || :\n"})):
            done = doctor(ks, **{**well, **how})
            assert done.stdout.startswith(line), f"{done.stdout}{done.stderr}, expected {line}"
            equal(done.returncode, code, line)
            equal(done.stdout.count("\n"), 1, "lines")
        os.chmod(plant.dir, 0o755)
        nobody = ("setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set", "-all")
        equal(doctor(ks, **{**well, "before": nobody}).returncode, 3, "could not look")
        equal(doctor(ks, **{**well, "nics": ("--nagios", "none0")}).returncode, 3, "no such NIC")
