// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times programs by BPF_PROG_TEST_RUN behind the pacer (bench.bpf.c): the product's own
 * entry programs, loaded and filled by its own loader, and what they are compared with.
 * Reads commands from stdin (see packets, which writes them), prints one line a command.
 *   instance POLICY             a fresh one of the product, policy applied
 *   flows N EACH VERSION SEED   N connections, EACH of a client, as yet without a handshake
 *   run PROGRAM ROLE REPEAT STEP BACK BASE NUMBER STAMP FRAME
 *       PROGRAM: keyswitch noop floor; ROLE: c s; BASE: `raw` = the frame as it is.
 *       Prints ns a packet, what XDP said last and every counter that moved, as
 *       REASON/ACTION=N.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../user/loader_object.h"
#include "../../user/names.h"
#include "../../user/results.h"
#include "../vectors/hex.h"
#include "bench.h"
#include "bench.skel.h"

#define FRAME_BYTES	2048
#define LINE_BYTES	(2 * FRAME_BYTES + 256)
#define COUNTERS	(2 * KS_REASONS * KS_A_MAX)
#define WORDS		10

static struct {
	struct instance in;
	struct table_kinds kinds;
	struct keyswitch_bpf *skel;
	struct compiled_policy *policy;
	struct object_config config;
	struct bench_bpf *bench;
	struct ring_buffer *events;
	uint32_t flows, each;
	uint8_t v6;
	uint64_t before[COUNTERS], after[COUNTERS];
} d;

static int fail(const char *what, int err)
{
	fprintf(stderr, "driver: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

static int on_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)data;
	(void)size;
	return 0;
}

static void close_all(void)
{
	ring_buffer__free(d.events);
	d.events = NULL;
	instance_close(&d.in);
	keyswitch_bpf__destroy(d.skel);
	compiled_policy_free(d.policy);
	if (d.kinds.btf_fd >= 0)
		close(d.kinds.btf_fd);
	memset(d.before, 0, sizeof(d.before));
	d.kinds.btf_fd = -1;
	d.skel = NULL;
	d.policy = NULL;
	instance_init(&d.in);
}

static int open_instance(const char *path)
{
	struct ks_state_rec state = { .abi = KS_ABI };
	int rc;

	close_all();
	d.policy = load_policy(path, DIAG_ERROR, &rc);
	if (!d.policy)
		return rc;
	d.config.load = (struct ks_load_cfg){ .server_port = 1 };
	d.config.limits = d.policy->limits;
	state.now = tables_force(d.policy, 0);
	if (object_load(&d.skel, &d.config, &d.in, &d.kinds) ||
	    object_prepare(&d.in, &d.kinds, d.policy, &d.policy->limits, &state))
		return 1;
	d.events = ring_buffer__new(d.in.fd[MAP_events], on_event, NULL, NULL);
	if (!d.events)
		return fail("events", errno);
	printf("done\n");
	return 0;
}

/* ---- connections ---- */

static void flow_of(uint32_t i, struct bench_flow *f)
{
	uint32_t client = i / d.each;
	uint16_t port = (uint16_t)(20000 + i % d.each);
	uint8_t *a = f->client;

	memset(f, 0, sizeof(*f));
	if (d.v6) {
		a[0] = 0xfd;
		a[7] = 1;
		a += 12;
	}
	a[0] = d.v6 ? 0 : 10;
	a[1] = d.v6 ? 0 : 1;
	a[2] = (uint8_t)(client >> 8);
	a[3] = (uint8_t)client;
	f->cport = (uint16_t)(port << 8 | port >> 8);
	f->c_seq = i * 2654435761u;
	f->s_seq = i * 40503u;
}

