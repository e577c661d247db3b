/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What two policies say of the same requests of a capture: prints those that they
 * judge differently and counts them. Must not judge anything.
 */
#ifndef KEYSWITCH_REPLAY_COMPARE_H
#define KEYSWITCH_REPLAY_COMPARE_H

#include <jansson.h>

#include "policy_diff.h"
#include "replay.h"

struct comparison;

/* totals_only: no line a request. Frees with comparison_free(). */
struct comparison *comparison_new(bool totals_only);
void comparison_free(struct comparison *c);

/* Both have just run this frame. Requests are paired by their number in the frame. */
void comparison_frame(struct comparison *c, const struct frame *f, const struct replay *was,
		      const struct replay *now);
/* Prints the totals. Was there no difference? */
bool comparison_end(const struct comparison *c);

/* Where a request was and what it asked; the verdict is the caller's. Never NULL. */
json_t *request_line(const struct packet *p, const struct frame *f, uint32_t index,
		     const struct ks_leaf *leaf);

#endif
