/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The deepest chain of stack frames of a loaded program, as Linux 6.1 counts it against
 * its limit of 512 bytes: each frame rounded up to 32 (later kernels round less). The
 * verifier prints the frames of all functions and keeps the chain to itself, so the calls
 * are read from the program. Must not be included twice.
 */
#ifndef KEYSWITCH_CHAIN_H
#define KEYSWITCH_CHAIN_H

#include <linux/bpf.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#define CHAIN_FUNCTIONS	256
#define CHAIN_ROUND	32
#define CHAIN_LOOP	24	/* what an inlined bpf_loop() adds to a frame after the check */
#define CHAIN_TIMER	3	/* parameters of a timer's callback; no other has as many */

struct chain {
	const struct btf *btf;
	struct bpf_insn *insns;
	struct bpf_func_info *funcs;
	struct bpf_prog_info info;
	int frame[CHAIN_FUNCTIONS];
	int deepest[CHAIN_FUNCTIONS];	/* from this function on; 0: not known yet */
};

/* It begins a chain of its own. */
static int chain_is_timer(const struct chain *c, int func)
{
	const struct btf_type *t = btf__type_by_id(c->btf, c->funcs[func].type_id);

	t = t ? btf__type_by_id(c->btf, t->type) : NULL;
	return t && btf_vlen(t) == CHAIN_TIMER;
}

/* A loaded program names functions by number: one that is called, or -1. */
static int chain_called(const struct chain *c, const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL &&
	       insn->imm < (int)c->info.nr_func_info ? insn->imm : -1;
}

/* One whose address is taken for a helper that calls it, or -1. */
static int chain_given(const struct chain *c, const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW) && insn->src_reg == BPF_PSEUDO_FUNC &&
	       insn[1].imm < (int)c->info.nr_func_info ? insn[1].imm : -1;
}

/* The deepest chain from here on. The verifier takes no recursion. */
static int chain_from(struct chain *c, int func)
{
	__u32 end = func + 1 < (int)c->info.nr_func_info ? c->funcs[func + 1].insn_off :
		    c->info.xlated_prog_len / sizeof(*c->insns);
	int given = -1, frame = c->frame[func], most = 0, next, below;

	if (c->deepest[func])
		return c->deepest[func];
	for (__u32 at = c->funcs[func].insn_off; at < end; at++) {
		next = chain_called(c, &c->insns[at]);
		/* given and called: the loop was inlined */
		if (next >= 0 && next == given)
			frame = c->frame[func] - CHAIN_LOOP;
		if (next < 0 && chain_given(c, &c->insns[at]) >= 0)
			next = given = chain_given(c, &c->insns[at]);
		below = next < 0 || chain_is_timer(c, next) ? 0 : chain_from(c, next);
		most = below > most ? below : most;
	}
	frame = frame < 1 ? 1 : frame;
	c->deepest[func] = (frame + CHAIN_ROUND - 1) / CHAIN_ROUND * CHAIN_ROUND + most;
	return c->deepest[func];
}

/* "168+8+48": as many frames as there are functions, else -1. */
static int chain_frames(struct chain *c, const char *depths)
{
	char *next = (char *)depths;

	for (__u32 i = 0; i < c->info.nr_func_info; i++) {
		c->frame[i] = strtol(next, &next, 10);
		if (*next != (i + 1 < c->info.nr_func_info ? '+' : '\n'))
			return -1;
		next++;
	}
	return 0;
}

/* The sizes first, then what they say. */
static int chain_read(struct chain *c, int fd)
{
	__u32 len = sizeof(c->info), insns, funcs;

	if (bpf_obj_get_info_by_fd(fd, &c->info, &len))
		return -1;
	insns = c->info.xlated_prog_len;
	funcs = c->info.nr_func_info;
	if (!funcs || funcs > CHAIN_FUNCTIONS || c->info.func_info_rec_size != sizeof(*c->funcs))
		return -1;
	c->insns = malloc(insns);
	c->funcs = calloc(funcs, sizeof(*c->funcs));
	c->info = (struct bpf_prog_info){
		.xlated_prog_len = insns,
		.xlated_prog_insns = (__u64)(unsigned long)c->insns,
		.nr_func_info = funcs,
		.func_info_rec_size = sizeof(*c->funcs),
		.func_info = (__u64)(unsigned long)c->funcs,
	};
	len = sizeof(c->info);
	return !c->insns || !c->funcs ? -1 : bpf_obj_get_info_by_fd(fd, &c->info, &len);
}

/* Bytes, or -1 where the kernel does not tell. */
static int chain_depth(int fd, const struct btf *btf, const char *depths)
{
	static struct chain c;
	int depth = -1, own;

	c = (struct chain){ .btf = btf };
	if (!chain_read(&c, fd) && !chain_frames(&c, depths))
		for (__u32 i = 0; i < c.info.nr_func_info; i++) {
			own = !i || chain_is_timer(&c, i) ? chain_from(&c, i) : 0;
			depth = own > depth ? own : depth;
		}
	free(c.insns);
	free(c.funcs);
	return depth;
}

#endif
