// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two replays of one capture beside each other, see replay_compare.h. Replay judges as
 * monitor mode does, whatever was refused goes on, so both sides see the same stream.
 * Must not judge anything.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "leaf.h"
#include "names.h"
#include "options.h"
#include "replay_compare.h"
#include "results.h"

#define SECOND 1000000000ull

enum change { SAME, NOW_ALLOWED, NOW_DENIED, OTHER_RULE, CHANGES };

static const char *const change_words[CHANGES] = {
	[SAME] = "same", [NOW_ALLOWED] = "now_allowed", [NOW_DENIED] = "now_denied",
	[OTHER_RULE] = "other_rule",
};

static const char *const change_texts[CHANGES] = {
	[SAME] = "the same", [NOW_ALLOWED] = "denied -> allowed",
	[NOW_DENIED] = "allowed -> denied", [OTHER_RULE] = "by another rule",
};

struct comparison {
	bool totals_only;
	json_int_t frames, requests;
	json_int_t n[CHANGES];
	json_t *groups;		/* "client\nasset\nfunction" -> what is said of them */
};

/* One policy's word on one request; leaf NULL: there it is none. */
struct word {
	const struct replay *r;
	const struct ks_leaf *leaf;
};

struct comparison *comparison_new(bool totals_only)
{
	struct comparison *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->totals_only = totals_only;
	c->groups = json_object();
	return c;
}

void comparison_free(struct comparison *c)
{
	json_decref(c->groups);
	free(c);
}

/* ---- a request as an object ---- */

static json_t *time_json(uint64_t ns)
{
	time_t at = (time_t)(ns / SECOND);
	char day[32], text[64];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%06lluZ", day, (unsigned long long)(ns % SECOND / 1000));
	return json_string(text);
}

static const char *address_text(const struct packet *p, const uint8_t *addr,
				char out[INET6_ADDRSTRLEN])
{
	*out = '\0';
	inet_ntop(p->ip_version == 4 ? AF_INET : AF_INET6, addr, out, INET6_ADDRSTRLEN);
	return out;
}

json_t *request_line(const struct packet *p, const struct frame *f, uint32_t index,
		     const struct ks_leaf *leaf)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	json_t *o;

	o = json_pack("{s:I, s:I, s:s, s:s, s:i, s:s, s:i, s:s}", "frame", (json_int_t)f->number,
		      "index", (json_int_t)index, "proto", name_proto(leaf->proto), "src",
		      address_text(p, p->src, src), "sport", (int)p->sport, "dst",
		      address_text(p, p->dst, dst), "dport", (int)p->dport, "transport",
		      p->proto == IPPROTO_TCP ? "tcp" : "udp");
	if (!o)
		abort();
	leaf_fields(o, leaf);
	return o;
}

/* ---- what differs ---- */

/* A rule, or the default, decided; not the form of the request. */
static bool by_rule(const struct word *w)
{
	return w->leaf && (w->leaf->reason == KS_R_ok || w->leaf->reason == KS_R_policy_deny);
}

static bool allowed(const struct word *w)
{
	return w->leaf ? w->leaf->verdict == KS_V_ALLOW : w->r->passed;
}

static const char *reason(const struct word *w)
{
	return w->leaf ? name_reason(w->leaf->reason) : w->r->reason;
}

static const char *rule(const struct word *w)
{
	return by_rule(w) ? replay_rule(w->r, w->leaf->rule) : "";
}

static enum change compare(const struct word *was, const struct word *now)
{
	if (allowed(was) != allowed(now))
		return allowed(now) ? NOW_ALLOWED : NOW_DENIED;
	return strcmp(reason(was), reason(now)) || strcmp(rule(was), rule(now)) ? OTHER_RULE : SAME;
}

static json_t *word_json(const struct word *w)
{
	uint32_t verdict = w->leaf ? w->leaf->verdict : w->r->passed ? KS_V_ALLOW : KS_V_DENY;
	json_t *o = json_pack("{s:s, s:s, s:b}", "verdict", name_verdict(verdict), "reason",
			      reason(w), "request", w->leaf != NULL);

	if (by_rule(w))
		json_object_set_new(o, "rule", json_string(rule(w)));
	return o;
}

static void print_word(const json_t *o, const char *key)
{
	const json_t *word = json_object_get(o, key), *by = json_object_get(word, "rule");
	const char *verdict = json_string_value(json_object_get(word, "verdict"));

	printf("%s", !strcmp(verdict, "allow") ? "allowed" : "denied");
	if (by)
		printf(" by '%s'", json_string_value(by));
	else
		printf("%s (%s)", json_is_true(json_object_get(word, "request")) ? "" : ", no request there",
		       json_string_value(json_object_get(word, "reason")));
}

