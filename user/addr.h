/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IP addresses and prefixes as text and as bytes in network order.
 * Must not resolve names and must not print.
 */
#ifndef KEYSWITCH_ADDR_H
#define KEYSWITCH_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_TEXT_MAX 64

/* Bits beyond 'len' are zero; bytes beyond the family's width as well. */
struct prefix {
	uint8_t family;		/* 4 or 6 */
	uint8_t len;
	uint8_t addr[16];
};

enum prefix_error {
	PREFIX_OK,
	PREFIX_SYNTAX,		/* no address at all */
	PREFIX_LENGTH,		/* the part after '/' */
	PREFIX_HOST_BITS,	/* bits set beyond the length; *out holds the masked one */
	PREFIX_MAPPED,		/* ::ffff:a.b.c.d never appears on the wire */
};

/* "a.b.c.d", "a.b.c.d/n", "x::y", "x::y/n" */
enum prefix_error prefix_parse(const char *text, size_t len, struct prefix *out);
const char *prefix_format(const struct prefix *p, char buf[PREFIX_TEXT_MAX]);

unsigned int prefix_width(const struct prefix *p);	/* 32 or 128 */
/* The address as the compiled tables have it: IPv4 stands in IPv6 as ::ffff:0:0/96. */
void prefix_key(const struct prefix *p, uint8_t out[16]);
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_equal(const struct prefix *a, const struct prefix *b);
/* Family, then address bytes, then the shorter first: parents before children. */
int prefix_compare(const void *a, const void *b);

#endif
