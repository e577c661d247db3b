// SPDX-License-Identifier: GPL-2.0-only
/*
 * Figures and names in columns: never wider than the column, never half a character.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "glance.h"
#include "test.h"
#include "utf8.h"

TEST(numbers)
{
	static const struct {
		int64_t n;
		const char *text;
	} rows[] = {
		{ -1, "-" }, { 0, "0" }, { 9999, "9999" }, { 10000, "10k" }, { 12345, "12k" },
		{ 999999, "999k" }, { 1000000, "1.0M" }, { 1999999, "1.9M" }, { 9999999, "9.9M" },
		{ 10000000, "10M" }, { 999999999, "999M" }, { 1000000000, "1.0G" },
		{ INT64_MAX, "9.2E" },
	};
	char buf[GLANCE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_AT(!strcmp(glance_number(buf, rows[i].n), rows[i].text), i);
	for (int64_t n = 1; n > 0 && n < INT64_MAX / 3; n = n * 3 - 1)
		CHECK_AT(strlen(glance_number(buf, n)) <= 5, n);
}

TEST(ages)
{
	static const struct {
		uint64_t s;
		const char *text;
	} rows[] = {
		{ 0, "0s" }, { 59, "59s" }, { 60, "1m" }, { 5999, "99m" }, { 6000, "1h" },
		{ 359999, "99h" }, { 360000, "4d" }, { 86399999, "999d" }, { 86400000, "long" },
		{ UINT64_MAX, "long" },
	};
	char buf[GLANCE_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CHECK_AT(!strcmp(glance_age(buf, rows[i].s), rows[i].text), i);
}

TEST(names)
{
	static const struct {
		const char *text;
		size_t columns;
		const char *out;
	} rows[] = {
		{ "plc", 5, "plc  " }, { "plc12", 5, "plc12" }, { "plc123", 5, "plc1~" },
		{ "", 3, "   " }, { "plc", 0, "" }, { "plc", 1, "~" },
		/* two bytes, one column; three bytes, two columns; a mark without a column */
		{ "\xc3\xbc\xc3\xbc\xc3\xbc", 3, "\xc3\xbc\xc3\xbc\xc3\xbc" },
		{ "\xc3\xbc\xc3\xbc\xc3\xbc", 2, "\xc3\xbc~" },
		{ "\xe6\xb0\xb4\xe6\xb0\xb4", 4, "\xe6\xb0\xb4\xe6\xb0\xb4" },
		{ "\xe6\xb0\xb4\xe6\xb0\xb4", 3, "\xe6\xb0\xb4~" },
		{ "\xe6\xb0\xb4\xe6\xb0\xb4", 2, "~ " },
		{ "e\xcc\x81" "a", 3, "e\xcc\x81" "a " },
		/* what steers a terminal, and what is no character */
		{ "\x1b[2J", 4, "?[2J" }, { "a\nb", 3, "a?b" }, { "\xe2\x80\xae" "ab", 3, "?ab" },
		{ "a\xff\xc3", 3, "a??" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		glance_name(out, sizeof(out), rows[i].text, rows[i].columns);
		CHECK_AT(!strcmp(out, rows[i].out), i);
	}
}

/* Whatever the bytes are: as wide as the column, whole characters, nothing behind the end. */
TEST(any_bytes_fit)
{
	srand(1);
	for (long round = 0; round < 20000; round++) {
		char text[24] = "", *out;
		size_t columns = (size_t)rand() % 20, width = 0, step;
		size_t size = columns * 4 + 1;

		for (size_t i = 0; i < sizeof(text) - 1; i++)
			text[i] = (char)(rand() % 3 ? "\xe6\xb0\xb4\xc3\xbc" "a\xcc\x81"[rand() % 8] : rand());
		out = malloc(size);
		glance_name(out, size, text, columns);
		for (const char *s = out; *s; s += step) {
			step = utf8_length((const unsigned char *)s, strlen(s));
			if (!CHECK(step))
				break;
			width += (size_t)utf8_width((const unsigned char *)s, step);
		}
		/* marks without a column may fill the room that there is in bytes */
		CHECK_AT(width == columns || strlen(out) + 4 >= size, round);
		CHECK_AT(width <= columns, round);
		free(out);
	}
}

int main(void)
{
	return test_run_all();
}
