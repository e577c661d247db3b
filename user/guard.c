// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel side of the guard: tc programs, their pins, the cookie in the state
 * record, see guard.h. The nft rules are guard_rules.c's.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "command.h"
#include "env.h"
#include "guard_rules.h"
#include "loader.h"
#include "nft.h"
#include "options.h"
#include "rtnl.h"

#include "guard.skel.h"

#define PINS "guard"
#define PROGRAM "ks_guard"
#define PRIORITY 1
#define HANDLE 0x4b53
#define PROBE_SECONDS 5
#define SETTLE_MS 50	/* frames on their way when the cookie was set */
#define PLAIN_ENOUGH 3	/* frames without the word that prove that none will have it */

static void hook_of(struct bpf_tc_hook *hook, uint32_t ifindex)
{
	memset(hook, 0, sizeof(*hook));
	hook->sz = sizeof(*hook);
	hook->ifindex = (int)ifindex;
	hook->attach_point = BPF_TC_INGRESS;
}

bool guard_marks(uint32_t ifindex)
{
	struct rtnl_filter filters[RTNL_FILTERS_MAX];
	int n = rtnl_filters(ifindex, true, filters);

	for (int i = 0; i < n; i++)
		if (filters[i].priority == PRIORITY && filters[i].handle == HANDLE &&
		    !strncmp(filters[i].name, PROGRAM, strlen(PROGRAM)))
			return true;
	return false;
}

bool guard_exists(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", options.pin_dir, PINS);
	return !access(path, F_OK);
}

int guard_seen(const struct instance *in, const char *nic, uint64_t seen[KS_SEEN_MAX])
{
	struct instance map = { .cpus = in->cpus };
	char path[PATH_MAX];
	int err = 0;

	instance_path(path, sizeof(path), PINS, nic);
	map.fd[0] = bpf_obj_get(path);
	if (map.fd[0] < 0)
		return -errno;
	for (uint32_t i = 0; i < KS_SEEN_MAX && !err; i++)
		err = instance_sum(&map, 0, &i, &seen[i], 1);
	close(map.fd[0]);
	return err;
}

/* ---- on ---- */

static int attach_filter(struct guard_bpf *skel, const struct ks_port_rec *port)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY,
		    .prog_fd = bpf_program__fd(skel->progs.ks_guard),
		    .flags = BPF_TC_F_REPLACE);
	struct bpf_tc_hook hook;
	char path[PATH_MAX];
	int err;

	hook_of(&hook, port->ifindex);
	err = bpf_tc_hook_create(&hook);
	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &opts);
	if (err)
		return err;
	instance_path(path, sizeof(path), PINS, port->name);
	unlink(path);
	return bpf_map__pin(skel->maps.guard_seen, path);
}

static int mark_port(const struct ks_port_rec *port, uint32_t cookie)
{
	struct guard_bpf *skel = guard_bpf__open();
	int err = skel ? 0 : -errno;

	if (!err) {
		skel->rodata->guard_cookie = cookie;
		err = guard_bpf__load(skel);
	}
	if (!err)
		err = attach_filter(skel, port);
	guard_bpf__destroy(skel);
	if (!err)
		return EXIT_OK;
	complain("cannot attach the guard's tc program to '%s': %s", port->name, strerror(-err));
	hint("it needs the kernel's clsact qdisc and cls_bpf");
	return EXIT_ENVIRONMENT;
}

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Waits for a frame that shows whether this NIC's driver carries the word. */
static int probe_port(const struct instance *in, const struct ks_port_rec *port)
{
	uint64_t first[KS_SEEN_MAX], seen[KS_SEEN_MAX];

	if (guard_seen(in, port->name, first))
		return EXIT_ENVIRONMENT;
	for (int ms = 0; ms < PROBE_SECONDS * 1000; ms += 10) {
		if (guard_seen(in, port->name, seen))
			return EXIT_ENVIRONMENT;
		if (seen[KS_SEEN_WORD] > first[KS_SEEN_WORD])
			return EXIT_OK;
		if (seen[KS_SEEN_PLAIN] >= first[KS_SEEN_PLAIN] + PLAIN_ENOUGH) {
			complain("frames of '%s' arrive without the guard's word: its driver does "
				 "not carry XDP metadata, or keyswitch's program is not there",
				 port->name);
			hint("'keyswitch doctor' tells whether the program is there");
			return EXIT_PROBLEM;
		}
		nap(10);
	}
	complain("no frame came in at '%s' for %d s: whether its driver carries the guard's word "
		 "is not known", port->name, PROBE_SECONDS);
	hint("run it again while there is traffic, or with --untested");
	return EXIT_PROBLEM;
}

