/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time in ns: the data path stamps with the monotonic clock, people want the real one.
 */
#ifndef KEYSWITCH_CLOCK_H
#define KEYSWITCH_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND 1000000000ull

/* CLOCK_MONOTONIC: the clock of the data path */
uint64_t clock_monotonic(void);
/* CLOCK_REALTIME */
uint64_t clock_real(void);
/* Time that this thread has had of its CPU. */
uint64_t clock_spent(void);
/* What the real clock shows at a time of the monotonic one, if nobody sets it. */
uint64_t clock_real_at(uint64_t monotonic);

#endif
