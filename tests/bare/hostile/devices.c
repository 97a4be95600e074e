/* SPDX-License-Identifier: MIT */
/* devices.c - requests that are well formed and lie */
#include "tests/bare/hostile/case.h"
#include "tests/bare/vsock.h"

/* ---- what several use ---- */

static uint8_t header[64] __attribute__((aligned(64)));
static uint8_t status_byte;

/* Posts descriptors from 0 on and waits until they are used. */
static bool
served(const struct device *d, uint16_t queue)
{
	struct ring *ring = &d->rings[queue];
	uint16_t before = ring->available.index;

	ring_post(ring, 0);
	queue_notify(d, queue);
	return ring_await(ring, (uint16_t)(before + 1));
}

/* ---- block (5.2.6) ---- */

enum { IN, OUT, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };
enum { OK, IOERR, UNSUPPORTED };

static void
block_header(uint32_t type, uint64_t sector)
{
	write32((uint64_t)header, type);
	write32((uint64_t)header + 4, UINT32_MAX);
	write64((uint64_t)header + 8, sector);
	status_byte = 0x77;
}

/* A request with so much data; its status, 0x77 if none was given. */
static uint8_t
block(const struct device *d, uint32_t type, uint64_t sector, uint32_t len)
{
	struct ring *ring = d->rings;

	device_start(d, ~0ull & ~FEATURE_EVENT);
	block_header(type, sector);
	describe(ring, 0, header, 16, NEXT, 1);
	describe(ring, 1, scratch, len, NEXT | (type == OUT ? 0 : WRITE), 2);
	describe(ring, 2, &status_byte, 1, WRITE, 0);
	if (!served(d, 0))
		return 0xff;
	return *(volatile uint8_t *)&status_byte;
}

static bool
block_beyond(const struct device *d)
{
	return block(d, IN, read64(d->config), 512) == IOERR;
}

static bool
block_over_the_end(const struct device *d)
{
	return block(d, IN, read64(d->config) - 1, 1024) == IOERR;
}

static bool
block_sector_wraps(const struct device *d)
{
	return block(d, IN, UINT64_MAX, 512) == IOERR;
}

static bool
block_bytes_wrap(const struct device *d)
{
	return block(d, IN, 1ull << 55, 512) == IOERR;
}

static bool
block_write_beyond(const struct device *d)
{
	return block(d, OUT, UINT64_MAX / 512, 512) == IOERR;
}

static bool
block_part_of_a_sector(const struct device *d)
{
	return block(d, IN, 0, 511) == IOERR;
}

static bool
block_part_written(const struct device *d)
{
	return block(d, OUT, 0, 513) == IOERR;
}

static bool
block_unknown(const struct device *d)
{
	for (uint32_t type = 14; type < 64; type++)
		if (block(d, type, 0, 512) != UNSUPPORTED)
			return false;
	return block(d, UINT32_MAX, 0, 512) == UNSUPPORTED;
}

static bool
block_old_flags(const struct device *d)
{
	return block(d, 0x80000000, 0, 512) == UNSUPPORTED;
}

static bool
block_id_into_little(const struct device *d)
{
	block(d, GET_ID, 0, 1);
	return block(d, GET_ID, 0, 4096) == OK;
}

static bool
block_flush_with_data(const struct device *d)
{
	uint8_t status = block(d, FLUSH, UINT64_MAX, 4096);

	return status == OK || status == IOERR;
}

/* A range of a discard or of zeroes (5.2.6.2): its status, as above. */
static uint8_t
block_range(const struct device *d, uint32_t type, uint64_t sector,
    uint32_t sectors, uint32_t flags)
{
	struct ring *ring = d->rings;

	device_start(d, ~0ull & ~FEATURE_EVENT);
	block_header(type, 0);
	write64((uint64_t)scratch, sector);
	write32((uint64_t)scratch + 8, sectors);
	write32((uint64_t)scratch + 12, flags);
	describe(ring, 0, header, 16, NEXT, 1);
	describe(ring, 1, scratch, 16, NEXT, 2);
	describe(ring, 2, &status_byte, 1, WRITE, 0);
	if (!served(d, 0))
		return 0xff;
	return *(volatile uint8_t *)&status_byte;
}

