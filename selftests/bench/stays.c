// SPDX-License-Identifier: GPL-2.0-only
/* See stays.h. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "stays.h"
#include "stays.skel.h"

static struct stays_bpf *bpf;

static uint64_t symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long address = 0, at;
	char line[512], word[256];

	while (f && !address && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*c %255s", &at, word) == 2 && !strcmp(word, name))
			address = at;
	if (f)
		fclose(f);
	return address;
}

int stays_on(void)
{
	uint64_t callback = symbol("bpf_timer_cb");
	int err;

	if (bpf) {
		memset(bpf->bss->now, 0, sizeof(bpf->bss->now));
		return 0;
	}
	bpf = stays_bpf__open();
	if (!callback || !bpf)
		return callback ? -errno : -ENOENT;
	bpf->rodata->timer_callback = callback;
	err = stays_bpf__load(bpf);
	return err ? err : stays_bpf__attach(bpf);
}

const struct stays *stays_now(void)
{
	return bpf ? bpf->bss->now : NULL;
}

void stays_off(void)
{
	stays_bpf__destroy(bpf);
	bpf = NULL;
}

static void *stall_cpu(void *arg)
{
	int cpu = (int)(intptr_t)arg;
	uint8_t frame[64] = { 0 };
	cpu_set_t set;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame));

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.stall), &opts);
	return NULL;
}

static uint32_t held_ms(long cpus)
{
	uint64_t from = 0;

	for (long i = 0; i < cpus; i++)
		if (bpf->bss->held_from[i] > from)
			from = bpf->bss->held_from[i];
	return from < bpf->bss->until ? (uint32_t)((bpf->bss->until - from) / 1000000) : 0;
}

int stays_stall(uint32_t ms, uint32_t *held)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[STAYS_CPUS];
	struct timespec t;
	int n = 0, err = 0;

	if (!bpf || cpus > STAYS_CPUS)
		return -EINVAL;
	clock_gettime(CLOCK_MONOTONIC, &t);
	bpf->bss->until = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec +
			  (uint64_t)ms * 1000000;
	while (n < cpus && !err) {
		err = -pthread_create(&thread[n], NULL, stall_cpu, (void *)(intptr_t)n);
		n += !err;
	}
	while (n)
		pthread_join(thread[--n], NULL);
	*held = held_ms(cpus);
	return err;
}
