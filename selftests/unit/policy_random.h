/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random policies as text, and random requests near their borders, for the property
 * tests. A seed gives the same policies and requests again. Must not judge anything.
 */
#ifndef KEYSWITCH_POLICY_RANDOM_H
#define KEYSWITCH_POLICY_RANDOM_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "policy_eval.h"

#define NAMES		6

static uint64_t seed;

static uint32_t any(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed * 0x2545f4914f6cdd1du) >> 33) % n;
}

#define PICK(list) ((list)[any(sizeof(list) / sizeof((list)[0]))])

/* ---- writing a policy ---- */

struct text {
	char buf[1 << 16];
	size_t n;
};

__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += (size_t)vsnprintf(t->buf + t->n, sizeof(t->buf) - t->n, fmt, ap);
	va_end(ap);
}

static const char *const client_nets[] = {
	"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.0/24", "10.1.0.0/30", "10.1.0.2/31",
	"10.0.0.0/8", "0.0.0.0/0", "\"::/0\"", "\"2001:db8::/64\"", "\"2001:db8::1\"", "10.2.0.1",
};

static const char *const asset_nets[] = {
	"10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.0/30", "10.2.0.0/24", "0.0.0.0/0",
	"\"2001:db8:2::1\"", "\"2001:db8:2::/64\"", "\"::/0\"", "10.2.0.4/31",
};

static const char *const functions[] = {
	"read", "write", "diagnostic", "discovery", "control", "config", "program", "other",
	"3", "6", "16", "write_single_coil", "read_coils", "22", "24", "8", "8/0", "8/4", "43/14",
	"43", "90", "90/0x41", "20", "21", "7", "17", "umas", "force_listen_only", "15", "firmware",
};

static const char *const umas[] = {
	"read", "write", "control", "program", "other", "firmware", "0x22", "read_id", "0x99", "65",
	"write_variables", "0", "255",
};

static const char *const services[] = {
	"read", "write", "config", "control", "session", "discovery", "io", "program", "other",
	"firmware", "0x4d", "0x4c", "0x0e", "0x10", "write_tag", "read_tag", "forward_open",
	"get_attribute_single", "reset", "register_session", "list_identity", "0x01", "0x04", "0",
	"implicit_io", "implicit_io_idle", "set_attribute_single", "execute_pccc", "0x4b", "modbus_passthrough",
	"modbus_write_coils",
};

static const char *const io[] = { "run", "run", "idle-only", "static", "deny" };

static const char *const pccc[] = {
	"read", "write", "control", "program", "config", "other", "0x0f/0xa2", "0x0f/0xaa", "0x08",
	"0x06/0x03", "typed_logical_write_3", "word_range_write", "change_mode", "0x0f/0xa3",
	"execute_multiple_commands", "15/0x00", "7/0",
};

static const char *const files[] = {
	"N7", "\"N7:0-20\"", "\"N7:5\"", "\"B3:0-9\"", "\"F8:2-3\"", "n9", "ST9", "\"N7:10-65535\"", "T4",
	"\"N10:3-12\"",
};

static const char *const classes[] = {
	"pccc", "modbus", "identity", "0x6b", "tag", "assembly", "0x64", "0x300", "6", "encapsulation", "no_class",
	"connection_open", "0xffff", "file",
};

static const char *const tags[] = {
	"Setpoint", "\"Program:Main.Speed\"", "\"Array[3]\"", "\"Array[1,2]\"", "A.B",
};

/* as a policy spells them */
static const char *const routes[] = {
	"1/0", "1/0x03", "2/10.99.0.2", "\"1/3,1/0\"", "2/PLC-4", "0x1/16",
};

static void put_list(struct text *t, const char *const *from, size_t n)
{
	uint32_t count = 1 + any(3);

	put(t, "[");
	for (uint32_t i = 0; i < count; i++)
		put(t, "%s%s", i ? ", " : "", from[any((uint32_t)n)]);
	put(t, "]");
}

#define PUT_LIST(t, list) put_list(t, list, sizeof(list) / sizeof((list)[0]))

static void put_spans(struct text *t, const char *key, uint32_t max)
{
	uint32_t count = 1 + any(3);

	put(t, "      %s: [", key);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t lo = any(max), hi = lo + any(max - lo);

		put(t, "%s%u", i ? ", " : "", lo);
		if (any(2))
			put(t, "-%u", hi);
	}
	put(t, "]\n");
}

