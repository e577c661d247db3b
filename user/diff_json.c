// SPDX-License-Identifier: GPL-2.0-only
/*
 * A comparison as objects, see diff_json.h. Must not compare anything.
 */
#include <stdio.h>
#include <string.h>

#include "diff_json.h"
#include "names.h"
#include "policy_match.h"

/* ---- instances, tags, elements of files ---- */

/* The last value of both dimensions stands for a path without one. */
static void put_dimension(FILE *out, const char *what, uint32_t lo, uint32_t hi)
{
	if (!lo && hi == KS_NO_VALUE)
		return;
	if (lo == KS_NO_VALUE)
		fprintf(out, " no %s", what);
	else if (hi == KS_NO_VALUE)
		fprintf(out, " %s %u and above, or none", what, lo);
	else if (lo == hi)
		fprintf(out, " %s %u", what, lo);
	else
		fprintf(out, " %s %u-%u", what, lo, hi);
}

static void put_file(FILE *out, uint32_t element)
{
	uint32_t type = element >> 26;
	const char *letters = type ? name_file_type(KS_PCCC_TYPES + type - 1) : "";

	if (letters)
		fprintf(out, "%s%u", letters, element >> 16 & KS_PCCC_FILE_MAX);
	else
		fprintf(out, "type 0x%02x file %u", KS_PCCC_TYPES + type - 1,
			element >> 16 & KS_PCCC_FILE_MAX);
}

/* "N7:0-20"; without letters: a command that says the file's number alone. */
static void put_elements(FILE *out, uint32_t lo, uint32_t hi)
{
	if (lo == KS_NO_VALUE) {
		fputs(" no file that rules can name", out);
		return;
	}
	fputs(" file ", out);
	put_file(out, lo);
	if (lo >> 16 == hi >> 16) {
		if ((lo & 0xffff) || (hi & 0xffff) != 0xffff)
			fprintf(out, lo == hi ? ":%u" : ":%u-%u", lo & 0xffff, hi & 0xffff);
		return;
	}
	fprintf(out, ":%u to ", lo & 0xffff);
	if (hi == KS_NO_VALUE) {
		fputs("the last, or none", out);
		return;
	}
	put_file(out, hi);
	fprintf(out, ":%u", hi & 0xffff);
}

static void put_tags(FILE *out, const struct policy_diff *d, uint32_t lo, uint32_t hi)
{
	const char *word = lo == hi ? " tag " : " tags ";

	for (uint32_t t = lo ? lo : 1; t <= hi; t++, word = ", ")
		fprintf(out, "%s%s", word, d->tags[t - 1]);
	if (!lo)
		fputs(hi ? " and any that no rule names" : " any tag that no rule names", out);
}

static json_t *boxes_json(const struct policy_diff *d, const struct diff_item *item)
{
	json_t *list = json_array();
	const struct diff_box *b;
	uint32_t n;

	b = pool_get(&d->boxes, item->boxes, &n);
	for (uint32_t i = 0; i < n; i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		if (!out)
			break;
		if (item->kind == DIFF_TAG)
			put_tags(out, d, b[i].lo, b[i].hi);
		else if (item->kind == DIFF_PCCC)
			put_elements(out, b[i].lo, b[i].hi);
		else
			put_dimension(out, "instance", b[i].lo, b[i].hi);
		put_dimension(out, "attribute", b[i].attr_lo, b[i].attr_hi);
		fclose(out);
		if (*text)
			add_text(list, "%s", text + 1);
		free(text);
	}
	return list;
}

static json_t *routes_json(const struct policy_diff *d, uint32_t set)
{
	json_t *list = json_array();
	uint32_t n;
	const uint32_t *v = set_of(d, set, &n);

	for (uint32_t i = 0; i < n && n < KS_ROUTE_NAMED + d->n_routes; i++)
		add_text(list, "%s", v[i] == KS_ROUTE_DIRECT ? "direct" :
			 v[i] == KS_ROUTE_OTHER ? "any that no rule names" :
			 d->routes[v[i] - KS_ROUTE_NAMED]);
	return list;
}

/* ---- items ---- */

