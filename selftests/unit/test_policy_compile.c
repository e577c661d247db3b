// SPDX-License-Identifier: GPL-2.0-only
/*
 * What single rules mean, one sentence of the language a test, through both
 * evaluators; the shape and size of the compiled tables; the address and
 * diagnostic helpers.
 */
#include <stdlib.h>
#include <time.h>

#include "policy_eval.h"
#include "test.h"

#define HEAD "version: 1\nother: deny\n"
#define PLANT HEAD \
	"hosts: {hmi: 10.1.0.1, eng: [10.1.0.2, \"2001:db8::2\"]}\n" \
	"assets: {plc: 10.2.0.1, cnc: [10.2.0.2, \"2001:db8:2::2\"]}\n"

struct loaded {
	struct policy *p;
	struct compiled_policy *c;
	struct diags d;
};

static struct loaded load(const char *text)
{
	struct loaded l;

	diags_init(&l.d, "text");
	l.c = NULL;
	l.p = policy_parse_text(text, strlen(text), &l.d);
	if (l.p)
		l.c = policy_compile(l.p, &l.d);
	if (!CHECK(l.c != NULL)) {
		diags_print(&l.d, stdout, true);
		exit(1);
	}
	return l;
}

static void unload(struct loaded *l)
{
	compiled_policy_free(l->c);
	policy_free(l->p);
	diags_free(&l->d);
}

static struct prefix address(const char *text)
{
	struct prefix p;

	CHECK(prefix_parse(text, strlen(text), &p) == PREFIX_OK);
	return p;
}

/* "rule" or "default", upper case when allowed; both evaluators must say it. */
static bool says(const struct loaded *l, struct request q, const char *want)
{
	struct answer ref = ref_answer(l->p, &q), tab = tab_answer(l->c, &q);
	const char *name = l->c->names[ref.rule].name;
	bool allow = isupper((unsigned char)want[0]);
	bool ok = ref.known && tab.known && ref.allow == tab.allow && ref.rule == tab.rule &&
		  ref.allow == allow && !strcasecmp(name, want);

	if (!ok)
		printf("  %s %s, tables %d rule %u, expected %s\n",
		       ref.allow ? "allowed by" : "denied by", name, tab.allow, tab.rule, want);
	return ok;
}

static struct request modbus(const char *from, const char *to, uint8_t unit, uint32_t fc,
			     uint32_t lo, uint32_t n)
{
	return (struct request){ .client = address(from), .server = address(to),
				 .unit = unit, .fc = fc, .sub = lo, .lo = lo, .n = n };
}

static struct request cip(const char *from, uint32_t service, uint32_t class,
			  uint32_t instance, uint32_t attribute)
{
	return (struct request){ .client = address(from), .server = address("10.2.0.2"),
				 .cip = true, .service = service, .class = class,
				 .instance = instance, .attribute = attribute, .tag = "",
				 .route = "" };
}

static struct request tag(const char *from, uint32_t service, const char *path)
{
	struct request q = cip(from, service, KS_CLASS_TAG, KS_NO_VALUE, KS_NO_VALUE);

	q.tag = path;
	return q;
}

#define HMI "10.1.0.1"
#define ENG "10.1.0.2"
#define PLC "10.2.0.1"

TEST(policy_readonly_reads_and_never_writes)
{
	struct loaded l = load(HEAD "default: readonly\nassets: {all: [0.0.0.0/0, \"::/0\"]}\n");

	for (uint32_t fc = 1; fc < 128; fc++) {
		bool read = fc <= 4 || fc == 7 || fc == 11 || fc == 12 || fc == 17 || fc == 20 ||
			    fc == 24;

		if (fc != 8 && fc != 23 && fc != 43)
			CHECK_AT(says(&l, modbus(HMI, PLC, 1, fc, 0, 1),
				      read ? "DEFAULT" : "default"), fc);
	}
	CHECK(says(&l, modbus(HMI, PLC, 1, 8, 0, 1), "DEFAULT"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 8, 4, 1), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 8, 9999, 1), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 43, 14, 1), "DEFAULT"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 43, 13, 1), "default"));
	CHECK(says(&l, modbus("2001:db8::9", "2001:db8::8", 1, 3, 0, 1), "DEFAULT"));
	CHECK(says(&l, cip(HMI, 0x4c, 0x6b, 1, KS_NO_VALUE), "DEFAULT"));
	CHECK(says(&l, cip(HMI, 0x10, 1, 1, 7), "default"));
	CHECK(says(&l, cip(HMI, 0, KS_CLASS_IO, KS_NO_VALUE, KS_NO_VALUE), "default"));
	CHECK(says(&l, tag(HMI, 0x4d, "any"), "default"));
	CHECK(l.c->n_prefixes == 2 && l.c->n_addrs == 0);
	unload(&l);
}