static int each_inline(const struct ks_port_rec *ports, const struct instance *in,
		       uint32_t cookie, bool probe)
{
	int rc = EXIT_OK;

	for (int i = 0; i < KS_PORTS_MAX && !rc; i++)
		if (guard_covers(&ports[i]))
			rc = probe ? probe_port(in, &ports[i]) : mark_port(&ports[i], cookie);
	return rc;
}

static bool has_inline(const struct ks_port_rec *ports)
{
	for (int i = 0; i < KS_PORTS_MAX; i++)
		if (guard_covers(&ports[i]))
			return true;
	return false;
}

static int set_cookie(const struct instance *in, uint32_t cookie)
{
	struct ks_state_rec state;
	int err = instance_state(in, &state);

	state.guard = cookie;
	if (!err)
		err = instance_set_state(in, &state);
	if (err)
		complain("cannot set the guard's cookie: %s", strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

static int make_cookie(uint32_t *cookie)
{
	while (!*cookie) {
		if (getrandom(cookie, sizeof(*cookie), 0) == sizeof(*cookie))
			continue;
		complain("no random number for the guard: %s", strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	return EXIT_OK;
}

static int make_pins(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", options.pin_dir, PINS);
	if (!mkdir(path, 0700) || errno == EEXIST)
		return EXIT_OK;
	complain("cannot make '%s': %s", path, strerror(errno));
	return EXIT_ENVIRONMENT;
}

/* Word first, rules last: a packet that passes meets the rules with its word only. */
static int build(struct instance *in, const struct ks_port_rec *ports, uint32_t cookie,
		 bool untested)
{
	int rc = make_pins();

	if (!rc)
		rc = each_inline(ports, in, cookie, false);
	if (!rc)
		rc = set_cookie(in, cookie);
	if (!rc) {
		nap(SETTLE_MS);
		if (!untested)
			rc = each_inline(ports, in, cookie, true);
	}
	if (!rc)
		rc = guard_rules_install(in);
	return rc;
}

int guard_on(struct instance *in, bool untested)
{
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct ks_state_rec state;
	uint32_t cookie;
	int rc;

	if (instance_ports(in, ports) || instance_state(in, &state)) {
		complain("cannot read the running state");
		return EXIT_ENVIRONMENT;
	}
	if (!has_inline(ports)) {
		complain("no inline pair to guard: a wire stops by itself when its program goes, "
			 "a tap forwards nothing");
		return EXIT_PROBLEM;
	}
	if (!nft_exists()) {
		complain("'nft' is missing, the guard needs it");
		hint("apt install nftables");
		return EXIT_ENVIRONMENT;
	}
	cookie = state.guard;
	rc = make_cookie(&cookie);
	if (!rc)
		rc = build(in, ports, cookie, untested);
	/* one that was on is not opened by a failure */
	if (rc && !state.guard)
		guard_off(in);
	return rc;
}

int guard_refresh(const struct instance *in)
{
	struct ks_state_rec state;

	if (instance_state(in, &state) || !state.guard)
		return EXIT_OK;
	return guard_rules_install(in);
}

/* ---- off ---- */

/* clsact goes with its last filter: without one it does nothing. */
static void unmark(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	struct rtnl_filter left[RTNL_FILTERS_MAX];
	struct bpf_tc_hook hook;

	hook_of(&hook, ifindex);
	bpf_tc_detach(&hook, &opts);
	if (rtnl_filters(ifindex, true, left) || rtnl_filters(ifindex, false, left))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

static int unmark_all(void)
{
	struct rtnl_links links;
	int err = rtnl_links_load(&links);

	for (size_t i = 0; i < links.n; i++)
		if (guard_marks(links.v[i].index))
			unmark(links.v[i].index);
	rtnl_links_free(&links);
	if (err)
		complain("cannot list the NICs: %s", strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* Rules first: what loses its word must not meet them. */
int guard_off(struct instance *in)
{
	int rc = guard_rules_remove(), later;

	if (rc)
		return rc;
	if (in)
		rc = set_cookie(in, 0);
	later = unmark_all();
	rc = rc ? rc : later;
	later = loader_remove_folder(PINS);
	if (later)
		complain("cannot remove '%s/%s': %s", options.pin_dir, PINS, strerror(-later));
	return rc || !later ? rc : EXIT_ENVIRONMENT;
}
