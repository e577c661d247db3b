// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keyswitch keygen` and `keyswitch sign`: keys, and signatures of policies, made where
 * policies are written. Need no privileges. Must not touch an instance.
 */
#include <stdio.h>

#include "command.h"
#include "options.h"
#include "results.h"
#include "signature.h"

static int run_keygen(int argc, char **argv)
{
	struct one_argument name = { .expected = "NAME" };
	char id[KEY_ID_TEXT];
	int rc;

	parse_plain(argc, argv, "Makes a key for signing policies: NAME.key, the secret, and "
		    "NAME.pub, a line for a gateway's 'require_signature'.", &name);
	if (!name.value) {
		complain("no name, expected 'keyswitch keygen NAME'");
		return EXIT_USAGE;
	}
	rc = signature_keygen(name.value, id);
	if (rc)
		return rc;
	if (options.json)
		return print_json(json_pack("{s:s}", "key", id));
	printf("key %s: %s.key is the secret, the line in %s.pub goes into '%s/require_signature' "
	       "of a gateway\n", id, name.value, name.value, options.state_dir);
	return EXIT_OK;
}

const struct command cmd_keygen = {
	.name = "keygen", .help = "make a key for signing policies", .run = run_keygen,
};

enum { KEY_KEY = 0x2000 };

struct arguments {
	const char *key;
	const char *policy;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	if (key == KEY_KEY)
		args->key = arg;
	else if (key == ARGP_KEY_ARG && !args->policy)
		args->policy = arg;
	else if (key == ARGP_KEY_ARG)
		argp_error(state, "'%s' is one argument too many, expected FILE", arg);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static int sign(const struct arguments *args)
{
	char id[KEY_ID_TEXT], digest[DIGEST_TEXT];
	struct compiled_policy *policy;
	int rc;

	/* what no gateway would take is not worth a signature */
	policy = load_policy(args->policy, DIAG_WARNING, &rc);
	if (!policy)
		return rc;
	digest_text(digest, policy->cfg->digest);
	rc = signature_make(args->policy, policy->cfg->digest, args->key, id);
	compiled_policy_free(policy);
	if (rc)
		return rc;
	if (options.json)
		return print_json(json_pack("{s:s, s:s}", "key", id, "digest", digest));
	printf("%s.sig: sha256 %.16s... signed by key %s\n", args->policy, digest, id);
	return EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct argp_option table[] = {
		{ "key", KEY_KEY, "FILE", 0, "Secret key, made by 'keyswitch keygen'", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		.options = table, .parser = parse, .args_doc = "FILE", .children = options_child,
		.doc = "Signs a policy: writes FILE.sig.",
	};
	struct arguments args = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.policy && args.key)
		return sign(&args);
	complain("no %s, expected 'keyswitch sign --key FILE POLICY'", args.key ? "policy" : "key");
	return EXIT_USAGE;
}

const struct command cmd_sign = {
	.name = "sign", .help = "sign a policy", .run = run,
};
