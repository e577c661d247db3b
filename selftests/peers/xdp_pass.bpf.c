// SPDX-License-Identifier: GPL-2.0-only
/*
 * The empty XDP program at the far end of each veth pair of the test plant:
 * veth delivers XDP_TX and XDP_REDIRECT only to a peer that runs one.
 * It must not look at a packet.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
