/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `serve` itself counts, for /metrics and for its stats events.
 */
#ifndef KEYSWITCH_SERVE_COUNTS_H
#define KEYSWITCH_SERVE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct siem_counts {
	uint64_t delivered;	/* messages that the receiver's kernel has acknowledged */
	uint64_t lost;		/* found the queue full */
	uint64_t queued;	/* wait, or are on their way */
	uint64_t connections;	/* made so far */
	bool connected;
};

struct link_follow;

struct serve_counts {
	double started;			/* seconds of the real clock */
	uint64_t events;		/* read from the ring */
	uint64_t subscribers_dropped;	/* too slow to take their events */
	uint64_t write_errors;		/* lines that the output refused */
	uint64_t scrapes;		/* answers of /metrics */
	uint64_t connections_cut;	/* of clients that were too slow */
	const struct link_follow *links;
	bool has_siem;
	struct siem_counts siem;
};

#endif
