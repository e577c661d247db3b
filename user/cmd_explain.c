// SPDX-License-Identifier: GPL-2.0-only
/*
 * keyswitch explain FILE: which rule decides a request, why, and which were looked at
 * before it. Must not judge by itself and must not touch the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "explain_conduit.h"
#include "explain_text.h"
#include "leaf.h"
#include "names.h"
#include "options.h"
#include "policy_lookup.h"
#include "request.h"
#include "request_lines.h"
#include "results.h"

enum { KEY_FROM = 0x2000, KEY_TO, KEY_REQUESTS, KEY_PROTO, KEY_PORT, KEY_WORD };

#define REQUEST_WORD(sym, option, arg, help) { option, KEY_WORD + WORD_##sym, arg, 0, help, 0 },
static const struct argp_option table[] = {
	{ "from", KEY_FROM, "ADDRESS|HOST", 0, "The client", 0 },
	{ "to", KEY_TO, "ADDRESS|ASSET", 0, "The controller", 0 },
	{ "proto", KEY_PROTO, "tcp|udp|icmp", 0, "No request but a connection that --from opens: which conduit?", 0 },
	{ "port", KEY_PORT, "N", 0, "Its port at --to", 0 },
	REQUEST_WORDS(REQUEST_WORD)
	{ "requests", KEY_REQUESTS, "FILE", 0,
	  "Requests instead of one, a JSON object a line with these options as keys ('-': standard input)",
	  0 },
	{ 0 }
};
#undef REQUEST_WORD

struct question {
	const char *path;
	const char *requests;		/* file of many instead of the words */
	struct request_words words;
	const char *proto, *port;	/* a connection, no request */
};

static void check_arguments(struct argp_state *state, const struct question *q)
{
	if (!q->path)
		argp_error(state, "no policy, expected 'keyswitch explain FILE --from ADDRESS --to ADDRESS ...'");
	if (q->requests) {
		for (enum request_word w = 0; w < WORDS; w++)
			if (q->words.word[w])
				argp_error(state, "--%s beside --requests, expected one of them",
					   request_option(w));
		if (q->words.from || q->words.to || q->proto || q->port)
			argp_error(state, "--%s beside --requests, expected one of them",
				   q->words.from ? "from" : q->words.to ? "to" :
				   q->proto ? "proto" : "port");
		return;
	}
	if (!q->words.from)
		argp_error(state, "no client, expected --from ADDRESS or a host's name");
	if (!q->words.to)
		argp_error(state, "no controller, expected --to ADDRESS or an asset's name");
	if (q->port && !q->proto)
		argp_error(state, "--port without --proto, expected --proto tcp or udp beside it");
	for (int w = 0; q->proto && w < WORDS; w++)
		if (q->words.word[w])
			argp_error(state, "--%s: given beside --proto, which asks for a connection and no request",
				   request_option((enum request_word)w));
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct question *q = state->input;

	switch (key) {
	case KEY_FROM:
		q->words.from = arg;
		return 0;
	case KEY_TO:
		q->words.to = arg;
		return 0;
	case KEY_REQUESTS:
		q->requests = arg;
		return 0;
	case KEY_PROTO:
		q->proto = arg;
		return 0;
	case KEY_PORT:
		q->port = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (q->path)
			argp_error(state, "unexpected argument '%s'", arg);
		q->path = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(state, q);
		return 0;
	}
	if (key < KEY_WORD || key >= KEY_WORD + WORDS)
		return ARGP_ERR_UNKNOWN;
	q->words.word[key - KEY_WORD] = arg;
	return 0;
}

/* ---- as text ---- */

static void print_who(const char *name, const struct prefix *address)
{
	char buf[PREFIX_TEXT_MAX];

	prefix_format(address, buf);
	if (name)
		printf("%s (%s)", name, buf);
	else
		printf("%s", buf);
}

static void print_asked(const struct explained *e, const json_t *fields)
{
	const struct policy_asset *asset = e->x.asset ? &e->p->assets[e->x.asset - 1] : NULL;
	const char *extra = json_string_value(json_object_get(fields, "class_name"));

	if (!explain_allowed(e))
		printf("denied%s: ", e->p->mode == KS_MONITOR ? " ('mode: monitor' lets it pass)" : "");
	else
		printf("allowed: ");
	print_who(e->asked.from, &e->asked.q.client);
	printf(" -> ");
	print_who(e->asked.to ? e->asked.to : asset ? asset->name : NULL, &e->asked.q.server);
	putchar(':');
	leaf_phrase(stdout, fields);
	if (json_object_get(fields, "io"))
		printf(" %s", json_string_value(json_object_get(fields, "io")));
	if (extra)
		printf(" (%s)", extra);
	for (size_t i = 0; i < e->asked.q.n_values; i++)
		printf("%s%u", i ? "," : " values ", e->asked.q.values[i]);
	printf(e->asked.unit_chosen ? " (no --unit given)\n" : "\n");
}

/* What the parts and elements say one by one, where they do not all say the same. */
static void print_runs(const struct explained *e)
{
	if (e->x.n_parts == 1 && e->x.part[0].n == 1)
		return;
	for (size_t i = 0; i < e->x.n_parts; i++) {
		const struct part_answer *a = &e->x.part[i];

		for (size_t k = 0; k < a->n; k++) {
			const struct decided *d = &a->run[k];

			printf("  ");
			explain_part_name(stdout, &e->asked.q, &a->part, d->of.lo);
			if (explain_has_elements(&e->asked.q, &a->part))
				putchar(' ');
			explain_elements(stdout, &e->asked.q, &a->part, d->of);
			printf(": %s by %s%s'", d->allow ? "allowed" : "denied",
			       d->rule ? "rule '" : "'default: ", d->rule ?
			       explain_rule_name(e, d->rule) : explain_default_name(e));
			if (d->alert)
				printf(", marked by rule '%s'", explain_rule_name(e, d->alert));
			putchar('\n');
		}
	}
}

