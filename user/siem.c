// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue and connection to a syslog receiver, see siem.h.
 * Must never wait, but for the end of the process.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "endpoint.h"
#include "instance.h"
#include "options.h"
#include "siem.h"
#include "siem_tls.h"
#include "syslog.h"

#define SECOND		1000000000ull
#define BACKOFF_FIRST	(1 * SECOND)
#define BACKOFF_MOST	(60 * SECOND)
#define OPENING_MOST	(10 * SECOND)	/* connect and handshake */
#define SILENCE_MS	120000		/* without an acknowledgement: the connection is dead */
#define CLOSING_MS	1500
#define SEQUENCE_MOST	2147483647u	/* RFC 5424 7.3.1 */

static void run(struct siem *s);

/* ---- what is queued ---- */

static void pop(struct siem *s)
{
	struct siem_message *m = s->first;

	s->first = m->next;
	if (!s->first)
		s->last = &s->first;
	s->counts.queued--;
	s->counts.delivered += m->counts;
	free(m);
}

/* Bytes that the receiver's kernel has not acknowledged yet; all, if that is not known. */
static uint64_t outstanding(const struct siem *s)
{
	int n;

	return ioctl(s->fd, SIOCOUTQ, &n) || n < 0 ? s->written : (uint64_t)n;
}

/* What is acknowledged need never be sent again. */
static void forget_acknowledged(struct siem *s)
{
	uint64_t left, done;

	if (s->first == s->unsent)
		return;
	left = s->stream ? outstanding(s) : 0;
	done = s->written > left ? s->written - left : 0;
	while (s->first != s->unsent && s->first->end <= done) {
		pop(s);
		s->backoff = BACKOFF_FIRST;
	}
}

/* ---- the connection ---- */

static void watch(struct siem *s, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = s->fd };

	if (s->epoll >= 0)
		epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

static void disconnect(struct siem *s)
{
	forget_acknowledged(s);
	if (s->tls)
		siem_tls_end(s->tls);
	close(s->fd);
	s->fd = -1;
	/* all that was not acknowledged is sent again, from its beginning */
	s->unsent = s->first;
	s->offset = 0;
	s->written = 0;
	s->counts.connected = false;
}

static void fail(struct siem *s, const char *why)
{
	if (!s->told) {
		complain("the syslog receiver '%s' is not reachable: %s; events wait, at most %u",
			 s->options.where, why, s->options.queue);
		s->lost_before = s->counts.lost;
	}
	s->told = true;
	if (s->fd >= 0)
		disconnect(s);
	s->state = SIEM_DOWN;
	s->deadline = clock_monotonic() + s->backoff;
	s->backoff = 2 * s->backoff < BACKOFF_MOST ? 2 * s->backoff : BACKOFF_MOST;
}

static void set_options(int fd)
{
	int on = 1, silence = SILENCE_MS, idle = 60, interval = 10, count = 3;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof(silence));
}

static void begin(struct siem *s)
{
	struct epoll_event e = { .events = EPOLLOUT };

	s->deadline = clock_monotonic() + OPENING_MOST;
	s->fd = socket(s->addr.any.sa_family,
		       (s->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	e.data.fd = s->fd;
	if (s->fd < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->fd, &e)) {
		fail(s, strerror(errno));
		return;
	}
	if (s->stream)
		set_options(s->fd);
	s->state = SIEM_CONNECTING;
	if (!connect(s->fd, &s->addr.any, s->addr_len))
		run(s);
	else if (errno != EINPROGRESS)
		fail(s, strerror(errno));
}

static void on_up(struct siem *s)
{
	s->state = SIEM_UP;
	s->counts.connected = true;
	s->counts.connections++;
	if (s->told)
		complain("the syslog receiver '%s' is reached, %llu events wait, %llu were lost",
			 s->options.where, (unsigned long long)s->counts.queued,
			 (unsigned long long)(s->counts.lost - s->lost_before));
	s->told = false;
}

static void finish_connect(struct siem *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };
	int err = 0;
	socklen_t len = sizeof(err);

	if (poll(&p, 1, 0) <= 0)
		return;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) || err) {
		fail(s, strerror(err ? err : errno));
		return;
	}
	if (!s->tls) {
		on_up(s);
		return;
	}
	s->state = SIEM_SHAKING;
	if (siem_tls_begin(s->tls, s->fd))
		fail(s, "no memory for TLS");
}

