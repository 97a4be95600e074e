/* SPDX-License-Identifier: MIT */
/* filter.c - the system calls that a thread keeps (seccomp) */
#include "common/filter.h"

#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
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
    CALL_RARE(mremap, "a buffer of more than 128 KiB grows"),
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

static int
add_rule(scmp_filter_ctx context, const struct filter_call *call)
{
	struct scmp_arg_cmp compare = {
	    .arg = call->argument,
	    .op = SCMP_CMP_MASKED_EQ,
	    .datum_a = call->test == FILTER_EQUAL ? UINT32_MAX : call->value,
	    .datum_b = call->test == FILTER_EQUAL ? call->value : 0,
	};
	int result;

	if (call->test == FILTER_ANY)
		result = seccomp_rule_add_exact(
		    context, SCMP_ACT_ALLOW, call->number, 0);
	else
		result = seccomp_rule_add_exact_array(
		    context, SCMP_ACT_ALLOW, call->number, 1, &compare);
	return result == -EEXIST ? 0 : result;
}

/* Reads the program back from where libseccomp wrote it. */
static int
take_program(struct filter *filter, scmp_filter_ctx context)
{
	cleanup_fd int fd = memfd_create("vk-filter", MFD_CLOEXEC);
	int result = fd < 0 ? -errno : seccomp_export_bpf(context, fd);
	off_t size;

	if (result < 0)
		return result;
	size = lseek(fd, 0, SEEK_END);
	filter->program = malloc(size > 0 ? (size_t)size : 1);
	if (!filter->program)
		return -ENOMEM;
	if (io_pread(fd, filter->program, (size_t)size, 0) != size)
		return -EIO;
	filter->length =
	    (unsigned short)((size_t)size / sizeof(struct sock_filter));
	return 0;
}

int
filter_compile(struct filter *filter, struct err *e)
{
	scmp_filter_ctx context;
	int result = 0;

	if (filter->program)
		return 0;
	if (filter_size(filter) > filter->limit ||
	    filter->count == FILTER_RULES_MAX)
		return err_set(e, EX_SOFTWARE,
		    "%s: a filter of %u system calls, not of %u", filter->name,
		    filter_size(filter), filter->limit);
	context = seccomp_init(
	    filter->refuses ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_TRAP);
	if (!context)
		return err_set(e, EX_OSERR, "%s: filter", filter->name);
	/* 32-bit and x32 calls: nothing of ours makes any. */
	result = seccomp_attr_set(
	    context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (unsigned i = 0; i < filter->count && result == 0; i++)
		result = add_rule(context, filter->rules[i]);
	if (result == 0)
		result = take_program(filter, context);
	seccomp_release(context);
	if (result < 0)
		return err_set(e, EX_OSERR, "%s: filter: %s", filter->name,
		    strerror(-result));
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
