/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests as a file of JSON lines, one object each, its keys the names of the options
 * that a single request has. Must not judge and must not print results.
 */
#ifndef KEYSWITCH_REQUEST_LINES_H
#define KEYSWITCH_REQUEST_LINES_H

#include "request.h"

/*
 * Calls visit for each line in order; "-" reads standard input. What is wrong with a
 * line is complained of as path:line, the others are visited nevertheless. EXIT_USAGE
 * after any complaint or false from visit, which has complained with request_line_wrong().
 */
int request_lines(const char *path, bool (*visit)(void *arg, const struct request_words *words,
						  unsigned int line), void *arg);

__attribute__((format(printf, 3, 4)))
void request_line_wrong(const char *path, unsigned int line, const char *fmt, ...);

#endif
