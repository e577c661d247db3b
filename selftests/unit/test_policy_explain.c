// SPDX-License-Identifier: GPL-2.0-only
/*
 * Explanations: over random policies the verdict and the rule must be those of the
 * reference and of the compiled tables, and what is said of each rule must hold; then
 * single sentences, one a selector.
 */
#include "../../user/explain_text.h"
#include "../../user/names.h"
#include "../../user/policy_lookup.h"
#include "policy_asked.h"
#include "policy_built.h"
#include "test.h"

#define POLICIES	100
#define REQUESTS	200
#define SHARE_MIN	30	/* percent of allowed, and of denied, requests */

struct shares {
	unsigned int asked, allowed, denied, by_rule;
};

/* What is refused whatever the rules say, by the words of the language. */
static enum ks_reason before_rules(const struct policy *p, const struct request *q,
				   const struct answer *ref)
{
	static const uint8_t passed[] = { 1, 2, 3, 4, 5, 6, 15, 16, 22 };
	const struct policy_asset *a;
	bool opaque;

	if (ref->spoofed)
		return KS_R_spoofed;
	if (ref->outside)
		return KS_R_zone_unknown;
	a = ref->known ? &p->assets[ref->asset - 1] : NULL;
	if (!a || !(q->cip ? a->enip : a->modbus))
		return p->unlisted == KS_ALLOW ? KS_R_unlisted_allowed : KS_R_unlisted;
	if (q->cip) {
		if (q->class == (KS_CLASS_PCCC | 31) && q->service == 8)
			return KS_R_nesting;
		return q->class == 0x44 && q->service == 0x51 &&
		       !(q->inner && memchr(passed, (int)q->fc, sizeof(passed))) ?
		       KS_R_function_opaque : KS_R_ok;
	}
	opaque = q->fc == 90 ? !a->umas :
		 !(a->opaque[q->fc / 8] >> q->fc % 8 & 1) &&
		 !(q->fc <= 8 || q->fc == 11 || q->fc == 12 || (q->fc >= 15 && q->fc <= 17) ||
		   (q->fc >= 20 && q->fc <= 24) || (q->fc == 43 && q->sub == 14));
	if (opaque)
		return KS_R_function_opaque;
	return ref_span(&a->units, q->unit) ? KS_R_ok : KS_R_unit_unlisted;
}

/* The last rule looked at is the one that decides, and no other says that it does. */
static bool considered_holds(const struct policy *p, const struct explanation *x)
{
	size_t n = x->n_considered;
	bool decides = n && x->considered[n - 1] <= RULE_SHUTS;

	for (size_t i = 0; i + 1 < n; i++)
		if (x->considered[i] <= RULE_SHUTS)
			return false;
	if (x->run->rule)
		return decides && x->run->rule == n && x->considered[n - 1] == RULE_DECIDES;
	return x->run->shut ? decides && x->considered[n - 1] == RULE_SHUTS
			    : !decides && n == p->n_rules;
}

static bool runs_cover(const struct part_answer *a)
{
	uint64_t at = a->part.of.lo;

	for (size_t i = 0; i < a->n; i++) {
		if (a->run[i].of.lo != at || a->run[i].of.hi < a->run[i].of.lo)
			return false;
		at = (uint64_t)a->run[i].of.hi + 1;
	}
	return at == (uint64_t)a->part.of.hi + 1;
}

static bool explained(const struct policy *p, const struct request *q,
		      const struct answer *ref, const struct explanation *x)
{
	enum ks_reason before = before_rules(p, q, ref);
	bool ok = x->asset == ref->asset;

	if (before != KS_R_ok)
		return ok && x->reason == before;
	ok &= x->reason == (ref->allow ? KS_R_ok : KS_R_policy_deny);
	ok &= x->run && x->run->rule == ref->rule && x->run->allow == ref->allow &&
	      x->alert == ref->alert;
	for (size_t i = 0; i < x->n_parts; i++)
		ok &= runs_cover(&x->part[i]);
	return ok && considered_holds(p, x);
}

