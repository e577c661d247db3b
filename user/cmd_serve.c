// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch serve`: reads the event ring, hands events to a file and to local
 * readers, answers /metrics, and lets a wire's ports go down together if the policy
 * says so. Enforcement does not depend on it. Must not change the instance.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "events.h"
#include "http.h"
#include "link_follow.h"
#include "metrics.h"
#include "options.h"
#include "results.h"
#include "service.h"
#include "subscribers.h"

enum { KEY_LISTEN = 0x2000, KEY_OUTPUT };

static const struct argp_option table[] = {
	{ "listen", KEY_LISTEN, "ADDRESS:PORT", 0, "Where /metrics is (127.0.0.1:9502)", 0 },
	{ "output", KEY_OUTPUT, "FILE", 0,
	  "Append events here, reopened at SIGHUP; '-' = standard output (-)", 0 },
	{ 0 }
};

struct server {
	const char *listen;
	const char *output;
	FILE *out;
	struct instance in;
	struct event_source events;
	struct subscribers readers;
	struct http http;
	struct serve_counts counts;
	struct service service;
	struct link_follow links;
	int epoll;
	int signals;
	int tick;
	int done;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct server *s = state->input;

	switch (key) {
	case KEY_LISTEN:
		s->listen = arg;
		return 0;
	case KEY_OUTPUT:
		s->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static double real_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_output(struct server *s)
{
	FILE *f;

	if (!strcmp(s->output, "-")) {
		s->out = stdout;
		return EXIT_OK;
	}
	f = fopen(s->output, "ae");
	if (!f) {
		complain("cannot open '%s': %s", s->output, strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	/* a file that cannot be reopened leaves the old one in use */
	if (s->out)
		fclose(s->out);
	s->out = f;
	return EXIT_OK;
}

/* Whole or not at all: half a line on a full disk would spoil the next one, too. */
static bool append(int fd, const char *line, size_t len)
{
	off_t end = lseek(fd, 0, SEEK_END);	/* -1: no file, and so no disk */
	ssize_t n = write(fd, line, len);

	if (n == (ssize_t)len)
		return true;
	if (n > 0 && end >= 0 && ftruncate(fd, end))
		complain("half an event is left at the output's end: %s", strerror(errno));
	return false;
}

static void write_event(void *arg, json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT);
	struct server *s = arg;
	size_t len;

	if (!line)
		return;
	/* the terminating 0 becomes the line's end */
	len = strlen(line);
	line[len] = '\n';
	if (!append(fileno(s->out), line, len + 1))
		s->counts.write_errors++;
	subscribers_send(&s->readers, line, len + 1);
	free(line);
}

static void take(void *arg, json_t *event)
{
	((struct server *)arg)->counts.events++;
	write_event(arg, event);
}

static int write_metrics(FILE *out, bool openmetrics, void *arg)
{
	struct server *s = arg;

	s->counts.subscribers_dropped = s->readers.dropped;
	s->counts.links = &s->links;
	s->counts.scrapes = s->http.answered;
	s->counts.connections_cut = s->http.cut;
	return metrics_write(out, openmetrics, &s->in, &s->counts);
}

static int watch(struct server *s, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int open_tick(void)
{
	const struct timespec period = {
		.tv_sec = (time_t)(service_period_ns() / 1000000000u),
		.tv_nsec = (long)(service_period_ns() % 1000000000u),
	};
	const struct itimerspec repeated = { .it_interval = period, .it_value = period };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &repeated, NULL);
	return fd;
}

/* After a detach our maps are nobody's: say so and end, the next start finds the new ones. */
static void check_attached(struct server *s)
{
	if (!instance_gone(&s->in))
		return;
	complain("the instance at '%s' was detached, serve ends", options.pin_dir);
	s->done = 1;
}

/* A manager starts us again, with the privilege that the policy now asks for. */
static void follow_links(struct server *s)
{
	if (link_follow_tick(&s->links, &s->in) || s->links.complained)
		return;
	s->links.complained = true;
	complain("the policy says 'link_follow: true', serve has given up CAP_NET_ADMIN: %s",
		 service_managed() ? "it ends to be started again" : "start it again");
	s->done = service_managed();
}

static void on_signal(struct server *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			open_output(s);
		else
			s->done = 1;
	}
}

static void tick(struct server *s)
{
	uint64_t ticks;

	if (read(s->tick, &ticks, sizeof(ticks)) < 0)
		return;
	service_alive(&s->service, &s->in);
	check_attached(s);
	if (!s->done)
		follow_links(s);
}

static int dispatch(struct server *s, int fd)
{
	if (fd == s->signals)
		on_signal(s);
	else if (fd == s->tick)
		tick(s);
	else if (fd == link_follow_fd(&s->links))
		link_follow_ready(&s->links);
	else if (fd == events_fd(&s->events))
		return events_consume(&s->events);
	else if (fd != http_fd(&s->http))
		subscribers_ready(&s->readers, fd);
	return 0;
}

static int loop(struct server *s)
{
	struct epoll_event ready[16];
	int err = 0;

	service_ready(&s->service, &s->in);
	while (!s->done && !err) {
		int n = epoll_wait(s->epoll, ready, 16, http_timeout(&s->http));

		if (n < 0 && errno != EINTR)
			err = -errno;
		for (int i = 0; i < n && !err; i++)
			err = dispatch(s, ready[i].data.fd);
		http_run(&s->http);
	}
	service_stopping();
	if (!err)
		err = events_consume(&s->events);
	if (err)
		complain("serve failed: %s", strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* Reports that the loop waits for; what needs privileges is open. */
static int watch_all(struct server *s)
{
	if (!watch(s, s->signals) && !watch(s, s->tick) && !watch(s, events_fd(&s->events)) &&
	    !watch(s, http_fd(&s->http)) && !watch(s, link_follow_fd(&s->links)))
		return EXIT_OK;
	complain("cannot watch for events: %s", strerror(errno));
	return EXIT_ENVIRONMENT;
}

static int serve_links(struct server *s)
{
	bool able = link_follow_wanted(&s->in) && service_may_set_links();
	int rc = link_follow_open(&s->links, &s->in, able, write_event, s);

	if (rc)
		return rc;
	rc = watch_all(s);
	if (!rc)
		rc = service_drop_privileges(able);
	if (!rc)
		follow_links(s);
	if (!rc)
		rc = loop(s);
	link_follow_close(&s->links);
	return rc;
}

static int serve(struct server *s)
{
	int rc = events_open(&s->events, &s->in, take, s);

	if (rc)
		return rc;
	rc = open_output(s);
	if (!rc)
		rc = subscribers_open(&s->readers, s->epoll);
	if (!rc) {
		rc = http_open(&s->http, s->listen, write_metrics, s);
		if (!rc)
			rc = serve_links(s);
		http_close(&s->http);
		subscribers_close(&s->readers);
	}
	events_close(&s->events);
	if (s->out && s->out != stdout)
		fclose(s->out);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Writes events as JSON lines, answers 'keyswitch events' and /metrics.",
	};
	struct server s = { .listen = "127.0.0.1:9502", .output = "-" };
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &s);
	rc = instance_open(&s.in);
	if (rc)
		return rc;
	s.counts.started = real_time();
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	s.signals = open_signals();
	s.tick = open_tick();
	rc = serve(&s);
	close(s.epoll);
	close(s.signals);
	close(s.tick);
	instance_close(&s.in);
	return rc;
}

const struct command cmd_serve = {
	.name = "serve", .help = "write events, answer 'events' and /metrics", .run = run,
};
