/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIP connections: begun by an allowed (Large_)Forward_Open and its successful
 * reply on the same TCP connection, ended by Forward_Close, by timeout or with that
 * TCP connection. Says which connected message belongs to one; datagrams are io.h's.
 * Decides nothing about what a message asks.
 */
#ifndef KEYSWITCH_CONN_H
#define KEYSWITCH_CONN_H

#include "table.h"
#include "forward.h"
#include "route.h"

/* key: open on its TCP connection, value: what it asks for. Miss: a reply to nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KS_OPENS);
	__type(key, struct ks_open_key);
	__type(value, struct ks_open);
} opens SEC(".maps");

/* key: originator, target, O->T id, value: the connection. Miss: no allowed open made it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_CONNS);
	__type(key, struct ks_conn_key);
	__type(value, struct ks_conn);
} conns SEC(".maps");

/* key: originator, target and triad, value: O->T id. Miss: nothing to close. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_CONNS);
	__type(key, struct ks_triad_key);
	__type(value, __u32);
} triads SEC(".maps");

/*
 * key: originator, target, T->O id (0: of any, adopted), value: O->T id. Miss: data of
 * no known connection.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, KS_CONNS);
	__type(key, struct ks_conn_key);
	__type(value, __u32);
} produced SEC(".maps");

/* value: connections, the oldest first; each new one looks at four. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 2 * KS_CONNS);
	__type(value, struct ks_conn_key);
} conn_queue SEC(".maps");

#define KS_CONN_LOOKS 4
#define KS_CONN_NEAR 96 /* 2^20 ns, 0.1 s that t_last may be behind: conn_near() */
#define KS_CONN_GRACE (10 * KS_SECOND) /* a shorter timeout counts as this */

static const struct ks_conn conn_empty = {};

static __always_inline void conn_key(struct pkt *p, __u32 id, struct ks_conn_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->id = id;
	if (p->v6) {
		__builtin_memcpy(key->client, p->key.k6.client, 16);
		__builtin_memcpy(key->server, p->key.k6.server, 16);
		key->link = p->key.k6.link & 0xffffff;
		return;
	}
	key->client[10] = key->client[11] = key->server[10] = key->server[11] = 0xff;
	__builtin_memcpy(key->client + 12, &p->key.k4.client, 4);
	__builtin_memcpy(key->server + 12, &p->key.k4.server, 4);
	key->link = p->key.k4.link & 0xffffff;
}

/* Is the TCP connection that opened it still the same and established? */
static __always_inline int conn_owned(const struct ks_conn *c)
{
	__u32 at = c->at;
	const struct ks_flow *f = c->flow ? bpf_map_lookup_elem(&flows, &at) : NULL;

	return !c->flow || (f && f->id == c->flow && f->state == KS_S_ESTAB);
}

/* Silent for longer than its target waits (Vol 1 3-4.4.9: RPI times multiplier). */
static __always_inline int conn_timed_out(const struct ks_conn *c, __u64 now)
{
	__u64 limit = ((__u64)c->open.ot_rpi * 1000) << (2 + (c->open.timeout & 7));

	if (limit < KS_CONN_GRACE)
		limit = KS_CONN_GRACE;
	return now > c->t_last + limit;
}

/* Of w->conn_key's addresses and an open's numbers, into w->triad_key. */
static __always_inline void conn_triad(struct ks_work *w, const struct ks_open *o)
{
	struct ks_triad_key *triad = &w->triad_key;

	__builtin_memcpy(triad->client, w->conn_key.client, 32);
	triad->oserial = o->oserial;
	triad->serial = o->serial;
	triad->vendor = o->vendor;
}

/*
 * The entry of w->conn_key's connection in a table that knows it by another name goes,
 * unless a later connection of that name has its place.
 */
static __always_inline void conn_unname(void *table, const void *name, __u32 id)
{
	__u32 *named = bpf_map_lookup_elem(table, name);

	if (named && *named == id)
		bpf_map_delete_elem(table, name);
}