static bool
block_discards(const struct device *d)
{
	static const uint64_t at[] = {0, 1, UINT64_MAX, 1ull << 55, 1ull << 63};
	static const uint32_t count[] = {0, 1, UINT32_MAX, 0x80000000};
	static const uint32_t types[] = {DISCARD, ZEROES};

	for (unsigned i = 1; i < 5; i++)
		for (unsigned j = 0; j < 4; j++)
			for (unsigned k = 0; k < 2; k++)
				if (block_range(d, types[k], at[i], count[j],
					i * 0x41) >= 0x77)
					return false;
	return true;
}

/* Up to the end, and one further. */
static bool
block_clears_the_end(const struct device *d)
{
	uint64_t sectors = read64(d->config);

	return block_range(d, DISCARD, sectors - 8, 8, 0) == OK &&
	       block_range(d, ZEROES, sectors - 8, 8, 0) == OK &&
	       block_range(d, ZEROES, sectors - 1, 1, 1) == OK &&
	       block_range(d, DISCARD, sectors - 8, 9, 0) == IOERR &&
	       block_range(d, ZEROES, sectors, 1, 0) == IOERR;
}

static bool
block_half_a_range(const struct device *d)
{
	struct ring *ring = d->rings;

	for (uint32_t len = 1; len < 16; len++) {
		device_start(d, ~0ull & ~FEATURE_EVENT);
		block_header(DISCARD, 0);
		describe(ring, 0, header, 16, NEXT, 1);
		describe(ring, 1, scratch, len, NEXT, 2);
		describe(ring, 2, &status_byte, 1, WRITE, 0);
		if (!served(d, 0))
			return false;
	}
	return true;
}

static bool
block_4096_ranges(const struct device *d)
{
	struct ring *ring = d->rings;

	device_start(d, ~0ull & ~FEATURE_EVENT);
	memset(scratch, 0xff, sizeof(scratch));
	block_header(ZEROES, 0);
	describe(ring, 0, header, 16, NEXT, 1);
	describe(ring, 1, scratch, sizeof(scratch), NEXT, 2);
	describe(ring, 2, &status_byte, 1, WRITE, 0);
	return served(d, 0);
}

static bool
block_header_only(const struct device *d)
{
	device_start(d, 0);
	block_header(IN, 0);
	describe(d->rings, 0, header, 16, 0, 0);
	ring_post(d->rings, 0);
	queue_notify(d, 0);
	return true;
}

static bool
block_short_header(const struct device *d)
{
	device_start(d, 0);
	for (uint32_t len = 0; len < 16; len++) {
		block_header(IN, 0);
		describe(d->rings, 0, header, len, NEXT, 1);
		describe(d->rings, 1, scratch, 513, WRITE, 0);
		ring_post(d->rings, 0);
		queue_notify(d, 0);
	}
	return true;
}

static bool
block_status_read_only(const struct device *d)
{
	device_start(d, 0);
	block_header(OUT, 0);
	describe(d->rings, 0, header, 16, NEXT, 1);
	describe(d->rings, 1, scratch, 512, NEXT, 2);
	describe(d->rings, 2, &status_byte, 1, 0, 0);
	ring_post(d->rings, 0);
	queue_notify(d, 0);
	return true;
}

static bool
block_status_is_its_header(const struct device *d)
{
	device_start(d, 0);
	block_header(IN, 0);
	describe(d->rings, 0, header, 16, NEXT, 1);
	describe(d->rings, 1, header, 16, WRITE, 0);
	ring_post(d->rings, 0);
	queue_notify(d, 0);
	return true;
}

static bool
block_into_its_ring(const struct device *d)
{
	return block(d, IN, 0, sizeof(scratch)) != 0xff;
}

/* ---- network (5.1.6) ---- */

#define NET_HEADER 12

