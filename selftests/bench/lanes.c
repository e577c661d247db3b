// SPDX-License-Identifier: GPL-2.0-only
/* See lanes.h. */
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "../vectors/hex.h"
#include "lanes.h"

struct lane {
	uint8_t frame[LANE_FRAME];
	int len, program, answer, err;
	uint32_t repeat, ns;
	pthread_barrier_t *start;
};

static struct {
	struct bench_bpf *bpf;
	struct bench_run *run;
	struct bench_flow *flows;
	uint64_t *order;	/* an array's elements lie eight bytes apart */
	uint32_t n;
	struct lane lane[BENCH_LANES];
} l;

static void *map_memory(const struct bpf_map *map, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return p == MAP_FAILED ? NULL : p;
}

static int open_maps(void)
{
	l.run = map_memory(l.bpf->maps.run, BENCH_LANES * sizeof(*l.run));
	l.flows = map_memory(l.bpf->maps.flows, BENCH_FLOWS * sizeof(*l.flows));
	l.order = map_memory(l.bpf->maps.order, BENCH_LANES * BENCH_FLOWS * sizeof(*l.order));
	return l.run && l.flows && l.order ? 0 : -errno;
}

/*
 * A program that is attached anywhere stands in the kernel's XDP dispatcher. One that is
 * not is put there and taken out again by every test run, with an RCU grace period each:
 * 300 times what a short run takes. A network namespace of our own has a NIC for it.
 */
static int hold_dispatcher(void)
{
	if (unshare(CLONE_NEWNET))
		return -errno;
	return bpf_xdp_attach((int)if_nametoindex("lo"), bpf_program__fd(l.bpf->progs.pace),
			      XDP_FLAGS_SKB_MODE, NULL);
}

int lanes_open(uint32_t floor)
{
	uint32_t entries = 2 * floor < BENCH_FLOWS ? 2 * floor : BENCH_FLOWS; /* policies.limits */
	int err;

	l.bpf = bench_bpf__open();
	if (!l.bpf)
		return -errno;
	l.bpf->rodata->floor_rings = floor;
	bpf_map__set_max_entries(l.bpf->maps.floor4, entries);
	bpf_map__set_max_entries(l.bpf->maps.floor6, entries);
	bpf_map__set_max_entries(l.bpf->maps.rings, floor);
	err = bench_bpf__load(l.bpf);
	if (!err)
		err = open_maps();
	return err ? err : hold_dispatcher();
}

void lanes_close(void)
{
	bench_bpf__destroy(l.bpf);
}

const struct bench_bpf *lanes_bpf(void)
{
	return l.bpf;
}

/* ---- connections ---- */

static void flow_of(uint32_t i, uint32_t each, bool v6, struct bench_flow *f)
{
	uint32_t client = i / each;
	uint16_t port = (uint16_t)(20000 + i % each);
	uint8_t *a = f->client;

	memset(f, 0, sizeof(*f));
	if (v6) {
		a[0] = 0xfd;
		a[7] = 1;
		a += 12;
	}
	a[0] = v6 ? 0 : 10;
	a[1] = v6 ? 0 : 1;
	a[2] = (uint8_t)(client >> 8);
	a[3] = (uint8_t)client;
	f->cport = (uint16_t)(port << 8 | port >> 8);
	f->c_seq = i * 2654435761u;
	f->s_seq = i * 40503u;
}

int lanes_flows(uint32_t n, uint32_t each, bool v6)
{
	if (!each || !n || n > BENCH_FLOWS || n / each > 0xffff)
		return -ERANGE;
	for (uint32_t i = 0; i < n; i++)
		flow_of(i, each, v6, &l.flows[i]);
	l.n = n;
	return 0;
}

int lanes_use(uint32_t lane, uint32_t first, uint32_t n, uint32_t seed)
{
	uint64_t *order = l.order + lane * BENCH_FLOWS;

	if (lane >= BENCH_LANES || first > l.n || n > l.n - first)
		return -ERANGE;
	srandom(seed);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)random() % (i + 1);

		order[i] = order[j];
		order[j] = first + i;
	}
	return 0;
}

/* ---- runs ---- */

