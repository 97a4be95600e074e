/* SPDX-License-Identifier: MIT */
/* stats.c - what a VM used and did so far */
#include "cmd/vk-boot/stats.h"

#include "cmd/vk-boot/virtio/balloon.h"
#include "cmd/vk-boot/virtio/blk.h"
#include "cmd/vk-boot/virtio/mem.h"
#include "cmd/vk-boot/virtio/net.h"
#include "cmd/vk-boot/virtio/vsock.h"
#include "cmd/vk-boot/vm.h"

#include <time.h>

/* Bytes and counts; what does not fit a JSON integer is not known. */
static json_t *
number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value)
				  : json_null();
}

static json_t *
balloon_memory_stats(const struct balloon_memory *memory)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "total",
	    number(memory->total), "free", number(memory->free), "available",
	    number(memory->available), "caches", number(memory->caches),
	    "swapped_in", number(memory->swapped_in), "swapped_out",
	    number(memory->swapped_out), "major_faults",
	    number(memory->major_faults), "minor_faults",
	    number(memory->minor_faults));
}

static void
add_balloon(struct virtio_device *dev, json_t *into)
{
	struct balloon_stats stats;

	balloon_stats(dev, &stats);
	json_object_set_new(into, "balloon",
	    json_pack("{s:o,s:o,s:o,s:o}", "target", number(stats.target),
		"actual", number(stats.actual), "inflated",
		number(stats.inflated), "reported", number(stats.reported)));
	json_object_set_new(
	    into, "guest_memory", balloon_memory_stats(&stats.memory));
}

static void
add_mem(struct virtio_device *dev, json_t *into)
{
	struct mem_stats stats;

	mem_stats(dev, &stats);
	json_object_set_new(into, "pluggable",
	    json_pack("{s:o,s:o,s:o,s:o,s:o}", "requested",
		number(stats.requested), "plugged", number(stats.plugged),
		"plugs", number(stats.plugs), "unplugs", number(stats.unplugs),
		"refused", number(stats.refused)));
}

static void
add_blk(struct virtio_device *dev, json_t *into)
{
	struct blk_stats stats;

	blk_stats(dev, &stats);
	json_object_update_new(
	    into, json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "reads",
		      number(stats.read.requests), "read_bytes",
		      number(stats.read.bytes), "writes",
		      number(stats.written.requests), "written_bytes",
		      number(stats.written.bytes), "discards",
		      number(stats.discarded.requests), "discarded_bytes",
		      number(stats.discarded.bytes), "flushes",
		      number(stats.flushes), "failed", number(stats.failed)));
}

static void
add_net(struct virtio_device *dev, json_t *into)
{
	struct net_stats stats;

	net_stats(dev, &stats);
	json_object_update_new(
	    into, json_pack("{s:b,s:o,s:o,s:o,s:o,s:o,s:o}", "up", stats.up,
		      "to_guest_frames", number(stats.to_guest_frames),
		      "to_guest_bytes", number(stats.to_guest_bytes),
		      "to_guest_dropped", number(stats.to_guest_dropped),
		      "from_guest_frames", number(stats.from_guest_frames),
		      "from_guest_bytes", number(stats.from_guest_bytes),
		      "from_guest_dropped", number(stats.from_guest_dropped)));
}

static void
add_vsock(struct virtio_device *dev, json_t *into)
{
	struct vsock_stats stats;

	vsock_stats(dev, &stats);
	json_object_update_new(into,
	    json_pack("{s:i,s:o,s:o,s:o}", "connections",
		(int)stats.connections, "to_guest_bytes",
		number(stats.to_guest), "from_guest_bytes",
		number(stats.from_guest), "resets", number(stats.resets)));
}

struct queue_call {
	struct virtio_device *dev;
	uint64_t requests, kicks, signals;
};

/* In the device's loop. */
static void
sum_queues(void *with)
{
	struct queue_call *call = with;

	for (unsigned i = 0; i < call->dev->queue_count; i++) {
		call->requests += call->dev->queues[i].requests;
		call->kicks += call->dev->queues[i].kicks;
		call->signals += call->dev->queues[i].signals;
	}
}

static json_t *
device_stats(struct virtio_device *dev)
{
	struct queue_call call = {.dev = dev};
	json_t *stats;

	loop_call(dev->loop, sum_queues, &call);
	stats = json_pack("{s:s,s:o,s:o,s:o}", "name", dev->ops->name,
	    "requests", number(call.requests), "kicks", number(call.kicks),
	    "interrupts", number(call.signals));
	if (dev->ops->type == VIRTIO_TYPE_BLK)
		add_blk(dev, stats);
	if (dev->ops->type == VIRTIO_TYPE_NET)
		add_net(dev, stats);
	if (dev->ops->type == VIRTIO_TYPE_VSOCK)
		add_vsock(dev, stats);
	return stats;
}

const struct filter_call stats_calls[] = {
    CALL(clock_gettime), /* of the process: no vDSO knows that */
    CALLS_END,
};

/* A disk that was added. */
static void
append_disk(void *with, const char *id, struct virtio_device *dev)
{
	json_t *stats = device_stats(dev);

	json_object_set_new(stats, "id", json_string(id));
	json_array_append_new(with, stats);
}

json_t *
stats_make(struct vm *vm)
{
	json_t *stats = json_object(), *devices = json_array();
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	json_object_set_new(stats, "host_cpu_ms",
	    number((uint64_t)used.tv_sec * 1000 +
		   (uint64_t)used.tv_nsec / 1000000));
	json_object_set_new(stats, "memory", number(vm->options.memory));
	vm->engine->ops->stats(vm->engine, stats);
	if (vm->balloon)
		add_balloon(vm->balloon, stats);
	if (vm->mem)
		add_mem(vm->mem, stats);
	for (unsigned i = 0; i < vm->drive_count; i++)
		if (vm->drives[i].device)
			append_disk(
			    devices, vm->drives[i].id, vm->drives[i].device);
	for (unsigned i = 0; i < vm->device_count; i++)
		json_array_append_new(devices, device_stats(vm->devices[i]));
	hot_disks_each(vm->hot_disks, append_disk, devices);
	json_object_set_new(stats, "devices", devices);
	return stats;
}
