// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lists in sentences, see list_text.h. Must not know what its members are.
 */
#include <stdarg.h>

#include "list_text.h"

void list_add(struct list *l, const char *fmt, ...)
{
	va_list ap;

	if (l->n++ >= LIST_SHOWN)
		return;
	fputs(l->n > 1 ? ", " : "", l->out);
	va_start(ap, fmt);
	vfprintf(l->out, fmt, ap);
	va_end(ap);
}

void list_span(struct list *l, uint32_t lo, uint32_t hi)
{
	if (lo == hi)
		list_add(l, "%u", lo);
	else
		list_add(l, "%u-%u", lo, hi);
}

void list_end(const struct list *l)
{
	if (l->n > LIST_SHOWN)
		fprintf(l->out, " and %zu more", l->n - LIST_SHOWN);
}
