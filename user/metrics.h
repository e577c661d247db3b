/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running instance as metrics. Must not serve them (http.c) and must not know how they
 * are written (exposition.c).
 */
#ifndef KEYSWITCH_METRICS_H
#define KEYSWITCH_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "instance.h"

struct link_follow;

/* What `serve` itself counts. */
struct serve_counts {
	double started;			/* seconds of the real clock */
	uint64_t events;		/* read from the ring */
	uint64_t subscribers_dropped;	/* too slow to take their events */
	uint64_t write_errors;		/* events that the output refused */
	uint64_t scrapes;		/* answers of /metrics */
	uint64_t connections_cut;	/* of clients that were too slow */
	const struct link_follow *links;
};

/* 0 or a negative errno. */
int metrics_write(FILE *out, bool openmetrics, const struct instance *in,
		  const struct serve_counts *serve);

#endif
