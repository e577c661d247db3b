/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside of request.h: the words once they are read, and the requests that they make
 * together. Only the policy_parse_request*.c files include this.
 */
#ifndef KEYSWITCH_POLICY_PARSE_REQUEST_H
#define KEYSWITCH_POLICY_PARSE_REQUEST_H

#include "policy_parse.h"
#include "request.h"

/* --value: bits, still one an option's number, and what they are numbers of. */
struct value_list {
	uint32_t *v;
	size_t n;
	enum ks_value_type type;	/* KS_VT_NONE: not said */
	bool low_first;
};

struct reading {
	struct parser ps;
	const struct policy *p;
	const struct request_words *in;
	struct policy_request *q;
	/* what the words say, before it is put together */
	struct function_sel function;
	struct service_sel service, pccc;
	struct address_sel address, written;
	struct file_sel file;
	uint32_t class;
	int io;
	struct value_list value;
};

static inline bool given(const struct reading *r, enum request_word w)
{
	return r->in->word[w] != NULL;
}

/* Says what is wrong with an option's word; false. */
bool word_wrong(struct reading *r, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* policy_parse_request_values.c: single words; then all of them against what is written */
bool word_value(struct reading *r, const struct ynode *n);
bool word_value_type(struct reading *r, const struct ynode *n);
bool values_request(struct reading *r);

/* The words of one kind -> r->q; false after a diagnostic. */
bool modbus_request(struct reading *r);
bool cip_request(struct reading *r);
bool pccc_request(struct reading *r);

#endif
