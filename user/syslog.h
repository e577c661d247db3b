/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An event as a syslog message: RFC 5424, the text is CEF. Must not send it.
 */
#ifndef KEYSWITCH_SYSLOG_H
#define KEYSWITCH_SYSLOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * malloc'ed, NULL when out of memory. counted: with its length in front, as streams want
 * it (RFC 6587 3.4.1, RFC 5425 4.3). sequence: of this message, so that a receiver sees
 * what is missing; pid: of this process.
 */
char *syslog_message(const json_t *event, uint32_t sequence, int pid, bool counted, size_t *len);

#endif
