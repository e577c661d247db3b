// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry of the comparison, see policy_diff.h: every kind of client against every kind of
 * server, each pair of accesses compared once. Must not print.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_diff_parts.h"

struct pair {
	struct ks_pair_key key;
	uint32_t profile;
};

struct pairing {
	struct policy_diff *d;
	struct arena tmp;
	struct pair *pair[DIFF_SIDES];	/* sorted */
	struct pool assets;		/* what is looked at of an asset, entry 0 = nothing */
	struct pool known;		/* what was compared already ... */
	struct numbers result;		/* ... and its items, entry of lists, same index */
	struct pool lists;
	struct pool present;		/* items of the present server ... */
	bool alerts;			/* some rule marks requests: that is compared, too */
	struct numbers *clients;	/* ... and the clients that have them, same index */
	size_t n_present;
	struct diff_group *found;	/* one server each */
	size_t n_found;
};

static int compare_pairs(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;

	if (a->key.asset != b->key.asset)
		return a->key.asset < b->key.asset ? -1 : 1;
	return a->key.client_class < b->key.client_class ? -1 :
	       a->key.client_class > b->key.client_class;
}

static void sort_pairs(struct pairing *x, enum diff_sides s)
{
	const struct compiled_policy *c = x->d->side[s].c;

	x->pair[s] = arena_alloc(&x->tmp, (c->n_pairs + 1) * sizeof(struct pair));
	for (size_t i = 0; i < c->n_pairs; i++)
		x->pair[s][i] = (struct pair){ c->pair_keys[i], c->pair_profiles[i] };
	if (c->n_pairs)
		qsort(x->pair[s], c->n_pairs, sizeof(struct pair), compare_pairs);
}

static uint32_t profile_of(const struct pairing *x, enum diff_sides s, uint32_t class,
			   uint32_t asset)
{
	const struct compiled_policy *c = x->d->side[s].c;
	const struct pair key = { .key = { class, asset } };
	const struct pair *hit = bsearch(&key, x->pair[s], c->n_pairs, sizeof(key),
					 compare_pairs);

	return hit ? hit->profile : c->assets[asset].profile;
}

static struct access access_of(const struct pairing *x, enum diff_sides s,
			       const struct diff_client *client, const struct diff_server *server,
			       enum diff_kind kind)
{
	const struct diff_side *side = &x->d->side[s];
	uint32_t asset = server->asset[s];
	bool speaks = asset && (kind == DIFF_MODBUS ? side->p->assets[asset - 1].modbus :
						      side->p->assets[asset - 1].enip);

	if (client->protected[s])
		return (struct access){ .why = DIFF_SPOOFED };
	if (client->outside[s] || server->outside[s])
		return (struct access){ .why = DIFF_OUTSIDE };
	if (!speaks)
		return (struct access){ .why = side->c->cfg->unlisted == KS_ALLOW ?
					       DIFF_LISTED : DIFF_UNLISTED };
	return (struct access){
		.asset = asset, .profile = profile_of(x, s, client->class[s], asset),
	};
}

/* Two assets that answer to the same units and functions are alike. */
static uint32_t alike_asset(struct pairing *x, enum diff_sides s, const struct access *a)
{
	struct ks_asset_rec rec = { 0 };
	const struct ks_asset_rec *own = &x->d->side[s].c->assets[a->asset];

	if (a->why)
		return 0;
	rec.has_units = own->has_units;
	rec.umas = own->umas;
	memcpy(rec.units, own->units, sizeof(rec.units));
	memcpy(rec.opaque, own->opaque, sizeof(rec.opaque));
	return pool_put(&x->assets, &rec, 1) + 1;
}

static uint32_t put_items(struct pairing *x, const struct items *items)
{
	struct numbers list = { 0 };

	for (size_t i = 0; i < items->n; i++)
		numbers_add(&x->tmp, &list, pool_put(&x->d->items, &items->v[i], 1));
	return pool_put(&x->lists, list.v, (uint32_t)list.n);
}

static uint32_t compare_access(struct pairing *x, enum diff_kind kind,
			       const struct diff_view view[DIFF_SIDES])
{
	uint32_t key[8] = { kind, [7] = view->alerts }, id;
	struct items items = { .mem = &x->tmp };

	for (int s = 0; s < DIFF_SIDES; s++) {
		key[1 + 3 * s] = view[s].a.why;
		key[2 + 3 * s] = view[s].a.profile;
		key[3 + 3 * s] = alike_asset(x, s, &view[s].a);
	}
	id = pool_put(&x->known, key, 1);
	if (id < x->result.n)
		return x->result.v[id];
	if (kind == DIFF_MODBUS)
		diff_modbus(x->d, view, &items);
	else
		diff_cip(x->d, view, &items);
	items_join(x->d, &items);
	numbers_add(&x->tmp, &x->result, put_items(x, &items));
	return x->result.v[id];
}

static void note_client(struct pairing *x, uint32_t list, uint32_t client)
{
	uint32_t n, id;
	const uint32_t *items = pool_get(&x->lists, list, &n);

	for (uint32_t i = 0; i < n; i++) {
		id = pool_put(&x->present, &items[i], 1);
		if (id == x->n_present) {
			x->clients = arena_grow(&x->tmp, x->clients, id, sizeof(*x->clients));
			x->clients[x->n_present++] = (struct numbers){ 0 };
		}
		numbers_add(&x->tmp, &x->clients[id], client);
	}
}