/* What values are numbers of, and where pairs begin: one way a policy, they must not mix. */
static uint32_t value_way;

static const char *const value_functions[] = {
	"write", "16", "6", "write_single_coil", "15", "22", "write_multiple_registers",
};

static const char *const words[] = {
	"0-100", "0", "1", "5", "90..110", "0x64", "101-65535", "65535", "0-65535", "3-4",
};

static const char *const signed_words[] = {
	"-50..50", "-1", "-32768..-2", "0..32767", "7", "-3..0x10",
};

static const char *const pairs[] = {
	"0-100", "65536", "65536..131072", "0x10001", "4294967295", "100-4000000000", "1",
};

static const char *const signed_pairs[] = {
	"-100..100", "-65537", "-1", "65536-65540", "-2147483648..-5",
};

static const char *const floats[] = {
	"0..1", "-1.5..2.5", "1e3", "-0.5", "0", "100..1e9", "-1e9..-100", "0.1..0.7",
};

static void put_bounds(struct text *t)
{
	static const char *const names[] = { "uint32", "int32", "float32" };
	uint32_t type = any(value_way ? 3 : 2);

	put(t, "      values: ");
	if (!value_way && !type) {
		PUT_LIST(t, words);
		put(t, "\n");
		return;
	}
	put(t, "{type: %s, %sbounds: ", value_way ? names[type] : "int16",
	    value_way == 2 ? "words: low-first, " : "");
	if (!value_way)
		PUT_LIST(t, signed_words);
	else if (type == 0)
		PUT_LIST(t, pairs);
	else if (type == 1)
		PUT_LIST(t, signed_pairs);
	else
		PUT_LIST(t, floats);
	put(t, "}\n");
}

/* Of pairs all ranges of a policy begin at even addresses, or all at odd ones. */
static void put_valued(struct text *t)
{
	uint32_t lo = 2 * any(10) + (value_way == 2);

	put(t, "    modbus:\n");
	if (any(4) == 0)
		put_spans(t, "unit", 4);
	if (value_way || any(3)) {
		put(t, "      functions: [%s%s", value_way ? "write" : PICK(value_functions),
		    any(2) ? "" : ", 16");
		put(t, "]\n");
	}
	if (value_way)
		put(t, "      addresses: [%u-%u]\n", lo, lo + 1 + 2 * any(4));
	else if (any(2))
		put_spans(t, "addresses", 24);
	put_bounds(t);
}

/* Tables are said only with functions of all of them, so that the policy is valid. */
static void put_modbus(struct text *t)
{
	bool open = any(3) == 0, empty = true;

	if (any(3) == 0) {
		put_valued(t);
		return;
	}
	put(t, "    modbus:\n");
	if (any(3) == 0) {
		put_spans(t, "unit", 4);
		empty = false;
	}
	if (!open) {
		put(t, "      functions: ");
		PUT_LIST(t, functions);
		put(t, "\n");
		empty = false;
	}
	if (open && any(3) == 0) {
		uint32_t lo = 1 + any(20);

		put(t, "      addresses: [%ux%u-%ux%u]\n", 4, lo, 4, lo + any(10));
		empty = false;
	} else if (any(2)) {
		put_spans(t, "addresses", 24);
		empty = false;
	}
	if (empty)
		put(t, "      {}\n");
}

static void put_umas(struct text *t)
{
	bool empty = true;

	put(t, "    umas:\n");
	if (any(3) == 0) {
		put_spans(t, "unit", 4);
		empty = false;
	}
	if (any(4)) {
		put(t, "      functions: ");
		PUT_LIST(t, umas);
		put(t, "\n");
		empty = false;
	}
	if (empty)
		put(t, "      {}\n");
}

static void put_pccc(struct text *t)
{
	bool empty = true;

	put(t, "    pccc:\n");
	if (any(4)) {
		put(t, "      functions: ");
		PUT_LIST(t, pccc);
		put(t, "\n");
		empty = false;
	}
	if (any(3)) {
		put(t, "      files: ");
		PUT_LIST(t, files);
		put(t, "\n");
		empty = false;
	}
	if (empty)
		put(t, "      {}\n");
}

