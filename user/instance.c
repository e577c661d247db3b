// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and editing the maps of an instance, see instance.h.
 * Must not create, pin or attach anything.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "batch.h"
#include "clock.h"
#include "command.h"
#include "env.h"
#include "instance.h"
#include "options.h"
#include "table_pins.h"

static const char *const map_names[] = {
#define KS_MAP_NAME(name) [MAP_##name] = #name,
	KS_MAP_LIST(KS_MAP_NAME)
#undef KS_MAP_NAME
};

const char *map_name(enum map_id id)
{
	return map_names[id];
}

void instance_path(char *buf, size_t size, const char *kind, const char *name)
{
	char safe[NAME_MAX + 1];

	snprintf(safe, sizeof(safe), "%s", name);
	for (char *c = safe; *c; c++)
		if (*c == '.')
			*c = ':';
	snprintf(buf, size, "%s/%s/%s", options.pin_dir, kind, safe);
}

void instance_init(struct instance *in)
{
	for (int i = 0; i < MAPS; i++)
		in->fd[i] = -1;
	in->cpus = (unsigned int)libbpf_num_possible_cpus();
}

void instance_close(struct instance *in)
{
	for (int i = 0; i < MAPS; i++) {
		if (in->fd[i] >= 0)
			close(in->fd[i]);
		in->fd[i] = -1;
	}
}

