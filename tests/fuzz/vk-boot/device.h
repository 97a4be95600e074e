/* SPDX-License-Identifier: MIT */
/*
 * device.h - a hostile driver out of the fuzzer's bytes
 *
 * The bytes are a list of operations, each a byte and what it needs: guest
 * memory and descriptors written anywhere, chains and heads published, indexes
 * set, kicks, resets, configuration written; and what else may happen to the
 * device, which its target knows (special). Between two of them the device
 * does all it has to do.
 */
#ifndef VK_FUZZ_DEVICE_H
#define VK_FUZZ_DEVICE_H

#define DRIVER_MEMORY (1u << 20)

#include "common/cursor.h"
#include "tests/cmd/vk-boot/driver.h"

/* Operations of one input: more teach nothing new and take long. */
#define FUZZ_OPERATIONS_MAX 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct driver d;
	struct cursor in;
	/* Something of the device's own happens. May be NULL. */
	void (*special)(struct fuzz *);
	/* What a driver does first, so that there is more to break. May be
	 * NULL. */
	void (*begin)(struct fuzz *);
};

/* An address, mostly in memory: near its start and end, or anything. */
static inline uint64_t
fuzz_gpa(struct fuzz *f)
{
	uint8_t kind = get_u8(&f->in);

	if (kind < 200)
		return DRIVER_BUFFERS + (get_le16(&f->in) & 0x3fff);
	if (kind < 220)
		return DRIVER_MEMORY - get_u8(&f->in);
	if (kind < 240)
		return DRIVER_RINGS + get_le16(&f->in);
	return get_le64(&f->in);
}

static inline uint32_t
fuzz_len(struct fuzz *f)
{
	uint8_t kind = get_u8(&f->in);

	return kind < 250 ? kind * (kind < 100 ? 1u : 16u) : get_le32(&f->in);
}

static inline void
fuzz_memory(struct fuzz *f)
{
	uint64_t gpa = fuzz_gpa(f);
	uint8_t len = get_u8(&f->in);
	const uint8_t *from;

	if (len > f->in.left)
		len = (uint8_t)f->in.left;
	from = get_bytes(&f->in, len);
	if (from && gmem_at(&f->d.mem, gpa, len))
		memcpy(gmem_at(&f->d.mem, gpa, len), from, len);
}

static inline void
fuzz_chain(struct fuzz *f, unsigned queue)
{
	struct driver_part parts[4];
	unsigned count = 1 + get_u8(&f->in) % 4;

	for (unsigned i = 0; i < count; i++) {
		uint8_t flags = get_u8(&f->in);

		parts[i] =
		    (struct driver_part){fuzz_gpa(f), fuzz_len(f), flags & 1};
	}
	driver_add(&f->d, queue, parts, count);
}

static inline void
fuzz_descriptor(struct fuzz *f, unsigned queue)
{
	struct driver_desc *desc = driver_desc(&f->d, queue, get_u8(&f->in));

	desc->addr = fuzz_gpa(f);
	desc->len = fuzz_len(f);
	desc->flags = get_u8(&f->in) & 7;
	desc->next = get_u8(&f->in);
}

static inline void
fuzz_config(struct fuzz *f)
{
	uint8_t bytes[8];
	uint16_t offset = get_le16(&f->in);
	uint8_t len = get_u8(&f->in) % 9;

	put_le(&(struct writer){.at = bytes, .left = 8}, get_le64(&f->in), 8);
	virtio_config_write(f->d.dev, offset & 0x3f, bytes, len);
	virtio_config_read(f->d.dev, offset, bytes, len);
}

static inline void
fuzz_start(struct fuzz *f, uint64_t features)
{
	if (driver_start(&f->d, features | FEATURE_VERSION_1) == 0 && f->begin)
		f->begin(f);
}

static inline void
fuzz_operation(struct fuzz *f)
{
	uint8_t what = get_u8(&f->in);
	unsigned queue = (what >> 4) % f->d.dev->queue_count;

	switch (what & 15) {
	case 0:
		fuzz_memory(f);
		break;
	case 1:
		fuzz_descriptor(f, queue);
		break;
	case 2:
		driver_publish(&f->d, queue, get_u8(&f->in));
		break;
	case 3:
		driver_avail(&f->d, queue)->idx = get_le16(&f->in);
		break;
	case 4:
		*driver_used_event(&f->d, queue) = get_le16(&f->in);
		driver_avail(&f->d, queue)->flags = get_u8(&f->in) & 1;
		break;
	case 5:
		fuzz_config(f);
		break;
	case 6:
		fuzz_start(f, get_le64(&f->in));
		break;
	case 7:
		while (driver_used(&f->d, queue, NULL) >= 0)
			;
		break;
	case 8:
	case 9:
		driver_kick(&f->d, queue);
		break;
	case 10:
	case 11:
		fuzz_chain(f, queue);
		driver_kick(&f->d, queue);
		break;
	default:
		if (f->special)
			f->special(f);
	}
	driver_turn(&f->d);
}

/* Before: driver_init, driver_use. Runs the input; the device is stopped, not
 * freed. */
static inline void
fuzz_run(struct fuzz *f, const uint8_t *data, size_t size)
{
	f->in = cursor_of(data, size);
	f->d.dev->warned = true; /* no talk */
	fuzz_start(f, ~0ull);
	for (unsigned i = 0; i < FUZZ_OPERATIONS_MAX && f->in.left > 0; i++)
		fuzz_operation(f);
	virtio_device_stop(f->d.dev);
	driver_turn(&f->d);
}

#endif
