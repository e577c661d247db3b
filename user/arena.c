// SPDX-License-Identifier: GPL-2.0-only
/*
 * Region memory, see arena.h. A command that runs out of memory while it reads
 * a policy has touched nothing yet, so it ends with the environment exit code.
 * Must not be called while kernel state is half changed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#ifndef CHUNK_SIZE	/* fuzzers: 0, each object is a block that the sanitizer guards */
#define CHUNK_SIZE	(64 * 1024)
#endif
#define EXIT_ENVIRONMENT 3

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	_Alignas(max_align_t) unsigned char bytes[];
};

static void out_of_memory(void)
{
	fprintf(stderr, "keyswitch: out of memory\n");
	exit(EXIT_ENVIRONMENT);
}

static void add_chunk(struct arena *a, size_t size)
{
	struct arena_chunk *c;

	if (size < CHUNK_SIZE)
		size = CHUNK_SIZE;
	c = calloc(1, sizeof(*c) + size);
	if (!c)
		out_of_memory();
	c->size = size;
	c->next = a->head;
	a->head = c;
	a->used = 0;
	a->total += size;
}

void *arena_alloc(struct arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	void *p;

	if (size > SIZE_MAX / 2)
		out_of_memory();
	size = (size + align - 1) & ~(align - 1);
	if (!a->head || a->head->size - a->used < size)
		add_chunk(a, size);
	p = a->head->bytes + a->used;
	a->used += size;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = arena_alloc(a, len + 1);

	memcpy(p, s, len);
	return p;
}

void *arena_grow(struct arena *a, void *old, size_t n, size_t size)
{
	void *p;

	if (n & (n - 1))
		return old;
	if (n > SIZE_MAX / 4 / size)
		out_of_memory();
	p = arena_alloc(a, (n ? 2 * n : 1) * size);
	if (n)
		memcpy(p, old, n * size);
	return p;
}

void arena_free(struct arena *a)
{
	while (a->head) {
		struct arena_chunk *c = a->head;

		a->head = c->next;
		free(c);
	}
	a->used = 0;
	a->total = 0;
}
