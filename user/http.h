/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GET /metrics over HTTP, inside somebody else's event loop. However many clients come and
 * however slow they are, memory and time for them are bounded. Must not know what the text
 * says.
 */
#ifndef KEYSWITCH_HTTP_H
#define KEYSWITCH_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HTTP_CLIENTS 32		/* connections at once */

struct MHD_Daemon;
struct MHD_Response;

/* 0 or a negative errno. */
typedef int (*http_write)(FILE *out, bool openmetrics, void *arg);

struct http_client {
	int fd;			/* -1: this place is free */
	uint64_t since;		/* CLOCK_MONOTONIC ns */
	bool asked;		/* a whole request has come */
	bool ended;		/* shut down, not yet gone */
};

/* A text is shared by all who ask while it is as old as it took to make. */
struct http_text {
	struct MHD_Response *response;
	uint64_t until;
};

struct http {
	struct MHD_Daemon *daemon;
	http_write write;
	void *arg;
	struct http_client clients[HTTP_CLIENTS];
	struct http_text texts[2];	/* by openmetrics */
	bool closed;		/* a connection, in this run */
	uint64_t answered;
	uint64_t cut;		/* connections ended for their age */
};

/* "ADDR:PORT", "[v6]:PORT". EXIT_OK or another code with a message printed. */
int http_open(struct http *http, const char *listen, http_write write, void *arg);
void http_close(struct http *http);
int http_fd(const struct http *http);
/* Call when http_fd() is readable and when the timeout has passed. */
void http_run(struct http *http);
/* Milliseconds until http_run() wants to be called, -1 = never. */
int http_timeout(struct http *http);

#endif