/* Three of four requests that no rule would see are asked again as others. */
static void pick_request(const struct policy *p, struct request *q, struct answer *ref)
{
	do {
		border_request(p, q);
		*ref = ref_answer(p, q);
	} while (before_rules(p, q, ref) != KS_R_ok && any(4));
}

static uint32_t table_flags(const struct compiled_policy *c, const struct request *q)
{
	struct answer a = { .known = false };
	const struct ks_profile_rec *prof = tab_profile(c, q, &a);

	return prof ? prof->flags : 0;
}

static bool one_request(const struct policy *p, const struct compiled_policy *c,
			struct shares *s)
{
	char tag[KS_TAG_MAX + 1];
	struct policy_request asked;
	struct answer ref, tab;
	struct explanation x;
	struct request q;
	bool ok;

	pick_request(p, &q, &ref);
	tab = tab_answer(c, &q);
	asked = convert(&q, tag);
	policy_explain(p, &asked, &x);
	ok = CHECK(explained(p, &q, &ref, &x)) &&
	     CHECK(!ref.known || (tab.allow == ref.allow && tab.rule == ref.rule &&
				  tab.alert == ref.alert));
	/* what passes is of a pair that may connect */
	if (x.run && x.reason == KS_R_ok)
		ok &= CHECK(policy_pair_flags(c, &q.client, &q.server) &
			    (!q.cip ? KS_PROFILE_MODBUS :
			     q.class == KS_CLASS_IO ? KS_PROFILE_IO : KS_PROFILE_ENIP));
	ok &= CHECK(policy_pair_flags(c, &q.client, &q.server) == table_flags(c, &q));
	s->asked++;
	s->allowed += reason_passes(x.reason);
	s->denied += !reason_passes(x.reason);
	s->by_rule += x.run && x.run->rule;
	if (!ok)
		printf("  fc %u sub %u unit %u at %u+%u cip %d class %#x service %#x: reason %d rule %u, reference %d rule %u\n",
		       q.fc, q.sub, q.unit, q.lo, q.n, q.cip, q.class, q.service, x.reason,
		       x.run ? x.run->rule : 0, ref.allow, ref.rule);
	explanation_free(&x);
	return ok;
}

static void one_policy(struct shares *s)
{
	static struct text t;
	struct built b;

	write_policy(&t);
	build(&b, t.buf, t.n);
	for (int i = 0; b.c && i < REQUESTS; i++) {
		if (one_request(b.p, b.c, s))
			continue;
		printf("%s", t.buf);
		break;
	}
	built_free(&b);
}

static void run_seed(uint64_t start)
{
	struct shares s = { 0 };

	seed = start ? start : 1;
	for (int i = 0; i < POLICIES && !test_bad_checks; i++)
		one_policy(&s);
	printf("# %u requests: %u %% allowed, %u %% denied, %u %% by a rule\n", s.asked,
	       100 * s.allowed / s.asked, 100 * s.denied / s.asked, 100 * s.by_rule / s.asked);
	CHECK(100 * s.allowed >= SHARE_MIN * s.asked);
	CHECK(100 * s.denied >= SHARE_MIN * s.asked);
}

TEST(explain_equals_reference_and_tables_fixed_seed)
{
	run_seed(20261127);
}

TEST(explain_equals_reference_and_tables_random_seed)
{
	run_seed(random_start());
}

/* ---- words ---- */

