// SPDX-License-Identifier: GPL-2.0-only
/*
 * Differences that the shadow found, see shadow.h.
 */
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "names.h"
#include "results.h"
#include "shadow.h"

struct row {
	struct ks_shadow_key key;
	uint64_t n;
};

struct rows {
	struct row *v;
	size_t n;
};

static int most_frequent(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static int read_rows(struct rows *rows, const struct instance *in, uint32_t generation)
{
	struct ks_shadow_key key, *last = NULL;
	int fd = in->fd[MAP_shadow_hits], err = 0;

	*rows = (struct rows){ .v = calloc(KS_SHADOW_PAIRS, sizeof(*rows->v)) };
	if (!rows->v)
		return -1;
	/* a new policy empties the table meanwhile: a walk that starts over must still end */
	while (!err && rows->n < KS_SHADOW_PAIRS && !bpf_map_get_next_key(fd, last, &key)) {
		struct row *row = &rows->v[rows->n];

		last = &key;
		if (key.generation != generation)
			continue;
		row->key = key;
		err = instance_sum(in, MAP_shadow_hits, &key, &row->n, 1);
		rows->n += !err;
	}
	qsort(rows->v, rows->n, sizeof(*rows->v), most_frequent);
	return 0;
}

static void sums(const struct instance *in, const struct ks_state_rec *state, uint32_t generation,
		 uint64_t *judged, uint64_t *more)
{
	struct ks_shadow_sum *v = calloc(in->cpus, sizeof(*v));
	uint32_t zero = 0;

	*judged = *more = 0;
	if (!v || bpf_map_lookup_elem(in->fd[MAP_shadow_sums], &zero, v)) {
		free(v);
		return;
	}
	for (unsigned int cpu = 0; cpu < in->cpus; cpu++) {
		if (v[cpu].generation != generation || v[cpu].shadow != state->shadow)
			continue;
		*judged += v[cpu].judged;
		*more += v[cpu].more;
	}
	free(v);
}

/* One policy's word: {"verdict", "reason", "rule"}; a connection has no rule. */
static json_t *side(const struct names *names, uint16_t reason, uint32_t rule)
{
	json_t *o = json_pack("{s:s, s:s}", "verdict",
			      name_verdict(reason_passes(reason) ? KS_V_ALLOW : KS_V_DENY), "reason",
			      name_reason(reason));

	if (rule != KS_SHADOW_SYN && (reason == KS_R_ok || reason == KS_R_policy_deny))
		json_object_set_new(o, "rule", json_string(names_rule(names, rule)));
	return o;
}

static json_t *differences(const struct rows *rows, const struct names *active,
			   const struct names *candidate)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rows->n; i++) {
		const struct ks_shadow_key *k = &rows->v[i].key;

		json_array_append_new(list, json_pack(
			"{s:I, s:s, s:o, s:o}", "count", (json_int_t)rows->v[i].n, "what",
			k->rule == KS_SHADOW_SYN ? "connection" : "request", "now",
			side(active, k->reason, k->rule), "candidate",
			side(candidate, k->candidate_reason, k->candidate)));
	}
	return list;
}

static json_t *describe(const struct instance *in, const struct ks_state_rec *state,
			const struct names *active, const struct ks_pol_cfg *cfg)
{
	uint64_t judged, more, differ;
	char digest[DIGEST_TEXT];
	struct names candidate;
	struct rows rows;
	json_t *o;

	if (names_load(&candidate, in, state->shadow - 1))
		return NULL;
	digest_text(digest, cfg->digest);
	sums(in, state, active->generation, &judged, &more);
	differ = more;
	if (read_rows(&rows, in, active->generation)) {
		names_free(&candidate);
		return NULL;
	}
	for (size_t i = 0; i < rows.n; i++)
		differ += rows.v[i].n;
	o = json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:o}", "generation",
		      (json_int_t)cfg->generation, "digest", digest, "since",
		      (json_int_t)cfg->applied_at, "judged", (json_int_t)judged, "differ",
		      (json_int_t)differ, "unnamed", (json_int_t)more, "differences",
		      differences(&rows, active, &candidate));
	free(rows.v);
	names_free(&candidate);
	return o;
}

json_t *shadow_json(const struct instance *in, const struct ks_state_rec *state)
{
	struct ks_pol_cfg *cfg;
	struct names active;
	json_t *o = NULL;

	if (!state->shadow)
		return json_null();
	if (names_load(&active, in, state->now.slot))
		return NULL;
	cfg = instance_policy(in, state->shadow - 1);
	if (cfg)
		o = describe(in, state, &active, cfg);
	free(cfg);
	names_free(&active);
	return o;
}

void shadow_forget(const struct instance *in, uint32_t generation)
{
	struct ks_shadow_key *keys = calloc(KS_SHADOW_PAIRS, sizeof(*keys)), *last = NULL;
	int fd = in->fd[MAP_shadow_hits];
	size_t n = 0;

	while (keys && n < KS_SHADOW_PAIRS && !bpf_map_get_next_key(fd, last, &keys[n]))
		last = &keys[n++];
	for (size_t i = 0; i < n; i++)
		if (keys[i].generation != generation)
			bpf_map_delete_elem(fd, &keys[i]);
	free(keys);
}
