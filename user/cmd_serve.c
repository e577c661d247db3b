// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch serve`: reads the event ring, hands events to a file, to local readers and
 * to a syslog receiver, answers /metrics, and lets a wire's ports go down together if the
 * policy says so. Enforcement does not depend on it. Must not change the instance.
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

#include "clock.h"
#include "command.h"
#include "duration.h"
#include "events.h"
#include "http.h"
#include "link_follow.h"
#include "metrics.h"
#include "options.h"
#include "output.h"
#include "service.h"
#include "siem.h"
#include "signals.h"
#include "stats.h"
#include "subscribers.h"

#define STATS_SECONDS 60
#define QUEUE_MOST 1000000

enum {
	KEY_LISTEN = 0x2000, KEY_OUTPUT, KEY_STATS, KEY_SYSLOG, KEY_CA, KEY_CERT, KEY_KEY,
	KEY_NAME, KEY_QUEUE,
};

static const struct argp_option table[] = {
	{ "listen", KEY_LISTEN, "ADDRESS:PORT", 0, "Where /metrics is (127.0.0.1:9502)", 0 },
	{ "output", KEY_OUTPUT, "FILE", 0,
	  "Append events here, reopened at SIGHUP; '-' = standard output (-)", 0 },
	{ "stats", KEY_STATS, "DURATION", 0,
	  "How often sums are an event, 'off' = only when events were missed (60s)", 0 },
	{ "syslog", KEY_SYSLOG, "WHERE", 0,
	  "Send events as CEF to unix:PATH, tcp:ADDRESS:PORT or tls:ADDRESS:PORT", 0 },
	{ "syslog-ca", KEY_CA, "FILE", 0,
	  "Certificates that may vouch for the receiver (the system's)", 0 },
	{ "syslog-cert", KEY_CERT, "FILE", 0, "Own certificate to show, with its key", 0 },
	{ "syslog-key", KEY_KEY, "FILE", 0, "Key of the own certificate", 0 },
	{ "syslog-name", KEY_NAME, "NAME", 0,
	  "What the receiver's certificate must name (its address)", 0 },
	{ "syslog-queue", KEY_QUEUE, "EVENTS", 0,
	  "How many events may wait for the receiver (10000)", 0 },
	{ 0 }
};

struct server {
	const char *listen;
	const char *output;
	uint32_t period;	/* of stats events, s */
	struct siem_options receiver;
	struct output out;
	struct siem siem;
	struct stats stats;
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

static void parse_stats(struct server *s, const char *arg, struct argp_state *state)
{
	s->period = 0;
	if (strcmp(arg, "off") && duration_parse(arg, &s->period))
		argp_error(state, "'%s' is no duration, expected 60s, 5m, 2h or off", arg);
}

static void parse_queue(struct server *s, const char *arg, struct argp_state *state)
{
	unsigned long n;
	char *end;

	n = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || !n || n > QUEUE_MOST)
		argp_error(state, "'%s' is no number of events, expected 1 to %d", arg, QUEUE_MOST);
	s->receiver.queue = (uint32_t)n;
}

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
	case KEY_STATS:
		parse_stats(s, arg, state);
		return 0;
	case KEY_SYSLOG:
		s->receiver.where = arg;
		return 0;
	case KEY_CA:
		s->receiver.ca = arg;
		return 0;
	case KEY_CERT:
		s->receiver.cert = arg;
		return 0;
	case KEY_KEY:
		s->receiver.key = arg;
		return 0;
	case KEY_NAME:
		s->receiver.name = arg;
		return 0;
	case KEY_QUEUE:
		parse_queue(s, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

/* Sums are in the file and at those who follow, but displace nothing that happened. */
static void tell(struct server *s, json_t *event)
{
	bool stats = event_is_stats(event);
	char *line = json_dumps(event, JSON_COMPACT);
	size_t len;

	siem_send(&s->siem, event, !stats);
	if (!line)
		return;
	/* the terminating 0 becomes the line's end */
	len = strlen(line);
	line[len] = '\n';
	output_write(&s->out, line, len + 1, !stats);
	subscribers_send(&s->readers, line, len + 1, !stats || event_missed(event));
	free(line);
}

static void take(void *arg, json_t *event)
{
	struct server *s = arg;

	s->counts.events++;
	tell(s, event);
}

static void tell_admin(void *arg, json_t *event)
{
	tell(arg, event);
}

static void count(struct server *s)
{
	s->counts.subscribers_dropped = s->readers.dropped;
	s->counts.write_errors = s->out.lost;
	s->counts.has_siem = s->siem.state != SIEM_OFF;
	s->counts.siem = s->siem.counts;
	s->counts.links = &s->links;
	s->counts.scrapes = s->http.answered;
	s->counts.connections_cut = s->http.cut;
}

static void tell_stats(struct server *s)
{
	json_t *event;

	count(s);
	event = stats_due(&s->stats, &s->counts);
	if (event)
		tell(s, event);
	json_decref(event);
}

static int write_metrics(FILE *out, bool openmetrics, void *arg)
{
	struct server *s = arg;

	count(s);
	return metrics_write(out, openmetrics, &s->in, &s->counts);
}

static int watch(struct server *s, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
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
			output_reopen(&s->out);
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
	output_tick(&s->out);
	siem_tick(&s->siem);
	tell_stats(s);
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
	else if (fd != http_fd(&s->http) && !siem_ready(&s->siem, fd))
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
	tell_stats(s);
	siem_close(&s->siem);
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
	int rc = link_follow_open(&s->links, &s->in, able, tell_admin, s);

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
	stats_open(&s->stats, &s->in, s->events.host, s->period);
	rc = output_open(&s->out, s->output);
	if (!rc)
		rc = siem_open(&s->siem, &s->receiver, s->epoll);
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
	output_close(&s->out);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Writes events as JSON lines, answers 'keyswitch events' and /metrics.",
	};
	struct server s = { .listen = "127.0.0.1:9502", .output = "-", .period = STATS_SECONDS,
			    .receiver.queue = SIEM_QUEUE };
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &s);
	rc = instance_open(&s.in);
	if (rc)
		return rc;
	s.counts.started = (double)clock_real() / CLOCK_SECOND;
	s.epoll = epoll_create1(EPOLL_CLOEXEC);
	s.signals = signals_open(0);
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
