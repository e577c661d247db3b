/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What keyswitch needs from the system: kernel, privileges, a bpffs, a run
 * directory with its locks. Each check prints its own sentence on failure.
 * Must not load, attach or pin anything.
 */
#ifndef KEYSWITCH_ENV_H
#define KEYSWITCH_ENV_H

#include <stddef.h>

/* Each returns EXIT_OK or EXIT_ENVIRONMENT with a message printed. */
int env_check_kernel(void);
int env_check_privileges(void);
int env_check_bpffs(void);
/* The three above in the order in which a beginner meets them. */
int env_check(void);

/* Routes libbpf's messages to stderr, or nowhere. */
void env_quiet_libbpf(void);

/*
 * Takes RUN_DIR/<name> exclusively for the life of the returned descriptor.
 * wait: block until it is free. -1: message printed, or (errno EWOULDBLOCK)
 * someone else holds it and nothing was printed.
 */
int env_lock(const char *name, int wait);

/* "RUN_DIR/<name>" */
void env_run_path(char *buf, size_t size, const char *name);

#endif
