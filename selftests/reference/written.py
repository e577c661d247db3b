# SPDX-License-Identifier: GPL-2.0-only
"""What a Modbus request writes, read as the numbers of a rule's `values`. Written from
docs/values.md. Owns the types and their bounds; knows no rule but its addresses.

A register's word is an int; a word that is None is not known.
"""
import dataclasses
import struct

# What writes values: 23 is judged as 16 over its written span.
FUNCTIONS = {5, 6, 15, 16, 22}
COILS = {5, 15}
PAIRS = {"uint32": ">I", "int32": ">i", "float32": ">f"}


@dataclasses.dataclass(frozen=True)
class Values:
    """`values` as a rule says it: bounds are (lowest, highest)."""
    type: str
    low_first: bool
    bounds: tuple

    def holds(self, number):
        # NaN lies in none
        return any(lo <= number <= hi for lo, hi in self.bounds)

    def of_register(self, word):
        """The number in one register or coil."""
        return word - 0x10000 if self.type == "int16" and word > 0x7fff else word

    def of_pair(self, first, second):
        high, low = (second, first) if self.low_first else (first, second)
        return struct.unpack(PAIRS[self.type], struct.pack(">HH", high, low))[0]


def float32(text):
    return struct.unpack(">f", struct.pack(">f", float(text)))[0]


def values(said):
    """A number, a range, a list of them, or {type, words, bounds}."""
    if not isinstance(said, dict):
        said = {"bounds": said}
    kind = said.get("type", "uint16")
    read = float32 if kind == "float32" else lambda text: int(text, 0)
    bounds = []
    for text in said["bounds"] if isinstance(said["bounds"], list) else [said["bounds"]]:
        # '-' is a sign where numbers can have one
        between = ".." if ".." in text or not kind.startswith("uint") else "-"
        lo, _, hi = text.partition(between)
        bounds.append((read(lo), read(hi or lo)))
    return Values(kind, said.get("words") == "low-first", tuple(bounds))


def numbers_left(masks):
    """Of function 22: the smallest and the largest that a register may hold afterwards."""
    keep, put = masks
    least = put & ~keep & 0xffff
    return least, least | keep


def turns(lists, lo, hi):
    """lo, and each number up to hi at which some bounds of one register begin or end."""
    ends = {end & 0xffff for v in lists if v.type not in PAIRS
            for low, high in v.bounds for end in (low, high + 1)}
    return [lo, *sorted(end for end in ends if lo < end <= hi)]


def pair_at(spans, address):
    """First address of the pair that an address is in: the next begins two behind."""
    for lo, hi in spans:
        if lo <= address <= hi:
            return address - (address - lo) % 2
    return None


def whole_pair(function, words, first):
    """Both registers, if one request of function 16 writes them."""
    if function != 16 or first not in words or first + 1 not in words:
        return None
    return words[first], words[first + 1]


def number_in(said, function, words, at, spans):
    """The number that `values` speaks of at an address, None if it is not known."""
    if said.type in PAIRS:
        pair = whole_pair(function, words, pair_at(spans, at))
        return said.of_pair(*pair) if pair else None
    word = words.get(at)
    return None if word is None else said.of_register(word)
