# SPDX-License-Identifier: GPL-2.0-only
"""Seeded bugs: keyswitch with one rule of bpf/ removed at a time, built in a copy of
the tree.  Whoever looks for attacks must find each.

Owns the mutations and the copies; finds nothing itself.
"""
import collections
import contextlib
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = (".git", "kernels", "test-logs", "npm", "san", "unit", "peers", "vectors", "__pycache__")
VERSIONS = "a commit that does not look whether the connection changed, or is another, meanwhile"

# finder: "streams", "race", or the name of an attack of `run`
# edits: (file under bpf/, what stands there once, what the bug makes of it)
Mutant = collections.namedtuple("Mutant", "name finder bug edits")
MUTANTS = [
    Mutant("G1", "race", VERSIONS, [
        ("flow.h", "if (f->id != t->id || !(f->flags & KS_F_BUSY) || f->claim != t->version)",
         "if (0)"),
        ("flow.h", "if (f->version != t->version)", "if (0)"),
        ("tcp.h", "else if (f->id != p->take.id || f->version != p->take.version)",
         "else if (0)")]),
    Mutant("G1-busy", "race", "two CPUs judge the same place at the same time", [
        ("flow.h", "if (f->flags & KS_F_LOST)\n\t\treturn KS_R_resync;\n"
         "\tif (f->flags & KS_F_BUSY)\n\t\treturn KS_R_busy;\n",
         "if (f->flags & KS_F_LOST)\n\t\treturn KS_R_resync;\n")]),
    Mutant("H2", "race", "a SYN-ACK sent again begins the connection anew", [
        ("handshake.h", "!(f->flags & KS_F_AUDIT)) {\n\t\tflow_window(f, p, p->ack, 0);\n"
         "\t\treturn KS_R_handshake;", "!(f->flags & KS_F_AUDIT)) {\n"
         "\t\treturn flow_synack(f, p);")]),
    Mutant("H3", "streams", "any ACK completes the handshake", [
        ("flow.h", "|| p->seq != f->c_nxt || p->ack != f->irs + 1)", ")")]),
    Mutant("E1", "SYN cookie of a minute ago, by an ACK inside a request", "any acknowledgement is taken", [
        ("flow.h", "} else if (seq_lt(f->s_nxt, p->ack) || "
         "seq_lt(p->ack, f->s_nxt - KS_ACK_BEHIND)) {", "} else if (0) {")]),
    Mutant("E4-compare", "streams", "what is sent again is not compared", [
        ("stream.h", "if (t->cmp_len)\n\t\tr = ring_differs", "if (0)\n\t\tr = ring_differs")]),
    Mutant("E4-tail", "streams", "bytes behind a retransmission are not judged", [
        ("stream.h", "\twalk_all(k);\n\treturn stream_accept(k);",
         "\tif (t->skip)\n\t\tk->s->cur = k->s->end;\n\telse\n\t\twalk_all(k);\n"
         "\treturn stream_accept(k);")]),
    Mutant("ring-order", "streams", "bytes beyond the ring's end stand at a wrong place", [
        ("ring.h", "off + ring_size - (__u32)pos, ring, over)", "off, ring, over)")]),
    Mutant("exact-length", "streams", "a read may have more bytes than its function says", [
        ("modbus.h", "case 6:\n\t\tif (n != 4)", "case 6:\n\t\tif (n < 4)")]),
    Mutant("border", "streams", "a retransmission may begin and end anywhere", [
        ("stream.h", "if (a->modbus_split == KS_CARRY && !p->take.join)\n\t\treturn KS_GO;",
         "if (1)\n\t\treturn KS_GO;")]),
    Mutant("MSP-bound", "streams", "bytes between an MSP's table and its first member", [
        ("cip.h", "h->n < 2 + 2 * count ||\n\t    "
         "view_le16(v, h->data + 2, KS_EIP_VIEW) != 2 + 2 * count)", "h->n < 2 + 2 * count)")]),
    Mutant("beside", "streams", "a SYN cookie may begin a stream inside", [
        ("flow.h", "if (flow_beside(f, p))", "if (0 && flow_beside(f, p))")]),
    Mutant("facts", "streams", "split and framing are forgotten when a connection begins anew", [
        ("tcp.h", "p->how = f->how & KS_HOW_ASSET;\n", "")]),
    Mutant("single", "streams", "the next request need not wait for the reply", [
        ("flow.h", "f->how = (f->how & ~KS_HOW_FRAMED) | KS_HOW_WAIT;",
         "f->how &= ~KS_HOW_FRAMED;")]),
    Mutant("connected", "streams", "what comes on an opened CIP connection is not judged", [
        ("judge.h", "if (kind == KS_CONN_ROUTER)\n\t\treturn 0;\n\tjudge_whole(w, len);",
         "judge_whole(w, len);\n\tif (kind == KS_CONN_ROUTER) {\n\t\t"
         "w->leaf.key_class = KS_CLASS_ENCAP;\n\t\tw->leaf.service = 0x65;\n\t\t"
         "return 1;\n\t}")]),
    Mutant("kept", "streams", "kept bytes sent again are not compared", [
        ("stream.h", "if (t->cmp_len)\n\t\tr = ring_differs",
         "if (t->cmp_len && !(t->join && !seq_lt(t->cmp_seq, t->start)))\n\t\tr = ring_differs")]),
    Mutant("plain-order", "streams", "a plain request may stand anywhere", [
        ("plain.h", "f->generation != p->generation || p->seq != f->c_nxt || f->flags",
         "f->generation != p->generation || f->flags"),
        ("plain.h", "if (p->seq != f->c_nxt || f->msg_start != f->c_nxt ||",
         "if (f->msg_start != f->c_nxt ||")]),
    Mutant("plain-length", "streams", "a plain request's header may say another length", [
        ("plain.h", "(__u32)(head >> 16) != PLAIN_BYTES - 6 || ", "")]),
    Mutant("plain-many", "streams", "what follows in a segment is taken for more of the same", [
        ("plain_many.h", "if (adu && plain_head(adu) == k->same) {",
         "if (adu && k->same != KS_PLAIN_NONE) {")]),
    Mutant("plain-enip", "streams", "of a plain EtherNet/IP PDU the first request alone is judged", [
        ("enip_plain.h", "if (i >= requests)", "if (i >= 1)")]),
]


def misplaced():
    """What no longer stands once where a mutant looks for it: its edit would change nothing."""
    return [f"mutant '{mutant.name}': '{old}' stands {count} times in 'bpf/{name}', expected once"
            for mutant in MUTANTS for name, old, _ in mutant.edits
            for count in [(ROOT / "bpf" / name).read_text().count(old)] if count != 1]


def named(names):
    """The mutants of these names, all without one; LookupError for an unknown name."""
    known = {mutant.name: mutant for mutant in MUTANTS}
    return [known[name] for name in names] if names else MUTANTS


@contextlib.contextmanager
def built(mutant):
    """The path of a keyswitch with that bug; it lives as long as the context."""
    with tempfile.TemporaryDirectory(prefix="keyswitch-mutant.") as folder:
        tree = pathlib.Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*SKIPPED), symlinks=True)
        for name, old, new in mutant.edits:
            source = tree / "bpf" / name
            source.write_text(source.read_text().replace(old, new))
        subprocess.run(["make", "-s", "-C", tree, "all"], check=True, stdout=subprocess.DEVNULL)
        yield tree / ".output" / "keyswitch"
