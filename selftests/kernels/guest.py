# SPDX-License-Identifier: GPL-2.0-only
"""A guest: its root, its kernel, its console. Owns nothing but the folder it is given."""
import lzma
import os
import pathlib
import shutil
import subprocess

import builds
from builds import HERE, OUT, ROOT

CAPTURES = pathlib.Path(os.environ.get("KEYSWITCH_CAPTURES", ROOT / "../shared/pcaps"))
SAMPLES = ["lab/mb_pymodbus4_all.pcap", "lab/enip_pylogix_cpppo.pcap",
           "lab/enip_eeipnet_opener.pcap"]
# in the order in which they need each other
MODULES = ["veth", "llc", "stp", "bridge", "libcrc32c", "nfnetlink", "nf_tables", "nft_meta_bridge",
           "sch_ingress", "cls_bpf"]
FOLDERS = ["bin", "proc", "sys", "dev", "run", "tmp", "etc", "objects", "modules", "usr/sbin",
           "var/run/netns", "builds", "captures", "vectors"]
# the default CPU of qemu 7.2 panics 6.12 at random: cmpxchg16b leaves flags undefined
MACHINES = {"amd64": ["qemu-system-x86_64", "-cpu", "qemu64,-cx16"],
            "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"]}
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
CPUS, MEGABYTES = 2, 1024


# ---- what the host found, for comparison ----

def record_vectors(folder):
    """The commands of the host's vectors and its answers, with the guest's paths."""
    folder.mkdir()
    done = subprocess.run(["selftests/vectors/run", "--record", folder], cwd=ROOT, check=False,
                          capture_output=True, text=True)
    if not (folder / "answers").is_file():
        raise SystemExit(f"the host's vectors did not run:\n{done.stdout}{done.stderr}")
    for path in folder.iterdir():
        path.write_text(path.read_text().replace(str(ROOT / "selftests/vectors"), "/vectors"))
    for policy in (ROOT / "selftests/vectors").glob("*.yaml"):
        shutil.copy(policy, folder)


def record_captures(folder):
    folder.mkdir()
    for sample in SAMPLES:
        name = pathlib.Path(sample).name
        shutil.copy(CAPTURES / sample, folder / name)
        with open(folder / f"{name}.lines", "wb") as lines:
            builds.sh(OUT / "keyswitch", "replay", folder / name, "--policy",
                      ROOT / "policy/readonly.yaml", "--json", stdout=lines,
                      stderr=subprocess.DEVNULL)


# ---- the root ----

def make_root(root, recorded, built, kt, peers, sysroot=None):
    """Programs of one architecture; `built` are the builds that the guest tests."""
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    base = sysroot or pathlib.Path("/")
    programs = builds.Programs(root, base, "aarch64-linux-gnu" if sysroot else None)
    for target, names in {"busybox": ["busybox"], "ip2": ["ip"], "ethtool": ["ethtool"],
                          "nft": ["nft"]}.items():
        programs.put(find(base, names[0]), target)
    # where keyswitch looks for it
    (root / "usr/sbin/nft").symlink_to("/bin/nft")
    for program in (kt, peers / "mb_client", peers / "mb_server"):
        programs.put(program)
    for build in built:
        folder = f"builds/{build.name}"
        programs.put(build.keyswitch, "keyswitch", folder)
        programs.put(build.driver, "driver", folder)
        for name in ("keyswitch", "guard"):
            shutil.copy(build.objects / f"{name}.bpf.o", root / folder)
    shutil.copy(peers / "xdp_pass.o", root / "objects")
    shutil.copy(ROOT / "policy/readonly.yaml", root)
    for folder in ("vectors", "captures"):
        shutil.copytree(recorded / folder, root / folder, dirs_exist_ok=True)
    shutil.copy2(HERE / "init", root / "init")
    return programs


def find(base, name):
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin"):
        if (base / folder / name).exists():
            return base / folder / name
    raise SystemExit(f"no program '{name}' in '{base}'")


def module(tree, name):
    path = next((tree / "lib/modules").rglob(f"{name}.ko*"), None)
    if path is None:  # built in
        return None
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def kernel(series, arch):
    """The unpacked package, fetched once."""
    return pathlib.Path(builds.ask("scripts/fetch-kernel", series, OUT / "kernels", arch))


def initrd(place, root, tree, plan):
    shutil.copytree(root, place, symlinks=True)
    (place / "plan").write_text(plan)
    for number, data in enumerate(filter(None, (module(tree, name) for name in MODULES))):
        (place / "modules" / f"{number:02}.ko").write_bytes(data)
    names = subprocess.run(["find", "."], cwd=place, capture_output=True, check=True).stdout
    image = place.with_name(f"{place.name}.cpio")
    with open(image, "wb") as out:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=place, input=names, stdout=out,
                       check=True)
    shutil.rmtree(place)
    return image


def boot(image, tree, arch, seconds):
    """The guest's console."""
    argv = [*MACHINES[arch], "-accel", "tcg", "-smp", str(CPUS), "-m", str(MEGABYTES), "-nic",
            "none", "-nographic", "-no-reboot", "-kernel", str(next(tree.glob("boot/vmlinuz-*"))),
            "-initrd", str(image), "-append", f"console={CONSOLES[arch]} panic=-1 quiet"]
    try:
        text = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=seconds).stdout
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"") + b"\n# ended by the host: too late\n"
    return text.decode(errors="replace").replace("\r", "")
