/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Region memory for the policy compiler: everything that belongs to one policy
 * lives and dies together, so nothing in the parser frees by hand.
 * Must not be used for objects that outlive their policy.
 */
#ifndef KEYSWITCH_ARENA_H
#define KEYSWITCH_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *head;
	size_t used;	/* bytes handed out of the head chunk */
	size_t total;	/* bytes taken from malloc, for size reports */
};

/* Zeroed memory, aligned for any object; never NULL (out of memory ends the process). */
void *arena_alloc(struct arena *a, size_t size);
char *arena_strndup(struct arena *a, const char *s, size_t len);

/*
 * Room for element number 'n' of a vector: 'old' has n elements of 'size'
 * bytes; capacities are powers of two, so no capacity needs to be stored.
 */
void *arena_grow(struct arena *a, void *old, size_t n, size_t size);

void arena_free(struct arena *a);

#endif