static const char plant[] =
	"version: 1\n"
	"default: readonly\n"
	"protected: 10.2.0.0/16\n"
	"hosts: {hmi: [10.1.0.1, 10.1.0.2], eng: 10.1.0.3, net: 10.8.0.0/24}\n"
	"groups: {staff: [hmi, eng]}\n"
	"assets:\n"
	"  plc: {address: 10.2.0.1, modbus: {units: [3, 1], umas: true}}\n"
	"  cnc: {address: [10.2.0.2, \"2001:db8:2::2\"], modbus: {}, enip: {route: 1/0}}\n"
	"rules:\n"
	"  - {name: mb, from: hmi, to: plc, action: allow, modbus: {unit: 1, functions: [6, 16, 8/4], addresses: [100-119, 4x201]}}\n"
	"  - {name: sub, from: staff, action: allow, modbus: {functions: [8/1]}}\n"
	"  - {name: um, from: staff, action: allow, umas: {functions: [read]}}\n"
	"  - {name: tag, from: staff, action: allow, cip: {services: [write_tag], tags: [Speed]}}\n"
	"  - {name: obj, from: 10.8.0.0/24, to: cnc, action: allow, cip: {classes: [assembly, 0x300], instances: [1-4, 9], attributes: 3, route: [direct, 1/3]}}\n"
	"  - {name: file, from: staff, action: allow, pccc: {functions: [write], files: [\"N7:0-20\", B3]}}\n"
	"  - {name: all, from: net, action: allow}\n"
	"  - {name: io, from: staff, io: idle-only}\n"
	"  - {name: eye, from: eng, to: cnc, action: alert, modbus: {functions: [6, 16], addresses: [300-303], values: 4-65535}}\n"
	"  - {name: val, from: eng, to: cnc, action: allow, rate: 5/min, burst: 9, modbus: {functions: [write], addresses: [300-301], values: [0-5, 9]}}\n"
	"  - {name: real, from: eng, to: cnc, action: allow, modbus: {functions: [write], addresses: [310-313], values: {type: float32, words: low-first, bounds: -0.5..1.5}}}\n"
	"  - {name: not, from: eng, to: cnc, action: deny, modbus: {functions: [write], addresses: [320-321], values: {type: int32, bounds: -1}}}\n"
	"  - {name: yes, from: eng, to: cnc, action: allow, modbus: {functions: [write], addresses: [320-321]}}\n"
	"  - {name: last, from: eng, to: cnc, action: allow, modbus: {functions: [write], addresses: [330-331], values: {type: uint32, bounds: 4294967295}}}\n";

static struct policy *read_plant(struct diags *d)
{
	struct policy *p;

	diags_init(d, "plant");
	p = policy_parse_text(plant, strlen(plant), d);
	if (!CHECK(p))
		diags_print(d, stdout, true);
	return p;
}

/* Words as on the command line, ended by NULL. */
static struct request_words words_of(const char *const *argv)
{
	struct request_words w = { .from = argv[0], .to = argv[1] };

	for (argv += 2; argv[0]; argv += 2)
		for (enum request_word i = 0; i < WORDS; i++)
			if (!strcmp(argv[0], request_option(i)))
				w.word[i] = argv[1];
	return w;
}

#define WORDS_MAX 14

struct sentence {
	const char *argv[WORDS_MAX];
	const char *rule;	/* whose sentence; NULL: why no rule is asked; "default" */
	const char *says;
};