static bool
frame(const struct device *d, uint32_t len, const uint8_t *head)
{
	struct ring *ring = &d->rings[1];

	device_start(d, ~0ull & ~FEATURE_EVENT);
	memcpy(scratch, head, NET_HEADER);
	describe(ring, 0, scratch, len, 0, 0);
	return served(d, 1);
}

static const uint8_t no_header[NET_HEADER];

static bool
frames_of_every_length(const struct device *d)
{
	for (uint32_t len = 0; len < 80; len++) {
		device_start(d, 0);
		describe(&d->rings[1], 0, scratch, len, 0, 0);
		ring_post(&d->rings[1], 0);
		queue_notify(d, 1);
	}
	return true;
}

static bool
frame_too_long(const struct device *d)
{
	return frame(d, NET_HEADER + 65535, no_header) ||
	       device_status(d) & STATUS_NEEDS_RESET;
}

static bool
frame_with(const struct device *d, uint8_t flags, uint8_t gso, uint16_t size,
    uint16_t start, uint16_t offset)
{
	uint8_t head[NET_HEADER] = {flags, gso};

	memcpy(head + 2, &(uint16_t){0xffff}, 2);
	memcpy(head + 4, &size, 2);
	memcpy(head + 6, &start, 2);
	memcpy(head + 8, &offset, 2);
	return frame(d, NET_HEADER + 200, head) ||
	       device_status(d) & STATUS_NEEDS_RESET;
}

static bool
checksum_outside(const struct device *d)
{
	return frame_with(d, 1, 0, 0, 65535, 65535) &&
	       frame_with(d, 1, 0, 0, 199, 0) &&
	       frame_with(d, 1, 0, 0, 0, 199) &&
	       frame_with(d, 1, 0, 0, 65535, 1);
}

static bool
segments_of_nothing(const struct device *d)
{
	static const uint8_t kinds[] = {1, 3, 4, 5, 0x81, 0xff};

	for (unsigned i = 0; i < sizeof(kinds); i++)
		if (!frame_with(d, 1, kinds[i], 0, 34, 16) ||
		    !frame_with(d, 1, kinds[i], 1, 34, 16) ||
		    !frame_with(d, 0, kinds[i], 65535, 0, 0))
			return false;
	return true;
}

static bool
unknown_header_flags(const struct device *d)
{
	return frame_with(d, 0xff, 0, 0, 0, 0);
}

static bool
receive_buffers_too_small(const struct device *d)
{
	device_start(d, 0);
	for (uint32_t len = 0; len < 16; len++) {
		describe(&d->rings[0], 0, scratch, len, WRITE, 0);
		ring_post(&d->rings[0], 0);
		queue_notify(d, 0);
	}
	return true;
}

static bool
receive_buffers_to_read(const struct device *d)
{
	device_start(d, 0);
	describe(&d->rings[0], 0, scratch, 4096, 0, 0);
	ring_post(&d->rings[0], 0);
	queue_notify(d, 0);
	return true;
}

/* ---- vsock ---- */

static struct packet packet;
static union {
	struct packet packet;
	uint8_t room[4096];
} answers[RING_SIZE];

static void
vsock_begin(const struct device *d)
{
	device_start(d, 0);
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		describe(
		    &d->rings[0], i, &answers[i], sizeof(answers[i]), WRITE, 0);
		ring_post(&d->rings[0], i);
	}
	queue_notify(d, 0);
	packet = (struct packet){
	    .source = read32(d->config),
	    .destination = VSOCK_HOST,
	    .source_port = 1000,
	    .destination_port = 1,
	    .type = VSOCK_STREAM,
	    .operation = REQUEST,
	    .buffer = 65536,
	};
}

static bool
tell(const struct device *d, uint32_t data)
{
	struct ring *ring = &d->rings[1];

	describe(ring, 0, &packet, sizeof(packet), data ? NEXT : 0, 1);
	describe(ring, 1, scratch, data, 0, 0);
	return served(d, 1);
}

