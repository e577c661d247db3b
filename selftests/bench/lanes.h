/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections of the benchmark and the CPUs that send on them, by BPF_PROG_TEST_RUN
 * behind the pacer. Must not know what program is measured.
 */
#ifndef KEYSWITCH_LANES_H
#define KEYSWITCH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "bench.h"
#include "bench.skel.h"

#define LANE_FRAME 2048

/* Loads the pacer with a floor of so many connections; 0 or a negative errno. */
int lanes_open(uint32_t floor);
void lanes_close(void);
const struct bench_bpf *lanes_bpf(void);

/* N connections as they are before their handshake, EACH of a client. */
int lanes_flows(uint32_t n, uint32_t each, bool v6);

/* The lane goes over connections first .. first + n - 1 in random order. */
int lanes_use(uint32_t lane, uint32_t first, uint32_t n, uint32_t seed);

/* What a lane sends next. `at` and `run.flows`: positions of its order. */
struct lane_frame {
	struct bench_run run;
	uint32_t at;
	const char *hex;
	int program;
	int answer;	/* `run.turns`: the program of the server's laps */
};

int lanes_arm(uint32_t lane, const struct lane_frame *f);

/* Lets go of the programs: what holds one holds its maps. */
void lanes_forget(void);

/*
 * Sends `repeat` frames on each lane of the mask, on all at once; ns[lane]: of a packet.
 * Moves the connections on by the laps that were sent.
 */
int lanes_go(uint32_t mask, const uint32_t repeat[BENCH_LANES], uint32_t ns[BENCH_LANES]);

#endif
