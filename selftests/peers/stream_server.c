// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TCP server for thousands of short connections: logs exactly the bytes that
 * each read() gave its application, one line a read, and sends them back.
 *   o CONN LOCAL PORT PEER PORT    accepted
 *   d CONN HEX                     one read
 *   e CONN                         the connection's end
 * Arguments: LOG ADDRESS,PORT,BACKLOG,READ,WORK[,opens|,greets]... (READ: bytes of one read at
 * most; WORK: milliseconds of a one-request device between its read() and the first half
 * of its reply, and again before the second; it reads nothing meanwhile. 0: none. opens:
 * an EtherNet/IP target that accepts every Forward_Open and answers all else with an
 * empty message; greets: sends GREETING bytes first, an empty EtherNet/IP message, so
 * that what it sent and what it was sent are never equally long). Else it must not
 * interpret a byte.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS	 256
#define READ_MAX 65536
#define WORK_MAX 1024
#define HEADER	 24 /* of an encapsulation message */
#define HEAD	 64 /* its first bytes, as far as a Forward_Open's originator */
#define OPENED	 70 /* a message that accepts it */
#define GREETING 24
#define SOCKETS	 16384

/* One socket, indexed by its descriptor; a listener has no number. */
struct peer {
	unsigned long number;
	int listener;
	size_t read;
	long work;
	long due; /* when the next half of the reply goes out */
	size_t len, said;
	unsigned char reply[WORK_MAX];
	int next; /* the one that is due after it, -1: none */
	int opens, greets;
	size_t gone, total; /* of the message that comes in */
	unsigned char head[HEAD];
};

static struct peer peers[SOCKETS];
static int first_due = -1, last_due = -1; /* all wait equally long: a queue is in order */
static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static void watch(int epoll, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev)) {
		perror("epoll_ctl");
		exit(1);
	}
}

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1;
}

/* ADDRESS,PORT,BACKLOG,READ,WORK[,opens|,greets]; the socket or -1. */
static int listener(char *text)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6 };
	char *part[6], *rest = text;
	int fd, one = 1, room = 1 << 20; /* what is sent back may wait for a slow client */

	for (int i = 0; i < 6; i++)
		part[i] = strsep(&rest, ",");
	if (!part[4] || inet_pton(AF_INET6, part[0], &sa.sin6_addr) != 1)
		return -1;
	sa.sin6_port = htons((uint16_t)atoi(part[1]));
	if (atol(part[4]) && atoi(part[3]) > WORK_MAX)
		return -1;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, atoi(part[2])))
		return -1;
	peers[fd] = (struct peer){ .listener = 1, .read = (size_t)atoi(part[3]), .work = atol(part[4]),
				   .opens = part[5] && !strcmp(part[5], "opens"),
				   .greets = part[5] && !strcmp(part[5], "greets") };
	return fd;
}

static const char *plain(const struct sockaddr_in6 *sa, char *text)
{
	inet_ntop(AF_INET6, &sa->sin6_addr, text, INET6_ADDRSTRLEN);
	return strncmp(text, "::ffff:", 7) ? text : text + 7;
}

static void accept_one(FILE *log, int epoll, int from)
{
	static const unsigned char greeting[GREETING];
	static unsigned long numbers;
	struct sockaddr_in6 local = { 0 }, peer = { 0 };
	socklen_t local_size = sizeof(local), peer_size = sizeof(peer);
	char here[INET6_ADDRSTRLEN], there[INET6_ADDRSTRLEN];
	int fd = accept4(from, (struct sockaddr *)&peer, &peer_size, SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= SOCKETS) {
		fprintf(stderr, "more than %d connections\n", SOCKETS);
		exit(1);
	}
	getsockname(fd, (struct sockaddr *)&local, &local_size);
	peers[fd] = (struct peer){ .number = ++numbers, .read = peers[from].read,
				   .work = peers[from].work, .opens = peers[from].opens };
	fprintf(log, "o %lu %s %d %s %d\n", numbers, plain(&local, here), ntohs(local.sin6_port),
		plain(&peer, there), ntohs(peer.sin6_port));
	if (peers[from].greets && send(fd, greeting, GREETING, MSG_NOSIGNAL) < 0)
		perror("greeting");
	watch(epoll, fd);
}

static void log_bytes(FILE *log, unsigned long number, const unsigned char *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	fprintf(log, "d %lu ", number);
	for (size_t i = 0; i < len; i++) {
		putc_unlocked(digits[data[i] >> 4], log);
		putc_unlocked(digits[data[i] & 15], log);
	}
	putc_unlocked('\n', log);
}

