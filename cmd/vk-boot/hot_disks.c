/* SPDX-License-Identifier: MIT */
/* hot_disks.c - disks that are added to a running VM, and taken from it */
#include "cmd/vk-boot/hot_disks.h"

#include "cmd/vk-boot/disk.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/virtio/blk.h"

#include "common/scope.h"

#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

/* No engine has more slots. */
#define DISKS_MAX 8
#define ID_MAX    VIRTIO_BLK_ID_BYTES

struct added {
	char id[ID_MAX + 1]; /* "": there is none */
	unsigned slot;
	struct disk disk;
	struct virtio_device *device;
};

struct hot_disks {
	struct loop *main, *loop;
	struct engine *engine;
	struct status *status;
	const struct hot_disks_ops *ops;
	void *owner;
	struct loop_source given, timer;
	struct added disks[DISKS_MAX];
	bool keeps;

	/* The removal that is waited for; one at a time. */
	struct added *leaving; /* NULL: none */
	unsigned number;
	uint64_t timeout_ms;
};

/* ---- in the thread that serves them ---- */

struct make_call {
	struct hot_disks *h;
	const struct gmem *mem;
	struct added *disk;
	const struct hot_disk *wish;
	int fd; /* taken */
	int result;
	struct err *e;
};

static int
make_device(struct make_call *call)
{
	struct blk_config config = {
	    .disk = &call->disk->disk,
	    .serial = call->disk->id,
	    .threads = true, /* of which it has none: see keep */
	};
	struct virtio_device *dev =
	    blk_new(call->h->loop, call->mem, &config, call->e);

	call->disk->device = dev;
	return dev ? dev->ops->keep(dev, NULL, call->e) : -1;
}

/* Here and not in the main thread, which needs fewer system calls so. */
static void
add_disk(void *with)
{
	struct make_call *call = with;
	struct engine *engine = call->h->engine;
	int slot = -1;

	call->result = -1;
	if (disk_take(&call->disk->disk, call->fd, call->wish->file,
		call->wish->read_only, call->e) < 0 ||
	    make_device(call) < 0)
		return;
	slot = engine->ops->plug(engine, call->disk->device, call->e);
	if (slot < 0)
		return;
	call->disk->slot = (unsigned)slot;
	call->result = 0;
}

static void
free_device(void *with)
{
	struct added *disk = with;

	virtio_device_free(disk->device);
	disk->device = NULL;
}

static const struct filter_call thread_calls[] = {
    CALL(eventfd2), /* a device is made */
    CALL(close),    /* and freed */
    CALL(preadv),   /* one of several; writes are done at once */
    CALLS_END,
};

static const struct filter_call main_calls[] = {
    CALL(timerfd_settime),
    CALLS_END,
};

/* ---- leaving ---- */

static void
set_timer(struct hot_disks *h, uint64_t ms)
{
	struct itimerspec when = {
	    .it_value = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000}};

	timerfd_settime(h->timer.fd, 0, &when, NULL);
}

static void
answer(struct hot_disks *h, const struct err *e)
{
	set_timer(h, 0);
	h->leaving = NULL;
	h->ops->removed(h->owner, h->number, e);
}

static void
drop(struct hot_disks *h, struct added *disk)
{
	loop_call(h->loop, free_device, disk);
	disk_close(&disk->disk);
	disk->id[0] = '\0';
}

/* The guest gave it up. */
static void
gone(struct hot_disks *h, struct added *disk)
{
	/* Nobody may be in the middle of an access. */
	h->ops->hold(h->owner, true);
	h->engine->ops->unplug(h->engine, disk->slot);
	h->ops->hold(h->owner, false);
	status_event(
	    h->status, "disk-removed", json_pack("{s:s}", "id", disk->id));
	drop(h, disk);
	if (h->leaving == disk)
		answer(h, NULL);
}

static void
slots_given(struct loop_source *source, uint32_t events)
{
	struct hot_disks *h = source->owner;
	uint32_t slots = h->engine->ops->given(h->engine);

	(void)events;
	for (unsigned i = 0; i < DISKS_MAX; i++)
		if (h->disks[i].id[0] && slots >> h->disks[i].slot & 1)
			gone(h, &h->disks[i]);
}

static void
timer_expired(struct loop_source *source, uint32_t events)
{
	struct hot_disks *h = source->owner;
	struct err e = ERR_INIT;

	(void)events;
	eventfd_take(source->fd);
	if (!h->leaving)
		return;
	err_set(&e, EX_TEMPFAIL,
	    "disk-remove: %s: the guest did not give it up within %llu ms",
	    h->leaving->id, (unsigned long long)h->timeout_ms);
	err_hint(&e, "unmount it; it goes when the guest lets it");
	answer(h, &e);
}

/* ---- what others call ---- */

static struct added *
find(struct hot_disks *h, const char *id)
{
	for (unsigned i = 0; i < DISKS_MAX; i++)
		if (strcmp(h->disks[i].id, id) == 0)
			return &h->disks[i];
	return NULL;
}

