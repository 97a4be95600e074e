/* SPDX-License-Identifier: MIT */
/* place.c - rings that lie where they cannot, or are of no size */
#include "tests/bare/hostile/case.h"

static uint8_t room[3 * 4096] __attribute__((aligned(4096)));

/* Where the three parts are usually. */
struct place {
	uint16_t size;
	uint64_t descriptors, available, used;
};

static struct place
usual(const struct device *d)
{
	struct ring *ring = &d->rings[good_queue(d)];

	return (struct place){
	    .size = RING_SIZE,
	    .descriptors = (uint64_t)ring->descriptors,
	    .available = (uint64_t)&ring->available,
	    .used = (uint64_t)&ring->used,
	};
}

static bool
use(const struct device *d, struct place place)
{
	uint16_t queue = good_queue(d);

	device_begin(d, FEATURE_INDIRECT | FEATURE_EVENT);
	queue_place(d, queue, place.size, place.descriptors, place.available,
	    place.used);
	queue_enable(d, queue);
	device_go(d);
	good_request(d, &d->rings[queue]);
	ring_post(&d->rings[queue], 0);
	queue_notify(d, queue);
	queue_notify(d, queue);
	return true;
}

#define PLACED(name, ...)                                                      \
	static bool name(const struct device *d)                               \
	{                                                                      \
		struct place place = usual(d);                                 \
                                                                               \
		__VA_ARGS__;                                                   \
		return use(d, place);                                          \
	}

PLACED(descriptors_outside, place.descriptors = MEMORY_BYTES)
PLACED(available_outside, place.available = MEMORY_BYTES)
PLACED(used_outside, place.used = MEMORY_BYTES)
PLACED(descriptors_over_the_end, place.descriptors = MEMORY_BYTES - 16)
PLACED(available_over_the_end, place.available = MEMORY_BYTES - 4)
PLACED(used_over_the_end, place.used = MEMORY_BYTES - 4)
PLACED(descriptors_in_a_window, place.descriptors = d->window)
PLACED(available_in_a_window, place.available = d->window)
PLACED(used_in_a_window, place.used = d->window)
PLACED(used_in_its_table, place.used = d->msix_table)
PLACED(used_in_configuration, place.used = ECAM_AT)
PLACED(descriptors_at_the_top, place.descriptors = UINT64_MAX - 15)
PLACED(available_at_the_top, place.available = UINT64_MAX - 1)
PLACED(used_at_the_top, place.used = UINT64_MAX - 3)
PLACED(descriptors_unaligned, place.descriptors = (uint64_t)room + 1)
PLACED(available_unaligned, place.available = (uint64_t)room + 1)
PLACED(used_unaligned, place.used = (uint64_t)room + 3)
PLACED(all_at_nothing, place.descriptors = place.available = place.used = 0)
PLACED(one_upon_another,
    place.descriptors = place.available = place.used = (uint64_t)room)
PLACED(used_is_available, place.used = place.available)
PLACED(used_is_descriptors, place.used = place.descriptors)
PLACED(used_is_the_command_line, place.used = 0x20000)
PLACED(of_no_size, place.size = 0)
PLACED(of_size_3, place.size = 3)
PLACED(of_size_1, place.size = 1)
PLACED(of_size_32768, place.size = 32768)
PLACED(of_size_65535, place.size = 65535)
PLACED(larger_than_offered, place.size = 512)
PLACED(at_its_largest_at_the_end, place.size = 256;
       place.used = MEMORY_BYTES - 4 - 8 * 256)

static bool
never_placed(const struct device *d)
{
	device_begin(d, 0);
	device_go(d);
	queue_notify(d, good_queue(d));
	return true;
}

static bool
enabled_only(const struct device *d)
{
	device_begin(d, 0);
	for (uint16_t i = 0; i < d->queues; i++)
		queue_enable(d, i);
	device_go(d);
	for (uint16_t i = 0; i < d->queues; i++)
		queue_notify(d, i);
	return true;
}

/* Two queues of one device in one place. */
static bool
shared(const struct device *d)
{
	struct place place = usual(d);

	device_begin(d, 0);
	for (uint16_t i = 0; i < d->queues; i++) {
		queue_place(d, i, place.size, place.descriptors,
		    place.available, place.used);
		queue_enable(d, i);
	}
	device_go(d);
	good_request(d, &d->rings[good_queue(d)]);
	for (unsigned n = 0; n < 20; n++) {
		ring_post(&d->rings[good_queue(d)], 0);
		for (uint16_t i = 0; i < d->queues; i++)
			queue_notify(d, i);
	}
	return true;
}

const struct misuse place_cases[] = {
    {"a table outside memory", descriptors_outside, 0},
    {"an available ring outside memory", available_outside, 0},
    {"a used ring outside memory", used_outside, 0},
    {"a table over memory's end", descriptors_over_the_end, 0},
    {"an available ring over memory's end", available_over_the_end, 0},
    {"a used ring over memory's end", used_over_the_end, 0},
    {"a table in the device's window", descriptors_in_a_window, 0},
    {"an available ring in the device's window", available_in_a_window, 0},
    {"a used ring in the device's window", used_in_a_window, 0},
    {"a used ring in the interrupt table", used_in_its_table, 0},
    {"a used ring in configuration space", used_in_configuration, 0},
    {"a table at the top", descriptors_at_the_top, 0},
    {"an available ring at the top", available_at_the_top, 0},
    {"a used ring at the top", used_at_the_top, 0},
    {"a table at an odd address", descriptors_unaligned, 0},
    {"an available ring at an odd address", available_unaligned, 0},
    {"a used ring at an odd address", used_unaligned, 0},
    {"all at address 0", all_at_nothing, 0},
    {"all in one place", one_upon_another, 0},
    {"the used ring is the available one", used_is_available, 0},
    {"the used ring is the table", used_is_descriptors, 0},
    {"the used ring is the command line", used_is_the_command_line, 0},
    {"a queue of no size", of_no_size, 0},
    {"a queue of 3", of_size_3, 0},
    {"a queue of 1", of_size_1, 0},
    {"a queue of 32768", of_size_32768, 0},
    {"a queue of 65535", of_size_65535, 0},
    {"a queue larger than offered", larger_than_offered, 0},
    {"the largest queue, its last byte over the end", at_its_largest_at_the_end,
	0},
    {"queues that were never placed", never_placed, 0},
    {"queues that were only enabled", enabled_only, 0},
    {"all queues in one place", shared, 0},
    {0},
};
