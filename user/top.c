// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rows of `keyswitch top`, see top.h.
 * Must not know a screen.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "flows.h"
#include "glance.h"
#include "refused.h"
#include "top.h"

/* Columns of requests: their places in v. NEW is what was refused since the last look. */
enum { REQ_RATE, REQ_ALLOWED, REQ_DENIED, REQ_NEW, REQ_WOULD, REQ_FLOWS };
enum { CLI_FLOWS, CLI_OPEN, CLI_ADOPTED, CLI_IDLE, CLI_SENT, CLI_REPLIED };
enum { DEN_PACKETS, DEN_NEW };
enum { LAT_AGE, LAT_TIMES };

#define REQUEST_COLUMNS \
	{ "REQ/S", "rate", TOP_RATE, 6 }, { "ALLOWED", "allowed", TOP_COUNT, 8 }, \
	{ "DENIED", "denied", TOP_COUNT, 7 }, { "NEW", "new", TOP_COUNT, 5 }, \
	{ "WOULD", "would_deny", TOP_COUNT, 6 }

/* A column has room for its title and the mark before it. */
const struct top_layout top_layouts[TOP_VIEWS] = {
	[TOP_ASSETS] = { "assets", "Assets", "asset", NULL, 0, {
		REQUEST_COLUMNS, { "FLOWS", "flows", TOP_COUNT, 6 } } },
	[TOP_CLIENTS] = { "clients", "Clients", "client", NULL, 0, {
		{ "FLOWS", "flows", TOP_COUNT, 6 }, { "OPEN", "open", TOP_COUNT, 5 },
		{ "ADOPT", "adopted", TOP_COUNT, 6 }, { "IDLE", "idle", TOP_AGE, 5 },
		{ "SENT", "bytes_judged", TOP_COUNT, 5 },
		{ "REPLY", "bytes_replied", TOP_COUNT, 6 } } },
	[TOP_FUNCTIONS] = { "functions", "Functions", "function", "proto", 6, {
		REQUEST_COLUMNS } },
	[TOP_DENIED] = { "denied", "Denied", "reason", "text", -22, {
		{ "PACKETS", "packets", TOP_COUNT, 8 }, { "NEW", "new", TOP_COUNT, 5 } } },
	[TOP_LATEST] = { "latest", "Latest", "client", "what", -16, {
		{ "AGE", "age", TOP_AGE, 5 }, { "TIMES", "times", TOP_COUNT, 6 } } },
};

struct taker {
	struct top_picture *p;
	const struct top_picture *before;
	const struct counters *c;
	int err;
};

/* ---- rows ---- */

static struct top_row *add(struct taker *t, enum top_view view, const char *name,
			   const char *detail)
{
	struct top_rows *rows = &t->p->rows[view];
	struct top_row *row;

	if (rows->n == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 64;
		struct top_row *v = reallocarray(rows->v, room, sizeof(*v));

		if (!v) {
			t->err = -ENOMEM;
			return NULL;
		}
		rows->v = v;
		rows->room = room;
	}
	row = &rows->v[rows->n++];
	*row = (struct top_row){ 0 };
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->detail, sizeof(row->detail), "%s", detail ? detail : "");
	return row;
}

static int by_name(const void *a, const void *b)
{
	const struct top_row *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->detail, y->detail);
}

static void sort_rows(struct top_rows *rows)
{
	if (rows->n)
		qsort(rows->v, rows->n, sizeof(*rows->v), by_name);
}

/* Rows of one name become one; idle is the least, the rest sums. */
static void merge(struct top_rows *rows, const struct top_column *columns)
{
	size_t kept = 0;

	sort_rows(rows);
	for (size_t i = 0; i < rows->n; i++) {
		struct top_row *last = kept ? &rows->v[kept - 1] : NULL, *row = &rows->v[i];

		if (!last || by_name(last, row)) {
			rows->v[kept++] = *row;
			continue;
		}
		for (int v = 0; v < TOP_COLUMNS; v++)
			if (columns[v].title && columns[v].kind == TOP_AGE)
				last->v[v] = row->v[v] < last->v[v] ? row->v[v] : last->v[v];
			else if (row->v[v] >= 0)
				last->v[v] = (last->v[v] < 0 ? 0 : last->v[v]) + row->v[v];
	}
	rows->n = kept;
}

/* ---- requests ---- */

