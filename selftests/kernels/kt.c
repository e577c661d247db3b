// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads every program of a BPF object and prints what the running kernel's
 * verifier thought of it, one line a program: verified instructions, states, the
 * deepest chain of stack frames; or the end of the verifier's log. Linked
 * statically, for a guest that has nothing else. Must know nothing of keyswitch
 * but the name of its load-time constants.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../../bpf/shared.h"
#include "chain.h"

#define LOG_SIZE	(16u << 20)
#define LOG_STATS	4	/* errors and statistics only */
#define TAIL		1500
#define ENTRIES		256	/* map allocation costs more than verification */
#define RING		4096	/* smallest event ring */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static void shrink(struct bpf_map *map)
{
	__u32 n = bpf_map__max_entries(map);

	if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
		bpf_map__set_max_entries(map, RING);
	else if (n > ENTRIES && !bpf_map__is_internal(map))
		bpf_map__set_max_entries(map, ENTRIES);
}

static int configure(struct bpf_object *obj, const struct ks_load_cfg *cfg)
{
	struct bpf_map *map;
	size_t size = 0;
	void *data;

	bpf_object__for_each_map(map, obj) {
		shrink(map);
		/* .rodata: `cfg` stands first, its size is checked by who edits shared.h */
		if (!strstr(bpf_map__name(map), ".rodata"))
			continue;
		data = (void *)bpf_map__initial_value(map, &size);
		if (!data)
			return -EINVAL;
		/* the guard's object has none */
		if (size < sizeof(*cfg))
			continue;
		memcpy(data, cfg, sizeof(*cfg));
	}
	return size ? 0 : -ENOENT;
}

static long number_after(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtol(at + strlen(word), NULL, 10) : -1;
}

static void accepted(const struct bpf_object *obj, const char *name, const char *variant,
		     const struct bpf_program *prog, const char *log)
{
	const char *depths = strstr(log, "stack depth ");

	printf("load %s %s %s insns=%ld states=%ld peak=%ld stack=%d us=%ld\n", name, variant,
	       bpf_program__name(prog), number_after(log, "processed "),
	       number_after(log, "total_states "), number_after(log, "peak_states "),
	       depths ? chain_depth(bpf_program__fd(prog), bpf_object__btf(obj), depths + 12) : -1,
	       number_after(log, "verification time "));
}

static void report(const struct bpf_object *obj, const char *name, const char *variant, int loaded)
{
	struct bpf_program *prog;
	size_t size, len;
	const char *log;

	bpf_object__for_each_program(prog, obj) {
		log = bpf_program__log_buf(prog, &size);
		if (loaded && log) {
			accepted(obj, name, variant, prog, log);
			continue;
		}
		len = log ? strlen(log) : 0;
		if (!len) /* not the one that was refused */
			continue;
		printf("refused %s %s %s\n%s\n", name, variant, bpf_program__name(prog),
		       log + (len > TAIL ? len - TAIL : 0));
	}
}

static long milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int load(const char *path, const char *name, const char *variant,
		const struct ks_load_cfg *cfg)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	char *log = NULL;
	int err = obj ? configure(obj, cfg) : -errno;
	long start;

	if (!err)
		bpf_object__for_each_program(prog, obj) {
			log = calloc(1, LOG_SIZE);
			bpf_program__set_log_buf(prog, log, LOG_SIZE);
			bpf_program__set_log_level(prog, LOG_STATS);
		}
	if (!err) {
		start = milliseconds();
		err = bpf_object__load(obj);
		printf("object %s %s ms=%ld\n", name, variant, milliseconds() - start);
		report(obj, name, variant, !err);
	}
	if (err)
		printf("failed %s %s: %s\n", name, variant, strerror(-err));
	bpf_object__close(obj);
	return err;
}

/* kt live|all NAME=OBJECT... */
int main(int argc, char **argv)
{
	const struct ks_load_cfg live = { .server_port = 1, .wire = 1 };
	const struct ks_load_cfg replay = { .server_port = 1, .trace = 1 };
	int failed = 0, all = argc > 1 && !strcmp(argv[1], "all");

	libbpf_set_print(quiet);
	if (argc < 3 || (!all && strcmp(argv[1], "live")))
		return 2;
	for (int i = 2; i < argc; i++) {
		char *path = strchr(argv[i], '=');

		if (!path)
			return 2;
		*path++ = 0;
		failed |= load(path, argv[i], "live", &live);
		if (all)
			failed |= load(path, argv[i], "replay", &replay);
	}
	return failed ? 1 : 0;
}
