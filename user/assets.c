// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protected addresses out of the compiled policy's tables, see assets.h.
 * Must not change any map.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "assets.h"

/* bits: 128 for an address of pol_addrs, else the length in a struct ks_lpm_key */
static struct prefix unmapped(const uint8_t addr[16], uint32_t bits)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct prefix p = { .family = 6, .len = (uint8_t)bits };

	if (bits >= 96 && !memcmp(addr, mapped, sizeof(mapped))) {
		p.family = 4;
		p.len = (uint8_t)(bits - 96);
		memcpy(p.addr, addr + 12, 4);
	} else {
		memcpy(p.addr, addr, 16);
	}
	return p;
}

static int add(struct assets *assets, const struct prefix *p)
{
	struct prefix *v;

	/* a power of two: the room is used up */
	if (!(assets->n & (assets->n - 1))) {
		v = realloc(assets->v, (assets->n ? assets->n * 2 : 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		assets->v = v;
	}
	assets->v[assets->n++] = *p;
	return 0;
}

static int add_table(struct assets *assets, const struct instance *in, uint32_t slot, bool exact)
{
	int fd = instance_table(in, exact ? MAP_pol_addrs : MAP_pol_prefixes, slot), err = 0;
	struct ks_lpm_key key;
	struct ks_addr_rec rec;
	void *raw = exact ? (void *)key.addr : (void *)&key;
	bool first = true;

	if (fd < 0)
		return fd;
	key.prefixlen = 128;
	while (!err && !bpf_map_get_next_key(fd, first ? NULL : raw, raw)) {
		struct prefix p = unmapped(key.addr, key.prefixlen);

		first = false;
		if (bpf_map_lookup_elem(fd, raw, &rec) || rec.flags & KS_ADDR_LOCAL)
			continue;
		/* other addresses in an asset that is everywhere may be anyone's */
		if (!p.len)
			assets->everything |= rec.asset != 0;
		else if (rec.flags & KS_ADDR_PROTECTED)
			err = add(assets, &p);
	}
	close(fd);
	return err;
}

static void drop_contained(struct assets *assets)
{
	size_t kept = 0;

	if (!assets->n)
		return;
	qsort(assets->v, assets->n, sizeof(*assets->v), prefix_compare);
	for (size_t i = 1; i < assets->n; i++)
		if (!prefix_contains(&assets->v[kept], &assets->v[i]))
			assets->v[++kept] = assets->v[i];
	assets->n = kept + 1;
}

int assets_load(struct assets *assets, const struct instance *in, const struct ks_state_rec *state)
{
	const uint32_t slots[] = { state->now.slot, state->before.slot };
	int err = 0;

	*assets = (struct assets){ 0 };
	for (size_t i = 0; i < (state->revert_at ? 2 : 1) && !err; i++) {
		err = add_table(assets, in, slots[i], true);
		if (!err)
			err = add_table(assets, in, slots[i], false);
	}
	drop_contained(assets);
	return err;
}

void assets_free(struct assets *assets)
{
	free(assets->v);
	*assets = (struct assets){ 0 };
}

bool assets_hold(const struct assets *assets, const struct prefix *address)
{
	for (size_t i = 0; i < assets->n; i++)
		if (prefix_contains(&assets->v[i], address))
			return true;
	return assets->everything;
}
