/* SPDX-License-Identifier: MIT */
/*
 * case.h - one way to misuse a device, and whether it survived that
 *
 * A case is a function that does something that no driver should, and its
 * name. It may leave the device in any state. What is promised, and checked
 * after each: the device comes back from a reset and serves a good request
 * within a second, and vk-boot lives. Whether the device refuses (NEEDS_RESET)
 * or ignores is the case's to check where the specification says so; then it
 * returns false for a wrong answer.
 */
#ifndef TESTS_BARE_CASE_H
#define TESTS_BARE_CASE_H

#include "tests/bare/virtio.h"

struct misuse {
	const char *name;
	bool (*run)(const struct device *);
	uint16_t type; /* of this device only; 0: of each */
};

extern const struct misuse queue_cases[], place_cases[], register_cases[],
    device_cases[], memory_cases[];

/* The queue that a good request goes to, and the request: descriptors from 0
 * on in its ring; returns how many. */
uint16_t good_queue(const struct device *);
uint16_t good_request(const struct device *, struct ring *);

/* Reset, start, a good request; true if it came back in time. */
bool device_works(const struct device *);

/* Memory that cases let devices read and fill. */
extern uint8_t scratch[65536];

#endif