static void shake(struct siem *s)
{
	int err = siem_tls_shake(s->tls);

	if (!err)
		on_up(s);
	else if (err == -EAGAIN)
		watch(s, siem_tls_wants_write(s->tls) ? EPOLLOUT : EPOLLIN);
	else
		fail(s, siem_tls_error(s->tls));
}

static const char *reason(const struct siem *s, ssize_t err)
{
	return s->tls && err == -EPROTO ? siem_tls_error(s->tls) : strerror((int)-err);
}

/* A receiver has nothing to say, but that it goes. */
static bool hear(struct siem *s)
{
	char nothing[512];
	ssize_t n;

	do {
		if (s->tls)
			n = siem_tls_recv(s->tls, nothing, sizeof(nothing));
		else if ((n = recv(s->fd, nothing, sizeof(nothing), MSG_DONTWAIT)) < 0)
			n = -errno;
	} while (n > 0);
	if (n == -EAGAIN || n == -EINTR)
		return true;
	fail(s, n ? reason(s, n) : "it closed the connection");
	return false;
}

static ssize_t transmit(struct siem *s, const char *data, size_t len)
{
	ssize_t n;

	if (s->tls) {
		n = siem_tls_send(s->tls, data, len);
		s->written = siem_tls_written(s->tls);
		return n;
	}
	n = send(s->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	s->written += (uint64_t)n;
	return n;
}

static void flush(struct siem *s)
{
	while (s->unsent) {
		struct siem_message *m = s->unsent;
		ssize_t n = transmit(s, m->text + s->offset, m->len - s->offset);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN || n == -ENOBUFS)
			break;
		if (n < 0) {
			fail(s, reason(s, n));
			return;
		}
		s->offset += (size_t)n;
		if (s->offset < m->len)
			continue;
		m->end = s->written;
		s->unsent = m->next;
		s->offset = 0;
	}
	forget_acknowledged(s);
	watch(s, EPOLLIN | (s->unsent ? EPOLLOUT : 0));
}

static void run(struct siem *s)
{
	if (s->state == SIEM_CONNECTING)
		finish_connect(s);
	if (s->state == SIEM_SHAKING)
		shake(s);
	if (s->state == SIEM_UP && (!s->stream || hear(s)))
		flush(s);
}

/* ---- from outside ---- */

static bool set_address(struct siem *s, const char *where)
{
	s->addr_len = sizeof(s->addr.local);
	if (!strncmp(where, "unix:", 5)) {
		if (!where[5] || strlen(where + 5) >= sizeof(s->addr.local.sun_path))
			return false;
		s->addr.local.sun_family = AF_UNIX;
		strcpy(s->addr.local.sun_path, where + 5);
		return true;
	}
	s->stream = true;
	if ((strncmp(where, "tcp:", 4) && strncmp(where, "tls:", 4)) ||
	    !endpoint_parse(where + 4, &s->addr.inet))
		return false;
	s->addr_len = endpoint_len(&s->addr.inet);
	return true;
}

/* The address as a certificate has it: without port and brackets. */
static char *peer_name(const char *where)
{
	const char *from = where + 4 + (where[4] == '['), *to = strrchr(where, ':');

	return strndup(from, (size_t)(to - from) - (to[-1] == ']'));
}

static int check_options(const struct siem_options *o)
{
	bool tls = o->where && !strncmp(o->where, "tls:", 4);

	if (!tls && (o->ca || o->cert || o->key || o->name)) {
		complain("certificates without '--syslog tls:ADDRESS:PORT'");
		return EXIT_USAGE;
	}
	if (!o->cert == !o->key)
		return EXIT_OK;
	complain("'--syslog-cert' and '--syslog-key' go together");
	return EXIT_USAGE;
}