/* What comes back is a reset of that connection. */
static bool
answered_by_reset(const struct device *d)
{
	return ring_await(&d->rings[0], 1) &&
	       ((volatile struct packet *)&answers[0].packet)->operation == RST;
}

static bool
every_operation(const struct device *d)
{
	for (unsigned i = 0; i < 16; i++) {
		vsock_begin(d);
		packet.operation = (uint16_t)(i < 12 ? i : 0xfff0 + i);
		if (!tell(d, 0))
			return false;
	}
	return true;
}

static bool
data_without_connection(const struct device *d)
{
	vsock_begin(d);
	packet.operation = RW;
	packet.len = 4096;
	return tell(d, 4096) && answered_by_reset(d);
}

static bool
to_nobody(const struct device *d)
{
	vsock_begin(d);
	packet.destination_port = 0xfffffff0;
	return tell(d, 0) && answered_by_reset(d);
}

static bool
as_another(const struct device *d)
{
	vsock_begin(d);
	packet.source = 99;
	return tell(d, 0);
}

static bool
to_another(const struct device *d)
{
	vsock_begin(d);
	packet.destination = UINT64_MAX;
	return tell(d, 0);
}

static bool
of_another_type(const struct device *d)
{
	vsock_begin(d);
	packet.type = 0x7777;
	return tell(d, 0) && answered_by_reset(d);
}

static bool
length_lies(const struct device *d)
{
	static const uint32_t lengths[] = {
	    1, 65536, 65537, 0x80000000, UINT32_MAX};

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		vsock_begin(d);
		packet.operation = RW;
		packet.len = lengths[i];
		ring_post(&d->rings[1], 0);
		describe(&d->rings[1], 0, &packet, sizeof(packet), 0, 0);
		queue_notify(d, 1);
	}
	return true;
}

static bool
short_packets(const struct device *d)
{
	vsock_begin(d);
	for (uint32_t len = 0; len < sizeof(packet); len++) {
		describe(&d->rings[1], 0, &packet, len, 0, 0);
		ring_post(&d->rings[1], 0);
		queue_notify(d, 1);
	}
	return true;
}

/* Credit that was given twice, taken back, or wrapped (5.10.6.3). */
static bool
credit_lies(const struct device *d)
{
	static const uint32_t values[] = {
	    0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};

	for (unsigned i = 0; i < 25; i++) {
		vsock_begin(d);
		if (!tell(d, 0))
			return false;
		packet.operation = CREDIT;
		packet.buffer = values[i % 5];
		packet.forwarded = values[i / 5];
		if (!tell(d, 0))
			return false;
	}
	return true;
}

/* Gives what was answered back to be filled again. */
static void
read_answers(const struct device *d)
{
	struct ring *ring = &d->rings[0];
	volatile uint16_t *used = &ring->used.index;

	while ((uint16_t)(ring->available.index - *used) < RING_SIZE)
		ring_post(ring, ring->available.index % RING_SIZE);
	queue_notify(d, 0);
}

static bool
flood_of_connections(const struct device *d)
{
	vsock_begin(d);
	for (uint32_t i = 0; i < 2000; i++) {
		packet.source_port = i;
		if (!tell(d, 0))
			return false;
		read_answers(d);
	}
	return true;
}

static bool
flood_of_one_connection(const struct device *d)
{
	vsock_begin(d);
	for (uint32_t i = 0; i < 500; i++) {
		if (!tell(d, 0))
			return false;
		read_answers(d);
	}
	return true;
}

static bool
answers_unasked(const struct device *d)
{
	vsock_begin(d);
	packet.operation = RESPONSE;
	return tell(d, 0) && answered_by_reset(d);
}

/* The first answer of this operation; NULL: none came in time. */
static const struct packet *
answered(const struct device *d, uint16_t operation)
{
	volatile uint16_t *used = &d->rings[0].used.index;
	uint64_t end = ticks() + TICKS_MAX;

	for (uint16_t i = 0; i < RING_SIZE; i++) {
		while (i == *used)
			if (ticks() > end)
				return NULL;
		barrier();
		if (answers[i].packet.operation == operation)
			return &answers[i].packet;
	}
	return NULL;
}

