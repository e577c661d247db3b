// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs frames through the real entry programs, loaded and filled by the
 * product's own loader, and prints what became of each: the reason counter that
 * moved, XDP's verdict, the frame that came out, events, judged leaves. Reads
 * commands from stdin (see vectors/run, which writes them) and prints one line
 * a command. Must not know what is right: that is the caller's part.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/states.h"
#include "../../user/loader_object.h"
#include "../../user/counters.h"
#include "../../user/names.h"
#include "../../user/results.h"
#include "hex.h"

#define FRAME_BYTES	8192
#define LINE_BYTES	(2 * FRAME_BYTES + 256)
#define PORTS		4	/* two pairs */
#define COUNTERS	(PORTS * KS_REASONS * KS_A_MAX)
#define RACE_ROUNDS	20000
#define CLOCK_STEP	1000000	/* ns of replay time between two frames */

static struct {
	struct instance in;
	struct table_kinds kinds;
	struct keyswitch_bpf *skel[2];	/* two pairs of ports on the same maps */
	struct compiled_policy *policy;
	struct ring_buffer *events;
	struct object_config config;
	uint32_t generation;
	uint64_t clock;
	uint32_t records;		/* events are printed whole, too */
	uint64_t before[COUNTERS];
	uint64_t after[COUNTERS];
} d;

static int fail(const char *what, int err)
{
	fprintf(stderr, "driver: %s: %s\n", what, strerror(err < 0 ? -err : err));
	return 1;
}

/* ---- instances and policies ---- */

/* The alert rule that marks a request, and which value it was refused for: "100/7". */
static void print_met(const struct ks_leaf *leaf)
{
	printf(":%s:", leaf->proto && leaf->alert ? d.policy->names[leaf->alert].name : "-");
	if (leaf->proto && leaf->value_type)
		printf("%u/%u", leaf->value_at, leaf->value);
}

static int on_event(void *ctx, void *data, size_t size)
{
	const struct ks_event *e = data;
	const char *rule = "-";

	(void)ctx;
	if (size != (e->leaf.proto > KS_MODBUS ? sizeof(*e) : KS_EVENT_SHORT))
		return -EINVAL;
	if (e->leaf.proto && e->leaf.rule < d.policy->n_names)
		rule = d.policy->names[e->leaf.rule].name;
	printf(" event=%s:%s:%s:%s:%u", name_event_kind(e->kind), name_reason(e->reason),
	       e->leaf.proto ? name_verdict(e->leaf.verdict) : "-", rule, e->head_len);
	print_met(&e->leaf);
	for (size_t i = 0; d.records && i < size; i++)
		printf("%s%02x", i ? "" : " record=", ((const uint8_t *)data)[i]);
	return 0;
}

static void close_all(void)
{
	ring_buffer__free(d.events);
	instance_close(&d.in);
	for (int i = 0; i < 2; i++)
		keyswitch_bpf__destroy(d.skel[i]);
	compiled_policy_free(d.policy);
	if (d.kinds.btf_fd >= 0)
		close(d.kinds.btf_fd);
	memset(&d, 0, sizeof(d));
	d.kinds.btf_fd = -1;
	instance_init(&d.in);
}

static int second_pair(void)
{
	struct object_config config = d.config;

	config.load.client_port = 2;
	config.load.server_port = 3;
	return object_load(&d.skel[1], &config, &d.in, &d.kinds);
}

/* instance live|replay POLICY */
static int open_instance(const char *kind, const char *path)
{
	struct ks_state_rec state = { .abi = KS_ABI, .adopt_until = UINT64_MAX };
	int rc;

	close_all();
	d.policy = load_policy(path, DIAG_ERROR, &rc);
	if (!d.policy)
		return rc;
	d.config.load = (struct ks_load_cfg){ .server_port = 1, .trace = !strcmp(kind, "replay") };
	d.config.limits = d.policy->limits;
	state.now = tables_force(d.policy, 0);
	instance_init(&d.in);
	if (object_load(&d.skel[0], &d.config, &d.in, &d.kinds) ||
	    object_prepare(&d.in, &d.kinds, d.policy, &d.policy->limits, &state))
		return 1;
	d.generation = 1;
	d.clock = KS_SECOND;
	d.events = ring_buffer__new(d.in.fd[MAP_events], on_event, NULL, NULL);
	return d.events ? 0 : fail("events", errno);
}

