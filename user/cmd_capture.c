// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch capture --denied`: denied packets as a pcapng file or stream. While it runs
 * the data path sends them, and only then. Must not change what becomes of one.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "denied.h"
#include "options.h"
#include "results.h"
#include "signals.h"

enum { KEY_DENIED = 0x2000, KEY_COUNT, KEY_SECONDS, KEY_ALL };

#define RENEW_MS 1000	/* well below KS_DENIED_LEASE */

static const struct argp_option table[] = {
	{ "denied", KEY_DENIED, "FILE", 0,
	  "Write denied packets to FILE, their first 256 bytes each; '-' = standard output", 0 },
	{ "count", KEY_COUNT, "N", 0, "End after N packets", 0 },
	{ "seconds", KEY_SECONDS, "S", 0, "End after S seconds", 0 },
	{ "all", KEY_ALL, NULL, 0,
	  "Also packets that are dropped without an event, because TCP sends them again", 0 },
	{ 0 }
};

struct arguments {
	const char *path;
	uint64_t count;		/* 0 = no end */
	uint64_t seconds;	/* likewise */
	bool all;
};

struct capture_run {
	const struct arguments *args;
	struct denied_reader reader;
	struct pcapng out;
	int fd;			/* of the file */
	int signals;
	uint64_t deadline;	/* CLOCK_MONOTONIC ns, 0 = none */
};

static uint64_t number(struct argp_state *state, const char *option, const char *text)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno || *end || !n || n > INT32_MAX)
		argp_error(state, "--%s '%s', expected a number from 1 to %d", option, text,
			   INT32_MAX);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case KEY_DENIED:
		a->path = arg;
		return 0;
	case KEY_COUNT:
		a->count = number(state, "count", arg);
		return 0;
	case KEY_SECONDS:
		a->seconds = number(state, "seconds", arg);
		return 0;
	case KEY_ALL:
		a->all = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument '%s'", arg);
		return 0;
	case ARGP_KEY_END:
		if (!a->path)
			argp_error(state, "nothing to capture, expected --denied FILE");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static bool is_stdout(const struct arguments *a)
{
	return !strcmp(a->path, "-");
}

/* ---- running ---- */

static int failed(const struct capture_run *r, int err)
{
	complain("cannot write '%s': %s", r->args->path, strerror(-err));
	return EXIT_ENVIRONMENT;
}

/* A reader of our stream that closes it has seen enough. */
static bool reader_left(const struct capture_run *r, int err)
{
	return err == -EPIPE && !r->out.file;
}

static int wait_ms(const struct capture_run *r)
{
	uint64_t now = clock_monotonic(), left;

	if (!r->deadline)
		return RENEW_MS;
	left = r->deadline > now ? (r->deadline - now) / 1000000 + 1 : 0;
	return left < RENEW_MS ? (int)left : RENEW_MS;
}

/* 0 = go on, 1 = the end, or a negative errno. */
static int step(struct capture_run *r)
{
	struct pollfd p[] = {
		{ .fd = denied_fd(&r->reader), .events = POLLIN },
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->fd },	/* that nobody reads any more */
	};
	int n = poll(p, 3, wait_ms(r)), done;

	if (n < 0 && errno != EINTR)
		return -errno;
	done = denied_take(&r->reader);
	if (done)
		return done;
	if (n > 0 && (p[1].revents || p[2].revents))
		return 1;
	if (r->deadline && clock_monotonic() >= r->deadline)
		return 1;
	if (instance_gone(r->reader.in)) {
		complain("the instance at '%s' was detached, capture ends", options.pin_dir);
		return 1;
	}
	return denied_renew(&r->reader);
}

static int summary(const struct capture_run *r)
{
	const struct denied_reader *d = &r->reader;
	json_t *ports = json_array();
	uint64_t lost = 0;

	for (uint32_t i = 0; i < KS_PORTS_MAX; i++) {
		struct ks_denied_count count;

		if (!d->ports[i].used || denied_lost(d, i, &count))
			continue;
		lost += count.lost;
		json_array_append_new(ports, json_pack(
			"{s:s, s:I, s:I}", "port", d->ports[i].name, "packets",
			(json_int_t)d->written[i], "lost", (json_int_t)count.lost));
	}
	if (!options.json) {
		json_decref(ports);
		fprintf(is_stdout(r->args) ? stderr : stdout,
			"%llu denied packets written to '%s', %llu lost (ring full)\n",
			(unsigned long long)d->packets, r->args->path, (unsigned long long)lost);
		return EXIT_OK;
	}
	ports = json_pack("{s:s, s:I, s:I, s:o}", "file", r->args->path, "packets",
			  (json_int_t)d->packets, "lost", (json_int_t)lost, "ports", ports);
	if (!is_stdout(r->args))
		return print_json(ports);
	json_dumpf(ports, stderr, JSON_COMPACT);
	fputc('\n', stderr);
	json_decref(ports);
	return EXIT_OK;
}

static int loop(struct capture_run *r)
{
	int err = denied_renew(&r->reader), end;

	if (!err && !options.json)
		fprintf(stderr, "capturing denied packets, Ctrl-C ends\n");
	while (!err)
		err = step(r);
	end = denied_end(&r->reader);
	err = err < 0 ? err : end;
	if (err && !reader_left(r, err))
		return failed(r, err);
	return summary(r);
}

static int open_file(struct capture_run *r)
{
	if (is_stdout(r->args) && isatty(STDOUT_FILENO)) {
		complain("standard output is a terminal, expected a pipe: "
			 "'keyswitch capture --denied - | wireshark -k -i -'");
		return EXIT_USAGE;
	}
	/* packets of a plant are not for everyone's eyes */
	r->fd = is_stdout(r->args) ? dup(STDOUT_FILENO) :
		open(r->args->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r->fd >= 0)
		return EXIT_OK;
	complain("cannot open '%s': %s", r->args->path, strerror(errno));
	return EXIT_ENVIRONMENT;
}

/* The lock comes first: what another capture writes must not be cut. */
static int capture(struct capture_run *r, const struct instance *in)
{
	const struct arguments *a = r->args;
	int rc = denied_open(&r->reader, in, &r->out, a->count, a->all);

	if (rc)
		return rc;
	rc = open_file(r);
	if (!rc) {
		pcapng_init(&r->out, r->fd);
		r->signals = signals_open(0);
		r->deadline = a->seconds ? clock_monotonic() + a->seconds * KS_SECOND : 0;
		rc = loop(r);
		close(r->signals);
		if (close(r->fd) && !rc)
			rc = failed(r, -errno);
	}
	denied_close(&r->reader);
	return rc;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.doc = "Writes packets as pcapng, each with a comment: reason, rule, request and "
		       "asset. 'keyswitch capture --denied - | wireshark -k -i -' shows them as "
		       "they come.",
	};
	static struct capture_run r; /* holds a buffer too large for the stack */
	struct arguments args = { 0 };
	struct instance in;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	r.args = &args;
	rc = instance_open(&in);
	if (rc)
		return rc;
	rc = capture(&r, &in);
	instance_close(&in);
	return rc;
}

const struct command cmd_capture = {
	.name = "capture", .help = "write denied packets for Wireshark", .run = run,
};