static int write_flow(uint32_t i, uint32_t which)
{
	struct bench_flow f;
	int err;

	flow_of(i, &f);
	err = bpf_map_update_elem(bpf_map__fd(d.bench->maps.flows), &i, &f, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(bpf_map__fd(d.bench->maps.order), &i, &which, BPF_ANY);
	return err;
}

static int make_flows(uint32_t n, uint32_t each, uint32_t version, uint32_t seed)
{
	uint32_t *order = calloc(n, sizeof(*order));
	int err = order ? 0 : -ENOMEM;

	d.flows = n;
	d.each = each ? each : 1;
	d.v6 = version == 6;
	srandom(seed);
	for (uint32_t i = 0; i < n && !err; i++) {
		uint32_t j = (uint32_t)random() % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < n && !err; i++)
		err = write_flow(i, order[i]);
	free(order);
	if (err)
		return fail("flows", err);
	printf("done\n");
	return 0;
}

/* ---- runs ---- */

static int read_counters(uint64_t *sums)
{
	static uint32_t keys[COUNTERS];
	uint64_t *rows = calloc((size_t)COUNTERS * d.in.cpus, sizeof(*rows));
	uint32_t n = COUNTERS, first = 0;
	int err = rows ? bpf_map_lookup_batch(d.in.fd[MAP_packets], NULL, &first, keys, rows, &n,
					      NULL) : -ENOMEM;

	if (err == -ENOENT)
		err = 0;
	memset(sums, 0, COUNTERS * sizeof(*sums));
	for (uint32_t i = 0; i < n && !err; i++)
		for (unsigned int cpu = 0; cpu < d.in.cpus; cpu++)
			sums[keys[i]] += rows[(size_t)i * d.in.cpus + cpu];
	free(rows);
	return err;
}

static void print_counters(void)
{
	for (uint32_t i = 0; i < COUNTERS; i++) {
		uint64_t moved = d.after[i] - d.before[i];

		if (moved)
			printf(" %s/%s=%llu", name_reason(i / KS_A_MAX % KS_REASONS),
			       name_action(i % KS_A_MAX), (unsigned long long)moved);
	}
	memcpy(d.before, d.after, sizeof(d.before));
}

static int program(const char *name, char role)
{
	if (!strcmp(name, "noop"))
		return bpf_program__fd(d.bench->progs.noop);
	if (!strcmp(name, "floor"))
		return bpf_program__fd(d.v6 ? d.bench->progs.floor_v6 : d.bench->progs.floor_v4);
	if (!d.skel)
		return -EINVAL;
	return bpf_program__fd(role == 's' ? d.skel->progs.ks_server : d.skel->progs.ks_client);
}

static int set_run(char role, char **w, const uint8_t *frame)
{
	uint32_t zero = 0, l4 = d.v6 ? 54 : 34;
	struct bench_run r = {
		.flows = d.flows, .v6 = d.v6, .from_client = role == 'c',
		.step = (uint32_t)strtoul(w[4], NULL, 0),
		.back = (uint32_t)strtoul(w[5], NULL, 0),
		.base = (uint32_t)strtoul(w[6], NULL, 0),
		.number = (uint8_t)strtoul(w[7], NULL, 0),
		.stamp = (uint8_t)strtoul(w[8], NULL, 0),
		.raw = !strcmp(w[6], "raw"),
	};

	memcpy(&r.window, frame + l4 + 14, 2);
	return bpf_map_update_elem(bpf_map__fd(d.bench->maps.run), &zero, &r, BPF_ANY);
}

/* Words as above */
static int run(char **w)
{
	static uint8_t in[FRAME_BYTES];
	int len = hex_bytes(w[9], in, sizeof(in)), fd = program(w[1], w[2][0]);
	uint32_t zero = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (uint32_t)len,
		    .repeat = atoi(w[3]));
	int err = len < 0 ? len : fd < 0 ? fd : set_run(w[2][0], w, in);

	if (!err)
		err = bpf_map_update_elem(bpf_map__fd(d.bench->maps.subject), &zero, &fd, BPF_ANY);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(d.bench->progs.pace), &opts);
	if (!err && d.skel)
		err = read_counters(d.after);
	if (err)
		return fail("run", err);
	printf("%u %u", opts.duration, opts.retval);
	if (d.skel) {
		print_counters();
		ring_buffer__consume(d.events);
	}
	putchar('\n');
	return 0;
}

static int command(char *line)
{
	char *w[WORDS] = { 0 }, *save = NULL;
	int n = 0;

	for (char *s = strtok_r(line, " \n", &save); s && n < WORDS; s = strtok_r(NULL, " \n", &save))
		w[n++] = s;
	if (n == 2 && !strcmp(w[0], "instance"))
		return open_instance(w[1]);
	if (n == 5 && !strcmp(w[0], "flows"))
		return make_flows((uint32_t)atoi(w[1]), (uint32_t)atoi(w[2]), (uint32_t)atoi(w[3]),
				  (uint32_t)atoi(w[4]));
	if (n == WORDS && !strcmp(w[0], "run"))
		return run(w);
	return fail("command", EINVAL);
}

int main(void)
{
	static char line[LINE_BYTES];
	cpu_set_t cpu;
	int err = 0;

	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return fail("affinity", errno);
	d.kinds.btf_fd = -1;
	instance_init(&d.in);
	d.bench = bench_bpf__open_and_load();
	if (!d.bench)
		return fail("bench programs", errno);
	setlinebuf(stdout);
	while (!err && fgets(line, sizeof(line), stdin))
		err = command(line);
	fflush(stdout);
	close_all();
	bench_bpf__destroy(d.bench);
	return err;
}
