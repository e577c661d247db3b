/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was seen of the devices behind the assets: errors that they answer, how long they
 * take. Rows with names, JSON and text for `counters` and `status`. Must not change one.
 */
#ifndef KEYSWITCH_DEVICES_H
#define KEYSWITCH_DEVICES_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>

#include "counters.h"

struct exception_row {
	const char *asset;
	uint32_t kind;			/* enum ks_answer */
	uint32_t status;
	char client[INET6_ADDRSTRLEN];	/* empty: of all */
	uint64_t replies;		/* unread: segments */
	uint64_t ago;			/* seconds since the last */
};

struct latency_row {
	const char *asset;
	struct ks_latency times;
	uint64_t samples;		/* sum of times.samples */
};

/* "modbus", "cip", "encapsulation"; NULL for KS_ANSWER_UNREAD. */
const char *exception_kind(uint32_t kind);
/* "illegal_data_address"; "other" if it has no name. */
const char *exception_name(uint32_t kind, uint32_t status);
/* Most microseconds of bucket n; the last has no such limit. */
uint64_t latency_limit(uint32_t n);

/* 0 or a negative errno. by_client: a row for each client that is remembered. */
int devices_exceptions(const struct counters *c, bool by_client,
		       void (*row)(void *arg, const struct exception_row *r), void *arg);
int devices_latency(const struct counters *c,
		    void (*row)(void *arg, const struct latency_row *r), void *arg);

/* Adds "exceptions", "exceptions_by_client", "replies_unread" and "latency". */
int devices_json(const struct counters *c, json_t *all);
/* "latency" alone. */
int devices_latency_json(const struct counters *c, json_t *all);
/* From what these wrote. */
void devices_print(const json_t *all);
void devices_print_status(const json_t *all);

#endif
