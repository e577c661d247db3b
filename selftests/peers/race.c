// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two CPUs, one connection: segments that contradict each other enter a two-queue NIC
 * at the same time, from packet sockets without a qdisc, one thread pinned to each CPU.
 * A round is a connection; what is sent in it, and how far apart, comes from the seed.
 *   race NIC CLIENT-MAC SERVER-MAC CLIENT SERVER PORT SECONDS SEED KIND
 * KIND: 0 to 4 as numbered below, 5 all of them in turn. It judges nothing; prints
 * how many rounds there were and how long the senders took.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD	  54
#define MOST	  2048 /* what keyswitch takes of one Modbus segment */
#define WRITE	  12
#define HIDING	  23 /* a read of two file records whose last bytes are a write */
#define FIRST	  20000
#define PORTS	  40000
#define PATIENCE  20000 /* microseconds that an answer may take */
#define SPREAD	  40 /* microseconds that the two sides may be apart */
#define SETTLE	  150
#define FIN	  1
#define SYN	  2
#define RST	  4
#define PSH	  8
#define ACK	  16
#define BAD_IP	  256 /* keyswitch lets it pass, the server's IP does not */
#define FRAMES	  3

struct frame {
	size_t len;
	unsigned char bytes[HEAD + MOST];
};

/* What one CPU sends in a round, `wait` nanoseconds after the start. */
struct side {
	long wait, took;
	int frames;
	struct frame frame[FRAMES];
};

struct connection {
	uint16_t sport;
	uint32_t base, ack; /* numbers of the first byte, ours and the next of the server's */
};

static struct {
	unsigned char head[14];
	uint32_t src, dst;
	uint16_t port;
	int tx, rx;
} ends;

static struct side helper, own;
static atomic_ulong started, finished;
static atomic_long start_at;
static uint64_t dice;

static uint32_t roll(uint32_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (uint32_t)(dice >> 33) % sides;
}

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

/* ---- frames ---- */

static uint32_t sum(const unsigned char *data, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void put16(unsigned char *at, uint32_t value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* A segment at this offset of the connection's stream. */
static void build(struct frame *f, const struct connection *c, int flags, uint32_t offset,
		  const unsigned char *data, size_t len)
{
	unsigned char *ip = f->bytes + 14, *tcp = ip + 20;

	f->len = HEAD + len;
	memset(f->bytes, 0, HEAD);
	memcpy(f->bytes, ends.head, 14);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(40 + len));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, ends.src);
	put32(ip + 16, ends.dst);
	put16(ip + 10, (flags & BAD_IP ? 0x5555 : 0) ^ ~sum(ip, 20, 0));
	put16(tcp, c->sport);
	put16(tcp + 2, ends.port);
	put32(tcp + 4, c->base + offset);
	put32(tcp + 8, flags & ACK ? c->ack : 0);
	tcp[12] = 0x50;
	tcp[13] = (unsigned char)flags;
	put16(tcp + 14, 65000);
	if (len)
		memcpy(tcp + 20, data, len);
	put16(tcp + 16, ~sum(tcp, 20 + len, sum(ip + 12, 8, (uint32_t)(26 + len))));
}

static void send_frame(const struct frame *f)
{
	if (send(ends.tx, f->bytes, f->len, 0) < 0 && f->len > HEAD + MOST)
		exit(1);
}

static void send_one(const struct connection *c, int flags, uint32_t offset,
		     const unsigned char *data, size_t len)
{
	static struct frame f;

	build(&f, c, flags, offset, data, len);
	send_frame(&f);
}

/* ---- what is said ---- */

/* Requests of eight bytes (function 7) up to len - tail; len - tail is a multiple of eight. */
static void many(unsigned char *data, size_t len)
{
	static const unsigned char one[8] = { 0, 1, 0, 0, 0, 2, 1, 7 };

	for (size_t at = 0; at + 8 <= len; at += 8)
		memcpy(data + at, one, 8);
}

