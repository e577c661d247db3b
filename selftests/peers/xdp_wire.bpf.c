// SPDX-License-Identifier: GPL-2.0-only
/*
 * A wire that inspects nothing: the control in keyswitch's place.  A test of
 * an attack runs over it first, where the attack must succeed, so that the
 * test can fail.  Loaded once per port; slot 0 holds the opposite port.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} opposite SEC(".maps");

SEC("xdp")
int xdp_wire(struct xdp_md *ctx)
{
	(void)ctx;
	return (int)bpf_redirect_map(&opposite, 0, XDP_DROP);
}

char LICENSE[] SEC("license") = "GPL";
