// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer entry for the policy parser and compiler (user/policy*.c): the input
 * is a policy file. Either there is a tree or an error is said, at a place that
 * the file has and in text that JSON takes; what parses also compiles; and the
 * tables answer requests near the policy's own borders as the rules say, walked
 * one by one (selftests/unit/policy_eval.h).
 */
#include "fuzz.h"

#include "../../user/policy_fmt.h"
#include "../unit/policy_eval.h"

/*
 * libfyaml 0.7.12 loses 1 KiB for a scalar with many escapes (fy_atom_format_text);
 * the stack of that block ends inside the library, so no suppression matches it. All
 * memory of the policy itself is in arenas, and the unit tests look for leaks.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

#define REQUESTS	64
#define VALUES		64

/* Numbers that the policy's rules mention, each with its neighbours. */
struct values {
	uint32_t v[VALUES];
	size_t n;
};

static uint64_t dice;

static uint32_t any(uint32_t n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)((dice * 0x2545f4914f6cdd1du) >> 33) % n;
}

static void value_add(struct values *s, uint32_t value)
{
	if (s->n < VALUES)
		s->v[s->n++] = value;
}

static void values_add(struct values *s, const struct spans *from)
{
	for (size_t i = 0; i < from->n; i++) {
		value_add(s, from->v[i].lo - 1);
		value_add(s, from->v[i].lo);
		value_add(s, from->v[i].hi);
		value_add(s, from->v[i].hi + 1);
	}
}

/* One of them; modulo limit, which is a power of two or 0 for no limit. */
static uint32_t value(const struct values *s, uint32_t limit)
{
	uint32_t v = s->n && any(4) ? s->v[any((uint32_t)s->n)] : any(8);

	return limit ? v & (limit - 1) : v;
}

struct borders {
	struct values bits, elements, units, functions, services, classes, instances, attributes;
	const char *tag[16], *route[16];
	size_t n_tags, n_routes;
};

static void borders_of_modbus(struct borders *b, const struct modbus_match *m)
{
	values_add(&b->units, &m->units);
	for (size_t i = 0; i < m->n_functions; i++)
		if (m->functions[i].kind != FN_GROUP)
			value_add(&b->functions, m->functions[i].code);
	for (size_t i = 0; i < m->n_addresses; i++)
		values_add(&b->elements, &(struct spans){ &m->addresses[i].span, 1 });
	if (m->values)
		values_add(&b->bits, &m->values->bits);
}

static void borders_of_routes(struct borders *b, const struct routes *r)
{
	for (size_t i = 0; i < r->n && b->n_routes < 16; i++)
		b->route[b->n_routes++] = r->v[i];
}

static void borders_of_cip(struct borders *b, const struct cip_match *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		if (m->services[i].kind == SV_CODE)
			value_add(&b->services, m->services[i].code);
	for (size_t i = 0; i < m->classes.n; i++)
		value_add(&b->classes, m->classes.v[i].lo);
	values_add(&b->instances, &m->instances);
	values_add(&b->attributes, &m->attributes);
	for (size_t i = 0; i < m->n_tags && b->n_tags < 16; i++)
		b->tag[b->n_tags++] = m->tags[i];
	borders_of_routes(b, &m->routes);
}

static void borders_of(struct borders *b, const struct policy *p)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < p->n_rules; i++) {
		if (p->rules[i].modbus)
			borders_of_modbus(b, p->rules[i].modbus);
		if (p->rules[i].cip)
			borders_of_cip(b, p->rules[i].cip);
	}
	for (size_t i = 0; i < p->n_assets; i++)
		borders_of_routes(b, &p->assets[i].routes);
}

/* Inside a prefix or, with its last bit turned, beside it. */
static struct prefix near(const struct prefixes *l)
{
	static const struct prefix nowhere = { .family = 4, .len = 32, .addr = { 198, 51, 100, 1 } };
	struct prefix a = l->n ? l->v[any((uint32_t)l->n)] : nowhere;
	unsigned int bit;

	if (a.len && !any(4)) {
		bit = a.len - 1;
		a.addr[bit / 8] ^= 0x80 >> bit % 8;
	}
	a.len = a.family == 4 ? 32 : 128;
	return a;
}

static struct prefix client_of(const struct policy *p)
{
	const struct policy_rule *r = p->n_rules ? &p->rules[any((uint32_t)p->n_rules)] : NULL;
	struct prefix literal;

	if (r && r->n_from && any(2)) {
		const struct source *s = &r->from[any((uint32_t)r->n_from)];

		literal = s->literal;
		if (s->kind == SOURCE_LITERAL)
			return near(&(struct prefixes){ .v = &literal, .n = 1 });
	}
	if (p->n_hosts && any(4))
		return near(&p->hosts[any((uint32_t)p->n_hosts)].addrs);
	return near(&p->protected);
}

