/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists in sentences: members divided by commas, long ones cut short.
 * Must not know what its members are.
 */
#ifndef KEYSWITCH_LIST_TEXT_H
#define KEYSWITCH_LIST_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LIST_SHOWN 8

struct list {
	FILE *out;
	size_t n;		/* members so far, those not shown included */
};

void list_add(struct list *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "5", "5-9" */
void list_span(struct list *l, uint32_t lo, uint32_t hi);
/* Says how many were not shown. */
void list_end(const struct list *l);

#endif
