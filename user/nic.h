/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Questions to a NIC: does it exist, what XDP does it carry, does it merge
 * packets. Must not change a NIC.
 */
#ifndef KEYSWITCH_NIC_H
#define KEYSWITCH_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/shared.h"

enum nic_xdp { NIC_XDP_NONE, NIC_XDP_NATIVE, NIC_XDP_GENERIC, NIC_XDP_UNKNOWN };

/* 0: no such NIC in this network namespace. */
uint32_t nic_index(const char *name);
/* What is attached; *prog_id is 0 for NONE and UNKNOWN. */
enum nic_xdp nic_xdp(uint32_t ifindex, uint32_t *prog_id);
/* "?" where it does not say. */
void nic_driver(const char *name, char *driver, size_t size);
const char *nic_xdp_name(enum nic_xdp mode);
/* Is it up, and does its link carry frames? */
bool nic_carrier(const char *name);
/* Does the NIC hand the stack merged packets (GRO, hardware GRO or LRO on)? Unreadable: yes. */
bool nic_merges(const char *name);

/* May these ports enforce? EXIT_OK, or EXIT_PROBLEM with a message printed. */
int nic_check_enforce(const struct ks_port_rec *ports, size_t n);
/* The message alone. */
void nic_complain_merges(const char *name);

#endif