TEST(policy_span_is_allowed_only_whole)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: low, from: hmi, action: allow, modbus: {functions: [16], addresses: [10-19]}}\n"
		"  - {name: high, from: hmi, action: allow, modbus: {functions: [16], addresses: [20-29]}}\n"
		"  - {name: hole, from: hmi, action: deny, modbus: {functions: [16], addresses: [25]}}\n");

	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 10, 10), "LOW"));
	/* two rules together allow what neither allows alone */
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 15, 10), "LOW"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 20, 10), "HIGH"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 20, 11), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 9, 2), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 65535, 2), "default"));
	CHECK(says(&l, modbus(ENG, PLC, 1, 16, 10, 1), "default"));
	unload(&l);
}

TEST(policy_compound_function_is_a_read_and_a_write)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: r, from: hmi, action: allow, modbus: {functions: [read], addresses: [0-9]}}\n"
		"  - {name: w, from: hmi, action: allow, modbus: {functions: [write], addresses: [4x101-4x110]}}\n");
	struct request q = modbus(HMI, PLC, 1, 23, 0, 10);

	q.wlo = 100;
	q.wn = 10;
	CHECK(says(&l, q, "R"));
	q.wn = 11;
	CHECK(says(&l, q, "default"));
	q.wn = 1;
	q.n = 11;
	CHECK(says(&l, q, "default"));
	unload(&l);
}

TEST(policy_any_unit_leaves_broadcast_writes_out)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: block, from: eng, action: deny, modbus: {functions: [6]}}\n"
		"  - {name: wide, to: plc, action: allow, modbus: {functions: [3, 6]}}\n"
		"  - {name: zero, to: plc, action: allow, modbus: {unit: 0, functions: [16]}}\n");

	CHECK(says(&l, modbus(HMI, PLC, 0, 3, 0, 1), "WIDE"));
	CHECK(says(&l, modbus(HMI, PLC, 0, 6, 0, 1), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 255, 6, 0, 1), "WIDE"));
	CHECK(says(&l, modbus(HMI, PLC, 0, 16, 0, 1), "ZERO"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 0, 1), "default"));
	/* a deny rule stops broadcasts too */
	CHECK(says(&l, modbus(ENG, PLC, 0, 6, 0, 1), "block"));
	unload(&l);
}

TEST(policy_default_allow_stops_at_what_is_opaque)
{
	struct loaded l = load(PLANT "default: allow\n");

	CHECK(says(&l, modbus(HMI, PLC, 1, 16, 0, 1), "DEFAULT"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 8, 4, 1), "DEFAULT"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 90, 0x41, 1), "DEFAULT"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 90, 0x99, 1), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 43, 13, 1), "default"));
	CHECK(says(&l, modbus(HMI, PLC, 1, 65, 0, 1), "default"));
	CHECK(says(&l, cip(HMI, 0x7f, KS_CLASS_ENCAP, KS_NO_VALUE, KS_NO_VALUE), "default"));
	CHECK(says(&l, cip(HMI, 0x33, 0x1234, 1, 1), "DEFAULT"));
	unload(&l);
}