bool instance_exists(void)
{
	static const char *const folders[] = { "maps", "links", "progs" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", options.pin_dir, folders[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static int open_maps(struct instance *in)
{
	char path[PATH_MAX];

	for (int i = 0; i < MAPS; i++) {
		instance_path(path, sizeof(path), "maps", map_names[i]);
		in->fd[i] = bpf_obj_get(path);
		if (in->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int explain_open(int err)
{
	int rc = env_check();

	if (rc)
		return rc;
	if (err == -ENOENT && !instance_exists()) {
		complain("nothing is attached (no instance at '%s')", options.pin_dir);
		return EXIT_PROBLEM;
	}
	if (err == -ENOENT) {
		complain("no running instance at '%s', only remains of one", options.pin_dir);
		hint("'keyswitch detach --yes' removes them");
		return EXIT_PROBLEM;
	}
	complain("cannot open the instance at '%s': %s", options.pin_dir, strerror(-err));
	return EXIT_ENVIRONMENT;
}

int instance_open(struct instance *in)
{
	struct ks_state_rec state;
	int err;

	instance_init(in);
	env_quiet_libbpf();
	err = open_maps(in);
	if (err) {
		instance_close(in);
		return explain_open(err);
	}
	err = instance_state(in, &state);
	if (!err && state.abi == KS_ABI)
		return EXIT_OK;
	if (err)
		complain("cannot read the state at '%s': %s", options.pin_dir,
			 strerror(-err));
	else
		complain("the instance at '%s' has data layout %u, this keyswitch has %u",
			 options.pin_dir, state.abi, KS_ABI);
	instance_close(in);
	return EXIT_PROBLEM;
}

static uint32_t map_number(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

bool instance_gone(const struct instance *in)
{
	char path[PATH_MAX];
	bool same;
	int fd;

	instance_path(path, sizeof(path), "maps", map_name(MAP_state));
	fd = bpf_obj_get(path);
	same = fd >= 0 && map_number(fd) == map_number(in->fd[MAP_state]);
	if (fd >= 0)
		close(fd);
	return !same;
}

/* A bpffs keeps when a pin was made; an upgrade leaves the maps where they are. */
double instance_attached(void)
{
	char path[PATH_MAX];
	struct stat st;

	instance_path(path, sizeof(path), "maps", map_name(MAP_state));
	if (stat(path, &st))
		return 0;
	return (double)st.st_ctim.tv_sec + (double)st.st_ctim.tv_nsec / 1e9;
}

static int read_state(const struct instance *in, struct ks_state_rec *state)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(in->fd[MAP_state], &zero, state);
}

static int write_state(const struct instance *in, const struct ks_state_rec *state)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(in->fd[MAP_state], &zero, state, BPF_ANY);
}

static bool is_over(const struct ks_state_rec *state)
{
	return state->revert_at && clock_monotonic() >= state->revert_at;
}

int instance_state(const struct instance *in, struct ks_state_rec *state)
{
	int err = read_state(in, state);

	if (err || !is_over(state))
		return err;
	state->now = state->before;
	state->revert_at = 0;
	return 0;
}

/*
 * The kernel copies the record while packets read it. After a trial that has run out
 * `now` is made equal to `before` first: no packet may see the trial's policy without
 * the time of its end.
 */
int instance_set_state(const struct instance *in, const struct ks_state_rec *state)
{
	struct ks_state_rec last;
	int err = read_state(in, &last);

	if (!err && is_over(&last)) {
		last.now = last.before;
		err = write_state(in, &last);
	}
	return err ? err : write_state(in, state);
}

uint32_t state_trial_left(const struct ks_state_rec *state)
{
	uint64_t now = clock_monotonic();

	if (state->revert_at <= now)
		return 0;
	return (uint32_t)((state->revert_at - now + KS_SECOND - 1) / KS_SECOND);
}

int instance_ports(const struct instance *in, struct ks_port_rec ports[KS_PORTS_MAX])
{
	for (uint32_t i = 0; i < KS_PORTS_MAX; i++) {
		int err = bpf_map_lookup_elem(in->fd[MAP_ports], &i, &ports[i]);

		if (err)
			return err;
	}
	return 0;
}

struct ks_pol_cfg *instance_policy(const struct instance *in, uint32_t slot)
{
	struct ks_pol_cfg *cfg = malloc(sizeof(*cfg));

	if (cfg && (bpf_map_lookup_elem(in->fd[MAP_pol_cfg], &slot, cfg) ||
		    !cfg->generation)) {
		free(cfg);
		return NULL;
	}
	return cfg;
}

static int count_flow(void *arg, const void *key, const void *value)
{
	const struct ks_flow *flow = value;
	struct flow_count *count = arg;

	(void)key;
	count->flows += flow->family != 0;
	count->adopted += flow->family && flow->flags & KS_F_AUDIT;
	return 0;
}

int instance_flows(const struct instance *in, struct flow_count *count)
{
	*count = (struct flow_count){ 0 };
	return batch_each(in->fd[MAP_flows], sizeof(uint32_t), sizeof(struct ks_flow), count_flow,
			  count);
}

int instance_sum(const struct instance *in, enum map_id id, const void *key,
		 uint64_t *sum, size_t n)
{
	uint64_t *rows = calloc(in->cpus, n * sizeof(*rows));
	int err;

	if (!rows)
		return -ENOMEM;
	err = bpf_map_lookup_elem(in->fd[id], key, rows);
	memset(sum, 0, n * sizeof(*sum));
	for (unsigned int cpu = 0; !err && cpu < in->cpus; cpu++)
		for (size_t i = 0; i < n; i++)
			sum[i] += rows[cpu * n + i];
	free(rows);
	return err;
}

size_t instance_near_bytes(const struct instance *in)
{
	return (size_t)in->cpus * KS_NEAR * sizeof(struct ks_near);
}

int instance_near(const struct instance *in, struct ks_near *near, uint32_t *n)
{
	*n = in->cpus * KS_NEAR;
	return batch_read(in->fd[MAP_requests_near], 0, *n, near);
}

int instance_table(const struct instance *in, enum map_id id, uint32_t slot)
{
	uint32_t inner;
	int err = bpf_map_lookup_elem(in->fd[id], &slot, &inner), fd;

	if (err)
		return err;
	fd = table_pins_open(id, slot, inner);
	return fd >= 0 ? fd : bpf_map_get_fd_by_id(inner);
}

/* A slot may be filled anew while its names are read: then they are of no policy. */
static int still(const struct instance *in, uint32_t slot, uint32_t generation)
{
	struct ks_pol_cfg *cfg = instance_policy(in, slot);
	int err = cfg && cfg->generation == generation ? 0 : -EAGAIN;

	free(cfg);
	return err;
}

int names_load(struct names *names, const struct instance *in, uint32_t slot)
{
	struct ks_pol_cfg *cfg = instance_policy(in, slot);
	int fd, err = 0;

	memset(names, 0, sizeof(*names));
	if (!cfg)
		return -ENOENT;
	names->rules = cfg->rules;
	names->assets = cfg->assets;
	names->zones = cfg->zones;
	names->conduits = cfg->conduits;
	names->n = 1 + cfg->rules + cfg->assets + cfg->zones + cfg->conduits;
	names->generation = cfg->generation;
	names->numbering = cfg->numbering;
	free(cfg);
	names->v = calloc(names->n, sizeof(*names->v));
	fd = instance_table(in, MAP_pol_names, slot);
	if (!names->v || fd < 0)
		err = names->v ? fd : -ENOMEM;
	for (uint32_t i = 0; !err && i < names->n; i++)
		err = bpf_map_lookup_elem(fd, &i, &names->v[i]);
	if (fd >= 0)
		close(fd);
	if (!err)
		err = still(in, slot, names->generation);
	if (err)
		names_free(names);
	return err;
}

void names_free(struct names *names)
{
	free(names->v);
	memset(names, 0, sizeof(*names));
}

void names_follow(struct names *names, const struct instance *in, uint32_t generation)
{
	for (uint32_t slot = 0; slot < KS_SLOTS && names->generation != generation; slot++) {
		struct ks_pol_cfg *cfg = instance_policy(in, slot);
		bool found = cfg && cfg->generation == generation;

		free(cfg);
		if (!found)
			continue;
		names_free(names);
		if (names_load(names, in, slot))
			break;
	}
}

const char *names_rule(const struct names *names, uint32_t rule)
{
	return names->v && rule <= names->rules ? names->v[rule].name : "?";
}

const char *names_asset(const struct names *names, uint32_t asset)
{
	if (!asset)
		return "none";
	if (!names->v || asset > names->assets)
		return "?";
	return names->v[names->rules + asset].name;
}

const char *names_zone(const struct names *names, uint32_t zone)
{
	if (!zone)
		return "none";
	if (!names->v || zone > names->zones)
		return "?";
	return names->v[names->rules + names->assets + zone].name;
}

const char *names_conduit(const struct names *names, uint32_t conduit)
{
	if (!names->v || !conduit || conduit > names->conduits)
		return "?";
	return names->v[names->rules + names->assets + names->zones + conduit].name;
}
