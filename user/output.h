/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file, or standard output, that serve appends lines to. A line is there whole or
 * not at all; what could not be written is counted and told. Must not know what a line is.
 */
#ifndef KEYSWITCH_OUTPUT_H
#define KEYSWITCH_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
	const char *path;	/* "-": standard output */
	int fd;
	bool regular;		/* else a reader may be slow */
	int patience;		/* ms that may still be waited for it before output_tick() */
	bool failing;
	uint64_t lost;		/* lines that count */
	uint64_t lost_before;	/* when it began to fail */
};

/* Opens it, or opens it anew: then a failure leaves the old one in use. An enum exit_code. */
int output_open(struct output *o, const char *path);
int output_reopen(struct output *o);
void output_close(struct output *o);
/*
 * line ends with '\n' and has at most PIPE_BUF bytes, which a pipe takes whole; never
 * waits longer than there is patience. counts: its loss is one.
 */
void output_write(struct output *o, const char *line, size_t len, bool counts);
/* Once a second or oftener. */
void output_tick(struct output *o);

#endif
