// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers of the event socket, see subscribers.h.
 * Must never block.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "env.h"
#include "events.h"
#include "options.h"
#include "subscribers.h"

#define BACKLOG 8
#define BUFFER (1 << 20)	/* bytes a reader may be behind */

static int watch(const struct subscribers *s, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

int subscribers_open(struct subscribers *s, int epoll)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < SUBSCRIBERS_MAX; i++)
		s->v[i].fd = -1;
	s->epoll = epoll;
	env_run_path(addr.sun_path, sizeof(addr.sun_path), EVENTS_SOCKET);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* the consumer's lock is held: a socket that is there belongs to nobody */
	unlink(addr.sun_path);
	if (s->listener >= 0 && !bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !chmod(addr.sun_path, 0600) && !listen(s->listener, BACKLOG) &&
	    !watch(s, s->listener))
		return EXIT_OK;
	complain("cannot open the event socket '%s': %s", addr.sun_path, strerror(errno));
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
	return EXIT_ENVIRONMENT;
}

static void drop(struct subscriber *sub)
{
	close(sub->fd);
	sub->fd = -1;
	sub->follows = 0;
}

void subscribers_close(struct subscribers *s)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	for (int i = 0; i < SUBSCRIBERS_MAX; i++)
		if (s->v[i].fd >= 0)
			drop(&s->v[i]);
	for (int i = 0; i < RECENT_MAX; i++)
		free(s->recent[i]);
	if (s->listener < 0)
		return;
	env_run_path(path, sizeof(path), EVENTS_SOCKET);
	unlink(path);
	close(s->listener);
}

static void accept_one(struct subscribers *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), size = BUFFER;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (int i = 0; i < SUBSCRIBERS_MAX; i++) {
		if (s->v[i].fd >= 0)
			continue;
		if (watch(s, fd))
			break;
		s->v[i].fd = fd;
		return;
	}
	close(fd);
}

/* Whole line or nothing: a reader that cannot take it is gone. */
static void push(struct subscribers *s, struct subscriber *sub, const char *line, size_t len)
{
	if (send(sub->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		return;
	s->dropped++;
	drop(sub);
}

static void send_recent(struct subscribers *s, struct subscriber *sub)
{
	for (size_t i = 0; i < RECENT_MAX && sub->fd >= 0; i++) {
		const char *line = s->recent[(s->next + i) % RECENT_MAX];

		if (line)
			push(s, sub, line, strlen(line));
	}
	if (sub->fd >= 0)
		drop(sub);
}

static void hear(struct subscribers *s, struct subscriber *sub)
{
	char word[16];
	ssize_t n = recv(sub->fd, word, sizeof(word) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(sub);
		return;
	}
	word[n] = '\0';
	if (!strcmp(word, "follow\n"))
		sub->follows = 1;
	else if (!strcmp(word, "recent\n"))
		send_recent(s, sub);
	else
		drop(sub);
}

int subscribers_ready(struct subscribers *s, int fd)
{
	if (fd == s->listener) {
		accept_one(s);
		return 1;
	}
	for (int i = 0; i < SUBSCRIBERS_MAX; i++) {
		if (s->v[i].fd != fd)
			continue;
		hear(s, &s->v[i]);
		return 1;
	}
	return 0;
}

void subscribers_send(struct subscribers *s, const char *line, size_t len, bool kept)
{
	if (kept) {
		free(s->recent[s->next]);
		s->recent[s->next] = strndup(line, len);
		s->next = (s->next + 1) % RECENT_MAX;
	}
	for (int i = 0; i < SUBSCRIBERS_MAX; i++)
		if (s->v[i].fd >= 0 && s->v[i].follows)
			push(s, &s->v[i], line, len);
}
