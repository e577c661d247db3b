# SPDX-License-Identifier: GPL-2.0-only
"""What the verifier does with each program, and selftests/budget.txt.

Owns that file: a row for each kernel, build (compiler and -mcpu) and program. A program
that grew by more than GROWTH fails until its row is recorded anew, on purpose.
"""
import pathlib
import re

FILE = pathlib.Path(__file__).resolve().parents[1] / "budget.txt"
GROWTH = 10  # percent
LIMITS = {"insns": 1000000, "stack": 512}  # the kernel's own
PURPOSE = "on purpose: make budget"
FIELDS = ("insns", "states", "peak", "stack")
HEAD = """\
# What the verifier does with each program: instructions that it walked, states that it
# made and kept at most, bytes of the deepest chain of stack frames. The most of live and
# replay. More than 10 % above fails `make check` (the running kernel) and the suite of
# kernels (6.1, 6.12). `make budget` records all of it anew.
# kernel build program insns states peak stack
"""


def parse(text):
    """({(build, program): {field: the most of all variants}}, {build: ms of a load})."""
    rows, times = {}, {}
    for line in text.splitlines():
        load = re.match(r"load (\S+) \S+ (\S+) (.*)", line)
        took = re.match(r"object (\S+) \S+ ms=(\d+)", line)
        if load:
            row = rows.setdefault((load[1], load[2]), dict.fromkeys(FIELDS, 0))
            for name, value in re.findall(r"(\w+)=(-?\d+)", load[3]):
                if name in row:
                    row[name] = max(row[name], int(value))
        elif took:
            times[took[1]] = max(times.get(took[1], 0), int(took[2]))
    return rows, times


def read():
    """{(kernel, build, program): {field: recorded}}"""
    rows = {}
    for number, line in enumerate(FILE.read_text().splitlines(), 1):
        words = line.split()
        if line.startswith("#") or not words:
            continue
        if len(words) != 3 + len(FIELDS) or not all(w.isdigit() for w in words[3:]):
            raise SystemExit(f"{FILE}:{number}: '{line}', expected kernel, build, program and "
                             f"the numbers {', '.join(FIELDS)}")
        rows[tuple(words[:3])] = dict(zip(FIELDS, map(int, words[3:])))
    return rows


def record(kernel, measured):
    """These rows take the place of those of the same kernel and builds."""
    builds = {build for build, _ in measured}
    rows = {key: row for key, row in (read() if FILE.exists() else {}).items()
            if key[0] != kernel or key[1] not in builds}
    rows.update({(kernel, *key): row for key, row in measured.items()})

    def order(key):
        return [int(n) for n in re.findall(r"\d+", key[0])], key[1], key[2]

    lines = [" ".join([*key, *(str(rows[key][f]) for f in FIELDS)]) for key in
             sorted(rows, key=order)]
    FILE.write_text(HEAD + "\n".join(lines) + "\n")


def wrong(row, old):
    """What makes a program fail, or None."""
    for field in FIELDS:
        if row[field] < 0:
            return f"the kernel did not tell {field}"
        if row[field] > LIMITS.get(field, row[field]):
            return f"{field} {row[field]}, at most {LIMITS[field]}: Linux 6.1 refuses it"
        if old and row[field] * 100 > old[field] * (100 + GROWTH):
            return f"{field} {row[field]}, recorded {old[field]}: more than {GROWTH} % above, {PURPOSE}"
    return None


def judge(kernel, text, required=(), where=""):
    """Prints a table of what kt said; (passed, failed). Builds in `required` must have
    rows; another build or kernel that has none is shown and not judged."""
    measured, times = parse(text)
    recorded = {key[1:]: row for key, row in read().items() if key[0] == kernel}
    known = {build for build, _ in recorded} | set(required)
    passed = failed = 0
    for build, program in sorted(set(measured) | {k for k in recorded if k[0] in times}):
        row, old = measured.get((build, program)), recorded.get((build, program))
        if not row or (not old and build in known):
            why = f"{'recorded, not loaded' if old else 'not recorded'}, {PURPOSE}"
        else:
            why = wrong(row, old)
        shown = " ".join(f"{f} {row[f]:,}{of_limit(f, row[f])}{change(row[f], old and old[f])}"
                         for f in FIELDS) if row else ""
        word = "not ok" if why else "ok" if old else "#"
        print(f"{word} {kernel} {build} {program}: {shown or 'nothing'}" +
              (f": {why}" if why else ""))
        passed, failed = passed + (word == "ok"), failed + (word == "not ok")
    for build, ms in sorted(times.items()):
        print(f"# {kernel} {build}: the object loads in {ms / 1000:.2f} s{where}"
              f"{'' if build in known else ', no budget recorded for it'}")
    return passed, failed


def of_limit(field, value):
    return f" ({100 * value // LIMITS[field]} % of the limit)" if field in LIMITS else ""


def change(value, old):
    return f" {100 * (value - old) / old:+.1f} %" if old and value != old else ""
