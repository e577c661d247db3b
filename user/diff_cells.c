// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of CIP services and classes in words: by group where one is there as a whole, by
 * class where many have the same services. Must not compare anything.
 */
#include <string.h>

#include "diff_json.h"
#include "names.h"
#include "policy_match.h"

#define SERVICE_WORDS	(CIP_SERVICES / 64)
#define MISSING_MAX	8

/* Services by class, as far as they are not said yet. */
struct cells {
	const struct policy_diff *d;
	uint64_t (*bits)[SERVICE_WORDS];	/* by class */
};

static bool cell_is(const struct cells *c, size_t class, uint32_t service)
{
	return c->bits[class][service / 64] >> service % 64 & 1;
}

static bool cells_empty(const struct cells *c, size_t class)
{
	return !c->bits[class][0] && !c->bits[class][1];
}

static bool is_wire(const struct policy_diff *d, size_t class)
{
	return d->classes[class] < KS_CLASS_TAG;
}

struct group_cells {
	uint32_t here, missing;	/* cells of the group */
	uint32_t inner_here, inner_missing;
};

static struct group_cells count_group(const struct cells *c, uint32_t group)
{
	struct group_cells n = { 0 };

	for (size_t i = 0; i < c->d->n_classes; i++) {
		for (uint32_t s = 0; s < CIP_SERVICES; s++) {
			uint32_t class = c->d->classes[i];
			bool here = cell_is(c, i, s);

			if (!diff_exists(class, s) || ks_cip_group(s, class) != group)
				continue;
			if (diff_holds_modbus(class, s))
				*(here ? &n.inner_here : &n.inner_missing) += 1;
			else
				*(here ? &n.here : &n.missing) += 1;
		}
	}
	return n;
}

static void take_group(struct cells *c, uint32_t group)
{
	for (size_t i = 0; i < c->d->n_classes; i++)
		for (uint32_t s = 0; s < CIP_SERVICES; s++)
			if (ks_cip_group(s, c->d->classes[i]) == group)
				c->bits[i][s / 64] &= ~(1ull << s % 64);
}

static void add_service(json_t *list, uint32_t class, uint32_t service)
{
	const char *name = ks_is_pccc(class) ? name_pccc(ks_pccc_code(service, class)) :
			   class == KS_CLASS_ENCAP ? name_command(service) :
						     name_service(service, class);

	if (name)
		add_text(list, "%s", name);
	else if (ks_is_pccc(class))
		add_text(list, "PCCC 0x%02x/0x%02x", ks_pccc_code(service, class) >> 8,
			 ks_pccc_code(service, class) & 0xff);
	else if (class == KS_CLASS_ENCAP)
		add_text(list, service == CIP_SERVICES - 1 ? "commands above 0x7e" :
							     "command 0x%02x", service);
	else
		add_text(list, "service 0x%02x", service);
}

/* Services that are missing, where naming them is shorter than naming the others. */
static void add_missing(const struct cells *c, size_t class, json_t *list)
{
	uint32_t key_class = c->d->classes[class];
	json_t *missing = json_array(), *v;
	size_t i;

	for (uint32_t s = 0; s < CIP_SERVICES; s++)
		if (diff_exists(key_class, s) && !cell_is(c, class, s))
			add_service(missing, key_class, s);
	add_text(list, "every %s", key_class == KS_CLASS_ENCAP ? "command" : "service");
	json_array_foreach(missing, i, v)
		add_text(list, "but %s", json_string_value(v));
	json_decref(missing);
}

/* "write_tag", or "every service" of a class that is here as a whole. */
static void add_services(const struct cells *c, size_t class, json_t *list)
{
	uint32_t missing = 0, here = 0, key_class = c->d->classes[class];

	for (uint32_t s = 0; s < CIP_SERVICES; s++) {
		here += cell_is(c, class, s);
		missing += diff_exists(key_class, s) && !cell_is(c, class, s);
	}
	if (!ks_is_pccc(key_class) && missing <= MISSING_MAX && here > 2 * MISSING_MAX) {
		add_missing(c, class, list);
		return;
	}
	for (uint32_t s = 0; s < CIP_SERVICES; s++)
		if (cell_is(c, class, s))
			add_service(list, key_class, s);
}

static void add_class(json_t *list, uint32_t class)
{
	if (name_class(class))
		add_text(list, "%s", name_class(class));
	else
		add_text(list, "0x%02x", class);
}

static bool same_services(const struct cells *c, size_t a, size_t b)
{
	return !memcmp(c->bits[a], c->bits[b], sizeof(*c->bits));
}

