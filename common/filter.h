/* SPDX-License-Identifier: MIT */
/*
 * filter.h - the system calls that a thread keeps (seccomp)
 *
 * Who makes a call says so where it makes it, in a list beside the code:
 *
 *	const struct filter_call blk_calls[] = {
 *	    CALL(preadv),
 *	    CALL_IF(fallocate, 1, FALLOC_FL_PUNCH_HOLE | ...),
 *	    CALL_WITHOUT(mmap, 2, PROT_EXEC),
 *	    CALL_RARE(restart_syscall, "after SIGSTOP and SIGCONT"),
 *	    CALLS_END,
 *	};
 *
 * A thread's filter is made of the lists of what runs in it (filter_add), and
 * of filter_libc. Anything else ends the process with SIGSYS, after a line on
 * stderr that names the filter and the call's number. A filter of more calls
 * than its limit is refused: one that grows without notice is none.
 *
 * A program that is not ours may make other calls in its next version: in a
 * filter that refuses, what is not allowed fails with ENOSYS, as under an older
 * kernel.
 *
 * Tests run everything, look at the calls made and complain about those in the
 * lists that were not; the ones of CALL_RARE are excused, with their reason.
 *
 * Link with libseccomp.
 */
#ifndef VK_COMMON_FILTER_H
#define VK_COMMON_FILTER_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum filter_test {
	FILTER_ANY,     /* whatever the arguments are */
	FILTER_EQUAL,   /* the argument is this value (its lower 32 bits) */
	FILTER_WITHOUT, /* none of these bits is set in it */
};

struct filter_call {
	const char *name; /* NULL: the list's end */
	int number;
	enum filter_test test;
	unsigned argument; /* counted from 0 */
	uint32_t value;
	const char *rare; /* why tests do not see it; NULL: they do */
};

/* clang-format off */
#define CALL(call)           { .name = #call, .number = SYS_##call }
#define CALL_RARE(call, why) { .name = #call, .number = SYS_##call,            \
			       .rare = (why) }
#define CALL_IF(call, which, is)                                               \
	{ .name = #call, .number = SYS_##call, .test = FILTER_EQUAL,           \
	  .argument = (which), .value = (uint32_t)(is) }
#define CALL_WITHOUT(call, which, bits)                                        \
	{ .name = #call, .number = SYS_##call, .test = FILTER_WITHOUT,         \
	  .argument = (which), .value = (uint32_t)(bits) }
#define CALLS_END            { .name = NULL }
/* clang-format on */

/* What the C library does by itself in any thread of a program that allocates
 * memory, locks, and writes to stderr: 11 calls. */
extern const struct filter_call filter_libc[];

/* Some calls have several rules (ioctl). */
#define FILTER_RULES_MAX 96

struct filter {
	const char *name; /* borrowed; for messages */
	unsigned limit;   /* distinct calls */
	bool refuses;     /* no end, but an error */
	const struct filter_call *rules[FILTER_RULES_MAX];
	unsigned count;
	struct sock_filter *program; /* once it is compiled */
	unsigned short length;
};

void filter_init(struct filter *, const char *name, unsigned limit);
void filter_release(struct filter *); /* may be called twice, and on zeros */

/* Allows the calls of a list (borrowed). Those that are there are passed
 * over, so that modules need not know of each other. */
void filter_add(struct filter *, const struct filter_call *list);

/* How many distinct calls it has. */
unsigned filter_size(const struct filter *);

/* Their names, in the order of their numbers, with blanks between; "?" behind
 * one that all who need it call rare. Returns into. */
const char *filter_names(const struct filter *, char *into, size_t size);

/* Makes the program, once, in any thread, and sees to it that a breach is
 * told. 0, -1 with err. */
int filter_compile(struct filter *, struct err *);

/* Binds the calling thread, and threads that it makes from then on, for good.
 * It has no_new_privs. 0, -1 with err. */
int filter_load(const struct filter *, struct err *);

#endif
