// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short figures and names, see glance.h.
 */
#include <stdio.h>
#include <string.h>

#include "glance.h"
#include "utf8.h"

const char *glance_number(char buf[GLANCE_MAX], int64_t n)
{
	static const char units[] = "kMGTPE";
	int64_t unit = 1000;
	int i = 0;

	if (n < 0)
		snprintf(buf, GLANCE_MAX, "-");
	else if (n < 10000)
		snprintf(buf, GLANCE_MAX, "%lld", (long long)n);
	if (n < 10000)
		return buf;
	while (n / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	/* cut, not rounded: it is never more than there was */
	if (n / unit < 10)
		snprintf(buf, GLANCE_MAX, "%d.%d%c", (int)(n / unit),
			 (int)(n % unit / (unit / 10)), units[i]);
	else
		snprintf(buf, GLANCE_MAX, "%d%c", (int)(n / unit), units[i]);
	return buf;
}

const char *glance_age(char buf[GLANCE_MAX], uint64_t seconds)
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(buf, GLANCE_MAX, "%llus", s);
	else if (s < 100 * 60)
		snprintf(buf, GLANCE_MAX, "%llum", s / 60);
	else if (s < 100 * 3600)
		snprintf(buf, GLANCE_MAX, "%lluh", s / 3600);
	else if (s < 1000 * 86400ull)
		snprintf(buf, GLANCE_MAX, "%llud", s / 86400);
	else
		snprintf(buf, GLANCE_MAX, "long");
	return buf;
}

/* The character at s as it may be printed: its bytes, their number and its columns. */
static size_t printable(const char *s, const char **bytes, size_t *n)
{
	size_t left = strlen(s), length = utf8_length((const unsigned char *)s, left);
	int width = length ? utf8_width((const unsigned char *)s, length) : -1;

	*bytes = width < 0 ? "?" : s;
	*n = width < 0 ? 1 : length;
	return width < 0 ? 1 : (size_t)width;
}

static size_t step(const char *s)
{
	size_t length = utf8_length((const unsigned char *)s, strlen(s));

	return length ? length : 1;
}

static size_t columns_of(const char *s)
{
	const char *bytes;
	size_t sum = 0, n;

	for (; *s; s += step(s))
		sum += printable(s, &bytes, &n);
	return sum;
}

void glance_name(char *out, size_t size, const char *text, size_t columns)
{
	size_t used = 0, at = 0, cut = columns_of(text) > columns, n;
	const char *bytes;

	for (const char *s = text; *s; s += step(s)) {
		size_t width = printable(s, &bytes, &n);

		if (used + width + cut > columns || at + n + columns - used + 1 > size)
			break;
		memcpy(out + at, bytes, n);
		at += n;
		used += width;
	}
	if (cut && columns && at + 1 < size) {
		out[at++] = '~';
		used++;
	}
	while (used++ < columns && at + 1 < size)
		out[at++] = ' ';
	out[at] = '\0';
}
