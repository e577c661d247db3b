// SPDX-License-Identifier: GPL-2.0-only
/*
 * Property test: random policies as text, random requests near their borders;
 * the compiled tables must answer as the reference does, rule by rule. The
 * seed of a run is printed; KEYSWITCH_SEED repeats one.
 */
#include <netinet/in.h>

#include "policy_built.h"
#include "policy_nodes.h"
#include "policy_random.h"
#include "policy_zones.h"

#define POLICIES	250
#define REQUESTS	400

static unsigned int conduits_asked, conduits_found;

static bool agree(const struct answer *a, const struct answer *b)
{
	return a->known == b->known && a->asset == b->asset && a->spoofed == b->spoofed &&
	       a->outside == b->outside &&
	       (!a->known || (a->allow == b->allow && a->rule == b->rule && a->alert == b->alert));
}

static void show(const struct text *t, const struct request *q, const struct answer *ref,
		 const struct answer *tab)
{
	char client[PREFIX_TEXT_MAX], server[PREFIX_TEXT_MAX];

	printf("%s", t->buf);
	printf("  %s -> %s unit %u fc %u sub %u at %u+%u (%u+%u); cip %d service %#x class %#x instance %u attribute %u tag %s route '%s'\n",
	       prefix_format(&q->client, client), prefix_format(&q->server, server), q->unit,
	       q->fc, q->sub, q->lo, q->n, q->wlo, q->wn, q->cip, q->service, q->class,
	       q->instance, q->attribute, q->tag, q->route);
	printf("  inner %d file %d type %#x %u:%u+%u\n", q->inner, q->has_file, q->type, q->file,
	       q->element, q->elements);
	printf("  writes");
	for (size_t i = 0; i < 8; i++)
		printf(" %#x", q->written[i]);
	printf("\n  reference: asset %u allow %d rule %u alert %u spoofed %d\n", ref->asset, ref->allow,
	       ref->rule, ref->alert, ref->spoofed);
	printf("  tables:    asset %u allow %d rule %u alert %u spoofed %d\n", tab->asset, tab->allow,
	       tab->rule, tab->alert, tab->spoofed);
}

/* ---- what every table must satisfy ---- */

static void check_slice(const struct compiled_policy *c, const struct ks_decision *d, int depth)
{
	uint32_t to = UINT32_MAX, refused = 0, first, last, end;

	CHECK(d->kind <= KS_K_VALUES);
	CHECK(d->rule <= c->cfg->rules && d->alert <= c->cfg->rules);
	if (d->kind == KS_K_VALUES) {
		if (CHECK(d->first < c->n_values && depth)) {
			CHECK(c->values[d->first].unknown.kind <= KS_K_ALLOW);
			check_slice(c, &c->values[d->first].known, 1);
		}
		return;
	}
	if (d->kind != KS_K_SLICE)
		return;
	check_look(c, d, 0, &first);
	check_look(c, d, UINT32_MAX, &last);
	if (!CHECK(depth < 2 && first <= last && last < c->n_ranges && last - first < KS_SLICE_MAX))
		return;
	CHECK(c->ranges[first].lo == 0);
	check_nodes(c, d, first, last);
	for (uint32_t i = last + 1; i-- > first;) {
		const struct ks_range *r = &c->ranges[i];

		end = i < last ? r[1].lo - 1 : UINT32_MAX;
		CHECK(i == first || r->lo > r[-1].lo);
		if (r->d.kind == KS_K_VALUES || r->d.flags || r->d.alert) {
			CHECK(r->to == end);
			CHECK(r->d.kind != KS_K_ALLOW || r->refused_rule == KS_RULE_WALK);
			to = r->lo - 1;
			refused = KS_RULE_WALK;
		} else if (r->d.kind == KS_K_ALLOW) {
			CHECK(r->to == to && r->refused_rule == refused);
		} else {
			CHECK(r->to == end);
			to = r->lo - 1;
			refused = r->d.rule;
		}
		check_slice(c, &r->d, depth + 1);
	}
}

/* The data path takes it so: what is written alone is no pair, what is read has no values. */
static void check_values(const struct compiled_policy *c, uint32_t fc, const struct ks_decision *d)
{
	uint32_t i, last;

	if (d->kind != KS_K_SLICE)
		return;
	last = slice_find(c->ranges, d, UINT32_MAX);
	for (i = slice_find(c->ranges, d, 0); i <= last; i++)
		if (c->ranges[i].d.kind == KS_K_VALUES)
			CHECK(fc == 16 || ((fc == 5 || fc == 6 || fc == 15 || fc == 22) &&
			      c->values[c->ranges[i].d.first].form == KS_VF_WORD));
}

