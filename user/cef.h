/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An event as one line of ArcSight's Common Event Format, version 0. Made from the EVE
 * object, so that both say the same. Must not know where lines go.
 */
#ifndef KEYSWITCH_CEF_H
#define KEYSWITCH_CEF_H

#include <jansson.h>
#include <stdio.h>

/* Without a line's end. */
void cef_write(FILE *out, const json_t *event);

/* 0 to 7 of RFC 5424 for the same event. */
int cef_syslog_severity(const json_t *event);

#endif