/* The port of one who counts what he is sent, and says it when that is over:
 * what the guest will not send any more, it may still be sent. */
#define COUNTER 7
#define NO_MORE 2

static bool
closed_one_way(const struct device *d)
{
	const struct packet *count;

	vsock_begin(d);
	packet.destination_port = COUNTER;
	if (!tell(d, 0) || !answered(d, RESPONSE))
		return false;
	packet.operation = RW;
	packet.len = 5;
	if (!tell(d, 5))
		return false;
	packet.operation = SHUTDOWN;
	packet.len = 0;
	packet.flags = NO_MORE;
	if (!tell(d, 0))
		return false;
	count = answered(d, RW);
	return count && *(const uint8_t *)(count + 1) == '5';
}

static bool
nowhere_to_answer(const struct device *d)
{
	device_start(d, 0);
	for (uint32_t i = 0; i < 600; i++) {
		packet = (struct packet){
		    .source = read32(d->config),
		    .destination = VSOCK_HOST,
		    .source_port = i,
		    .destination_port = 1,
		    .type = VSOCK_STREAM,
		    .operation = REQUEST,
		};
		describe(&d->rings[1], 0, &packet, sizeof(packet), 0, 0);
		ring_post(&d->rings[1], 0);
		queue_notify(d, 1);
	}
	return true;
}

static bool
little_room_to_answer(const struct device *d)
{
	vsock_begin(d);
	for (uint16_t i = 0; i < RING_SIZE; i++)
		d->rings[0].descriptors[i].len = i;
	packet.destination_port = 3;
	ring_post(&d->rings[1], 0);
	describe(&d->rings[1], 0, &packet, sizeof(packet), 0, 0);
	queue_notify(d, 1);
	return true;
}

/* ---- console, balloon ---- */

static bool
console_flood(const struct device *d)
{
	struct ring *ring = &d->rings[1];

	device_start(d, 0);
	memset(scratch, '\n', sizeof(scratch));
	for (unsigned i = 0; i < 64; i++) {
		describe(ring, 0, scratch, sizeof(scratch), 0, 0);
		if (!served(d, 1))
			return false;
	}
	return true;
}

static bool
console_nowhere_to_input(const struct device *d)
{
	device_start(d, 0);
	for (uint32_t len = 0; len < 8; len++) {
		describe(&d->rings[0], 0, scratch, len, len & 1 ? WRITE : 0, 0);
		ring_post(&d->rings[0], 0);
		queue_notify(d, 0);
	}
	return true;
}

static bool
balloon(const struct device *d, uint16_t queue, uint32_t first, uint32_t step,
    uint32_t len)
{
	uint32_t *pages = (uint32_t *)scratch;

	device_start(d, ~0ull & ~FEATURE_EVENT);
	for (uint32_t i = 0; i < len / 4; i++)
		pages[i] = first + step * i;
	describe(&d->rings[queue], 0, scratch, len, 0, 0);
	return served(d, queue);
}

static bool
balloon_nowhere(const struct device *d)
{
	return balloon(d, 0, UINT32_MAX, 0, 4) &&
	       balloon(d, 0, MEMORY_BYTES >> 12, 1, 4096) &&
	       balloon(d, 0, HOLE_BYTES >> 12, 1, 4096) &&
	       balloon(d, 1, UINT32_MAX, 0, 4);
}

static bool
balloon_same_page(const struct device *d)
{
	return balloon(d, 0, (uint32_t)((uint64_t)scratch >> 12) + 9, 0, 4096);
}

static bool
balloon_part_of_a_number(const struct device *d)
{
	for (uint32_t len = 1; len < 4; len++)
		if (!balloon(d, 0, UINT32_MAX, 0, len))
			return false;
	return true;
}

static bool
balloon_deflate_what_was_not(const struct device *d)
{
	return balloon(d, 1, 0x3000, 1, 4096);
}