static void put_cip(struct text *t)
{
	bool with_tags = any(4) == 0, empty = true;

	put(t, "    cip:\n");
	if (any(3)) {
		put(t, "      services: ");
		PUT_LIST(t, services);
		put(t, "\n");
		empty = false;
	}
	if (with_tags) {
		put(t, "      tags: ");
		PUT_LIST(t, tags);
		put(t, "\n");
		empty = false;
	} else {
		if (any(2)) {
			put(t, "      classes: ");
			PUT_LIST(t, classes);
			put(t, "\n");
			empty = false;
		}
		if (any(3) == 0) {
			put_spans(t, "instances", 8);
			empty = false;
		}
	}
	if (any(4) == 0) {
		put_spans(t, "attributes", 5);
		empty = false;
	}
	if (any(3) == 0) {
		put(t, "      route: ");
		if (any(4) == 0)
			put(t, "%s", any(2) ? "any" : "direct");
		else if (any(4) == 0)
			put(t, "[direct, %s]", PICK(routes));
		else
			PUT_LIST(t, routes);
		put(t, "\n");
		empty = false;
	}
	if (empty)
		put(t, "      {}\n");
}

static void put_names(struct text *t, const char *prefix, uint32_t n)
{
	uint32_t count = 1 + any(2);

	put(t, "[");
	for (uint32_t i = 0; i < count; i++)
		put(t, "%s%s%u", i ? ", " : "", prefix, any(n));
	put(t, "]");
}

static void put_rule(struct text *t, uint32_t number, uint32_t hosts, uint32_t groups,
		     uint32_t assets)
{
	uint32_t kind = any(8);

	put(t, "  - name: r%u\n", number);
	if (any(3)) {
		put(t, "    from: ");
		if (any(4) == 0)
			put(t, "%s", PICK(client_nets));
		else if (any(3) == 0)
			put_names(t, "g", groups);
		else
			put_names(t, "h", hosts);
		put(t, "\n");
	}
	if (any(2)) {
		put(t, "    to: ");
		put_names(t, "a", assets);
		put(t, "\n");
	}
	if (kind == 0) {
		put(t, "    io: %s\n", PICK(io));
		return;
	}
	if (any(5) == 0) {
		put(t, "    action: alert\n");
	} else if (any(3)) {
		put(t, "    action: allow\n");
		if (any(5) == 0)
			put(t, "    rate: %u/s\n", 1 + any(100));
	} else {
		put(t, "    action: deny\n");
	}
	if (any(6) == 0)
		put(t, "    log: %s\n", any(2) ? "true" : "false");
	if (kind < 5 && kind != 1) {
		if (any(4))
			put_modbus(t);
		else
			put_umas(t);
	}
	if (kind >= 4) {
		if (any(3))
			put_cip(t);
		else
			put_pccc(t);
	}
}

static uint32_t put_assets(struct text *t)
{
	uint32_t n = 1 + any(4), start = any(8), placed = 0;

	put(t, "assets:\n");
	for (uint32_t i = 0; i < n; i++, placed++) {
		bool modbus = any(8), enip = !modbus || any(8);

		/* every prefix once: two assets at one address are an error */
		put(t, "  a%u: {address: [%s]", i, asset_nets[(start + 2 * i) % 10]);
		if (modbus)
			put(t, ", modbus: {%s%s}",
			    any(2) ? "umas: true, opaque: [9, 43, 65, 125]" : "opaque: 100",
			    any(4) ? "" : ", units: [0-3, 255]");
		if (enip) {
			put(t, ", enip: {");
			if (any(2)) {
				put(t, "route: ");
				PUT_LIST(t, routes);
			}
			put(t, "}");
		}
		put(t, "}\n");
	}
	return placed;
}

static const char *const conduit_zones[] = { "it", "cell", "last", "rest" };

static void put_conduits(struct text *t, bool rest)
{
	uint32_t n = 1 + any(5);

	put(t, "conduits:\n");
	for (uint32_t i = 0; i < n; i++) {
		put(t, "  c%u: {from: [%s, %s], to: %s, services: [icmp", i,
		    conduit_zones[any(3 + rest)], conduit_zones[any(3 + rest)],
		    conduit_zones[any(3 + rest)]);
		for (uint32_t k = any(4); k; k--) {
			uint32_t lo = any(3) ? 1 + any(400) : 60000 + any(5536);

			/* never over the ports of requests */
			put(t, any(2) ? ", %s/%u-%u" : ", %s/%u..%u", any(2) ? "tcp" : "udp", lo,
			    lo + any(lo < 60000 ? 90 : 65536 - lo));
		}
		put(t, "]}\n");
	}
}

