/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GET /metrics over HTTP, inside somebody else's event loop.
 * Must not know what the text says.
 */
#ifndef KEYSWITCH_HTTP_H
#define KEYSWITCH_HTTP_H

#include <stdio.h>

struct MHD_Daemon;

struct http {
	struct MHD_Daemon *daemon;
	int (*write)(FILE *out, void *arg);	/* 0 or a negative errno */
	void *arg;
};

/* "ADDR:PORT", "[v6]:PORT". EXIT_OK or another code with a message printed. */
int http_open(struct http *http, const char *listen, int (*write)(FILE *out, void *arg),
	      void *arg);
void http_close(struct http *http);
int http_fd(const struct http *http);
/* Call when http_fd() is readable and when the timeout has passed. */
void http_run(struct http *http);
/* Milliseconds until http_run() wants to be called, -1 = never. */
int http_timeout(const struct http *http);

#endif
