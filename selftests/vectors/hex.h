/* SPDX-License-Identifier: GPL-2.0-only */
/* Bytes as the drivers of vectors and benchmarks are given them. */
#ifndef KEYSWITCH_HEX_H
#define KEYSWITCH_HEX_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How many bytes, or -EINVAL: no hex, or more than fit. */
static int hex_bytes(const char *hex, uint8_t *out, size_t size)
{
	unsigned int byte;
	size_t n = 0;

	for (; hex[0] && hex[1]; hex += 2) {
		if (n == size || sscanf(hex, "%2x", &byte) != 1)
			return -EINVAL;
		out[n++] = (uint8_t)byte;
	}
	return (int)n;
}

#endif
