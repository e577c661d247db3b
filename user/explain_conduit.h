/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which conduit lets a connection be opened, or why none does: the other half of
 * `explain`. Must not touch the kernel.
 */
#ifndef KEYSWITCH_EXPLAIN_CONDUIT_H
#define KEYSWITCH_EXPLAIN_CONDUIT_H

#include "policy.h"

/* --from, --to, --proto, --port as given; port NULL: not given. */
struct service_question {
	const char *path;	/* of the policy */
	const char *from, *to, *proto, *port;
};

/* Prints the answer as text or JSON; an enum exit_code. */
int explain_service(const struct policy *p, const struct service_question *q);

#endif
