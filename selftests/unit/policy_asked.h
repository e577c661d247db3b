/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The property tests' requests in the form of policy_says.h. Must not judge anything.
 */
#ifndef KEYSWITCH_POLICY_ASKED_H
#define KEYSWITCH_POLICY_ASKED_H

#include "../../user/policy_says.h"
#include "policy_borders.h"

/* What no rule can name stands in the request as no file. */
static void convert_file(const struct request *q, struct policy_request *out)
{
	uint32_t last = q->element + q->elements - 1;
	bool typed = q->type != NO_TYPE;

	out->has_file = q->cip && ref_pccc(q->class) && q->has_file &&
			q->file <= KS_PCCC_FILE_MAX &&
			(!typed || (q->type >= 0x80 && q->type < 0xa0));
	if (!out->has_file)
		return;
	out->type = typed ? KS_PCCC_TYPE(q->type) : 0;
	out->file = q->file;
	out->own = (struct elements){ q->element, last > 0xffff ? 0xffff : last };
}

static uint16_t asked_values[1 << 16];	/* of the last request converted */

/* One for each element that is written. */
static void convert_values(const struct request *q, struct policy_request *out)
{
	uint32_t fc = out->function, n = fc == 23 ? q->wn : fc == 22 ? 2 : q->n;

	if (fc != 5 && fc != 6 && fc != 15 && fc != 16 && fc != 22 && fc != 23)
		return;
	for (uint32_t i = 0; i < n && i < 1 << 16; i++)
		asked_values[i] = q->written[i % 64];
	out->values = asked_values;
	out->n_values = n;
}

static struct policy_request convert(const struct request *q, char tag[KS_TAG_MAX + 1])
{
	struct policy_request out = {
		.client = q->client, .server = q->server, .unit = q->unit,
		.service = q->service, .key_class = q->class, .instance = q->instance,
		.attribute = q->attribute, .tag = tag, .route = q->route,
	};
	bool sub = !ref_has_address(q->fc) && q->fc != 23;

	out.proto = !q->cip ? KS_MODBUS : q->class == KS_CLASS_IO ? KS_IO : KS_ENIP;
	for (size_t i = 0; i <= strlen(q->tag); i++)
		tag[i] = (char)tolower((unsigned char)q->tag[i]);
	if (!q->cip || q->inner) {
		out.function = q->fc;
		out.own = (struct elements){ sub ? q->sub : q->lo,
					     sub ? q->sub : q->lo + q->n - 1 };
		out.written = (struct elements){ q->wlo, q->wlo + q->wn - 1 };
	}
	convert_file(q, &out);
	convert_values(q, &out);
	return out;
}

#endif
