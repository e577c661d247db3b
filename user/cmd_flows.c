// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch flows`: who is connected to what. Must not change a connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "command.h"
#include "flows.h"
#include "glance.h"
#include "options.h"
#include "results.h"

enum { KEY_ASSET = 0x2000, KEY_CLIENT, KEY_LIMIT };

#define WIDE 21		/* columns of 255.255.255.255:65535 */

static const struct argp_option table[] = {
	{ "asset", KEY_ASSET, "NAME", 0, "Only connections to this asset", 0 },
	{ "client", KEY_CLIENT, "ADDRESS", 0, "Only those of this address or prefix", 0 },
	{ "limit", KEY_LIMIT, "N", 0, "At most so many, the latest used (all)", 0 },
	{ 0 }
};

struct wish {
	struct flow_filter filter;
	struct prefix client;
	size_t limit;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct wish *w = state->input;
	enum prefix_error err;
	char *end;

	switch (key) {
	case KEY_ASSET:
		w->filter.asset = arg;
		return 0;
	case KEY_CLIENT:
		err = prefix_parse(arg, strlen(arg), &w->client);
		if (err)
			argp_error(state, "client '%s', expected an address or a prefix like "
				   "10.1.0.0/24", arg);
		w->filter.client = &w->client;
		return 0;
	case KEY_LIMIT:
		w->limit = strtoul(arg, &end, 10);
		if (*end || *arg < '1' || *arg > '9')
			argp_error(state, "limit '%s', expected a number from 1", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static bool is_asset(const struct counters *c, const char *name)
{
	for (uint32_t asset = 1; asset <= c->names.assets; asset++)
		if (!strcmp(names_asset(&c->names, asset), name))
			return true;
	return false;
}

/* ---- JSON ---- */

static json_t *number_or_null(int64_t n)
{
	return n < 0 ? json_null() : json_integer((json_int_t)n);
}

static json_t *flow_json(const struct flow_row *f)
{
	char client[PREFIX_TEXT_MAX], server[PREFIX_TEXT_MAX];
	json_t *vlan = json_array();

	for (int i = 0; i < 2; i++)
		if (f->vlan[i])
			json_array_append_new(vlan, json_integer(f->vlan[i]));
	return json_pack("{s:s, s:i, s:s, s:i, s:o, s:s?, s:s, s:s, s:f, s:I, s:b, s:b, s:o, s:o}",
			 "client", prefix_format(&f->client, client), "client_port", f->cport,
			 "server", prefix_format(&f->server, server), "server_port", f->sport,
			 "vlan", vlan, "asset", f->asset, "proto", f->proto, "state", f->state,
			 "idle", (double)(f->idle / (KS_SECOND / 1000)) / 1000, "age",
			 (json_int_t)f->age, "adopted", f->adopted, "waits", f->waits,
			 "bytes_judged", number_or_null(f->sent), "bytes_replied",
			 number_or_null(f->replied));
}

static json_int_t limit_of(const struct counters *c)
{
	struct ks_table_use use = { 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(c->in->fd[MAP_table_use], &zero, &use);
	return use.flows_max;
}

static json_t *all_json(const struct flow_rows *rows, size_t shown, const struct counters *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < shown; i++)
		json_array_append_new(list, flow_json(&rows->v[i]));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "tracked", (json_int_t)rows->all,
			 "open", (json_int_t)rows->open, "adopted", (json_int_t)rows->adopted,
			 "limit", limit_of(c), "matching", (json_int_t)rows->n, "flows", list);
}

/* ---- text, 80 columns ---- */

static void endpoint(char *buf, size_t size, const struct prefix *address, uint16_t port)
{
	char text[PREFIX_TEXT_MAX];

	prefix_format(address, text);
	snprintf(buf, size, address->family == 6 ? "[%s]:%u" : "%s:%u", text, port);
}

static void print_flow(const struct flow_row *f)
{
	char client[80], server[80], asset[80], idle[GLANCE_MAX], sent[GLANCE_MAX],
		replied[GLANCE_MAX];
	const char *note = f->adopted ? "adopted" : f->waits ? "waits" : "";

	endpoint(client, sizeof(client), &f->client, f->cport);
	endpoint(server, sizeof(server), &f->server, f->sport);
	glance_name(asset, sizeof(asset), f->asset ? f->asset : server, 15);
	/* an address is never cut: it has a line of its own */
	if (strlen(client) > WIDE)
		printf("%s\n%-*s", client, WIDE, "");
	else
		printf("%-*s", WIDE, client);
	printf(" %s %-6s %-8s %4s %5s %5s%s%s\n", asset, f->proto, f->state,
	       glance_age(idle, f->idle / KS_SECOND), glance_number(sent, f->sent),
	       glance_number(replied, f->replied), *note ? " " : "", note);
}

static void print_all(const struct flow_rows *rows, size_t shown, const struct counters *c)
{
	printf("%zu connections tracked, %zu open, %zu adopted; room for %lld per address family\n",
	       rows->all, rows->open, rows->adopted, (long long)limit_of(c));
	if (shown < rows->all)
		printf("%zu shown of %zu that match\n", shown, rows->n);
	if (shown)
		printf("%-*s %-15s %-6s %-8s %4s %5s %5s NOTE\n", WIDE, "CLIENT", "ASSET", "PROTO",
		       "STATE", "IDLE", "SENT", "REPLY");
	for (size_t i = 0; i < shown; i++)
		print_flow(&rows->v[i]);
}

static int list(const struct counters *c, const struct wish *w)
{
	struct flow_rows rows;
	int err = flow_rows_read(&rows, c, &w->filter), rc = EXIT_OK;
	size_t shown = w->limit && w->limit < rows.n ? w->limit : rows.n;

	if (err) {
		complain("cannot read the connections: %s", strerror(-err));
		rc = EXIT_ENVIRONMENT;
	} else if (options.json) {
		rc = print_json(all_json(&rows, shown, c));
	} else {
		print_all(&rows, shown, c);
	}
	flow_rows_free(&rows);
	return rc;
}

static int show(const struct instance *in, const struct wish *w)
{
	struct counters c;
	int err = counters_open(&c, in), rc;

	if (err) {
		complain("cannot read the instance at '%s': %s", options.pin_dir, strerror(-err));
		rc = EXIT_ENVIRONMENT;
	} else if (w->filter.asset && !is_asset(&c, w->filter.asset)) {
		complain("the policy in force has no asset '%s'", w->filter.asset);
		rc = EXIT_PROBLEM;
	} else {
		rc = list(&c, w);
	}
	counters_close(&c);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Lists the tracked TCP connections, the latest used first. SENT counts the "
		       "bytes of judged requests, REPLY those of the server; 'adopted' runs "
		       "since before the attach, 'waits' stands behind a refused request.",
	};
	struct wish w = { 0 };
	struct instance in;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	rc = instance_open(&in);
	if (rc)
		return rc;
	rc = show(&in, &w);
	instance_close(&in);
	return rc;
}

const struct command cmd_flows = {
	.name = "flows", .help = "list tracked connections", .run = run,
};