static void on_request(void *arg, const struct request_row *r)
{
	struct taker *t = arg;

	for (int i = 0; i < 2; i++) {
		struct top_row *row = i ? add(t, TOP_FUNCTIONS, r->function, r->proto) :
					  add(t, TOP_ASSETS, r->asset, NULL);

		if (!row)
			return;
		row->v[REQ_ALLOWED] = (int64_t)r->requests[KS_V_ALLOW];
		row->v[REQ_DENIED] = (int64_t)r->requests[KS_V_DENY];
		row->v[REQ_WOULD] = (int64_t)r->requests[KS_V_WOULD_DENY];
	}
}

/* Every asset of the policy has a row, asked or not. */
static void add_assets(struct taker *t)
{
	for (uint32_t asset = 1; asset <= t->c->names.assets; asset++)
		add(t, TOP_ASSETS, names_asset(&t->c->names, asset), NULL);
}

/* What a counter rose by; one that fell began anew. */
static int64_t rise(int64_t now, int64_t before)
{
	return now >= before ? now - before : now;
}

static void since(struct taker *t, enum top_view view)
{
	double seconds = t->before ? (double)(t->p->taken - t->before->taken) / 1e9 : 0;
	const struct top_rows *old = t->before ? &t->before->rows[view] : NULL;
	struct top_rows *rows = &t->p->rows[view];

	for (size_t i = 0; i < rows->n && seconds > 0; i++) {
		static const struct top_row none;
		struct top_row *row = &rows->v[i];
		const struct top_row *last = old->n ? bsearch(row, old->v, old->n, sizeof(*row),
							      by_name) : NULL;

		last = last ? last : &none;
		if (view == TOP_DENIED) {
			row->v[DEN_NEW] = rise(row->v[DEN_PACKETS], last->v[DEN_PACKETS]);
			continue;
		}
		row->v[REQ_NEW] = rise(row->v[REQ_DENIED], last->v[REQ_DENIED]);
		row->v[REQ_RATE] = (int64_t)(10 * (double)(
			rise(row->v[REQ_ALLOWED], last->v[REQ_ALLOWED]) + row->v[REQ_NEW] +
			rise(row->v[REQ_WOULD], last->v[REQ_WOULD])) / seconds + 0.5);
	}
}

/* ---- packets, connections ---- */

static void on_packet(void *arg, const struct packet_row *r)
{
	struct top_row *row;

	if (!r->packets || reason_passes(r->reason))
		return;
	row = add(arg, TOP_DENIED, name_reason(r->reason), name_reason_text(r->reason));
	if (row)
		row->v[DEN_PACKETS] = (int64_t)r->packets;
}

static void add_flow(struct taker *t, const struct flow_row *f)
{
	char client[PREFIX_TEXT_MAX];
	struct top_row *row = f->asset ? add(t, TOP_ASSETS, f->asset, NULL) : NULL;

	if (row)
		row->v[REQ_FLOWS] = 1;
	row = add(t, TOP_CLIENTS, prefix_format(&f->client, client), NULL);
	if (!row)
		return;
	row->v[CLI_FLOWS] = 1;
	row->v[CLI_OPEN] = !strcmp(f->state, "open");
	row->v[CLI_ADOPTED] = f->adopted;
	row->v[CLI_IDLE] = (int64_t)(f->idle / KS_SECOND);
	row->v[CLI_SENT] = f->sent;
	row->v[CLI_REPLIED] = f->replied;
}

static int take_flows(struct taker *t)
{
	const struct flow_filter all = { 0 };
	struct flow_rows rows;
	int err = flow_rows_read(&rows, t->c, &all);

	for (size_t i = 0; i < rows.n && !err && !t->err; i++)
		add_flow(t, &rows.v[i]);
	t->p->flows = rows.all;
	t->p->open = rows.open;
	t->p->adopted = rows.adopted;
	flow_rows_free(&rows);
	return err;
}

static void on_refused(void *arg, const char *client, const char *what, uint64_t age)
{
	struct top_row *row = add(arg, TOP_LATEST, client, what);

	if (!row)
		return;
	row->v[LAT_AGE] = (int64_t)age;
	row->v[LAT_TIMES] = 1;
}

static int take(struct taker *t)
{
	int err = standing_read(&t->p->standing, t->c);

	add_assets(t);
	if (!err)
		err = counters_requests(t->c, on_request, t);
	if (!err)
		err = counters_packets(t->c, on_packet, t);
	if (!err)
		err = take_flows(t);
	refused_latest(on_refused, t);
	for (int v = 0; v < TOP_VIEWS; v++) {
		merge(&t->p->rows[v], top_layouts[v].columns);
		if (v != TOP_CLIENTS && v != TOP_LATEST)
			since(t, (enum top_view)v);
	}
	return err ? err : t->err;
}

