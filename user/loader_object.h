/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What loader.c (object and maps) gives to loader_attach.c (pins and links).
 * Must not be included by any other file.
 */
#ifndef KEYSWITCH_LOADER_OBJECT_H
#define KEYSWITCH_LOADER_OBJECT_H

/* before the skeleton, which uses its types */
#include "../bpf/shared.h"

#include "keyswitch.skel.h"
#include "loader.h"
#include "tables.h"

struct object_config {
	struct ks_load_cfg load;
	struct policy_limits limits;	/* sizes of the maps that the first load creates */
};

/*
 * Loads one instance of the object. The first load (in->fd empty) creates the
 * maps, takes descriptors of them into `in` and describes their inner maps;
 * later ones share them. Returns an enum exit_code, message printed.
 */
int object_load(struct keyswitch_bpf **out, const struct object_config *config,
		struct instance *in, struct table_kinds *kinds);

/* What libbpf calls it: `state` is the object's own data (bpf/pkt.h). */
const char *object_map_name(enum map_id id);

/* struct ks_load_cfg: near_mask for the maps that the object has by now, its own or shared ones. */
uint32_t object_near_mask(const struct bpf_object *obj);

/* A descriptor of PIN_DIR/<folder>/<name>, or a negative errno. */
int loader_open_pin(const char *folder, const char *name);

/* Free lists, policy slot state->now.slot as generation 1, then the state record. */
int object_prepare(const struct instance *in, const struct table_kinds *kinds,
		   const struct compiled_policy *policy, const struct policy_limits *limits,
		   const struct ks_state_rec *state);

#endif
