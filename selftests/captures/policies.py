# SPDX-License-Identifier: GPL-2.0-only
"""What the three policies of the comparison say of a request, typed from their text and
the README: readonly (policy/readonly.yaml), logix and tags (the files beside this one).

Owns first match, routes, tags and defaults in Python. Reads no policy file and no table
of keyswitch.
"""
import re

READONLY = {'read', 'diagnostic', 'discovery', 'session'}
OWN_ROUTES = (None, '1/0')
WRITE_TAG, MODIFY_TAG, WRITE_TAG_FRAGMENTED = 0x4d, 0x4e, 0x53
SYMBOL, QOS, TCP_IP = 0x6b, 0x48, 0xf5


def own(leaf):
    """What an allow rule without 'route' takes: the addressed module alone."""
    return leaf.get('route') in OWN_ROUTES


def named(leaf, tags):
    """Is the request's path one of these, without regard to case? With several elements
    it is the whole array: the path without the indices at its end."""
    name = leaf.get('tag', '').lower()
    if leaf.get('elements', 0) > 1:
        name = re.sub(r'(\[\d+\])+$', '', name)
    return 'tag' in leaf and name in tags


def by_symbol(leaf):
    """A write that a rule with tags refuses: it reaches any tag under another name."""
    return leaf.get('class') == SYMBOL and leaf['group'] == 'write'


def readonly(leaf):
    """(allowed, rule)"""
    return leaf['group'] in READONLY, 'default'


LOGIX_TAGS = {'lms_alivebit', 'lms_new_po_available', 'scada[1]', 'testbigarray'}


def logix(leaf):
    """(allowed, rule)"""
    service, group = leaf.get('service'), leaf['group']
    if own(leaf):
        if named(leaf, LOGIX_TAGS) and \
                service in (WRITE_TAG, WRITE_TAG_FRAGMENTED, MODIFY_TAG):
            return True, 'setpoints'
        if by_symbol(leaf):
            return False, 'default'
        if group == 'io':
            return True, 'cyclic-outputs'
        if group == 'config' and leaf.get('class') in (TCP_IP, QOS):
            return True, 'network-settings'
    if group == 'firmware':
        return False, 'no-firmware'
    return readonly(leaf)


WATCHED_TAGS = {'testbigarray', 'testdintarray', 'scada[0]', 'dints[0]', 'lit101:1', 'mv101:1'}


def tags(leaf):
    """(allowed, rule)"""
    if not own(leaf):
        return False, 'default'
    if leaf['group'] in ('session', 'discovery'):
        return True, 'sessions'
    if leaf['group'] == 'read' and named(leaf, WATCHED_TAGS):
        return True, 'watched'
    if leaf.get('service') == MODIFY_TAG and named(leaf, {'lms_alivebit'}):
        return True, 'alive'
    # 'symbols' is left with nothing: by_symbol() is all that it selects
    return False, 'default'


def judged(leaves, policy):
    """The leaves with verdict and rule; a malformed one is denied whatever policy says."""
    out = []
    for leaf in leaves:
        if 'malformed' in leaf:
            out.append(dict(leaf, verdict='deny'))
            continue
        allowed, rule = policy(leaf)
        out.append(dict(leaf, verdict='allow' if allowed else 'deny', rule=rule))
    return out
