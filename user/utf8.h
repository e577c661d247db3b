/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Characters of UTF-8 text: how many bytes, and how many columns of a terminal.
 * Must not depend on the locale: output is the same wherever it is printed.
 */
#ifndef KEYSWITCH_UTF8_H
#define KEYSWITCH_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s, as RFC 3629 has it, 0 if it is none. left > 0 */
size_t utf8_length(const unsigned char *s, size_t left);

/*
 * Columns of the character of n bytes at s: 0 (combining), 1 or 2 (East Asian
 * wide). -1: must not reach a terminal, which it would steer: controls, marks of
 * direction.
 */
int utf8_width(const unsigned char *s, size_t n);

#endif
