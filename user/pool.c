// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growing lists, and pools in which equal sequences are kept once, see pool.h.
 * Must not know what the elements mean.
 */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

/* ---- lists ---- */

void *make_room(struct arena *mem, void *old, size_t *cap, size_t n, size_t size)
{
	void *v;

	if (n < *cap)
		return old;
	*cap = *cap ? 2 * *cap : 8;
	v = arena_alloc(mem, *cap * size);
	if (n)
		memcpy(v, old, n * size);
	return v;
}

void numbers_add(struct arena *mem, struct numbers *l, uint32_t v)
{
	l->v = make_room(mem, l->v, &l->cap, l->n, sizeof(*l->v));
	l->v[l->n++] = v;
}

static int compare_u32(const void *pa, const void *pb)
{
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;

	return a < b ? -1 : a > b;
}

void numbers_sort_unique(struct numbers *l)
{
	size_t kept = 0;

	if (l->n < 2)
		return;
	qsort(l->v, l->n, sizeof(*l->v), compare_u32);
	for (size_t i = 0; i < l->n; i++)
		if (!i || l->v[i] != l->v[kept - 1])
			l->v[kept++] = l->v[i];
	l->n = kept;
}

bool numbers_hold(const struct numbers *l, uint32_t v)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return true;
	return false;
}

/* ---- pools ---- */

void pool_init(struct pool *p, struct arena *mem, size_t unit)
{
	*p = (struct pool){ .mem = mem, .unit = unit };
}

void *pool_get(const struct pool *p, uint32_t entry, uint32_t *count)
{
	if (count)
		*count = p->entry[entry].count;
	return p->data + p->entry[entry].first * p->unit;
}

static uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t h = 0x9e3779b97f4a7c15u ^ len, w;

	for (; len >= 8; b += 8, len -= 8) {
		memcpy(&w, b, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; len; b++, len--)
		h = (h ^ *b) * 0x100000001b3u;
	return h ^ h >> 29;
}

static uint32_t *find_slot(const struct pool *p, const void *elements, uint32_t count,
			   uint64_t hash)
{
	size_t i = hash & (p->slots - 1);

	for (; p->slot[i]; i = (i + 1) & (p->slots - 1)) {
		const struct pool_entry *e = &p->entry[p->slot[i] - 1];

		if (e->hash == hash && e->count == count &&
		    (!count || !memcmp(p->data + e->first * p->unit, elements, count * p->unit)))
			break;
	}
	return &p->slot[i];
}

static void rehash(struct pool *p)
{
	p->slots = p->slots ? 4 * p->slots : 64;
	p->slot = arena_alloc(p->mem, p->slots * sizeof(*p->slot));
	for (size_t n = 0; n < p->n; n++) {
		size_t i = p->entry[n].hash & (p->slots - 1);

		while (p->slot[i])
			i = (i + 1) & (p->slots - 1);
		p->slot[i] = (uint32_t)n + 1;
	}
}

uint32_t pool_put(struct pool *p, const void *elements, uint32_t count)
{
	uint64_t hash = count ? hash_bytes(elements, count * p->unit) : 0;
	uint32_t *slot;

	if (2 * p->n >= p->slots)
		rehash(p);
	slot = find_slot(p, elements, count, hash);
	if (*slot)
		return *slot - 1;
	if (p->room - p->used < count || !p->data) {
		size_t room = 2 * p->room > p->used + count ? 2 * p->room
							    : p->used + count + 64;
		uint8_t *data = arena_alloc(p->mem, room * p->unit);

		if (p->used)
			memcpy(data, p->data, p->used * p->unit);
		p->data = data;
		p->room = room;
	}
	if (count)
		memcpy(p->data + p->used * p->unit, elements, count * p->unit);
	p->entry = arena_grow(p->mem, p->entry, p->n, sizeof(*p->entry));
	p->entry[p->n] = (struct pool_entry){ (uint32_t)p->used, count, hash };
	p->used += count;
	*slot = (uint32_t)++p->n;
	return (uint32_t)p->n - 1;
}