static const struct sentence sentences[] = {
	{ { "10.1.0.9", "plc", "function", "6", "address", "100" }, "mb",
	  "from hmi does not hold 10.1.0.9" },
	{ { "hmi", "10.2.0.2", "function", "6", "address", "100" }, "mb",
	  "to plc does not hold cnc" },
	{ { "hmi", "plc", "function", "6", "address", "100" }, "mb",
	  "unit 1 does not hold 3" },
	{ { "hmi", "plc", "unit", "1", "function", "5", "address", "100" }, "mb",
	  "functions write_single_register, write_multiple_registers, force_listen_only do not hold write_single_coil" },
	{ { "hmi", "plc", "unit", "1", "function", "6", "address", "90" }, "mb",
	  "addresses 100-119, 4x201 do not hold 90 (4x91)" },
	{ { "hmi", "plc", "unit", "1", "function", "16", "address", "100-130" }, "mb",
	  "addresses 100-119, 4x201 do not hold 120 (4x121)" },
	{ { "hmi", "plc", "unit", "1", "function", "16", "address", "4x101-4x120" }, "mb",
	  "allows it" },
	{ { "eng", "plc", "function", "8/10" }, "sub",
	  "function restart_communications does not hold clear_counters" },
	{ { "eng", "cnc", "unit", "0", "function", "8/1" }, "sub",
	  "without 'unit' it allows broadcasts (unit 0) to read alone" },
	{ { "eng", "plc", "function", "6", "address", "1" }, "um", "is about UMAS" },
	{ { "eng", "plc", "umas", "stop_plc" }, "um",
	  "function read does not hold umas_stop_plc" },
	{ { "eng", "cnc", "service", "write_tag", "tag", "Other" }, "tag",
	  "tag speed does not hold other" },
	{ { "eng", "cnc", "service", "read_tag", "tag", "Speed" }, "tag",
	  "service write_tag does not hold read_tag" },
	{ { "eng", "cnc", "service", "write_tag", "tag", "Speed", "route", "1/3" }, "tag",
	  "without 'route' it opens the asset alone, not what is behind it by 1/3" },
	{ { "eng", "cnc", "service", "write_tag", "tag", "SPEED", "route", "1/0" }, "tag",
	  "allows it" },
	{ { "eng", "cnc", "service", "write_tag", "class", "symbol", "instance", "5" }, "tag",
	  "has 'tags', so writes by symbol instance are refused from here on" },
	{ { "net", "cnc", "service", "0x10", "class", "0x64" }, "obj",
	  "classes assembly, 0x300 do not hold program_name" },
	{ { "net", "cnc", "service", "0x10", "class", "4", "instance", "5" }, "obj",
	  "instances 1-4, 9 do not hold 5" },
	{ { "net", "cnc", "service", "0x10", "class", "0x300", "instance", "9" }, "obj",
	  "attribute 3 does not hold a path without one" },
	{ { "net", "cnc", "service", "0x10", "class", "4", "route", "2/10.9.0.1" }, "obj",
	  "routes direct, 1/3 do not hold 2/10.9.0.1" },
	{ { "eng", "cnc", "pccc", "word_range_write", "file", "N7:20-21" }, "file",
	  "files N7:0-20, B3 do not hold 7:21" },
	{ { "eng", "cnc", "pccc", "typed_logical_write_3", "file", "F7:3" }, "file",
	  "files N7:0-20, B3 do not hold F7:3" },
	{ { "eng", "cnc", "pccc", "0x0f/0x80" }, "file",
	  "function write does not hold change_mode" },
	{ { "eng", "cnc", "service", "reset", "class", "identity" }, "file", "is about PCCC" },
	{ { "eng", "cnc", "io", "run" }, "io",
	  "'io: idle-only' does not hold datagrams that count" },
	{ { "eng", "cnc", "io", "static" }, "io", "'io' is not 'static', so it needs a connection" },
	{ { "eng", "cnc", "io", "idle" }, "io", "allows it" },
	{ { "eng", "cnc", "function", "5", "address", "1" }, "default",
	  "write_single_coil is in group 'write': process data is changed" },
	{ { "eng", "cnc", "service", "write_tag", "class", "symbol" }, "default",
	  "rule 'tag' has 'tags', so writes by symbol instance need a rule before it" },
	{ { "eng", "cnc", "function", "6", "address", "300", "value", "7" }, "eye", "marks it" },
	{ { "eng", "cnc", "function", "6", "address", "300", "value", "3" }, "eye",
	  "value 4-65535 does not hold 3" },
	{ { "eng", "cnc", "function", "6", "address", "300", "value", "7" }, "val",
	  "values 0-5, 9 do not hold 7" },
	{ { "eng", "cnc", "function", "6", "address", "300", "value", "9" }, "val",
	  "allows it, at most 5/min (9 at once)" },
	{ { "eng", "cnc", "function", "6", "address", "300", "value", "-1", "value-type", "int16" },
	  "val", "values 0-5, 9 do not hold 65535" },
	{ { "eng", "cnc", "function", "16", "address", "300-301", "value", "5,6" }, "val",
	  "values 0-5, 9 do not hold 6" },
	{ { "eng", "cnc", "function", "6", "address", "300" }, "val",
	  "has 'values', and no --value was given" },
	{ { "eng", "cnc", "function", "22", "address", "300", "value", "3,8" }, "val",
	  "values 0-5, 9 do not hold all that the masks may write, 8 to 11" },
	{ { "eng", "cnc", "function", "23", "address", "0", "write-address", "300", "value", "6" },
	  "val", "values 0-5, 9 do not hold 6" },
	{ { "eng", "cnc", "function", "16", "address", "310-311", "value", "-0.75", "value-type",
	    "float32,low-first" }, "real", "value -0.5..1.5 does not hold -0.75" },
	{ { "eng", "cnc", "function", "16", "address", "310-313", "value", "1.5", "value-type",
	    "float32,low-first" }, "real", "allows it" },
	{ { "eng", "cnc", "function", "16", "address", "311-312", "value", "0" }, "real",
	  "has 'values' of two registers, which are not written together" },
	{ { "eng", "cnc", "function", "6", "address", "320", "value", "0" }, "not", "denies it" },
	{ { "eng", "cnc", "function", "16", "address", "320-321", "value", "-1", "value-type",
	    "int32" }, "not", "denies it" },
	{ { "eng", "cnc", "function", "16", "address", "320-321", "value", "0,1" }, "not",
	  "value -1 does not hold 1" },
	{ { "10.2.0.2", "plc", "function", "17" }, NULL,
	  "10.2.0.2 is of the protected side (protected: 10.2.0.0/16), so as a client it is spoofed" },
	{ { "eng", "10.3.0.1", "function", "17" }, NULL, "10.3.0.1 is no asset ('unlisted: deny')" },
	{ { "eng", "plc", "service", "list_identity" }, NULL,
	  "asset 'plc' speaks no EtherNet/IP ('unlisted: deny')" },
	{ { "eng", "plc", "unit", "2", "function", "17" }, NULL,
	  "asset 'plc' lists units 3, 1, not 2" },
	{ { "eng", "plc", "function", "100" }, NULL,
	  "function 100 has no length rule and asset 'plc' does not list it under 'opaque'" },
	{ { "eng", "cnc", "service", "0x51", "class", "modbus", "function", "43/14" }, NULL,
	  "a passthrough of function 43 cannot be judged" },
};

