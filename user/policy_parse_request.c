// SPDX-License-Identifier: GPL-2.0-only
/*
 * From words to a request, see request.h: each word is a scalar to the readers of
 * rules; which words belong together is asked here. Must not look at rules.
 */
#include <stdio.h>
#include <string.h>

#include "policy_parse_request.h"

const char *request_option(enum request_word w)
{
#define REQUEST_WORD(sym, option, arg, help) option,
	static const char *const names[] = { REQUEST_WORDS(REQUEST_WORD) };
#undef REQUEST_WORD

	return names[w];
}

/* ---- single words ---- */

static bool word_function(struct reading *r, const struct ynode *n)
{
	return read_function(&r->ps, n, false, &r->function);
}

static bool word_umas(struct reading *r, const struct ynode *n)
{
	return read_umas_function(&r->ps, n, false, &r->function);
}

static bool word_service(struct reading *r, const struct ynode *n)
{
	return read_service(&r->ps, n, false, &r->service);
}

static bool word_pccc(struct reading *r, const struct ynode *n)
{
	return read_pccc_function(&r->ps, n, false, &r->pccc);
}

static bool word_io(struct reading *r, const struct ynode *n)
{
	static const char *const words[] = { "run", "idle", "static", NULL };

	r->io = read_word(&r->ps, n, words, NULL);
	return r->io >= 0;
}

static bool word_unit(struct reading *r, const struct ynode *n)
{
	return read_number(&r->ps, n, 0, 255, "a unit id", &r->q->unit);
}

static bool word_address(struct reading *r, const struct ynode *n)
{
	return read_address(&r->ps, n, &r->address);
}

static bool word_write_address(struct reading *r, const struct ynode *n)
{
	return read_address(&r->ps, n, &r->written);
}

static bool word_class(struct reading *r, const struct ynode *n)
{
	return read_class(&r->ps, n, &r->class);
}

static bool word_instance(struct reading *r, const struct ynode *n)
{
	return read_number(&r->ps, n, 0, KS_NO_VALUE - 1, "an instance", &r->q->instance);
}

static bool word_attribute(struct reading *r, const struct ynode *n)
{
	return read_number(&r->ps, n, 0, KS_NO_VALUE - 1, "an attribute", &r->q->attribute);
}

static bool word_tag(struct reading *r, const struct ynode *n)
{
	r->q->tag = read_tag(&r->ps, n);
	return r->q->tag != NULL;
}

/* Several elements from an index on are the whole array's (bpf/policy.h). */
static bool word_elements(struct reading *r, const struct ynode *n)
{
	uint32_t elements;
	char *tag;

	if (!read_number(&r->ps, n, 1, 0xffff, "a number of elements", &elements))
		return false;
	if (!given(r, WORD_TAG))
		diag_error(r->ps.d, n->at, "given without --tag, expected it beside a tag");
	if (!r->q->tag)
		return false;
	tag = arena_strndup(&r->ps.p->mem, r->q->tag, strlen(r->q->tag));
	for (char *open; elements > 1 && (open = strrchr(tag, '[')) && tag[strlen(tag) - 1] == ']';)
		*open = '\0';
	r->q->tag = tag;
	return true;
}

static bool word_file(struct reading *r, const struct ynode *n)
{
	return read_pccc_file(&r->ps, n, &r->file);
}

static bool word_route(struct reading *r, const struct ynode *n)
{
	r->q->route = read_request_route(&r->ps, n);
	return r->q->route != NULL;
}

static bool (*const word_readers[WORDS])(struct reading *r, const struct ynode *n) = {
	[WORD_FUNCTION] = word_function, [WORD_UMAS] = word_umas,
	[WORD_SERVICE] = word_service, [WORD_PCCC] = word_pccc, [WORD_IO] = word_io,
	[WORD_UNIT] = word_unit, [WORD_ADDRESS] = word_address,
	[WORD_VALUE] = word_value, [WORD_VALUE_TYPE] = word_value_type,
	[WORD_WRITE_ADDRESS] = word_write_address, [WORD_CLASS] = word_class,
	[WORD_INSTANCE] = word_instance, [WORD_ATTRIBUTE] = word_attribute,
	[WORD_TAG] = word_tag, [WORD_ELEMENTS] = word_elements, [WORD_FILE] = word_file, [WORD_ROUTE] = word_route,
};

