/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one table that puts every function code, sub-function, service, class and
 * encapsulation command into exactly one group, and gives each its name in the
 * policy language. bpf/, the policy compiler and `keyswitch groups` all use it.
 * A code twice in a list is a duplicate case label and does not compile.
 * Holds no policy: a group says what a request is, never whether it may pass.
 */
#ifndef KEYSWITCH_GROUPS_H
#define KEYSWITCH_GROUPS_H

#include "shared.h"

/* G(symbol, what the group holds) */
#define KS_GROUP_LIST(G) \
	G(read, "process data and object attributes are read") \
	G(diagnostic, "communication counters and status are read") \
	G(discovery, "the device is asked what it is") \
	G(session, "a session or explicit connection is opened, kept or closed") \
	G(io, "cyclic process data and the connections that carry it") \
	G(write, "process data is changed") \
	G(config, "settings of the device or its network are changed") \
	G(control, "run state is changed: start, stop, reset, mode") \
	G(program, "control logic is loaded, read out or changed") \
	G(firmware, "firmware or stored files are replaced") \
	G(other, "everything that no table names")

#define KS_GROUP_ENUM(sym, text) KS_G_##sym,
enum ks_group { KS_GROUP_LIST(KS_GROUP_ENUM) KS_GROUPS };
#undef KS_GROUP_ENUM

/* The groups that `default: readonly` allows. */
#define KS_READONLY_GROUPS \
	(1u << KS_G_read | 1u << KS_G_diagnostic | 1u << KS_G_discovery | 1u << KS_G_session)

/* Any sub-function, any class. */
#define KS_ANY 0xffffffffu

#include "groups_inner.h"

/*
 * M(function code, sub-function or KS_ANY, name, group). Codes without a row are
 * `other`. FC 23 stands here as the write that it is; policy judges it as FC 3
 * over its read span and as FC 16 over its write span. The sub-functions of FC 90 are
 * those of UMAS; under `umas` policy names them without the "umas_".
 */
#define KS_MODBUS_LIST(M) \
	M(1, KS_ANY, "read_coils", read) \
	M(2, KS_ANY, "read_discrete_inputs", read) \
	M(3, KS_ANY, "read_holding_registers", read) \
	M(4, KS_ANY, "read_input_registers", read) \
	M(5, KS_ANY, "write_single_coil", write) \
	M(6, KS_ANY, "write_single_register", write) \
	M(7, KS_ANY, "read_exception_status", diagnostic) \
	M(8, KS_ANY, "diagnostics", other) \
	M(8, 0, "return_query_data", diagnostic) \
	M(8, 1, "restart_communications", control) \
	M(8, 2, "return_diagnostic_register", diagnostic) \
	M(8, 3, "change_ascii_delimiter", config) \
	M(8, 4, "force_listen_only", control) M(8, 10, "clear_counters", control) \
	M(8, 11, "bus_message_count", diagnostic) \
	M(8, 12, "bus_communication_error_count", diagnostic) \
	M(8, 13, "bus_exception_error_count", diagnostic) \
	M(8, 14, "server_message_count", diagnostic) \
	M(8, 15, "server_no_response_count", diagnostic) M(8, 16, "server_nak_count", diagnostic) \
	M(8, 17, "server_busy_count", diagnostic) \
	M(8, 18, "bus_character_overrun_count", diagnostic) \
	M(8, 20, "clear_overrun_counter", control) \
	M(9, KS_ANY, "program_484", program) M(10, KS_ANY, "poll_484", program) \
	M(11, KS_ANY, "get_comm_event_counter", diagnostic) \
	M(12, KS_ANY, "get_comm_event_log", diagnostic) \
	M(13, KS_ANY, "program_controller", program) M(14, KS_ANY, "poll_controller", program) \
	M(15, KS_ANY, "write_multiple_coils", write) \
	M(16, KS_ANY, "write_multiple_registers", write) \
	M(17, KS_ANY, "report_server_id", discovery) \
	M(18, KS_ANY, "program_m84", program) \
	M(20, KS_ANY, "read_file_record", read) \
	M(21, KS_ANY, "write_file_record", write) \
	M(22, KS_ANY, "mask_write_register", write) \
	M(23, KS_ANY, "read_write_multiple_registers", write) \
	M(24, KS_ANY, "read_fifo_queue", read) \
	M(40, KS_ANY, "program_concept", program) \
	M(41, KS_ANY, "concept_41", program) \
	M(42, KS_ANY, "concept_symbol_table", program) \
	M(43, KS_ANY, "encapsulated_interface_transport", other) \
	M(43, 13, "canopen_general_reference", config) \
	M(43, 14, "read_device_identification", discovery) \
	M(90, KS_ANY, "umas", other) \
	KS_UMAS_LIST(M) \
	M(125, KS_ANY, "firmware_replacement", firmware) \
	M(126, KS_ANY, "program_584", program) \
	M(127, KS_ANY, "report_local_address", other)

