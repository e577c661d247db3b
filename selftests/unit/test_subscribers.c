// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the event socket: nobody waits for a slow reader, and a slow
 * reader costs the others nothing. Makes its own run directory.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events.h"
#include "options.h"
#include "subscribers.h"
#include "test.h"

#define LINE 1000

struct bench {
	struct subscribers s;
	char dir[32];
	int epoll;
};

/* Handles whatever the listener and the readers have to say. */
static void turn(struct bench *b)
{
	struct epoll_event e[8];
	int n;

	while ((n = epoll_wait(b->epoll, e, 8, 20)) > 0)
		for (int i = 0; i < n; i++)
			subscribers_ready(&b->s, e[i].data.fd);
}

static int reader(struct bench *b, const char *wish)
{
	int fd = events_connect();

	CHECK(fd >= 0);
	CHECK(write(fd, wish, strlen(wish)) == (ssize_t)strlen(wish));
	turn(b);
	return fd;
}

static bool open_bench(struct bench *b)
{
	strcpy(b->dir, "/tmp/test-subscribers-XXXXXX");
	options.run_dir = mkdtemp(b->dir);
	b->epoll = epoll_create1(0);
	return CHECK(options.run_dir && b->epoll >= 0 && !subscribers_open(&b->s, b->epoll));
}

static void close_bench(struct bench *b)
{
	subscribers_close(&b->s);
	close(b->epoll);
	CHECK(!rmdir(b->dir));
}

static void line(char buf[LINE + 1], int number)
{
	memset(buf, 'x', LINE);
	snprintf(buf, 8, "%07d", number);
	buf[7] = ' ';
	buf[LINE - 1] = '\n';
	buf[LINE] = '\0';
}

/* Everything that is there to read; counts the lines and checks their order. */
static int drain(int fd, int first)
{
	char buf[LINE], want[LINE + 1];
	int n = first;

	while (recv(fd, buf, LINE, MSG_DONTWAIT | MSG_PEEK) == LINE) {
		CHECK(recv(fd, buf, LINE, MSG_DONTWAIT) == LINE);
		line(want, n);
		CHECK_AT(!memcmp(buf, want, LINE), n);
		n++;
	}
	return n;
}

TEST(slow_reader_is_dropped)
{
	char text[LINE + 1], byte;
	struct bench b;
	int slow, fast, n, got = 0;

	if (!open_bench(&b))
		return;
	slow = reader(&b, "follow\n");
	fast = reader(&b, "follow\n");
	for (n = 0; n < 20000 && !b.s.dropped; n++) {
		line(text, n);
		subscribers_send(&b.s, text, LINE, true);
		got = drain(fast, got);
	}
	CHECK(b.s.dropped == 1 && n > 100 && n < 20000);
	CHECK(got == n);
	line(text, n);
	subscribers_send(&b.s, text, LINE, true);
	CHECK(drain(fast, got) == n + 1);
	/* what fitted is still there, then the end */
	while (recv(slow, text, LINE, 0) > 0)
		;
	CHECK(recv(slow, &byte, 1, MSG_DONTWAIT) == 0);
	close(slow);
	close(fast);
	close_bench(&b);
}

TEST(recent_lines_then_the_end)
{
	char text[LINE + 1];
	struct bench b;
	int fd;

	if (!open_bench(&b))
		return;
	for (int i = 0; i < RECENT_MAX + 10; i++) {
		line(text, i);
		subscribers_send(&b.s, text, LINE, true);
	}
	fd = reader(&b, "recent\n");
	CHECK(drain(fd, 10) == RECENT_MAX + 10);
	CHECK(recv(fd, text, 1, 0) == 0);
	close(fd);
	close_bench(&b);
}

TEST(strangers_are_sent_away)
{
	struct bench b;
	char byte;
	int fd;

	if (!open_bench(&b))
		return;
	fd = reader(&b, "hello\n");
	CHECK(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	fd = reader(&b, "follow\n");
	close(fd);
	turn(&b);
	CHECK(b.s.dropped == 0);
	close_bench(&b);
}

int main(void)
{
	return test_run_all();
}