static void request(const struct policy *p, const struct borders *b, struct request *q)
{
	static const uint32_t codes[] = { 3, 6, 8, 16, 23, 23, 43, 90, 20, 1, 5, 100 };
	static const uint32_t wire[] = { 1, 2, 6, 0x6b, KS_CLASS_TAG, KS_CLASS_TAG, KS_CLASS_ENCAP,
					 KS_CLASS_IO, KS_CLASS_OPEN, KS_CLASS_NONE };
	static const uint32_t services[] = { 0x0e, 0x10, 0x4c, 0x4d, 0x4e, 0x54, 0x63, 1, 5 };

	memset(q, 0, sizeof(*q));
	q->client = client_of(p);
	q->server = any(8) ? near(&p->assets[any((uint32_t)p->n_assets)].addrs) : near(&p->local);
	q->cip = any(2);
	q->unit = (uint8_t)value(&b->units, 256);
	q->fc = any(2) ? codes[any(12)] : value(&b->functions, 128);
	q->fc += !q->fc;
	q->sub = ref_has_sub(q->fc) ? (uint32_t[]){ 0, 1, 4, 14, 0x41 }[any(5)] : 0;
	q->lo = value(&b->elements, 65536);
	q->n = 1 + any(4);
	q->wlo = value(&b->elements, 65536);
	q->wn = 1 + any(4);
	q->service = any(2) ? services[any(9)] : value(&b->services, 128);
	q->class = b->classes.n && any(2) ? b->classes.v[any((uint32_t)b->classes.n)] : wire[any(10)];
	if (q->class == KS_CLASS_IO)
		q->service = any(3);
	q->instance = any(4) ? value(&b->instances, 0) : KS_NO_VALUE;
	q->attribute = any(4) ? value(&b->attributes, 0) : KS_NO_VALUE;
	q->tag = b->n_tags && any(4) ? b->tag[any((uint32_t)b->n_tags)] : "Other";
	for (size_t i = 0; i < 8; i++) /* no request here has more elements */
		q->written[i] = (uint16_t)(any(2) ? value(&b->bits, 65536) : value(&b->bits, 0) >> 16);
	if (q->fc == 22)
		q->written[0] &= 0x000f; /* the reference asks for each number in between */
	if (q->fc == 5 || q->fc == 6 || q->fc == 22)
		q->n = 1;
	for (size_t i = 0; i < 8 && (q->fc == 5 || q->fc == 15); i++)
		q->written[i] &= 1;
	q->route = b->n_routes && any(2) ? b->route[any((uint32_t)b->n_routes)] :
		   any(2) ? "" : "9/9";
}

/* Conduits between the policy's own addresses, at the borders of their ports. */
static void check_conduits(const struct policy *p, const struct compiled_policy *c)
{
	for (int i = 0; i < REQUESTS && p->n_conduits; i++) {
		const struct policy_conduit *k = &p->conduits[any((uint32_t)p->n_conduits)];
		const struct service_range *r = &k->services[any((uint32_t)k->n_services)];
		struct prefix from = near(&p->zones[any((uint32_t)p->n_zones)].addrs);
		struct prefix to = near(&p->zones[any((uint32_t)p->n_zones)].addrs);
		uint32_t port = ((any(2) ? r->lo : r->hi) + any(3) - 1) & 65535;

		MUST(ref_conduit(p, &from, &to, r->proto, port) ==
		     tab_conduit(c, &from, &to, r->proto, port));
	}
}

static void check_answers(const struct policy *p, const struct compiled_policy *c)
{
	struct borders b;
	struct answer ref, tab;
	struct request q;

	if (!p->n_assets || p->n_rules > 256)	/* what ref_answer() looks at */
		return;
	memcpy(&dice, p->digest, sizeof(dice));
	dice |= 1;
	borders_of(&b, p);
	for (int i = 0; i < REQUESTS; i++) {
		request(p, &b, &q);
		ref = ref_answer(p, &q);
		tab = tab_answer(c, &q);
		MUST(ref.known == tab.known && ref.asset == tab.asset);
		MUST(ref.spoofed == tab.spoofed && ref.outside == tab.outside);
		MUST(!ref.known || (ref.allow == tab.allow && ref.rule == tab.rule &&
				    ref.alert == tab.alert));
	}
	check_conduits(p, c);
}

static bool has_values(const struct policy *p)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].modbus && p->rules[i].modbus->values)
			return true;
	return false;
}

static void check_diagnostics(const struct diags *d, const uint8_t *text, size_t size)
{
	json_t *array = json_array();
	uint32_t lines = 2;	/* libfyaml names the end as a line of its own */

	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n' || text[i] == '\r';
	for (size_t i = 0; i < d->n; i++) {
		MUST(d->v[i].at.line <= lines && d->v[i].at.col <= size + 2);
		MUST(d->v[i].message[0] && !strchr(d->v[i].message, '\n'));
	}
	MUST(array && diags_json(d, array) == 0);
	json_decref(array);
}

/* What is a policy has a layout, which is its own layout. */
static void check_layout(const uint8_t *text, size_t size)
{
	struct arena mem = { 0 };
	size_t once_len = 0, twice_len = 0;
	char *once = policy_fmt((const char *)text, size, &mem, &once_len), *twice;

	MUST(once);
	twice = policy_fmt(once, once_len, &mem, &twice_len);
	MUST(twice && once_len == twice_len && !memcmp(once, twice, once_len));
	arena_free(&mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct compiled_policy *c = NULL;
	struct policy *p;
	struct diags d;
	char *copy = malloc(size + 1);

	MUST(copy);
	memcpy(copy, data, size);
	diags_init(&d, "input");
	p = policy_parse_text((const char *)data, size, &d);
	MUST(!p == (d.errors != 0));
	if (p) {
		c = policy_compile(p, &d);
		MUST(!c == (d.errors != 0));
		/* one address taken as numbers of two kinds is found by the compiler alone */
		MUST(c || (has_values(p) && strstr(d.v[d.n - 1].message, "one type of values")));
	}
	if (c) {
		policy_lint(p, c, &d);
		MUST(!d.errors);
		check_answers(p, c);
	}
	if (p) {
		check_layout(data, size);
	}
	diags_sort(&d);
	diags_take_text(&d, copy, size);
	check_diagnostics(&d, data, size);
	compiled_policy_free(c);
	policy_free(p);
	diags_free(&d);
	return 0;
}