TEST(policy_tags_match_exact_paths_alone)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: sp, from: hmi, to: cnc, action: allow, cip: {services: [write_tag], tags: [Setpoint, \"Grid[1,2]\"]}}\n"
		"  - {name: all, from: [hmi, eng], to: cnc, action: allow, cip: {services: [write]}}\n");

	CHECK(says(&l, tag(HMI, 0x4d, "setPOINT"), "SP"));
	CHECK(says(&l, tag(HMI, 0x4d, "Grid[1][2]"), "SP"));
	CHECK(says(&l, tag(HMI, 0x4d, "Setpoint.x"), "ALL"));
	CHECK(says(&l, tag(HMI, 0x53, "Setpoint"), "ALL"));
	/* behind a rule with tags nobody writes by symbol instance */
	CHECK(says(&l, cip(HMI, 0x4d, 0x6b, 1, KS_NO_VALUE), "default"));
	CHECK(says(&l, cip(ENG, 0x4d, 0x6b, 1, KS_NO_VALUE), "ALL"));
	unload(&l);
}

TEST(policy_service_codes_are_not_commands)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: code, from: hmi, action: allow, cip: {services: [0x01, 0x63]}}\n"
		"  - {name: command, from: eng, action: allow, cip: {services: [list_identity]}}\n");

	CHECK(says(&l, cip(HMI, 0x01, 0x99, 1, KS_NO_VALUE), "CODE"));
	CHECK(says(&l, cip(HMI, 0x01, KS_CLASS_ENCAP, KS_NO_VALUE, KS_NO_VALUE), "default"));
	CHECK(says(&l, cip(HMI, 0x63, KS_CLASS_ENCAP, KS_NO_VALUE, KS_NO_VALUE), "default"));
	CHECK(says(&l, cip(ENG, 0x63, KS_CLASS_ENCAP, KS_NO_VALUE, KS_NO_VALUE), "COMMAND"));
	CHECK(says(&l, cip(ENG, 0x63, 0x99, 1, KS_NO_VALUE), "default"));
	unload(&l);
}

TEST(policy_instances_and_attributes_need_a_value)
{
	struct loaded l = load(PLANT "rules:\n"
		"  - {name: in, from: hmi, action: allow, cip: {classes: [4], instances: [100-101], attributes: [3]}}\n"
		"  - {name: out, from: hmi, action: deny, cip: {classes: [4], attributes: [4]}}\n"
		"  - {name: rest, from: hmi, action: allow, cip: {classes: [assembly]}}\n");

	CHECK(says(&l, cip(HMI, 0x10, 4, 100, 3), "IN"));
	CHECK(says(&l, cip(HMI, 0x10, 4, 102, 3), "REST"));
	CHECK(says(&l, cip(HMI, 0x10, 4, 100, 4), "out"));
	CHECK(says(&l, cip(HMI, 0x10, 4, KS_NO_VALUE, 4), "out"));
	CHECK(says(&l, cip(HMI, 0x10, 4, 100, KS_NO_VALUE), "REST"));
	CHECK(says(&l, cip(HMI, 0x10, 5, 100, 3), "default"));
	unload(&l);
}

TEST(policy_io_rule_is_group_io_alone)
{
	struct loaded l = load(PLANT "rules:\n  - {name: cyclic, from: hmi, to: cnc, io: run}\n");
	const struct ks_profile_rec *prof;
	struct answer a;
	struct request q = cip(HMI, 0, KS_CLASS_IO, KS_NO_VALUE, KS_NO_VALUE);

	CHECK(says(&l, q, "CYCLIC"));
	CHECK(says(&l, cip(HMI, 0x54, KS_CLASS_OPEN, 1, KS_NO_VALUE), "CYCLIC"));
	CHECK(says(&l, cip(HMI, 0x54, 6, 1, KS_NO_VALUE), "default"));
	CHECK(says(&l, modbus(HMI, "10.2.0.2", 1, 3, 0, 1), "default"));
	prof = tab_profile(l.c, &q, &a);
	CHECK(prof->flags == (KS_PROFILE_IO | KS_PROFILE_ENIP));
	q.client = address(ENG);
	prof = tab_profile(l.c, &q, &a);
	CHECK(prof->flags == 0);
	unload(&l);
}

