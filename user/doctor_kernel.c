// SPDX-License-Identifier: GPL-2.0-only
/*
 * Can this kernel carry the data path, and the NICs' drivers? Asked by doing it with
 * a program of two instructions, not by version numbers, see doctor.h.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "doctor.h"
#include "nic.h"
#include "options.h"

static const struct {
	enum bpf_func_id id;
	const char *name;
} helpers[] = {
	{ BPF_FUNC_loop, "bpf_loop" },
	{ BPF_FUNC_xdp_load_bytes, "bpf_xdp_load_bytes" },
	{ BPF_FUNC_ringbuf_reserve, "bpf_ringbuf_reserve" },
	{ BPF_FUNC_timer_start, "bpf_timer_start" },
	{ BPF_FUNC_redirect_map, "bpf_redirect_map" },
};

static const struct {
	enum bpf_map_type type;
	const char *name;
} maps[] = {
	{ BPF_MAP_TYPE_RINGBUF, "ringbuf" },
	{ BPF_MAP_TYPE_LPM_TRIE, "lpm_trie" },
	{ BPF_MAP_TYPE_DEVMAP, "devmap" },
	{ BPF_MAP_TYPE_ARRAY_OF_MAPS, "array_of_maps" },
	{ BPF_MAP_TYPE_QUEUE, "queue" },
};

/* The number in a file of /proc/sys, -1 where there is none. */
static int setting(const char *path)
{
	FILE *f = fopen(path, "re");
	int value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/* A program that passes everything, run nowhere. */
static int load_nothing(void)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "ks_probe", "GPL", insns, 2, NULL);
}

static void judge_programs(struct doctor *d)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = load_nothing();

	if (fd < 0) {
		doctor_found(d, DOCTOR_PROBLEM, "the kernel refuses an XDP program: %s",
			     strerror(errno));
		doctor_advise(d, "it needs CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS as Debian's kernels "
			      "have them, and nothing that forbids bpf() to root");
		return;
	}
	/* of the init namespace alone; anywhere the program itself tells */
	if (setting("/proc/sys/net/core/bpf_jit_enable") == 0 ||
	    (!bpf_obj_get_info_by_fd(fd, &info, &size) && !info.jited_prog_len)) {
		doctor_found(d, DOCTOR_PROBLEM, "the BPF JIT is off: attach will fail, the data path "
			     "calls functions that an interpreter cannot");
		doctor_advise(d, "sysctl net.core.bpf_jit_enable=1, and in /etc/sysctl.d");
	}
	close(fd);
}

static void judge_features(struct doctor *d)
{
	for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
		if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, helpers[i].id, NULL) == 0) {
			doctor_found(d, DOCTOR_PROBLEM, "the kernel has no '%s' for XDP",
				     helpers[i].name);
			doctor_advise(d, "use Linux 6.1 or newer");
		}
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (libbpf_probe_bpf_map_type(maps[i].type, NULL) == 0) {
			doctor_found(d, DOCTOR_PROBLEM, "the kernel has no map of type '%s'",
				     maps[i].name);
			doctor_advise(d, "use Linux 6.1 or newer");
		}
}

/* The pin directory appears with attach: its nearest parent that is there. */
static void judge_bpffs(struct doctor *d)
{
	char path[PATH_MAX];
	struct statfs fs;
	char *slash;

	snprintf(path, sizeof(path), "%s", options.pin_dir);
	while (statfs(path, &fs) && (slash = strrchr(path, '/')) && slash != path)
		*slash = '\0';
	if (!statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC)
		return;
	doctor_found(d, DOCTOR_PROBLEM, "'%s' is in no bpffs: attach has nowhere to keep the data path",
		     options.pin_dir);
	doctor_advise(d, "mount -t bpf bpf /sys/fs/bpf (systemd does that by itself)");
}

static void judge_settings(struct doctor *d)
{
	if (setting("/proc/sys/kernel/unprivileged_bpf_disabled") == 0) {
		doctor_found(d, DOCTOR_WARNING, "every user of this machine may load BPF programs");
		doctor_advise(d, "sysctl kernel.unprivileged_bpf_disabled=2, and in /etc/sysctl.d");
	}
	if (setting("/proc/sys/kernel/bpf_stats_enabled") > 0) {
		doctor_found(d, DOCTOR_NOTE, "the kernel times each run of a BPF program: that costs "
			     "every packet");
		doctor_advise(d, "sysctl kernel.bpf_stats_enabled=0 once you have measured");
	}
}

void doctor_kernel(struct doctor *d)
{
	struct utsname u;

	judge_programs(d);
	/* an attached program proved them */
	if (!d->attached)
		judge_features(d);
	judge_bpffs(d);
	judge_settings(d);
	if (!uname(&u))
		doctor_found(d, DOCTOR_OK, "Linux %s on %s", u.release, u.machine);
}

/* ---- drivers ---- */

void doctor_driver(struct doctor *d)
{
	for (int i = 0; i < KS_PORTS_MAX; i++) {
		const struct ks_port_rec *p = &d->ports[i];
		const struct rtnl_link *l = rtnl_link(&d->links, p->ifindex);
		char driver[32];
		uint32_t prog;

		if (!p->used || !l)
			continue;
		nic_driver(p->name, driver, sizeof(driver));
		/* before an attach nobody can tell without taking traffic */
		doctor_found(d, DOCTOR_OK, "NIC '%s': driver '%s'%s%s", p->name, driver,
			     d->attached ? ", XDP " : "",
			     d->attached ? nic_xdp_name(nic_xdp(p->ifindex, &prog)) : "");
		if (l->up && !l->carrier) {
			doctor_found(d, DOCTOR_WARNING, "NIC '%s' has no carrier: no link at its cable",
				     p->name);
			doctor_advise(d, "look at the cable, the far end, and 'ethtool %s'", p->name);
		}
	}
}
