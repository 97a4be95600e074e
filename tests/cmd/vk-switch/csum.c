/* SPDX-License-Identifier: MIT */
/* csum.c - the checksum, against the definition in RFC 1071, 4.1 */
#include "cmd/vk-switch/csum.h"
#include "tests/tap.h"

#include <string.h>

static uint8_t data[65536 + 64];

/* A byte at a time, in network order; the complement. */
static uint16_t
by_definition(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static bool
agrees(const uint8_t *p, size_t len)
{
	uint16_t sum = csum_fold(csum_add(0, p, len)), wanted;
	uint8_t bytes[2];

	memcpy(bytes, &sum, 2);
	sum = (uint16_t)(bytes[0] << 8 | bytes[1]);
	wanted = by_definition(p, len);
	return sum == wanted;
}

static void
test_lengths(const char *what)
{
	unsigned wrong = 0;

	for (size_t at = 0; at < 9; at++)
		for (size_t len = 0; len < 700; len++)
			wrong += !agrees(data + at, len);
	for (size_t len = 65535 - 70; len <= 65536; len++)
		wrong += !agrees(data + 3, len);
	is_int(wrong, 0, "%s: every length, at every alignment", what);
}

int
main(void)
{
	uint64_t sum;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	test_lengths("bytes of all kinds");
	memset(data, 0xff, sizeof(data));
	test_lengths("the largest");
	memset(data, 0, sizeof(data));
	test_lengths("none");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	sum = csum_add(csum_add(0, data, 640), data + 640, 333);
	is_int(csum_fold(sum), csum_fold(csum_add(0, data, 973)),
	    "a sum goes on where it was");
	return tap_done();
}
