// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times programs by BPF_PROG_TEST_RUN behind the pacer (bench.bpf.c): the product's own
 * entry programs, loaded and filled by its own loader, and what they are compared with.
 * Reads commands from stdin (see bed.py, which writes them), prints one line a command but
 * after `arm`.
 * argv[1]: connections that the floor has room for.
 *   instance POLICY             a fresh one of the product, policy applied
 *   flows N EACH VERSION        N connections, EACH of a client, as yet without a handshake
 *   use LANE FIRST N SEED       those from FIRST on, in random order
 *   arm LANE PROGRAM ROLE AT COUNT STEP BACK BASE NUMBER STAMP FLAGS FRAME
 *       PROGRAM: keyswitch noop floor; ROLE: c s; AT, COUNT: positions of the order;
 *       FLAGS: r = the frame as it is, u = UDP, w = the stamp is wide, t = the server
 *       answers every other lap, - = none
 *   go MASK REPEAT REPEAT       of lanes 0 and 1; prints ns a packet of each, how many
 *       events were sent, and every counter that moved, as REASON/ACTION=N
 *   memory                      bytes of every map, as NAME=N
 *   stays                       begins to count what stays.h says, prints what there was:
 *       STARTED STAYS CALLBACKS LONGEST RAN, then the ns of a callback: mean, p99, most
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
#include "lanes.h"
#include "stays.h"

#define LINE_BYTES	(2 * LANE_FRAME + 256)
#define COUNTERS	(2 * KS_REASONS * KS_A_MAX)
#define WORDS		13

static struct {
	struct instance in;
	struct table_kinds kinds;
	struct keyswitch_bpf *skel;
	struct compiled_policy *policy;
	struct object_config config;
	struct ring_buffer *events;
	uint64_t sent;		/* events, since the last run */
	bool v6;
	uint64_t before[COUNTERS], after[COUNTERS];
} d;