int
hot_disks_add(
    struct hot_disks *h, const struct hot_disk *wish, int fd, struct err *e)
{
	struct added *disk = find(h, "");
	struct make_call call = {
	    .h = h,
	    .mem = h->engine->ops->memory(h->engine, e),
	    .wish = wish,
	    .fd = fd,
	    .e = e,
	};

	if (!disk) {
		fd_close(&fd);
		return err_set(e, EX_UNAVAILABLE,
		    "disk-add: %s: no slot is free", wish->id);
	}
	snprintf(disk->id, sizeof(disk->id), "%s", wish->id);
	call.disk = disk;
	loop_call(h->loop, add_disk, &call);
	if (call.result < 0) {
		drop(h, disk);
		return err_prefix(e, "disk-add");
	}
	h->keeps |= !wish->read_only;
	status_event(
	    h->status, "disk-added", json_pack("{s:s}", "id", disk->id));
	return 0;
}

int
hot_disks_remove(struct hot_disks *h, const char *id, unsigned number,
    uint64_t timeout_ms, struct err *e)
{
	struct added *disk = find(h, id);

	if (!disk)
		return err_set(e, EX_USAGE,
		    "disk-remove: %s: no disk was added by this id", id);
	if (h->leaving)
		return err_set(e, EX_TEMPFAIL,
		    "disk-remove: %s: %s is being removed", id, h->leaving->id);
	h->leaving = disk;
	h->number = number;
	h->timeout_ms = timeout_ms;
	set_timer(h, timeout_ms > 0 ? timeout_ms : 1);
	h->engine->ops->ask(h->engine, disk->slot);
	return 0;
}

bool
hot_disks_has(struct hot_disks *h, const char *id)
{
	return find(h, id) != NULL;
}

bool
hot_disks_keep(const struct hot_disks *h)
{
	return h && h->keeps;
}

void
hot_disks_each(const struct hot_disks *h,
    void (*call)(void *with, const char *id, struct virtio_device *),
    void *with)
{
	for (unsigned i = 0; h && i < DISKS_MAX; i++)
		if (h->disks[i].id[0])
			call(with, h->disks[i].id, h->disks[i].device);
}

/* ---- life ---- */

struct hot_disks *
hot_disks_new(struct loop *main, struct engine *engine, struct status *status,
    struct err *e)
{
	struct hot_disks *h = calloc(1, sizeof(*h));

	if (!h) {
		err_errno(e, EX_OSERR, "disks");
		return NULL;
	}
	h->main = main;
	h->engine = engine;
	h->status = status;
	h->given = (struct loop_source){
	    .fd = engine->given_fd, .ready = slots_given, .owner = h};
	h->timer = (struct loop_source){
	    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	    .ready = timer_expired,
	    .owner = h,
	};
	h->loop = loop_new("added disks", e);
	if (h->timer.fd < 0)
		err_errno(e, EX_OSERR, "disks");
	if (h->loop && h->timer.fd >= 0 &&
	    loop_add(main, &h->given, EPOLLIN, e) == 0 &&
	    loop_add(main, &h->timer, EPOLLIN, e) == 0)
		return h;
	hot_disks_free(h);
	return NULL;
}

int
hot_disks_confine(struct hot_disks *h, struct filter *main, struct err *e)
{
	const struct disk raw = {.base = -1, .overlay = -1};
	struct filter *filter = loop_filter(h->loop);

	filter_add(filter, blk_calls);
	filter_add(filter, thread_calls);
	disk_allow(&raw, filter);
	filter_add(main, main_calls);
	filter_add(filter, disk_take_calls);
	filter_add(filter, h->engine->ops->plug_calls);
	return sandbox_filter(filter, e);
}

int
hot_disks_start(struct hot_disks *h, struct gate *gate, struct err *e)
{
	return loop_start(h->loop, gate, e);
}

void
hot_disks_serve(
    struct hot_disks *h, const struct hot_disks_ops *ops, void *owner)
{
	h->ops = ops;
	h->owner = owner;
}

void
hot_disks_end(struct hot_disks *h)
{
	if (!h)
		return;
	/* What is under way needs the guest's memory. */
	for (unsigned i = 0; i < DISKS_MAX; i++)
		if (h->disks[i].id[0])
			virtio_device_stop(h->disks[i].device);
	loop_end(h->loop);
}

void
hot_disks_again(struct hot_disks *h)
{
	if (h && h->leaving)
		h->engine->ops->ask(h->engine, h->leaving->slot);
}

void
hot_disks_fail(struct hot_disks *h)
{
	struct err e = ERR_INIT;

	if (!h || !h->leaving)
		return;
	err_set(&e, EX_UNAVAILABLE, "disk-remove: %s: the VM ended",
	    h->leaving->id);
	answer(h, &e);
}

void
hot_disks_free(struct hot_disks *h)
{
	if (!h)
		return;
	hot_disks_end(h);
	for (unsigned i = 0; i < DISKS_MAX; i++)
		if (h->disks[i].id[0])
			drop(h, &h->disks[i]);
	loop_remove(h->main, &h->given);
	loop_close(h->main, &h->timer);
	loop_free(h->loop);
	free(h);
}
