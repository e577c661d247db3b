# SPDX-License-Identifier: GPL-2.0-only
"""The guest of the races: selftests/evasion's race and crowd, with the Python and the
tools that they want. Two CPUs at once are in one program there, on the kernels that
gateways run. Must not change what they test: the same files run on the host.
"""
import os
import pathlib
import shutil

import builds
from builds import HERE, OUT, ROOT

PYTHON = pathlib.Path("/usr/lib/python3.11")
TOOLS = ("ip", "ethtool", "nsenter", "sysctl", "mount", "umount", "ss", "bpftool")
FOLDERS = ["bin", "proc", "sys", "dev", "run/netns", "tmp", "etc", "modules", "builds", "usr/bin",
           "usr/sbin", "var/lib"]
UNUSED = shutil.ignore_patterns("test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "config-*",
                                "lib-dynload", "__pycache__", "distutils", "unittest")
MODULES = ("_ctypes", "_json", "_queue", "_contextvars", "_multiprocessing", "mmap", "resource",
           "termios")
NEEDED = 20  # segments that met another: an emulated CPU sends few
PEERS = ("race", "stream_server", "xdp_pass.bpf.o")


def make_root(root):
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    programs = builds.Programs(root)
    programs.put("/bin/busybox")
    programs.put("/usr/bin/python3", folder="usr/bin")
    for tool in TOOLS:
        programs.put(find(tool), folder="usr/sbin")
    shutil.copytree(PYTHON, root / PYTHON.relative_to("/"), ignore=UNUSED)
    for name in MODULES:
        path = next((PYTHON / "lib-dynload").glob(f"{name}.*.so"), None)
        if path:  # else it is built in
            programs.put(path, folder=path.parent.relative_to("/"))
    tree(root, programs)
    shutil.copy2(HERE / "init", root / "init")


def find(name):
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if not path:
        raise SystemExit(f"no program '{name}', expected it from scripts/install-deps")
    return path


def tree(root, programs):
    """The tests in a place of their own, as they lie here."""
    for folder in ("evasion", "net", "peers"):
        shutil.copytree(ROOT / "selftests" / folder, root / "ks/selftests" / folder,
                        ignore=shutil.ignore_patterns("npm", "__pycache__"))
    builds.sh("/usr/bin/python3", "-B", "-c", "import plant; plant.build()",
              env={**os.environ, "PYTHONPATH": ROOT / "selftests" / "net"})
    for name in PEERS:
        programs.put(OUT / "peers" / name, folder="ks/.output/peers")
    programs.put(OUT / "keyswitch", folder="ks/.output")


def plan(seconds):
    lines = [f'try "race of {seconds} s" race race --seconds {seconds} --needed {NEEDED}',
             f'try "crowd of {seconds} s" race crowd --seconds {seconds}']
    return "".join(line + '; sed "s/^/# /" /tmp/out\n' for line in lines)
