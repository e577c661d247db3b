/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the metrics that says how things stand: ports, policy, tables. Those that
 * count are in metrics.c.
 */
#ifndef KEYSWITCH_METRICS_STATE_H
#define KEYSWITCH_METRICS_STATE_H

#include "counters.h"
#include "exposition.h"

/* All of these: 0 or a negative errno. */
int metrics_ports(struct exposition *e, const struct counters *c);
int metrics_policy(struct exposition *e, const struct counters *c);
int metrics_tables(struct exposition *e, const struct counters *c);

#endif
