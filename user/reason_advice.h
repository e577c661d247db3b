/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an operator makes of a reason: where it usually comes from, and what to do. One
 * row for each reason of bpf/reasons.h; `keyswitch reasons` and docs/reasons.md print it.
 */
#ifndef KEYSWITCH_REASON_ADVICE_H
#define KEYSWITCH_REASON_ADVICE_H

#include <stdint.h>

struct reason_advice {
	const char *cause;
	const char *advice;
};

/* NULL texts: somebody added a reason and forgot this; a test finds it. */
const struct reason_advice *reason_advice(uint32_t reason);

#endif
