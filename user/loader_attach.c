// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins and links: attach with complete rollback, detach, the left wire, see
 * loader.h. Must not know how the object's maps are made or filled.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clock.h"
#include "command.h"
#include "env.h"
#include "loader_object.h"
#include "nic.h"
#include "options.h"
#include "table_pins.h"

#define LINKS "links"
#define PROGS "progs"
#define PINNED_MAPS "maps"

/* what runs already is taken over for so long after an attach that adopts */
#define ADOPT_NS (600 * KS_SECOND)

static const char *const folders[] = { LINKS, PROGS, PINNED_MAPS };

#define N_FOLDERS (sizeof(folders) / sizeof(folders[0]))

struct attachment {
	const struct attach_plan *plan;
	struct instance in;
	struct table_kinds kinds;
	struct keyswitch_bpf *skel[PAIRS_MAX];
	int link[KS_PORTS_MAX];		/* by port index, -1 = not attached */
};

/* Ports of pair n: client 2n, server 2n + 1. */
static uint32_t port_of(size_t pair, enum ks_role role)
{
	return (uint32_t)pair * 2 + role;
}

int pair_roles(const struct port_pair *pair)
{
	return pair->sight == KS_SIGHT_BOTH ? 2 : 1;
}

/* ---- pins ---- */

static int make_folder(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); ; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(part, 0700) && errno != EEXIST)
			return -errno;
		if (!slash)
			return 0;
		*slash = '/';
	}
}

