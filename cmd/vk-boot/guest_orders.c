/* SPDX-License-Identifier: MIT */
/* guest_orders.c - what is asked of a VM through its control socket */
#include "cmd/vk-boot/guest_parts.h"

#include "cmd/vk-boot/control.h"
#include "cmd/vk-boot/drive.h"
#include "cmd/vk-boot/hot_disks.h"
#include "cmd/vk-boot/view.h"
#include "cmd/vk-boot/virtio/balloon.h"
#include "cmd/vk-boot/virtio/mem.h"

#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <signal.h>
#include <string.h>

/* Unbinding a driver and its last flush; vk-control waits for as long. */
#define DISK_REMOVE_TIMEOUT_MS 5000

/* What of the memory that was added the guest has taken. */
static void
tell_memory(struct guest *g, json_t *answer)
{
	struct mem_stats stats;

	mem_stats(g->config->mem, &stats);
	json_object_update_new(
	    answer, json_pack("{s:I,s:I}", "memory_requested",
			(json_int_t)stats.requested, "memory_plugged",
			(json_int_t)stats.plugged));
}

static int
tell_status(struct guest *g, json_t *answer)
{
	json_object_update(answer, g->config->status->now);
	json_object_set_new(answer, "state", json_string(guest_state_name(g)));
	json_object_set_new(answer, "ready", json_boolean(g->ready));
	if (g->config->mem)
		tell_memory(g, answer);
	json_object_set_new(answer, "uptime_ms",
	    json_integer((json_int_t)status_ms(g->config->status)));
	return 0;
}

static int
tell_stats(struct guest *g, json_t *answer)
{
	json_t *stats = g->config->stats(g->config->owner);

	json_object_update(answer, stats);
	json_decref(stats);
	return 0;
}

static int
stop(struct guest *g, const struct order *order, struct err *e)
{
	uint64_t timeout_ms = order->has_timeout ? order->timeout_ms
						 : g->options->stop_timeout_ms;

	if (timeout_ms > UINT32_MAX)
		return err_set(e, EX_USAGE, "stop: timeout: too long");
	if (g->state != GUEST_STOPPING)
		g->status = 128 + SIGTERM;
	guest_stop(g, "stopped", timeout_ms);
	return 0;
}

static int
press_button(struct guest *g, struct err *e)
{
	struct engine *engine = g->config->engine;

	if (!engine->ops->power_button)
		return err_set(e, EX_UNAVAILABLE, "power-button: %s has none",
		    engine->ops->name);
	engine->ops->power_button(engine);
	return 0;
}

static int
set_balloon(struct guest *g, const struct order *order, struct err *e)
{
	if (!g->config->balloon)
		return err_set(e, EX_UNAVAILABLE, "balloon: %s has none",
		    g->config->engine->ops->name);
	if (order->size > g->options->memory)
		return err_set(
		    e, EX_USAGE, "balloon: size: larger than the VM's memory");
	balloon_target(g->config->balloon, order->size);
	return 0;
}

