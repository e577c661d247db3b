/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Local readers of serve's events over a Unix socket. A reader says
 * "follow\n" for every event from now on, or "recent\n" for the last ones and
 * the end. Nobody waits for a slow reader: it is dropped.
 */
#ifndef KEYSWITCH_SUBSCRIBERS_H
#define KEYSWITCH_SUBSCRIBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBSCRIBERS_MAX 32
#define RECENT_MAX 256

struct subscriber {
	int fd;		/* -1 = free */
	int follows;
};

struct subscribers {
	int listener;
	int epoll;	/* the loop that watches listener and readers */
	struct subscriber v[SUBSCRIBERS_MAX];
	char *recent[RECENT_MAX];	/* ring of the last lines */
	size_t next;
	uint64_t dropped;
};

/* EXIT_OK or another code with a message printed. */
int subscribers_open(struct subscribers *s, int epoll);
void subscribers_close(struct subscribers *s);
/* An epoll report about `fd`: 1 if it is ours and was handled. */
int subscribers_ready(struct subscribers *s, int fd);
/* line ends with '\n'. kept: is among the last ones for who comes later. */
void subscribers_send(struct subscribers *s, const char *line, size_t len, bool kept);

#endif