static void print_line(const json_t *o)
{
	const char *time, *src, *dst, *proto;
	json_int_t frame, index, sport, dport;

	if (json_unpack((json_t *)o, "{s:I, s:I, s:s, s:s, s:I, s:s, s:I, s:s}", "frame", &frame,
			"index", &index, "timestamp", &time, "src", &src, "sport", &sport, "dst",
			&dst, "dport", &dport, "proto", &proto))
		return;
	printf("%lld.%lld %s %s:%lld > %s:%lld %s", (long long)frame, (long long)index, time, src,
	       (long long)sport, dst, (long long)dport, proto);
	leaf_phrase(stdout, o);
	printf(": ");
	print_word(o, "was");
	printf(" -> ");
	print_word(o, "now");
	putchar('\n');
}

static void print_difference(const struct frame *f, uint32_t index, const struct word *was,
			     const struct word *now, enum change change)
{
	const struct word *w = now->leaf ? now : was;
	json_t *o = request_line(&w->r->packet, f, index, w->leaf);

	json_object_set_new(o, "timestamp", time_json(f->time));
	json_object_set_new(o, "change", json_string(change_words[change]));
	json_object_set_new(o, "was", word_json(was));
	json_object_set_new(o, "now", word_json(now));
	if (options.json) {
		print_json_line(o);
		return;
	}
	print_line(o);
	json_decref(o);
}

/* ---- totals ---- */

static const char *function_of(const struct ks_leaf *leaf, char buf[FUNCTION_NAME_MAX])
{
	uint32_t code = leaf->has & KS_HAS_PCCC ? leaf->sub :
			leaf->has & KS_HAS_SERVICE ? leaf->service : leaf->function;

	return name_function(buf, leaf->proto, leaf->key_class, code);
}

static void count_group(struct comparison *c, const struct word *was, const struct word *now,
			enum change change)
{
	const struct word *w = now->leaf ? now : was;
	char client[INET6_ADDRSTRLEN], buf[FUNCTION_NAME_MAX], key[512];
	const char *asset = replay_asset(w->r, w->leaf->asset), *function = function_of(w->leaf, buf);
	json_t *group, *n;

	address_text(&w->r->packet, w->r->packet.src, client);
	snprintf(key, sizeof(key), "%s\n%s\n%s", client, asset, function);
	group = json_object_get(c->groups, key);
	if (!group) {
		group = json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "client", client, "asset", asset,
				  "function", function, change_words[NOW_ALLOWED], 0,
				  change_words[NOW_DENIED], 0, change_words[OTHER_RULE], 0);
		json_object_set_new(c->groups, key, group);
	}
	n = json_object_get(group, change_words[change]);
	json_integer_set(n, json_integer_value(n) + 1);
}

static void compare_request(struct comparison *c, const struct frame *f, uint32_t index,
			    const struct word *was, const struct word *now)
{
	enum change change = compare(was, now);

	c->requests++;
	c->n[change]++;
	if (change == SAME)
		return;
	count_group(c, was, now, change);
	if (!c->totals_only)
		print_difference(f, index, was, now, change);
}

void comparison_frame(struct comparison *c, const struct frame *f, const struct replay *was,
		      const struct replay *now)
{
	uint32_t n = was->leaves > now->leaves ? was->leaves : now->leaves;

	c->frames++;
	for (uint32_t i = 0; i < n; i++) {
		struct word before = { was, i < was->leaves ? &was->leaf[i] : NULL };
		struct word after = { now, i < now->leaves ? &now->leaf[i] : NULL };

		compare_request(c, f, i, &before, &after);
	}
}

static void print_totals(const struct comparison *c)
{
	const char *key;
	json_t *group;

	printf("%lld frames, %lld requests", (long long)c->frames, (long long)c->requests);
	for (int i = SAME; i < CHANGES; i++)
		printf("%s%lld %s", i ? ", " : ": ", (long long)c->n[i], change_texts[i]);
	putchar('\n');
	json_object_foreach(c->groups, key, group) {
		const char *between = ": ";

		printf("  %s -> %s %s", json_string_value(json_object_get(group, "client")),
		       json_string_value(json_object_get(group, "asset")),
		       json_string_value(json_object_get(group, "function")));
		for (int i = NOW_ALLOWED; i < CHANGES; i++) {
			json_int_t n = json_integer_value(json_object_get(group, change_words[i]));

			if (n)
				printf("%s%lld %s", between, (long long)n, change_texts[i]);
			between = n ? ", " : between;
		}
		putchar('\n');
	}
}

bool comparison_end(const struct comparison *c)
{
	json_t *groups, *o, *group;
	const char *key;

	if (!options.json) {
		print_totals(c);
		return c->n[SAME] == c->requests;
	}
	groups = json_array();
	json_object_foreach(c->groups, key, group)
		json_array_append(groups, group);
	o = json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I, s:o}}", "summary", "frames", c->frames,
		      "requests", c->requests, change_words[SAME], c->n[SAME],
		      change_words[NOW_ALLOWED], c->n[NOW_ALLOWED], change_words[NOW_DENIED],
		      c->n[NOW_DENIED], change_words[OTHER_RULE], c->n[OTHER_RULE], "groups", groups);
	print_json_line(o);
	return c->n[SAME] == c->requests;
}
