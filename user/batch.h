/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a hash map in batches. Must not know what is in it.
 */
#ifndef KEYSWITCH_BATCH_H
#define KEYSWITCH_BATCH_H

#include <stddef.h>

/*
 * Each entry once, but for those that come or go meanwhile; a value other than 0 of `each`
 * ends the walk and is returned. 0 or a negative errno.
 */
int batch_each(int fd, size_t key_size, size_t value_size,
	       int (*each)(void *arg, const void *key, const void *value), void *arg);

#endif
