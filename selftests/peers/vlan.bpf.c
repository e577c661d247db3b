// SPDX-License-Identifier: GPL-2.0-only
/*
 * VLAN end points without the 8021q module: tc programs that push one tag
 * (802.1Q id 101) or two (802.1ad id 202 outside) on egress and pop them on
 * ingress, so that the kernel's own TCP speaks through tagged frames.
 * Frames that come without the expected number of tags are dropped: a gateway
 * that loses a tag must not look like one that keeps it.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INNER_VID 101
#define OUTER_VID 202

SEC("tc/push1")
int vlan_push1(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), INNER_VID))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

SEC("tc/push2")
int vlan_push2(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), INNER_VID) ||
	    bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), OUTER_VID))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

static __always_inline int pop(struct __sk_buff *skb, __u16 vid)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != vid)
		return -1;
	return (int)bpf_skb_vlan_pop(skb);
}

SEC("tc/pop1")
int vlan_pop1(struct __sk_buff *skb)
{
	if (pop(skb, INNER_VID) || skb->vlan_present)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

SEC("tc/pop2")
int vlan_pop2(struct __sk_buff *skb)
{
	if (pop(skb, OUTER_VID) || pop(skb, INNER_VID) || skb->vlan_present)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
