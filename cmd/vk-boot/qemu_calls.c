/* SPDX-License-Identifier: MIT */
/* qemu_calls.c - the system calls of QEMU */
#include "cmd/vk-boot/qemu_calls.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Threads, but no process in a namespace of its own. */
#define CLONE_SPACES                                                           \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |           \
	    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

const struct filter_call qemu_calls[] = {
    CALL(execveat), /* being executed */
    /* The interpreter, plug-ins, and the C library's start and end. */
    CALL(brk),
    CALL(access),
    CALL(openat),
    CALL(newfstatat),
    CALL(fstat),
    CALL(statx),
    CALL(statfs),
    CALL(fstatfs),
    CALL(readlink),
    CALL(getdents64),
    CALL(read),
    CALL(pread64),
    CALL(readv),
    CALL(lseek),
    CALL(close),
    CALL(dup), /* descriptors that chardevs share */
    CALL(arch_prctl),
    CALL(set_tid_address),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(prlimit64),
    CALL(getrandom),
    CALL(exit),
    CALL(exit_group),
    CALL(uname),
    CALL(sysinfo),
    CALL(getpid),
    CALL(gettid),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(sched_getaffinity),
    CALL_IF(prctl, 0, PR_SET_TIMERSLACK),
    CALL_IF(prctl, 0, PR_MCE_KILL),
    CALL_IF(prctl, 0, PR_SET_NAME),
    /* Threads: processors, the monitor, what waits for a grace period. */
    CALL_WITHOUT(clone, 0, CLONE_SPACES),
    CALL(futex),
    CALL(sched_yield),
    CALL(membarrier),
    CALL(tgkill), /* a processor is to look up */
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(sigaltstack), /* coroutines are made on it */
    CALL(rt_sigsuspend),
    CALL(signalfd4),
    CALL(restart_syscall),
    /* The guest's memory, and code that is made of it. */
    CALL(memfd_create),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(fcntl),
    CALL(mmap),
    CALL(munmap),
    CALL(mremap),
    CALL(mprotect),
    CALL(madvise),
    /* Its clock, and what it waits for. */
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(ppoll),
    CALL(poll),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(eventfd2),
    /* Devices, the monitor, consoles. */
    CALL_IF(socket, 0, AF_UNIX),
    CALL_IF(socketpair, 0, AF_UNIX),
    CALL(connect),
    CALL(getsockname),
    CALL(getpeername),
    CALL(setsockopt),
    CALL(getsockopt),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(shutdown),
    CALL(write),
    CALL(writev),
    CALL_IF(ioctl, 1, TCGETS),
    CALLS_END,
};

const struct filter_call qemu_kvm_calls[] = {
    CALL(ioctl),           /* the only device that it has */
    CALL(rt_sigtimedwait), /* what told a processor to look up */
    CALLS_END,
};
