// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry of the policy parser: reads the file within bounds, hands the YAML tree
 * to the readers of each concern and checks what spans several of them.
 * Must not compile anything and must not print.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "policy_parse.h"

_Static_assert(SHA256_DIGEST_SIZE == sizeof(((struct policy *)0)->digest),
	       "digest is SHA-256");

static const char *const choice_words[] = { "deny", "allow", NULL };

static void read_choice(struct parser *ps, const struct ynode *n,
			enum ks_choice *out, struct pos *at)
{
	int w = read_word(ps, n, choice_words, NULL);

	*at = n->at;
	if (w >= 0)
		*out = w ? KS_ALLOW : KS_DENY;
}

static void read_version(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "1", NULL };

	(void)arg;
	read_word(ps, n, words, NULL);
}

static void read_mode(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "enforce", "monitor", NULL };
	int w = read_word(ps, n, words, NULL);

	(void)arg;
	ps->p->mode_at = n->at;
	if (w >= 0)
		ps->p->mode = w ? KS_MONITOR : KS_ENFORCE;
}

static void read_default(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "deny", "readonly", "allow", NULL };
	int w = read_word(ps, n, words, NULL);

	(void)arg;
	ps->p->dflt_at = n->at;
	if (w >= 0)
		ps->p->dflt = (enum ks_default)w;
}

static void read_unlisted(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	ps->p->unlisted_given = true;
	read_choice(ps, n, &ps->p->unlisted, &ps->p->unlisted_at);
}

static void read_other(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	ps->p->other_given = true;
	read_choice(ps, n, &ps->p->other, &ps->p->other_at);
}

static void read_outbound(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	ps->p->outbound_given = true;
	read_choice(ps, n, &ps->p->outbound, &ps->p->outbound_at);
}

static void read_on_deny(struct parser *ps, const struct ynode *n, void *arg)
{
	(void)arg;
	ps->p->on_deny = read_on_deny_word(ps, n, ps->p->on_deny);
}

static void read_adopt(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "off", "audit", "reset", NULL };
	int w = read_word(ps, n, words, NULL);

	(void)arg;
	if (w >= 0)
		ps->p->adopt = w;
}

static void read_link_follow(struct parser *ps, const struct ynode *n, void *arg)
{
	static const char *const words[] = { "false", "true", NULL };
	int w = read_word(ps, n, words, NULL);

	(void)arg;
	if (w >= 0)
		ps->p->link_follow = w;
}

static void read_local(struct parser *ps, const struct ynode *n, void *arg)
{
	struct prefixes *local = &ps->p->local;
	char buf[PREFIX_TEXT_MAX];

	(void)arg;
	read_prefixes(ps, n, local);
	for (size_t i = 0; i < local->n; i++)
		if (local->v[i].len != prefix_width(&local->v[i]))
			diag_error(ps->d, local->at[i],
				   "'%s' is a prefix, expected single addresses of the gateway",
				   prefix_format(&local->v[i], buf));
}

static void read_protected(struct parser *ps, const struct ynode *n, void *arg)
{
	struct prefixes *prot = &ps->p->protected;
	char buf[PREFIX_TEXT_MAX];

	(void)arg;
	read_prefixes(ps, n, prot);
	for (size_t i = 0; i < prot->n; i++)
		if (!prot->v[i].len)
			diag_error(ps->d, prot->at[i],
				   "'%s' is every address, expected prefixes that are behind the gateway alone",
				   prefix_format(&prot->v[i], buf));
}

static const struct ykey top_keys[] = {
	{ "version", read_version, true },
	{ "mode", read_mode, false },
	{ "default", read_default, false },
	{ "unlisted", read_unlisted, false },
	{ "other", read_other, false },
	{ "outbound", read_outbound, false },
	{ "on_deny", read_on_deny, false },
	{ "adopt", read_adopt, false },
	{ "link_follow", read_link_follow, false },
	{ "local", read_local, false },
	{ "protected", read_protected, false },
	{ "ethertypes", read_ethertypes, false },
	{ "limits", read_limits, false },
	{ "hosts", read_hosts, false },
	{ "groups", read_groups, false },
	{ "assets", read_assets, true },
	{ "rules", read_rules, false },
	{ "zones", read_zones, false },
	{ "conduits", read_conduits, false },
	{ NULL, NULL, false },
};

