/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A comparison as objects whose strings are the words for people: who, what, and how it
 * changes. Must not compare anything.
 */
#ifndef KEYSWITCH_DIFF_JSON_H
#define KEYSWITCH_DIFF_JSON_H

#include <jansson.h>

#include "policy_diff.h"

/* Appends a formatted string to the array. */
void add_text(json_t *array, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `before` and "5" or "5-9" */
void add_range(json_t *array, const char *before, uint32_t lo, uint32_t hi);
/* Takes the list over; an empty one is left out. */
void set_list(json_t *o, const char *key, json_t *list);
const uint32_t *set_of(const struct policy_diff *d, uint32_t set, uint32_t *n);

/* diff_who.c: "hmi (10.1.0.10)", "10.0.0.0/8 but 10.1.0.10" of those of the families. */
json_t *clients_json(const struct policy_diff *d, uint32_t set, uint32_t families);
/* "plc1", or "plc1 (10.2.0.5)" where only that part of it is meant. */
json_t *servers_json(const struct policy_diff *d, uint32_t set);

/*
 * diff_what.c and diff_cells.c: objects with "proto", "requests" and what belongs to
 * them, appended to lines: of one item, of a set of cells. `whole`: of all instances.
 */
void modbus_item_json(const struct policy_diff *d, const struct diff_item *item,
		      json_t *lines);
void cells_json(const struct policy_diff *d, uint32_t set, bool whole, json_t *lines);
/* What is written: "0-100", "-0.5..1"; an empty list: whatever it is. */
json_t *values_json(const struct policy_diff *d, const struct diff_item *item);
json_t *spans_json(const struct policy_diff *d, uint32_t set);
void add_function(json_t *list, uint32_t fc);

/* The whole comparison: {"requests": [...], "settings": [...]}; NULL when out of memory. */
json_t *diff_json(const struct policy_diff *d);

#endif