static int make_folders(void)
{
	char path[PATH_MAX];
	int err = 0;

	for (size_t i = 0; i < N_FOLDERS && !err; i++) {
		snprintf(path, sizeof(path), "%s/%s", options.pin_dir, folders[i]);
		err = make_folder(path);
	}
	if (err)
		complain("cannot make '%s': %s", path, strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int pin(int fd, const char *folder, const char *name)
{
	char path[PATH_MAX];

	instance_path(path, sizeof(path), folder, name);
	if (!bpf_obj_pin(fd, path))
		return EXIT_OK;
	complain("cannot pin '%s': %s", path, strerror(errno));
	return EXIT_ENVIRONMENT;
}

int loader_open_pin(const char *folder, const char *name)
{
	char path[PATH_MAX];

	instance_path(path, sizeof(path), folder, name);
	return bpf_obj_get(path);
}

int loader_remove_folder(const char *folder)
{
	char path[PATH_MAX];
	struct dirent *e;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", options.pin_dir, folder);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(dir))) {
		int fd;

		if (e->d_name[0] == '.')
			continue;
		fd = strcmp(folder, LINKS) ? -1 : loader_open_pin(folder, e->d_name);
		if (fd >= 0) {
			/* fails only when the NIC is gone, and the program with it */
			bpf_link_detach(fd);
			close(fd);
		}
		if (unlinkat(dirfd(dir), e->d_name, 0))
			err = -errno;
	}
	closedir(dir);
	if (rmdir(path) && !err)
		err = -errno;
	return err;
}

static int remove_pins(void)
{
	int err = 0;

	/* links first: no packet may meet a program whose maps lost their names */
	for (size_t i = 0; i < N_FOLDERS; i++) {
		int e = loader_remove_folder(folders[i]);

		err = err ? err : e;
	}
	/* the root of a bpffs is not ours to remove */
	if (rmdir(options.pin_dir) && errno != EBUSY && !err)
		err = -errno;
	if (err)
		complain("cannot remove '%s': %s", options.pin_dir, strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* ---- attach ---- */

/* A tap's program calls that of the role which a frame's addresses say. */
static int write_roles(struct attachment *a, size_t pair)
{
	const struct keyswitch_bpf *skel = a->skel[pair];
	int err = 0;

	for (uint32_t role = KS_CLIENT; role <= KS_SERVER && !err; role++) {
		uint32_t key = 2 * port_of(pair, KS_CLIENT) + role;
		int prog = bpf_program__fd(role == KS_CLIENT ? skel->progs.ks_client :
							       skel->progs.ks_server);

		err = bpf_map_update_elem(a->in.fd[MAP_tap_roles], &key, &prog, BPF_ANY);
	}
	if (err)
		complain("cannot register the tap '%s': %s", a->plan->pairs[pair].name[KS_CLIENT],
			 strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int load_pairs(struct attachment *a)
{
	const struct attach_plan *plan = a->plan;
	uint64_t now = clock_monotonic();
	int rc = EXIT_OK;

	for (size_t i = 0; i < plan->n_pairs && !rc; i++) {
		struct object_config config = {
			.load = { .client_port = port_of(i, KS_CLIENT),
				  .server_port = port_of(i, pair_roles(&plan->pairs[i]) > 1 ?
							    KS_SERVER : KS_CLIENT),
				  .wire = plan->pairs[i].wire,
				  .sight = plan->pairs[i].sight, .loaded = now },
			.limits = plan->policy->limits,
		};

		rc = object_load(&a->skel[i], &config, &a->in, &a->kinds);
		if (!rc && plan->pairs[i].sight == KS_SIGHT_TAP)
			rc = write_roles(a, i);
	}
	return rc;
}

static int write_port(struct attachment *a, size_t pair, enum ks_role role)
{
	const struct port_pair *p = &a->plan->pairs[pair];
	uint32_t port = port_of(pair, role);
	struct ks_port_rec rec = {
		.ifindex = p->ifindex[role], .role = (__u8)role, .wire = p->wire, .used = 1,
		.peer = (__u8)(pair_roles(p) > 1 ? port ^ 1 : port), .sight = (__u8)p->sight,
	};
	int err;

	memcpy(rec.name, p->name[role], sizeof(rec.name));
	err = bpf_map_update_elem(a->in.fd[MAP_ports], &port, &rec, BPF_ANY);
	if (!err && p->wire)
		err = bpf_map_update_elem(a->in.fd[MAP_tx_ports], &port, &rec.ifindex, BPF_ANY);
	if (err)
		complain("cannot register the NIC '%s': %s", p->name[role], strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int prepare(struct attachment *a)
{
	const struct compiled_policy *policy = a->plan->policy;
	const struct ks_state_rec state = {
		.abi = KS_ABI, .adopt = (uint32_t)a->plan->adopt,
		.now = tables_force(policy, 0),
		.adopt_until = a->plan->adopt == KS_ADOPT_AUDIT ? clock_monotonic() + ADOPT_NS : 0,
	};
	int rc = EXIT_OK;

	for (size_t i = 0; i < a->plan->n_pairs && !rc; i++) {
		rc = write_port(a, i, KS_CLIENT);
		if (!rc && pair_roles(&a->plan->pairs[i]) > 1)
			rc = write_port(a, i, KS_SERVER);
	}
	if (!rc)
		rc = object_prepare(&a->in, &a->kinds, policy, &policy->limits, &state);
	return rc;
}

static const struct bpf_program *entry(const struct attachment *a, size_t pair,
				       enum ks_role role)
{
	const struct keyswitch_bpf *skel = a->skel[pair];

	if (a->plan->pairs[pair].sight == KS_SIGHT_TAP)
		return skel->progs.ks_tap;
	return role == KS_CLIENT ? skel->progs.ks_client : skel->progs.ks_server;
}

static int pin_maps(const struct instance *in)
{
	struct ks_state_rec state;
	int rc = make_folders(), err;

	for (int i = 0; i < MAPS && !rc; i++)
		rc = pin(in->fd[i], PINNED_MAPS, map_name(i));
	if (rc)
		return rc;
	err = instance_state(in, &state);
	if (!err)
		err = table_pins_set(in, state.now.slot);
	if (err)
		complain("cannot pin the policy's tables at '%s': %s", options.pin_dir,
			 strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int pin_objects(struct attachment *a)
{
	int rc = pin_maps(&a->in);

	for (size_t i = 0; i < a->plan->n_pairs && !rc; i++) {
		const struct port_pair *p = &a->plan->pairs[i];
		char leave[32];

		for (int role = KS_CLIENT; role < pair_roles(p) && !rc; role++)
			rc = pin(bpf_program__fd(entry(a, i, role)), PROGS, p->name[role]);
		/* ':' stands in no NIC name */
		snprintf(leave, sizeof(leave), "leave:%zu", i);
		if (!rc)
			rc = pin(bpf_program__fd(a->skel[i]->progs.ks_leave), PROGS, leave);
	}
	return rc;
}

static int create_link(int prog, uint32_t ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_link_create(prog, (int)ifindex, BPF_XDP, &opts);
}

static int attach_failed(const char *name, int err)
{
	complain("cannot attach to '%s' in native XDP mode: %s", name, strerror(-err));
	if (err == -EOPNOTSUPP)
		hint("the driver has no native XDP; --generic allows the slower generic mode");
	else if (err == -ERANGE || err == -EINVAL)
		hint("the MTU may be too large for XDP: at most 3498 bytes");
	return EXIT_ENVIRONMENT;
}

static int attach_port(struct attachment *a, size_t pair, enum ks_role role)
{
	const struct port_pair *p = &a->plan->pairs[pair];
	const char *name = p->name[role];
	int *link = &a->link[port_of(pair, role)];
	int prog = bpf_program__fd(entry(a, pair, role));

	*link = create_link(prog, p->ifindex[role], XDP_FLAGS_DRV_MODE);
	if (*link >= 0)
		return EXIT_OK;
	if (!a->plan->generic)
		return attach_failed(name, *link);
	if (a->plan->policy->mode == KS_ENFORCE && nic_merges(name)) {
		nic_complain_merges(name);
		return EXIT_PROBLEM;
	}
	*link = create_link(prog, p->ifindex[role], XDP_FLAGS_SKB_MODE);
	if (*link >= 0)
		return EXIT_OK;
	complain("cannot attach to '%s' in generic XDP mode: %s", name, strerror(-*link));
	return EXIT_ENVIRONMENT;
}

static int attach_ports(struct attachment *a)
{
	int rc = EXIT_OK;

	for (size_t i = 0; i < a->plan->n_pairs && !rc; i++) {
		if (pair_roles(&a->plan->pairs[i]) > 1)
			rc = attach_port(a, i, KS_SERVER);
		if (!rc)
			rc = attach_port(a, i, KS_CLIENT);
	}
	for (size_t i = 0; i < a->plan->n_pairs && !rc; i++)
		for (int role = KS_CLIENT; role < pair_roles(&a->plan->pairs[i]) && !rc; role++)
			rc = pin(a->link[port_of(i, role)], LINKS, a->plan->pairs[i].name[role]);
	return rc;
}

static void close_attachment(struct attachment *a)
{
	for (size_t i = 0; i < KS_PORTS_MAX; i++)
		if (a->link[i] >= 0)
			close(a->link[i]);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		keyswitch_bpf__destroy(a->skel[i]);
	instance_close(&a->in);
}

int loader_attach(const struct attach_plan *plan)
{
	struct attachment a = { .plan = plan };
	int rc;

	for (size_t i = 0; i < KS_PORTS_MAX; i++)
		a.link[i] = -1;
	instance_init(&a.in);
	rc = load_pairs(&a);
	if (!rc)
		rc = prepare(&a);
	if (!rc) {
		rc = pin_objects(&a);
		if (!rc)
			rc = attach_ports(&a);
		if (rc)
			remove_pins();
	}
	close_attachment(&a);
	return rc;
}

/* ---- detach ---- */

bool loader_has_links(void)
{
	char path[PATH_MAX];
	bool found = false;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", options.pin_dir, LINKS);
	dir = opendir(path);
	if (!dir)
		return false;
	while ((e = readdir(dir)))
		found |= e->d_name[0] != '.';
	closedir(dir);
	return found;
}

static bool is_pinned(const char *folder, const char *name)
{
	int fd = loader_open_pin(folder, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool loader_wire_left(void)
{
	return loader_has_links() && !is_pinned(PINNED_MAPS, map_name(MAP_state));
}

bool loader_holds_wire(void)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct instance in;
	bool wire = false;

	if (!loader_has_links())
		return false;
	instance_init(&in);
	in.fd[MAP_ports] = loader_open_pin(PINNED_MAPS, map_name(MAP_ports));
	if (in.fd[MAP_ports] < 0 || instance_ports(&in, ports)) {
		/* unknown: say the worse */
		wire = true;
	} else {
		for (int i = 0; i < KS_PORTS_MAX; i++)
			wire |= ports[i].used && ports[i].wire;
	}
	instance_close(&in);
	return wire;
}

static int swap_program(const char *nic, const char *program)
{
	int link = loader_open_pin(LINKS, nic), prog = loader_open_pin(PROGS, program), err;

	if (link < 0 || prog < 0)
		err = link < 0 ? link : prog;
	else
		err = bpf_link_update(link, prog, NULL);
	if (link >= 0)
		close(link);
	if (prog >= 0)
		close(prog);
	return err;
}

/* Every wire port runs ks_leave, or all run what they ran before. */
static int leave_wires(const struct ks_port_rec ports[KS_PORTS_MAX])
{
	char leave[32];
	int err = 0, i;

	for (i = 0; i < KS_PORTS_MAX && !err; i++) {
		snprintf(leave, sizeof(leave), "leave:%d", i / 2);
		if (ports[i].used && ports[i].wire)
			err = swap_program(ports[i].name, leave);
	}
	if (!err)
		return EXIT_OK;
	complain("cannot leave the wire of '%s': %s", ports[i - 1].name, strerror(-err));
	for (i = i - 2; i >= 0; i--)
		if (ports[i].used && ports[i].wire)
			swap_program(ports[i].name, ports[i].name);
	return EXIT_ENVIRONMENT;
}

/* What a left wire does not need: programs, inline links, all maps but its ports. */
static int remove_enforcement(const struct ks_port_rec ports[KS_PORTS_MAX])
{
	char path[PATH_MAX];
	int err = 0;

	for (int i = 0; i < KS_PORTS_MAX; i++) {
		instance_path(path, sizeof(path), LINKS, ports[i].name);
		if (ports[i].used && !ports[i].wire && unlink(path))
			err = -errno;
	}
	for (int i = 0; i < MAPS; i++) {
		instance_path(path, sizeof(path), PINNED_MAPS, map_name(i));
		if (i != MAP_tx_ports && i != MAP_ports && unlink(path))
			err = -errno;
	}
	if (!err)
		err = table_pins_remove();
	if (!err)
		err = loader_remove_folder(PROGS);
	if (err)
		complain("cannot clear '%s': %s", options.pin_dir, strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

int loader_detach(bool leave_wire)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct instance in;
	int rc;

	if (!leave_wire)
		return remove_pins();
	rc = instance_open(&in);
	if (rc)
		return rc;
	if (instance_ports(&in, ports)) {
		complain("cannot read the ports of '%s'", options.pin_dir);
		rc = EXIT_ENVIRONMENT;
	}
	instance_close(&in);
	if (!rc)
		rc = leave_wires(ports);
	if (!rc)
		rc = remove_enforcement(ports);
	return rc;
}
