/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Explanations in words: what each rule says to a request, and the request itself.
 * Must not judge anything.
 */
#ifndef KEYSWITCH_EXPLAIN_TEXT_H
#define KEYSWITCH_EXPLAIN_TEXT_H

#include <jansson.h>
#include <stdio.h>

#include "policy_explain.h"
#include "request.h"

/* A question and its answer. */
struct explained {
	const char *path;	/* of the policy */
	const struct policy *p;
	struct asked asked;
	struct explanation x;	/* run NULL: decided before the rules */
	uint32_t pair;		/* KS_PROFILE_* of client and controller */
};

/* What rule number i (from 0) of those considered says: "unit 1-3 does not hold 7". */
void explain_rule(FILE *out, const struct explained *e, size_t i);
/* Why a request is refused or let through before any rule: "10.2.0.9 is no asset ...". */
void explain_reason(FILE *out, const struct explained *e);
/* Why the default says what it says, where it decides. */
void explain_default(FILE *out, const struct explained *e);

const struct request_part *explain_about(const struct explained *e);
bool explain_allowed(const struct explained *e);
/* Denied, and so is every other request of this protocol: not even a connection is made. */
bool explain_no_connection(const struct explained *e);
const char *explain_default_name(const struct explained *e);
/* 1-based, 0 = "default" */
const char *explain_rule_name(const struct explained *e, uint32_t rule);
/* Where the rule that decides is, or `default`; line 0: it is not in the file. */
struct pos explain_place(const struct explained *e);
/* That line without what indents it, to be freed; NULL when it cannot be read. */
char *explain_line(const struct explained *e);

/* "write_single_register", "0x4b", of what is judged in one part. */
void explain_part_name(FILE *out, const struct policy_request *q,
		       const struct request_part *part, uint32_t element);
bool explain_has_elements(const struct policy_request *q, const struct request_part *part);
/* "address 100-119 (4x101-4x120)"; nothing if the part has no elements. */
void explain_elements(FILE *out, const struct policy_request *q,
		      const struct request_part *part, struct elements of);
/* " (4x101-4x120)"; nothing for coils */
void explain_table_form(FILE *out, uint32_t fc, struct elements of);
enum ks_group explain_group(const struct policy_request *q, const struct request_part *part,
			    uint32_t element);

#define RATE_TEXT_MAX 48
/* "10/s", "10/s (20 at once)" */
const char *explain_rate(const struct policy_rate *r, char text[RATE_TEXT_MAX]);
/* ", where 150 is written" of the element reported; nothing if no rule asks for it. */
void explain_written(FILE *out, const struct explained *e);
/* Bits as a number of the rule's type. */
void explain_value(FILE *out, const struct value_match *m, uint32_t bits);

/* The whole answer as one object; NULL when out of memory. */
json_t *explain_json(const struct explained *e);

/* The request's fields as replay and events have them; NULL when out of memory. */
json_t *explain_fields(const struct policy_request *q);

#endif
