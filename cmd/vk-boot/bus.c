/* SPDX-License-Identifier: MIT */
/* bus.c - who answers at an address */
#include "cmd/vk-boot/bus.h"

#include <assert.h>
#include <string.h>

void
bus_add(struct bus *bus, const struct bus_range *range)
{
	assert(bus->count < BUS_RANGES_MAX);
	bus->ranges[bus->count++] = *range;
}

void
bus_access(const struct bus *bus, uint64_t address, uint8_t *data, unsigned len,
    bool write)
{
	for (unsigned i = 0; i < bus->count; i++) {
		const struct bus_range *r = &bus->ranges[i];
		uint64_t offset = address - r->start;

		if (address < r->start || offset >= r->len ||
		    len > r->len - offset)
			continue;
		r->access(r->owner, offset, data, len, write);
		return;
	}
	if (!write)
		memset(data, 0xff, len);
}

uint64_t
bus_value(const uint8_t *data, unsigned len)
{
	uint64_t value = 0;

	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	return value;
}

void
bus_answer(uint8_t *data, unsigned len, uint64_t value)
{
	memset(data, 0, len);
	memcpy(data, &value, len < sizeof(value) ? len : sizeof(value));
}