/* Free pages (5.5.6.7) that are not memory. */
static bool
balloon_reports(const struct device *d)
{
	static const uint64_t at[] = {MEMORY_BYTES - 4096, MEMORY_BYTES,
	    HOLE_BYTES, ECAM_AT, UINT64_MAX - 4095, 1};

	for (uint16_t queue = 2; queue < d->queues && queue < DRIVER_QUEUES;
	     queue++)
		for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
			device_start(d, ~0ull & ~FEATURE_EVENT);
			describe_at(&d->rings[queue], 0, at[i], 8192, WRITE, 0);
			ring_post(&d->rings[queue], 0);
			queue_notify(d, queue);
		}
	return true;
}

static bool
entropy_flood(const struct device *d)
{
	device_start(d, 0);
	for (unsigned i = 0; i < 200; i++) {
		describe(d->rings, 0, scratch, sizeof(scratch), WRITE, 0);
		if (!served(d, 0))
			return false;
	}
	return true;
}

const struct misuse device_cases[] = {
    {"a sector behind the end", block_beyond, BLK},
    {"a read over the end", block_over_the_end, BLK},
    {"a sector of 2^64-1", block_sector_wraps, BLK},
    {"a sector whose bytes wrap", block_bytes_wrap, BLK},
    {"a write behind the end", block_write_beyond, BLK},
    {"a read of part of a sector", block_part_of_a_sector, BLK},
    {"a write of part of a sector", block_part_written, BLK},
    {"unknown requests", block_unknown, BLK},
    {"a barrier of old", block_old_flags, BLK},
    {"an id into one byte", block_id_into_little, BLK},
    {"a flush with data", block_flush_with_data, BLK},
    {"discards and zeroes outside", block_discards, BLK},
    {"discards and zeroes up to the end", block_clears_the_end, BLK},
    {"part of a range", block_half_a_range, BLK},
    {"4096 ranges", block_4096_ranges, BLK},
    {"a header by itself", block_header_only, BLK},
    {"part of a header", block_short_header, BLK},
    {"a status that cannot be written", block_status_read_only, BLK},
    {"a status that is the header", block_status_is_its_header, BLK},
    {"64 KiB at once", block_into_its_ring, BLK},
    {"frames of every length", frames_of_every_length, NET},
    {"a frame of 64 KiB", frame_too_long, NET},
    {"checksums outside the frame", checksum_outside, NET},
    {"segments of nothing", segments_of_nothing, NET},
    {"unknown flags in a header", unknown_header_flags, NET},
    {"receive buffers of no size", receive_buffers_too_small, NET},
    {"receive buffers that cannot be written", receive_buffers_to_read, NET},
    {"every operation", every_operation, VSOCK},
    {"data without a connection", data_without_connection, VSOCK},
    {"a connection to nobody", to_nobody, VSOCK},
    {"a packet in another's name", as_another, VSOCK},
    {"a packet to another", to_another, VSOCK},
    {"a packet of another type", of_another_type, VSOCK},
    {"lengths that lie", length_lies, VSOCK},
    {"part of a packet", short_packets, VSOCK},
    {"credit that lies", credit_lies, VSOCK},
    {"2000 connections", flood_of_connections, VSOCK},
    {"one connection 500 times", flood_of_one_connection, VSOCK},
    {"an answer that nobody asked for", answers_unasked, VSOCK},
    {"a connection closed one way", closed_one_way, VSOCK},
    {"600 requests and no room for answers", nowhere_to_answer, VSOCK},
    {"little room for answers", little_room_to_answer, VSOCK},
    {"4 MiB of output", console_flood, CONSOLE},
    {"input into buffers of no size", console_nowhere_to_input, CONSOLE},
    {"pages that are not memory", balloon_nowhere, BALLOON},
    {"one page 1024 times", balloon_same_page, BALLOON},
    {"part of a page's number", balloon_part_of_a_number, BALLOON},
    {"pages that were not inflated", balloon_deflate_what_was_not, BALLOON},
    {"free pages that are not memory", balloon_reports, BALLOON},
    {"12 MiB of entropy", entropy_flood, RNG},
    {0},
};
