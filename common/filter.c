/* SPDX-License-Identifier: MIT */
/* filter.c - the system calls that a thread keeps (seccomp) */
#include "common/filter.h"

#include "common/scope.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* A number that no call has, and so no filter. */
#define NO_CALL 1023

const struct filter_call filter_libc[] = {
    CALL(write), /* stderr */
    CALL(futex),
    CALL(brk),
    CALL_WITHOUT(mmap, 2, PROT_EXEC),
    CALL(munmap),
    CALL(rt_sigprocmask), /* a thread's end */
    CALL(madvise),        /* its stack */
    CALL(exit),
    CALL_RARE(rt_sigreturn, "a handled signal, as when a thread is stopped"),
    CALL_RARE(restart_syscall, "a wait goes on after SIGSTOP and SIGCONT"),
    CALLS_END,
};

/* Of the filter that binds this thread. */
static _Thread_local const char *own_name;

void
filter_init(struct filter *filter, const char *name, unsigned limit)
{
	*filter = (struct filter){.name = name, .limit = limit};
}

void
filter_release(struct filter *filter)
{
	free(steal_ptr(&filter->program));
	filter->length = 0;
}

static bool
same_rule(const struct filter_call *a, const struct filter_call *b)
{
	return a->number == b->number && a->test == b->test &&
	       a->argument == b->argument && a->value == b->value &&
	       !a->rare == !b->rare;
}

void
filter_add(struct filter *filter, const struct filter_call *list)
{
	for (const struct filter_call *call = list; call->name; call++) {
		unsigned i = 0;

		while (i < filter->count && !same_rule(filter->rules[i], call))
			i++;
		if (i < filter->count)
			continue;
		/* Too many are refused by filter_compile. */
		if (filter->count < FILTER_RULES_MAX)
			filter->rules[filter->count++] = call;
	}
}

/* Whether an earlier rule is about the same call. */
static bool
seen_before(const struct filter *filter, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (filter->rules[j]->number == filter->rules[i]->number)
			return true;
	return false;
}

unsigned
filter_size(const struct filter *filter)
{
	unsigned size = 0;

	for (unsigned i = 0; i < filter->count; i++)
		size += !seen_before(filter, i);
	return size;
}

static bool
is_rare(const struct filter *filter, int number)
{
	for (unsigned i = 0; i < filter->count; i++)
		if (filter->rules[i]->number == number &&
		    !filter->rules[i]->rare)
			return false;
	return true;
}

const char *
filter_names(const struct filter *filter, char *into, size_t size)
{
	size_t len = 0;
	int last = -1;

	if (size > 0)
		into[0] = '\0';
	for (;;) {
		const struct filter_call *next = NULL;

		for (unsigned i = 0; i < filter->count; i++)
			if (filter->rules[i]->number > last &&
			    (!next || filter->rules[i]->number < next->number))
				next = filter->rules[i];
		if (!next || len >= size)
			return into;
		len += (size_t)snprintf(into + len, size - len, "%s%s%s",
		    len ? " " : "", next->name,
		    is_rare(filter, next->number) ? "?" : "");
		last = next->number;
	}
}

static unsigned
append(char *text, unsigned at, unsigned size, const char *word)
{
	while (*word && at < size)
		text[at++] = *word++;
	return at;
}

/* The call was not made. Async-signal-safe, and without a call that some
 * filter might not have. */
static void
on_breach(int number, siginfo_t *info, void *context)
{
	char text[128], digits[12] = "";
	unsigned call = (unsigned)info->si_syscall, at = 0;
	char *digit = digits + sizeof(digits) - 1;

	(void)number, (void)context;
	do
		*--digit = (char)('0' + call % 10);
	while ((call /= 10) > 0);
	at = append(text, at, 32, program_invocation_short_name);
	at = append(text, at, sizeof(text), ": ");
	at = append(text, at, 64, own_name ? own_name : "thread");
	at = append(text, at, sizeof(text), ": forbidden system call ");
	at = append(text, at, sizeof(text), digit);
	at = append(text, at, sizeof(text), "\n");
	/* The handler is gone (SA_RESETHAND): the next one is the end. */
	if (write(STDERR_FILENO, text, at) < 0)
		at = 0;
	/* The handler is gone (SA_RESETHAND): the next breach is the end. */
	for (;;)
		syscall(NO_CALL);
}