static bool read_word_of(struct reading *r, enum request_word w)
{
	const char *text = r->in->word[w];
	struct ynode n = { .kind = Y_SCALAR, .text = text, .len = strlen(text),
			   .empty = !*text };
	struct diags *d = r->ps.d;
	size_t before = d->n;
	bool good = word_readers[w](r, &n);
	char named[512];

	/* the readers know no option: what they said gets its name */
	for (size_t i = before; i < d->n; i++) {
		snprintf(named, sizeof(named), "--%s: %s", request_option(w), d->v[i].message);
		d->v[i].message = arena_strndup(&d->mem, named, strlen(named));
	}
	return good;
}

static bool read_words(struct reading *r)
{
	bool good = true;

	for (enum request_word w = 0; w < WORDS; w++)
		if (given(r, w))
			good &= read_word_of(r, w);
	return good;
}

/* ---- which words belong together ---- */

#define BIT(sym) (1u << WORD_##sym)

static const unsigned int kind_words[WORD_KINDS] = {
	[WORD_FUNCTION] = BIT(UNIT) | BIT(ADDRESS) | BIT(WRITE_ADDRESS) | BIT(VALUE) | BIT(VALUE_TYPE),
	[WORD_UMAS] = BIT(UNIT),
	[WORD_SERVICE] = BIT(CLASS) | BIT(INSTANCE) | BIT(ATTRIBUTE) | BIT(TAG) | BIT(ELEMENTS) |
			 BIT(ROUTE) | BIT(FUNCTION) | BIT(ADDRESS) | BIT(VALUE) | BIT(VALUE_TYPE),
	[WORD_PCCC] = BIT(FILE) | BIT(ROUTE),
	[WORD_IO] = BIT(ROUTE),
};

/* The word that says what is asked for; WORDS after a diagnostic. */
static enum request_word request_kind(struct reading *r)
{
	enum request_word kind = WORDS;

	/* a service may hold a function */
	if (given(r, WORD_SERVICE))
		kind = WORD_SERVICE;
	for (enum request_word w = 0; w < WORD_KINDS && kind == WORDS; w++)
		if (given(r, w))
			kind = w;
	if (kind == WORDS)
		diag_error(r->ps.d, ((struct pos){ 0 }),
			   "no request, expected --function, --umas, --service, --pccc or --io");
	for (enum request_word w = 0; w < WORDS && kind != WORDS; w++) {
		if (!given(r, w) || w == kind || kind_words[kind] >> w & 1)
			continue;
		word_wrong(r, request_option(w), "given beside --%s, which it says nothing about",
		      request_option(kind));
		return WORDS;
	}
	return kind;
}

static bool put_together(struct reading *r, enum request_word kind)
{
	switch (kind) {
	case WORD_FUNCTION: case WORD_UMAS:
		return modbus_request(r);
	case WORD_SERVICE:
		return cip_request(r);
	case WORD_PCCC:
		return pccc_request(r);
	default:
		r->q->proto = KS_IO;
		r->q->key_class = KS_CLASS_IO;
		r->q->service = (uint32_t)r->io;
		return true;
	}
}

/* ---- who ---- */

/* Names of a list of hosts or assets, for did-you-mean. */
struct known {
	const char *what;	/* "host" */
	size_t n;
	const char *(*name)(const struct policy *p, size_t i);
	const struct prefixes *(*addresses)(const struct policy *p, size_t i);
};

static const char *host_name(const struct policy *p, size_t i)
{
	return p->hosts[i].name;
}

