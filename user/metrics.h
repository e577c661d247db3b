/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running instance as metrics. Must not serve them (http.c) and must not know how they
 * are written (exposition.c).
 */
#ifndef KEYSWITCH_METRICS_H
#define KEYSWITCH_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "instance.h"
#include "serve_counts.h"

/* 0 or a negative errno. */
int metrics_write(FILE *out, bool openmetrics, const struct instance *in,
		  const struct serve_counts *serve);

#endif
