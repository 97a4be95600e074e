/* SPDX-License-Identifier: MIT */
/*
 * tap.h - unit tests in C, in the Test Anything Protocol
 *
 *	int main(void)
 *	{
 *		ok(size_parse("1K", &n) == 0 && n == 1024, "1K");
 *		is_str(text, "abc", "a name");
 *		return tap_done();
 *	}
 *
 * Every check goes on after a failure; tap_done() prints the plan and gives
 * the exit status.
 */
#ifndef VK_TESTS_TAP_H
#define VK_TESTS_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

__attribute__((format(printf, 4, 5), unused)) static bool
tap_result(bool good, const char *file, int line, const char *fmt, ...)
{
	char name[256];
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	__builtin_va_end(ap);
	printf("%sok %u - %s\n", good ? "" : "not ", ++tap_count, name);
	if (!good) {
		tap_failed++;
		printf("# %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

#define ok(condition, ...)                                                     \
	tap_result((condition), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, expected, ...)                                             \
	do {                                                                   \
		long long got_ = (long long)(got);                             \
		long long expected_ = (long long)(expected);                   \
		if (!ok(got_ == expected_, __VA_ARGS__))                       \
			printf(                                                \
			    "# got %lld, expected %lld\n", got_, expected_);   \
	} while (0)

#define is_str(got, expected, ...)                                             \
	do {                                                                   \
		const char *got_ = (got), *expected_ = (expected);             \
		if (!ok(got_ && strcmp(got_, expected_) == 0, __VA_ARGS__))    \
			printf("# got '%s', expected '%s'\n",                  \
			    got_ ? got_ : "(null)", expected_);                \
	} while (0)

/* A check that cannot run here, and why. */
#define skip(why, name)                                                        \
	printf("ok %u - %s # SKIP %s\n", ++tap_count, (name), (why))

__attribute__((unused)) static int
tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed > 0 || tap_count == 0;
}

#endif
