// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins of inner maps, see table_pins.h.
 * Must not fill or replace a table.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "table_pins.h"

/* names of rules and assets, and what rules and conduits counted */
static const enum map_id pinned[] = { MAP_pol_names, MAP_pol_hits, MAP_pol_conduit_hits };

#define N_PINNED (sizeof(pinned) / sizeof(pinned[0]))

/* PIN_DIR/maps/TABLE:SLOT */
static void pin_path(char path[PATH_MAX], enum map_id id, uint32_t slot, const char *suffix)
{
	char name[64];

	snprintf(name, sizeof(name), "%s:%u%s", map_name(id), slot, suffix);
	instance_path(path, PATH_MAX, "maps", name);
}

static uint32_t map_id_of(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* Readers find the former table or the new one, never none. */
static int pin_one(const struct instance *in, enum map_id id, uint32_t slot)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int fd = instance_table(in, id, slot), err;

	if (fd < 0)
		return fd;
	pin_path(path, id, slot, "");
	pin_path(fresh, id, slot, ":new");
	unlink(fresh); /* a killed command may have left one */
	err = bpf_obj_pin(fd, fresh);
	if (!err && rename(fresh, path)) {
		err = -errno;
		unlink(fresh);
	}
	close(fd);
	return err;
}

int table_pins_set(const struct instance *in, uint32_t slot)
{
	int err = 0;

	for (size_t i = 0; i < N_PINNED && !err; i++)
		err = pin_one(in, pinned[i], slot);
	return err;
}

int table_pins_open(enum map_id id, uint32_t slot, uint32_t wanted)
{
	char path[PATH_MAX];
	int fd;

	pin_path(path, id, slot, "");
	fd = bpf_obj_get(path);
	if (fd < 0 || map_id_of(fd) == wanted)
		return fd;
	close(fd);
	return -ESTALE;
}

int table_pins_remove(void)
{
	char path[PATH_MAX];
	int err = 0;

	for (size_t i = 0; i < N_PINNED; i++)
		for (uint32_t slot = 0; slot < KS_SLOTS; slot++) {
			pin_path(path, pinned[i], slot, "");
			if (unlink(path) && errno != ENOENT)
				err = -errno;
			pin_path(path, pinned[i], slot, ":new");
			if (unlink(path) && errno != ENOENT)
				err = -errno;
		}
	return err;
}
