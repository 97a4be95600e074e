/* SPDX-License-Identifier: MIT */
/* log.c - lines on stderr: "program: text" */
#include "common/log.h"

#include "common/err.h"
#include "common/io.h"
#include "common/sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool log_verbose;
static const char *own_name;

/* What stderr has no room for. */
static struct {
	pthread_mutex_t lock; /* guards what follows */
	struct sink sink;
	bool held;
	size_t len;
	char text[LOG_WAITING_MAX];
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
log_name(const char *name)
{
	own_name = name;
}

/* Lines, behind those that wait; lost where there are too many. */
static void
say(const char *text, size_t len)
{
	ssize_t n = 0;

	pthread_mutex_lock(&waiting.lock);
	if (!waiting.held) {
		n = write(STDERR_FILENO, text, len);
	} else if (len <= sizeof(waiting.text) - waiting.len) {
		memcpy(waiting.text + waiting.len, text, len);
		waiting.len += len;
	}
	while (waiting.len > 0 && n >= 0) {
		n = sink_write(&waiting.sink, waiting.text, waiting.len);
		if (n < 0 && errno != EAGAIN)
			n = (ssize_t)waiting.len; /* nobody is left to tell */
		if (n > 0) {
			waiting.len -= (size_t)n;
			memmove(waiting.text, waiting.text + n, waiting.len);
		}
	}
	pthread_mutex_unlock(&waiting.lock);
}

static void
line(const char *fmt, va_list ap)
{
	char text[1024];
	const char *name = own_name ? own_name : program_invocation_short_name;
	int head = snprintf(text, 64, "%s: ", name);
	size_t len;

	if (head < 0 || head >= 64)
		head = 0;
	if (vsnprintf(text + head, sizeof(text) - (size_t)head - 1, fmt, ap) <
	    0)
		return;
	err_printable(text);
	len = strlen(text);
	text[len++] = '\n';
	say(text, len);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	if (!log_verbose)
		return;
	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void
log_text(const char *text)
{
	say(text, strlen(text));
}

void
log_hold(void)
{
	sink_init(&waiting.sink, STDERR_FILENO);
	sink_learn(&waiting.sink);
	/* A file does not block, and for what is left there is no way. */
	waiting.held = waiting.sink.manner == SINK_OPENED ||
		       waiting.sink.manner == SINK_SOCKET;
}

const struct filter_call *
log_calls(void)
{
	static const struct filter_call none[] = {CALLS_END};
	static const struct filter_call socket[] = {
	    CALL_IF(sendto, 0, STDERR_FILENO),
	    CALLS_END,
	};

	return waiting.sink.manner == SINK_SOCKET ? socket : none;
}

bool
log_waits(void)
{
	bool waits;

	pthread_mutex_lock(&waiting.lock);
	waits = waiting.len > 0;
	pthread_mutex_unlock(&waiting.lock);
	return waits;
}

void
log_release(void)
{
	pthread_mutex_lock(&waiting.lock);
	waiting.held = false;
	io_write(STDERR_FILENO, waiting.text, waiting.len);
	waiting.len = 0;
	sink_release(&waiting.sink);
	pthread_mutex_unlock(&waiting.lock);
}
