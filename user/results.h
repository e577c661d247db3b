/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small helpers of the commands: JSON out, policy file in.
 * Must not know any one command.
 */
#ifndef KEYSWITCH_RESULTS_H
#define KEYSWITCH_RESULTS_H

#include <argp.h>
#include <jansson.h>
#include <stdint.h>

#include "policy.h"

#define DIGEST_TEXT 65

/* Prints the object on one line and releases it; NULL is out of memory. */
int print_json(json_t *object);

/* Likewise one of many lines, which the caller flushes. */
int print_json_line(json_t *object);

/*
 * Loads a policy; problems of this level and worse are printed on stderr (text
 * or JSON). NULL: *rc is the exit code.
 */
struct compiled_policy *load_policy(const char *path, enum diag_level level, int *rc);

/* Likewise, with the rules as they were written; errors alone are printed. */
struct policy *load_rules(const char *path, struct compiled_policy **tables, int *rc);

void digest_text(char out[DIGEST_TEXT], const uint8_t digest[32]);

/* At most one argument beside the common options. */
struct one_argument {
	const char *value;	/* NULL if absent */
	const char *expected;	/* word for the error message; NULL: none is taken */
};

/* argp_parse of a command that has no options of its own. */
void parse_plain(int argc, char **argv, const char *doc, struct one_argument *arg);

#endif
