/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a hash map, reads and writes parts of an array in batches. Must not know what is
 * in them.
 */
#ifndef KEYSWITCH_BATCH_H
#define KEYSWITCH_BATCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each entry once, but for those that come or go meanwhile; a value other than 0 of `each`
 * ends the walk and is returned. 0 or a negative errno.
 */
int batch_each(int fd, size_t key_size, size_t value_size,
	       int (*each)(void *arg, const void *key, const void *value), void *arg);

/* Entries [first, first + n) of an array, one behind the other. 0 or a negative errno. */
int batch_read(int fd, uint32_t first, uint32_t n, void *values);
int batch_write(int fd, uint32_t first, uint32_t n, const void *values);

#endif
