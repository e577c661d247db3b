// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layout of what is pinned, held to KS_ABI: whoever changes one raises the other.
 * A program of another number refuses or resets, it never guesses.
 */
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/shared.h"
#include "../../bpf/compiled.h"
#include "test.h"

#define LAYOUT_OF_ABI	10
#define LAYOUT		1413427652u

static uint32_t sum = 2166136261u;

static void add(size_t number)
{
	sum = (sum ^ (uint32_t)number) * 16777619u;
}

#define SIZE(type)		add(sizeof(type))
#define PLACE(type, member)	(add(offsetof(type, member)), add(sizeof(((type *)0)->member)))

static void flows(void)
{
	SIZE(struct ks_flow);
	PLACE(struct ks_flow, state);
	PLACE(struct ks_flow, flags);
	PLACE(struct ks_flow, proto);
	PLACE(struct ks_flow, how);
	PLACE(struct ks_flow, version);
	PLACE(struct ks_flow, c_nxt);
	PLACE(struct ks_flow, c_una);
	PLACE(struct ks_flow, s_nxt);
	PLACE(struct ks_flow, msg_start);
	PLACE(struct ks_flow, slot);
	PLACE(struct ks_flow, id);
	PLACE(struct ks_flow, generation);
	PLACE(struct ks_flow, close);
	PLACE(struct ks_flow, sample_end);
	PLACE(struct ks_flow, sample_us);
	PLACE(struct ks_flow, iss);
	PLACE(struct ks_flow, irs);
	PLACE(struct ks_flow, win);
	PLACE(struct ks_flow, abi);
	PLACE(struct ks_flow, refused);
	PLACE(struct ks_flow, cwin);
	PLACE(struct ks_flow, border);
	PLACE(struct ks_flow, reply);
	PLACE(struct ks_flow, key);
	PLACE(struct ks_flow, mark);
	PLACE(struct ks_flow, kept);
	PLACE(struct ks_flow, family);
	PLACE(struct ks_flow, at);
	PLACE(struct ks_flow, begun);
	PLACE(struct ks_flow, pend_ms);
	PLACE(struct ks_flow, near);
	PLACE(struct ks_flow, near_id);
	PLACE(struct ks_flow, near_changes);
	PLACE(struct ks_flow, near_ms);
	PLACE(struct ks_flow, near_route);
	PLACE(struct ks_flow, told);
}

static void others(void)
{
	SIZE(struct ks_key4);
	SIZE(struct ks_sweep);
	SIZE(struct ks_table_use);
	PLACE(struct ks_table_use, changes);
	SIZE(struct ks_key6);
	SIZE(struct ks_open_key);
	SIZE(struct ks_open);
	PLACE(struct ks_open, kind);
	PLACE(struct ks_open, class1);
	PLACE(struct ks_open, route);
	SIZE(struct ks_conn_key);
	SIZE(struct ks_conn);
	PLACE(struct ks_conn, flow);
	PLACE(struct ks_conn, open);
	PLACE(struct ks_conn, begun);
	SIZE(struct ks_triad_key);
	SIZE(struct ks_modbus_ring);
	SIZE(struct ks_enip_ring);
	SIZE(struct ks_force);
	PLACE(struct ks_force, slot);
	PLACE(struct ks_force, mode_until);
	SIZE(struct ks_state_rec);
	PLACE(struct ks_state_rec, shadow);
	PLACE(struct ks_state_rec, revert_at);
	PLACE(struct ks_state_rec, now);
	PLACE(struct ks_state_rec, before);
	PLACE(struct ks_pol_cfg, numbering);
	SIZE(struct ks_shadow_key);
	SIZE(struct ks_leaf);
	PLACE(struct ks_leaf, tag_base);
	PLACE(struct ks_leaf, alert);
	SIZE(struct ks_asset_rec);
	SIZE(struct ks_addr_rec);
	PLACE(struct ks_addr_rec, zone);
	PLACE(struct ks_addr_rec, binding);
	SIZE(struct ks_binding);
	SIZE(struct ks_conduit_key);
	SIZE(struct ks_conduit_flow);
	PLACE(struct ks_conduit_flow, conduit);
	PLACE(struct ks_conduit_flow, seen);
	SIZE(struct ks_profile_rec);
	SIZE(struct ks_decision);
	SIZE(struct ks_range);
	SIZE(struct ks_values);
	SIZE(struct ks_rule_rec);
	SIZE(struct ks_bucket);
	SIZE(struct ks_misc_count);
	SIZE(struct ks_denied);
	PLACE(struct ks_denied, leaf);
	PLACE(struct ks_denied, bytes);
	SIZE(struct ks_denied_ctl);
	SIZE(struct ks_exception_key);
	SIZE(struct ks_exception_client);
	SIZE(struct ks_latency_key);
	SIZE(struct ks_latency);
}

static void counters(void)
{
	SIZE(struct ks_rule_hits);
	SIZE(struct ks_near);
	PLACE(struct ks_near, key);
	SIZE(struct ks_req_key);
	PLACE(struct ks_req_key, numbering);
}

TEST(layout_is_that_of_its_number)
{
	flows();
	others();
	counters();
	CHECK_AT(KS_ABI == LAYOUT_OF_ABI && sum == LAYOUT, sum);
}

int main(void)
{
	return test_run_all();
}
