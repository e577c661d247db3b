// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clocks, see clock.h.
 */
#include <time.h>

#include "clock.h"

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_SECOND + (uint64_t)ts.tv_nsec;
}

uint64_t clock_monotonic(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t clock_real(void)
{
	return now(CLOCK_REALTIME);
}

uint64_t clock_spent(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_real_at(uint64_t monotonic)
{
	return clock_real() - clock_monotonic() + monotonic;
}
