/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request as words of a command line, read by the readers of rules so that names
 * and numbers mean the same. Must not judge and must not print.
 */
#ifndef KEYSWITCH_REQUEST_H
#define KEYSWITCH_REQUEST_H

#include "policy_says.h"

/* W(symbol, option, argument, help): the first ones say what kind of request it is */
#define REQUEST_WORDS(W) \
	W(FUNCTION, "function", "NAME|CODE[/SUB]", "Modbus function; inside 'modbus_passthrough' a code") \
	W(UMAS, "umas", "NAME|CODE", "UMAS function, Modbus 90") \
	W(SERVICE, "service", "NAME|CODE", "CIP service or encapsulation command") \
	W(PCCC, "pccc", "NAME|CMD/FNC", "PCCC command in CIP") \
	W(IO, "io", "run|idle|static", "Implicit I/O: counting, idle, or of no known connection") \
	W(UNIT, "unit", "N", "Modbus unit id (the first that the asset lists, else 1)") \
	W(ADDRESS, "address", "N[-M]", "Modbus addresses, also as 4x101; of function 23 those read") \
	W(WRITE_ADDRESS, "write-address", "N[-M]", "Addresses that function 23 writes") \
	W(VALUE, "value", "V[,V...]", "What is written, one for each address, or one for all; of function 22 both masks") \
	W(VALUE_TYPE, "value-type", "TYPE[,low-first]", "Values are int16, or of two registers: uint32, int32, float32 (uint16)") \
	W(CLASS, "class", "NAME|N", "CIP class") \
	W(INSTANCE, "instance", "N", "CIP instance (none)") \
	W(ATTRIBUTE, "attribute", "N", "CIP attribute (none)") \
	W(TAG, "tag", "TAG", "Symbolic path, instead of a class") \
	W(ELEMENTS, "elements", "N", "Elements from the tag on (1)") \
	W(FILE, "file", "FILE[:N[-M]]", "Data-table file of a PCCC command, as N7:0-20") \
	W(ROUTE, "route", "ROUTE", "Route of a CIP request, as 1/0 (direct)")

#define REQUEST_WORD(sym, option, arg, help) WORD_##sym,
enum request_word { REQUEST_WORDS(REQUEST_WORD) WORDS };
#undef REQUEST_WORD

#define WORD_KINDS (WORD_IO + 1)	/* words that say a kind of request */

struct request_words {
	const char *word[WORDS];	/* NULL: not given */
	const char *from, *to;
};

/* What the words stand for beside the request itself. */
struct asked {
	struct policy_request q;
	const char *from, *to;	/* name of the host and of the asset; NULL: an address was given */
	bool unit_chosen;	/* no --unit was given */
};

const char *request_option(enum request_word w);

/*
 * Reads the words with the names of p. False: each problem is in d with the option's
 * name in its text. What lasts lives in mem, which also holds what is read by the way.
 */
bool request_read(const struct policy *p, const struct request_words *words,
		  struct arena *mem, struct asked *out, struct diags *d);

#endif
