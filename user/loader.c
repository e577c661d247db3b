// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading the embedded object and preparing its maps, for attach and replay,
 * see loader.h. Must not pin or attach: that is loader_attach.c's part.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "command.h"
#include "env.h"
#include "loader_object.h"
#include "options.h"
#include "tables.h"

/* Kinds of the inner maps, as the object declares them; libbpf forgets them at load. */
static void read_kinds(struct table_kinds *kinds, const struct bpf_object *obj)
{
	memset(kinds, 0, sizeof(*kinds));
	kinds->btf_fd = -1;
	for (int i = MAP_pol_addrs; i < MAPS; i++) {
		struct bpf_map *outer = bpf_object__find_map_by_name(obj, map_name(i));
		struct bpf_map *inner = outer ? bpf_map__inner_map(outer) : NULL;

		if (!inner)
			continue;
		kinds->v[i] = (struct table_kind){
			.type = bpf_map__type(inner),
			.key_size = bpf_map__key_size(inner),
			.value_size = bpf_map__value_size(inner),
			.flags = bpf_map__map_flags(inner),
			.key_type_id = bpf_map__btf_key_type_id(inner),
			.value_type_id = bpf_map__btf_value_type_id(inner),
		};
	}
}

const char *object_map_name(enum map_id id)
{
	return id == MAP_state ? ".data.state" : map_name(id);
}

static struct bpf_map *object_map(const struct bpf_object *obj, enum map_id id)
{
	return bpf_object__find_map_by_name(obj, object_map_name(id));
}

/* As many places as a hint needs, a power of two (struct ks_load_cfg). */
static uint32_t near_places(const struct policy_limits *limits)
{
	uint32_t n = 1;

	while (n < KS_NEAR_FLOWS * limits->flows)
		n *= 2;
	return n;
}

uint32_t object_near_mask(const struct bpf_object *obj)
{
	const struct bpf_map *map = object_map(obj, MAP_flows_near);

	return map ? bpf_map__max_entries(map) - 1 : 0;
}

static int resize(const struct bpf_object *obj, const struct object_config *config)
{
	const struct policy_limits *limits = &config->limits;
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	const struct { enum map_id id; uint32_t n; } sizes[] = {
		{ MAP_flows, 2 * limits->flows }, /* of either family */
		{ MAP_flow_free, 2 * limits->flows },
		{ MAP_flows_near, near_places(limits) },
		{ MAP_flows4, limits->flows },
		{ MAP_flows6, limits->flows },
		/* the first entries, one a CPU, are where UDP datagrams are read */
		{ MAP_mb_rings, limits->modbus_rings + cpus },
		{ MAP_eip_rings, limits->enip_rings + cpus },
		{ MAP_mb_free, limits->modbus_rings },
		{ MAP_eip_free, limits->enip_rings },
		{ MAP_closed, 2 * limits->flows },
		{ MAP_conduits, limits->conduit_flows },
		{ MAP_conduit_queue, 2 * limits->conduit_flows },
		{ MAP_conduit_clients, limits->conduit_flows },
		{ MAP_requests_near, cpus * KS_NEAR },
		{ MAP_rules_near, cpus * KS_SLOTS * KS_NEAR_RULES },
		{ MAP_events, limits->event_ring },
		{ MAP_denied, config->load.trace ? (uint32_t)sysconf(_SC_PAGESIZE) : KS_DENIED_RING },
		{ MAP_trace, config->load.trace ? KS_TRACE_MAX : 1 },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct bpf_map *map = object_map(obj, sizes[i].id);

		if (!map || bpf_map__set_max_entries(map, sizes[i].n))
			return -ENOENT;
	}
	return 0;
}

static int share_maps(const struct bpf_object *obj, const struct instance *in)
{
	for (int i = 0; i < MAPS; i++) {
		struct bpf_map *map = object_map(obj, i);
		int err = map ? bpf_map__reuse_fd(map, in->fd[i]) : -ENOENT;

		if (err)
			return err;
	}
	return 0;
}

static int take_maps(struct instance *in, const struct bpf_object *obj)
{
	for (int i = 0; i < MAPS; i++) {
		int fd = bpf_map__fd(object_map(obj, i));

		in->fd[i] = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (in->fd[i] < 0) {
			complain("the object has no map '%s'", map_name(i));
			return -ENOENT;
		}
	}
	return 0;
}

static int refused(struct keyswitch_bpf *skel, int err)
{
	complain("the kernel refused the data path: %s", strerror(-err));
	hint("--verbose shows what libbpf and the verifier say");
	keyswitch_bpf__destroy(skel);
	return EXIT_ENVIRONMENT;
}

