// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the system and locks, see env.h.
 * Must not load, attach or pin anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "env.h"
#include "options.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 1

int env_check_kernel(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		complain("kernel release not readable, expected Linux %d.%d or newer",
			 KERNEL_MAJOR, KERNEL_MINOR);
		return EXIT_ENVIRONMENT;
	}
	if (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR))
		return EXIT_OK;
	complain("kernel '%s' is too old, expected Linux %d.%d or newer", u.release,
		 KERNEL_MAJOR, KERNEL_MINOR);
	return EXIT_ENVIRONMENT;
}

int env_check_privileges(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	unsigned long long held;

	if (syscall(SYS_capget, &head, data)) {
		complain("own capabilities not readable: %s", strerror(errno));
		return EXIT_ENVIRONMENT;
	}
	held = data[0].effective | (unsigned long long)data[1].effective << 32;
	if ((held >> CAP_SYS_ADMIN & 1 ||
	     (held >> CAP_BPF & 1 && held >> CAP_PERFMON & 1)) &&
	    held >> CAP_NET_ADMIN & 1)
		return EXIT_OK;
	complain("no privileges, expected root or the capabilities CAP_BPF, "
		 "CAP_PERFMON and CAP_NET_ADMIN");
	return EXIT_ENVIRONMENT;
}

/* Cuts the last component; "/" and "." stay what they are. */
static void parent(char *path)
{
	char *up = dirname(path);

	memmove(path, up, strlen(up) + 1);
}

int env_check_bpffs(void)
{
	char path[PATH_MAX];
	struct statfs fs;

	/* the pin directory itself appears with attach: ask its nearest parent */
	snprintf(path, sizeof(path), "%s", options.pin_dir);
	while (statfs(path, &fs)) {
		if (errno != ENOENT) {
			complain("cannot look at '%s': %s", path, strerror(errno));
			return EXIT_ENVIRONMENT;
		}
		parent(path);
	}
	if (fs.f_type == BPF_FS_MAGIC)
		return EXIT_OK;
	complain("no bpffs at '%s', expected one to hold '%s'", path, options.pin_dir);
	hint("mount -t bpf bpf /sys/fs/bpf");
	return EXIT_ENVIRONMENT;
}

int env_check(void)
{
	int rc = env_check_kernel();

	if (!rc)
		rc = env_check_privileges();
	if (!rc)
		rc = env_check_bpffs();
	return rc;
}

static int print_nothing(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static int print_stderr(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

void env_quiet_libbpf(void)
{
	libbpf_set_print(options.verbose ? print_stderr : print_nothing);
}

void env_run_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, "%s/%s", options.run_dir, name);
}

int env_lock(const char *name, int wait)
{
	char path[PATH_MAX];
	int fd, err;

	if (mkdir(options.run_dir, 0755) && errno != EEXIST) {
		complain("cannot make the run directory '%s': %s", options.run_dir,
			 strerror(errno));
		return -1;
	}
	env_run_path(path, sizeof(path), name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		complain("cannot open the lock '%s': %s", path, strerror(errno));
		return -1;
	}
	err = flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
	if (err == EWOULDBLOCK && wait) {
		complain("waiting for another keyswitch command to end");
		err = flock(fd, LOCK_EX) ? errno : 0;
	}
	if (!err)
		return fd;
	if (err != EWOULDBLOCK)
		complain("cannot lock '%s': %s", path, strerror(err));
	close(fd);
	errno = err;
	return -1;
}
