// SPDX-License-Identifier: GPL-2.0-only
/*
 * tc ingress of a guarded NIC: the word that the XDP program put before a packet
 * becomes one bit of its mark, for the guard's nft rules. Decides nothing: an
 * unmarked packet goes on too, to the gateway itself for instance.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "guard_word.h"

char LICENSE[] SEC("license") = "GPL";

/* of this attach, set at load */
const volatile __u32 guard_cookie = 0;

/* key: enum ks_guard_seen, value: frames of this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KS_SEEN_MAX);
	__type(key, __u32);
	__type(value, __u64);
} guard_seen SEC(".maps");

SEC("tc")
int ks_guard(struct __sk_buff *skb)
{
	struct ks_guard_word *word = (void *)(long)skb->data_meta;
	__u32 seen = KS_SEEN_PLAIN;
	__u64 *n;

	if ((void *)(word + 1) <= (void *)(long)skb->data && word->magic == KS_GUARD_MAGIC &&
	    word->cookie == guard_cookie)
		seen = KS_SEEN_WORD;
	/* a mark may have been set before: by a veth's other end for one */
	skb->mark = seen ? skb->mark | KS_GUARD_MARK : skb->mark & ~KS_GUARD_MARK;
	n = bpf_map_lookup_elem(&guard_seen, &seen);
	if (n)
		*n += 1;
	return TC_ACT_UNSPEC;
}