static void print_decision(const struct explained *e)
{
	struct pos at = explain_place(e);
	char *line;

	if (!e->x.run->rule) {
		printf("decided by 'default: %s'", explain_default_name(e));
		if (at.line)
			printf(" (%s:%u)", e->path, at.line);
		printf(": ");
		explain_default(stdout, e);
		putchar('\n');
		return;
	}
	printf("decided by rule '%s' (%s:%u)", explain_rule_name(e, e->x.run->rule), e->path, at.line);
	line = explain_line(e);
	printf(line ? ": %s\n" : "\n", line);
	free(line);
}

static void print_considered(const struct explained *e)
{
	const struct request_part *part = explain_about(e);
	struct elements first = { e->x.run->of.lo, e->x.run->of.lo };

	if (!e->x.n_considered)
		return;
	printf("rules considered");
	if (explain_has_elements(&e->asked.q, part)) {
		printf(" for ");
		explain_elements(stdout, &e->asked.q, part, first);
	}
	explain_written(stdout, e);
	puts(":");
	for (size_t i = 0; i < e->x.n_considered; i++) {
		printf("  rule '%s' (%s:%u): ", e->p->rules[i].name, e->path,
		       e->p->rules[i].at.line);
		explain_rule(stdout, e, i);
		putchar('\n');
	}
}

static int print_text(const struct explained *e)
{
	json_t *fields = explain_fields(&e->asked.q);

	print_asked(e, fields);
	json_decref(fields);
	if (!e->x.run) {
		printf("decided before the rules: ");
		explain_reason(stdout, e);
		putchar('\n');
		return EXIT_OK;
	}
	print_decision(e);
	if (explain_no_connection(e))
		printf("  the connection itself is refused: %s (%s)\n",
		       name_reason_text(KS_R_pair_denied), name_reason(KS_R_pair_denied));
	if (e->x.alert)
		printf("alert: also marked by rule '%s' (%s:%u)\n", explain_rule_name(e, e->x.alert),
		       e->path, e->p->rules[e->x.alert - 1].at.line);
	print_runs(e);
	print_considered(e);
	return EXIT_OK;
}

/* ---- the command ---- */

/* Who is asked; line: of the file of requests, 0 = there is none. */
struct asker {
	struct explained e;
	const struct question *q;
	const struct compiled_policy *tables;
	unsigned int line;
	int rc;
};

static int print_answer(const struct asker *a)
{
	json_t *answer;

	if (!options.json) {
		if (a->line > 1)
			putchar('\n');
		return print_text(&a->e);
	}
	answer = explain_json(&a->e);
	if (answer && a->line)
		json_object_set_new(answer, "request_line", json_integer(a->line));
	return print_json_line(answer);
}

static void complain_about(const struct asker *a, const struct diags *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (a->line)
			request_line_wrong(a->q->requests, a->line, "%s", d->v[i].message);
		else
			complain("%s", d->v[i].message);
	}
}

static bool explain(void *arg, const struct request_words *words, unsigned int line)
{
	struct asker *a = arg;
	struct explained *e = &a->e;
	struct arena mem = { 0 };
	struct diags d;
	bool good;

	a->line = line;
	diags_init(&d, e->path);
	good = request_read(e->p, words, &mem, &e->asked, &d);
	if (good) {
		policy_explain(e->p, &e->asked.q, &e->x);
		e->pair = policy_pair_flags(a->tables, &e->asked.q.client, &e->asked.q.server);
		a->rc |= print_answer(a);
		explanation_free(&e->x);
	}
	complain_about(a, &d);
	diags_free(&d);
	arena_free(&mem);
	return good;
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "FILE",
		.doc = "Says which rule of a policy decides a request, why, and what the rules "
		       "before it say. A name stands for its first address. Nothing in the kernel "
		       "is looked at. Exits 0 whatever the verdict is."
		       "\vRequests: --function NAME [--unit N] [--address N[-M]]; --umas NAME; "
		       "--service NAME [--class NAME | --tag TAG] ...; --pccc NAME [--file FILE]; "
		       "--io run. Connections: --proto tcp --port N. Names are those of 'keyswitch groups'.",
	};
	struct question q = { 0 };
	struct asker a = { .q = &q };
	struct compiled_policy *tables;
	struct policy *policy;
	int rc;

	argp_parse(&argp, argc, argv, 0, NULL, &q);
	policy = load_rules(q.path, &tables, &rc);
	if (!policy)
		return rc;
	a.e.path = q.path;
	a.e.p = policy;
	a.tables = tables;
	if (q.proto)
		rc = explain_service(policy, &(struct service_question){
			q.path, q.words.from, q.words.to, q.proto, q.port });
	else if (q.requests)
		rc = request_lines(q.requests, explain, &a);
	else
		rc = explain(&a, &q.words, 0) ? EXIT_OK : EXIT_USAGE;
	if (a.rc || fflush(stdout))
		rc = EXIT_ENVIRONMENT;
	compiled_policy_free(tables);
	policy_free(policy);
	return rc;
}

const struct command cmd_explain = {
	"explain", "say which rule decides a request, and why", run,
};