/* As `keyswitch apply` does: fill a slot that nobody reads, then one write. */
static int apply(const char *path)
{
	const char *failed = NULL;
	struct ks_state_rec state;
	int err, rc;
	struct compiled_policy *policy = load_policy(path, DIAG_ERROR, &rc);

	if (!policy)
		return rc;
	err = instance_state(&d.in, &state);
	state.now.slot = (state.now.slot + 1) % KS_SLOTS;
	if (!err)
		err = tables_fill(&d.in, &d.kinds, state.now.slot, ++d.generation, policy, &failed);
	if (!err)
		err = instance_set_state(&d.in, &state);
	compiled_policy_free(d.policy);
	d.policy = policy;
	return err ? fail(failed ? failed : "state", err) : 0;
}

/* Takes one table of the policy in force away: what cannot be, for `internal`. */
static int drop_table(const char *name)
{
	struct ks_state_rec state;
	int err = instance_state(&d.in, &state);

	for (int i = MAP_pol_addrs; i < MAPS && !err; i++)
		if (!strcmp(map_name((enum map_id)i), name))
			return bpf_map_delete_elem(d.in.fd[i], &state.now.slot) ?
				       fail(name, errno) : 0;
	return fail(name, ENOENT);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Each CIP connection's last message was so many milliseconds ago. */
static int age_conns(uint32_t ms)
{
	struct ks_conn_key key, *last = NULL;
	struct ks_conn c;
	int fd = d.in.fd[MAP_conns], err = 0;

	for (; !err && !bpf_map_get_next_key(fd, last, &key); last = &key) {
		err = bpf_map_lookup_elem(fd, &key, &c);
		c.t_last = now_ns() - ms * 1000000ull;
		if (!err)
			err = bpf_map_update_elem(fd, &key, &c, BPF_EXIST);
	}
	return err;
}

static int set(const char *key, uint32_t value)
{
	struct ks_state_rec state;
	int err = instance_state(&d.in, &state);

	if (!strcmp(key, "mode"))
		state.now.mode = value;
	else if (!strcmp(key, "adopt"))
		state.adopt = value;
	else if (!strcmp(key, "shadow"))
		state.shadow = value;
	else if (!strcmp(key, "records"))
		d.records = value;
	else if (!strcmp(key, "mode_until"))
		state.now.mode_until = value;
	else if (!strcmp(key, "adopt_until"))
		state.adopt_until = value;
	else if (!strcmp(key, "conns_age"))
		err = age_conns(value);
	else
		err = -EINVAL;
	if (!err)
		err = instance_set_state(&d.in, &state);
	return err ? fail(key, err) : 0;
}

/* ---- frames ---- */

/* Counters of the first n ports; the others stay as they were read last. */
static int read_counters(uint64_t *sums, uint32_t ports)
{
	uint32_t n = ports * KS_REASONS * KS_A_MAX, first = 0;
	uint32_t *keys = calloc(n, sizeof(*keys));
	uint64_t *rows = calloc((size_t)n * d.in.cpus, sizeof(*rows));
	int err = -ENOMEM;

	if (keys && rows)
		err = bpf_map_lookup_batch(d.in.fd[MAP_packets], NULL, &first, keys, rows, &n,
					   NULL);
	if (err == -ENOENT || !err) {
		err = 0;
		memset(sums, 0, n * sizeof(*sums));
		for (uint32_t i = 0; i < n; i++)
			for (unsigned int cpu = 0; cpu < d.in.cpus; cpu++)
				sums[keys[i]] += rows[(size_t)i * d.in.cpus + cpu];
	}
	free(keys);
	free(rows);
	return err;
}

/* Every counter that moved: one, if the program counts each frame once. */
static void print_counters(uint32_t port)
{
	const char *gap = "";

	for (uint32_t i = 0; i < COUNTERS; i++) {
		uint64_t moved = d.after[i] - d.before[i];
		uint32_t at = i / (KS_REASONS * KS_A_MAX);

		if (!moved)
			continue;
		printf("%s%s/%s", gap, name_reason(i / KS_A_MAX % KS_REASONS),
		       name_action(i % KS_A_MAX));
		if (moved != 1 || at != port)
			printf("(port %u, %llu times)", at, (unsigned long long)moved);
		gap = ",";
	}
	memcpy(d.before, d.after, sizeof(d.before));
}

static int print_leaves(void)
{
	struct ks_trace_ctl ctl;
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(d.in.fd[MAP_trace_ctl], &zero, &ctl);

	printf(" trace=%s/%s", name_reason(ctl.reason), name_action(ctl.action));
	for (uint32_t i = 0; i < ctl.leaves && !err; i++) {
		struct ks_leaf leaf;

		err = bpf_map_lookup_elem(d.in.fd[MAP_trace], &i, &leaf);
		if (err)
			break;
		printf(" leaf=%s:%s:%s", name_verdict(leaf.verdict), name_reason(leaf.reason),
		       d.policy->names[leaf.rule].name);
		print_met(&leaf);
	}
	return err;
}

static int arm_trace(void)
{
	struct ks_trace_ctl ctl = { .clock = d.clock };
	uint32_t zero = 0;

	d.clock += CLOCK_STEP;
	return bpf_map_update_elem(d.in.fd[MAP_trace_ctl], &zero, &ctl, BPF_ANY);
}

static void print_frame(const uint8_t *in, int len, const struct bpf_test_run_opts *opts)
{
	const uint8_t *out = opts->data_out;

	if (opts->data_size_out == (uint32_t)len && !memcmp(in, out, (size_t)len)) {
		printf(" same");
		return;
	}
	putchar(' ');
	for (uint32_t i = 0; i < opts->data_size_out; i++)
		printf("%02x", out[i]);
}

/* side: c, s of the first pair of ports, C, S of the second */
static int frame(const char *side, const char *hex)
{
	static uint8_t in[FRAME_BYTES], out[FRAME_BYTES];
	int pair = side[0] == 'C' || side[0] == 'S', role = side[0] == 's' || side[0] == 'S';
	struct keyswitch_bpf *skel = pair && !d.skel[1] && second_pair() ? NULL : d.skel[pair];
	int len = hex_bytes(hex, in, sizeof(in)), err;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out,
		    .data_size_in = (uint32_t)len, .data_size_out = sizeof(out), .repeat = 1);

	if (len < 0)
		return fail("hex", len);
	if (!skel)
		return fail("side", EINVAL);
	err = d.config.load.trace ? arm_trace() : 0;
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(role ? skel->progs.ks_server :
							     skel->progs.ks_client), &opts);
	if (!err)
		err = read_counters(d.after, pair ? PORTS : PORTS / 2);
	if (err)
		return fail("frame", err);
	print_counters((uint32_t)(2 * pair + role));
	printf(" %u", opts.retval);
	print_frame(in, len, &opts);
	if (d.config.load.trace)
		err = print_leaves();
	else
		err = ring_buffer__consume(d.events) < 0 ? -errno : 0;
	putchar('\n');
	return err ? fail("frame", err) : 0;
}

