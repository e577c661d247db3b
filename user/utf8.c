// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lengths and widths of UTF-8 characters, see utf8.h.
 */
#include "utf8.h"

struct stretch {
	uint32_t lo, hi;
	int width;
};

/* Ascending. What is in none of them is one column wide. */
static const struct stretch stretches[] = {
	{ 0x0000, 0x001f, -1 }, { 0x007f, 0x009f, -1 }, { 0x0300, 0x036f, 0 },
	{ 0x061c, 0x061c, -1 }, { 0x1100, 0x115f, 2 }, { 0x1ab0, 0x1aff, 0 },
	{ 0x1dc0, 0x1dff, 0 }, { 0x200b, 0x200d, 0 }, { 0x200e, 0x200f, -1 },
	{ 0x2028, 0x202e, -1 }, { 0x2060, 0x2064, 0 }, { 0x2066, 0x206f, -1 },
	{ 0x20d0, 0x20ff, 0 }, { 0x2e80, 0x303e, 2 }, { 0x3041, 0xa4cf, 2 },
	{ 0xac00, 0xd7a3, 2 }, { 0xf900, 0xfaff, 2 }, { 0xfe00, 0xfe0f, 0 },
	{ 0xfe20, 0xfe2f, 0 }, { 0xfe30, 0xfe6f, 2 }, { 0xfeff, 0xfeff, -1 },
	{ 0xff00, 0xff60, 2 }, { 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1f64f, 2 },
	{ 0x1f680, 0x1f6ff, 2 }, { 0x1f900, 0x1f9ff, 2 }, { 0x20000, 0x3fffd, 2 },
	{ 0xe0000, 0xe0fff, -1 },
};

size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
		   (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

int utf8_width(const unsigned char *s, size_t n)
{
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	for (size_t i = 0; i < sizeof(stretches) / sizeof(stretches[0]); i++)
		if (c >= stretches[i].lo && c <= stretches[i].hi)
			return stretches[i].width;
	return 1;
}
