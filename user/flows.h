/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracked TCP connections as rows with names. Must not print them.
 */
#ifndef KEYSWITCH_FLOWS_H
#define KEYSWITCH_FLOWS_H

#include "addr.h"
#include "counters.h"

struct flow_row {
	struct prefix client;
	struct prefix server;
	uint16_t cport;
	uint16_t sport;
	uint16_t vlan[2];		/* outer, inner; 0 = none */
	const char *asset;		/* of the names in the filter's counters; NULL: of no policy there is */
	const char *proto;
	const char *state;		/* opening, open, closing, closed, killed, outbound */
	uint64_t idle;			/* ns since the last packet of either side */
	uint64_t age;			/* seconds that its ports have been known */
	int64_t sent;			/* bytes of requests that were judged, modulo 2^32; -1 = not known */
	int64_t replied;		/* bytes that the server sent, likewise */
	bool adopted;			/* taken without its handshake */
	bool waits;			/* behind a refused request ('on_deny: drop') */
};

struct flow_filter {
	const struct prefix *client;	/* NULL: any */
	const char *asset;		/* NULL: any */
};

struct flow_rows {
	struct flow_row *v;
	size_t n;
	size_t room;
	size_t all;			/* those that the filter left out too */
	size_t open;
	size_t adopted;
};

/*
 * Connections that are there, the most recently used first. 0 or a negative errno; free in
 * both cases. Names are those of `c`, which has to stay.
 */
int flow_rows_read(struct flow_rows *rows, const struct counters *c,
		   const struct flow_filter *filter);
void flow_rows_free(struct flow_rows *rows);

#endif