/* The same client frame RACE_ROUNDS times on the given CPU. */
static int repeat_on(int cpu, const char *hex)
{
	static uint8_t in[FRAME_BYTES], out[FRAME_BYTES];
	int len = hex_bytes(hex, in, sizeof(in)), err = len < 0 ? len : 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = out,
		    .data_size_in = (uint32_t)len, .repeat = 1);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!err && sched_setaffinity(0, sizeof(set), &set))
		err = -errno;
	for (int i = 0; i < RACE_ROUNDS && !err; i++) {
		opts.data_size_out = sizeof(out);
		err = bpf_prog_test_run_opts(bpf_program__fd(d.skel[0]->progs.ks_client), &opts);
	}
	return err;
}

/* Two client frames at once, each on a CPU of its own; prints all that they moved. */
static int race(const char *one, const char *other)
{
	int status = 0, err;
	pid_t child = fork();

	if (child < 0)
		return fail("fork", errno);
	if (!child)
		_exit(repeat_on(1, other) ? 1 : 0);
	err = repeat_on(0, one);
	if (waitpid(child, &status, 0) < 0 || status)
		err = -ECHILD;
	if (!err)
		err = read_counters(d.after, PORTS / 2);
	if (err)
		return fail("race", err);
	print_counters(0);
	ring_buffer__consume(d.events);
	putchar('\n');
	return 0;
}

