// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of the queue to a syslog receiver, under the sanitizers: what is queued,
 * refused, acknowledged, sent again after a connection broke, and given back at the end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "siem.h"
#include "test.h"

struct bench {
	struct siem s;
	json_t *event;
	char where[64];
	int epoll;
	int listener;
	int peer;
};

static void turn(struct bench *b, int ms)
{
	struct epoll_event e[8];
	int n = epoll_wait(b->epoll, e, 8, ms);

	for (int i = 0; i < n; i++)
		siem_ready(&b->s, e[i].data.fd);
	siem_tick(&b->s);
}

static void open_bench(struct bench *b, uint32_t queue)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct siem_options o = { .where = b->where, .queue = queue };
	socklen_t len = sizeof(addr);
	int on = 1;

	b->epoll = epoll_create1(0);
	b->listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(b->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	CHECK(!bind(b->listener, (struct sockaddr *)&addr, sizeof(addr)));
	CHECK(!getsockname(b->listener, (struct sockaddr *)&addr, &len));
	snprintf(b->where, sizeof(b->where), "tcp:127.0.0.1:%u", ntohs(addr.sin_port));
	b->event = json_pack("{s:s, s:s}", "event_type", "alert", "timestamp",
			     "2026-11-28T05:00:00.123456+0000");
	CHECK(siem_open(&b->s, &o, b->epoll) == EXIT_OK);
}

static void close_bench(struct bench *b)
{
	siem_close(&b->s);
	json_decref(b->event);
	close(b->listener);
	close(b->epoll);
}

static void accept_peer(struct bench *b)
{
	for (int i = 0; i < 100 && b->s.state != SIEM_UP; i++)
		turn(b, 50);
	CHECK(b->s.state == SIEM_UP);
	b->peer = accept(b->listener, NULL, NULL);
	CHECK(b->peer >= 0);
}

/* Bytes that are there once no more come. */
static size_t read_all(struct bench *b)
{
	char buf[65536];
	size_t sum = 0;

	for (int quiet = 0; quiet < 3;) {
		ssize_t n = recv(b->peer, buf, sizeof(buf), MSG_DONTWAIT);

		sum += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		turn(b, 20);
	}
	return sum;
}

TEST(what_finds_the_queue_full_is_counted)
{
	struct bench b = { 0 };

	open_bench(&b, 3);	/* nobody listens */
	turn(&b, 20);
	CHECK(b.s.state == SIEM_DOWN);
	for (int i = 0; i < 5; i++)
		siem_send(&b.s, b.event, true);
	siem_send(&b.s, b.event, false);
	CHECK(b.s.counts.queued == 3 && b.s.counts.lost == 2 && b.s.sequence == 6);
	CHECK(!listen(b.listener, 1));
	accept_peer(&b);
	CHECK(read_all(&b) > 300);
	CHECK(b.s.counts.queued == 0 && b.s.counts.delivered == 3 && b.s.counts.lost == 2);
	close(b.peer);
	close_bench(&b);
}

TEST(a_broken_connection_begins_anew)
{
	struct linger hard = { 1, 0 };
	struct bench b = { 0 };
	size_t once;

	open_bench(&b, 100000);
	CHECK(!listen(b.listener, 1));
	/* the first try found nobody */
	accept_peer(&b);
	siem_send(&b.s, b.event, true);
	once = read_all(&b);
	CHECK(once > 100 && b.s.counts.delivered == 1);
	/* more than both kernels take: part of it is written, none of it is read */
	for (int i = 0; i < 50000; i++)
		siem_send(&b.s, b.event, true);
	CHECK(b.s.unsent && b.s.first);
	setsockopt(b.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(b.peer);
	for (int i = 0; i < 100 && b.s.counts.connected; i++)
		turn(&b, 20);
	CHECK(b.s.unsent == b.s.first && !b.s.offset && !b.s.written);
	accept_peer(&b);
	read_all(&b);
	CHECK(!b.s.counts.queued && b.s.counts.delivered == 50001 && !b.s.counts.lost);
	close(b.peer);
	close_bench(&b);
}

TEST(what_waits_at_the_end_is_given_back)
{
	struct bench b = { 0 };

	open_bench(&b, 10);
	for (int i = 0; i < 4; i++)
		siem_send(&b.s, b.event, true);
	close_bench(&b);
	CHECK(!b.s.first && !b.s.counts.delivered && b.s.state == SIEM_OFF);
}

int main(void)
{
	return test_run_all();
}