TEST(policy_longest_prefix_gives_the_asset_and_all_sources_count)
{
	struct loaded l = load(HEAD "local: 10.2.0.1\nprotected: 10.9.0.0/16\n"
		"hosts: {net: 10.1.0.0/24, one: 10.1.0.7}\n"
		"assets: {cell: 10.2.0.0/24, plc: 10.2.0.5, six: \"2001:db8::/32\"}\n"
		"rules:\n"
		"  - {name: by-net, from: net, to: plc, action: allow, modbus: {functions: [6]}}\n"
		"  - {name: by-one, from: one, to: plc, action: allow, modbus: {functions: [5]}}\n");
	struct request q = modbus("10.1.0.7", "10.2.0.5", 1, 5, 0, 1);
	struct answer a;

	CHECK(says(&l, q, "BY-ONE"));
	q.fc = 6;
	CHECK(says(&l, q, "BY-NET"));
	q.client = address("10.1.0.8");
	CHECK(says(&l, q, "BY-NET"));
	q.fc = 5;
	CHECK(says(&l, q, "default"));
	q.server = address("10.2.0.1");
	CHECK(!tab_answer(l.c, &q).known && !ref_answer(l.p, &q).known);
	CHECK(tab_address(l.c, &q.server).flags == (KS_ADDR_LOCAL | KS_ADDR_PROTECTED));
	CHECK(tab_address(l.c, &q.server).asset == 0);
	q.server = address("10.2.0.9");
	a = tab_answer(l.c, &q);
	CHECK(a.asset == 1);
	q.client = address("10.9.1.1");
	CHECK(tab_answer(l.c, &q).spoofed);
	unload(&l);
}

TEST(policy_wide_ipv6_prefix_says_nothing_about_ipv4)
{
	struct loaded l = load(HEAD "hosts: {six: \"::/0\"}\nassets: {six: \"::/0\", plc: 10.2.0.1}\n"
		"rules:\n  - {name: r, from: six, to: plc, action: allow, modbus: {functions: [6]}}\n");
	struct request q = modbus("192.0.2.1", "10.2.0.1", 1, 6, 0, 1);

	CHECK(says(&l, q, "default"));
	q.client = address("2001:db8::1");
	CHECK(says(&l, q, "R"));
	q.server = address("10.2.0.2");
	CHECK(!tab_answer(l.c, &q).known);
	unload(&l);
}

TEST(policy_unit_lists_are_known_by_the_profile)
{
	struct loaded l = load("version: 1\ndefault: readonly\nhosts: {hmi: 10.1.0.1}\n"
		"assets:\n  a: {address: 10.2.0.1, modbus: {}}\n"
		"  b: {address: 10.2.0.2, modbus: {units: [1]}}\n"
		"  c: {address: 10.2.0.3, modbus: {}}\n"
		"  d: {address: 10.2.0.4, modbus: {units: [2]}}\n"
		"rules:\n  - {name: r, from: hmi, to: [c, d], action: allow, modbus: {functions: [6]}}\n"
		"  - {name: s, to: [c], action: allow, modbus: {functions: [5]}}\n");
	const struct compiled_policy *c = l.c;

	CHECK(c->profiles[c->assets[2].profile].flags & KS_PROFILE_UNITS);
	CHECK(c->profiles[c->assets[4].profile].flags & KS_PROFILE_UNITS);
	CHECK(!(c->profiles[c->assets[3].profile].flags & KS_PROFILE_UNITS));
	CHECK(c->assets[1].profile == c->assets[2].profile); /* alike but for the list */
	CHECK(c->n_pairs == 2);
	for (size_t i = 0; i < c->n_pairs; i++)
		CHECK(!(c->profiles[c->pair_profiles[i]].flags & KS_PROFILE_UNITS) ==
		      (c->pair_keys[i].asset == 3));
	unload(&l);
}