int object_load(struct keyswitch_bpf **out, const struct object_config *config,
		struct instance *in, struct table_kinds *kinds)
{
	struct keyswitch_bpf *skel;
	bool first = in->fd[0] < 0;
	int err;

	env_quiet_libbpf();
	skel = keyswitch_bpf__open();
	if (!skel)
		return refused(NULL, -errno);
	skel->rodata->cfg = config->load;
	if (first)
		read_kinds(kinds, skel->obj);
	err = resize(skel->obj, config);
	if (!err && !first)
		err = share_maps(skel->obj, in);
	skel->rodata->cfg.near_mask = object_near_mask(skel->obj);
	if (!err)
		err = keyswitch_bpf__load(skel);
	if (!err && first) {
		err = take_maps(in, skel->obj);
		kinds->btf_fd = bpf_object__btf_fd(skel->obj);
	}
	if (err)
		return refused(skel, err);
	*out = skel;
	return EXIT_OK;
}

static int fill_free(int fd, uint32_t slots, uint32_t first)
{
	int err = 0;

	for (uint32_t i = 0; i < slots && !err; i++) {
		uint32_t slot = first + i;

		err = bpf_map_update_elem(fd, NULL, &slot, BPF_ANY);
	}
	return err;
}

static int set_limits(const struct instance *in, const struct policy_limits *limits)
{
	const struct ks_table_use use = {
		.flows_max = limits->flows,
		.rings_max = { limits->modbus_rings, limits->enip_rings },
		.conduits_max = limits->conduit_flows,
	};
	uint32_t zero = 0;

	return bpf_map_update_elem(in->fd[MAP_table_use], &zero, &use, BPF_ANY);
}

int object_prepare(const struct instance *in, const struct table_kinds *kinds,
		   const struct compiled_policy *policy, const struct policy_limits *limits,
		   const struct ks_state_rec *state)
{
	const char *failed = map_name(MAP_flow_free);
	int err;

	err = fill_free(in->fd[MAP_flow_free], 2 * limits->flows, 0);
	if (!err) {
		failed = map_name(MAP_mb_free);
		err = fill_free(in->fd[MAP_mb_free], limits->modbus_rings, in->cpus);
	}
	if (!err) {
		failed = map_name(MAP_eip_free);
		err = fill_free(in->fd[MAP_eip_free], limits->enip_rings, in->cpus);
	}
	if (!err) {
		failed = map_name(MAP_table_use);
		err = set_limits(in, limits);
	}
	if (!err)
		err = tables_fill(in, kinds, state->now.slot, 1, policy, &failed);
	if (!err) {
		failed = map_name(MAP_state);
		err = instance_set_state(in, state);
	}
	if (!err)
		return EXIT_OK;
	complain("cannot fill the map '%s': %s", failed, strerror(-err));
	return EXIT_ENVIRONMENT;
}

int loader_open_replay(struct replay_object *obj, const struct compiled_policy *policy,
		       uint32_t flows)
{
	struct object_config config = {
		.load = { .server_port = 1, .trace = 1 },
		.limits = policy->limits,
	};
	/* every flow of the capture gets its entry and ring, whatever the policy's limits */
	struct ks_state_rec state = {
		.abi = KS_ABI,
		.now = { .mode = policy->mode, .flows_per_client = INT_MAX,
			 .half_open_per_client = INT_MAX },
	};
	struct table_kinds kinds;
	int rc;

	memset(obj, 0, sizeof(*obj));
	/* and the eighth that is kept for known clients lies behind them all */
	config.limits.flows = config.limits.modbus_rings = config.limits.enip_rings =
		flows < 64 ? 128 : flows + flows / 7 + 1;
	config.limits.event_ring = (uint32_t)sysconf(_SC_PAGESIZE);
	instance_init(&obj->in);
	rc = object_load(&obj->skel, &config, &obj->in, &kinds);
	if (!rc)
		rc = object_prepare(&obj->in, &kinds, policy, &config.limits, &state);
	if (rc) {
		loader_close_replay(obj);
		return rc;
	}
	obj->prog[KS_CLIENT] = bpf_program__fd(obj->skel->progs.ks_client);
	obj->prog[KS_SERVER] = bpf_program__fd(obj->skel->progs.ks_server);
	return EXIT_OK;
}

void loader_close_replay(struct replay_object *obj)
{
	instance_close(&obj->in);
	keyswitch_bpf__destroy(obj->skel);
	obj->skel = NULL;
}