/* Which connection data from the target is of: w->conn_key of one that begins or ends. */
static __always_inline void conn_produces(struct ks_work *w, __u32 to_id, int begins)
{
	__u32 id = w->conn_key.id;

	w->conn_key.id = to_id;
	if (begins)
		bpf_map_update_elem(&produced, &w->conn_key, &id, BPF_ANY);
	else
		conn_unname(&produced, &w->conn_key, id);
	w->conn_key.id = id;
}

/*
 * A connection is no more what it was: what was found before counts no more (conn_near()).
 * Counted behind the change, and read before a look (conn_message()).
 */
static __always_inline void conn_changed(void)
{
	struct ks_table_use *use = table_in_use();

	if (use)
		__sync_fetch_and_add(&use->changes, 1);
}

/* Ended; the entry stays for conn_look_after(), so that its id is not adopted anew. */
static __always_inline void conn_end(struct ks_work *w, struct ks_conn *c)
{
	conn_produces(w, c->open.to_id, 0);
	conn_triad(w, &c->open);
	conn_unname(&triads, &w->triad_key, w->conn_key.id);
	c->open.kind = 0;
	conn_changed();
}

/* The oldest connection goes if it ended, else it waits again. */
KS_GLOBAL int conn_look_after(void)
{
	struct ks_work *w = pkt_work();
	struct ks_conn *c;

	if (!w || bpf_map_pop_elem(&conn_queue, &w->conn_key))
		return 0;
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (!c)
		return 0;
	if (!conn_owned(c) || conn_timed_out(c, w->pkt.now)) {
		conn_end(w, c);
		bpf_map_delete_elem(&conns, &w->conn_key);
	} else {
		bpf_map_push_elem(&conn_queue, &w->conn_key, 0);
	}
	return 0;
}

/*
 * Client side: the open in the work area goes on, or would where nothing is enforced.
 * Which of two unanswered ones of the same name a reply is to nobody can tell.
 */
KS_GLOBAL int conn_asked(void)
{
	struct ks_work *w = pkt_work();
	struct ks_open_key *key;
	struct ks_open *old;

	if (!w)
		return 0;
	key = &w->open_key;
	key->flow = w->pkt.take.id;
	key->to_id = w->open.to_id;
	key->oserial = w->open.oserial;
	key->serial = w->open.serial;
	key->vendor = w->open.vendor;
	key->pad = 0;
	old = bpf_map_lookup_elem(&opens, key);
	if (old && (old->kind != w->open.kind || !route_equal(&old->route, &w->open.route))) {
		w->open.kind = KS_CONN_OTHER;
		route_unknown(&w->open.route);
	}
	bpf_map_update_elem(&opens, key, &w->open, BPF_ANY);
	return 0;
}

/* Server side: the target accepted w->open; id is the one that it chose. */
KS_GLOBAL int conn_begin(__u32 id)
{
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_conn *c;
	int i;

	if (!w || !p)
		return 0;
	for (i = 0; i < KS_CONN_LOOKS; i++)
		conn_look_after();
	conn_key(p, id, &w->conn_key);
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (c)
		conn_end(w, c); /* its target gave the id anew */
	bpf_map_update_elem(&conns, &w->conn_key, &conn_empty, BPF_ANY);
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (!c)
		return 0; /* full: its messages will be refused as unknown */
	c->flow = p->take.id;
	c->t_last = p->now;
	c->open = w->open;
	c->at = p->at;
	conn_triad(w, &w->open);
	bpf_map_update_elem(&triads, &w->triad_key, &id, BPF_ANY);
	conn_produces(w, w->open.to_id, 1);
	bpf_map_push_elem(&conn_queue, &w->conn_key, 0);
	conn_changed(); /* who saw half of it looks again */
	return 0;
}

/* A reply to a Forward_Open: state is made only of what was asked on this connection. */
static __always_inline void conn_opened(struct ks_work *w, const __u8 *data)
{
	struct ks_open_key *key = &w->open_key;
	struct ks_open *o;

	key->flow = w->pkt.take.id;
	key->to_id = reply_le32(data + 4);
	key->serial = reply_le16(data + 8);
	key->vendor = reply_le16(data + 10);
	key->oserial = reply_le32(data + 12);
	key->pad = 0;
	o = bpf_map_lookup_elem(&opens, key);
	if (!o)
		return;
	w->open = *o;
	bpf_map_delete_elem(&opens, key);
	conn_begin(reply_le32(data));
}

