// SPDX-License-Identifier: GPL-2.0-only
/*
 * Another data path under the running instance: its programs are loaded with the pinned
 * maps and take the places of the old ones, all of them or none, see loader.h. Must not
 * create or change a map, nor touch what connections know.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "clock.h"
#include "command.h"
#include "env.h"
#include "loader_object.h"
#include "options.h"

/* A NIC's place for a program: its link, or the tail call of a tap's role. */
struct place {
	const struct ks_port_rec *port;
	int link;			/* -1: tail call `key` */
	uint32_t key;
	int old, new;			/* programs */
};

struct upgrade {
	const struct instance *in;
	const struct object_bytes *object;
	struct ks_port_rec ports[KS_PORTS_MAX];
	struct bpf_object *loaded[PAIRS_MAX];
	uint64_t began;
	struct place places[3 * KS_PORTS_MAX];
	size_t n;
};

/* ---- the object ---- */

/* The object's constant of this name in .rodata, as it is before the load. */
static const void *constant(const struct bpf_object *obj, const char *name, size_t size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, ".rodata");
	const struct btf *btf = bpf_object__btf(obj);
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;
	const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);
	const struct btf_var_secinfo *var = section ? btf_var_secinfos(section) : NULL;
	size_t room = 0;
	const char *base = map ? bpf_map__initial_value(map, &room) : NULL;

	for (int i = 0; var && base && i < btf_vlen(section); i++) {
		const struct btf_type *t = btf__type_by_id(btf, var[i].type);

		if (!strcmp(btf__name_by_offset(btf, t->name_off), name) && var[i].size == size &&
		    var[i].offset + size <= room)
			return base + var[i].offset;
	}
	return NULL;
}

static int check_layout(const struct upgrade *u, const struct bpf_object *obj)
{
	const __u32 *abi = constant(obj, "object_abi", sizeof(*abi));

	if (!abi || !constant(obj, "cfg", sizeof(struct ks_load_cfg))) {
		complain("'%s' is no data path of keyswitch", u->object->path);
		return EXIT_PROBLEM;
	}
	if (*abi == KS_ABI)
		return EXIT_OK;
	complain("'%s' has data layout %u, the running instance has %u", u->object->path, *abi,
		 KS_ABI);
	hint("connections cannot be taken along: detach and attach again");
	return EXIT_PROBLEM;
}

static int share_map(const struct upgrade *u, struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(fd, &info, &size);

	if (!err && (info.key_size != bpf_map__key_size(map) || info.type != bpf_map__type(map) ||
		     info.value_size != bpf_map__value_size(map))) {
		complain("the map '%s' of '%s' is not that of the running instance",
			 bpf_map__name(map), u->object->path);
		return EXIT_PROBLEM;
	}
	if (!err)
		err = bpf_map__reuse_fd(map, fd);
	if (err)
		complain("cannot share the map '%s': %s", bpf_map__name(map), strerror(-err));
	return err ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* Maps are the instance's, every one of them; constants are the object's own. */
static int share_maps(const struct upgrade *u, struct bpf_object *obj)
{
	struct bpf_map *map;
	int found = 0, rc = EXIT_OK;

	bpf_object__for_each_map(map, obj) {
		int i = 0;

		while (i < MAPS && strcmp(object_map_name((enum map_id)i), bpf_map__name(map)))
			i++;
		if (i == MAPS && bpf_map__is_internal(map))
			continue;
		if (i < MAPS)
			rc = share_map(u, map, u->in->fd[i]);
		if (rc)
			return rc;
		found += i < MAPS;
		if (i == MAPS)
			found = MAPS + 1;
	}
	if (found == MAPS)
		return EXIT_OK;
	complain("'%s' has other maps than the running instance", u->object->path);
	return EXIT_PROBLEM;
}

static int load_pair(struct upgrade *u, size_t pair)
{
	const struct ks_port_rec *port = &u->ports[2 * pair];
	struct ks_load_cfg *cfg;
	struct bpf_object *obj;
	char why[128];
	int rc, err;

	obj = bpf_object__open_mem(u->object->bytes, u->object->size, NULL);
	if (!obj) {
		libbpf_strerror(errno, why, sizeof(why));
		complain("'%s' is no BPF object: %s", u->object->path, why);
		return EXIT_PROBLEM;
	}
	u->loaded[pair] = obj;
	rc = check_layout(u, obj);
	if (!rc)
		rc = share_maps(u, obj);
	if (rc)
		return rc;
	cfg = (struct ks_load_cfg *)constant(obj, "cfg", sizeof(*cfg));
	*cfg = (struct ks_load_cfg){
		.client_port = (__u32)(2 * pair), .server_port = port->peer, .wire = port->wire,
		.sight = port->sight,
		.near_mask = object_near_mask(obj), .loaded = u->began,
	};
	err = bpf_object__load(obj);
	if (!err)
		return EXIT_OK;
	complain("the kernel refused the data path of '%s': %s; the running one stays",
		 u->object->path, strerror(-err));
	hint("--verbose shows what libbpf and the verifier say");
	return EXIT_PROBLEM;
}

/* ---- places ---- */

/* What runs now, which after a killed upgrade is not what is pinned. */
static int running_program(int link)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link, &info, &size);

	return err ? err : bpf_prog_get_fd_by_id(info.prog_id);
}

