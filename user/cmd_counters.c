// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch counters`: every counter of the running instance.
 * Must not change one.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "counters.h"
#include "devices.h"
#include "options.h"
#include "results.h"

static void add_packets(void *arg, const struct packet_row *r)
{
	if (!r->packets)
		return;
	json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:I}", "port", r->port, "reason",
					     name_reason(r->reason), "action",
					     name_action(r->action), "packets",
					     (json_int_t)r->packets));
}

static void add_requests(void *arg, const struct request_row *r)
{
	for (int v = 0; v < KS_V_MAX; v++)
		if (r->requests[v])
			json_array_append_new(arg, json_pack(
				"{s:s, s:s, s:s, s:s, s:s, s:I}", "port", r->port, "proto",
				r->proto, "asset", r->asset, "function", r->function, "verdict",
				name_verdict((uint32_t)v), "requests",
				(json_int_t)r->requests[v]));
}

static void add_rules(void *arg, const struct rule_row *r)
{
	for (int v = 0; v < KS_V_MAX; v++)
		if (r->requests[v])
			json_array_append_new(arg, json_pack(
				"{s:s, s:s, s:I}", "rule", r->rule, "verdict",
				name_verdict((uint32_t)v), "requests",
				(json_int_t)r->requests[v]));
}

static void add_conduit(void *arg, const struct conduit_row *r)
{
	json_array_append_new(arg, json_pack("{s:s, s:I, s:I}", "conduit", r->conduit, "opened",
					     (json_int_t)r->hits.opened, "packets",
					     (json_int_t)r->hits.packets));
}

static const char *text(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

static long long number(const json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static void print_rows(const json_t *all)
{
	const json_t *row;
	size_t i;

	puts("requests");
	json_array_foreach(json_object_get(all, "requests"), i, row)
		printf("  %12lld  %-10s  %-6s  %-16s  %-12s  %s\n", number(row, "requests"),
		       text(row, "verdict"), text(row, "proto"), text(row, "asset"),
		       text(row, "port"), text(row, "function"));
	puts("rules");
	json_array_foreach(json_object_get(all, "rules"), i, row)
		printf("  %12lld  %-10s  %s\n", number(row, "requests"), text(row, "verdict"),
		       text(row, "rule"));
	if (json_array_size(json_object_get(all, "conduits")))
		puts("conduits (opened, packets)");
	json_array_foreach(json_object_get(all, "conduits"), i, row)
		printf("  %12lld  %12lld  %s\n", number(row, "opened"), number(row, "packets"),
		       text(row, "conduit"));
	devices_print(all);
	puts("packets");
	json_array_foreach(json_object_get(all, "packets"), i, row)
		printf("  %12lld  %-10s  %-12s  %s\n", number(row, "packets"),
		       text(row, "action"), text(row, "port"), text(row, "reason"));
	printf("events\n  %12lld  lost\n  %12lld  suppressed\n  %12lld  quiet (log: false)\n",
	       number(all, "events_lost"), number(all, "events_suppressed"),
	       number(all, "events_quiet"));
	if (number(all, "requests_uncounted"))
		printf("requests beyond the counter table: %lld\n",
		       number(all, "requests_uncounted"));
}

static int collect(const struct counters *c, json_t *all)
{
	json_t *packets = json_array(), *requests = json_array(), *rules = json_array();
	json_t *conduits = json_array();
	struct ks_misc_count misc;
	int err = packets && requests && rules && conduits ? 0 : -1;

	json_object_set_new(all, "packets", packets);
	json_object_set_new(all, "requests", requests);
	json_object_set_new(all, "rules", rules);
	json_object_set_new(all, "conduits", conduits);
	if (!err)
		err = counters_packets(c, add_packets, packets);
	if (!err)
		err = counters_requests(c, add_requests, requests);
	if (!err)
		err = counters_rules(c, add_rules, rules);
	if (!err)
		err = counters_conduits(c, add_conduit, conduits);
	if (!err)
		err = devices_json(c, all);
	if (!err)
		err = counters_misc(c, &misc);
	if (err)
		return err;
	json_object_set_new(all, "events_lost", json_integer((json_int_t)misc.events_lost));
	json_object_set_new(all, "events_suppressed",
			    json_integer((json_int_t)misc.events_hidden));
	json_object_set_new(all, "events_quiet", json_integer((json_int_t)misc.events_quiet));
	json_object_set_new(all, "requests_uncounted",
			    json_integer((json_int_t)misc.pairs_other));
	json_object_set_new(all, "exceptions_uncounted",
			    json_integer((json_int_t)misc.exceptions_other));
	json_object_set_new(all, "latency_uncounted",
			    json_integer((json_int_t)misc.latency_other));
	return 0;
}

static int show(const struct instance *in)
{
	json_t *all = json_object();
	struct counters c;
	int err = counters_open(&c, in), rc = EXIT_OK;

	if (!err)
		err = collect(&c, all);
	counters_close(&c);
	if (err) {
		complain("cannot read the counters: %s", strerror(-err));
		rc = EXIT_ENVIRONMENT;
	} else if (options.json) {
		return print_json(all);
	} else {
		print_rows(all);
	}
	json_decref(all);
	return rc;
}

static int run(int argc, char **argv)
{
	struct one_argument none = { 0 };
	struct instance in;
	int rc;

	parse_plain(argc, argv, "Shows every counter that is not zero.", &none);
	rc = instance_open(&in);
	if (rc)
		return rc;
	rc = show(&in);
	instance_close(&in);
	return rc;
}

const struct command cmd_counters = {
	.name = "counters", .help = "show what was counted", .run = run,
};
