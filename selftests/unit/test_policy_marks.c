// SPDX-License-Identifier: GPL-2.0-only
/*
 * struct ks_pol_marked, by which the data path lets traffic go that no record is asked for: over
 * random policies it may never hide an asset, or a sender from behind the gateway.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "../../user/policy_lookup.h"
#include "policy_borders.h"
#include "policy_built.h"

#define POLICIES	400
#define ADDRESSES	400
#define SHARE_MIN	20	/* % of addresses with, and without, a mark */

static struct {
	unsigned int asked, marked;
} sum;

static bool bit(const uint8_t *bits, uint32_t at)
{
	return bits[at >> 3] >> (at & 7) & 1;
}

/* As policy_marked() of the data path asks for an address that is the server, the client. */
static bool asset_marked(const struct ks_pol_marked *m, const struct prefix *p)
{
	uint32_t w[4];

	prefix_key(p, (uint8_t *)w);
	return bit(m->assets, ks_mark(w[0] ^ w[1] ^ w[2] ^ w[3], KS_ASSET_BITS));
}

static bool region_marked(const struct ks_pol_marked *m, const struct prefix *p)
{
	uint32_t w[4];

	prefix_key(p, (uint8_t *)w);
	return p->family == 4 ? bit(m->region4, ntohl(w[3]) >> 16) :
				bit(m->region6, ks_mark(w[0] ^ w[1], KS_REGION_BITS));
}

static bool one_address(const struct compiled_policy *c, const struct prefix *p)
{
	const struct ks_addr_rec *rec = policy_record(c, p);
	bool asset = asset_marked(c->marked, p), region = region_marked(c->marked, p);

	sum.asked += 2;
	sum.marked += asset + region;
	return CHECK(!rec || !rec->asset || asset) &&
	       CHECK(!rec || !(rec->flags & KS_ADDR_PROTECTED) || region);
}

static struct prefix some_address(const struct policy *p)
{
	struct prefix address;
	struct request q;

	if (p->protected.n && any(3) == 0)
		return border_address(&p->protected.v[any((uint32_t)p->protected.n)]);
	border_request(p, &q);
	address = any(2) ? q.server : q.client;
	if (any(2))
		address.addr[any(prefix_width(&address) / 8)] ^= (uint8_t)(1u << any(8));
	return address;
}

static void one_policy(void)
{
	static struct text t;
	struct built b;

	write_policy(&t);
	build(&b, t.buf, t.n);
	for (int i = 0; b.c && i < ADDRESSES; i++) {
		struct prefix address = some_address(b.p);

		if (one_address(b.c, &address))
			continue;
		printf("%s", t.buf);
		break;
	}
	built_free(&b);
}

TEST(marks_hide_no_asset_and_no_protected_sender)
{
	seed = 20261128;
	for (int i = 0; i < POLICIES && !test_bad_checks; i++)
		one_policy();
	printf("# %u asked, %u %% marked\n", sum.asked, 100 * sum.marked / sum.asked);
	CHECK(100 * sum.marked >= SHARE_MIN * sum.asked);
	CHECK(100 * sum.marked <= (100 - SHARE_MIN) * sum.asked);
}

static struct prefix single(const char *text)
{
	struct prefix p = { .family = strchr(text, ':') ? 6 : 4 };

	CHECK(inet_pton(p.family == 6 ? AF_INET6 : AF_INET, text, p.addr) == 1);
	p.len = (uint8_t)prefix_width(&p);
	return p;
}

/* Prefixes of many regions and hosts, IPv6, and IPv4 in IPv6's clothes. */
TEST(marks_of_prefixes)
{
	static const struct {
		const char *address;
		bool asset, region;
	} cases[] = {
		{ "10.40.15.255", true, true }, { "10.40.16.9", false, true },
		{ "10.44.3.1", false, true }, { "10.31.255.255", false, false },
		{ "10.48.0.0", false, false }, { "192.0.2.1", false, false },
		{ "fd00:0:0:11::5", true, true }, { "fd00:0:0:11::6", false, true },
		{ "fd01:0:0:fff::1", false, true }, { "fd02::1", false, false },
		{ "::ffff:10.40.0.1", true, true },
	};
	static const char text[] =
		"version: 1\n"
		"protected: [10.32.0.0/12, 'fd00:0:0:10::/60', 'fd01::/52']\n"
		"assets: {a: {address: ['10.40.0.0/20', 'fd00:0:0:11::5'], modbus: {}}}\n";
	struct built b;

	build(&b, text, strlen(text));
	for (size_t i = 0; b.c && i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix a = single(cases[i].address);

		CHECK_AT(asset_marked(b.c->marked, &a) == cases[i].asset, i);
		CHECK_AT(region_marked(b.c->marked, &a) == cases[i].region, i);
	}
	built_free(&b);
}

/* So wide that all is marked. */
TEST(marks_of_wide_prefixes)
{
	static const char text[] = "version: 1\nprotected: 'fd00::/16'\n"
				   "assets: {a: {address: 10.0.0.0/8, modbus: {}}}\n";
	struct prefix net4 = single("10.200.7.9"), net6 = single("fd00:7:9::1");
	struct built b;

	build(&b, text, strlen(text));
	CHECK(b.c && asset_marked(b.c->marked, &net4));
	CHECK(b.c && region_marked(b.c->marked, &net6));
	built_free(&b);
}

int main(void)
{
	return test_run_all();
}
