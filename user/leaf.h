/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A judged request as JSON fields and as a phrase, the same for replay and
 * events. Must not judge anything.
 */
#ifndef KEYSWITCH_LEAF_H
#define KEYSWITCH_LEAF_H

#include <jansson.h>
#include <stdio.h>

#include "../bpf/shared.h"

/* Adds the decoded fields; keys that do not apply are absent. */
void leaf_fields(json_t *object, const struct ks_leaf *leaf);
/* "unit 1 write_single_register address 5 quantity 1" from what leaf_fields() wrote. */
void leaf_phrase(FILE *out, const json_t *fields);

#endif
