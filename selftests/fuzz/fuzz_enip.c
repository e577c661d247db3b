/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/enip.h and bpf/cip.h: the first byte chooses TCP or UDP,
 * the rest is a stream of encapsulation PDUs. Besides reads beyond the input it
 * looks for bytes that no leaf covers and for leaves that contradict themselves.
 */
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/cip.h"

static void must(int good)
{
	if (!good)
		__builtin_trap();
}

static void check_leaf(const struct ks_leaf *leaf, uint32_t off, uint32_t len)
{
	uint32_t logical = KS_HAS_CLASS | KS_HAS_INSTANCE | KS_HAS_ATTRIBUTE;

	must(leaf->offset == off && leaf->length == len && len >= 2);
	must(leaf->tag_len <= KS_TAG_MAX && leaf->service < 0x80);
	must(!(leaf->has & KS_HAS_TAG) == (leaf->tag_len == 0));
	if (leaf->key_class == KS_CLASS_TAG)
		must((leaf->has & (KS_HAS_TAG | logical)) == KS_HAS_TAG);
	else if (leaf->key_class < 0x10000)
		must(leaf->has & KS_HAS_CLASS && leaf->class == leaf->key_class);
	must(!(leaf->service == 0x52 && leaf->key_class == 6));
	must(!(leaf->service == 0x0a && leaf->key_class == 2));
}

static void check_cip(const struct view *v, struct cip_work *w)
{
	struct cip_layers *l = &w->layers;
	uint32_t i, off = l->off, len = l->len, covered;
	struct ks_leaf leaf;

	if (!l->members) {
		if (!cip_leaf(v, off, len, l->routed ? 0 : CIP_UCMM, &leaf, &w->path))
			check_leaf(&leaf, off, len);
		return;
	}
	must(l->members <= KS_MSP_MAX);
	covered = 2 + 2 * l->members;
	for (i = 0; i < l->members; i++) {
		if (cip_member(v, l, i, &off, &len))
			return;
		must(off == l->table + covered);
		covered += len;
		if (!cip_leaf(v, off, len, CIP_MEMBER, &leaf, &w->path))
			check_leaf(&leaf, off, len);
	}
	must(covered == l->table_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = { .base = data + 1, .len = size - 1 };
	struct cip_work w;

	if (!size)
		return 0;
	while (v.len) {
		struct view rest = v;
		int n = enip_frame(&v);

		if (n <= 0 || (uint32_t)n > v.len)
			break;
		must(n >= EIP_HEADER && n <= EIP_PDU_MAX);
		v.len = n;
		if (!enip_dissect(&v, data[0] & 1, &w.msg) && w.msg.cip) {
			must(!(data[0] & 1));
			if (!cip_unwrap(&v, w.msg.cip_off, w.msg.cip_len, &w.layers))
				check_cip(&v, &w);
		}
		v = (struct view){ .base = rest.base + n, .len = rest.len - n };
	}
	return 0;
}
