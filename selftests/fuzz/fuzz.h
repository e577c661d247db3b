/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzzers' frame: MUST() for what has to hold, and a second way to run a
 * harness without libFuzzer's loop: KEYSWITCH_FUZZ_INPUTS names a file of inputs
 * (length in four bytes little-endian, then bytes), each is run once and counted,
 * and the one that stops the run is printed as hex.
 */
#ifndef KEYSWITCH_FUZZ_H
#define KEYSWITCH_FUZZ_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sanitizer/common_interface_defs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MUST(condition)                                                               \
	do {                                                                          \
		if (!(condition)) {                                                   \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,  \
				#condition);                                          \
			__builtin_trap();                                             \
		}                                                                     \
	} while (0)

static const uint8_t *fuzz_input;
static size_t fuzz_size;

static void fuzz_tell(void)
{
	fprintf(stderr, "input: ");
	for (size_t i = 0; i < fuzz_size; i++)
		fprintf(stderr, "%02x", fuzz_input[i]);
	fprintf(stderr, "\n");
}

static void fuzz_stopped(int number)
{
	fuzz_tell();
	_Exit(128 + number);
}

/* The block has exactly the input's length, so that a read beyond is seen. */
static int fuzz_next(FILE *f)
{
	uint8_t head[4], *block;
	size_t n;

	if (fread(head, 1, 4, f) != 4)
		return 0;
	n = head[0] | head[1] << 8 | head[2] << 16 | (size_t)head[3] << 24;
	block = malloc(n ? n : 1);
	if (!block || fread(block, 1, n, f) != n) {
		fprintf(stderr, "input file cut or too large\n");
		exit(3);
	}
	fuzz_input = block;
	fuzz_size = n;
	LLVMFuzzerTestOneInput(block, n);
	free(block);
	return 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("KEYSWITCH_FUZZ_INPUTS");
	unsigned long count = 0;
	FILE *f;

	(void)argc;
	(void)argv;
	if (!path)
		return 0;
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(3);
	}
	__sanitizer_set_death_callback(fuzz_tell);
	signal(SIGILL, fuzz_stopped);
	signal(SIGABRT, fuzz_stopped);
	while (fuzz_next(f))
		count++;
	fclose(f);
	printf("%lu inputs\n", count);
	exit(0);
}

#endif
