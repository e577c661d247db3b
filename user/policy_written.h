/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a request writes to one register or coil, and whether a rule's `values` hold it.
 * Must not know about other rules.
 */
#ifndef KEYSWITCH_POLICY_WRITTEN_H
#define KEYSWITCH_POLICY_WRITTEN_H

#include "policy_says.h"

enum value_says {
	VALUE_HELD,
	VALUE_OTHER,
	VALUE_UNKNOWN,	/* not said, not a whole pair, no pair at all */
};

/* Bits from lo to hi: function 22 leaves some of them open, all others write one value. */
struct written {
	bool known;
	uint32_t lo, hi;
};

/* As a rule with such values takes it; `at` is one of the rule's addresses. */
struct written request_written(const struct policy_request *q, const struct request_part *part,
			       const struct modbus_match *m, uint32_t at);
/* One value. */
enum value_says values_say(const struct value_match *m, bool known, uint32_t bits);
/* The last value up to `hi` that they hold, or do not hold, like `bits`. */
uint32_t values_border(const struct value_match *m, uint32_t bits, uint32_t hi);

#endif
