/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Growing lists of numbers, and pools in which equal sequences are kept once.
 * All of it lives in an arena. Must not know what the elements mean.
 */
#ifndef KEYSWITCH_POOL_H
#define KEYSWITCH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/* Room for one more element of `size` bytes behind n; the room stays when n falls. */
void *make_room(struct arena *mem, void *old, size_t *cap, size_t n, size_t size);

/*
 * A store of sequences: equal ones share an entry, entries lie behind each
 * other in one array that can be handed to the loader as it is.
 */
struct pool_entry {
	uint32_t first;		/* element index */
	uint32_t count;
	uint64_t hash;
};

struct pool {
	struct arena *mem;
	size_t unit;		/* bytes of an element */
	uint8_t *data;
	size_t used, room;	/* elements */
	struct pool_entry *entry;
	size_t n;
	uint32_t *slot;		/* entry + 1 */
	size_t slots;
};

void pool_init(struct pool *p, struct arena *mem, size_t unit);
/* Number of the entry that holds these elements. */
uint32_t pool_put(struct pool *p, const void *elements, uint32_t count);
void *pool_get(const struct pool *p, uint32_t entry, uint32_t *count);

/* Growing list of numbers; setting n to 0 keeps the room. */
struct numbers {
	uint32_t *v;
	size_t n, cap;
};

void numbers_add(struct arena *mem, struct numbers *l, uint32_t v);
void numbers_sort_unique(struct numbers *l);
bool numbers_hold(const struct numbers *l, uint32_t v);

#endif
