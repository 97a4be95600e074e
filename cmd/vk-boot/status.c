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
    CALL_RARE(poll, "a descriptor is not read, or no pipe"),
    CALL_RARE(sendto, "a descriptor is a socket"),
    CALLS_END,
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t
status_ms(const struct status *status)
{
	return (now_ns() - status->start_ns) / 1000000;
}

/* ---- outlets ---- */

/* Writes what goes at once. */
static void
flush(struct outlet *outlet)
{
	struct buf *waiting = &outlet->waiting;
	ssize_t n = 0;

	while (waiting->len > 0 && (n >= 0 || errno == EINTR)) {
		n = sink_write(&outlet->sink, waiting->data, waiting->len);
		if (n > 0)
			buf_drop(waiting, (size_t)n);
	}
	if (waiting->len == 0 || errno == EAGAIN)
		return;
	log_info("%s: %s", outlet->name, strerror(errno));
	buf_release(waiting);
	outlet->fd = -1;
}

/* Waits for room while it is needed. */
static void
await_room(struct outlet *outlet)
{
	struct err e = ERR_INIT;

	if (!outlet->loop || outlet->room.added == (outlet->waiting.len > 0))
		return;
	if (outlet->room.added)
		loop_remove(outlet->loop, &outlet->room);
	else if (loop_add(outlet->loop, &outlet->room, EPOLLOUT, &e) < 0)
		log_info("%s: %s", outlet->name, e.text);
}

static void
has_room(struct loop_source *source, uint32_t events)
{
	struct outlet *outlet = source->owner;

	(void)events;
	flush(outlet);
	await_room(outlet);
}

static void
outlet_init(struct outlet *outlet, const char *name, int fd)
{
	*outlet = (struct outlet){.name = name, .fd = fd};
	buf_init(&outlet->waiting, 2 * STATUS_WAITING_MAX);
	sink_init(&outlet->sink, fd);
	sink_learn(&outlet->sink);
	outlet->room = (struct loop_source){
	    .fd = outlet->sink.opened >= 0 ? outlet->sink.opened : fd,
	    .ready = has_room,
	    .owner = outlet,
	};
}

static void
outlet_release(struct outlet *outlet)
{
	buf_release(&outlet->waiting);
	sink_release(&outlet->sink);
}

/* The last one is told in any case. */
static void
say(struct outlet *outlet, const char *text, bool last)
{
	if (outlet->fd < 0)
		return;
	if (last || outlet->waiting.len + strlen(text) < STATUS_WAITING_MAX)
		buf_printf(&outlet->waiting, "%s\n", text);
	flush(outlet);
	await_room(outlet);
}

static void
outlet_finish(struct outlet *outlet, uint64_t end_ns)
{
	struct pollfd room = {.fd = outlet->room.fd, .events = POLLOUT};
	uint64_t now;

	if (outlet->room.added)
		loop_remove(outlet->loop, &outlet->room);
	outlet->loop = NULL;
	while (outlet->waiting.len > 0 && (now = now_ns()) < end_ns &&
	       poll(&room, 1, (int)((end_ns - now) / 1000000)) > 0)
		flush(outlet);
}

/* ---- both of them ---- */

void
status_init(struct status *status, int ready_fd, int status_fd)
{
	*status = (struct status){
	    .folder = -1,
	    .start_ns = now_ns(),
	    .now = json_object(),
	};
	outlet_init(&status->ready, "--ready-fd", ready_fd);
	outlet_init(&status->lines, "--status-fd", status_fd);
}

void
status_release(struct status *status)
{
	json_decref(status->now);
	status->now = NULL;
	outlet_release(&status->ready);
	outlet_release(&status->lines);
}

void
status_serve(struct status *status, struct loop *loop)
{
	status->ready.loop = status->lines.loop = loop;
}

void
status_finish(struct status *status)
{
	uint64_t end_ns = now_ns() + FINISH_MS * UINT64_C(1000000);

	outlet_finish(&status->ready, end_ns);
	outlet_finish(&status->lines, end_ns);
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
	say(&status->lines, text, strcmp(event, "exit") == 0);
	free(text);
	replace_file(status);
}

void
status_ready(struct status *status)
{
	status_event(status, "ready", NULL);
	if (!status->told_ready)
		say(&status->ready, "", false);
	status->told_ready = true;
}