/* Function 3 or 6, of register 10. */
static void twin(unsigned char *data, unsigned char function)
{
	const unsigned char one[WRITE] = { 0, 9, 0, 0, 0, 6, 1, function, 0, 10, 0, 7 };

	memcpy(data, one, WRITE);
}

/* Short requests, behind them an allowed one of the same length as its denied twin. */
static size_t stretch(unsigned char *data, uint32_t messages, unsigned char function)
{
	many(data, 8 * messages);
	twin(data + 8 * messages, function);
	return 8 * messages + WRITE;
}

/* Short requests, behind them a read of file records that ends with the bytes of a write. */
static size_t hiding(unsigned char *data, uint32_t messages)
{
	static const unsigned char one[HIDING] = { 0, 5, 0, 0, 0, 17, 1, 20, 14, 6, 0, 0, 0, 0, 0, 0,
						   6, 1, 6, 0, 10, 0, 7 };

	many(data, 8 * messages);
	memcpy(data + 8 * messages, one, HIDING);
	return 8 * messages + HIDING;
}

/* ---- rounds ---- */

static void send_side(struct side *s)
{
	long at = atomic_load(&start_at) + s->wait;

	while (now() < at)
		;
	at = now();
	for (int i = 0; i < s->frames; i++)
		send_frame(&s->frame[i]);
	s->took = now() - at;
}

static void *help(void *arg)
{
	(void)arg;
	pin(0);
	for (unsigned long round = 1;; round++) {
		while (atomic_load(&started) < round)
			;
		send_side(&helper);
		atomic_store(&finished, round);
	}
	return NULL;
}

static void race_once(void)
{
	static unsigned long round;

	atomic_store(&start_at, now() + 2000);
	atomic_store(&started, ++round);
	send_side(&own);
	while (atomic_load(&finished) < round)
		;
}

struct heard {
	int flags;
	uint32_t seq, ack;
};

/* 1: a segment of this connection that was waiting. Others' are let go. */
static int hear(const struct connection *c, struct heard *h)
{
	unsigned char got[256];
	ssize_t n;

	while ((n = recv(ends.rx, got, sizeof(got), MSG_DONTWAIT)) >= 0) {
		if (n < HEAD || got[12] != 8 || got[13] || got[23] != 6 ||
		    (got[36] << 8 | got[37]) != c->sport)
			continue;
		h->flags = got[47];
		memcpy(&h->seq, got + 38, 4);
		memcpy(&h->ack, got + 42, 4);
		h->seq = ntohl(h->seq);
		h->ack = ntohl(h->ack);
		return 1;
	}
	return 0;
}

/* The answer to our SYN, or -1. */
static int answered(struct connection *c)
{
	long end = now() + PATIENCE * 1000L;
	struct heard h;

	while (now() < end) {
		if (!hear(c, &h) || (h.flags & (SYN | ACK | RST)) != (SYN | ACK) || h.ack != c->base)
			continue;
		c->ack = h.seq + 1;
		return 0;
	}
	return -1;
}

/* A RST where the server stands: its socket is free again. */
static void finish(const struct connection *c)
{
	uint32_t stands = c->base;
	struct heard h;

	while (hear(c, &h))
		if (h.flags & ACK && !(h.flags & SYN))
			stands = h.ack;
	send_one(c, RST | ACK, stands - c->base, NULL, 0);
}

static int begin(struct connection *c)
{
	c->base = (uint32_t)dice ^ roll(1u << 30);
	c->ack = 0;
	send_one(c, SYN, (uint32_t)-1, NULL, 0);
	return answered(c);
}


static void side_of(struct side *s, int frames)
{
	s->frames = frames;
	s->wait = roll(2) ? roll(SPREAD * 1000) : roll(SPREAD * 100);
}