/* A reply to a Forward_Close. */
static __always_inline void conn_closed(struct ks_work *w, const __u8 *data)
{
	struct ks_conn *c;
	__u32 *id;

	w->open.serial = reply_le16(data);
	w->open.vendor = reply_le16(data + 2);
	w->open.oserial = reply_le32(data + 4);
	conn_key(&w->pkt, 0, &w->conn_key);
	conn_triad(w, &w->open);
	id = bpf_map_lookup_elem(&triads, &w->triad_key);
	if (!id)
		return;
	w->conn_key.id = *id;
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (c && c->flow == w->pkt.take.id)
		conn_end(w, c);
}

/*
 * Whose message is this? enum ks_conn_kind, or 0: no allowed open on this TCP
 * connection made one of this id, or it timed out. An adopted TCP connection may
 * have opened it before: its unknown ids count as the Message Router's of the addressed
 * module. The connection's route into w->cip.route.
 */
KS_GLOBAL int conn_message(__u32 id)
{
	struct ks_table_use *use = table_in_use();
	struct ks_work *w = pkt_work();
	struct pkt *p = pkt_of(w);
	struct ks_conn *c;

	if (!w || !p || !use)
		return 0;
	w->found_changes = *(volatile __u32 *)&use->changes;
	LOADED_AFTER(id, w->found_changes);
	conn_key(p, id, &w->conn_key);
	c = bpf_map_lookup_elem(&conns, &w->conn_key);
	if (!c || c->flow != p->take.id)
		return p->take.audit ? KS_CONN_ROUTER : 0;
	if (conn_timed_out(c, p->now))
		return 0;
	c->t_last = p->now;
	w->cip.route = c->open.route;
	return c->open.kind;
}

/*
 * A connection to the Message Router that conn_message() has found for this TCP connection
 * a moment ago, with none changed since, into the work area: the table need not be asked,
 * and told the time, for each message. Read beside the lock: see conn_near_is().
 */
static __always_inline void conn_near(const struct ks_flow *f, struct ks_work *w)
{
	struct ks_table_use *use = table_in_use();

	w->near_changes = f->near_changes;
	if (!use || use->changes != w->near_changes ||
	    (__u32)(w->pkt.now >> 20) - f->near_ms >= KS_CONN_NEAR)
		return;
	w->near = f->near;
	w->near_hops = f->near_hops;
	w->near_id = f->near_id;
	store_u64(w->near_route, load_u64(f->near_route));
	store_u32(w->near_route + 8, load_u32(f->near_route + 8));
}

/* As conn_message() leaves it, where nothing is known of a route yet. */
static __always_inline void conn_near_route(struct ks_work *w)
{
	struct ks_route *r = &w->cip.route;

	r->len = w->near - 1;
	r->hops = w->near_hops;
	store_u64(r->text, load_u64(w->near_route));
	store_u32(r->text + 8, load_u32(w->near_route + 8));
}

/* Under the flow's lock: what was taken from here was not read while it was written. */
static __always_inline int conn_near_is(const struct ks_flow *f, const struct ks_work *w)
{
	return !w->near ||
	       (f->near == w->near && f->near_hops == w->near_hops && f->near_id == w->near_id &&
		f->near_changes == w->near_changes &&
		load_u64(f->near_route) == load_u64(w->near_route) &&
		load_u32(f->near_route + 8) == load_u32(w->near_route + 8));
}

/* Under the flow's lock: the message's connection, which conn_message() found, is near. */
static __always_inline void conn_near_keep(struct ks_flow *f, const struct ks_work *w)
{
	const struct ks_route *r = &w->cip.route;

	if (w->cip.layers.routed || r->len > KS_KEPT_BYTES)
		return;
	f->near = 1 + r->len;
	f->near_hops = r->hops;
	f->near_id = w->cip.msg.conn_id;
	f->near_changes = w->found_changes;
	f->near_ms = w->pkt.now >> 20;
	store_u64(f->near_route, load_u64(r->text));
	store_u32(f->near_route + 8, load_u32(r->text + 8));
}

#endif
