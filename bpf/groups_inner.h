/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the groups' table that is about protocols inside others: UMAS in Modbus
 * function code 90, PCCC in CIP's Execute_PCCC. Part of groups.h, which includes it;
 * same rules.
 */
#ifndef KEYSWITCH_GROUPS_INNER_H
#define KEYSWITCH_GROUPS_INNER_H

/*
 * M(90, sub-function, name, group), rows of KS_MODBUS_LIST. "upload" loads logic into
 * the controller, "download" reads it out.
 */
#define KS_UMAS_LIST(M) \
	M(90, 0x01, "umas_init_comm", read) M(90, 0x02, "umas_read_id", read) \
	M(90, 0x03, "umas_read_project_info", read) M(90, 0x04, "umas_read_plc_info", read) \
	M(90, 0x05, "umas_loader_info", read) M(90, 0x06, "umas_card_info", read) \
	M(90, 0x07, "umas_block_info", read) M(90, 0x0a, "umas_repeat", read) \
	M(90, 0x10, "umas_take_reservation", program) \
	M(90, 0x11, "umas_release_reservation", program) M(90, 0x12, "umas_keep_alive", read) \
	M(90, 0x20, "umas_read_memory_block", read) M(90, 0x21, "umas_write_memory_block", write) \
	M(90, 0x22, "umas_read_variables", read) M(90, 0x23, "umas_write_variables", write) \
	M(90, 0x24, "umas_read_coils_registers", read) \
	M(90, 0x25, "umas_write_coils_registers", write) \
	M(90, 0x26, "umas_data_dictionary", read) \
	M(90, 0x27, "umas_data_dictionary_preload", read) \
	M(90, 0x28, "umas_read_physical_address", program) \
	M(90, 0x29, "umas_write_physical_address", firmware) \
	M(90, 0x2a, "umas_browse_events", read) M(90, 0x30, "umas_init_upload", program) \
	M(90, 0x31, "umas_upload_block", program) M(90, 0x32, "umas_end_upload", program) \
	M(90, 0x33, "umas_init_download", program) M(90, 0x34, "umas_download_block", program) \
	M(90, 0x35, "umas_end_download", program) M(90, 0x36, "umas_backup", program) \
	M(90, 0x37, "umas_preload_blocks", program) \
	M(90, 0x39, "umas_read_eth_master_data", read) M(90, 0x40, "umas_start_plc", control) \
	M(90, 0x41, "umas_stop_plc", control) M(90, 0x42, "umas_init_plc", control) \
	M(90, 0x43, "umas_swap", program) M(90, 0x50, "umas_monitor_plc", program) \
	M(90, 0x51, "umas_get_auto_modif", read) M(90, 0x52, "umas_get_forced_bits", read) \
	M(90, 0x53, "umas_get_selected_blocks", read) M(90, 0x58, "umas_check_plc", read) \
	M(90, 0x60, "umas_set_breakpoint", control) \
	M(90, 0x61, "umas_delete_breakpoint", control) M(90, 0x62, "umas_step_over", control) \
	M(90, 0x63, "umas_step_in", control) M(90, 0x64, "umas_step_out", control) \
	M(90, 0x65, "umas_get_call_stack", read) M(90, 0x66, "umas_check_debug_allowed", read) \
	M(90, 0x6c, "umas_process_message", program) M(90, 0x6d, "umas_private", program) \
	M(90, 0x6e, "umas_reservation_nonces", program) M(90, 0x70, "umas_read_io_object", read) \
	M(90, 0x71, "umas_write_io_object", write) M(90, 0x72, "umas_read_rack", read) \
	M(90, 0x73, "umas_get_status_module", read) M(90, 0x74, "umas_read_device_data", read)

/*
 * P(command, function, name, group): PCCC inside execute_pccc (DF1 manual, chapter 7);
 * commands other than 06, 07 and 0F have no function and stand with 0. What has no row
 * is `other`.
 */
