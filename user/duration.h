/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Durations as operators write them: 30s, 5m, 2h. Must not know what they are for.
 */
#ifndef KEYSWITCH_DURATION_H
#define KEYSWITCH_DURATION_H

#include <stdint.h>

/* Seconds; 0 and values above 2^31 s are none: -1. */
int duration_parse(const char *text, uint32_t *seconds);

#endif
