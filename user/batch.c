// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps in batches, see batch.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "batch.h"

/* more than a bucket holds, or the kernel says ENOSPC */
#define BATCH 512

int batch_each(int fd, size_t key_size, size_t value_size,
	       int (*each)(void *arg, const void *key, const void *value), void *arg)
{
	char *keys = malloc(BATCH * key_size), *values = malloc(BATCH * value_size);
	int err = keys && values ? 0 : -ENOMEM, stop = 0;
	uint32_t cursor = 0, n;
	bool first = true;

	while (!err && !stop) {
		n = BATCH;
		err = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, keys, values, &n,
					   NULL);
		first = false;
		/* the last batch says ENOENT and brings entries */
		for (uint32_t i = 0; (!err || err == -ENOENT) && i < n && !stop; i++)
			stop = each(arg, keys + i * key_size, values + i * value_size);
	}
	free(keys);
	free(values);
	return stop ? stop : err == -ENOENT ? 0 : err;
}

int batch_read(int fd, uint32_t first, uint32_t n, void *values)
{
	uint32_t *keys = calloc(n, sizeof(*keys)), before = first - 1, next, got = n;
	int err = -ENOMEM;

	if (keys)
		err = bpf_map_lookup_batch(fd, first ? &before : NULL, &next, keys, values, &got, NULL);
	free(keys);
	if (err && err != -ENOENT) /* the last entry was among them */
		return err;
	return got == n ? 0 : -EIO;
}

int batch_write(int fd, uint32_t first, uint32_t n, const void *values)
{
	uint32_t *keys = calloc(n, sizeof(*keys)), done = n;
	int err = -ENOMEM;

	for (uint32_t i = 0; keys && i < n; i++)
		keys[i] = first + i;
	if (keys)
		err = bpf_map_update_batch(fd, keys, values, &done, NULL);
	free(keys);
	return err;
}