static int
tell_breaches(struct err *e)
{
	struct sigaction action = {
	    .sa_sigaction = on_breach,
	    .sa_flags = SA_SIGINFO | (int)SA_RESETHAND,
	};

	return sigaction(SIGSYS, &action, NULL) < 0
		   ? err_errno(e, EX_OSERR, "signals")
		   : 0;
}

/* ---- the program (Documentation/userspace-api/seccomp_filter.rst) ------- */

/*
 * Calls that depend on an argument come first: of all others the kernel knows
 * beforehand what the program says, and does not run it.
 */

#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* Goes on with the next where it is so, else behind it. */
#define IF_EQUAL(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1)
#define IF_NONE(bits)   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), 1, 0)

/* The lower half of an argument. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))

/* Numbers from here on are x32's. */
#define X32_CALLS 0x40000000

/* A rule is at most three instructions, a call's first two more. */
#define LENGTH_MAX (8 + 5 * FILTER_RULES_MAX)

static const struct sock_filter head[] = {
    LOAD(offsetof(struct seccomp_data, arch)),
    /* 32-bit calls and x32's: nothing of ours makes any. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
};

static void
emit(struct filter *filter, struct sock_filter what)
{
	filter->program[filter->length++] = what;
}

static struct sock_filter
answer_to_others(const struct filter *filter)
{
	return (struct sock_filter)ANSWER(
	    filter->refuses ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_TRAP);
}

static bool
is_free(const struct filter *filter, int number)
{
	for (unsigned i = 0; i < filter->count; i++)
		if (filter->rules[i]->number == number &&
		    filter->rules[i]->test == FILTER_ANY)
			return true;
	return false;
}

/* All that is said of a call by its arguments. 0, -1: too much. */
static int
emit_tests(struct filter *filter, int number)
{
	struct sock_filter *skip = &filter->program[filter->length];
	unsigned start;

	emit(filter, (struct sock_filter)IF_EQUAL((uint32_t)number));
	start = filter->length;
	for (unsigned i = 0; i < filter->count; i++) {
		const struct filter_call *call = filter->rules[i];

		if (call->number != number)
			continue;
		emit(
		    filter, (struct sock_filter)LOAD(ARGUMENT(call->argument)));
		if (call->test == FILTER_EQUAL)
			emit(filter, (struct sock_filter)IF_EQUAL(call->value));
		else
			emit(filter, (struct sock_filter)IF_NONE(call->value));
		emit(filter, (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW));
	}
	emit(filter, answer_to_others(filter));
	if (filter->length - start > UINT8_MAX)
		return -1;
	skip->jf = (uint8_t)(filter->length - start);
	return 0;
}

static int
emit_all(struct filter *filter)
{
	for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
		emit(filter, head[i]);
	for (unsigned i = 0; i < filter->count; i++)
		if (!seen_before(filter, i) &&
		    !is_free(filter, filter->rules[i]->number) &&
		    emit_tests(filter, filter->rules[i]->number) < 0)
			return -1;
	for (unsigned i = 0; i < filter->count; i++) {
		uint32_t number = (uint32_t)filter->rules[i]->number;

		if (seen_before(filter, i) ||
		    !is_free(filter, filter->rules[i]->number))
			continue;
		emit(filter, (struct sock_filter)IF_EQUAL(number));
		emit(filter, (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW));
	}
	emit(filter, answer_to_others(filter));
	return 0;
}

int
filter_compile(struct filter *filter, struct err *e)
{
	if (filter->program)
		return 0;
	if (filter_size(filter) > filter->limit ||
	    filter->count == FILTER_RULES_MAX)
		return err_set(e, EX_SOFTWARE,
		    "%s: a filter of %u system calls, not of %u", filter->name,
		    filter_size(filter), filter->limit);
	filter->program = calloc(LENGTH_MAX, sizeof(*filter->program));
	if (!filter->program)
		return err_errno(e, EX_OSERR, "%s: filter", filter->name);
	if (emit_all(filter) < 0) {
		filter_release(filter);
		return err_set(e, EX_SOFTWARE,
		    "%s: filter: too many tests of one system call",
		    filter->name);
	}
	return tell_breaches(e);
}

int
filter_load(const struct filter *filter, struct err *e)
{
	struct sock_fprog program = {filter->length, filter->program};
	sigset_t breach;

	/* Where it is blocked the end comes without a word. */
	sigemptyset(&breach);
	sigaddset(&breach, SIGSYS);
	sigprocmask(SIG_UNBLOCK, &breach, NULL);
	own_name = filter->name;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_errno(e, EX_OSERR, "%s: filter", filter->name);
	return 0;
}