#define KS_PCCC_LIST(P) \
	P(0x00, 0x00, "protected_write", write) P(0x01, 0x00, "unprotected_read", read) \
	P(0x02, 0x00, "protected_bit_write", write) P(0x05, 0x00, "unprotected_bit_write", write) \
	P(0x08, 0x00, "unprotected_write", write) P(0x06, 0x00, "echo", read) \
	P(0x06, 0x01, "read_diagnostic_counters", read) P(0x06, 0x02, "set_variables", config) \
	P(0x06, 0x03, "diagnostic_status", read) P(0x06, 0x04, "set_timeout", config) \
	P(0x06, 0x05, "set_naks", config) P(0x06, 0x06, "set_enqs", config) \
	P(0x06, 0x07, "reset_diagnostic_counters", config) \
	P(0x06, 0x08, "set_data_table_size", config) P(0x06, 0x0a, "set_link_parameters", config) \
	P(0x07, 0x00, "disable_outputs", control) P(0x07, 0x01, "enable_outputs", control) \
	P(0x07, 0x03, "enable_scanning", control) P(0x07, 0x04, "enter_download_mode", program) \
	P(0x07, 0x05, "exit_download_upload_mode", program) \
	P(0x07, 0x06, "enter_upload_mode", program) P(0x0f, 0x00, "word_range_write", write) \
	P(0x0f, 0x01, "word_range_read", read) P(0x0f, 0x02, "bit_write", write) \
	P(0x0f, 0x03, "file_write", write) P(0x0f, 0x04, "file_read", read) \
	P(0x0f, 0x05, "download_request", program) P(0x0f, 0x06, "upload", program) \
	P(0x0f, 0x07, "shutdown", control) P(0x0f, 0x08, "physical_write", write) \
	P(0x0f, 0x09, "physical_read", read) P(0x0f, 0x0a, "restart_request", control) \
	P(0x0f, 0x11, "get_edit_resource", program) \
	P(0x0f, 0x12, "return_edit_resource", program) P(0x0f, 0x17, "read_bytes_physical", read) \
	P(0x0f, 0x18, "write_bytes_physical", write) P(0x0f, 0x26, "read_modify_write", write) \
	P(0x0f, 0x29, "read_section_size", read) P(0x0f, 0x3a, "set_cpu_mode", control) \
	P(0x0f, 0x41, "disable_forces", control) P(0x0f, 0x50, "download_all_request", program) \
	P(0x0f, 0x52, "download_completed", program) P(0x0f, 0x53, "upload_all_request", program) \
	P(0x0f, 0x55, "upload_completed", program) P(0x0f, 0x57, "initialize_memory", program) \
	P(0x0f, 0x5e, "modify_plc2_compatibility_file", program) \
	P(0x0f, 0x67, "typed_write", write) P(0x0f, 0x68, "typed_read", read) \
	P(0x0f, 0x79, "read_modify_write_n", write) P(0x0f, 0x80, "change_mode", control) \
	P(0x0f, 0x81, "open_file", program) P(0x0f, 0x82, "close_file", program) \
	P(0x0f, 0x88, "execute_multiple_commands", other) \
	P(0x0f, 0x8f, "apply_port_configuration", program) \
	P(0x0f, 0xa1, "typed_logical_read_2", read) P(0x0f, 0xa2, "typed_logical_read_3", read) \
	P(0x0f, 0xa7, "typed_file_read", read) P(0x0f, 0xa9, "typed_logical_write_2", write) \
	P(0x0f, 0xaa, "typed_logical_write_3", write) \
	P(0x0f, 0xab, "typed_logical_masked_write", write) \
	P(0x0f, 0xaf, "typed_file_write", write)

/* T(file type, letters): data-table files that policy can name. */
#define KS_PCCC_TYPE_LIST(T) \
	T(0x84, "S") T(0x85, "B") T(0x86, "T") T(0x87, "C") T(0x88, "R") T(0x89, "N") T(0x8a, "F") T(0x8b, "O") \
	T(0x8c, "I") T(0x8d, "ST") T(0x8e, "A") T(0x8f, "D") T(0x91, "L") T(0x92, "MG") T(0x93, "PD") T(0x94, "PLS")

#ifndef __bpf__
struct ks_pccc_row {
	__u32 code;		/* command << 8 | function */
	const char *name;
	enum ks_group group;
};

struct ks_pccc_type {
	__u32 code;
	const char *name;
};

static inline const struct ks_pccc_row *ks_pccc_rows(unsigned int *n)
{
#define KS_ROW(cmd, fnc, name, group) { (cmd) << 8 | (fnc), name, KS_G_##group },
	static const struct ks_pccc_row rows[] = { KS_PCCC_LIST(KS_ROW) };
#undef KS_ROW

	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

static inline const struct ks_pccc_type *ks_pccc_types(unsigned int *n)
{
#define KS_ROW(code, name) { code, name },
	static const struct ks_pccc_type rows[] = { KS_PCCC_TYPE_LIST(KS_ROW) };
#undef KS_ROW

	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

/* Keys of PCCC: which they are, and the code (command << 8 | function) of a pair. */
static inline int ks_is_pccc(__u32 key_class)
{
	return key_class >= KS_CLASS_PCCC && key_class < KS_CLASS_PCCC_END;
}

static inline __u32 ks_pccc_code(__u32 service, __u32 key_class)
{
	return (key_class >> 1 & 15) << 8 | (key_class & 1) << 7 | (service & 127);
}

static inline enum ks_group ks_pccc_group(__u32 code)
{
#define KS_ROW(cmd, fnc, name, group) case (cmd) << 8 | (fnc): return KS_G_##group;
	switch (code) {
	KS_PCCC_LIST(KS_ROW)
	}
#undef KS_ROW
	return KS_G_other;
}
#endif

#endif
