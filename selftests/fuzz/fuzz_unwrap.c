/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for cip_unwrap() and cip_member() of bpf/cip.h: the input is one
 * Message Router request. Below it is unwrapped a second time, by the layouts of
 * Unconnected_Send and Multiple_Service_Packet; both must find the same requests and
 * the same route, or both refuse.
 */
#include "fuzz.h"

#include "../../bpf/cip.h"
#include "route.h"

struct request {
	uint32_t off, len;	/* in the input */
};

struct want {
	int good;
	int routed;
	struct hops hops;
	uint32_t members;	/* 0: the request itself */
	struct request part[KS_MSP_MAX];
};

static uint32_t le16(const uint8_t *p)
{
	return p[0] + 256u * p[1];
}

/* One logical segment 001 kkk ff of this kind: its size, 0 if it is none or cut. */
static uint32_t logical(const uint8_t *p, uint32_t n, uint32_t kind, uint32_t *value)
{
	static const uint8_t sizes[] = { 2, 4, 6, 0 };
	uint32_t size = sizes[p[0] & 3];

	*value = 0;
	if (p[0] >> 2 != (0x20 >> 2 | kind) || !size || n < size || (size > 2 && p[1]))
		return 0;
	for (uint32_t i = size; i > (size > 2 ? 2 : 1); i--)
		*value = *value << 8 | p[i - 1];
	return size;
}

/* Exactly one class and instance 1, whatever their widths. */
static int is_object(const uint8_t *path, uint32_t n, uint32_t class)
{
	uint32_t first, second, value;

	if (n < 4)
		return 0;
	first = logical(path, n, 0, &value);
	if (!first || value != class || n - first < 2)
		return 0;
	second = logical(path + first, n - first, 1, &value);
	return second && value == 1 && first + second == n;
}

/* Service below 128 and its path in r; -1 if they do not fit, else 1 for "wraps". */
static int head(const uint8_t *in, struct request r, uint8_t service, uint32_t class,
		struct request *data)
{
	const uint8_t *p = in + r.off;
	uint32_t path;

	if (r.len < 2 || p[0] > 127)
		return -1;
	path = 2u * p[1];
	if (r.len < 2 + path)
		return -1;
	*data = (struct request){ r.off + 2 + path, r.len - 2 - path };
	return p[0] == service && is_object(p + 2, path, class);
}

/* Ticks (2), length, request, pad to even, words of the route, 0, route: no byte more. */
static int embedded(const uint8_t *in, struct request data, struct request *inner,
		    struct hops *hops)
{
	const uint8_t *p = in + data.off;
	uint32_t len, route;

	if (data.len < 4)
		return 0;
	len = le16(p + 2);
	route = 4 + len + len % 2;
	if (data.len < route + 2)
		return 0;
	*inner = (struct request){ data.off + 4, len };
	if (data.len != route + 2 + 2 * p[route] || p[route + 1] != 0)
		return 0;
	all_hops(hops, p + route + 2, 2 * p[route]);
	return hops->good;
}

/* Count, then where each begins: together they are the rest of the packet, in order. */
static int members(const uint8_t *in, struct request data, struct want *w)
{
	const uint8_t *p = in + data.off;
	uint32_t count = data.len < 2 ? 0 : le16(p), next = 2 + 2 * count;

	if (count == 0 || count > KS_MSP_MAX || data.len < next || le16(p + 2) != next)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t end = i + 1 < count ? le16(p + 4 + 2 * i) : data.len;

		if (end <= next || end > data.len)
			return 0;
		w->part[i] = (struct request){ data.off + next, end - next };
		next = end;
	}
	w->members = count;
	return 1;
}

static void unwrap(const uint8_t *in, uint32_t n, struct want *w)
{
	struct request r = { 0, n }, data;
	int wraps = head(in, r, 0x52, 6, &data);

	memset(w, 0, sizeof(*w));
	if (wraps < 0)
		return;
	if (wraps) {
		if (!embedded(in, data, &r, &w->hops) || head(in, r, 0x52, 6, &data) != 0)
			return;
		w->routed = 1;
	}
	w->part[0] = r;
	w->good = !head(in, r, 0x0a, 2, &data) || members(in, data, w);
}

/* Does the product take the packet apart into the requests of w, all of them? */
static int takes_members(const struct view *v, const struct cip_layers *l, const struct want *w)
{
	uint32_t off = 0, len = 0;

	for (uint32_t i = 0; i < l->members; i++) {
		int reason = cip_member(v, l, i, &off, &len);

		MUST(reason == 0 || reason == KS_R_msp_malformed);
		if (reason)
			return 0;
		MUST(off <= v->len && len <= v->len - off && len > 0);
		MUST(!w->good || (w->part[i].off == off && w->part[i].len == len));
	}
	MUST(cip_member(v, l, l->members, &off, &len) == KS_R_msp_malformed);
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct want w;
	struct view v = { .base = data, .len = size };
	struct ks_route route = { 0 };
	struct epath_work work;
	struct cip_layers l;
	int reason, good;

	memset(&l, 0xee, sizeof(l));
	memset(&work, 0xee, sizeof(work));
	reason = cip_unwrap(&v, 0, size, &l, &route, &work);
	unwrap(data, size, &w);
	MUST(reason == 0 || reason == KS_R_cip_malformed || reason == KS_R_msp_malformed ||
	     reason == KS_R_msp_members || reason == KS_R_nesting ||
	     reason == KS_R_route_malformed || reason == KS_R_route_long);
	MUST(l.off <= size && l.len <= size - l.off);
	good = !reason && takes_members(&v, &l, &w);
	MUST(good == w.good);
	if (!good)
		return 0;
	MUST(l.members == w.members && (int)l.routed == w.routed);
	check_route(&route, &w.hops);
	MUST(l.members || (l.off == w.part[0].off && l.len == w.part[0].len));
	return 0;
}
