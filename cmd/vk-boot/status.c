/* SPDX-License-Identifier: MIT */
/* status.c - what happens to a VM, told to programs */
#include "cmd/vk-boot/status.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* At the end, for a reader that is slow. */
#define FINISH_MS 500

const struct filter_call status_calls[] = {
    CALL(write),
    CALL(openat), /* status.json, in its folder */
    CALL(close),
    CALL(renameat),
    CALL_RARE(poll, "--status-fd is not read, or no pipe"),
    CALL_RARE(sendto, "--status-fd is a socket"),
    CALLS_END,
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void
status_init(struct status *status, int ready_fd, int status_fd)
{
	*status = (struct status){
	    .ready_fd = ready_fd,
	    .status_fd = status_fd,
	    .folder = -1,
	    .start_ns = now_ns(),
	    .now = json_object(),
	};
	buf_init(&status->waiting, 2 * STATUS_WAITING_MAX);
	sink_init(&status->sink, status_fd);
	sink_learn(&status->sink);
}

void
status_release(struct status *status)
{
	json_decref(status->now);
	status->now = NULL;
	buf_release(&status->waiting);
	sink_release(&status->sink);
}

uint64_t
status_ms(const struct status *status)
{
	return (now_ns() - status->start_ns) / 1000000;
}

/* ---- lines for --status-fd ---- */

/* Writes what goes at once. */
static void
flush(struct status *status)
{
	struct buf *waiting = &status->waiting;
	ssize_t n = 0;

	while (waiting->len > 0 && (n >= 0 || errno == EINTR)) {
		n = sink_write(&status->sink, waiting->data, waiting->len);
		if (n > 0)
			buf_drop(waiting, (size_t)n);
	}
	if (waiting->len == 0 || errno == EAGAIN)
		return;
	log_info("--status-fd: %s", strerror(errno));
	buf_release(waiting);
	status->status_fd = -1;
}

/* Waits for room while it is needed. */
static void
await_room(struct status *status)
{
	struct err e = ERR_INIT;

	if (!status->loop || status->room.added == (status->waiting.len > 0))
		return;
	if (status->room.added)
		loop_remove(status->loop, &status->room);
	else if (loop_add(status->loop, &status->room, EPOLLOUT, &e) < 0)
		log_info("--status-fd: %s", e.text);
}

static void
has_room(struct loop_source *source, uint32_t events)
{
	struct status *status = source->owner;

	(void)events;
	flush(status);
	await_room(status);
}

/* The last one is told in any case. */
static void
say(struct status *status, const char *text, bool last)
{
	if (last || status->waiting.len + strlen(text) < STATUS_WAITING_MAX)
		buf_printf(&status->waiting, "%s\n", text);
	flush(status);
	await_room(status);
}

void
status_serve(struct status *status, struct loop *loop)
{
	status->loop = loop;
	status->room = (struct loop_source){
	    .fd = status->sink.opened >= 0 ? status->sink.opened
					   : status->sink.fd,
	    .ready = has_room,
	    .owner = status,
	};
}

void
status_finish(struct status *status)
{
	struct pollfd room = {.fd = status->room.fd, .events = POLLOUT};
	uint64_t end_ms = status_ms(status) + FINISH_MS, now_ms;

	if (status->room.added)
		loop_remove(status->loop, &status->room);
	status->loop = NULL;
	while (status->waiting.len > 0 &&
	       (now_ms = status_ms(status)) < end_ms &&
	       poll(&room, 1, (int)(end_ms - now_ms)) > 0)
		flush(status);
}

/* ---- status.json ---- */

/* Replaces status.json. */
static void
replace_file(const struct status *status)
{
	cleanup_free char *text = json_dumps(status->now, JSON_INDENT(2));
	cleanup_fd int fd = -1;

	if (!text || status->folder < 0)
		return;
	fd = openat(status->folder, ".status.json",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (io_write(fd, text, strlen(text)) == 0)
		renameat(status->folder, ".status.json", status->folder,
		    "status.json");
}

/* What the machine is in after an event; NULL: what it was. */
static const char *
state_after(const char *event)
{
	static const char *const states[][2] = {
	    {"start", "booting"},
	    {"boot", "starting"},
	    {"ready", "running"},
	    {"reboot", "booting"},
	    {"stopping", "stopping"},
	    {"exit", "ended"},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i][0], event) == 0)
			return states[i][1];
	return NULL;
}

/* ---- events ---- */

void
status_listen(
    struct status *status, void (*tell)(void *, json_t *), void *owner)
{
	status->tell = tell;
	status->owner = owner;
}

void
status_event(struct status *status, const char *event, json_t *members)
{
	json_t *line = json_object();
	uint64_t ms = status_ms(status);
	char *text;

	json_object_set_new(line, "event", json_string(event));
	json_object_set_new(line, "ms", json_integer((json_int_t)ms));
	json_object_update(line, members);
	if (state_after(event))
		json_object_set_new(
		    status->now, "state", json_string(state_after(event)));
	json_object_update(status->now, members);
	json_decref(members);
	text = json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (status->tell)
		status->tell(status->owner, line);
	json_decref(line);
	if (!text)
		return;
	log_info("%6llu ms %s", (unsigned long long)ms, text);
	if (status->status_fd >= 0)
		say(status, text, strcmp(event, "exit") == 0);
	free(text);
	replace_file(status);
}

void
status_ready(struct status *status)
{
	status_event(status, "ready", NULL);
	if (status->ready_fd >= 0 && io_write(status->ready_fd, "\n", 1) < 0)
		log_info("--ready-fd: %s", strerror(errno));
	status->ready_fd = -1; /* once */
}
