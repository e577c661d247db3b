/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection path of a Forward_Open: its route, does it end at the Message Router,
 * and does configuration stand in it. Pure, on top of epath.h's segments.
 */
#ifndef KEYSWITCH_CONN_PATH_H
#define KEYSWITCH_CONN_PATH_H

#include "route.h"

enum epath_target {
	EPATH_AT_START = 0,
	EPATH_AT_CLASS,		/* class 2 seen */
	EPATH_AT_ROUTER,	/* class 2, instance 1 seen */
	EPATH_ELSEWHERE,
};

static long epath_conn_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	struct epath_work *w = c->work;
	struct epath_seg s = {};
	__u32 at = w->pos;

	(void)i;
	if (w->pos == w->end)
		return 1;
	w->reason = epath_segment(&c->v, w->pos, w->end, &s);
	w->pos += s.size;
	if (w->reason)
		return 1;
	if (s.kind == EPATH_DATA || s.kind == EPATH_OTHER) {
		w->config = 1;
		return s.kind == EPATH_OTHER;
	}
	if (s.kind == EPATH_PORT) {
		w->reason = w->state == EPATH_AT_START ? route_hop(c, at) : KS_R_epath_ambiguous;
		return w->reason != 0;
	}
	if (w->state == EPATH_AT_START && s.kind == EPATH_KEY)
		return 0;
	if (w->state == EPATH_AT_START && s.kind == EPATH_CLASS && s.value == 2)
		w->state = EPATH_AT_CLASS;
	else if (w->state == EPATH_AT_CLASS && s.kind == EPATH_INSTANCE && s.value == 1)
		w->state = EPATH_AT_ROUTER;
	else
		w->state = EPATH_ELSEWHERE;
	return 0;
}

/*
 * Does the connection path (ports and a key may lead) end at the Message Router
 * and nowhere else: 0 = yes, -1 = no, else the reason why it is refused.
 * work->config = 1: a data segment is in it, or what cannot be followed. Ports go
 * behind the hops that route has; a port behind anything that names an object is
 * ambiguous.
 */
static __always_inline int epath_to_router(const struct view *v, __u32 off, __u32 words,
					   struct ks_route *route, struct epath_work *work)
{
	struct epath_ctx c = { .v = *v, .route = route, .work = work };

	if (!view_has(v, off, 2 * words))
		return KS_R_epath_malformed;
	work->pos = off;
	work->end = off + 2 * words;
	work->state = EPATH_AT_START;
	work->reason = work->config = 0;
	ks_loop(KS_EPATH_MAX, epath_conn_step, &c);
	if (work->reason)
		return work->reason;
	if (work->pos != work->end)
		return work->config ? -1 : KS_R_epath_long;
	return work->state == EPATH_AT_ROUTER ? 0 : -1;
}

#endif
