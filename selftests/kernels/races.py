# SPDX-License-Identifier: GPL-2.0-only
"""The guest of the races: selftests/evasion/race and crowd with their Python."""


def make_root(root):
    raise NotImplementedError


def plan(seconds):
    raise NotImplementedError
