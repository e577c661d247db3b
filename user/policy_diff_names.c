// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classes, tags, routes and CIP cells of two policies under one numbering. Must not look
 * at decisions.
 */
#include <stdlib.h>
#include <string.h>

#include "../bpf/pccc.h"
#include "policy_diff_parts.h"

static int compare_text(const void *pa, const void *pb)
{
	return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

static size_t sort_texts(const char **v, size_t n)
{
	size_t kept = 0;

	if (n)
		qsort(v, n, sizeof(*v), compare_text);
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(v[i], v[kept - 1]))
			v[kept++] = v[i];
	return kept;
}

static void number_classes(struct policy_diff *d)
{
	struct numbers all = { 0 };

	for (int s = 0; s < DIFF_SIDES; s++)
		for (size_t i = 0; i < d->side[s].c->n_classes; i++)
			numbers_add(&d->mem, &all, d->side[s].c->class_keys[i]);
	numbers_sort_unique(&all);
	d->n_classes = all.n + 1;
	d->classes = arena_alloc(&d->mem, d->n_classes * sizeof(*d->classes));
	d->classes[0] = KS_ANY;
	memcpy(d->classes + 1, all.v, all.n * sizeof(*all.v));
}

static const char *bounded(struct arena *mem, const uint8_t *text, size_t max)
{
	return arena_strndup(mem, (const char *)text, strnlen((const char *)text, max));
}

static void number_texts(struct policy_diff *d)
{
	for (int s = 0; s < DIFF_SIDES; s++) {
		const struct compiled_policy *c = d->side[s].c;

		for (size_t i = 0; i < c->n_tags; i++) {
			d->tags = arena_grow(&d->mem, d->tags, d->n_tags, sizeof(*d->tags));
			d->tags[d->n_tags++] = bounded(&d->mem, c->tag_keys[i].name, KS_TAG_MAX);
		}
		for (size_t i = 0; i < c->n_routes; i++) {
			d->routes = arena_grow(&d->mem, d->routes, d->n_routes,
					       sizeof(*d->routes));
			d->routes[d->n_routes++] = bounded(&d->mem, c->route_keys[i].text,
							   KS_ROUTE_MAX);
		}
	}
	d->n_tags = sort_texts(d->tags, d->n_tags);
	d->n_routes = sort_texts(d->routes, d->n_routes);
}

/* Both lists are in order of their text; `ids` has room for the numbers before `first`. */
static uint32_t *find_ids(struct policy_diff *d, const char **texts, size_t n, uint32_t first,
			  const void *keys, size_t size, size_t n_keys, const uint32_t *ids)
{
	uint32_t *out = arena_alloc(&d->mem, (first + n) * sizeof(*out));
	const char *key = keys;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		out[first + i] = first - 1;
		if (k < n_keys && !strncmp(key + k * size, texts[i], size))
			out[first + i] = ids[k++];
	}
	return out;
}

static void find_numbers(struct policy_diff *d)
{
	for (int s = 0; s < DIFF_SIDES; s++) {
		const struct compiled_policy *c = d->side[s].c;

		d->tag_ids[s] = find_ids(d, d->tags, d->n_tags, 1, c->tag_keys,
					 sizeof(*c->tag_keys), c->n_tags, c->tag_ids);
		d->route_ids[s] = find_ids(d, d->routes, d->n_routes, KS_ROUTE_NAMED,
					   c->route_keys, sizeof(*c->route_keys), c->n_routes,
					   c->route_ids);
		d->route_ids[s][KS_ROUTE_OTHER] = KS_ROUTE_OTHER;
	}
}

/* ---- cells ---- */

bool diff_exists(uint32_t key_class, uint32_t service)
{
	uint32_t code;

	if (key_class == KS_CLASS_IO)
		return service <= KS_IO_STATIC;
	if (key_class == KS_CLASS_DATA)
		return service == 0;
	if (key_class == KS_CLASS_ENCAP)
		return service != 0x6f && service != 0x70;
	if (key_class == PCCC_CLASS)
		return service != PCCC_EXECUTE;
	if (!ks_is_pccc(key_class))
		return true;
	code = ks_pccc_code(service, key_class);
	return code != (0x0f00 | PCCC_MULTIPLE) &&
	       (pccc_has_function(code >> 8) || !(code & 0xff));
}

static int compare_key(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

static uint32_t leaf_of(const struct compiled_policy *c, uint32_t key_class, uint32_t service)
{
	const uint32_t *hit = bsearch(&key_class, c->class_keys, c->n_classes,
				      sizeof(*c->class_keys), compare_key);
	uint32_t class = hit ? c->class_index[hit - c->class_keys] : 0;

	return c->leaves[class * CIP_SERVICES + service].leaf;
}

/* What tells cells apart: decisions, what instances are, and the Modbus in them. */
struct leaf_key {
	uint32_t leaf[DIFF_SIDES];
	uint32_t numbering;
	uint32_t inner;
};

static struct leaf_key key_of(const struct policy_diff *d, uint32_t class, uint32_t service)
{
	uint32_t key_class = d->classes[class];
	struct leaf_key key = {
		.numbering = key_class == KS_CLASS_TAG ? 1 : ks_is_pccc(key_class) ? 2 : 0,
		.inner = diff_holds_modbus(key_class, service) ? service : 0,
	};

	for (int s = 0; s < DIFF_SIDES; s++)
		key.leaf[s] = leaf_of(d->side[s].c, key_class, service);
	return key;
}

static void number_cells(struct policy_diff *d)
{
	struct arena tmp = { 0 };
	struct numbers *cells = NULL;
	struct pool keys;

	pool_init(&keys, &tmp, sizeof(struct leaf_key));
	for (uint32_t i = 0; i < d->n_classes * CIP_SERVICES; i++) {
		uint32_t class = i / CIP_SERVICES, service = i % CIP_SERVICES, id;
		struct leaf_key key = key_of(d, class, service);

		if (!diff_exists(d->classes[class], service))
			continue;
		id = pool_put(&keys, &key, 1);
		if (id == d->n_leaves) {
			cells = arena_grow(&tmp, cells, id, sizeof(*cells));
			cells[id] = (struct numbers){ 0 };
			d->leaves = arena_grow(&d->mem, d->leaves, id, sizeof(*d->leaves));
			d->leaves[d->n_leaves++] = (struct diff_leaf){
				{ key.leaf[DIFF_OLD], key.leaf[DIFF_NEW] }, class, service, 0 };
		}
		numbers_add(&tmp, &cells[id], DIFF_CELL(class, service));
	}
	for (size_t i = 0; i < d->n_leaves; i++)
		d->leaves[i].cells = pool_put(&d->sets, cells[i].v, (uint32_t)cells[i].n);
	arena_free(&tmp);
}

void diff_names(struct policy_diff *d)
{
	number_classes(d);
	number_texts(d);
	find_numbers(d);
	number_cells(d);
}