TEST(policy_settings_reach_the_tables)
{
	struct loaded l = load("version: 1\nmode: monitor\ndefault: allow\nunlisted: allow\nother: deny\n"
		"outbound: deny\nlink_follow: true\nethertypes: [arp, 0x9999]\nlimits: {flows: 128, event_rate: 7}\n"
		"assets:\n  a: {address: 10.2.0.1, modbus: {ports: [1502], units: [1, 200], opaque: [65], umas: true, framing: stream}}\n"
		"  b: {address: 10.2.0.2, enip: {io_ports: [3333]}}\n");
	const struct ks_asset_rec *a = &l.c->assets[1], *b = &l.c->assets[2];

	CHECK(l.c->mode == KS_MONITOR && l.c->limits.flows == 128 && l.c->limits.event_rate == 7);
	CHECK(l.c->limits.modbus_rings == KS_MODBUS_RINGS);
	CHECK(l.c->cfg->unlisted == KS_ALLOW && l.c->cfg->other == KS_DENY);
	CHECK(l.c->cfg->outbound == KS_DENY && l.c->cfg->dflt == KS_DEFAULT_ALLOW);
	CHECK(l.c->cfg->link_follow == 1);
	CHECK(!l.c->cfg->llc && l.c->cfg->assets == 2 && l.c->cfg->rules == 0);
	CHECK(l.c->cfg->ethertypes[0x806 >> 3] == 1 << (0x806 & 7));
	CHECK(l.c->cfg->ethertypes[0x9999 >> 3] == 1 << (0x9999 & 7));
	CHECK(l.c->cfg->ethertypes[0x88cc >> 3] == 0);
	CHECK(a->modbus_ports[0] == 1502 && !a->enip_ports[0] && !a->io_ports[0]);
	CHECK(a->has_units && a->units[0] == 2 && a->units[25] == 1 && a->opaque[11] == 4 && a->umas);
	CHECK(a->opaque[8] == 2 && !b->umas && !b->opaque[11]);
	CHECK(a->modbus_framing == KS_STREAM && a->modbus_split == KS_CARRY);
	CHECK(!b->modbus_ports[0] && b->enip_ports[0] == 44818 && b->io_ports[0] == 3333);
	CHECK(!b->has_units && b->modbus_split == KS_ASSEMBLE);
	CHECK(l.c->ports->proto[502] == KS_PORT_MODBUS && l.c->ports->proto[1502] == KS_PORT_MODBUS);
	CHECK(l.c->ports->proto[3333] == KS_PORT_IO && l.c->ports->proto[2222] == KS_PORT_IO);
	CHECK(l.c->ports->proto[44818] == KS_PORT_ENIP && !l.c->ports->proto[80]);
	CHECK(!strcmp(l.c->names[0].name, "default") && !strcmp(l.c->names[2].name, "b"));
	unload(&l);
}

TEST(policy_digest_is_sha256_of_the_text)
{
	static const uint8_t want[4] = { 0x29, 0xb3, 0x84, 0x0f };
	struct loaded l = load("version: 1\nassets: {plc: 10.2.0.1}\n");

	CHECK(!memcmp(l.c->cfg->digest, want, sizeof(want)));
	unload(&l);
}

/* ---- size ---- */

static char *big_policy(unsigned int rules, unsigned int assets)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "version: 1\nother: deny\nhosts:\n");
	for (unsigned int i = 0; i < 500; i++)
		fprintf(f, "  h%u: 10.1.%u.%u\n", i, i / 250, i % 250 + 1);
	fprintf(f, "groups: {g: [h1, h2, h3]}\nassets:\n");
	for (unsigned int i = 0; i < assets; i++)
		fprintf(f, "  a%u: 10.2.%u.%u\n", i, i / 250, i % 250 + 1);
	fprintf(f, "rules:\n");
	for (unsigned int i = 0; i < rules; i++)
		fprintf(f, "  - {name: r%u, from: %s%u, to: a%u, action: %s, modbus: {functions: [write], addresses: [%u-%u]}}\n",
			i, "h", i * 7 % 500, i * 13 % assets, i % 3 ? "allow" : "deny",
			i % 60000, i % 60000 + i % 50);
	fclose(f);
	return text;
}

