/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Figures and names short enough for a column of a terminal, for `flows`, `top` and
 * `status`. Must not know what is in the columns.
 */
#ifndef KEYSWITCH_GLANCE_H
#define KEYSWITCH_GLANCE_H

#include <stddef.h>
#include <stdint.h>

#define GLANCE_MAX 32

/* At most five columns: "0", "9999", "12k", "3.4M"; "-" for less than 0. */
const char *glance_number(char buf[GLANCE_MAX], int64_t n);
/* At most four columns: "0s", "59s", "12m", "3h", "4d". */
const char *glance_age(char buf[GLANCE_MAX], uint64_t seconds);
/*
 * As much of text as fits into so many columns, whole characters; a cut one ends with '~',
 * what must not reach a terminal is a '?'. Filled up with blanks. At most columns * 4 + 1
 * bytes.
 */
void glance_name(char *out, size_t size, const char *text, size_t columns);

#endif