static void put_zones(struct text *t)
{
	bool rest = any(4);

	put(t, "zones:\n  it: [10.1.0.0/24%s]\n", any(3) ? ", \"2001:db8::/64\"" : "");
	put(t, "  cell: {members: [10.2.0.0/%u%s], side: protected}\n", any(2) ? 24 : 30,
	    any(3) ? ", \"2001:db8:2::/64\"" : "");
	/* taken out of the network around it */
	put(t, "  last: 10.1.0.2\n");
	if (rest)
		put(t, "  rest: [0.0.0.0/0, \"::/0\"]\n");
	if (any(4))
		put_conduits(t, rest);
}

static inline void write_policy(struct text *t)
{
	static const char *const defaults[] = { "deny", "readonly", "allow" };
	uint32_t hosts = 1 + any(NAMES), groups = 1 + any(3), rules = any(12), assets;
	bool zoned = any(4) == 0;

	t->n = 0;
	value_way = any(3);
	put(t, "version: 1\ndefault: %s\n", PICK(defaults));
	if (any(3) == 0)
		put(t, "local: [10.2.0.99]\n");
	if (any(3) == 0)
		put(t, "protected: [10.2.0.0/16]\n");
	if (!zoned && any(6) == 0)
		put(t, "unlisted: allow\n");
	put(t, "hosts:\n");
	for (uint32_t i = 0; i < hosts; i++) {
		put(t, "  h%u: ", i);
		PUT_LIST(t, client_nets);
		put(t, "\n");
	}
	put(t, "groups:\n");
	for (uint32_t i = 0; i < groups; i++) {
		put(t, "  g%u: ", i);
		/* a group may hold the groups before it */
		if (i && any(2))
			put(t, "[g%u, h%u]\n", any(i), any(hosts));
		else {
			put_names(t, "h", hosts);
			put(t, "\n");
		}
	}
	assets = put_assets(t);
	if (zoned)
		put_zones(t);
	if (rules)
		put(t, "rules:\n");
	for (uint32_t i = 0; i < rules; i++)
		put_rule(t, i, hosts, groups, assets);
}

/* ---- requests ---- */

static struct prefix address(const char *text)
{
	struct prefix p;

	prefix_parse(text, strlen(text), &p);
	return p;
}

/* A PCCC command, or Modbus in class 0x44, in place of what random_request() made. */
static inline void random_inner(struct request *q)
{
	static const uint32_t codes[] = { 0x0fa2, 0x0fa2, 0x0faa, 0x0faa, 0x0fab, 0x0f00, 0x0f01,
					  0x0f67, 0x0f68, 0x0fa3, 0x0f88, 0x0f80, 0x0603, 0x0700,
					  0x0800, 0x0100, 0x0f07 };
	static const uint32_t types[] = { 0x89, 0x89, 0x89, NO_TYPE, NO_TYPE, 0, 0x85, 0x8a, 0x8d, 0x86, 0x03, 0xe0,
					  0x82, 0xff, 0x9f, 0x80 };
	static const uint32_t numbers[] = { 7, 7, 7, 3, 8, 9, 4, 10, 0, 255, 1023, 1024, 65535 };
	static const uint32_t fcs[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22 };

	if (any(4) == 0) {
		q->class = 0x44;
		q->service = 0x4b + any(7);
		q->inner = any(4);
		q->fc = PICK(fcs);
		return;
	}
	q->service = PICK(codes);
	q->class = KS_CLASS_PCCC | q->service >> 8 << 1 | (q->service >> 7 & 1);
	q->service &= 127;
	q->instance = any(2) ? 1 : KS_NO_VALUE;
	q->has_file = any(4);
	q->type = PICK(types);
	q->file = PICK(numbers);
	q->element = any(8) ? any(26) : 65530 + any(6);
	q->elements = 1 + any(any(4) ? 4 : 70000);
}

