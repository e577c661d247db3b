/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `stats` events: the data path's sums, and above all what no other event tells of: how
 * many were held back by a rate limit or lost, in the kernel or on their way out. One
 * comes each period, and within a second of anything being missed.
 */
#ifndef KEYSWITCH_STATS_H
#define KEYSWITCH_STATS_H

#include <jansson.h>
#include <stdint.h>

#include "instance.h"
#include "serve_counts.h"

struct stats {
	const struct instance *in;
	const char *host;
	uint64_t begun;		/* CLOCK_MONOTONIC ns */
	uint64_t period;	/* ns, 0 = only when something is missed */
	uint64_t next;
	uint64_t missed;	/* told so far: since the data path and this process began */
};

/* What was missed before is told by the first event. period: seconds. */
void stats_open(struct stats *s, const struct instance *in, const char *host,
		uint32_t period);
/* The event that is due now, or NULL. */
json_t *stats_due(struct stats *s, const struct serve_counts *serve);

#endif
