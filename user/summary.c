// SPDX-License-Identifier: GPL-2.0-only
/*
 * Totals of a replay, see summary.h.
 * Must not judge or read anything.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "names.h"
#include "options.h"
#include "results.h"
#include "summary.h"

struct summary {
	json_int_t frames;
	json_int_t requests;
	json_t *verdicts;
	json_t *reasons;
	json_t *functions;
	json_t *packets;
};

static void add(json_t *totals, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(totals, key));

	json_object_set_new(totals, key, json_integer(n + 1));
}

struct summary *summary_new(void)
{
	struct summary *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->verdicts = json_object();
	s->reasons = json_object();
	s->functions = json_object();
	s->packets = json_object();
	return s;
}

void summary_free(struct summary *s)
{
	json_decref(s->verdicts);
	json_decref(s->reasons);
	json_decref(s->functions);
	json_decref(s->packets);
	free(s);
}

void summary_request(struct summary *s, const struct ks_leaf *leaf)
{
	char function[32];

	s->requests++;
	add(s->verdicts, name_verdict(leaf->verdict));
	add(s->reasons, name_reason(leaf->reason));
	if (leaf->proto == KS_MODBUS && leaf->has & KS_HAS_FUNCTION)
		snprintf(function, sizeof(function), "modbus %u", leaf->function);
	else if (leaf->has & KS_HAS_SERVICE && leaf->key_class != KS_CLASS_IO)
		snprintf(function, sizeof(function), "cip 0x%02x", leaf->service);
	else if (leaf->has & KS_HAS_FUNCTION)
		snprintf(function, sizeof(function), "enip 0x%04x", leaf->function);
	else
		snprintf(function, sizeof(function), "%s",
			 leaf->key_class == KS_CLASS_IO ? "enip io" : name_proto(leaf->proto));
	add(s->functions, function);
}

void summary_packet(struct summary *s, const char *reason)
{
	s->frames++;
	add(s->packets, reason);
}

static void print_totals(const char *title, json_t *totals)
{
	const char *key;
	json_t *n;

	puts(title);
	json_object_foreach(totals, key, n)
		printf("  %10lld  %s\n", (long long)json_integer_value(n), key);
}

void summary_print(const struct summary *s)
{
	if (options.json) {
		print_json(json_pack("{s:I, s:I, s:O, s:O, s:O, s:O}", "frames", s->frames,
				     "requests", s->requests, "verdicts", s->verdicts, "reasons",
				     s->reasons, "functions", s->functions, "packets",
				     s->packets));
		return;
	}
	printf("%lld frames, %lld requests\n", (long long)s->frames, (long long)s->requests);
	print_totals("verdicts", s->verdicts);
	print_totals("reasons of requests", s->reasons);
	print_totals("functions", s->functions);
	print_totals("reasons of packets", s->packets);
}
