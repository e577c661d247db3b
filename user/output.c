// SPDX-License-Identifier: GPL-2.0-only
/*
 * Appending lines where space may run out and readers may go, see output.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "options.h"
#include "output.h"

/* A slow reader of standard output may hold the loop up by so much in one tick. */
#define PATIENCE_MS 200

static const char *name_of(const struct output *o)
{
	return strcmp(o->path, "-") ? o->path : "standard output";
}

static void set_fd(struct output *o, int fd)
{
	struct stat st;

	o->fd = fd;
	o->regular = !fstat(fd, &st) && S_ISREG(st.st_mode);
	o->patience = PATIENCE_MS;
}

int output_open(struct output *o, const char *path)
{
	memset(o, 0, sizeof(*o));
	o->path = path;
	o->fd = -1;
	return output_reopen(o);
}

int output_reopen(struct output *o)
{
	int fd = STDOUT_FILENO;

	if (strcmp(o->path, "-")) {
		fd = open(o->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
		if (fd < 0) {
			complain("cannot open '%s': %s", o->path, strerror(errno));
			return EXIT_ENVIRONMENT;
		}
		output_close(o);
	}
	set_fd(o, fd);
	return EXIT_OK;
}

void output_close(struct output *o)
{
	if (o->fd >= 0 && o->fd != STDOUT_FILENO)
		close(o->fd);
	o->fd = -1;
}

/* A pipe or socket that is ready takes a line of ours without blocking. */
static int wait_ready(struct output *o)
{
	struct pollfd p = { .fd = o->fd, .events = POLLOUT };
	uint64_t begun = clock_monotonic();
	int n = poll(&p, 1, o->patience);

	o->patience -= (int)((clock_monotonic() - begun) / 1000000);
	if (o->patience < 0)
		o->patience = 0;
	return n > 0 ? 0 : n < 0 ? -errno : -EAGAIN;
}

/* A line that did not fit leaves no beginning of it behind. */
static void take_back(const struct output *o, ssize_t n)
{
	struct stat st;

	if (n <= 0 || fstat(o->fd, &st) || st.st_size < n)
		return;
	if (ftruncate(o->fd, st.st_size - n))
		complain("cannot take back a part of a line in '%s': %s", o->path,
			 strerror(errno));
}

static int write_line(struct output *o, const char *line, size_t len)
{
	size_t done = 0;

	while (done < len) {
		int err = o->regular ? 0 : wait_ready(o);
		ssize_t n = err ? -1 : write(o->fd, line + done, len - done);

		if (!err && n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = err ? err : -errno;
		else if ((size_t)n + done < len && o->regular)
			err = -ENOSPC;
		if (err) {
			if (o->regular)
				take_back(o, n);
			return err;
		}
		done += (size_t)n;
	}
	return 0;
}

void output_write(struct output *o, const char *line, size_t len, bool counts)
{
	int err = write_line(o, line, len);

	if (err) {
		if (!o->failing)
			complain("cannot write events to '%s': %s", name_of(o),
				 err == -EAGAIN ? "its reader is too slow" : strerror(-err));
		o->lost_before = o->failing ? o->lost_before : o->lost;
		o->failing = true;
		o->lost += counts;
		return;
	}
	if (!o->failing)
		return;
	o->failing = false;
	complain("events are written to '%s' again, %llu were lost", name_of(o),
		 (unsigned long long)(o->lost - o->lost_before));
}

void output_tick(struct output *o)
{
	o->patience = PATIENCE_MS;
}
