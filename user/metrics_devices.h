/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the metrics that tells of the devices: what they answer and how fast, and
 * the links that follow theirs.
 */
#ifndef KEYSWITCH_METRICS_DEVICES_H
#define KEYSWITCH_METRICS_DEVICES_H

#include "counters.h"
#include "exposition.h"

struct link_follow;

/* 0 or a negative errno */
int metrics_devices(struct exposition *e, const struct counters *c);
/* Ports that `link_follow` may hold down. */
void metrics_links(struct exposition *e, const struct link_follow *links);

#endif
