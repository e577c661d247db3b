/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shape of events: Suricata's EVE, with what only keyswitch knows in the object
 * `keyswitch`. docs/events.md has every field. Must not read or write anything.
 */
#ifndef KEYSWITCH_EVE_H
#define KEYSWITCH_EVE_H

#include <jansson.h>
#include <stdint.h>

#include "../bpf/shared.h"

/* Of Suricata's signature_ids those that are kept for local use. */
#define EVE_SID_FIRST	1000000u
#define EVE_SIDS	1000000u

/* "2026-11-28T05:00:00.123456+0000" of this CLOCK_MONOTONIC time, the data path's clock. */
void eve_set_time(json_t *event, uint64_t monotonic);

/* Type, addresses and ports, names of the connection, link, alert. */
void eve_set_packet(json_t *event, const struct ks_event *e);

/* The object `modbus` or `enip`: the request in Suricata's words. */
void eve_set_request(json_t *event, const struct ks_event *e);

/* Made from the reason's name, so that it stays when reasons are added. */
uint32_t eve_signature_id(uint32_t reason);

#endif