static int called_program(const struct upgrade *u, uint32_t key)
{
	uint32_t id;
	int err = bpf_map_lookup_elem(u->in->fd[MAP_tap_roles], &key, &id);

	return err ? err : bpf_prog_get_fd_by_id(id);
}

static int add_place(struct upgrade *u, struct place place, const char *program)
{
	const struct bpf_object *obj = u->loaded[(place.port - u->ports) / 2];
	const struct bpf_program *p = bpf_object__find_program_by_name(obj, program);

	place.old = place.link >= 0 ? running_program(place.link) : called_program(u, place.key);
	place.new = p ? bpf_program__fd(p) : -ENOENT;
	u->places[u->n++] = place;
	if (place.old < 0) {
		complain("no program runs at '%s': %s", place.port->name, strerror(-place.old));
		hint("'keyswitch doctor' says why");
	} else if (place.new < 0) {
		complain("'%s' has no program '%s'", u->object->path, program);
	}
	return place.old < 0 ? EXIT_ENVIRONMENT : place.new < 0 ? EXIT_PROBLEM : EXIT_OK;
}

static const char *entry_of(const struct ks_port_rec *port)
{
	return port->sight == KS_SIGHT_TAP ? "ks_tap" :
	       port->role == KS_CLIENT ? "ks_client" : "ks_server";
}

static int find_places(struct upgrade *u, const struct ks_port_rec *port)
{
	struct place place = { .port = port, .link = loader_open_pin("links", port->name) };
	uint32_t index = (uint32_t)(port - u->ports);
	int rc;

	if (place.link < 0) {
		complain("no link at '%s': %s", port->name, strerror(-place.link));
		hint("'keyswitch doctor' says why");
		return EXIT_ENVIRONMENT;
	}
	rc = add_place(u, place, entry_of(port));
	for (uint32_t role = KS_CLIENT; port->sight == KS_SIGHT_TAP && role <= KS_SERVER && !rc; role++)
		rc = add_place(u, (struct place){ .port = port, .link = -1, .key = 2 * index + role },
			       role == KS_CLIENT ? "ks_client" : "ks_server");
	return rc;
}

static int put(const struct upgrade *u, const struct place *place, int program)
{
	if (place->link >= 0)
		return bpf_link_update(place->link, program, NULL);
	return bpf_map_update_elem(u->in->fd[MAP_tap_roles], &place->key, &program, BPF_ANY);
}

/* Every place runs the new program, or all run what they ran before. */
static int put_all(const struct upgrade *u)
{
	size_t i = 0;
	int err = 0;

	for (i = 0; i < u->n && !err; i++)
		err = put(u, &u->places[i], u->places[i].new);
	if (!err)
		return EXIT_OK;
	complain("cannot replace the program at '%s': %s; the running one stays",
		 u->places[i - 1].port->name, strerror(-err));
	for (size_t back = 0; back + 1 < i; back++)
		if (put(u, &u->places[back], u->places[back].old))
			complain("'%s' runs the new program", u->places[back].port->name);
	return EXIT_ENVIRONMENT;
}

/* ---- pins ---- */

/* ':' stands in no NIC name; '.' is not taken by bpffs */
#define FRESH "new:"

static int pin_fresh(int program, const char *name)
{
	char path[PATH_MAX], fresh[64];

	snprintf(fresh, sizeof(fresh), FRESH "%s", name);
	instance_path(path, sizeof(path), "progs", fresh);
	unlink(path); /* a killed upgrade may have left one */
	if (!bpf_obj_pin(program, path))
		return EXIT_OK;
	complain("cannot pin '%s': %s", path, strerror(errno));
	return EXIT_ENVIRONMENT;
}