static int fail(const char *what, int err)
{
	fprintf(stderr, "driver: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

static int done(const char *what, int err)
{
	if (err)
		return fail(what, err);
	printf("done\n");
	return 0;
}

static int on_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	(void)data;
	(void)size;
	d.sent++;
	return 0;
}

static void close_all(void)
{
	lanes_forget();
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

static int open_instance(char **w)
{
	struct ks_state_rec state = { .abi = KS_ABI };
	int rc;

	close_all();
	d.policy = load_policy(w[1], DIAG_ERROR, &rc);
	if (!d.policy)
		return rc;
	d.config.load = (struct ks_load_cfg){ .server_port = 1 };
	d.config.limits = d.policy->limits;
	state.now = tables_force(d.policy, 0);
	if (object_load(&d.skel, &d.config, &d.in, &d.kinds) ||
	    object_prepare(&d.in, &d.kinds, d.policy, &d.policy->limits, &state))
		return 1;
	d.events = ring_buffer__new(d.in.fd[MAP_events], on_event, NULL, NULL);
	return done("events", d.events ? 0 : errno);
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
	const struct bench_bpf *bench = lanes_bpf();

	if (!strcmp(name, "noop"))
		return bpf_program__fd(bench->progs.noop);
	if (!strcmp(name, "floor"))
		return bpf_program__fd(d.v6 ? bench->progs.floor_v6 : bench->progs.floor_v4);
	if (!d.skel)
		return -EINVAL;
	return bpf_program__fd(role == 's' ? d.skel->progs.ks_server : d.skel->progs.ks_client);
}

static uint32_t number(const char *word)
{
	return (uint32_t)strtoul(word, NULL, 0);
}

static int flows(char **w)
{
	d.v6 = number(w[3]) == 6;
	return done("flows", lanes_flows(number(w[1]), number(w[2]), d.v6));
}

static int use(char **w)
{
	return done("use", lanes_use(number(w[1]), number(w[2]), number(w[3]), number(w[4])));
}

/* Words as above */
static int arm(char **w)
{
	struct lane_frame f = {
		.at = number(w[4]), .hex = w[12], .program = program(w[2], w[3][0]),
		.answer = program(w[2], 's'),
		.run = {
			.flows = number(w[5]), .step = number(w[6]), .back = number(w[7]),
			.base = number(w[8]), .number = (uint8_t)number(w[9]),
			.stamp = (uint8_t)number(w[10]), .v6 = d.v6, .from_client = w[3][0] == 'c',
		},
	};
	int err;

	f.run.raw = !!strchr(w[11], 'r');
	f.run.udp = !!strchr(w[11], 'u');
	f.run.wide = !!strchr(w[11], 'w');
	f.run.turns = !!strchr(w[11], 't');
	err = f.program < 0 ? f.program : lanes_arm(number(w[1]), &f);
	return err ? fail("arm", err) : 0;
}

static int go(char **w)
{
	uint32_t repeat[BENCH_LANES] = { number(w[2]), number(w[3]) }, ns[BENCH_LANES] = { 0 };
	int err = lanes_go(number(w[1]), repeat, ns);

	if (!err && d.skel)
		err = read_counters(d.after);
	if (err)
		return fail("go", err);
	if (d.skel)
		ring_buffer__consume(d.events);
	printf("%u %u %llu", ns[0], ns[1], (unsigned long long)d.sent);
	d.sent = 0;
	if (d.skel)
		print_counters();
	putchar('\n');
	return 0;
}

/* What the kernel charges for the map itself, not for the policy's tables inside. */
static int memory(char **w)
{
	char path[64], line[128];
	unsigned long long bytes;
	FILE *f;

	(void)w;
	for (int i = 0; i < MAPS; i++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", d.in.fd[i]);
		f = fopen(path, "r");
		if (!f)
			return fail("memory", errno);
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "memlock: %llu", &bytes) == 1)
				printf(" %s=%llu", map_name((enum map_id)i), bytes);
		fclose(f);
	}
	putchar('\n');
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int stays(char **w)
{
	static uint32_t ns[STAYS_CPUS * STAYS_TIMES];
	struct stays sum = { 0 };
	const struct stays *s = stays_now();
	int err;

	(void)w;
	for (int cpu = 0; s && cpu < STAYS_CPUS; cpu++, s++) {
		memcpy(ns + sum.n, s->ns, s->n * sizeof(*ns));
		sum.n += s->n;
		sum.started += s->started;
		sum.stays += s->stays;
		sum.callbacks += s->callbacks;
		sum.spent += s->spent;
		if (s->longest > sum.longest) {
			sum.longest = s->longest;
			sum.ran = s->ran;
		}
	}
	err = stays_on();
	if (err)
		return fail("stays", err);
	qsort(ns, sum.n, sizeof(*ns), by_size);
	printf("%llu %llu %llu %llu %llu %llu %u %u\n", sum.started, sum.stays, sum.callbacks,
	       sum.longest, sum.ran, sum.n ? sum.spent / sum.callbacks : 0,
	       sum.n ? ns[sum.n * 99ull / 100] : 0, sum.n ? ns[sum.n - 1] : 0);
	return 0;
}

static const struct {
	const char *name;
	int words;
	int (*run)(char **w);
} commands[] = {
	{ "instance", 2, open_instance }, { "flows", 4, flows }, { "use", 5, use },
	{ "arm", 13, arm }, { "go", 4, go }, { "memory", 1, memory },
	{ "stays", 1, stays },
};

static int command(char *line)
{
	char *w[WORDS + 1] = { 0 }, *save = NULL;
	int n = 0;

	for (char *s = strtok_r(line, " \n", &save); s && n <= WORDS; s = strtok_r(NULL, " \n", &save))
		w[n++] = s;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (n == commands[i].words && !strcmp(w[0], commands[i].name))
			return commands[i].run(w);
	return fail("command", EINVAL);
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];
	cpu_set_t cpu;
	int err;

	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return fail("affinity", errno);
	d.kinds.btf_fd = -1;
	instance_init(&d.in);
	err = lanes_open(argc > 1 ? number(argv[1]) : 1);
	if (err)
		return fail("bench programs", err);
	setlinebuf(stdout);
	while (!err && fgets(line, sizeof(line), stdin))
		err = command(line);
	fflush(stdout);
	close_all();
	stays_off();
	lanes_close();
	return err;
}