/* ---- counters of requests, rules and events ---- */

static void print_verdicts(const char *name, const uint64_t *requests)
{
	printf("%s=%llu/%llu/%llu ", name, (unsigned long long)requests[KS_V_ALLOW],
	       (unsigned long long)requests[KS_V_DENY],
	       (unsigned long long)requests[KS_V_WOULD_DENY]);
}

static void print_requests(void *arg, const struct request_row *row)
{
	char name[2 * KS_NAME_MAX + FUNCTION_NAME_MAX];

	(void)arg;
	snprintf(name, sizeof(name), "%s:%s", row->asset, row->function);
	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '_';
	print_verdicts(name, row->requests);
}

static void print_rule(void *arg, const struct rule_row *row)
{
	(void)arg;
	print_verdicts(row->rule, row->requests);
}

static int tally(void)
{
	struct ks_misc_count misc;
	struct counters c;
	int err = counters_open(&c, &d.in);

	if (err)
		return fail("counters", err);
	err = counters_requests(&c, print_requests, NULL);
	if (!err)
		err = counters_rules(&c, print_rule, NULL);
	if (!err)
		err = counters_misc(&c, &misc);
	counters_close(&c);
	if (err)
		return fail("counters", err);
	printf("lost=%llu hidden=%llu quiet=%llu other=%llu\n",
	       (unsigned long long)misc.events_lost, (unsigned long long)misc.events_hidden,
	       (unsigned long long)misc.events_quiet, (unsigned long long)misc.pairs_other);
	return 0;
}

/* ---- flows ---- */

static const char *const states[] = {
#define STATE_NAME(sym, text) #sym,
	KS_STATE_LIST(STATE_NAME)
#undef STATE_NAME
};

/*
 * flow KEY [state|flags|abi|age VALUE]: prints the entry, after an edit if one is asked for;
 * age: so many milliseconds since its last packet. A state is a young one.
 */
static int flow(const char *hex, const char *field, uint32_t value)
{
	struct ks_flow f;
	uint8_t key[sizeof(struct ks_key6)];
	int n = hex_bytes(hex, key, sizeof(key));
	int table = d.in.fd[n == sizeof(struct ks_key4) ? MAP_flows4 : MAP_flows6];
	int fd = d.in.fd[MAP_flows];
	uint32_t at;
	int err = bpf_map_lookup_elem(table, key, &at);

	if (err == -ENOENT) {
		printf("none\n");
		return 0;
	}
	if (!err)
		err = bpf_map_lookup_elem_flags(fd, &at, &f, BPF_F_LOCK);
	if (!err && field) {
		if (!strcmp(field, "age"))
			f.t_last = now_ns() - value * 1000000ull;
		else if (!strcmp(field, "state"))
			f.state = (uint8_t)value, f.t_last = now_ns() + 1000000000;
		else if (!strcmp(field, "abi"))
			f.abi = (uint8_t)value;
		else
			f.flags = (uint8_t)value;
		err = bpf_map_update_elem(fd, &at, &f, BPF_F_LOCK);
	}
	if (err)
		return fail("flow", err);
	printf("state=%s flags=%u c_nxt=%u c_una=%u s_nxt=%u msg_start=%u\n",
	       f.state < KS_STATES ? states[f.state] : "?", f.flags, f.c_nxt, f.c_una, f.s_nxt,
	       f.msg_start);
	return 0;
}

