/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader of denied packets: says that he reads, takes what comes and writes it as pcapng
 * with a comment. Without a reader none are sent. Must not change what becomes of one.
 */
#ifndef KEYSWITCH_DENIED_H
#define KEYSWITCH_DENIED_H

#include "instance.h"
#include "pcapng.h"

struct ring_buffer;

struct denied_reader {
	const struct instance *in;
	struct ring_buffer *ring;
	struct pcapng *out;
	struct names names;		/* of the generation of the last packet */
	struct ks_port_rec ports[KS_PORTS_MAX];
	uint32_t interface[KS_PORTS_MAX];	/* place in the file, by port index */
	struct ks_denied_count before[KS_PORTS_MAX];
	uint64_t began;			/* CLOCK_MONOTONIC ns */
	uint64_t real;			/* ns from that clock to the one of the day */
	uint64_t written[KS_PORTS_MAX];	/* packets in the file */
	uint64_t packets;		/* sum of them */
	uint64_t count;			/* end after so many, 0 = never */
	bool all;
	int lock;
	int err;			/* of the file, negative errno */
};

/*
 * Takes the reader's lock, the ring and `out`, and writes the file's head. count, all: as
 * above. EXIT_OK; EXIT_PROBLEM when another reader is there; message printed for every
 * failure.
 */
int denied_open(struct denied_reader *d, const struct instance *in, struct pcapng *out,
		uint64_t count, bool all);
/* From now on packets are sent, for KS_DENIED_LEASE; to be called again before that ends. */
int denied_renew(struct denied_reader *d);
/* Readable when there is something. */
int denied_fd(const struct denied_reader *d);
/* Writes everything that is there. 0, 1 = `count` packets are written, negative errno. */
int denied_take(struct denied_reader *d);
/* No more are sent; those that were are written, then what was lost. 0 or a negative errno. */
int denied_end(struct denied_reader *d);
/* What a port sent since denied_open(). */
int denied_lost(const struct denied_reader *d, uint32_t port, struct ks_denied_count *count);
void denied_close(struct denied_reader *d);

#endif