static void check_tables(const struct compiled_policy *c)
{
	for (size_t i = 0; i < c->n_modbus_rows * 128; i++) {
		check_slice(c, &c->modbus[i], 1);
		check_values(c, i % 128, &c->modbus[i]);
	}
	for (size_t i = 0; i < c->n_cip_rows * c->cfg->leaves; i++)
		check_slice(c, &c->cip[i], 0);
	for (size_t i = 0; i < c->n_profiles; i++) {
		CHECK(c->profiles[i].mb_row < c->n_modbus_rows);
		CHECK(c->profiles[i].cip_row < c->n_cip_rows);
		CHECK(c->profiles[i].units < c->n_units);
		CHECK(c->profiles[i].routes + (c->profiles[i].routes ?
					       KS_ROUTE_NAMED + c->n_routes : 0) <=
		      c->n_route_rows);
	}
	for (size_t i = 0; i < c->n_route_rows; i++)
		CHECK(c->route_rows[i] < c->n_cip_rows);
	for (size_t i = 0; i < c->n_pairs; i++) {
		CHECK(c->pair_profiles[i] < c->n_profiles);
		CHECK(c->pair_keys[i].asset >= 1 && c->pair_keys[i].asset < c->n_assets);
		CHECK(c->pair_keys[i].client_class > 0);
	}
	for (size_t i = 1; i < c->n_assets; i++)
		CHECK(c->assets[i].profile < c->n_profiles);
	for (size_t i = 0; i < c->n_leaf_rows * 128; i++)
		CHECK(c->leaves[i].leaf < c->cfg->leaves);
}

/* A request that passes must not be in a profile that says nothing may. */
static void check_flags(const struct compiled_policy *c, const struct request *q)
{
	struct answer a = { .known = false };
	const struct ks_profile_rec *prof = tab_profile(c, q, &a);
	uint32_t want = !q->cip ? KS_PROFILE_MODBUS :
			q->class == KS_CLASS_IO ? KS_PROFILE_IO : KS_PROFILE_ENIP;

	CHECK(prof && prof->flags & want);
}

static bool compare_requests(const struct text *t, const struct policy *p,
			     const struct compiled_policy *c)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct request q;
		struct answer ref, tab;

		random_request(&q);
		ref = ref_answer(p, &q);
		tab = tab_answer(c, &q);
		if (!CHECK(agree(&ref, &tab))) {
			show(t, &q, &ref, &tab);
			return false;
		}
		/* addresses beyond 65535 do not count as a use of a rule */
		if (ref.known && q.lo < 65000)
			CHECK(c->rule_used[ref.rule] && c->rule_used[ref.alert ? ref.alert : ref.rule]);
		if (ref.known && ref.allow)
			check_flags(c, &q);
	}
	return true;
}

/* A port near the border of some service, or any. */
static uint32_t port_near(const struct policy *p, uint8_t *proto)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct policy_conduit *c = &p->conduits[any((uint32_t)p->n_conduits)];
	const struct service_range *r = &c->services[any((uint32_t)c->n_services)];

	*proto = any(8) ? r->proto : PICK(protos);
	if (*proto == IPPROTO_ICMP)
		return 0;
	return ((any(2) ? r->lo : r->hi) + (any(3) ? any(3) : any(2000)) - 1) & 65535;
}

/* Conduits: the trie's blocks, and what `explain` says, against the text's words. */
static bool compare_conduits(const struct text *t, const struct policy *p,
			     const struct compiled_policy *c)
{
	for (int i = 0; i < REQUESTS && p->n_conduits; i++) {
		struct request q;
		uint32_t port, ref, tab, said;
		uint8_t proto;

		random_request(&q);
		if (any(2)) {
			struct prefix back = q.client;

			q.client = q.server;
			q.server = back;
		}
		port = port_near(p, &proto);
		ref = ref_conduit(p, &q.client, &q.server, proto, port);
		tab = tab_conduit(c, &q.client, &q.server, proto, port);
		said = policy_conduit_for(p, policy_zone_at(p, &q.client),
					  policy_zone_at(p, &q.server), proto, (uint16_t)port);
		conduits_asked++;
		conduits_found += ref != 0;
		if (!CHECK(ref == tab && ref == said) || !CHECK(!ref || c->conduit_used[ref])) {
			printf("%sproto %u port %u: reference %u tables %u explain %u\n", t->buf, proto,
			       port, ref, tab, said);
			return false;
		}
	}
	return true;
}

static void run_seed(uint64_t start)
{
	static struct text t;

	seed = start ? start : 1;
	conduits_asked = conduits_found = 0;
	for (int i = 0; i < POLICIES; i++) {
		struct built b;
		bool good;

		write_policy(&t);
		good = build(&b, t.buf, t.n);
		if (good) {
			check_tables(b.c);
			policy_lint(b.p, b.c, &b.d);
			good = compare_requests(&t, b.p, b.c) && compare_conduits(&t, b.p, b.c);
		}
		built_free(&b);
		if (!good)
			return;
	}
}

/* A test that meets no conduit, or nothing else, proves nothing. */
static void check_shares(void)
{
	CHECK(conduits_asked > 20 * REQUESTS && conduits_found > conduits_asked / 10 &&
	      conduits_found < conduits_asked / 10 * 9);
}

TEST(policy_tables_equal_reference_fixed_seed)
{
	run_seed(20261122);
	check_shares();
}

TEST(policy_tables_equal_reference_random_seed)
{
	run_seed(random_start());
	check_shares();
}

int main(void)
{
	return test_run_all();
}
