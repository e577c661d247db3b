/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The route of a request: port segments, decoded and written in one form, so that two
 * spellings of a way are one route. Link addresses that devices may read in two ways are
 * refused. Pure, on top of epath.h's segments; knows no message around a route.
 */
#ifndef KEYSWITCH_ROUTE_H
#define KEYSWITCH_ROUTE_H

#include "epath.h"

static __always_inline void route_put(struct ks_route *r, __u8 c)
{
	__u64 at = r->len;

	r->len = at + 1;
	if (at >= KS_ROUTE_MAX)
		return;
	BOUND_OFFSET(at, KS_ROUTE_MAX);
	r->text[at] = c;
}

static long route_digit_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	__u32 scale = c->work->scale;

	(void)i;
	if (c->index >= scale || scale <= 1)
		route_put(c->route, '0' + (scale ? c->index / scale % 10 : 0));
	c->work->scale = scale / 10;
	return scale <= 1;
}

static __always_inline void route_put_number(struct epath_ctx *c, __u32 value)
{
	c->index = value;
	c->work->scale = 10000;
	ks_loop(5, route_digit_step, c);
}

/* Letters without regard to case; what separates hops and ports is never in an address. */
static long route_text_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	__u8 byte = epath_u8(&c->v, c->text + (__u32)i);

	if (byte >= 'A' && byte <= 'Z')
		byte += 'a' - 'A';
	if (byte < '0' || byte > '9') {
		if (!(byte >= 'a' && byte <= 'z') && byte != '.' && byte != ':' &&
		    byte != '-' && byte != '_') {
			c->work->reason = KS_R_route_malformed;
			return 1;
		}
		c->work->named = 1;
	}
	route_put(c->route, byte);
	return 0;
}

/* len bytes at link, padded to even with 0: a name, never what could be a number as well. */
static __always_inline int route_put_address(struct epath_ctx *c, __u32 link, __u32 len)
{
	struct epath_work *w = c->work;

	if (len < 2 || (len & 1 && epath_u8(&c->v, link + len) != 0))
		return KS_R_route_malformed;
	c->text = link;
	w->named = w->reason = 0;
	ks_loop(len, route_text_step, c);
	if (w->reason)
		return w->reason;
	return w->named ? 0 : KS_R_route_malformed;
}

/* The port segment at `at`, found whole by epath_port() -> one more hop of c->route. */
static __always_inline int route_hop(struct epath_ctx *c, __u32 at)
{
	__u32 first = epath_u8(&c->v, at), port = first & 15, len = 0;
	__u32 link = at + 1;

	if (c->route->hops >= KS_ROUTE_HOPS)
		return KS_R_route_long;
	if (first & 0x10)
		len = epath_u8(&c->v, link++);
	if (port == 15) {
		port = view_le16(&c->v, link, KS_EIP_VIEW);
		link += 2;
	}
	if (port == 0)
		return KS_R_route_malformed;
	if (c->route->hops++)
		route_put(c->route, ',');
	route_put_number(c, port);
	route_put(c->route, '/');
	if (first & 0x10)
		return route_put_address(c, link, len);
	route_put_number(c, epath_u8(&c->v, link));
	return 0;
}

static long route_step(__u64 i, void *data)
{
	struct epath_ctx *c = data;
	struct epath_work *w = c->work;
	struct epath_seg s = {};
	__u32 at = w->pos, first;
	int reason = KS_R_route_malformed;

	(void)i;
	if (at == w->end)
		return 1;
	first = epath_u8(&c->v, at);
	if (first < 0x20 && !epath_port(&c->v, at, w->end - at, first, &s))
		reason = route_hop(c, at);
	w->pos = at + s.size;
	w->reason = reason;
	return reason != 0;
}

/*
 * Route path of an Unconnected_Send, `words` 16-bit words at off: port segments and
 * nothing else -> hops behind those that route has. Returns 0, KS_R_route_malformed or
 * KS_R_route_long.
 */
static __always_inline int route_walk(const struct view *v, __u32 off, __u32 words,
				      struct ks_route *route, struct epath_work *work)
{
	struct epath_ctx c = { .v = *v, .route = route, .work = work };

	if (!view_has(v, off, 2 * words))
		return KS_R_route_malformed;
	work->pos = off;
	work->end = off + 2 * words;
	work->reason = 0;
	ks_loop(KS_ROUTE_HOPS + 1, route_step, &c);
	return work->reason;
}

/* For connections of which two routes were asked under one name: no rule names it. */
static __always_inline void route_unknown(struct ks_route *r)
{
	r->len = KS_ROUTE_MAX + 1;
}

static __always_inline int route_equal(const struct ks_route *a, const struct ks_route *b)
{
	__u64 diff = a->len ^ b->len;
	int i;

	for (i = 0; i < KS_ROUTE_MAX; i += 8)
		diff |= load_u64(a->text + i) ^ load_u64(b->text + i);
	return !diff;
}

#endif
