/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring buffer's one consumer: records become JSON objects in Suricata's
 * EVE shape. Nothing that enforces depends on it. Must not decide where
 * events go.
 */
#ifndef KEYSWITCH_EVENTS_H
#define KEYSWITCH_EVENTS_H

#include <jansson.h>
#include <stdio.h>

#include "instance.h"

#define EVENTS_SOCKET "events.sock"

struct ring_buffer;

struct event_source {
	const struct instance *in;
	struct ring_buffer *ring;
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct names names;		/* of the generation of the last event */
	void (*take)(void *arg, json_t *event);	/* borrows the event */
	void *arg;
	int lock;
	char host[256];			/* of this gateway */
};

/*
 * Takes the consumer's lock and the ring. EXIT_OK; EXIT_PROBLEM when another
 * consumer is there; message printed for every failure.
 */
int events_open(struct event_source *src, const struct instance *in,
		void (*take)(void *arg, json_t *event), void *arg);
void events_close(struct event_source *src);
/* Readable when there is something. */
int events_fd(const struct event_source *src);
/* Hands over everything that is there; 0 or a negative errno. */
int events_consume(struct event_source *src);

/* A connection to `serve`, or -1. */
int events_connect(void);

bool event_is_stats(const json_t *event);
/* Of a stats event: how many events were held back or lost since the one before. */
json_int_t event_missed(const json_t *event);

/* One line for people; of a stats event only that something is missing. */
void event_print(FILE *out, const json_t *event);

/* One record as EVE; NULL when out of memory. */
json_t *event_json(struct event_source *src, const struct ks_event *e);

#endif