static void write_sentence(FILE *out, const struct sentence *s, const struct explained *e)
{
	size_t i = 0;

	if (!s->rule) {
		CHECK(!e->x.run);
		explain_reason(out, e);
		return;
	}
	if (!CHECK(e->x.run))
		return;
	if (!strcmp(s->rule, "default")) {
		CHECK(!e->x.run->rule);
		explain_default(out, e);
		return;
	}
	while (i < e->x.n_considered && strcmp(e->p->rules[i].name, s->rule))
		i++;
	if (CHECK(i < e->x.n_considered))
		explain_rule(out, e, i);
}

TEST(explain_sentences)
{
	struct diags d;
	struct policy *p = read_plant(&d);

	for (size_t i = 0; p && i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		const struct sentence *s = &sentences[i];
		struct request_words w = words_of(s->argv);
		struct explained e = { .path = "plant", .p = p };
		struct arena mem = { 0 };
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		if (CHECK(request_read(p, &w, &mem, &e.asked, &d))) {
			policy_explain(p, &e.asked.q, &e.x);
			write_sentence(f, s, &e);
			explanation_free(&e.x);
		}
		fclose(f);
		if (!CHECK(!strcmp(text, s->says)))
			printf("  %zu: '%s'\n  expected '%s'\n", i, text, s->says);
		free(text);
		arena_free(&mem);
	}
	diags_print(&d, stdout, true);
	policy_free(p);
	diags_free(&d);
}