static void set_defaults(struct policy *p)
{
	p->mode = KS_ENFORCE;
	p->dflt = KS_DEFAULT_DENY;
	p->unlisted = KS_DENY;
	p->other = KS_ALLOW;
	p->outbound = KS_ALLOW;
	p->on_deny = KS_DENY_RESET;
	p->adopt = ADOPT_UNSAID;
	p->limits = (struct policy_limits){
		.flows = KS_FLOWS,
		.modbus_rings = KS_MODBUS_RINGS,
		.enip_rings = KS_ENIP_RINGS,
		.flows_per_client = KS_FLOWS_PER_CLIENT,
		.half_open_per_client = KS_HALF_OPEN_PER_CLIENT,
		.event_ring = KS_EVENT_RING,
		.event_rate = KS_EVENT_RATE,
		.conduit_flows = KS_CONDUIT_FLOWS,
		.conduit_flows_per_client = KS_CONDUIT_FLOWS_PER_CLIENT,
	};
	ethertypes_default(p);
}

/* The gateway's own addresses are never assets; a prefix around one is fine. */
static void check_local(struct parser *ps)
{
	const struct policy *p = ps->p;

	for (size_t a = 0; a < p->n_assets; a++) {
		const struct policy_asset *as = &p->assets[a];

		for (size_t i = 0; i < as->addrs.n; i++)
			for (size_t l = 0; l < p->local.n; l++)
				if (prefix_equal(&as->addrs.v[i], &p->local.v[l]))
					diag_error(ps->d, as->addrs.at[i],
						   "asset '%s' has an address that 'local' lists as the gateway's own (line %u)",
						   as->name, p->local.at[l].line);
	}
}

struct policy *policy_parse_text(const char *text, size_t len, struct diags *d)
{
	struct policy *p = calloc(1, sizeof(*p));
	struct parser ps = { .p = p, .d = d };
	struct sha256_ctx sha;
	struct ynode *root;

	if (!p) {
		diag_error(d, ((struct pos){ 0 }), "out of memory");
		return NULL;
	}
	set_defaults(p);
	sha256_init(&sha);
	sha256_update(&sha, len, (const uint8_t *)text);
	sha256_digest(&sha, sizeof(p->digest), p->digest);
	names_init(&ps.sources, &p->mem);
	names_init(&ps.assets, &p->mem);
	names_init(&ps.rules, &p->mem);
	names_init(&ps.zones, &p->mem);
	root = yaml_load(text, len, &p->mem, d);
	if (root && want_map(&ps, root, "a policy that begins with 'version: 1'")) {
		read_map(&ps, root, top_keys, NULL, "policy");
		check_local(&ps);
		policy_check_overlaps(p, d);
		check_zones(&ps);
	}
	if (d->errors) {
		policy_free(p);
		return NULL;
	}
	return p;
}

/* The whole file, or NULL with errno; a file beyond the bound is EFBIG. */
static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	struct stat st;

	if (!f)
		return NULL;
	if (fstat(fileno(f), &st))
		goto fail;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		goto fail;
	}
	text = malloc(POLICY_FILE_MAX + 1);
	if (!text)
		goto fail;
	*len = fread(text, 1, POLICY_FILE_MAX + 1, f);
	if (ferror(f))
		goto fail;
	if (*len > POLICY_FILE_MAX) {
		errno = EFBIG;
		goto fail;
	}
	fclose(f);
	return text;
fail:
	free(text);
	fclose(f);
	return NULL;
}

struct policy *policy_parse_file(const char *path, struct diags *d)
{
	size_t len = 0;
	char *text = read_file(path, &len);

	if (!text) {
		int err = errno;

		diag_error(d, ((struct pos){ 0 }), "cannot read: %s",
			   err == EFBIG ? "larger than 32 MiB" : strerror(err));
		errno = err;
		return NULL;
	}
	diags_take_text(d, text, len);
	return policy_parse_text(text, len, d);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	arena_free(&p->mem);
	free(p);
}