/*
 * S(service, class or KS_ANY, name, group). The same name on several rows is the
 * same service on several kinds of path. Services that set attributes (KS_CIP_SETS)
 * take their group from the class; their KS_ANY rows hold for classes not listed.
 */
#define KS_CIP_LIST(S) \
	/* common services */ \
	S(0x01, KS_ANY, "get_attributes_all", read) \
	S(0x02, KS_ANY, "set_attributes_all", other) \
	S(0x03, KS_ANY, "get_attribute_list", read) \
	S(0x04, KS_ANY, "set_attribute_list", other) \
	S(0x05, KS_ANY, "reset", control) S(0x06, KS_ANY, "start", control) \
	S(0x07, KS_ANY, "stop", control) \
	S(0x08, KS_ANY, "create", config) S(0x09, KS_ANY, "delete", config) \
	S(0x0a, KS_ANY, "multiple_service_packet", other) \
	S(0x0d, KS_ANY, "apply_attributes", config) \
	S(0x0e, KS_ANY, "get_attribute_single", read) \
	S(0x10, KS_ANY, "set_attribute_single", other) \
	S(0x11, KS_ANY, "find_next_object_instance", read) \
	S(0x15, KS_ANY, "restore", config) S(0x16, KS_ANY, "save", config) \
	S(0x17, KS_ANY, "nop", session) \
	S(0x18, KS_ANY, "get_member", read) \
	S(0x19, KS_ANY, "set_member", other) S(0x1a, KS_ANY, "insert_member", other) \
	S(0x1b, KS_ANY, "remove_member", other) \
	S(0x1c, KS_ANY, "group_sync", control) \
	/* Identity */ \
	S(0x01, 0x01, "get_attributes_all", discovery) \
	S(0x03, 0x01, "get_attribute_list", discovery) \
	S(0x0e, 0x01, "get_attribute_single", discovery) \
	/* Connection Manager */ \
	S(0x4e, 0x06, "forward_close", session) \
	S(0x52, 0x06, "unconnected_send", other) \
	S(0x54, 0x06, "forward_open", session) \
	S(0x56, 0x06, "get_connection_data", read) S(0x57, 0x06, "search_connection_data", read) \
	S(0x5a, 0x06, "get_connection_owner", read) \
	S(0x5b, 0x06, "large_forward_open", session) \
	S(0x54, KS_CLASS_OPEN, "forward_open", io) \
	S(0x5b, KS_CLASS_OPEN, "large_forward_open", io) \
	S(0x54, KS_CLASS_CONFIG, "forward_open", config) \
	S(0x5b, KS_CLASS_CONFIG, "large_forward_open", config) \
	S(KS_IO_RUN, KS_CLASS_IO, "implicit_io", io) \
	S(KS_IO_IDLE, KS_CLASS_IO, "implicit_io_idle", io) \
	S(KS_IO_STATIC, KS_CLASS_IO, "implicit_io_static", io) \
	/* File */ \
	S(0x4b, 0x37, "initiate_upload", read) \
	S(0x4c, 0x37, "initiate_download", firmware) \
	S(0x4e, 0x37, "partial_write", firmware) \
	S(0x4f, 0x37, "upload_transfer", read) \
	S(0x50, 0x37, "download_transfer", firmware) \
	S(0x51, 0x37, "clear_file", firmware) \
	/* Safety Supervisor */ \
	S(0x53, 0x39, "mode_change", control) S(0x54, 0x39, "safety_reset", control) \
	/* Modbus translation */ \
	S(0x4b, 0x44, "modbus_read_discrete_inputs", read) \
	S(0x4c, 0x44, "modbus_read_coils", read) \
	S(0x4d, 0x44, "modbus_read_input_registers", read) \
	S(0x4e, 0x44, "modbus_read_holding_registers", read) \
	S(0x4f, 0x44, "modbus_write_coils", write) \
	S(0x50, 0x44, "modbus_write_holding_registers", write) \
	S(0x51, 0x44, "modbus_passthrough", other) \
	/* PCCC */ \
	S(0x4b, 0x67, "execute_pccc", other) \
	S(0x4c, 0x67, "execute_dhplus", other) S(0x4d, 0x67, "execute_local_pccc", other) \
	/* tags by name, by symbol instance; templates; program scope */ \
	S(0x4c, KS_CLASS_TAG, "read_tag", read) \
	S(0x4d, KS_CLASS_TAG, "write_tag", write) \
	S(0x4e, KS_CLASS_TAG, "read_modify_write_tag", write) \
	S(0x52, KS_CLASS_TAG, "read_tag_fragmented", read) \
	S(0x53, KS_CLASS_TAG, "write_tag_fragmented", write) \
	S(0x55, KS_CLASS_TAG, "get_instance_attribute_list", read) \
	S(0x4c, 0x6b, "read_tag", read) \
	S(0x4d, 0x6b, "write_tag", write) \
	S(0x4e, 0x6b, "read_modify_write_tag", write) \
	S(0x52, 0x6b, "read_tag_fragmented", read) \
	S(0x53, 0x6b, "write_tag_fragmented", write) \
	S(0x55, 0x6b, "get_instance_attribute_list", read) \
	S(0x4c, 0x6c, "read_template", read) \
	S(0x52, 0x6c, "read_template_fragmented", read) \
	S(0x55, 0x6c, "get_instance_attribute_list", read) \
	S(0x55, 0x68, "get_instance_attribute_list", read) \
	S(0x55, 0x69, "get_instance_attribute_list", read) \
	S(0x55, 0x70, "get_instance_attribute_list", read) \
	/* Nonvolatile Storage, tag buffers, Ethernet Link */ \
	S(0x4b, 0xa1, "nvs_update", firmware) S(0x4d, 0xa1, "nvs_transfer", firmware) \
	S(0x4c, 0xb2, "read_tag_buffer", read) \
	S(0x4c, 0xf6, "get_and_clear", config) \
	/* encapsulation commands; 0x7f stands for every command above it */ \
	S(0x00, KS_CLASS_ENCAP, "encap_nop", session) \
	S(0x01, KS_CLASS_ENCAP, "list_targets", other) \
	S(0x04, KS_CLASS_ENCAP, "list_services", discovery) \
	S(0x63, KS_CLASS_ENCAP, "list_identity", discovery) \
	S(0x64, KS_CLASS_ENCAP, "list_interfaces", discovery) \
	S(0x65, KS_CLASS_ENCAP, "register_session", session) \
	S(0x66, KS_CLASS_ENCAP, "unregister_session", session) \
	S(0x6f, KS_CLASS_ENCAP, "send_rr_data", other) S(0x70, KS_CLASS_ENCAP, "send_unit_data", other) \
	S(0x72, KS_CLASS_ENCAP, "indicate_status", other) S(0x73, KS_CLASS_ENCAP, "cancel", other) \
	S(0x7f, KS_CLASS_ENCAP, "other_command", other)

