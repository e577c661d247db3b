/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running instance as Prometheus text. Must not serve it: that is http.c.
 */
#ifndef KEYSWITCH_METRICS_H
#define KEYSWITCH_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "instance.h"

struct link_follow;

/* What `serve` itself counts. */
struct serve_counts {
	uint64_t events;		/* read from the ring */
	uint64_t subscribers_dropped;	/* too slow to take their events */
	uint64_t write_errors;		/* events that the output refused */
	const struct link_follow *links;
};

/* 0 or a negative errno. */
int metrics_write(FILE *out, const struct instance *in, const struct serve_counts *serve);

#endif
