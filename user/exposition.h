/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes metrics as Prometheus text (0.0.4) or OpenMetrics (1.0.0): the same families in
 * the words of either. Must not know any one metric.
 */
#ifndef KEYSWITCH_EXPOSITION_H
#define KEYSWITCH_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct exposition {
	FILE *out;
	bool openmetrics;
	const struct family *family;	/* that the next samples belong to */
};

enum family_type { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_INFO, FAMILY_HISTOGRAM };

/* One metric family. Its name has no "_total" and no "_info": its type says so. */
struct family {
	const char *name;
	enum family_type type;
	const char *unit;	/* the name's end, NULL without one */
	const char *help;	/* a sentence in plain ASCII without quotes */
};

struct label {
	const char *name;
	const char *value;
};

/* Begins a family: all of its samples follow before the next one. */
void exposition_family(struct exposition *e, const struct family *family);
void exposition_sample(struct exposition *e, const struct label *labels, size_t n,
		       uint64_t value);
/* A family of one sample. */
void exposition_single(struct exposition *e, const struct family *family, uint64_t value);
/* Likewise a counter that began at `created`, seconds of the real clock. */
void exposition_counter(struct exposition *e, const struct family *family, uint64_t value,
			double created);
/*
 * One series of a histogram: n buckets of at most limits[i], each with what fell into it
 * alone, the last without a limit; `sum` of all in the family's unit.
 */
void exposition_histogram(struct exposition *e, const struct label *label, const double *limits,
			  const uint64_t *counts, size_t n, double sum);
/* Nothing may follow. */
void exposition_end(struct exposition *e);

/*
 * Does a client with this Accept header (NULL: it sent none) want OpenMetrics 1.0? Only if
 * it names it, and likes plain text no better.
 */
bool exposition_wants_openmetrics(const char *accept);

#endif