/* take: the fresh pin becomes the pin of that name, else it goes. */
static void settle_pin(const char *name, bool take)
{
	char from[PATH_MAX], to[PATH_MAX], fresh[64];

	snprintf(fresh, sizeof(fresh), FRESH "%s", name);
	instance_path(from, sizeof(from), "progs", fresh);
	instance_path(to, sizeof(to), "progs", name);
	if (take && rename(from, to))
		complain("cannot pin '%s': %s", to, strerror(errno));
	if (!take)
		unlink(from);
}

static void leave_name(char name[32], size_t pair)
{
	snprintf(name, 32, "leave:%zu", pair);
}

static int pin_all(const struct upgrade *u)
{
	const struct bpf_program *leave;
	char name[32];
	int rc = EXIT_OK;

	for (size_t i = 0; i < u->n && !rc; i++)
		if (u->places[i].link >= 0)
			rc = pin_fresh(u->places[i].new, u->places[i].port->name);
	for (size_t i = 0; i < PAIRS_MAX && !rc; i++) {
		if (!u->loaded[i])
			continue;
		leave_name(name, i);
		leave = bpf_object__find_program_by_name(u->loaded[i], "ks_leave");
		rc = leave ? pin_fresh(bpf_program__fd(leave), name) : EXIT_PROBLEM;
		if (!leave)
			complain("'%s' has no program 'ks_leave'", u->object->path);
	}
	return rc;
}

static void settle_pins(const struct upgrade *u, bool take)
{
	char name[32];

	for (size_t i = 0; i < u->n; i++)
		if (u->places[i].link >= 0)
			settle_pin(u->places[i].port->name, take);
	for (size_t i = 0; i < PAIRS_MAX; i++) {
		leave_name(name, i);
		if (u->loaded[i])
			settle_pin(name, take);
	}
}

/* ---- all of it ---- */

static void close_upgrade(struct upgrade *u)
{
	for (size_t i = 0; i < u->n; i++) {
		if (u->places[i].link >= 0)
			close(u->places[i].link);
		if (u->places[i].old >= 0)
			close(u->places[i].old);
	}
	for (size_t i = 0; i < PAIRS_MAX; i++)
		bpf_object__close(u->loaded[i]);
}

static int prepare(struct upgrade *u)
{
	int rc = EXIT_OK;

	if (instance_ports(u->in, u->ports)) {
		complain("cannot read the ports of '%s'", options.pin_dir);
		return EXIT_ENVIRONMENT;
	}
	for (size_t i = 0; i < PAIRS_MAX && !rc; i++)
		if (u->ports[2 * i].used)
			rc = load_pair(u, i);
	for (size_t i = 0; i < KS_PORTS_MAX && !rc; i++)
		if (u->ports[i].used)
			rc = find_places(u, &u->ports[i]);
	return rc;
}

/*
 * The table's timer runs the old program's code, and keeps it. Writing its record ends it;
 * the next connection sets it anew.
 */
static void end_sweep(const struct instance *in)
{
	const struct ks_sweep none = { .last = 0 };
	uint32_t zero = 0;

	bpf_map_update_elem(in->fd[MAP_sweep], &zero, &none, BPF_ANY);
}

int loader_upgrade(const struct instance *in, const struct object_bytes *object)
{
	struct upgrade u = { .in = in, .object = object, .began = clock_monotonic() };
	int rc;

	env_quiet_libbpf();
	rc = prepare(&u);
	if (!rc) {
		rc = pin_all(&u);
		if (!rc)
			rc = put_all(&u);
		settle_pins(&u, !rc);
	}
	if (!rc)
		end_sweep(in);
	close_upgrade(&u);
	return rc;
}

/* ---- bytes ---- */

#define OBJECT_MAX (64u << 20)

static int read_object(struct object_bytes *object)
{
	FILE *f = fopen(object->path, "re");
	char *bytes = malloc(OBJECT_MAX);

	object->size = f && bytes ? fread(bytes, 1, OBJECT_MAX, f) : 0;
	if (!f || !bytes || ferror(f)) {
		complain("cannot read '%s': %s", object->path, strerror(errno));
		free(bytes);
	} else {
		object->bytes = object->own = bytes;
	}
	if (f)
		fclose(f);
	return object->own ? EXIT_OK : EXIT_PROBLEM;
}

int object_open(struct object_bytes *object, const char *path)
{
	*object = (struct object_bytes){ .path = path ? path : "the built-in object" };
	if (path)
		return read_object(object);
	object->bytes = keyswitch_bpf__elf_bytes(&object->size);
	return EXIT_OK;
}

void object_close(struct object_bytes *object)
{
	free(object->own);
	object->own = NULL;
}
