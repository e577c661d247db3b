// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bad link between two NICs: loses frames, delays all, and holds some back until
 * others have passed. The fate of the n-th frame of a direction comes from the seed.
 *   relay SEED LOSS LATE DELAY NIC NIC
 * LOSS, LATE: of 1,000 frames. DELAY: microseconds; a late frame takes three times as
 * long. Prints at its end how many were lost and how many late. It looks into no frame.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FRAME	2048
#define WAITING 4096 /* a power of two */

struct waiting {
	long due;
	size_t len;
	unsigned char bytes[FRAME];
};

/* Frames that all wait equally long, so in order. */
struct queue {
	unsigned int first, end;
	struct waiting frame[WAITING];
};

struct way {
	int from, to;
	uint64_t dice;
	struct queue queue[2]; /* in time, late */
};

static struct way ways[2];
static long delay;
static uint32_t loss, late;
static unsigned long were_lost, were_late;
static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static uint32_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13;
	*dice ^= *dice >> 7;
	*dice ^= *dice << 17;
	return (uint32_t)(*dice >> 33) % 1000;
}

static int packet_socket(const char *nic)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				   .sll_ifindex = (int)if_nametoindex(nic) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), one = 1, room = 8 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room))) {
		perror(nic);
		exit(1);
	}
	return fd;
}

static void take(struct way *w)
{
	static unsigned char bytes[FRAME];

	for (;;) {
		ssize_t len = recv(w->from, bytes, FRAME, MSG_TRUNC);
		struct waiting *f;
		struct queue *q;
		uint32_t fate;

		if (len < 0)
			return;
		if (len > FRAME) {
			fprintf(stderr, "a frame of %zd bytes\n", len);
			exit(1);
		}
		fate = roll(&w->dice);
		q = &w->queue[fate >= 1000 - late];
		if (fate < loss || q->end - q->first == WAITING) {
			were_lost++;
			continue;
		}
		were_late += q != w->queue;
		f = &q->frame[q->end % WAITING];
		memcpy(f->bytes, bytes, (size_t)len);
		f->len = (size_t)len;
		f->due = now() + (q == w->queue ? delay : 3 * delay);
		q->end++;
	}
}

/* Sends what is due; the next time that something is, or -1. */
static long give(struct way *w)
{
	long next = -1, at = now();

	for (int i = 0; i < 2; i++) {
		struct queue *q = &w->queue[i];

		for (; q->first != q->end && q->frame[q->first % WAITING].due <= at; q->first++) {
			struct waiting *f = &q->frame[q->first % WAITING];

			send(w->to, f->bytes, f->len, 0);
		}
		if (q->first != q->end && (next < 0 || q->frame[q->first % WAITING].due < next))
			next = q->frame[q->first % WAITING].due;
	}
	return next;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct pollfd fds[2];

	if (argc != 7) {
		fprintf(stderr, "usage: relay SEED LOSS LATE DELAY NIC NIC\n");
		return 2;
	}
	loss = (uint32_t)atoi(argv[2]);
	late = (uint32_t)atoi(argv[3]);
	delay = atol(argv[4]);
	sigaction(SIGTERM, &sa, NULL);
	for (int i = 0; i < 2; i++) {
		ways[i].from = ways[!i].to = packet_socket(argv[5 + i]);
		ways[i].dice = (strtoull(argv[1], NULL, 10) * 2 + (uint64_t)i) * 0x9e3779b97f4a7c15u | 1;
		fds[i] = (struct pollfd){ .fd = ways[i].from, .events = POLLIN };
	}
	while (!stopping) {
		long a = give(&ways[0]), b = give(&ways[1]), next = a < 0 || (b >= 0 && b < a) ? b : a;
		struct timespec left = { 0, 0 };

		next -= now();
		if (next > 0)
			left = (struct timespec){ next / 1000000, next % 1000000 * 1000 };
		ppoll(fds, 2, a < 0 && b < 0 ? NULL : &left, NULL);
		take(&ways[0]);
		take(&ways[1]);
	}
	printf("%lu %lu\n", were_lost, were_late);
	return 0;
}
