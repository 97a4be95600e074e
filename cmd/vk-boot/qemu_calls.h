/* SPDX-License-Identifier: MIT */
/*
 * qemu_calls.h - the system calls of QEMU
 *
 * QEMU is another one with each distribution, so a call that is missing here
 * fails with ENOSYS (filter.h), as it would on an older kernel, and QEMU does
 * without: io_uring, clone3, huge pages of its own choice. The list is what
 * QEMU 7.2 was seen to make under strace, while a guest booted with two
 * processors, wrote to its disk and its console, was held, reset and powered
 * off; and what other versions of its libraries take for the same.
 *
 * -sandbox, its own filter, forbids a list and allows the rest. This one is the
 * other way round, and in force before QEMU's first instruction.
 */
#ifndef VK_BOOT_QEMU_CALLS_H
#define VK_BOOT_QEMU_CALLS_H

#include "common/filter.h"

/* Distinct calls. */
#define QEMU_CALLS_MAX 80

extern const struct filter_call qemu_calls[];

/* What it takes in addition to use KVM. */
extern const struct filter_call qemu_kvm_calls[];

#endif
