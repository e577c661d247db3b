/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * UMAS, what Schneider's Modicon controllers speak inside Modbus function code 90:
 * session key, sub-function, data; signed requests carry the same once more behind a
 * signature. Says which sub-function a request is, never whether it may pass.
 * Reads message bytes only through view_*() with KS_MB_VIEW.
 */
#ifndef KEYSWITCH_UMAS_H
#define KEYSWITCH_UMAS_H

#include "cursor.h"
#include "reasons.h"
#include "shared.h"

#define UMAS_KEY	8	/* offsets in the ADU */
#define UMAS_SUB	9
#define UMAS_SIGNED	0x38	/* the wrapper: 1 byte, signature of 32, then the request again */
#define UMAS_INNER	43	/* function code of the signed request, 90 again */
#define UMAS_MAX	2048 /* longest ADU: controllers negotiate 1022 and more; others end at 260 */

static __always_inline void umas_fields(const struct view *v, __u32 key, struct ks_leaf *leaf)
{
	leaf->umas_key = view_u8(v, key, KS_MB_VIEW);
	leaf->sub = view_u8(v, key + 1, KS_MB_VIEW);
	leaf->has |= KS_HAS_SUB;
}

/*
 * Key and sub-function of a whole ADU; a signed one counts as what it signs. Returns
 * 0, KS_R_length_mismatch (cut before the sub-function), KS_R_malformed (what is
 * signed is no UMAS request) or KS_R_nesting (a signed request inside a signed one).
 */
static __always_inline int umas_dissect(const struct view *v, struct ks_leaf *leaf)
{
	if (!view_has(v, UMAS_KEY, 2))
		return KS_R_length_mismatch;
	umas_fields(v, UMAS_KEY, leaf);
	if (leaf->sub != UMAS_SIGNED)
		return 0;
	if (!view_has(v, UMAS_INNER, 3))
		return KS_R_length_mismatch;
	if (view_u8(v, UMAS_INNER, KS_MB_VIEW) != KS_FC_UMAS)
		return KS_R_malformed;
	umas_fields(v, UMAS_INNER + 1, leaf);
	return leaf->sub == UMAS_SIGNED ? KS_R_nesting : 0;
}

#endif
