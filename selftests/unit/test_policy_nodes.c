// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slices of thousands of ranges: wherever they lie, each is found, in one look where they
 * lie evenly, and the nodes take no more than their share of memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy_built.h"
#include "policy_nodes.h"

#define TEXT_MAX	(1u << 20)

static char text[TEXT_MAX];
static size_t text_n;

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text_n += (size_t)vsnprintf(text + text_n, TEXT_MAX - text_n, format, list);
	va_end(list);
}

static void begin(const char *match)
{
	text_n = 0;
	say("version: 1\ndefault: deny\nhosts: {hmi: 10.1.0.1}\nassets: {plc: {address: 10.2.0.1, modbus: {}, enip: {}}}\n"
	    "rules:\n  - {name: r, from: hmi, action: allow, %s", match);
}

/* Of the longest slice: how many ranges, and the levels of nodes above them on average. */
struct shape {
	uint32_t ranges;
	double levels;
};

static void measure(const struct compiled_policy *c, const struct ks_decision *d, struct shape *s)
{
	uint32_t first, last;
	uint64_t levels;

	if (d->kind != KS_K_SLICE)
		return;
	check_look(c, d, 0, &first);
	check_look(c, d, UINT32_MAX, &last);
	if (!CHECK(last < c->n_ranges) || last - first < s->ranges)
		return;
	levels = check_nodes(c, d, first, last);
	s->ranges = last - first + 1;
	s->levels = (double)levels / s->ranges;
}

static struct shape shape(void)
{
	struct shape s = { 0 };
	struct built b;

	say("}}\n");
	if (CHECK(text_n < TEXT_MAX) && build(&b, text, text_n)) {
		for (size_t i = 0; i < b.c->n_modbus_rows * 128; i++)
			measure(b.c, &b.c->modbus[i], &s);
		for (size_t i = 0; i < b.c->n_cip_rows * b.c->cfg->leaves; i++)
			measure(b.c, &b.c->cip[i], &s);
		/* the bound that bpf/compiled.h states, and those of functions beside this one */
		CHECK(b.c->n_ranges <= 5 * s.ranges / 3 + 20);
	}
	built_free(&b);
	return s;
}

TEST(ranges_at_even_distances_are_one_look_away)
{
	static const uint32_t many[] = { 2, 7, 8, 9, 30, 100, 1000, 13000 };

	for (size_t k = 0; k < sizeof(many) / sizeof(many[0]); k++) {
		struct shape s;

		begin("modbus: {functions: [6], addresses: [1-3");
		for (uint32_t i = 1; i < many[k]; i++)
			say(", %u-%u", 5 * i, 5 * i + 3);
		say("]");
		s = shape();
		CHECK_AT(s.ranges == 2 * many[k] + 1 && s.levels == 1, many[k]);
	}
}

/* What stands alone far away from the others costs those nothing. */
TEST(ranges_far_away_leave_the_others_one_look_away)
{
	struct shape s;

	begin("cip: {services: [set_attribute_single], classes: [0x70], instances: [4294967294");
	for (uint32_t i = 0; i < 4000; i++)
		say(", %u", 1000000 + 3 * i);
	say("]");
	s = shape();
	CHECK(s.ranges == 8003 && s.levels < 1.01);
}

/* Each heap takes a bucket alone; within it the number of levels grows as a logarithm. */
TEST(ranges_in_heaps_are_few_looks_away)
{
	struct shape s;

	begin("cip: {services: [set_attribute_single], classes: [0x70], instances: [1");
	for (uint32_t heap = 0; heap < 8; heap++)
		for (uint32_t i = 0; i < 4000; i++)
			say(", %u", (heap + 1) * 500000000 + 2 * i);
	say("]");
	s = shape();
	CHECK(s.ranges == 64003 && s.levels > 2 && s.levels <= KS_NODE_LEVELS);
}

TEST(ranges_at_powers_of_two_are_few_looks_away)
{
	struct shape s;

	begin("cip: {services: [set_attribute_single], classes: [0x70], instances: [1");
	for (int bit = 2; bit < 32; bit++)
		say(", %u", 1u << bit);
	say("]");
	s = shape();
	CHECK(s.ranges == 63 && s.levels <= 3);
}

TEST(ranges_anywhere_are_found)
{
	uint64_t x = 88172645463325252u;

	for (int k = 0; k < 200; k++) {
		uint32_t bits, n;

		begin("cip: {services: [set_attribute_single], classes: [0x70], instances: [1");
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		bits = 4 + x % 28;
		n = 1 + (x >> 32) % 400;
		for (uint32_t i = 0; i < n; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			/* some spread evenly, some near zero */
			say(", %u", (uint32_t)((x >> 20) % (1ull << (k & 1 ? bits : 1 + x % bits))));
		}
		say("]");
		CHECK_AT(shape().ranges, k);
	}
}

int main(void)
{
	return test_run_all();
}