static void compare_pair(struct pairing *x, uint32_t client, uint32_t server)
{
	struct policy_diff *d = x->d;
	const struct diff_client *from = pool_get(&d->clients, client, NULL);
	const struct diff_server *to = pool_get(&d->servers, server, NULL);

	for (enum diff_kind kind = DIFF_MODBUS; kind <= DIFF_CIP; kind++) {
		struct diff_view view[DIFF_SIDES];

		for (int alerts = 0; alerts <= x->alerts; alerts++) {
			for (int s = 0; s < DIFF_SIDES; s++)
				view[s] = (struct diff_view){ d->side[s].c,
							      access_of(x, s, from, to, kind),
							      alerts };
			note_client(x, compare_access(x, kind, view), client);
		}
	}
}

static void compare_server(struct pairing *x, uint32_t server)
{
	struct policy_diff *d = x->d;
	const struct diff_server *to = pool_get(&d->servers, server, NULL);

	if (!to->asset[DIFF_OLD] && !to->asset[DIFF_NEW])
		return;		/* said once, as the change of `unlisted` */
	pool_init(&x->present, &x->tmp, sizeof(uint32_t));
	x->n_present = 0;
	for (uint32_t c = 0; c < d->clients.n; c++)
		if (d->client_families.v[c] & d->server_families.v[server])
			compare_pair(x, c, server);
	for (uint32_t i = 0; i < x->n_present; i++) {
		x->found = arena_grow(&x->tmp, x->found, x->n_found, sizeof(*x->found));
		x->found[x->n_found++] = (struct diff_group){
			.item = *(uint32_t *)pool_get(&x->present, i, NULL), .servers = server,
			.clients = pool_put(&d->sets, x->clients[i].v, (uint32_t)x->clients[i].n),
		};
	}
}

static int compare_found(const void *pa, const void *pb)
{
	const struct diff_group *a = pa, *b = pb;

	if (a->clients != b->clients)
		return a->clients < b->clients ? -1 : 1;
	if (a->item != b->item)
		return a->item < b->item ? -1 : 1;
	return a->servers < b->servers ? -1 : a->servers > b->servers;
}

static int compare_groups(const void *pa, const void *pb)
{
	const struct diff_group *a = pa, *b = pb;

	if (a->clients != b->clients)
		return a->clients < b->clients ? -1 : 1;
	if (a->servers != b->servers)
		return a->servers < b->servers ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

/* Servers with the same change for the same clients are said together. */
static void make_groups(struct pairing *x)
{
	struct policy_diff *d = x->d;

	if (x->n_found)
		qsort(x->found, x->n_found, sizeof(*x->found), compare_found);
	for (size_t i = 0, n; i < x->n_found; i += n) {
		struct numbers servers = { 0 };

		for (n = 0; i + n < x->n_found && x->found[i + n].item == x->found[i].item &&
		     x->found[i + n].clients == x->found[i].clients; n++)
			numbers_add(&x->tmp, &servers, x->found[i + n].servers);
		d->groups = arena_grow(&d->mem, d->groups, d->n_groups, sizeof(*d->groups));
		d->groups[d->n_groups++] = (struct diff_group){
			.clients = x->found[i].clients, .item = x->found[i].item,
			.servers = pool_put(&d->sets, servers.v, (uint32_t)servers.n),
		};
	}
	if (d->n_groups)
		qsort(d->groups, d->n_groups, sizeof(*d->groups), compare_groups);
}

uint32_t diff_families(const struct policy_diff *d, uint32_t servers)
{
	uint32_t n, all = 0;
	const uint32_t *v = pool_get(&d->sets, servers, &n);

	for (uint32_t i = 0; i < n; i++)
		all |= d->server_families.v[v[i]];
	return all;
}

void policy_diff(struct policy_diff *d, const struct diff_side *was,
		 const struct diff_side *now)
{
	struct pairing x = { .d = d };

	*d = (struct policy_diff){ .side = { *was, *now } };
	pool_init(&d->sets, &d->mem, sizeof(uint32_t));
	pool_init(&d->boxes, &d->mem, sizeof(struct diff_box));
	pool_init(&d->items, &d->mem, sizeof(struct diff_item));
	pool_init(&x.lists, &x.tmp, sizeof(uint32_t));
	pool_init(&x.assets, &x.tmp, sizeof(struct ks_asset_rec));
	pool_init(&x.known, &x.tmp, 8 * sizeof(uint32_t));
	diff_regions(d);
	diff_names(d);
	for (enum diff_sides s = 0; s < DIFF_SIDES; s++) {
		sort_pairs(&x, s);
		for (size_t i = 0; i < d->side[s].p->n_rules; i++)
			x.alerts |= d->side[s].p->rules[i].alert;
	}
	for (uint32_t server = 0; server < d->servers.n; server++)
		compare_server(&x, server);
	make_groups(&x);
	diff_settings(d);
	arena_free(&x.tmp);
}

void policy_diff_free(struct policy_diff *d)
{
	arena_free(&d->mem);
	*d = (struct policy_diff){ 0 };
}