/* Services that set attributes or members: X(service) */
#define KS_CIP_SETS(X) X(0x02) X(0x04) X(0x10) X(0x19) X(0x1a) X(0x1b)

/*
 * C(class, name, group of its KS_CIP_SETS, group of services that KS_CIP_LIST does
 * not put into read, control or session). `other` as the last = no opinion.
 */
#define KS_CIP_CLASS_LIST(C) \
	C(0x01, "identity", config, other) \
	C(0x02, "message_router", other, other) \
	C(0x04, "assembly", write, config) \
	C(0x05, "connection", config, config) \
	C(0x06, "connection_manager", other, other) \
	C(0x08, "discrete_input_point", write, other) \
	C(0x09, "discrete_output_point", write, other) \
	C(0x0a, "analog_input_point", write, other) C(0x0b, "analog_output_point", write, other) \
	C(0x0f, "parameter", config, config) C(0x10, "parameter_group", config, config) \
	C(0x1d, "discrete_input_group", write, other) \
	C(0x1e, "discrete_output_group", write, other) C(0x1f, "discrete_group", write, other) \
	C(0x20, "analog_input_group", write, other) C(0x21, "analog_output_group", write, other) \
	C(0x22, "analog_group", write, other) C(0x23, "position_sensor", write, other) \
	C(0x24, "position_controller_supervisor", write, other) \
	C(0x25, "position_controller", write, other) C(0x26, "block_sequencer", write, other) \
	C(0x27, "command_block", write, other) C(0x28, "motor_data", write, other) \
	C(0x29, "control_supervisor", control, control) \
	C(0x2a, "ac_dc_drive", control, other) \
	C(0x2b, "acknowledge_handler", write, other) C(0x2c, "overload", write, other) \
	C(0x2d, "softstart", write, other) C(0x2e, "selection", write, other) \
	C(0x30, "s_device_supervisor", control, control) \
	C(0x31, "s_analog_sensor", control, control) \
	C(0x32, "s_analog_actuator", control, control) \
	C(0x33, "s_single_stage_controller", control, control) \
	C(0x34, "s_gas_calibration", control, control) C(0x35, "trip_point", control, control) \
	C(0x36, "class_0x36", control, control) \
	C(0x37, "file", firmware, firmware) \
	C(0x38, "s_partial_pressure", control, control) \
	C(0x39, "safety_supervisor", config, config) C(0x3a, "safety_validator", config, config) \
	C(0x40, "s_sensor_calibration", control, control) \
	C(0x42, "motion_axis", control, control) \
	C(0x43, "time_sync", config, config) \
	C(0x44, "modbus", config, other) \
	C(0x45, "originator_connection_list", config, config) \
	C(0x47, "device_level_ring", config, config) C(0x48, "qos", config, config) \
	C(0x52, "snmp", config, config) C(0x53, "power_management", config, config) \
	C(0x54, "rstp_bridge", config, config) C(0x55, "rstp_port", config, config) \
	C(0x56, "prp_hsr_protocol", config, config) \
	C(0x57, "prp_hsr_nodes_table", config, config) C(0x5d, "cip_security", config, config) \
	C(0x5e, "ethernet_ip_security", config, config) \
	C(0x5f, "certificate_management", config, config) C(0x60, "authority", config, config) \
	C(0x61, "password_authenticator", config, config) \
	C(0x62, "certificate_authenticator", config, config) \
	C(0x64, "program_name", program, program) \
	C(0x67, "pccc", other, other) \
	C(0x68, "program", program, program) C(0x69, "class_0x69", program, program) \
	C(0x6b, "symbol", write, program) \
	C(0x6c, "template", program, program) C(0x70, "task", program, program) \
	C(0x8b, "wall_clock_time", config, config) \
	C(0x8d, "controller_messages", program, program) \
	C(0x8e, "controller_device", control, program) \
	C(0x92, "dpi_device", config, config) C(0x93, "dpi_parameter", config, config) \
	C(0x97, "dpi_fault", config, config) \
	C(0xa1, "nonvolatile_storage", firmware, firmware) \
	C(0xa6, "dhplus_link", other, other) \
	C(0xac, "controller_info", program, program) \
	C(0xb2, "tag_buffer", config, config) C(0xf0, "controlnet", config, config) \
	C(0xf1, "controlnet_keeper", config, config) \
	C(0xf2, "controlnet_scheduling", config, config) \
	C(0xf3, "connection_configuration", config, config) C(0xf4, "port", config, config) \
	C(0xf5, "tcp_ip_interface", config, config) C(0xf6, "ethernet_link", config, config) \
	C(0xf7, "componet_link", config, config) C(0xf8, "componet_repeater", config, config) \
	C(KS_CLASS_TAG, "tag", write, other) \
	C(KS_CLASS_ENCAP, "encapsulation", other, other) \
	C(KS_CLASS_IO, "implicit_io", io, io) \
	C(KS_CLASS_OPEN, "connection_open", io, io) \
	C(KS_CLASS_CONFIG, "configuring_open", config, config) \
	C(KS_CLASS_DATA, "connected_data", other, other) \
	C(KS_CLASS_NONE, "no_class", other, other)

#ifndef __bpf__
#include "groups_rows.h"
#endif

#endif