/* Near the bounds of put_bounds(), as words and as halves of pairs. */
static inline void random_values(struct request *q)
{
	static const uint16_t near[] = {
		0, 0, 0, 1, 1, 2, 3, 5, 7, 50, 51, 89, 90, 99, 100, 101, 110, 111, 0x64, 0x7fff,
		0x8000, 0xfffe, 0xffff, 0xffff, 0xff9c, 0xff9b, 0x3f80, 0x3f00, 0xbf00, 0x3dcc,
		0xcccd, 0x3f33, 0x3333, 0x3334, 0xbfc0, 0x4020, 0x447a, 0x7fc0, 0x7f80, 0xc2c8,
	};
	static const uint16_t and_masks[] = { 0, 0, 1, 3, 7, 0xf, 0x40, 0x100, 0xff, 0x8000, 0x7f };

	for (size_t i = 0; i < 64; i++)
		q->written[i] = PICK(near);
	if (q->fc == 5 || q->fc == 15)
		for (size_t i = 0; i < 64; i++)
			q->written[i] &= 1;
	if (q->fc == 22)
		q->written[0] = PICK(and_masks);
	if (q->fc == 5 || q->fc == 6 || q->fc == 22)
		q->n = 1;
}

static inline void random_request(struct request *q)
{
	static const char *const clients[] = {
		"10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.77", "10.9.9.9", "192.0.2.1",
		"2001:db8::1", "2001:db8::5", "2001:db8:9::1", "10.2.0.1", "10.2.0.200",
	};
	static const char *const servers[] = {
		"10.2.0.1", "10.2.0.2", "10.2.0.3", "10.2.0.4", "10.2.0.99", "203.0.113.1",
		"2001:db8:2::1", "2001:db8:2::9", "2001:db8:3::1",
	};
	static const uint32_t fcs[] = { 1, 2, 3, 4, 5, 6, 7, 8, 8, 11, 15, 16, 17, 20, 21, 22, 23,
					23, 24, 43, 43, 90, 90, 90, 65, 100, 9, 125, 127 };
	static const uint32_t subs[] = { 0, 1, 2, 4, 10, 11, 13, 14, 18, 19, 20, 21, 0x22, 0x23,
					 0x29, 0x41, 0x99, 255 };
	static const uint32_t wire[] = { 1, 0x6b, 4, 0x64, 0x300, 6, 0xffff, 0x37, 0x99, 0x6c,
					 KS_CLASS_TAG, KS_CLASS_TAG, KS_CLASS_ENCAP,
					 KS_CLASS_IO, KS_CLASS_OPEN, KS_CLASS_NONE };
	static const uint32_t svc[] = { 0x4d, 0x4c, 0x0e, 0x10, 1, 4, 5, 0x54, 0x5b, 0x65, 0x63,
					0, 0x7f, 0x4e, 0x55, 0x08, 0x33 };
	static const char *const paths[] = { "setpoint", "SETPOINT", "Program:Main.Speed",
					     "Array[3]", "Array[1][2]", "a.b", "Other" };
	static const char *const ways[] = {
		"", "", "1/0", "1/3", "2/10.99.0.2", "1/3,1/0", "2/plc-4", "1/16", "1/4",
		"1/0,1/3", "2/10.99.0.2-and-a-name-that-is-longer",
	};

	memset(q, 0, sizeof(*q));
	q->client = address(PICK(clients));
	q->server = address(PICK(servers));
	q->cip = any(2);
	q->unit = (uint8_t)(any(8) ? any(5) : 255);
	q->fc = PICK(fcs);
	q->sub = q->fc == 8 || q->fc == 43 || q->fc == 90 ? PICK(subs) : 0;
	q->lo = any(6) ? any(26) : 65530;
	q->n = 1 + any(6);
	q->wlo = any(26);
	q->wn = 1 + any(6);
	q->service = PICK(svc);
	q->class = PICK(wire);
	if (q->class == KS_CLASS_IO)
		q->service = any(3);
	q->instance = any(4) ? any(9) : KS_NO_VALUE;
	q->attribute = any(3) ? any(6) : KS_NO_VALUE;
	q->tag = PICK(paths);
	q->route = PICK(ways);
	if (q->cip && any(3) == 0)
		random_inner(q);
	random_values(q);
}

/* KEYSWITCH_SEED, or one of its own; printed, so that a run can be repeated. */
static inline uint64_t random_start(void)
{
	const char *given = getenv("KEYSWITCH_SEED");
	uint64_t start = given ? strtoull(given, NULL, 0)
			       : (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();

	printf("# KEYSWITCH_SEED=%llu\n", (unsigned long long)start);
	return start;
}

#endif
