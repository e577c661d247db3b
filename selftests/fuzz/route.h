/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routes said a second time, for the fuzzers: what a port segment spells and which link
 * addresses have one reading. Must share nothing with bpf/route.h.
 */
#ifndef KEYSWITCH_FUZZ_ROUTE_H
#define KEYSWITCH_FUZZ_ROUTE_H

#include "fuzz.h"

struct hops {
	char text[2048];
	uint32_t n;
	int good;
};

/* A name has two characters at least, and one that no number has. */
static int hop_name(char *to, const uint8_t *from, uint32_t n)
{
	int letters = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint8_t c = from[i] | (from[i] >= 'A' && from[i] <= 'Z' ? 0x20 : 0);

		if (!c || !strchr("0123456789abcdefghijklmnopqrstuvwxyz.:-_", c))
			return 0;
		letters += c < '0' || c > '9';
		to[i] = (char)c;
	}
	to[n] = 0;
	return n > 1 && letters;
}

/* One more hop: bytes of the segment, 0 if it is none. */
static uint32_t hop(struct hops *h, const uint8_t *s, uint32_t left)
{
	uint32_t port = s[0] % 16, named = s[0] / 16, at = 1 + named, n = 1;
	char *to = h->text + strlen(h->text);

	if (s[0] >= 0x20 || left < 2)
		return 0;
	if (named)
		n = s[1];
	if (port == 15) {
		if (left < at + 2)
			return 0;
		port = s[at] + 256u * s[at + 1];
		at += 2;
	}
	if (!port || left < at + n || (at + n) % 2 * (left < at + n + 1))
		return 0;
	to += sprintf(to, "%s%u/", h->n++ ? "," : "", port);
	if (!named)
		sprintf(to, "%u", s[at]);
	else if (!hop_name(to, s + at, n) || ((at + n) % 2 && s[at + n]))
		return 0;
	return at + n + (at + n) % 2;
}

/* Nothing but hops, not too many of them. */
static void all_hops(struct hops *h, const uint8_t *s, uint32_t n)
{
	uint32_t size = 1;

	memset(h, 0, sizeof(*h));
	for (uint32_t at = 0; at < n && size && h->n <= KS_ROUTE_HOPS; at += size)
		size = hop(h, s + at, n - at);
	h->good = size && h->n <= KS_ROUTE_HOPS;
}

static void check_route(const struct ks_route *r, const struct hops *h)
{
	char want[KS_ROUTE_MAX + 1] = "";

	strncpy(want, h->text, KS_ROUTE_MAX);
	MUST(r->len == strlen(h->text) && r->hops == h->n);
	MUST(!memcmp(r->text, want, KS_ROUTE_MAX));
}

#endif
