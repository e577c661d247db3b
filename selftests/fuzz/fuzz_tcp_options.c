/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for option_step() of bpf/l4.h: the input is the option part of a
 * TCP header. Below the list is walked as RFC 9293 has it. Both must agree on what
 * passes, and the copy that is sent on must differ in MPTCP options alone, which are
 * NOP there. l4_options() around the walk calls BPF helpers and is left to the vectors.
 */
#include "fuzz.h"

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/l4.h"

struct answer {
	int refused;
	uint32_t mptcp;
	uint8_t copy[OPT_MAX];
};

/* Kinds 0 and 1 are one byte, all others kind, length of all, data; nothing is cut. */
static void by_the_rule(const uint8_t *opt, uint32_t size, struct answer *a)
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
			a->mptcp++;
		}
		at += len;
	}
}

/* The work area holds what earlier packets left there: stale. */
static void by_the_product(const uint8_t *opt, uint32_t size, uint8_t stale, struct answer *a)
{
	static struct ks_work w;
	struct option_walk o = { .w = &w, .size = size, .reason = KS_GO };

	memset(&w, stale, sizeof(w));
	memcpy(w.seg, opt, size);
	memcpy(w.seg + OPT_COPY, opt, size);
	w.blank = 0;
	ks_loop(2 * OPT_MAX, option_step, &o);
	MUST(o.reason == KS_GO || o.reason == KS_R_tcp_option);
	*a = (struct answer){ .refused = o.reason != KS_GO, .mptcp = o.mptcp };
	memcpy(a->copy, w.seg + OPT_COPY, size);
	MUST(w.blank == 0 || a->refused);
	MUST(!memcmp(w.seg, opt, size) && w.seg[OPT_COPY + size] == stale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t stale[] = { 0, 1, 2, 30, 255 };
	struct answer want, got;

	size &= ~(size_t)3;
	if (!size || size > OPT_MAX)
		return 0;
	by_the_rule(data, size, &want);
	for (size_t i = 0; i < sizeof(stale); i++) {
		by_the_product(data, size, stale[i], &got);
		MUST(got.refused == want.refused);
		if (want.refused)
			continue;
		MUST(got.mptcp == want.mptcp && !memcmp(got.copy, want.copy, size));
	}
	return 0;
}
