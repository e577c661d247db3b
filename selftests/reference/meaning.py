# SPDX-License-Identifier: GPL-2.0-only
"""Names, codes and groups of the policy language, typed from the protocols' documents
and from the language's own description. Owns these tables; judges nothing, and shares
no table with the product.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "captures"))
import cipgroups
import modbus
import pccc

GROUPS = ("read", "diagnostic", "discovery", "session", "io", "write", "config", "control",
          "program", "firmware", "other")
READONLY = {"read", "diagnostic", "discovery", "session"}

# ---- Modbus ----

FUNCTIONS = {
    "read_coils": 1, "read_discrete_inputs": 2, "read_holding_registers": 3,
    "read_input_registers": 4, "write_single_coil": 5, "write_single_register": 6,
    "read_exception_status": 7, "get_comm_event_counter": 11, "write_multiple_coils": 15,
    "write_multiple_registers": 16, "report_server_id": 17, "mask_write_register": 22,
    "read_fifo_queue": 24,
}
SUBFUNCTIONS = {"restart_communications": (8, 1), "force_listen_only": (8, 4),
                "read_device_identification": (43, 14)}
UMAS = {"read_variables": 0x22, "write_variables": 0x23, "read_id": 0x02, "stop_plc": 0x41,
        "take_reservation": 0x10}
TABLES = {1: "coils", 5: "coils", 15: "coils", 2: "discrete", 4: "input", 3: "holding",
          6: "holding", 16: "holding", 22: "holding", 24: "holding"}
WITH_SUB = {8, 43, 90}
# Functions whose length their own specification gives; of 43 only sub-function 14.
MEASURED = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24}


def modbus_group(function, sub=None):
    return modbus.group_of(function, sub)


def measured(function, sub):
    return function in MEASURED or (function, sub) == (43, 14)


# ---- CIP ----

TAG, ENCAP, PCCC, SYMBOL, MODBUS = "tag", "encapsulation", 0x67, 0x6b, 0x44
CLASSES = {"identity": 0x01, "assembly": 0x04, "connection_manager": 0x06, "parameter": 0x0f,
           "file": 0x37, "modbus": MODBUS, "program_name": 0x64, "pccc": PCCC, "symbol": SYMBOL,
           "nonvolatile_storage": 0xa1, "tcp_ip_interface": 0xf5, "ethernet_link": 0xf6,
           "tag": TAG, "encapsulation": ENCAP}
# name: on which classes it is which code; None: on any that does not name it otherwise
SERVICES = {
    "read_tag": {TAG: 0x4c, SYMBOL: 0x4c}, "write_tag": {TAG: 0x4d, SYMBOL: 0x4d},
    "read_modify_write_tag": {TAG: 0x4e, SYMBOL: 0x4e},
    "read_tag_fragmented": {TAG: 0x52, SYMBOL: 0x52},
    "write_tag_fragmented": {TAG: 0x53, SYMBOL: 0x53},
    "forward_close": {0x06: 0x4e}, "get_connection_owner": {0x06: 0x5a},
    "modbus_write_coils": {MODBUS: 0x4f}, "modbus_read_holding_registers": {MODBUS: 0x4e},
    "modbus_write_holding_registers": {MODBUS: 0x50},
    "execute_pccc": {PCCC: 0x4b}, "get_and_clear": {0xf6: 0x4c}, "nvs_update": {0xa1: 0x4b},
    "clear_file": {0x37: 0x51},
    "list_identity": {ENCAP: 0x63}, "list_services": {ENCAP: 0x04},
    "register_session": {ENCAP: 0x65}, "encap_nop": {ENCAP: 0x00},
}
ENCAP_GROUPS = {0x00: "session", 0x04: "discovery", 0x63: "discovery", 0x64: "discovery",
                0x65: "session", 0x66: "session"}
# Classes of controllers' programs: what neither reads nor stops them changes them.
PROGRAMS = {0x64, 0x68, 0x69, 0x6c, 0x70, 0x8d, 0xac}
PCCC_NAMES = {"typed_logical_read_3": 0x0fa2, "typed_logical_write_3": 0x0faa,
              "change_mode": 0x0f80, "echo": 0x0600}
MODBUS_SERVICES = {0x4b: 2, 0x4c: 1, 0x4d: 4, 0x4e: 3, 0x4f: 15, 0x50: 16}


def cip_group(service, kind):
    """kind: a class, TAG or ENCAP."""
    if kind == ENCAP:
        return ENCAP_GROUPS.get(service, "other")
    if kind == TAG:
        return cipgroups.cip_group(service, None, True)
    group = cipgroups.cip_group(service, kind, False)
    if kind in PROGRAMS and group not in ("read", "control", "discovery"):
        return "program"
    return group


def pccc_group(code):
    return pccc.group_of(code >> 8, code & 0xff)
