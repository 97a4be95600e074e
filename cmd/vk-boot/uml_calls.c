/* SPDX-License-Identifier: MIT */
/* uml_calls.c - the system calls of User-mode Linux */
#include "cmd/vk-boot/uml_calls.h"

#include <sys/ioctl.h>
#include <sys/prctl.h>

const struct filter_call uml_calls[] = {
    /* A reboot tries to execute it anew, by a name that is none, and has to be
     * told that it failed. */
    CALL(execve),
    /* The guest's memory: a file in /dev/shm. Without PROT_EXEC for mmap there
     * would be no guest. */
    CALL(fsync),
    /* Address spaces are processes, held and moved on by ptrace. */
    CALL(ptrace),
    CALL(wait4),
    CALL(kill),
    CALL(getppid),
    CALL(setsid),
    CALL(modify_ldt),
    CALL_IF(prctl, 0, PR_SET_PDEATHSIG),
    CALL(rt_sigpending), /* interrupts are signals */
    /* Its clock. */
    CALL(timer_create),
    CALL(timer_settime),
    CALL(timer_gettime),
    CALL(timer_delete),
    CALL(gettimeofday),
    CALL(epoll_create),
    CALL_IF(ioctl, 1, TIOCGWINSZ),
    /* It would like a folder for its management console; the guest's root may
     * look at what it is given (hostfs). */
    CALL(mkdir),
    CALL(unlink),
    CALL(rmdir),
    CALLS_END,
};
