/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last plain request of a connection stays in its entry, which is at hand anyway: the
 * ring is another page for each connection, and what is acknowledged before the next
 * request comes need never be there. It goes to the ring before anything looks there, and
 * so does the one that was refused after it.
 */
#ifndef KEYSWITCH_KEPT_H
#define KEYSWITCH_KEPT_H

#include "entry.h"
#include "ring.h"

/* Into the ring, and into its mirror; none goes over the ring's end. Under the lock. */
static __always_inline void kept_store(struct ks_modbus_ring *ring, __u64 pos, __u64 bytes,
				       __u32 rest)
{
	store_u64(ring->bytes + pos, bytes);
	store_u32(ring->bytes + pos + 8, rest);
	if (pos >= KS_MB_VIEW)
		return;
	BOUND_OFFSET(pos, KS_MB_VIEW);
	store_u64(ring->bytes + KS_MB_RING + pos, bytes);
	store_u32(ring->bytes + KS_MB_RING + pos + 8, rest);
}

static __always_inline void kept_to_ring(struct ks_flow *f, struct ks_modbus_ring *ring)
{
	__u64 pos = f->c_nxt - KS_KEPT_BYTES;

	BOUND_OFFSET(pos, KS_MB_RING);
	if (pos > KS_MB_RING - KS_KEPT_BYTES) /* cannot be: plain_fits() */
		return;
	f->close &= ~KS_CL_KEPT;
	kept_store(ring, pos, load_u64(f->kept), load_u32(f->kept + 8));
}

/*
 * Under the lock, before c_nxt moves. What is below the border is forgotten: nothing is
 * compared there.
 */
static __always_inline void kept_leave(struct ks_flow *f, struct ks_modbus_ring *ring)
{
	if (f->close & KS_CL_KEPT && f->border != f->c_nxt)
		kept_to_ring(f, ring);
	f->close &= ~KS_CL_KEPT;
}

static __always_inline void kept_next(struct ks_flow *f, struct ks_modbus_ring *ring, __u64 bytes,
				      __u32 rest)
{
	kept_leave(f, ring);
	store_u64(f->kept, bytes);
	store_u32(f->kept + 8, rest);
	f->close |= KS_CL_KEPT;
}

/*
 * What plain.h refused at c_nxt counts as refused by a claim from now on. Under the lock,
 * and never while bytes there are another CPU's claim.
 */
static __always_inline void told_to_ring(struct ks_flow *f, struct ks_modbus_ring *ring)
{
	__u64 pos = f->c_nxt;

	if (!f->told.bytes || f->told.seq != f->c_nxt || f->flags & KS_F_BUSY)
		return;
	BOUND_OFFSET(pos, KS_MB_RING);
	if (pos > KS_MB_RING - KS_KEPT_BYTES) /* cannot be: plain_fits() */
		return;
	kept_store(ring, pos, f->told.bytes, f->told.rest);
	f->refused = KS_KEPT_BYTES;
	f->told.bytes = 0;
}

/* Before the general path looks at the ring. Under the lock. */
static __always_inline void kept_look(struct ks_flow *f, struct ks_modbus_ring *ring)
{
	if (f->close & KS_CL_KEPT)
		kept_to_ring(f, ring);
	told_to_ring(f, ring);
}

/* Where the client's last plain request goes when anything else of its comes, or NULL. */
static __always_inline struct ks_modbus_ring *kept_ring(struct pkt *p, const struct ks_flow *f)
{
	if (p->role != KS_CLIENT || f->proto != KS_MODBUS)
		return NULL;
	p->take.slot = f->slot - 1;
	return bpf_map_lookup_elem(&mb_rings, &p->take.slot);
}

#endif