static int open_tls(struct siem *s)
{
	const struct siem_options *o = &s->options;

	s->name = o->name ? strdup(o->name) : peer_name(o->where);
	if (!s->name)
		return EXIT_ENVIRONMENT;
	s->tls = siem_tls_new(o->ca, o->cert, o->key, s->name);
	return s->tls ? EXIT_OK : EXIT_ENVIRONMENT;
}

int siem_open(struct siem *s, const struct siem_options *o, int epoll)
{
	int rc = check_options(o);

	memset(s, 0, sizeof(*s));
	s->options = *o;
	s->fd = -1;
	s->last = &s->first;
	if (rc || !o->where)
		return rc;
	if (!set_address(s, o->where)) {
		complain("'%s' is no syslog receiver, expected unix:PATH, tcp:ADDRESS:PORT or "
			 "tls:ADDRESS:PORT", o->where);
		return EXIT_USAGE;
	}
	if (!strncmp(o->where, "tls:", 4))
		rc = open_tls(s);
	if (rc) {
		free(s->name);
		return rc;
	}
	s->epoll = epoll;
	s->pid = getpid();
	s->backoff = BACKOFF_FIRST;
	s->state = SIEM_DOWN;
	begin(s);
	return EXIT_OK;
}

static void drain(struct siem *s)
{
	uint64_t end = clock_monotonic() + CLOSING_MS * 1000000ull;

	while (s->state > SIEM_DOWN && s->first && clock_monotonic() < end) {
		struct pollfd p = { .fd = s->fd, .events = s->unsent ? POLLOUT : POLLIN };

		poll(&p, 1, 20);
		run(s);
	}
}

void siem_close(struct siem *s)
{
	uint64_t left = 0;

	if (s->state == SIEM_OFF)
		return;
	drain(s);
	if (s->fd >= 0)
		disconnect(s);
	while (s->first) {
		left += s->first->counts;
		s->counts.delivered -= s->first->counts;
		pop(s);
	}
	if (left)
		complain("%llu events were not acknowledged by the syslog receiver '%s'",
			 (unsigned long long)left, s->options.where);
	siem_tls_free(s->tls);
	free(s->name);
	s->state = SIEM_OFF;
}

static struct siem_message *make(struct siem *s, const json_t *event, bool counts)
{
	struct siem_message *m = NULL;
	size_t len;
	char *text;

	s->sequence = s->sequence < SEQUENCE_MOST ? s->sequence + 1 : 1;
	if (s->counts.queued >= s->options.queue)
		return NULL;
	text = syslog_message(event, s->sequence, s->pid, s->stream, &len);
	if (text)
		m = malloc(sizeof(*m) + len);
	if (m) {
		*m = (struct siem_message){ .len = len, .counts = counts };
		memcpy(m->text, text, len);
	}
	free(text);
	return m;
}

void siem_send(struct siem *s, const json_t *event, bool counts)
{
	struct siem_message *m;

	if (s->state == SIEM_OFF)
		return;
	m = make(s, event, counts);
	if (!m) {
		s->counts.lost += counts;
		return;
	}
	*s->last = m;
	s->last = &m->next;
	s->counts.queued++;
	if (!s->unsent)
		s->unsent = m;
	if (s->state == SIEM_UP)
		flush(s);
}

int siem_ready(struct siem *s, int fd)
{
	if (s->state <= SIEM_DOWN || fd != s->fd)
		return 0;
	run(s);
	return 1;
}

void siem_tick(struct siem *s)
{
	uint64_t now = clock_monotonic();

	if (s->state == SIEM_UP)
		forget_acknowledged(s);
	else if (s->state == SIEM_DOWN && now >= s->deadline)
		begin(s);
	else if (s->state > SIEM_DOWN && now >= s->deadline)
		fail(s, strerror(ETIMEDOUT));
}