/* 0: an allowed and a denied segment at one place. */
static void one_place(struct connection *c)
{
	unsigned char good[MOST], evil[MOST];
	uint32_t longer = 20 + roll(100), shorter = roll(longer);
	size_t len = stretch(good, longer, 3), evil_len = stretch(evil, shorter, 6);

	if (roll(2)) { /* the twin at the same place as in the allowed one */
		memcpy(good + 8 * shorter, evil + 8 * shorter, WRITE);
		good[8 * shorter + 7] = 3;
		len = 8 * shorter + WRITE;
		many(good + len, 8 * (longer - shorter));
		len += 8 * (longer - shorter);
	}
	side_of(&helper, 1);
	build(&helper.frame[0], c, PSH | ACK, 0, good, len);
	side_of(&own, 1 + (int)roll(FRAMES));
	for (int i = 0; i < own.frames; i++)
		build(&own.frame[i], c, PSH | ACK, 0, evil, evil_len);
	race_once();
	race_once();
}

/* 1: what was sent again, as it was or not, with new bytes against other new bytes. */
static void again(struct connection *c)
{
	unsigned char old[MOST], good[MOST], evil[MOST];
	uint32_t messages = 10 + roll(60);
	size_t len = stretch(old, messages, 3), more;

	send_one(c, PSH | ACK | (roll(2) ? BAD_IP : 0), 0, old, len);
	memcpy(good, old, len);
	memcpy(evil, old, len);
	if (roll(2))
		evil[8 * messages + 7] = 6;
	more = stretch(good + len, roll(50), 3);
	memcpy(evil + len, good + len, more);
	if (roll(2))
		evil[len + more - WRITE + 7] = 6;
	side_of(&helper, 2);
	build(&helper.frame[0], c, PSH | ACK, 0, good, roll(2) ? len : len + more);
	build(&helper.frame[1], c, PSH | ACK, (uint32_t)len, good + len, more);
	side_of(&own, 2);
	build(&own.frame[0], c, PSH | ACK, 0, evil, roll(2) ? len : len + more);
	build(&own.frame[1], c, PSH | ACK, (uint32_t)len, evil + len, more);
	race_once();
}

/*
 * 2: while a segment is judged, the connection is reset and begun anew inside it, where
 * its bytes are a write. Were the judgement of the old one booked on the new one, the
 * write would count as sent and inspected, and could be sent again.
 */
static void reborn(struct connection *c)
{
	unsigned char data[MOST];
	size_t len = hiding(data, 100 + roll(150));
	struct connection next = *c;

	next.base = c->base + (uint32_t)len - WRITE;
	helper.frames = 1;
	helper.wait = 0;
	build(&helper.frame[0], c, PSH | ACK | BAD_IP, 0, data, len);
	own.frames = 2;
	own.wait = roll(SPREAD / 3 * 1000);
	build(&own.frame[0], c, RST | ACK, 0, NULL, 0);
	build(&own.frame[1], &next, SYN, (uint32_t)-1, NULL, 0);
	race_once();
	if (!answered(&next)) {
		send_one(&next, ACK, WRITE, NULL, 0);
		send_one(&next, PSH | ACK, 0, data + len - WRITE, WRITE);
	}
	*c = next;
}

/* 3: data against what ends or begins connections. */
static void ended(struct connection *c)
{
	unsigned char good[MOST], evil[MOST];
	uint32_t messages = 10 + roll(100);
	size_t len = stretch(good, messages, 3);
	static const int kinds[] = { FIN | ACK, RST, RST | ACK, SYN, SYN | ACK, ACK };
	int flags = kinds[roll(6)];

	stretch(evil, messages, 6);
	side_of(&helper, 2);
	build(&helper.frame[0], c, PSH | ACK, 0, good, len);
	build(&helper.frame[1], c, PSH | ACK, 0, evil, len);
	side_of(&own, 3);
	build(&own.frame[0], c, flags, flags & SYN ? roll(40) - 20 : roll(3) - 1, NULL, 0);
	build(&own.frame[1], c, PSH | ACK | (flags & FIN), 0, evil, len);
	build(&own.frame[2], c, PSH | ACK, (uint32_t)len, evil + len - WRITE, WRITE);
	race_once();
}