TEST(policy_of_10000_rules_and_1000_assets_is_small)
{
	char *text = big_policy(10000, 1000);
	clock_t start = clock();
	struct loaded l = load(text);
	double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	size_t bytes = l.p->mem.total + l.c->mem.total;

	printf("# %.2f s under sanitizers, %zu MB, %zu rows, %zu ranges, %zu pairs\n", seconds,
	       bytes >> 20, l.c->n_modbus_rows, l.c->n_ranges, l.c->n_pairs);
	CHECK(seconds < 20);
	CHECK(bytes < 256u << 20);
	unload(&l);
	free(text);
}

TEST(policy_beyond_the_tables_is_refused_by_name)
{
	struct diags d;
	struct policy *p;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	/* 1,500 clients with a rule each toward 1,000 assets */
	fprintf(f, "version: 1\nassets:\n");
	for (int i = 0; i < 1000; i++)
		fprintf(f, "  a%d: 10.2.%d.%d\n", i, i / 250, i % 250);
	fprintf(f, "rules:\n");
	for (int i = 0; i < 1500; i++)
		fprintf(f, "  - {name: r%d, from: 10.1.%d.%d, action: allow}\n", i, i / 250, i % 250);
	fclose(f);
	diags_init(&d, "text");
	p = policy_parse_text(text, size, &d);
	CHECK(p && !policy_compile(p, &d));
	CHECK(d.errors == 1 && strstr(d.v[d.n - 1].message, "pairs of a client and an asset"));
	policy_free(p);
	diags_free(&d);
	free(text);
}

/* ---- helpers ---- */

static bool formats(const char *text, const char *want)
{
	struct prefix p;
	char buf[PREFIX_TEXT_MAX];

	return prefix_parse(text, strlen(text), &p) == PREFIX_OK &&
	       !strcmp(prefix_format(&p, buf), want);
}

TEST(addr_text_and_order)
{
	struct prefix a = address("10.0.0.0/9"), b = address("10.127.255.255"),
		      c = address("10.128.0.0"), d = address("::/0");

	CHECK(formats("10.1.2.3", "10.1.2.3") && formats("10.1.2.3/32", "10.1.2.3"));
	CHECK(formats("0.0.0.0/0", "0.0.0.0/0") && formats("2001:DB8::/32", "2001:db8::/32"));
	CHECK(prefix_contains(&a, &b) && !prefix_contains(&a, &c) && !prefix_contains(&b, &a));
	CHECK(!prefix_contains(&d, &b) && prefix_contains(&d, &d));
	CHECK(prefix_compare(&a, &b) < 0 && prefix_compare(&c, &d) < 0);
	CHECK(prefix_parse("10.0.0.1/8", 10, &a) == PREFIX_HOST_BITS && formats("10.0.0.0/8", "10.0.0.0/8"));
	CHECK(prefix_parse("::ffff:1.2.3.4", 14, &a) == PREFIX_MAPPED);
	CHECK(prefix_parse("10.0.0.1\0x", 10, &a) == PREFIX_SYNTAX);
}

TEST(diag_quotes_sorts_and_counts)
{
	struct diags d;
	const char *long_text = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";

	diags_init(&d, "f");
	CHECK(!strcmp(diag_quote(&d, "a\x1b[1m\n", 6), "a\\x1b[1m\\x0a"));
	CHECK(!strcmp(diag_quote(&d, "\xc2\x9bx\xc3\xa9", 5), "\\x9bx\xc3\xa9"));
	/* no UTF-8, and a mark of direction */
	CHECK(!strcmp(diag_quote(&d, "\xc3(\xe2\x80\xae", 5), "\\xc3(\\xe2\\x80\\xae"));
	CHECK(strlen(diag_quote(&d, long_text, strlen(long_text))) == 64 + 3);
	for (unsigned int i = 0; i < 3000; i++)
		diag_warning(&d, ((struct pos){ .line = 3000 - i, .col = 1 }), "w%u", i);
	diag_error(&d, ((struct pos){ .line = 5000, .col = 2 }), "the error");
	diags_sort(&d);
	CHECK(d.n == DIAGS_MAX + 1 && d.dropped[1] == 2000 && d.errors == 1);
	CHECK(d.v[0].at.line == 2001 && !strcmp(d.v[d.n - 1].message, "the error"));
	diags_free(&d);
}

int main(void)
{
	return test_run_all();
}