/* The classes that share these services; "any but" those which have others. */
static json_t *classes_json(struct cells *c, size_t first)
{
	json_t *list = json_array();
	uint32_t key_class = c->d->classes[first];

	if (key_class == KS_CLASS_ENCAP || key_class == KS_CLASS_IO || ks_is_pccc(key_class))
		return list;
	if (!first)
		add_text(list, "any class");
	for (size_t i = first + !first; i < c->d->n_classes; i++) {
		bool same = same_services(c, first, i);

		if (c->d->classes[i] == KS_CLASS_ENCAP || c->d->classes[i] == KS_CLASS_IO ||
		    ks_is_pccc(c->d->classes[i]))
			continue;
		if (!first && is_wire(c->d, i) && !same && name_class(c->d->classes[i]))
			add_text(list, "but %s", name_class(c->d->classes[i]));
		else if (!first && is_wire(c->d, i) && !same)
			add_text(list, "but 0x%02x", c->d->classes[i]);
		else if (same && (first || !is_wire(c->d, i)))
			add_class(list, c->d->classes[i]);
	}
	return list;
}

/* Every class that is said by classes_json() of `first`. */
static void clear_alike(struct cells *c, size_t first)
{
	uint32_t key_class = c->d->classes[first];
	uint64_t bits[SERVICE_WORDS];

	memcpy(bits, c->bits[first], sizeof(bits));
	for (size_t i = first; i < c->d->n_classes; i++) {
		uint32_t other = c->d->classes[i];
		bool own = key_class == KS_CLASS_ENCAP || key_class == KS_CLASS_IO ||
			   ks_is_pccc(key_class);
		bool its = other == KS_CLASS_ENCAP || other == KS_CLASS_IO || ks_is_pccc(other);

		if (i != first && (own || its))
			continue;
		if (!memcmp(c->bits[i], bits, sizeof(bits)))
			memset(c->bits[i], 0, sizeof(bits));
	}
}

/* Groups that are there as a whole, said by their names. */
static void say_groups(struct cells *c, json_t *lines)
{
	json_t *list = json_array();

	for (uint32_t g = 0; g < KS_GROUPS; g++) {
		struct group_cells n = count_group(c, g);

		if (!n.here || n.missing || (n.inner_here && n.inner_missing))
			continue;
		take_group(c, g);
		add_text(list, "group '%s'%s", ks_group_name(g),
			 n.inner_missing ? " but for class modbus" : "");
	}
	if (json_array_size(list))
		json_array_append_new(lines, json_pack("{s:s, s:o}", "proto", "enip",
						       "requests", list));
	else
		json_decref(list);
}

/* Takes the PCCC commands of the group (KS_GROUPS: of all) out if all of them are here. */
static bool take_pccc(struct cells *c, uint32_t group)
{
	bool any = false;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < c->d->n_classes; i++) {
			for (uint32_t s = 0; s < CIP_SERVICES; s++) {
				uint32_t class = c->d->classes[i];

				if (!ks_is_pccc(class) || !diff_exists(class, s) ||
				    (group != KS_GROUPS && ks_cip_group(s, class) != group))
					continue;
				if (!cell_is(c, i, s))
					return false;
				any = true;
				if (round)
					c->bits[i][s / 64] &= ~(1ull << s % 64);
			}
		}
	}
	return any;
}

/* Commands are spread over 32 numbers of classes, which nobody has to know. */
static void say_pccc(struct cells *c, json_t *lines)
{
	json_t *list = json_array();

	if (take_pccc(c, KS_GROUPS))
		add_text(list, "every PCCC command");
	for (uint32_t g = 0; g < KS_GROUPS; g++)
		if (take_pccc(c, g))
			add_text(list, "PCCC group '%s'", ks_group_name(g));
	for (size_t i = 0; i < c->d->n_classes; i++) {
		if (!ks_is_pccc(c->d->classes[i]))
			continue;
		add_services(c, i, list);
		memset(c->bits[i], 0, sizeof(*c->bits));
	}
	if (json_array_size(list))
		json_array_append_new(lines, json_pack("{s:s, s:o}", "proto", "enip",
						       "requests", list));
	else
		json_decref(list);
}

void cells_json(const struct policy_diff *d, uint32_t set, bool whole, json_t *lines)
{
	struct arena mem = { 0 };
	struct cells c = { .d = d, .bits = arena_alloc(&mem, d->n_classes * sizeof(*c.bits)) };
	uint32_t n;
	const uint32_t *v = set_of(d, set, &n);

	for (uint32_t i = 0; i < n; i++)
		c.bits[v[i] >> 7][v[i] / 64 & 1] |= 1ull << v[i] % 64;
	if (whole)
		say_groups(&c, lines);
	say_pccc(&c, lines);
	for (size_t i = 0; i < d->n_classes; i++) {
		json_t *services = json_array(), *classes, *o;

		if (cells_empty(&c, i)) {
			json_decref(services);
			continue;
		}
		add_services(&c, i, services);
		classes = classes_json(&c, i);
		clear_alike(&c, i);
		o = json_pack("{s:s, s:o}", "proto", "enip", "requests", services);
		set_list(o, "classes", classes);
		json_array_append_new(lines, o);
	}
	arena_free(&mem);
}
