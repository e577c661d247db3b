// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bindings of hosts, and conduits as blocks of ports that one look-up finds.
 * Must not look at rules.
 */
#include <arpa/inet.h>
#include <string.h>

#include "policy_compile.h"

#define PORTS			65536u
#define CONDUIT_KEYS_MAX	(1u << 20)

/* Equal bindings are one. */
void compile_bindings(struct compiler *k)
{
	static const struct ks_binding unused;
	const struct policy *p = k->p;
	struct pool pool;

	pool_init(&pool, &k->c->mem, sizeof(struct ks_binding));
	pool_put(&pool, &unused, 1);
	k->host_binding = arena_alloc(&k->tmp, (p->n_hosts + 1) * sizeof(uint32_t));
	for (size_t i = 0; i < p->n_hosts; i++)
		k->host_binding[i] = pool_put(&pool, &p->hosts[i].binding, 1);
	k->c->bindings = (void *)pool.data;
	k->c->n_bindings = pool.used;
	k->c->cfg->bound = pool.used > 1;
}

/* Ports of one pair of zones and one protocol: the first conduit that lists each. */
struct port_owners {
	uint32_t from, to;	/* zone numbers */
	uint8_t proto;
	uint32_t *owner;	/* [PORTS] */
};

static void own_ports(struct compiler *k, struct port_owners *o)
{
	const struct policy *p = k->p;

	memset(o->owner, 0, PORTS * sizeof(*o->owner));
	for (uint32_t c = 0; c < p->n_conduits; c++) {
		const struct policy_conduit *d = &p->conduits[c];
		bool pair = false;

		for (size_t i = 0; i < d->from.n && !pair; i++)
			for (size_t j = 0; j < d->to.n && !pair; j++)
				pair = d->from.v[i] + 1 == o->from && d->to.v[j] + 1 == o->to;
		for (size_t i = 0; pair && i < d->n_services; i++) {
			const struct service_range *r = &d->services[i];

			if (r->proto != o->proto)
				continue;
			for (uint32_t port = r->lo; port <= r->hi; port++) {
				if (o->owner[port])
					continue;
				o->owner[port] = c + 1;
				k->c->conduit_used[c + 1] = true;
			}
		}
	}
}

static void add_block(struct compiler *k, const struct port_owners *o, uint32_t port, uint32_t bits)
{
	struct compiled_policy *c = k->c;
	size_t n = c->n_conduit_keys;

	if (n == CONDUIT_KEYS_MAX) {
		compile_limit(k, CONDUIT_KEYS_MAX, "ranges of ports in conduits");
		return;
	}
	c->n_conduit_keys++;
	c->conduit_keys = arena_grow(&c->mem, c->conduit_keys, n, sizeof(*c->conduit_keys));
	c->conduit_ids = arena_grow(&c->mem, c->conduit_ids, n, sizeof(*c->conduit_ids));
	c->conduit_keys[n] = (struct ks_conduit_key){
		.prefixlen = KS_CONDUIT_PAIR_BITS + bits, .from = (uint16_t)o->from,
		.to = (uint16_t)o->to, .proto = o->proto, .port = htons((uint16_t)port),
	};
	c->conduit_ids[n] = o->owner[port];
}

/* Runs of one owner, each cut into the largest aligned blocks. */
static void add_blocks(struct compiler *k, const struct port_owners *o)
{
	for (uint32_t port = 0; port < PORTS && !k->failed;) {
		uint32_t end = port, size;

		while (end < PORTS && o->owner[end] == o->owner[port])
			end++;
		for (; port < end && o->owner[port]; port += size) {
			uint32_t bits = 16;

			for (size = 1; bits && !(port & (2 * size - 1)) && port + 2 * size <= end; size *= 2)
				bits--;
			add_block(k, o, port, bits);
		}
		port = end;
	}
}

void compile_conduits(struct compiler *k)
{
	const struct policy *p = k->p;
	struct port_owners o = { .owner = arena_alloc(&k->tmp, PORTS * sizeof(uint32_t)) };
	struct pool triples;	/* done already */

	pool_init(&triples, &k->tmp, sizeof(uint32_t) * 3);
	k->c->conduit_used = arena_alloc(&k->c->mem, p->n_conduits + 1);
	for (size_t c = 0; c < p->n_conduits; c++) {
		const struct policy_conduit *d = &p->conduits[c];

		for (size_t i = 0; i < d->from.n * d->to.n * d->n_services && !k->failed; i++) {
			uint32_t triple[3] = {
				d->from.v[i / d->n_services / d->to.n] + 1,
				d->to.v[i / d->n_services % d->to.n] + 1,
				d->services[i % d->n_services].proto,
			};
			size_t before = triples.n;

			pool_put(&triples, triple, 1);
			if (triples.n == before)
				continue;
			o.from = triple[0];
			o.to = triple[1];
			o.proto = (uint8_t)triple[2];
			own_ports(k, &o);
			add_blocks(k, &o);
		}
	}
}
