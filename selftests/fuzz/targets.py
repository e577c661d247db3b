# SPDX-License-Identifier: GPL-2.0-only
"""The fuzzers and the bugs that each must find. Says what to build and what to
break; must not build or run anything.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Bug:
    """Every occurrence of `old` in the file becomes `new`, in a copy of the tree."""
    what: str
    file: str
    old: str
    new: str


@dataclasses.dataclass(frozen=True)
class Target:
    bugs: tuple
    max_len: int = 4096
    sources: tuple = ()     # patterns of what is linked besides fuzz_NAME.c
    define: tuple = ()
    libs: tuple = ()
    options: tuple = ()     # of libFuzzer
    dictionary: bool = False


TARGETS = {
    "frame": Target(bugs=(
        Bug("a length is believed before the header is whole", "bpf/enip.h",
            "if (!view_has(v, 0, EIP_HEADER))\n\t\treturn 0;\n\tif (view_le32",
            "if (!view_has(v, 0, 4))\n\t\treturn 0;\n"
            "\tif (view_has(v, 0, EIP_HEADER) && view_le32"),
        Bug("an ADU of 261 bytes", "bpf/modbus.h",
            "#define MB_LENGTH_MAX\t254", "#define MB_LENGTH_MAX\t255"),
        Bug("every function may have the length of UMAS", "bpf/modbus.h",
            "view_u8(v, MB_FUNCTION, KS_MB_VIEW) != KS_FC_UMAS", "0"),
    )),
    "modbus": Target(bugs=(
        Bug("no length is exact", "bpf/modbus.h",
            "return KS_R_length_mismatch;", "return 0;"),
        Bug("a byte count may be more than the quantity needs", "bpf/modbus.h",
            "bytes != (quantity * bits + 7) / 8", "bytes < (quantity * bits + 7) / 8"),
        Bug("function 23 is judged by its read address", "bpf/modbus.h",
            "leaf->waddress = view_be16(v, MB_DATA + 4,", "leaf->waddress = view_be16(v, MB_DATA,"),
        Bug("a signed UMAS request inside a signed one", "bpf/umas.h",
            "return leaf->sub == UMAS_SIGNED ? KS_R_nesting : 0;", "return 0;"),
        Bug("UMAS for servers that do not speak it", "bpf/modbus.h",
            "return modbus_listed(opaque, KS_FC_UMAS) ? err : KS_R_function_opaque;",
            "return err;"),
    )),
    "enip": Target(max_len=9000, bugs=(
        Bug("bytes behind the items", "bpf/enip.h",
            "return pos == v->len ? 0 : KS_R_encap_malformed;", "return 0;"),
        Bug("an item count above what is looked at", "bpf/enip.h",
            "count < 2 || count > 4", "count < 2"),
        Bug("data of a connection in SendRRData", "bpf/enip.h",
            "data.type != (connected ? CPF_CONNECTED_DATA : CPF_UNCONNECTED_DATA)",
            "(data.type != CPF_CONNECTED_DATA && data.type != CPF_UNCONNECTED_DATA)"),
    )),
    "unwrap": Target(bugs=(
        Bug("any member offset", "bpf/cip.h", "return KS_R_msp_malformed;", "return 0;"),
        Bug("bytes behind a route path", "bpf/cip.h",
            "h->n != behind + 2 + 2 * epath_u8", "h->n < behind + 2 + 2 * epath_u8"),
        Bug("Unconnected_Send in itself", "bpf/cip.h", "return KS_R_nesting;", "return 0;"),
        Bug("a route of anything", "bpf/route.h", "if (first < 0x20 && ", "if ("),
        Bug("a link address that is a number as well", "bpf/route.h",
            "return w->named ? 0 : KS_R_route_malformed;", "return 0;"),
        Bug("a link address with the next hop in it", "bpf/route.h",
            "byte != '-' &&", "byte != '-' && byte != ',' &&"),
    )),
    "leaf": Target(bugs=(
        Bug("values behind a write's last", "bpf/cip_layout.h",
            "head + total + (total & 1) }", "head + total + 2 }"),
        Bug("an open is of no route", "bpf/cip.h",
            "words, &leaf->route, work)", "words, &(struct ks_route){ 0 }, work)"),
        Bug("I/O connections taken for sessions", "bpf/cip.h",
            "(transport == 2 || transport == 3)", "(transport >= 1 && transport <= 3)"),
        Bug("a wrapper that was not unwrapped", "bpf/cip.h",
            "service == CIP_UNCONNECTED_SEND && class == CIP_CONN_MANAGER) ||",
            "service == 0xff) ||"),
    )),
    "pccc": Target(max_len=600, bugs=(
        Bug("values behind a typed write's last", "bpf/pccc.h",
            "c->end - c->pos != pccc_logical_data(fnc, size)",
            "c->end - c->pos < pccc_logical_data(fnc, size)"),
        Bug("sub-elements do not count", "bpf/pccc.h",
            "last = 2 * sub + (size ? size - 1 : 0);", "last = size ? size - 1 : 0;"),
        Bug("a reply taken for a command", "bpf/pccc.h", "cmd & 0xf0", "cmd & 0xb0"),
        Bug("a passthrough's byte count", "bpf/cip_modbus.h",
            " && bytes == (quantity * bits + 7) / 8 ?", " ?"),
    )),
    "epath": Target(max_len=600, bugs=(
        Bug("a class named twice", "bpf/epath.h",
            "if (has & (logical | KS_HAS_MEMBER))", "if (has & KS_HAS_MEMBER)"),
        Bug("a pad that is not 0", "bpf/epath.h",
            "if (second != 0 || left < s->size)", "if (left < s->size)"),
        Bug("a port behind the object is not seen", "bpf/conn_path.h",
            "route_hop(c, at) : KS_R_epath_ambiguous", "route_hop(c, at) : 0"),
        Bug("odd link addresses without their pad", "bpf/epath.h",
            "+ len + (len & 1);\n\tif (port == 0", "+ len;\n\tif (port == 0"),
    )),
    "tcp_options": Target(max_len=41, bugs=(
        Bug("an option beyond the header", "bpf/options.h",
            "o->pos + len > o->size ||", "o->pos > o->size ||"),
        Bug("the MSS of a client is lowered", "bpf/options.h",
            "p->role != KS_SERVER || ", ""),
        Bug("authentication options", "bpf/options.h", " || kind == OPT_AO", ""),
        Bug("an MPTCP option is left in part", "bpf/options.h",
            "o->blank = len;", "o->blank = 2;"),
    )),
    "policy": Target(
        sources=("user/policy*.c", "user/addr.c", "user/arena.c", "user/diag*.c", "user/utf8.c",
                 "user/names.c", "user/pool.c"),
        define=("-D_GNU_SOURCE", "-DCHUNK_SIZE=0"),
        libs=("-lfyaml", "-ljansson", "-lnettle"),
        options=("-only_ascii=1",), dictionary=True,
        bugs=(
            Bug("nesting without a bound", "user/policy_parse_yaml.c",
                "b->skip || b->depth == YAML_DEPTH_MAX", "b->skip"),
            Bug("units behind a range share its rules", "user/policy_compile_pairs.c",
                "border[m->units.v[u].hi + 1] = true;", ""),
            Bug("what allows opens every slot", "user/policy_compile_route.c",
                "return !r->allow || own || route == KS_ROUTE_DIRECT;", "return true;"),
            Bug("what is allowed reaches beyond its last address", "user/policy_compile_slice.c",
                "r->to = to;", "r->to = to | 0xffff;"),
        )),
}
