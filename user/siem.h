/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages to a syslog receiver: a UNIX datagram socket, TCP, or TLS. Nothing here waits:
 * messages stand in a bounded queue until the receiver's kernel has acknowledged them,
 * what finds the queue full is counted, and a connection that ends is made again, at
 * growing intervals. What was not acknowledged by then is sent again. Must not know what
 * a message says beyond its frame.
 */
#ifndef KEYSWITCH_SIEM_H
#define KEYSWITCH_SIEM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "serve_counts.h"

struct siem_tls;

struct siem_options {
	const char *where;	/* unix:PATH, tcp:ADDRESS:PORT, tls:ADDRESS:PORT; NULL: no SIEM */
	const char *ca;		/* PEM; NULL: those that the system trusts */
	const char *cert;	/* PEM; NULL: none is shown */
	const char *key;
	const char *name;	/* in the receiver's certificate; NULL: its address */
	uint32_t queue;		/* messages */
};

#define SIEM_QUEUE 10000

struct siem_message {
	struct siem_message *next;
	uint64_t end;		/* bytes written on this connection when the whole of it was */
	size_t len;
	bool counts;
	char text[];
};

enum siem_state { SIEM_OFF, SIEM_DOWN, SIEM_CONNECTING, SIEM_SHAKING, SIEM_UP };

struct siem {
	struct siem_options options;
	union {
		struct sockaddr any;
		struct sockaddr_storage inet;
		struct sockaddr_un local;
	} addr;
	socklen_t addr_len;
	bool stream;
	struct siem_tls *tls;	/* NULL: none */
	char *name;		/* that its certificate has to have */
	enum siem_state state;
	int epoll;
	int fd;
	int pid;
	bool told;		/* that it is not reachable */
	uint64_t deadline;	/* CLOCK_MONOTONIC ns: of the next try, or of this one */
	uint64_t backoff;	/* ns */
	uint32_t sequence;
	struct siem_message *first;	/* oldest that is not acknowledged */
	struct siem_message *unsent;	/* first that is not wholly written */
	struct siem_message **last;
	size_t offset;		/* bytes of `unsent` that are written */
	uint64_t written;	/* bytes on this connection */
	uint64_t lost_before;	/* when it was lost sight of */
	struct siem_counts counts;
};

/* Reads files and addresses; an enum exit_code, message printed. Begins to connect. */
int siem_open(struct siem *s, const struct siem_options *options, int epoll);
/* Waits at most a second or two for what is queued; tells what remains. */
void siem_close(struct siem *s);
/* counts: its loss is one. */
void siem_send(struct siem *s, const json_t *event, bool counts);
/* An epoll report about `fd`: 1 if it is ours and was handled. */
int siem_ready(struct siem *s, int fd);
/* Once a second or oftener. */
void siem_tick(struct siem *s);

#endif
