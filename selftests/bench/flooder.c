// SPDX-License-Identifier: GPL-2.0-only
/*
 * flooder PROGRAM SECONDS: sends frames from this network namespace for so long, on CPU 0,
 * by test runs of the pinned program with live frames: what it redirects is sent.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define FRAMES 100000 /* a test run */
#define BYTES 66 /* LOAD_REQUEST */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	uint8_t frame[BYTES] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = argc == 3 ? bpf_obj_get(argv[1]) : -EINVAL, err = fd < 0 ? fd : 0;
	double end = seconds() + (argc == 3 ? atof(argv[2]) : 0);
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (!err && sched_setaffinity(0, sizeof(cpu), &cpu))
		err = -errno;
	while (!err && seconds() < end)
		err = bpf_prog_test_run_opts(fd, &opts);
	if (err)
		fprintf(stderr, "flooder: %s\n", strerror(-err));
	return err ? 1 : 0;
}
