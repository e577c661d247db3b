/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the policy in the shadow would have said differently, as rows with names. Must not
 * change which policy is judged.
 */
#ifndef KEYSWITCH_SHADOW_H
#define KEYSWITCH_SHADOW_H

#include <jansson.h>

#include "instance.h"

/*
 * {"generation", "digest", "judged", "differ", "differences": [...]}, the most frequent
 * first; null without one in the shadow, NULL when it cannot be read.
 */
json_t *shadow_json(const struct instance *in, const struct ks_state_rec *state);

/* Counts of other policies than these make room. */
void shadow_forget(const struct instance *in, uint32_t generation);

#endif
