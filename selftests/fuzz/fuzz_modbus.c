/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer entry for bpf/modbus.h: the input is a TCP stream of ADUs. Besides reads
 * beyond the input it looks for I4: an ADU that passes must end where a server that
 * frames by function code, and never looks at the MBAP length, says that it ends.
 */
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/modbus.h"

/* Request bytes from the function code on, as such a server counts them; 0 = no rule. */
static uint32_t length_by_function(const uint8_t *pdu)
{
	switch (pdu[0]) {
	case 1: case 2: case 3: case 4: case 5: case 6:
		return 5;
	case 7: case 11: case 12: case 17:
		return 1;
	case 15: case 16:
		return 6 + pdu[5];
	case 22:
		return 7;
	case 23:
		return 10 + pdu[9];
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t opaque[16] = { [90 / 8] = 1 << 90 % 8 };
	struct view v = { .base = data, .len = size };
	struct ks_leaf leaf;

	while (v.len) {
		struct view rest = v;
		int n = modbus_frame(&v);

		if (n <= 0 || (uint32_t)n > v.len)
			break;
		if (n < 8 || n > 260)
			__builtin_trap();
		v.len = n;
		if (!modbus_dissect(&v, opaque, &leaf)) {
			uint32_t want = length_by_function(v.base + 7);

			if ((want && want + 7 != v.len) || leaf.function != v.base[7])
				__builtin_trap();
		}
		v = (struct view){ .base = rest.base + n, .len = rest.len - n };
	}
	return 0;
}
