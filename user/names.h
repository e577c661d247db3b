/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of the contract as words: reasons, verdicts, actions, functions,
 * services, classes. Must not touch maps; names of rules and assets are in
 * instance.h.
 */
#ifndef KEYSWITCH_NAMES_H
#define KEYSWITCH_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define FUNCTION_NAME_MAX 96

/* All of these give "?" for a number that has no word. */
const char *name_reason(uint32_t reason);
const char *name_reason_text(uint32_t reason);
/* KS_A_PASS, KS_A_DROP or KS_A_TX: what becomes of a packet in enforce mode, if it is alone. */
uint32_t reason_effect(uint32_t reason);
/* Does a packet with this reason go on in enforce mode? */
int reason_passes(uint32_t reason);
const char *name_verdict(uint32_t verdict);
/* How a pair of ports is attached: wire, inline, client-only, tap. */
const char *name_attach(uint32_t wire, uint32_t sight);
const char *name_action(uint32_t action);
const char *name_proto(uint32_t proto);
const char *name_mode(uint32_t mode);
const char *name_role(uint32_t role);
const char *name_event_kind(uint32_t kind);
const char *name_value_type(uint32_t type);

/*
 * What a request asks for, as a counter label: "read_coils", "fc_65",
 * "write_tag/tag", "service_0x4b/class_0x300", "list_identity". class is that
 * of a ks_req_key.
 */
const char *name_function(char buf[FUNCTION_NAME_MAX], uint32_t proto, uint32_t class,
			  uint32_t function);
/* NULL if it has no name. */
const char *name_modbus(uint32_t function, uint32_t sub);
/* Likewise, and NULL if the sub-function itself has none. */
const char *name_modbus_exact(uint32_t function, uint32_t sub);
const char *name_command(uint32_t command);
const char *name_service(uint32_t service, uint32_t class);
const char *name_class(uint32_t class);
/* code: PCCC command << 8 | function */
const char *name_pccc(uint32_t code);
/* Letters of a data-table file's type as on the wire. */
const char *name_file_type(uint32_t type);

#endif
