/* SPDX-License-Identifier: MIT */
/* probe.c - does this KVM run code, or does it only say so? */
#include "cmd/vk-boot/probe.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Turns of a loop of two instructions, and how long they may take. KVM without
 * hardware was seen at 1.5 million instructions a second (5 ms), KVM inside a
 * software-emulated machine at over 40 million. Three tries, because the
 * machine may be busy: the best counts. */
#define TURNS      4000
#define LIMIT_NS   3000000
#define TRIES      3
#define PROBE_PORT 0xf4

static const uint8_t code[] = {
    0x66, 0xb9, TURNS & 0xff, TURNS >> 8, 0, 0, /* mov ecx, TURNS */
    0x66, 0x49,                                 /* dec ecx */
    0x75, 0xfc,                                 /* jnz -4 */
    0xe6, PROBE_PORT,                           /* out PROBE_PORT, al */
    0xf4,                                       /* hlt */
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* One run of the loop; its time in *ns. */
static int
run_once(struct kvm_cpu *cpu, uint64_t *ns, struct err *e)
{
	uint64_t start;

	if (kvm_cpu_real_mode(cpu, PROBE_AT, e) < 0)
		return -1;
	start = now_ns();
	while (kvm_cpu_run(cpu) < 0)
		if (errno != EINTR && errno != EAGAIN)
			return err_errno(
			    e, EX_UNAVAILABLE, "/dev/kvm: cannot run a vCPU");
	*ns = now_ns() - start;
	if (cpu->run->exit_reason != KVM_EXIT_IO ||
	    cpu->run->io.port != PROBE_PORT)
		return err_set(e, EX_UNAVAILABLE,
		    "/dev/kvm: runs code wrongly (exit reason %u)",
		    cpu->run->exit_reason);
	return 0;
}

int
probe_run(struct kvm_cpu *cpu, const struct gmem *mem, struct err *e)
{
	uint8_t *at = gmem_at(mem, PROBE_AT, sizeof(code));
	uint64_t best = UINT64_MAX, ns = UINT64_MAX;

	memcpy(at, code, sizeof(code));
	for (int i = 0; i < TRIES && best > LIMIT_NS; i++) {
		if (run_once(cpu, &ns, e) < 0)
			return -1;
		if (ns < best)
			best = ns;
	}
	memset(at, 0, sizeof(code));
	if (best <= LIMIT_NS)
		return 0;
	err_set(e, EX_UNAVAILABLE,
	    "/dev/kvm: cannot run a kernel here: it emulates every "
	    "instruction (%.1f million a second)",
	    2.0 * TURNS * 1000 / (double)best);
	return err_hint(e,
	    "this host is a VM without nested virtualisation: have that "
	    "switched on, or use another host");
}
