/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running instance as Prometheus text. Must not serve it: that is http.c.
 */
#ifndef KEYSWITCH_METRICS_H
#define KEYSWITCH_METRICS_H

#include <stdio.h>

#include "instance.h"
#include "serve_counts.h"

/* 0 or a negative errno. */
int metrics_write(FILE *out, const struct instance *in, const struct serve_counts *serve);

#endif
