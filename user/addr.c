// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text and order of addresses and prefixes, see addr.h.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

unsigned int prefix_width(const struct prefix *p)
{
	return p->family == 4 ? 32 : 128;
}

/* Clears the bits beyond the length; true if any was set. */
static bool mask_host_bits(struct prefix *p)
{
	bool had = false;

	for (unsigned int i = 0; i < sizeof(p->addr); i++) {
		unsigned int keep = p->len > 8 * i ? p->len - 8 * i : 0;
		uint8_t mask = keep >= 8 ? 0xff : (uint8_t)(0xff00 >> keep);

		had |= p->addr[i] & ~mask;
		p->addr[i] &= mask;
	}
	return had;
}

static bool parse_length(const char *text, unsigned int width, uint8_t *out)
{
	unsigned int n = 0, digits = 0;

	for (; isdigit((unsigned char)text[digits]); digits++) {
		n = n * 10 + (unsigned int)(text[digits] - '0');
		if (digits == 3)
			return false;
	}
	if (!digits || text[digits] || n > width || (digits > 1 && text[0] == '0'))
		return false;
	*out = (uint8_t)n;
	return true;
}

enum prefix_error prefix_parse(const char *text, size_t len, struct prefix *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char buf[PREFIX_TEXT_MAX];
	char *slash;

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(buf) || memchr(text, 0, len))
		return PREFIX_SYNTAX;
	memcpy(buf, text, len);
	buf[len] = 0;
	slash = strchr(buf, '/');
	if (slash)
		*slash++ = 0;

	if (inet_pton(AF_INET, buf, out->addr) == 1)
		out->family = 4;
	else if (inet_pton(AF_INET6, buf, out->addr) == 1)
		out->family = 6;
	else
		return PREFIX_SYNTAX;

	out->len = (uint8_t)prefix_width(out);
	if (slash && !parse_length(slash, prefix_width(out), &out->len))
		return PREFIX_LENGTH;
	if (out->family == 6 && out->len >= 96 && !memcmp(out->addr, mapped, 12))
		return PREFIX_MAPPED;
	return mask_host_bits(out) ? PREFIX_HOST_BITS : PREFIX_OK;
}

const char *prefix_format(const struct prefix *p, char buf[PREFIX_TEXT_MAX])
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, text,
		       sizeof(text)))
		text[0] = 0;
	if (p->len == prefix_width(p))
		snprintf(buf, PREFIX_TEXT_MAX, "%s", text);
	else
		snprintf(buf, PREFIX_TEXT_MAX, "%s/%u", text, p->len);
	return buf;
}

void prefix_key(const struct prefix *p, uint8_t out[16])
{
	if (p->family == 6) {
		memcpy(out, p->addr, 16);
		return;
	}
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, p->addr, 4);
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
	unsigned int whole = outer->len / 8, rest = outer->len % 8;

	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	if (memcmp(outer->addr, inner->addr, whole))
		return false;
	return !rest ||
	       !((outer->addr[whole] ^ inner->addr[whole]) >> (8 - rest));
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return !prefix_compare(a, b);
}

int prefix_compare(const void *pa, const void *pb)
{
	const struct prefix *a = pa, *b = pb;
	int diff;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	diff = memcmp(a->addr, b->addr, sizeof(a->addr));
	if (diff)
		return diff;
	return a->len < b->len ? -1 : a->len > b->len;
}
