// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading of the flow tables, see flows.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/states.h"
#include "batch.h"
#include "clock.h"
#include "flows.h"

struct reader {
	struct flow_rows *rows;
	const struct counters *c;
	const struct flow_filter *filter;
	uint64_t now;
	uint32_t same[KS_SLOTS];	/* generations in which an asset id means what it means now */
};

/* An asset's number is of the policy that the connection was looked up in last. */
static void find_generations(struct reader *r)
{
	for (uint32_t slot = 0; slot < KS_SLOTS; slot++) {
		struct ks_pol_cfg *cfg = instance_policy(r->c->in, slot);

		if (cfg && cfg->numbering == r->c->names.numbering)
			r->same[slot] = cfg->generation;
		free(cfg);
	}
}

static const char *asset_of(const struct reader *r, const struct ks_flow *f)
{
	for (uint32_t slot = 0; slot < KS_SLOTS; slot++)
		if (r->same[slot] && r->same[slot] == f->generation)
			return names_asset(&r->c->names, f->asset);
	return NULL;
}

static const char *state_of(const struct ks_flow *f)
{
	switch (f->state) {
	case KS_S_SYN_SENT:
	case KS_S_SYNACKED:
		return "opening";
	case KS_S_ESTAB:
		return f->flags & (KS_F_CFIN | KS_F_SFIN) || f->close & KS_CL_SHORT ? "closing" :
										      "open";
	case KS_S_CLOSED:
		return "closed";
	case KS_S_KILLED:
		return "killed";
	case KS_S_OUTBOUND:
		return "outbound";
	default:
		return NULL; /* on its way into the table, or out of it */
	}
}

/* The value was copied while packets wrote it: what is of two moments is not shown. */
static int64_t distance(uint32_t from, uint32_t to, const struct ks_flow *f)
{
	bool known = !(f->flags & (KS_F_AUDIT | KS_F_LOST)) && f->state != KS_S_SYN_SENT &&
		     f->state != KS_S_OUTBOUND;

	return known ? (int64_t)(uint32_t)(to - from - 1) : -1;
}

static int keep(struct reader *r, struct flow_row *row, const struct ks_flow *f)
{
	struct flow_rows *rows = r->rows;

	row->state = state_of(f);
	if (!row->state)
		return 0;
	row->asset = asset_of(r, f);
	row->proto = name_proto(f->proto);
	row->idle = r->now > f->t_last ? r->now - f->t_last : 0;
	row->age = r->now / KS_SECOND > f->begun ? r->now / KS_SECOND - f->begun : 0;
	row->sent = distance(f->iss, f->c_nxt, f);
	row->replied = distance(f->irs, f->s_nxt, f);
	row->adopted = f->flags & KS_F_AUDIT;
	row->waits = f->state == KS_S_ESTAB &&
		     (f->refused || (f->told.bytes && f->told.seq == f->c_nxt));
	rows->all++;
	rows->open += f->state == KS_S_ESTAB;
	rows->adopted += row->adopted;
	if (r->filter->client && !prefix_contains(r->filter->client, &row->client))
		return 0;
	if (r->filter->asset && (!row->asset || strcmp(row->asset, r->filter->asset)))
		return 0;
	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 256;
		struct flow_row *v = reallocarray(rows->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		rows->v = v;
		rows->room = room;
	}
	rows->v[rows->n++] = *row;
	return 0;
}

static void set_link(struct flow_row *row, __be16 cport, __be16 sport, uint32_t link)
{
	row->cport = ntohs(cport);
	row->sport = ntohs(sport);
	row->vlan[0] = link >> 12 & 0xfff;
	row->vlan[1] = link & 0xfff;
}

static void name4(struct flow_row *row, const struct ks_key6 *key)
{
	struct ks_key4 k;

	memcpy(&k, key, sizeof(k));
	row->client = row->server = (struct prefix){ .family = 4, .len = 32 };
	memcpy(row->client.addr, &k.client, 4);
	memcpy(row->server.addr, &k.server, 4);
	set_link(row, k.cport, k.sport, k.link);
}

static void name6(struct flow_row *row, const struct ks_key6 *k)
{
	row->client = row->server = (struct prefix){ .family = 6, .len = 128 };
	memcpy(row->client.addr, k->client, 16);
	memcpy(row->server.addr, k->server, 16);
	set_link(row, k->cport, k->sport, k->link);
}

static int take(void *arg, const void *number, const void *value)
{
	const struct ks_flow *f = value;
	struct flow_row row = { 0 };

	(void)number;
	if (f->family == 4)
		name4(&row, &f->key);
	else if (f->family == 6)
		name6(&row, &f->key);
	else
		return 0;
	return keep(arg, &row, f);
}

static int latest_first(const void *a, const void *b)
{
	const struct flow_row *x = a, *y = b;
	int order;

	if (x->idle != y->idle)
		return x->idle < y->idle ? -1 : 1;
	order = prefix_compare(&x->client, &y->client);
	return order ? order : (int)x->cport - (int)y->cport;
}

int flow_rows_read(struct flow_rows *rows, const struct counters *c,
		   const struct flow_filter *filter)
{
	struct reader r = { .rows = rows, .c = c, .filter = filter, .now = clock_monotonic() };
	int err;

	*rows = (struct flow_rows){ 0 };
	find_generations(&r);
	err = batch_each(c->in->fd[MAP_flows], sizeof(uint32_t), sizeof(struct ks_flow), take, &r);
	if (rows->n)
		qsort(rows->v, rows->n, sizeof(*rows->v), latest_first);
	return err;
}

void flow_rows_free(struct flow_rows *rows)
{
	free(rows->v);
	*rows = (struct flow_rows){ 0 };
}