static void end_one(FILE *log, int fd)
{
	fprintf(log, "e %lu\n", peers[fd].number);
	close(fd);
}

static void wait_turn(int fd)
{
	peers[fd].due = now() + peers[fd].work;
	peers[fd].next = -1;
	if (first_due < 0)
		first_due = fd;
	else
		peers[last_due].next = fd;
	last_due = fd;
}

/* 1: it went out, or at least the connection stands. */
static int say(int fd, const unsigned char *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

/* The answer to a message; its O->T id is the T->O id of what asked for it. */
static size_t answer(const struct peer *p, unsigned char out[OPENED])
{
	static const unsigned char manager[] = { 2, 0x20, 6, 0x24, 1 };
	const unsigned char *head = p->head;

	memset(out, 0, OPENED);
	memcpy(out, head, HEADER);
	out[2] = out[3] = 0;
	if (p->total < HEAD || head[0] != 0x6f ||
	    (head[40] != 0x54 && head[40] != 0x5b) || memcmp(head + 41, manager, sizeof(manager)))
		return HEADER;
	memcpy(out + HEADER, head + HEADER, 16); /* interface handle, Null item, data item */
	out[2] = OPENED - HEADER;
	out[38] = OPENED - 40;
	out[39] = 0;
	out[40] = head[40] | 0x80;
	memcpy(out + 44, head + 52, 4);
	memcpy(out + 48, head + 52, 12); /* T->O id, serial, vendor, originator's serial */
	return OPENED;
}

/* Takes what was read message by message and answers each. */
static int converse(int fd, const unsigned char *data, size_t len)
{
	struct peer *p = &peers[fd];
	unsigned char out[OPENED];

	for (size_t i = 0; i < len; i++) {
		if (p->gone < HEAD)
			p->head[p->gone] = data[i];
		if (++p->gone == HEADER)
			p->total = HEADER + p->head[2] + 256u * p->head[3];
		if (p->gone < HEADER || p->gone < p->total)
			continue;
		if (!say(fd, out, answer(p, out)))
			return 0;
		p->gone = p->total = 0;
	}
	return 1;
}

/* The halves of replies whose time has come; milliseconds until the next one. */
static int speak(FILE *log, int epoll)
{
	while (first_due >= 0 && peers[first_due].due <= now()) {
		int fd = first_due;
		struct peer *p = &peers[fd];
		size_t half = p->said ? p->len - p->said : (p->len + 1) / 2;

		first_due = p->next;
		if (!say(fd, p->reply + p->said, half)) {
			end_one(log, fd);
			continue;
		}
		p->said += half;
		if (p->said < p->len)
			wait_turn(fd);
		else
			watch(epoll, fd);
	}
	return first_due < 0 ? -1 : (int)(peers[first_due].due - now());
}

static void read_one(FILE *log, int epoll, int fd)
{
	static unsigned char data[READ_MAX];
	struct peer *p = &peers[fd];
	ssize_t len = read(fd, data, p->read);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		end_one(log, fd);
		return;
	}
	log_bytes(log, p->number, data, (size_t)len);
	if (!p->work) {
		if (!(p->opens ? converse : say)(fd, data, (size_t)len))
			end_one(log, fd);
		return;
	}
	memcpy(p->reply, data, (size_t)len);
	p->len = (size_t)len;
	p->said = 0;
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	wait_turn(fd);
}

static int serve(FILE *log, int epoll)
{
	struct epoll_event events[EVENTS];

	while (!stopping) {
		int n = epoll_wait(epoll, events, EVENTS, speak(log, epoll));

		if (n < 0 && errno != EINTR)
			return 1;
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (peers[fd].listener)
				accept_one(log, epoll, fd);
			else
				read_one(log, epoll, fd);
		}
		fflush(log);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit most;
	struct sigaction sa = { .sa_handler = on_signal };
	int epoll = epoll_create1(0);
	FILE *log = argc > 2 ? fopen(argv[1], "a") : NULL;

	if (!log || epoll < 0) {
		fprintf(stderr, "usage: stream_server LOG ADDRESS,PORT,BACKLOG,READ,WORK[,opens|,greets]...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	for (int i = 2; i < argc; i++) {
		int fd = listener(argv[i]);

		if (fd < 0) {
			fprintf(stderr, "cannot listen on '%s': %s\n", argv[i], strerror(errno));
			return 1;
		}
		watch(epoll, fd);
	}
	return serve(log, epoll);
}
