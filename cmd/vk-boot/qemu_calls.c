/* SPDX-License-Identifier: MIT */
/* qemu_calls.c - the system calls of QEMU */
#include "cmd/vk-boot/qemu_calls.h"

#include <sys/prctl.h>

const struct filter_call qemu_calls[] = {
    /* Plug-ins, and what it asks of its host when it starts. */
    CALL(fstat),
    CALL(statx),
    CALL(fstatfs),
    CALL(readv),
    CALL(dup), /* descriptors that chardevs share */
    CALL(sysinfo),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(sched_getaffinity),
    CALL_IF(prctl, 0, PR_SET_TIMERSLACK),
    CALL_IF(prctl, 0, PR_MCE_KILL),
    CALL_IF(prctl, 0, PR_SET_NAME),
    /* Threads: processors, the monitor, what waits for a grace period. */
    CALL(sched_yield),
    CALL(membarrier),
    CALL(signalfd4),
    /* The guest's memory. */
    CALL(memfd_create),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(mremap),
    /* What it waits for. */
    CALL(ppoll),
    CALL(epoll_pwait),
    /* Devices, the monitor, consoles. */
    CALL(getsockname),
    CALL(getpeername),
    CALL(setsockopt),
    CALL(getsockopt),
    CALL(shutdown),
    CALL(writev),
    CALLS_END,
};

const struct filter_call qemu_kvm_calls[] = {
    CALL(ioctl),           /* the only device that it has */
    CALL(rt_sigtimedwait), /* what told a processor to look up */
    CALLS_END,
};