static void inner_json(const struct policy_diff *d, const struct diff_item *item, json_t *o)
{
	json_t *list = json_array();
	uint32_t n;
	const uint32_t *fc = set_of(d, item->functions, &n);

	for (uint32_t i = 0; i < n; i++)
		add_function(list, fc[i]);
	json_object_set_new(o, "functions", list);
	set_list(o, "elements", spans_json(d, item->spans));
	set_list(o, "values", values_json(d, item));
}

static void cip_item_json(const struct policy_diff *d, const struct diff_item *item,
			  json_t *lines)
{
	json_t *own = json_array(), *boxes = boxes_json(d, item), *o;
	size_t i;

	cells_json(d, item->cells, item->kind == DIFF_CIP && !json_array_size(boxes), own);
	json_array_foreach(own, i, o) {
		if (json_array_size(boxes))
			json_object_set(o, "objects", boxes);
		if (item->kind == DIFF_INNER)
			inner_json(d, item, o);
		/* tags say it already */
		if (item->kind == DIFF_TAG)
			json_object_del(o, "classes");
		set_list(o, "route", routes_json(d, item->routes));
		json_array_append(lines, o);
	}
	json_decref(own);
	json_decref(boxes);
}

/* ---- why ---- */

static const char *rule_name(const struct diff_side *side, uint32_t rule)
{
	switch (rule) {
	case 0:
		return "default";
	case DIFF_SPOOFED:
		return "spoofed";
	case DIFF_UNLISTED: case DIFF_LISTED:
		return "unlisted";
	case DIFF_OUTSIDE:
		return "zone_unknown";
	case DIFF_UNIT:
		return "unit_unlisted";
	case DIFF_OPAQUE:
		return "function_opaque";
	}
	return side->p->rules[rule - 1].name;
}

/* "denied", "allowed by rule 'x'" */
static void set_side(json_t *o, const char *key, const struct diff_side *side, bool alert,
		     bool allow, uint32_t rule, bool said)
{
	json_t *v = alert ? json_pack("{s:b}", "marked", allow) :
		    json_pack("{s:s}", "verdict", name_verdict(allow ? KS_V_ALLOW : KS_V_DENY));

	if (said) {
		json_object_set_new(v, "by", json_string(rule_name(side, rule)));
		if (rule && !DIFF_NO_RULE(rule))
			json_object_set_new(v, "line",
					    json_integer(side->p->rules[rule - 1].at.line));
	}
	json_object_set_new(o, key, v);
}

static void add_group(const struct policy_diff *d, const struct diff_group *g, json_t *list)
{
	json_t *from = clients_json(d, g->clients, diff_families(d, g->servers));
	json_t *to = servers_json(d, g->servers), *lines = json_array(), *o;
	const struct diff_item *item = pool_get(&d->items, g->item, NULL);
	const struct diff_change *change = &item->change;
	size_t i;

	if (item->kind == DIFF_MODBUS)
		modbus_item_json(d, item, lines);
	else
		cip_item_json(d, item, lines);
	json_array_foreach(lines, i, o) {
		json_object_set(o, "from", from);
		json_object_set(o, "to", to);
		set_side(o, "was", &d->side[DIFF_OLD], change->alert, !change->allow, change->was,
			 !change->allow);
		set_side(o, "now", &d->side[DIFF_NEW], change->alert, change->allow, change->now,
			 change->allow || !change->alert);
		json_array_append(list, o);
	}
	json_decref(lines);
	json_decref(from);
	json_decref(to);
}

json_t *diff_json(const struct policy_diff *d)
{
	json_t *requests = json_array(), *settings = json_array();

	for (size_t i = 0; i < d->n_groups; i++)
		add_group(d, &d->groups[i], requests);
	for (size_t i = 0; i < d->n_settings; i++)
		json_array_append_new(settings,
			json_pack("{s:s, s:s, s:s}", "what", d->settings[i].what, "was",
				  d->settings[i].was, "now", d->settings[i].now));
	return json_pack("{s:s, s:s, s:o, s:o}", "old", d->side[DIFF_OLD].path, "new",
			 d->side[DIFF_NEW].path, "requests", requests, "settings", settings);
}
