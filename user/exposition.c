// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prometheus text and OpenMetrics, see exposition.h.
 * Must not know any one metric.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exposition.h"

static const char *const types[] = {
	[FAMILY_COUNTER] = "counter", [FAMILY_GAUGE] = "gauge", [FAMILY_INFO] = "info",
	[FAMILY_HISTOGRAM] = "histogram",
};
static const char *const suffixes[] = {
	[FAMILY_COUNTER] = "_total", [FAMILY_GAUGE] = "", [FAMILY_INFO] = "_info",
	[FAMILY_HISTOGRAM] = "",
};

/* OpenMetrics names the family, Prometheus text its samples, and knows no type "info". */
void exposition_family(struct exposition *e, const struct family *f)
{
	const char *suffix = e->openmetrics ? "" : suffixes[f->type];
	const char *type = types[f->type];

	e->family = f;
	if (!e->openmetrics && f->type == FAMILY_INFO)
		type = types[FAMILY_GAUGE];
	fprintf(e->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, suffix, f->help, f->name,
		suffix, type);
	if (e->openmetrics && f->unit)
		fprintf(e->out, "# UNIT %s %s\n", f->name, f->unit);
}

static void escaped(FILE *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
}

static void name_and_labels(struct exposition *e, const char *suffix, const struct label *labels,
			    size_t n)
{
	fprintf(e->out, "%s%s", e->family->name, suffix);
	for (size_t i = 0; i < n; i++) {
		fprintf(e->out, "%c%s=\"", i ? ',' : '{', labels[i].name);
		escaped(e->out, labels[i].value);
		fputc('"', e->out);
	}
	fputs(n ? "} " : " ", e->out);
}

void exposition_sample(struct exposition *e, const struct label *labels, size_t n,
		       uint64_t value)
{
	name_and_labels(e, suffixes[e->family->type], labels, n);
	fprintf(e->out, "%llu\n", (unsigned long long)value);
}

void exposition_histogram(struct exposition *e, const struct label *label, const double *limits,
			  const uint64_t *counts, size_t n, double sum)
{
	char limit[32];
	const struct label labels[] = { *label, { "le", limit } };
	uint64_t below = 0;

	for (size_t i = 0; i < n; i++) {
		below += counts[i];
		snprintf(limit, sizeof(limit), "%.6f", limits[i]);
		if (i == n - 1)
			snprintf(limit, sizeof(limit), "+Inf");
		name_and_labels(e, "_bucket", labels, 2);
		fprintf(e->out, "%llu\n", (unsigned long long)below);
	}
	name_and_labels(e, "_sum", labels, 1);
	fprintf(e->out, "%.6f\n", sum);
	name_and_labels(e, "_count", labels, 1);
	fprintf(e->out, "%llu\n", (unsigned long long)below);
}

void exposition_single(struct exposition *e, const struct family *family, uint64_t value)
{
	exposition_family(e, family);
	exposition_sample(e, NULL, 0, value);
}

void exposition_counter(struct exposition *e, const struct family *family, uint64_t value,
			double created)
{
	exposition_single(e, family, value);
	if (e->openmetrics)
		fprintf(e->out, "%s_created %.3f\n", family->name, created);
}

void exposition_end(struct exposition *e)
{
	if (e->openmetrics)
		fputs("# EOF\n", e->out);
}

/* ---- Accept (RFC 9110, 12.5.1) ---- */

/* The next piece before `end`, without blanks around it; *at moves behind it. */
static size_t piece(const char **at, char end, const char **start)
{
	const char *p = *at, *stop;

	while (isblank((unsigned char)*p))
		p++;
	*start = p;
	stop = strchrnul(p, end);
	*at = *stop ? stop + 1 : stop;
	while (stop > p && isblank((unsigned char)stop[-1]))
		stop--;
	return (size_t)(stop - p);
}

static bool is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

struct range {
	bool openmetrics;
	bool text;
	double q;
};

/* One media range: its type, then version and q in any order. */
static struct range read_range(const char *text, size_t len)
{
	char buf[256];
	const char *at = buf, *word;
	struct range r = { .q = 1 };
	size_t n;

	snprintf(buf, sizeof(buf), "%.*s", (int)len, text);
	n = piece(&at, ';', &word);
	r.openmetrics = is(word, n, "application/openmetrics-text");
	r.text = is(word, n, "text/plain") || is(word, n, "text/*");
	while (*at) {
		n = piece(&at, ';', &word);
		if (n > 2 && !strncasecmp(word, "q=", 2))
			r.q = strtod(word + 2, NULL);
		else if (n > 8 && !strncasecmp(word, "version=", 8) &&
			 !is(word + 8, n - 8, "1.0.0") && !is(word + 8, n - 8, "\"1.0.0\""))
			r.openmetrics = false;
	}
	return r;
}

bool exposition_wants_openmetrics(const char *accept)
{
	double openmetrics = 0, text = 0;

	while (accept && *accept) {
		const char *word;
		size_t n = piece(&accept, ',', &word);
		struct range r = read_range(word, n);

		if (r.openmetrics && r.q > openmetrics)
			openmetrics = r.q;
		if (r.text && r.q > text)
			text = r.q;
	}
	return openmetrics > 0 && openmetrics >= text;
}
