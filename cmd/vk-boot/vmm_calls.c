/* SPDX-License-Identifier: MIT */
/* vmm_calls.c - the system calls that any program makes which runs a guest */
#include "cmd/vk-boot/vmm_calls.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Threads, copies, and what shares descriptors or memory; none of them in a
 * namespace of its own. */
#define CLONE_SPACES                                                           \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |           \
	    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

const struct filter_call vmm_calls[] = {
    CALL(execveat), /* being executed, by a descriptor */
    /* The interpreter, and the C library's start and end. */
    CALL(brk),
    CALL(access),
    CALL(openat),
    CALL(newfstatat),
    CALL(statfs),
    CALL(readlink),
    CALL(getdents64),
    CALL(read),
    CALL(pread64),
    CALL(lseek),
    CALL(close),
    CALL(arch_prctl),
    CALL(set_tid_address),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(prlimit64),
    CALL(getrandom),
    CALL(uname),
    CALL(getpid),
    CALL(gettid),
    CALL(exit),
    CALL(exit_group),
    /* Threads and processes. */
    CALL_WITHOUT(clone, 0, CLONE_SPACES),
    CALL(futex),
    CALL(tgkill), /* a processor is to look up; a crash */
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigsuspend),
    CALL(sigaltstack),
    CALL(restart_syscall),
    /* Memory: the guest's too, and code that is made of it. */
    CALL(mmap),
    CALL(munmap),
    CALL(mprotect),
    CALL(madvise),
    /* Time, and what is waited for. */
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(poll),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(eventfd2),
    CALL(fcntl),
    /* Devices, and the console. */
    CALL_IF(socket, 0, AF_UNIX),
    CALL_IF(socketpair, 0, AF_UNIX),
    CALL(connect),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(write),
    CALL_IF(ioctl, 1, TCGETS),
    CALLS_END,
};
