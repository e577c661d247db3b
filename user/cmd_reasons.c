// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch reasons`: what each reason code means, where it usually comes from, and what
 * to do about it; docs/reasons.md is its output. Must not touch the kernel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/reasons.h"
#include "../bpf/shared.h"
#include "command.h"
#include "names.h"
#include "options.h"
#include "reason_advice.h"
#include "results.h"

#define EFFECT_PASS	"passes"
#define EFFECT_DROP	"stopped"
#define EFFECT_TX	"answered"
#define EFFECT_TEXT(sym, effect, kind, text) [KS_R_##sym] = EFFECT_##effect,
#define EVENT_KIND(sym, effect, kind, text) [KS_R_##sym] = kind,

static const char *const effects[KS_REASONS] = { KS_REASON_LIST(EFFECT_TEXT) };
static const uint8_t kinds[KS_REASONS] = { KS_REASON_LIST(EVENT_KIND) };

enum { KEY_MARKDOWN = 0x2000 };

static const struct argp_option table[] = {
	{ "markdown", KEY_MARKDOWN, NULL, 0, "As the page docs/reasons.md", 0 },
	{ 0 }
};

struct arguments {
	uint32_t chosen[KS_REASONS];
	size_t n;
	bool markdown;
};

static void choose(struct argp_state *state, struct arguments *args, const char *name)
{
	for (uint32_t r = 0; r < KS_REASONS && args->n < KS_REASONS; r++)
		if (!strcmp(name_reason(r), name)) {
			args->chosen[args->n++] = r;
			return;
		}
	argp_error(state, "unknown reason '%s', expected one of 'keyswitch reasons'", name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case KEY_MARKDOWN:
		args->markdown = true;
		return 0;
	case ARGP_KEY_ARG:
		choose(state, args, arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		for (args->n = 0; args->n < KS_REASONS; args->n++)
			args->chosen[args->n] = (uint32_t)args->n;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const char *event_of(uint32_t reason)
{
	return kinds[reason] ? name_event_kind(kinds[reason]) : "counted only";
}

static int print_reasons_json(const struct arguments *args)
{
	json_t *list = json_array();

	for (size_t i = 0; i < args->n; i++) {
		uint32_t r = args->chosen[i];
		const struct reason_advice *a = reason_advice(r);

		json_array_append_new(list, json_pack(
			"{s:s, s:i, s:s, s:s, s:s, s:s, s:s}", "reason", name_reason(r), "id", (int)r,
			"effect", effects[r], "event", event_of(r), "means", name_reason_text(r),
			"cause", a->cause ? a->cause : "", "advice", a->advice ? a->advice : ""));
	}
	return print_json(json_pack("{s:o}", "reasons", list));
}

static void print_text(const struct arguments *args)
{
	for (size_t i = 0; i < args->n; i++) {
		uint32_t r = args->chosen[i];
		const struct reason_advice *a = reason_advice(r);

		printf("%s (%s, %s): %s\n  cause  %s\n  do     %s\n", name_reason(r), effects[r],
		       event_of(r), name_reason_text(r), a->cause, a->advice);
	}
}

static void print_page(const struct arguments *args)
{
	puts("# Reason codes\n\n"
	     "Made by `keyswitch reasons --markdown` from the data path's own list (`bpf/reasons.h`): do not edit.\n"
	     "Each packet is counted under one of them (`keyswitch counters`, `keyswitch_packets_total`), each event\n"
	     "names one. `keyswitch reasons policy_deny` prints a row at a terminal. In mode monitor everything passes,\n"
	     "whatever the second column says.\n\n"
	     "| reason | enforce mode | event | means | likely cause | what to do |\n|---|---|---|---|---|---|");
	for (size_t i = 0; i < args->n; i++) {
		uint32_t r = args->chosen[i];
		const struct reason_advice *a = reason_advice(r);

		printf("| `%s` | %s | %s | %s | %s | %s |\n", name_reason(r), effects[r], event_of(r),
		       name_reason_text(r), a->cause, a->advice);
	}
}

static int run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = table, .parser = parse, .children = options_child,
		.args_doc = "[REASON...]",
		.doc = "Prints what reason codes of counters and events mean, where they usually come "
		       "from, and what to do.",
	};
	struct arguments args = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (options.json)
		return print_reasons_json(&args);
	if (args.markdown)
		print_page(&args);
	else
		print_text(&args);
	return EXIT_OK;
}

const struct command cmd_reasons = {
	.name = "reasons", .help = "what a reason code means and what to do", .run = run,
};
