/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Totals of a replay. Must not judge or read anything.
 */
#ifndef KEYSWITCH_SUMMARY_H
#define KEYSWITCH_SUMMARY_H

#include "../bpf/shared.h"

struct summary;

struct summary *summary_new(void);
void summary_free(struct summary *s);

void summary_request(struct summary *s, const struct ks_leaf *leaf);
/* One frame's fate: a reason of the data path, or one of replay's own. */
void summary_packet(struct summary *s, const char *reason);
void summary_print(const struct summary *s);

#endif
