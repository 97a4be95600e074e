/* SPDX-License-Identifier: MIT */
/* uml_calls.c - the system calls of User-mode Linux */
#include "cmd/vk-boot/uml_calls.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* A process is a copy or shares descriptors and memory; it has no namespace
 * of its own. */
#define CLONE_SPACES                                                           \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |           \
	    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

const struct filter_call uml_calls[] = {
    /* Being executed, by a descriptor; a reboot tries to do it anew, by a name
     * that is none, and has to be told that it failed. */
    CALL(execveat),
    CALL(execve),
    /* The interpreter, and the C library's start and end. */
    CALL(brk),
    CALL(access),
    CALL(openat),
    CALL(newfstatat),
    CALL(readlink), /* a static one looks for itself */
    CALL(read),
    CALL(pread64),
    CALL(close),
    CALL(arch_prctl),
    CALL(set_tid_address),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(prlimit64),
    CALL(getrandom),
    CALL(futex),
    CALL(exit),
    CALL(exit_group),
    /* The guest's memory: a file in /dev/shm, mapped piece by piece in each
     * address space. Without PROT_EXEC there would be no guest. */
    CALL(statfs),
    CALL(lseek),
    CALL(fsync),
    CALL(mmap),
    CALL(munmap),
    CALL(mprotect),
    CALL(madvise),
    /* Address spaces are processes, held and moved on by ptrace. */
    CALL_WITHOUT(clone, 0, CLONE_SPACES),
    CALL(ptrace),
    CALL(wait4),
    CALL(kill),
    CALL(tgkill), /* a crash is a signal of its own */
    CALL(gettid),
    CALL(getpid),
    CALL(getppid),
    CALL(setsid),
    CALL(uname),
    CALL(modify_ldt),
    CALL_IF(prctl, 0, PR_SET_PDEATHSIG),
    /* Interrupts are signals. */
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigsuspend),
    CALL(rt_sigpending),
    CALL(sigaltstack),
    CALL(restart_syscall),
    /* Its clock, and idling. */
    CALL(timer_create),
    CALL(timer_settime),
    CALL(timer_gettime),
    CALL(timer_delete),
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(gettimeofday),
    /* What it waits for. */
    CALL(epoll_create),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(poll),
    CALL(fcntl),
    /* Devices: vhost-user sockets, and pipes between its own threads. */
    CALL_IF(socket, 0, AF_UNIX),
    CALL_IF(socketpair, 0, AF_UNIX),
    CALL(connect),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(eventfd2),
    CALL(write), /* the console, too */
    CALL_IF(ioctl, 1, TCGETS),
    CALL_IF(ioctl, 1, TIOCGWINSZ),
    /* It would like a folder for its management console; the guest's root may
     * look at what it is given (hostfs). */
    CALL(mkdir),
    CALL(unlink),
    CALL(rmdir),
    CALL(getdents64),
    CALLS_END,
};
