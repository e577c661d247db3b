// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter that is written in an afternoon: the function code at its fixed offset in
 * a segment to port 502. No product; how cheap a match without state is.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

SEC("tc")
int match(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u8 *tcp = data + 34, *pdu;

	if (tcp + 20 > end || data[12] != 8 || data[13] != 0 || data[23] != 6 ||
	    *(__u16 *)(tcp + 2) != bpf_htons(502))
		return TC_ACT_OK;
	pdu = tcp + (tcp[12] >> 4) * 4;
	if (pdu + 8 > end)
		return TC_ACT_OK;
	switch (pdu[7]) {
	case 5: case 6: case 15: case 16: case 22: case 23:
		return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}

/* Beside it: how cheap a drop without a match is. */
SEC("xdp")
int drop(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