int top_take(struct top_picture *p, const struct instance *in, const struct top_picture *before)
{
	struct counters c;
	struct taker t = { .p = p, .before = before, .c = &c };
	int err;

	*p = (struct top_picture){ .taken = clock_monotonic() };
	err = counters_open(&c, in);
	if (!err)
		err = take(&t);
	counters_close(&c);
	return err;
}

void top_free(struct top_picture *p)
{
	for (int v = 0; v < TOP_VIEWS; v++)
		free(p->rows[v].v);
	*p = (struct top_picture){ 0 };
}

/* ---- the rows that are wished ---- */

/* Largest first, names and ages smallest first; `reverse` turns that round. */
static int wished(const void *a, const void *b, void *arg)
{
	const struct top_row *x = *(const struct top_row *const *)a;
	const struct top_row *y = *(const struct top_row *const *)b;
	const struct top_wish *w = arg;
	int order = 0;

	if (w->sort >= 0 && x->v[w->sort] != y->v[w->sort]) {
		order = x->v[w->sort] > y->v[w->sort] ? -1 : 1;
		if (top_layouts[w->view].columns[w->sort].kind == TOP_AGE)
			order = -order;
	}
	if (!order)
		return w->sort < 0 && w->reverse ? by_name(y, x) : by_name(x, y);
	return w->reverse ? -order : order;
}

const struct top_row **top_select(const struct top_picture *p, const struct top_wish *w, size_t *n)
{
	const struct top_rows *rows = &p->rows[w->view];
	const struct top_row **list = calloc(rows->n + 1, sizeof(*list));

	*n = 0;
	for (size_t i = 0; i < rows->n && list; i++)
		if (strcasestr(rows->v[i].name, w->filter) ||
		    strcasestr(rows->v[i].detail, w->filter))
			list[(*n)++] = &rows->v[i];
	if (list)
		qsort_r(list, *n, sizeof(*list), wished, (void *)w);
	return list;
}

const char *top_figure(char *buf, size_t size, enum top_kind kind, int64_t v)
{
	char text[GLANCE_MAX];

	if (v < 0)
		snprintf(buf, size, "-");
	else if (kind == TOP_AGE)
		snprintf(buf, size, "%s", glance_age(text, (uint64_t)v));
	else if (kind == TOP_RATE && v && v < 1000)
		snprintf(buf, size, "%lld.%lld", (long long)(v / 10), (long long)(v % 10));
	else
		snprintf(buf, size, "%s", glance_number(text, kind == TOP_RATE ? v / 10 : v));
	return buf;
}

/* ---- JSON ---- */

static json_t *row_json(const struct top_layout *layout, const struct top_row *row)
{
	json_t *o = json_pack("{s:s}", layout->row, row->name);

	if (layout->detail)
		json_object_set_new(o, layout->detail, json_string(row->detail));
	for (int v = 0; v < TOP_COLUMNS && layout->columns[v].title; v++) {
		const struct top_column *c = &layout->columns[v];

		json_object_set_new(o, c->key, row->v[v] < 0 ? json_null() :
			c->kind == TOP_RATE ? json_real((double)row->v[v] / 10) :
					      json_integer((json_int_t)row->v[v]));
	}
	return o;
}

json_t *top_json(const struct top_picture *p, const struct top_wish *wish, size_t limit)
{
	json_t *o = json_pack("{s:o, s:{s:I, s:I, s:I}}", "standing", standing_json(&p->standing),
			      "flows", "tracked", (json_int_t)p->flows, "open",
			      (json_int_t)p->open, "adopted", (json_int_t)p->adopted);

	for (int v = 0; v < TOP_VIEWS; v++) {
		struct top_wish w = *wish;
		const struct top_row **rows;
		json_t *list = json_array();
		size_t n;

		/* the column that was asked for is one of the view that was asked for */
		if (v != (int)wish->view)
			w = (struct top_wish){ .view = (enum top_view)v };
		memcpy(w.filter, wish->filter, sizeof(w.filter));
		rows = top_select(p, &w, &n);
		for (size_t i = 0; rows && i < n && (!limit || i < limit); i++)
			json_array_append_new(list, row_json(&top_layouts[v], rows[i]));
		free(rows);
		json_object_set_new(o, top_layouts[v].name, list);
	}
	return o;
}