/*
 * 4: the SYN once more, and the server's answer to it is overtaken by the ACK and a
 * request. Did that answer begin the connection anew, another request could be judged
 * at the first one's place, of which the server reads only the end, a write.
 */
static void late_answer(struct connection *c)
{
	static const unsigned char first[] = { 0, 3, 0, 0, 0, 5, 1, 43, 14, 1, 0 };
	unsigned char other[MOST];
	size_t len = hiding(other, 0);

	helper.frames = 1;
	helper.wait = 0;
	build(&helper.frame[0], c, SYN, (uint32_t)-1, NULL, 0);
	own.frames = 2;
	own.wait = roll(SPREAD * 500);
	build(&own.frame[0], c, ACK, 0, NULL, 0);
	build(&own.frame[1], c, PSH | ACK, 0, first, sizeof(first));
	race_once();
	send_one(c, ACK, 0, NULL, 0);
	send_one(c, PSH | ACK, 0, other, len);
}

static const struct {
	void (*race)(struct connection *c);
	int connected; /* before it begins */
} kinds[] = { { one_place, 1 }, { again, 1 }, { reborn, 1 }, { ended, 1 }, { late_answer, 0 } };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void rounds(long seconds, unsigned long kind)
{
	unsigned long n = 0, port = roll(PORTS), unheard = 0, took_helper = 0, took_own = 0;
	long end = now() + seconds * 1000000000;

	while (now() < end) {
		struct connection c = { .sport = (uint16_t)(FIRST + (port + n++) % PORTS) };
		unsigned long k = kind < KINDS ? kind : n % KINDS;

		if (begin(&c)) {
			unheard++;
			continue;
		}
		if (kinds[k].connected)
			send_one(&c, ACK, 0, NULL, 0);
		kinds[k].race(&c);
		took_helper += (unsigned long)helper.took;
		took_own += (unsigned long)own.took;
		usleep(SETTLE); /* the server's application reads what came */
		finish(&c);
	}
	printf("%lu rounds, %lu unheard, %lu and %lu ns a side\n", n, unheard, took_helper / (n + 1),
	       took_own / (n + 1));
}

/* ---- start ---- */

static int packet_socket(const char *nic, int receives)
{
	struct sockaddr_ll sll = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(nic),
				   .sll_protocol = receives ? htons(ETH_P_IP) : 0 };
	int fd = socket(AF_PACKET, SOCK_RAW, sll.sll_protocol), one = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)) ||
	    setsockopt(fd, SOL_PACKET, receives ? PACKET_IGNORE_OUTGOING : PACKET_QDISC_BYPASS, &one,
		       sizeof(one))) {
		perror(nic);
		exit(1);
	}
	return fd;
}

static void mac(unsigned char *out, const char *text)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", out, out + 1, out + 2, out + 3, out + 4,
		   out + 5) != 6) {
		fprintf(stderr, "'%s' is no MAC address\n", text);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 10) {
		fprintf(stderr, "usage: race NIC CLIENT-MAC SERVER-MAC CLIENT SERVER PORT SECONDS SEED KIND\n");
		return 2;
	}
	mac(ends.head, argv[3]);
	mac(ends.head + 6, argv[2]);
	ends.head[12] = 8;
	ends.src = ntohl(inet_addr(argv[4]));
	ends.dst = ntohl(inet_addr(argv[5]));
	ends.port = (uint16_t)atoi(argv[6]);
	dice = strtoull(argv[8], NULL, 0) * 0x9e3779b97f4a7c15u | 1;
	ends.tx = packet_socket(argv[1], 0);
	ends.rx = packet_socket(argv[1], 1);
	if (pthread_create(&thread, NULL, help, NULL)) {
		perror("pthread_create");
		return 1;
	}
	pin(1);
	rounds(atol(argv[7]), strtoul(argv[9], NULL, 10));
	return 0;
}
