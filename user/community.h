/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Community ID version 1 of an event (seed 0), by which other tools know the
 * same flow. Must only be asked about TCP and UDP.
 */
#ifndef KEYSWITCH_COMMUNITY_H
#define KEYSWITCH_COMMUNITY_H

#include <stdint.h>

#include "../bpf/shared.h"

#define COMMUNITY_ID_MAX 40

const char *community_id(char out[COMMUNITY_ID_MAX], const struct ks_event *e);
/* The same as a number: the first eight bytes of its hash. */
uint64_t community_number(const struct ks_event *e);

#endif