/* Behind the last number that two registers hold comes none: it is not asked about too. */
TEST(explain_the_largest_value)
{
	static const char *const argv[] = { "eng", "cnc", "function", "16", "address", "330-331",
					    "value", "65535", NULL };
	struct request_words w = words_of(argv);
	struct explained e = { 0 };
	struct arena mem = { 0 };
	struct diags d;
	struct policy *p = read_plant(&d);

	if (p && CHECK(request_read(p, &w, &mem, &e.asked, &d))) {
		policy_explain(p, &e.asked.q, &e.x);
		CHECK(e.x.reason == KS_R_ok && e.x.run && e.x.run->rule == p->n_rules);
		explanation_free(&e.x);
	}
	arena_free(&mem);
	policy_free(p);
	diags_free(&d);
}

struct refusal {
	const char *argv[WORDS_MAX];
	const char *says;
};

static const struct refusal refusals[] = {
	{ { "hmj", "plc", "function", "6", "address", "1" },
	  "--from: unknown host 'hmj', expected an address or a name of the policy; did you mean 'hmi'?" },
	{ { "staff", "plc", "function", "6", "address", "1" },
	  "--from: 'staff' is a group, expected a single host or address" },
	{ { "10.1.0.0/24", "plc", "function", "6", "address", "1" },
	  "--from: '10.1.0.0/24', expected a single address" },
	{ { "2001:db8::1", "plc", "function", "6", "address", "1" },
	  "--to: 'plc' is IPv4, expected an address of the client's family, IPv6" },
	{ { "hmi", "plc" }, "no request, expected --function, --umas, --service, --pccc or --io" },
	{ { "hmi", "plc", "function", "6" },
	  "--function: function 6 has addresses, expected --address" },
	{ { "hmi", "plc", "function", "write", "address", "1" },
	  "--function: unknown function 'write', expected a function name, a code, or a code with its sub-function such as '8/4'" },
	{ { "hmi", "plc", "function", "8" },
	  "--function: function 8 has sub-functions, expected one as in '8/0'" },
	{ { "hmi", "plc", "function", "90" }, "--function: function 90 is UMAS, expected --umas" },
	{ { "hmi", "plc", "function", "17", "address", "1" },
	  "--address: function 17 has no addresses, expected none" },
	{ { "hmi", "plc", "function", "6", "address", "1x1" },
	  "--address: '1x1' is an address of discrete inputs, expected one of holding registers" },
	{ { "hmi", "plc", "function", "6", "address", "9-1" },
	  "--address: range '9-1' is empty, expected the lower address first" },
	{ { "hmi", "plc", "function", "6", "address", "1", "unit", "256" },
	  "--unit: '256', expected a unit id (0 to 255)" },
	{ { "hmi", "plc", "function", "23", "address", "1" },
	  "--function: function 23 has addresses, expected --write-address" },
	{ { "hmi", "plc", "function", "6", "address", "1", "write-address", "1" },
	  "--write-address: function 6 is not 23, expected none" },
	{ { "hmi", "plc", "function", "6", "address", "1", "tag", "x" },
	  "--tag: given beside --function, which it says nothing about" },
	{ { "hmi", "plc", "umas", "0x38" },
	  "--umas: '0x38' is judged as the function that it signs, expected that" },
	{ { "hmi", "plc", "function", "90/0x38" },
	  "--function: '90/0x38' is judged as the function that it signs, expected that" },
	{ { "hmi", "cnc", "service", "0x4d" },
	  "--service: '0x4d' without its class, expected --class, or --tag" },
	{ { "hmi", "cnc", "service", "write_tag" },
	  "--service: 'write_tag' is a service of several classes, expected --tag, or --class 'symbol'" },
	{ { "hmi", "cnc", "service", "write_tag", "class", "identity" },
	  "--service: 'write_tag' is no service of the class given, expected one of it or its code" },
	{ { "hmi", "cnc", "service", "write_tag", "class", "symbol", "tag", "x" },
	  "--tag: given beside --class, expected a tag alone: a symbolic path has no class" },
	{ { "hmi", "cnc", "service", "execute_pccc" },
	  "--service: 'execute_pccc' is judged as the command in it, expected --pccc" },
	{ { "hmi", "cnc", "service", "implicit_io" },
	  "--service: 'implicit_io' is implicit I/O, expected --io" },
	{ { "hmi", "cnc", "service", "send_rr_data" },
	  "--service: 'send_rr_data' is judged as what it carries, expected that" },
	{ { "hmi", "cnc", "service", "list_identity", "instance", "1" },
	  "--service: 'list_identity' is a command, expected neither --instance, --attribute nor --route" },
	{ { "hmi", "cnc", "service", "modbus_passthrough", "address", "1" },
	  "--service: the request in it is not known, expected --function" },
	{ { "hmi", "cnc", "service", "modbus_write_coils" },
	  "--function: function 15 has addresses, expected --address" },
	{ { "hmi", "cnc", "service", "reset", "class", "1", "address", "1" },
	  "--address: only services of class 'modbus' have one, expected none" },
	{ { "hmi", "cnc", "service", "reset", "class", "1", "route", "1" },
	  "--route: '1', expected 'direct' or port/address of each hop, as in '1/0', '2/10.99.0.2' or '1/3,2/10.99.0.2'" },
	{ { "hmi", "cnc", "pccc", "change_mode", "file", "N7:1" },
	  "--file: elements of 'change_mode' are not known, expected none" },
	{ { "hmi", "cnc", "io", "fast" }, "--io: 'fast', expected 'run', 'idle' or 'static'" },
	{ { "hmi", "cnc", "function", "3", "address", "1", "value", "1" },
	  "--value: given beside a request that writes no values, expected none" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value", "65536" },
	  "--value: '65536' is no uint16 (see --value-type), expected a number of that type" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value", "-32769", "value-type", "int16" },
	  "--value: '-32769' is no int16, expected a number of that type" },
	{ { "hmi", "cnc", "function", "16", "address", "1-3", "value", "1,2" },
	  "--value: 2 given, expected 3, or one for all" },
	{ { "hmi", "cnc", "function", "22", "address", "1", "value", "1" },
	  "--value: 1 given, expected 2: the AND mask and the OR mask" },
	{ { "hmi", "cnc", "function", "16", "address", "1-3", "value", "1", "value-type", "uint32" },
	  "--value: 3 registers of numbers that take two each, expected an even number of addresses" },
	{ { "hmi", "cnc", "function", "5", "address", "1", "value", "2" },
	  "--value: '2' of a coil, expected 0 or 1" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value", "1,,2" },
	  "--value: '1,,2', expected a number, or several with ',' between" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value-type", "int16" },
	  "--value-type: given without --value, expected both" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value", "1", "value-type", "int16,low-first" },
	  "--value-type: 'int16,low-first', expected a type, and ',low-first' only behind 'uint32', 'int32' or 'float32'" },
	{ { "hmi", "cnc", "function", "6", "address", "1", "value", "1", "value-type", "real" },
	  "--value-type: 'real', expected 'uint16', 'int16', 'uint32', 'int32' or 'float32'" },
};

TEST(request_refusals)
{
	struct diags d;
	struct policy *p = read_plant(&d);

	for (size_t i = 0; p && i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct request_words w = words_of(refusals[i].argv);
		struct arena mem = { 0 };
		struct asked asked;
		struct diags own;

		diags_init(&own, "words");
		CHECK_AT(!request_read(p, &w, &mem, &asked, &own), i);
		if (!CHECK(own.n == 1 && !strcmp(own.v[0].message, refusals[i].says)))
			printf("  %zu: '%s'\n  expected '%s'\n", i,
			       own.n ? own.v[0].message : "", refusals[i].says);
		diags_free(&own);
		arena_free(&mem);
	}
	policy_free(p);
	diags_free(&d);
}

int main(void)
{
	return test_run_all();
}
