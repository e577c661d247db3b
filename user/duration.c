// SPDX-License-Identifier: GPL-2.0-only
/*
 * Durations, see duration.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "duration.h"

int duration_parse(const char *text, uint32_t *seconds)
{
	unsigned long long n, unit;
	char *end;

	/* strtoull takes signs and blanks too */
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end == 's' ? 1 : *end == 'm' ? 60 : *end == 'h' ? 3600 : 0;
	if (errno || !unit || end[1] || !n || n > INT32_MAX / unit)
		return -1;
	*seconds = (uint32_t)(n * unit);
	return 0;
}