static int subjects(uint32_t lane, const struct lane_frame *f)
{
	struct lane *lp = &l.lane[lane];
	uint32_t other = BENCH_LANES + lane;
	int fd = bpf_map__fd(l.bpf->maps.subject), err;

	if (f->program == lp->program && f->answer == lp->answer)
		return 0;
	lp->program = f->program;
	lp->answer = f->answer;
	err = bpf_map_update_elem(fd, &lane, &lp->program, BPF_ANY);
	return err ? err : bpf_map_update_elem(fd, &other, &lp->answer, BPF_ANY);
}

int lanes_arm(uint32_t lane, const struct lane_frame *f)
{
	struct lane *lp = &l.lane[lane];
	uint32_t stamped, l4 = f->run.v6 ? 54 : 34;

	if (lane >= BENCH_LANES || f->at > BENCH_FLOWS || f->run.flows > BENCH_FLOWS - f->at)
		return -ERANGE;
	lp->len = hex_bytes(f->hex, lp->frame, sizeof(lp->frame));
	if (lp->len < (int)l4 + 16)
		return -EINVAL;
	stamped = l.run[lane].stamped; /* goes on: I/O wants its numbers to rise */
	l.run[lane] = f->run;
	l.run[lane].stamped = stamped;
	l.run[lane].first = lane * BENCH_FLOWS + f->at;
	memcpy(&l.run[lane].window, lp->frame + l4 + 14, 2);
	l.run[lane].sport = lp->frame[l4 + 2] | lp->frame[l4 + 3] << 8;
	memcpy(l.run[lane].server, lp->frame + (f->run.v6 ? l4 - 16 : l4 - 4), f->run.v6 ? 16 : 4);
	return subjects(lane, f);
}

static void forget(uint32_t lane)
{
	uint32_t other = BENCH_LANES + lane;

	bpf_map_delete_elem(bpf_map__fd(l.bpf->maps.subject), &lane);
	bpf_map_delete_elem(bpf_map__fd(l.bpf->maps.subject), &other);
}

void lanes_forget(void)
{
	for (uint32_t i = 0; i < BENCH_LANES; i++) {
		if (l.lane[i].program > 0)
			forget(i);
		l.lane[i].program = l.lane[i].answer = 0;
	}
}

static void *send_lane(void *arg)
{
	struct lane *lp = arg;
	int cpu = lp == &l.lane[1] ? 0 : 1;
	cpu_set_t set;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = lp->frame,
		    .data_size_in = (uint32_t)lp->len, .repeat = (int)lp->repeat);

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	lp->err = sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
	if (lp->start)
		pthread_barrier_wait(lp->start);
	if (!lp->err)
		lp->err = bpf_prog_test_run_opts(bpf_program__fd(l.bpf->progs.pace), &opts);
	lp->ns = opts.duration;
	return NULL;
}

/* The pacer writes nothing in the connections: here they take what the laps moved. */
static void move_on(uint32_t lane)
{
	struct bench_run *r = &l.run[lane];

	if (r->raw || r->udp || !r->ahead)
		return;
	for (uint32_t i = 0; i < r->flows; i++) {
		struct bench_flow *f = &l.flows[l.order[r->first + i]];

		if (r->from_client || r->turns)
			f->c_seq += r->ahead;
		if (!r->from_client || r->turns)
			f->s_seq += r->ahead;
	}
	r->ahead = 0;
}

static int send_both(void)
{
	pthread_barrier_t start;
	pthread_t other;
	int err;

	pthread_barrier_init(&start, NULL, BENCH_LANES);
	l.lane[0].start = l.lane[1].start = &start;
	err = -pthread_create(&other, NULL, send_lane, &l.lane[1]);
	if (!err) {
		send_lane(&l.lane[0]);
		pthread_join(other, NULL);
	}
	l.lane[0].start = l.lane[1].start = NULL;
	pthread_barrier_destroy(&start);
	return err;
}

int lanes_go(uint32_t mask, const uint32_t repeat[BENCH_LANES], uint32_t ns[BENCH_LANES])
{
	int err = 0;

	for (int i = 0; i < BENCH_LANES; i++) {
		l.lane[i].repeat = repeat[i];
		l.lane[i].err = 0;
	}
	if (mask == 3)
		err = send_both();
	else if (mask == 1 || mask == 2)
		send_lane(&l.lane[mask - 1]);
	else
		err = -EINVAL;
	for (uint32_t i = 0; i < BENCH_LANES && !err; i++) {
		if (!(mask & 1u << i))
			continue;
		err = l.lane[i].err;
		ns[i] = l.lane[i].ns;
		move_on(i);
	}
	return err;
}
