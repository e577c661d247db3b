/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message bytes for the dissectors' tests: written as hex, handed over in heap
 * blocks of exactly their length, so that the sanitizer sees a read beyond.
 */
#ifndef KEYSWITCH_TEST_BYTES_H
#define KEYSWITCH_TEST_BYTES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/cursor.h"

#define BYTES_MAX 9000

/* A message under construction. */
struct bytes {
	__u8 at[BYTES_MAX];
	__u32 len;
};

static inline void bytes_need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "test data wrong: %s\n", what);
	abort();
}

static inline void bytes_add(struct bytes *b, const void *from, __u32 n)
{
	bytes_need(b->len + n <= BYTES_MAX, "too long");
	if (n)
		memcpy(b->at + b->len, from, n);
	b->len += n;
}

/* Appends hex digits; blanks and '|' only group them, 'text' stands for its characters. */
static inline void bytes_hex(struct bytes *b, const char *hex)
{
	unsigned int byte;
	char two[3] = "";

	while (*hex) {
		if (*hex == ' ' || *hex == '|') {
			hex++;
		} else if (*hex == '\'') {
			const char *end = strchr(hex + 1, '\'');

			bytes_need(end != NULL, hex);
			bytes_add(b, hex + 1, end - hex - 1);
			hex = end + 1;
		} else {
			memcpy(two, hex, 2);
			bytes_need(sscanf(two, "%2x", &byte) == 1 && two[1], hex);
			bytes_add(b, &(__u8){ byte }, 1);
			hex += 2;
		}
	}
}

static inline void bytes_le16(struct bytes *b, __u32 value)
{
	bytes_add(b, (__u8[]){ value & 0xff, value >> 8 & 0xff }, 2);
}

/* The block of the previous call is freed: views do not outlive their check. */
static inline struct view bytes_exact(const __u8 *from, __u32 n)
{
	static __u8 *block;

	free(block);
	block = malloc(n ? n : 1);
	bytes_need(block != NULL, "memory");
	if (n)
		memcpy(block, from, n);
	return (struct view){ .base = block, .len = n };
}

#endif
