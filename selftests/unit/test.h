/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The unit tests' frame: TEST(name) { ... CHECK(condition); ... } registers and
 * defines one test; main() returns test_run_all(), which prints a line for each
 * and the closing count. A failed CHECK names its place and the test goes on.
 */
#ifndef KEYSWITCH_TEST_H
#define KEYSWITCH_TEST_H

#include <stdio.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static unsigned int test_bad_checks;

static inline void test_add(struct test *t)
{
	*test_last = t;
	test_last = &t->next;
}

#define TEST(id)                                                     \
	static void test_##id(void);                                 \
	static struct test test_entry_##id = { #id, test_##id, NULL }; \
	__attribute__((constructor)) static void test_add_##id(void) \
	{                                                            \
		test_add(&test_entry_##id);                          \
	}                                                            \
	static void test_##id(void)

/* Prints at most 20 failures of one test: a loop over lengths fails often at once. */
static inline int test_check(int good, const char *file, int line, const char *what)
{
	if (!good && ++test_bad_checks <= 20)
		printf("%s:%d: not true: %s\n", file, line, what);
	return good;
}

#define CHECK(condition) test_check(!!(condition), __FILE__, __LINE__, #condition)

/* For loops: says in which round the condition did not hold. */
#define CHECK_AT(condition, round)                                                       \
	do {                                                                             \
		if (!CHECK(condition))                                                   \
			printf("  where %s = %ld\n", #round, (long)(round));             \
	} while (0)

static inline int test_run_all(void)
{
	unsigned int passed = 0, failed = 0;
	struct test *t;

	for (t = test_first; t; t = t->next) {
		test_bad_checks = 0;
		t->run();
		if (test_bad_checks)
			failed++;
		else
			passed++;
		printf("%s %s\n", test_bad_checks ? "not ok" : "ok", t->name);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !passed;
}

#endif
