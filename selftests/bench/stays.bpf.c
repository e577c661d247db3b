// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times the softirq of soft hrtimers, in which callbacks of bpf_timer run. What the two
 * tracepoints around a callback cost is in the figures.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "stays.h"

#define HRTIMER_SOFTIRQ 8

struct hrtimer {
	void *function;
} __attribute__((preserve_access_index));

const volatile __u64 timer_callback;	/* address of the kernel's bpf_timer_cb */
struct stays now[STAYS_CPUS];

static __always_inline struct stays *here(void)
{
	return &now[bpf_get_smp_processor_id() % STAYS_CPUS];
}

static __always_inline int is_bpf(void *timer)
{
	return (__u64)BPF_CORE_READ((struct hrtimer *)timer, function) == timer_callback;
}

SEC("raw_tp/hrtimer_start")
int started(struct bpf_raw_tracepoint_args *ctx)
{
	if (is_bpf((void *)ctx->args[0]))
		here()->started++;
	return 0;
}

SEC("raw_tp/softirq_entry")
int entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct stays *s = here();

	if (ctx->args[0] != HRTIMER_SOFTIRQ)
		return 0;
	s->ran_now = 0;
	s->begun = 1;
	s->at = bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/softirq_exit")
int leave(struct bpf_raw_tracepoint_args *ctx)
{
	struct stays *s = here();
	__u64 stay = bpf_ktime_get_ns() - s->at;

	if (ctx->args[0] != HRTIMER_SOFTIRQ || !s->begun)
		return 0;
	s->begun = 0;
	if (!s->ran_now)
		return 0;
	s->stays++;
	if (stay > s->longest) {
		s->longest = stay;
		s->ran = s->ran_now;
	}
	return 0;
}

SEC("raw_tp/hrtimer_expire_entry")
int expire(struct bpf_raw_tracepoint_args *ctx)
{
	struct stays *s = here();

	s->callback_at = is_bpf((void *)ctx->args[0]) && s->begun ? bpf_ktime_get_ns() : 0;
	return 0;
}

/* A hard timer may interrupt a callback: its entry has made the time zero. */
SEC("raw_tp/hrtimer_expire_exit")
int expired(struct bpf_raw_tracepoint_args *ctx)
{
	struct stays *s = here();
	__u64 ns = bpf_ktime_get_ns() - s->callback_at;
	__u32 n = s->n;

	(void)ctx;
	if (!s->callback_at)
		return 0;
	s->callback_at = 0;
	s->ran_now++;
	s->callbacks++;
	s->spent += ns;
	if (n < STAYS_TIMES) {
		s->ns[n] = (__u32)ns;
		s->n = n + 1;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
