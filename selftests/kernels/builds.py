# SPDX-License-Identifier: GPL-2.0-only
"""What the guests run, built: the BPF object by each compiler and -mcpu, binaries with
each of them inside, and all of it for arm64. Owns .output/builds and .output/arm64.
"""
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUT = ROOT / ".output"
PEERS = ROOT / "selftests" / "peers"
# of user/, the ones that hold or use the object
WITH_OBJECT = ("loader", "loader_attach", "loader_upgrade")
CPUS = ("v3", "v2")


def sh(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, cwd=ROOT, **kw)


def ask(*argv):
    return sh(*argv, text=True, stdout=subprocess.PIPE).stdout.strip()


def name(compiler, cpu):
    """clang-14-v3"""
    return f"clang-{re.search(r'version ([0-9]+)', ask(compiler, '--version'))[1]}-{cpu}"


def newest():
    """The newest clang that is installed beside the usual one."""
    found = {int(path.name[6:]): path.name for folder in os.environ["PATH"].split(os.pathsep)
             for path in pathlib.Path(folder).glob("clang-[0-9]*") if path.name[6:].isdigit()}
    return found[max(found)]


@dataclasses.dataclass
class Build:
    name: str
    objects: pathlib.Path  # folder of keyswitch.bpf.o and guard.bpf.o
    keyswitch: pathlib.Path
    driver: pathlib.Path


def build_kt(target, compiler=("gcc",)):
    sh(*compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", target, HERE / "kt.c", "-lbpf",
       "-lelf", "-lz")
    return target


def link(target, source, instead=(), out=OUT, rest=OUT, compiler=("gcc",)):
    """`source` with the product's objects of `rest`; those in `instead` come from `out`."""
    libs = re.search(r"^LIBS := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split()
    objects = [(out if path.stem in instead else rest) / "user" / f"{path.stem}.o"
               for path in sorted((ROOT / "user").glob("*.c"))
               if path.stem != "main" or source is None]
    sh(*compiler, "-std=gnu11", "-D_GNU_SOURCE", f"-I{out}", "-O1", "-Wl,--as-needed",
       *([source] if source else []), *objects, *libs, "-o", target)
    return target


def default():
    """As `make` builds it; the driver of the vectors has been built by vectors/run."""
    return Build(name("clang", "v3"), OUT, OUT / "keyswitch", OUT / "vectors" / "driver")


def other(compiler, cpu):
    """The object alone is another one: the rest is not compiled again."""
    label = name(compiler, cpu)
    out = OUT / "builds" / label
    sh("make", "-s", f"OUT={out}", f"CLANG={compiler}", f"BPF_CPU={cpu}", out / "guard.bpf.o",
       *(out / "user" / f"{stem}.o" for stem in WITH_OBJECT))
    return Build(label, out, link(out / "keyswitch", None, WITH_OBJECT, out),
                 link(out / "driver", ROOT / "selftests/vectors/driver.c", WITH_OBJECT, out))


def every():
    """The build that ships first, then the other -mcpu and the newest compiler."""
    first = default()
    pairs = {name(c, cpu): (c, cpu) for c in ("clang", newest()) for cpu in CPUS}
    return [first, *(other(*pair) for label, pair in pairs.items() if label != first.name)]


def peers(place, compiler=("gcc",), includes="/usr/include"):
    """A client and a server of Modbus, and a program for the far ends of redirects."""
    place.mkdir(parents=True, exist_ok=True)
    for peer in ("mb_client", "mb_server"):
        sh(*compiler, "-O2", "-D_GNU_SOURCE", "-o", place / peer, PEERS / f"{peer}.c",
           f"-I{includes}/modbus", f"-I{includes}", "-lmodbus")
    sh("clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{ask('gcc', '-print-multiarch')}",
       "-c", PEERS / "xdp_pass.bpf.c", "-o", place / "xdp_pass.o")


# ---- arm64 ----

def arm64():
    """(Build, sysroot, kt): cross-built, the object compiled with that machine's headers."""
    sysroot = pathlib.Path(ask("scripts/fetch-sysroot", "arm64", OUT / "sysroot-arm64"))
    out, compiler = OUT / "arm64", ("aarch64-linux-gnu-gcc", f"--sysroot={sysroot}")
    sh("make", "-s", f"OUT={out}", f"CC={compiler[0]}", f"SYSROOT={sysroot}", "all")
    build = Build(name("clang", "v3"), out, out / "keyswitch", out / "driver")
    link(build.driver, ROOT / "selftests/vectors/driver.c", out=out, rest=out, compiler=compiler)
    peers(out / "peers", compiler, sysroot / "usr/include")
    return build, sysroot, build_kt(out / "kt", compiler)


def same_object(build):
    """Whether it is byte for byte the one that ships for x86-64."""
    return all((build.objects / f"{o}.bpf.o").read_bytes() == (OUT / f"{o}.bpf.o").read_bytes()
               for o in ("keyswitch", "guard"))


# ---- programs and their libraries ----

def readelf(path, *what):
    return subprocess.run(["readelf", *what, path], capture_output=True, text=True,
                          check=False).stdout


class Programs:
    """Puts programs of one architecture into a guest's root, with their libraries."""

    def __init__(self, root, sysroot=pathlib.Path("/"), triple=None):
        self.root, self.sysroot = root, sysroot
        triple = triple or ask("gcc", "-print-multiarch")
        self.folders = [f"lib/{triple}", f"usr/lib/{triple}", "lib64", "lib", "usr/lib"]

    def put(self, source, target=None, folder="bin"):
        place = self.root / folder / (target or pathlib.Path(source).name)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place)
        for path in re.findall(r"interpreter: /(\S+)\]", readelf(source, "-lW")):
            self.library(path, self.sysroot / path)
        self.libraries(source)

    def libraries(self, source):
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", readelf(source, "-dW")):
            path = next((f"{folder}/{library}" for folder in self.folders
                         if (self.sysroot / folder / library).exists()), None)
            if not path:
                raise SystemExit(f"no library '{library}' for '{source}' in '{self.sysroot}'")
            self.library(path, self.sysroot / path)

    def library(self, path, source):
        target = self.root / path
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source.resolve(), target)
        self.libraries(target)