static const struct prefixes *host_addresses(const struct policy *p, size_t i)
{
	return &p->hosts[i].addrs;
}

static const char *asset_name(const struct policy *p, size_t i)
{
	return p->assets[i].name;
}

static const struct prefixes *asset_addresses(const struct policy *p, size_t i)
{
	return &p->assets[i].addrs;
}

static bool is_group(const struct policy *p, const char *text)
{
	for (size_t i = 0; i < p->n_groups; i++)
		if (!strcmp(p->groups[i].name, text))
			return true;
	return false;
}

static bool unknown_name(struct reading *r, const struct known *k, const char *option,
			 const char *text)
{
	const char **words = arena_alloc(&r->ps.d->mem, (k->n + 1) * sizeof(*words));
	const char *near;

	for (size_t i = 0; i < k->n; i++)
		words[i] = k->name(r->p, i);
	near = diag_nearest(text, strlen(text), words);
	return word_wrong(r, option, "unknown %s '%s', expected an address or a name of the policy%s%s%s",
		     k->what, diag_quote(r->ps.d, text, strlen(text)),
		     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* An address, or a name, which stands for its first address. */
static bool read_who(struct reading *r, const struct known *k, const char *option,
		     const char *text, struct prefix *out, const char **name)
{
	struct ynode n = { .kind = Y_SCALAR, .text = text, .len = strlen(text) };

	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(k->name(r->p, i), text))
			continue;
		*name = k->name(r->p, i);
		*out = k->addresses(r->p, i)->v[0];
		out->len = (uint8_t)prefix_width(out);
		return true;
	}
	if (prefix_parse(text, n.len, out) == PREFIX_OK && out->len == prefix_width(out))
		return true;
	if (is_group(r->p, text))
		return word_wrong(r, option, "'%s' is a group, expected a single %s or address", text,
				  k->what);
	if (prefix_parse(text, n.len, out) == PREFIX_SYNTAX)
		return unknown_name(r, k, option, text);
	return word_wrong(r, option, "'%s', expected a single address",
		     diag_quote(r->ps.d, text, n.len));
}

/* The first unit that the asset lists: any other would be refused for that alone. */
static void choose_unit(struct reading *r, struct asked *out)
{
	uint32_t asset = policy_asset_at(r->p, &out->q.server);
	const struct spans *units = asset ? &r->p->assets[asset - 1].units : NULL;

	if (given(r, WORD_UNIT) || out->q.proto != KS_MODBUS)
		return;
	out->unit_chosen = true;
	out->q.unit = units && units->n ? units->v[0].lo : 1;
}

bool request_read(const struct policy *p, const struct request_words *words,
		  struct arena *mem, struct asked *out, struct diags *d)
{
	const struct known hosts = { "host", p->n_hosts, host_name, host_addresses };
	const struct known assets = { "asset", p->n_assets, asset_name, asset_addresses };
	/* the readers of rules put what they make into a policy's memory */
	struct policy scratch = { .mem = *mem };
	struct reading r = { .ps = { .p = &scratch, .d = d }, .p = p, .in = words,
			     .q = &out->q };
	enum request_word kind;
	bool good;

	*out = (struct asked){ .q = { .instance = KS_NO_VALUE, .attribute = KS_NO_VALUE,
				      .route = "" } };
	good = read_who(&r, &hosts, "from", words->from, &out->q.client, &out->from);
	good &= read_who(&r, &assets, "to", words->to, &out->q.server, &out->to);
	if (good && out->q.client.family != out->q.server.family)
		good = word_wrong(&r, "to", "'%s' is IPv%u, expected an address of the client's family, IPv%u",
				  words->to, out->q.server.family, out->q.client.family);
	kind = request_kind(&r);
	good &= kind != WORDS && read_words(&r);
	good = good && put_together(&r, kind) && values_request(&r);
	choose_unit(&r, out);
	*mem = scratch.mem;
	return good;
}
