/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the gateway stands, in the few figures that an operator looks for first, and what is
 * wrong with it. For `status` and `top`. Must not print.
 */
#ifndef KEYSWITCH_STANDING_H
#define KEYSWITCH_STANDING_H

#include <jansson.h>

#include "counters.h"

#define TROUBLES_MAX 12
#define TROUBLE_TEXT 80

struct standing {
	const char *mode;
	uint32_t generation;
	uint64_t policy_age;		/* seconds */
	uint64_t attached_age;
	uint32_t trial_left;
	uint64_t requests[KS_V_MAX];
	uint64_t stopped;		/* packets dropped, or turned into a RST */
	uint64_t events_lost;
	size_t troubles;
	char trouble[TROUBLES_MAX][TROUBLE_TEXT];
};

/* 0 or a negative errno. */
int standing_read(struct standing *s, const struct counters *c);
/* One line of at most 80 columns. */
void standing_line(char *out, size_t size, const struct standing *s);
json_t *standing_json(const struct standing *s);

/* What the next attach takes: "this", "other" or "none". */
const char *standing_boot(const struct counters *c);

#endif
