// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running nft, see nft.h.
 * Must not go through a shell.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "nft.h"
#include "options.h"

extern char **environ;

/* PATH of a service or of sudo may lack it. */
static const char *const places[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft" };

static const char *nft_path(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!access(places[i], X_OK))
			return places[i];
	return NULL;
}

bool nft_exists(void)
{
	return nft_path() != NULL;
}

/* Input and output are files in memory: no pipe can fill up. -1 = as ours. Exit code or -1. */
static int run(const char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t files;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	err = posix_spawn(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (err)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

json_t *nft_ruleset(void)
{
	const char *argv[] = { nft_path(), "-j", "list", "ruleset", NULL };
	json_t *all = NULL, *list = NULL;
	int out;

	if (!argv[0])
		return NULL;
	out = memfd_create("nft", MFD_CLOEXEC);
	if (out >= 0 && !run(argv, -1, out) && lseek(out, 0, SEEK_SET) == 0)
		all = json_loadfd(out, 0, NULL);
	if (out >= 0)
		close(out);
	list = json_incref(json_object_get(all, "nftables"));
	json_decref(all);
	return list;
}

int nft_run(const char *script)
{
	const char *argv[] = { nft_path(), "-f", "-", NULL };
	size_t len = strlen(script);
	int in = -1, code = -1;

	if (!argv[0]) {
		complain("'nft' is missing");
		hint("apt install nftables");
		return EXIT_ENVIRONMENT;
	}
	in = memfd_create("nft", MFD_CLOEXEC);
	if (in >= 0 && write(in, script, len) == (ssize_t)len && lseek(in, 0, SEEK_SET) == 0)
		code = run(argv, in, -1);
	if (in >= 0)
		close(in);
	if (!code)
		return EXIT_OK;
	complain("'nft' refused the rules (exit code %d)", code);
	return EXIT_ENVIRONMENT;
}
