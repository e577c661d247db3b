/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for option_step() of bpf/options.h: bits of byte 0 say SYN, from
 * the server, and pieces are put together; the rest is the option part of a TCP
 * header. Below the list is walked as RFC 9293 has it. Both must agree on what
 * passes, and the copy that is sent on may differ in MPTCP (NOP there) and in the
 * MSS of such a SYN-ACK alone. l4_options() around it is left to the vectors.
 */
#include "fuzz.h"

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The one map that the walk looks at is its work area. */
static void *work_area(void *map, const void *key);
#define bpf_map_lookup_elem work_area

#include "../../bpf/options.h"

static struct ks_work area;

static void *work_area(void *map, const void *key)
{
	(void)key;
	return map == &work ? &area : NULL;
}

struct answer {
	int refused, mptcp, lowered;
	uint32_t scale;
	uint8_t copy[OPT_MAX];
};

#define SYN		1
#define FROM_SERVER	2
#define ASSEMBLE	4

/* What a SYN-ACK tells: the window scale, and an MSS that leaves room for a piece. */
static void answer_synack(uint8_t *opt, int how, struct answer *a)
{
	uint32_t mss;

	if (opt[0] == 3 && opt[1] == 3)
		a->scale = opt[2] > 14 ? 14 : opt[2];
	if (opt[0] != 2 || opt[1] != 4 || !(how & ASSEMBLE))
		return;
	mss = opt[2] * 256 + opt[3];
	if (mss < 2 * KS_JOIN_ROOM)
		return;
	mss -= KS_JOIN_ROOM;
	opt[2] = mss / 256;
	opt[3] = mss % 256;
	a->lowered = 1;
}

/* Kinds 0 and 1 are one byte, all others kind, length of all, data; nothing is cut. */
static void by_the_rule(const uint8_t *opt, uint32_t size, int how, struct answer *a)
{
	uint32_t at = 0;

	memset(a, 0, sizeof(*a));
	memcpy(a->copy, opt, size);
	while (at < size && opt[at] != 0) {
		uint32_t len = opt[at] == 1 ? 1 : at + 1 < size ? opt[at + 1] : 0;

		if (len == 0 || (len == 1 && opt[at] != 1) || len > size - at ||
		    opt[at] == 19 || opt[at] == 29) {
			a->refused = 1;
			return;
		}
		if (opt[at] == 30) {
			memset(a->copy + at, 1, len);
			a->mptcp = 1;
		} else if (len > 2 && (how & (SYN | FROM_SERVER)) == (SYN | FROM_SERVER)) {
			answer_synack(a->copy + at, how, a);
		}
		at += len;
	}
}

/* The work area holds what earlier packets left there: stale. */
static void by_the_product(const uint8_t *opt, uint32_t size, int how, uint8_t stale,
			   struct answer *a)
{
	struct ks_option_walk *o = &area.options;

	memset(&area, stale, sizeof(area));
	memset(o, 0, sizeof(*o));
	area.pkt.role = how & FROM_SERVER ? KS_SERVER : KS_CLIENT;
	area.pkt.flags = how & SYN ? TCP_SYN | TCP_ACK : TCP_ACK;
	area.pkt.how = how & ASSEMBLE ? KS_HOW_ASSEMBLE : 0;
	area.pkt.scale = 0;
	memcpy(area.seg, opt, size);
	memcpy(area.seg + OPT_COPY, opt, size);
	o->size = size;
	ks_loop(2 * OPT_MAX, option_step, NULL);
	MUST(o->reason == 0 || o->reason == KS_R_tcp_option);
	*a = (struct answer){ o->reason != 0, o->mptcp, o->lowered, area.pkt.scale, { 0 } };
	memcpy(a->copy, area.seg + OPT_COPY, size);
	MUST(a->refused || (o->blank == 0 && (o->pos >= size || opt[o->pos] == OPT_END)));
	MUST(!memcmp(area.seg, opt, size) && area.seg[OPT_COPY + size] == stale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t stale[] = { 0, 1, 2, 30, 255 };
	struct answer want, got;
	uint32_t n;

	if (!size)
		return 0;
	n = (size - 1) & ~3u;
	if (!n || n > OPT_MAX)
		return 0;
	by_the_rule(data + 1, n, data[0], &want);
	for (size_t i = 0; i < sizeof(stale); i++) {
		by_the_product(data + 1, n, data[0], stale[i], &got);
		MUST(got.refused == want.refused);
		if (want.refused)
			continue;
		MUST(got.mptcp == want.mptcp && got.lowered == want.lowered);
		MUST(got.scale == want.scale && !memcmp(got.copy, want.copy, n));
	}
	return 0;
}