/* ---- what the X-macros say, for the caller's checks ---- */

static const char *const classes[] = {
#define CLASS_NAME(sym, text) #sym,
	KS_CLASS_LIST(CLASS_NAME)
#undef CLASS_NAME
};

static void print_row(const char *side, const char *state, const char *const *rules)
{
	for (int i = 0; i < KS_CLASSES; i++)
		printf("cell %s %s %s %s\n", side, state, classes[i], rules[i]);
}

static int print_tables(void)
{
#define REASON_ROW(sym, effect, kind, text) printf("reason %s %s %d\n", #sym, #effect, kind);
	KS_REASON_LIST(REASON_ROW)
#undef REASON_ROW
#define MATRIX_ROW(side, state, ...) \
	print_row(#side, #state, (const char *const[]){ ROW_NAMES(__VA_ARGS__) });
#define ROW_NAMES(a, b, c, e, f, g) #a, #b, #c, #e, #f, #g
	KS_STATE_MATRIX(MATRIX_ROW)
#undef MATRIX_ROW
#define RULE_ROW(sym, text) printf("rule %s %s\n", #sym, text);
	KS_RULE_LIST(RULE_ROW)
#undef RULE_ROW
#undef ROW_NAMES
	return 0;
}

static int command(char *line)
{
	char *words[4] = { 0 }, *save = NULL;
	uint32_t value;
	int n = 0;

	for (char *w = strtok_r(line, " \n", &save); w && n < 4; w = strtok_r(NULL, " \n", &save))
		words[n++] = w;
	value = n == 4 ? (uint32_t)strtoul(words[3], NULL, 0) : 0;
	if (n == 3 && !strcmp(words[0], "frame"))
		return frame(words[1], words[2]);
	if (n == 3 && !strcmp(words[0], "race"))
		return race(words[1], words[2]);
	if (n == 1 && !strcmp(words[0], "tally"))
		return tally();
	if (n == 2 && !strcmp(words[0], "flow"))
		return flow(words[1], NULL, 0);
	if (n == 4 && !strcmp(words[0], "flow"))
		return flow(words[1], words[2], value);
	if (n == 3 && !strcmp(words[0], "instance"))
		value = (uint32_t)open_instance(words[1], words[2]);
	else if (n == 2 && !strcmp(words[0], "apply"))
		value = (uint32_t)apply(words[1]);
	else if (n == 2 && !strcmp(words[0], "drop"))
		value = (uint32_t)drop_table(words[1]);
	else if (n == 3 && !strcmp(words[0], "set"))
		value = (uint32_t)set(words[1], (uint32_t)strtoul(words[2], NULL, 0));
	else if (n == 2 && !strcmp(words[0], "sleep"))
		value = (uint32_t)usleep((useconds_t)strtoul(words[1], NULL, 0) * 1000);
	else if (n == 2 && !strcmp(words[0], "clock"))
		d.clock += strtoull(words[1], NULL, 0) * 1000000;
	else
		return fail("command", EINVAL);
	printf("done\n");
	return (int)value;
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];
	cpu_set_t cpu;
	int err = 0;

	if (argc > 1 && !strcmp(argv[1], "tables"))
		return print_tables();
	/* per-CPU work areas and the trace assume one CPU */
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		return fail("affinity", errno);
	d.kinds.btf_fd = -1;
	instance_init(&d.in);
	setlinebuf(stdout);
	while (!err && fgets(line, sizeof(line), stdin))
		err = command(line);
	fflush(stdout);
	close_all();
	return err;
}
