/* SPDX-License-Identifier: MIT */
/* guest_agent.c - what the guest's agent announces */
#include "cmd/vk-boot/guest_parts.h"

#include "cmd/vk-boot/virtio/vsock.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

/* What a guest's agent may have us tell at once; then one more a second. */
#define EVENTS_SHOWN_MAX 100
/* Events before other sources of the loop have their turn. */
#define TURN_EVENTS 256

/* No flood goes on to the log, or to who is told of events. */
static bool
may_tell(struct guest *g)
{
	uint64_t now_s = status_ms(g->config->status) / 1000;
	uint64_t passed = now_s - g->told_s;

	g->told_s = now_s;
	g->told -= passed < g->told ? (unsigned)passed : g->told;
	return g->told < EVENTS_SHOWN_MAX && ++g->told;
}

static void
tell_stages(struct guest *g, const struct announce_event *event)
{
	json_t *stages = json_array();

	for (unsigned i = 0; i < event->stage_count; i++)
		json_array_append_new(stages,
		    json_pack("{s:s%,s:f}", "name", event->stages[i].name,
			strnlen(event->stages[i].name, ANNOUNCE_NAME_MAX), "ms",
			(double)event->stages[i].ns / 1e6));
	status_event(
	    g->config->status, "boot", json_pack("{s:o}", "stages", stages));
}

static int
image_arrived(
    struct guest *g, const struct announce_event *event, struct err *e)
{
	struct command_wish wish = {
	    .argv = g->options->argv,
	    .entrypoint = g->options->entrypoint,
	    .env = &g->options->env,
	    .user = g->options->user,
	    .dir = g->options->dir,
	};

	return command_make(
	    &g->command, event->image, event->image_len, &wish, e);
}

static int
ready_arrived(struct guest *g, struct err *e)
{
	g->ready = true;
	guest_is_up(g);
	status_ready(g->config->status);
	if (g->state == GUEST_STOPPING)
		return 0;
	guest_set_state(g, GUEST_RUNNING);
	return guest_command_start(g, e);
}

static void
tell(struct guest *g, const char *what, const struct announce_event *event)
{
	status_event(
	    g->config->status, what, json_pack("{s:s?}", "text", event->text));
}

static void
event_arrived(struct guest *g, const struct announce_event *event)
{
	switch (event->kind) {
	case EVENT_POWER_OFF:
	case EVENT_REBOOT:
		g->going_down = true;
		g->rebooting = event->kind == EVENT_REBOOT;
		return;
	case EVENT_FATAL:
		log_warn("guest: %s", event->text);
		guest_finish(g, EXIT_FAILED, "failure");
		return;
	case EVENT_LOG:
	case EVENT_OOM:
		if (!may_tell(g))
			return;
		log_warn("guest: %s", event->text);
		tell(g, event->kind == EVENT_OOM ? "oom" : "log", event);
		return;
	case EVENT_INIT_READY:
		if (!g->init_ready)
			tell(g, "init-ready", event);
		g->init_ready = true;
		return;
	case EVENT_INIT_STATUS:
		if (may_tell(g))
			tell(g, "init", event);
		return;
	default:
		if (may_tell(g))
			log_info(
			    "guest: event %d: %s", event->kind, event->text);
	}
}

static int
handle_event(struct guest *g, const struct announce_event *event, struct err *e)
{
	switch (event->type) {
	case FRAME_HELLO:
		guest_set_state(g, GUEST_STARTING);
		guest_clock_tell(&g->clock);
		tell_stages(g, event);
		return 0;
	case FRAME_IMAGE:
		return image_arrived(g, event, e);
	case FRAME_READY:
		return ready_arrived(g, e);
	default:
		event_arrived(g, event);
		return 0;
	}
}

/* Takes one event. Whether there may be another. */
static bool
hear_one(struct guest *g)
{
	struct announce_event event;
	struct err e = ERR_INIT;

	switch (announce_next(&g->announce, g->agent.fd, &event, &e)) {
	case ANNOUNCE_EVENT:
		if (handle_event(g, &event, &e) == 0)
			return true;
		log_warn("%s", e.text);
		if (e.hint[0])
			log_warn("%s", e.hint);
		guest_finish(g, e.status ? e.status : EXIT_FAILED, "failure");
		return false;
	case ANNOUNCE_AGAIN:
		return false;
	case ANNOUNCE_ERROR:
		if (!g->going_down)
			log_warn("the guest's agent: %s", e.text);
		guest_finish(g, EXIT_FAILED, "failure");
		break;
	case ANNOUNCE_END:
		break;
	}
	loop_close(g->loop, &g->agent);
	return false;
}

static void
agent_says(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	unsigned left = TURN_EVENTS;

	(void)events;
	while (left > 0 && hear_one(g))
		left--;
	/* What was read already wakes nobody: that there is room does. */
	if (source->added)
		loop_change(
		    g->loop, source, left > 0 ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

/* In the vsock device's thread. */
static void
agent_connected(void *owner, int fd)
{
	struct guest *g = owner;

	if (write(g->arrival_writer, &fd, sizeof(fd)) != sizeof(fd))
		close(fd);
}

static void
agent_arrived(struct loop_source *source, uint32_t events)
{
	struct guest *g = source->owner;
	struct err e = ERR_INIT;
	int fd;

	(void)events;
	if (read(source->fd, &fd, sizeof(fd)) != sizeof(fd))
		return;
	if (g->state != GUEST_BOOTING || g->agent.fd >= 0) {
		close(fd); /* one is all there is */
		return;
	}
	g->agent.fd = fd;
	if (io_nonblock(fd, 1) < 0 ||
	    loop_add(g->loop, &g->agent, EPOLLIN, &e) < 0)
		guest_finish(g, EXIT_FAILED, "failure");
}

void
guest_agent_hear(struct guest *g)
{
	if (g->agent.fd >= 0)
		agent_says(&g->agent, EPOLLIN);
}

int
guest_agent_again(struct guest *g, struct err *e)
{
	int fd;

	loop_close(g->loop, &g->agent);
	while (read(g->arrivals.fd, &fd, sizeof(fd)) == sizeof(fd))
		close(fd);
	announce_release(&g->announce);
	if (announce_init(&g->announce) < 0)
		return err_errno(e, EX_OSERR, "memory");
	g->ready = g->going_down = g->rebooting = g->init_ready = false;
	return 0;
}

int
guest_agent_open(struct guest *g, struct err *e)
{
	int ends[2];

	if (announce_init(&g->announce) < 0)
		return err_errno(e, EX_OSERR, "memory");
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	g->arrival_writer = ends[1];
	g->arrivals = (struct loop_source){
	    .fd = ends[0], .ready = agent_arrived, .owner = g};
	g->agent =
	    (struct loop_source){.fd = -1, .ready = agent_says, .owner = g};
	if (loop_add(g->loop, &g->arrivals, EPOLLIN, e) < 0)
		return -1;
	if (vsock_answer(g->config->vsock, EXEC_PORT, agent_connected, g) < 0)
		return err_errno(e, EX_OSERR, "vsock");
	return 0;
}

void
guest_agent_release(struct guest *g)
{
	announce_release(&g->announce);
	fd_close(&g->arrival_writer);
	loop_close(g->loop, &g->arrivals);
	loop_close(g->loop, &g->agent);
}
