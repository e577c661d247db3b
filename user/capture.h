/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames of a capture file, as Ethernet, small enough for the data path.
 * Must not judge a frame.
 */
#ifndef KEYSWITCH_CAPTURE_H
#define KEYSWITCH_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 3400		/* BPF_PROG_TEST_RUN takes little more */
#define CUT_PAYLOAD 1400	/* of the segments that larger frames become */

struct frame {
	const uint8_t *data;
	uint32_t len;
	uint64_t time;		/* ns since 1970 */
	uint32_t number;	/* 1 = first of the capture, as tshark counts */
};

struct capture;

/* NULL with a message printed. */
struct capture *capture_open(const char *path);
/* A first pass over the file leaves it to the second to tell where it is broken. */
void capture_mute(struct capture *c);
/* 1, 0 at the end, -1 with a message printed. Valid until the next call. */
int capture_next(struct capture *c, struct frame *frame);
void capture_close(struct capture *c);

/* Addresses and ports of a frame; the few bytes that replay itself must know. */
struct packet {
	uint8_t ip_version;	/* 0: no IP, or not readable */
	uint8_t proto;
	uint8_t flags;		/* TCP */
	bool ports;		/* TCP or UDP, no later fragment */
	uint8_t src[16];	/* IPv4 in the first four bytes */
	uint8_t dst[16];
	uint16_t sport;
	uint16_t dport;
	uint32_t l3;		/* offsets into the frame */
	uint32_t l4;
	uint32_t payload;	/* TCP only */
	uint32_t end;		/* of the IP packet, never beyond the frame */
};

void packet_parse(const struct frame *frame, struct packet *p);

/*
 * A TCP frame that is too long (captures behind GRO or TSO) as the segments
 * that were on the wire. Fills buf with number `i`; 0 when there are no more,
 * -1 when the frame cannot be cut.
 */
int capture_cut(const struct frame *frame, const struct packet *p, unsigned int i,
		uint8_t buf[FRAME_MAX], struct frame *out);

#endif