/* The size is the VM's in all: what it has from the start cannot be taken. */
static int
set_memory(struct guest *g, const struct order *order, struct err *e)
{
	const struct options *o = g->options;
	struct engine *engine = g->config->engine;
	char least[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
	uint64_t more;

	if (!g->config->mem) {
		err_set(e, EX_UNAVAILABLE,
		    "memory: no more can be added to this VM");
		return err_hint(e, "vk-boot -m SIZE,max=SIZE provides for it");
	}
	if (order->size < o->memory || order->size > o->memory_max) {
		err_set(e, EX_USAGE, "memory: size: not from %s to %s",
		    size_text(o->memory, least),
		    size_text(o->memory_max, most));
		return order->size < o->memory
			   ? err_hint(e, "the balloon takes less")
			   : -1;
	}
	more = (order->size - o->memory + MEM_BLOCK - 1) & ~(MEM_BLOCK - 1);
	if (engine->ops->show(engine, more, e) < 0)
		return -1;
	mem_request(g->config->mem, more);
	return 0;
}

static int
need_hot_disks(struct guest *g, const char *order, struct err *e)
{
	if (g->config->hot_disks)
		return 0;
	return err_set(e, EX_UNAVAILABLE,
	    "%s: %s cannot be given disks while it runs", order,
	    g->config->engine->ops->name);
}

/* One that the VM was started with. */
static bool
has_drive(struct guest *g, const char *id)
{
	const struct options *o = g->options;

	if (strcmp(id, "root") == 0)
		return o->image != NULL;
	for (unsigned i = 0; i < o->drive_count; i++)
		if (strcmp(o->drives[i].id, id) == 0 ||
		    strcmp(o->drives[i].serial, id) == 0)
			return true;
	return false;
}

static int
add_disk(struct guest *g, struct control_client *client,
    const struct order *order, struct err *e)
{
	struct hot_disk wish = {order->file, order->id, order->read_only};
	cleanup_fd int fd = control_take_fd(client);

	if (need_hot_disks(g, "disk-add", e) < 0)
		return -1;
	if (fd < 0)
		return err_set(e, EX_USAGE,
		    "disk-add: no descriptor came with the request");
	if (has_drive(g, order->id) ||
	    hot_disks_has(g->config->hot_disks, order->id))
		return err_set(e, EX_USAGE,
		    "disk-add: %s: another disk has this id", order->id);
	return hot_disks_add(g->config->hot_disks, &wish, steal_fd(&fd), e);
}

static int
remove_disk(struct guest *g, struct control_client *client,
    const struct order *order, struct err *e)
{
	uint64_t timeout_ms =
	    order->has_timeout ? order->timeout_ms : DISK_REMOVE_TIMEOUT_MS;

	if (need_hot_disks(g, "disk-remove", e) < 0)
		return -1;
	if (has_drive(g, order->id))
		return err_set(e, EX_USAGE,
		    "disk-remove: %s: the VM was started with it", order->id);
	return hot_disks_remove(g->config->hot_disks, order->id,
		   control_hold(client), timeout_ms, e) < 0
		   ? control_unhold(client)
		   : 1;
}

/* For a moment, unless it is held already. */
static void
hold_guest(void *owner, bool on)
{
	struct guest *g = owner;
	struct err e = ERR_INIT;

	if (!g->paused &&
	    g->config->engine->ops->pause(g->config->engine, on, &e) < 0)
		log_warn("%s", e.text);
}

static void
disk_removed(void *owner, unsigned number, const struct err *e)
{
	struct guest *g = owner;

	control_answer(g->config->control, number, e);
}

static const struct hot_disks_ops hot_disks_ops = {
    .hold = hold_guest,
    .removed = disk_removed,
};

static int
perform(void *owner, struct control_client *client, const struct order *order,
    json_t *answer, struct err *e)
{
	struct guest *g = owner;

	switch (order->kind) {
	case ORDER_STATUS:
		return tell_status(g, answer);
	case ORDER_STATS:
		return tell_stats(g, answer);
	case ORDER_EVENTS:
		control_listen(client, answer);
		return 0;
	case ORDER_WAIT:
		control_hold(client);
		return 1;
	case ORDER_STOP:
		return stop(g, order, e);
	case ORDER_KILL:
		guest_end_at_once(g, 128 + SIGKILL, "killed");
		return 0;
	case ORDER_PAUSE:
	case ORDER_RESUME:
		return guest_pause(g, order->kind == ORDER_PAUSE, e);
	case ORDER_POWER_BUTTON:
		return press_button(g, e);
	case ORDER_BALLOON:
		return set_balloon(g, order, e);
	case ORDER_MEMORY:
		return set_memory(g, order, e);
	case ORDER_DISK_ADD:
		return add_disk(g, client, order, e);
	case ORDER_DISK_REMOVE:
		return remove_disk(g, client, order, e);
	case ORDER_CONSOLE:
		control_give(client);
		return 0;
	case ORDER_KINDS:
		break;
	}
	return err_set(e, EX_SOFTWARE, "no such order");
}

/* A client is a view of the console from now on. */
static void
given(void *owner, int fd, const void *more, size_t len)
{
	struct guest *g = owner;
	struct view_config config = {
	    .in = fd, .out = fd, .from_start = true, .stays = true};
	struct err e = ERR_INIT;

	if (views_open(g->config->views, &config, more, len, &e) < 0)
		log_info("console: %s", e.text);
}

static const struct control_ops control_ops = {
    .perform = perform,
    .given = given,
};

void
guest_orders_open(struct guest *g)
{
	if (!g->config->control)
		return;
	if (g->config->hot_disks)
		hot_disks_serve(g->config->hot_disks, &hot_disks_ops, g);
	control_serve(g->config->control, &control_ops, g);
}

void
guest_orders_ended(struct guest *g)
{
	json_t *answer;

	if (!g->config->control)
		return;
	hot_disks_fail(g->config->hot_disks);
	answer = json_pack("{s:b,s:i,s:s}", "ok", 1, "status", g->status, "why",
	    g->why ? g->why : "failure");
	control_release_held(g->config->control, answer);
	json_decref(answer);
}
