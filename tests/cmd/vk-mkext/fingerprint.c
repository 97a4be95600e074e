/* SPDX-License-Identifier: MIT */
/* fingerprint.c - the same for the same, another for anything else */
#include "cmd/vk-mkext/fingerprint.h"
#include "tests/tap.h"

#include <stdlib.h>

static void
print(const char *label, const char *data, size_t cut, char text[UUID_TEXT])
{
	struct err e = ERR_INIT;
	struct fingerprint *f = fingerprint_new(&e);
	uint8_t uuid[UUID_SIZE];

	fingerprint_add(f, label, data, cut);
	fingerprint_add(f, label, data + cut, strlen(data) - cut);
	ok(fingerprint_uuid(f, uuid, &e) == 0, "a fingerprint of %s", label);
	uuid_text(uuid, text);
	fingerprint_free(f);
}

static void
sum(const uint8_t *data, size_t length, size_t step, uint8_t into[SUM_SIZE])
{
	struct err e = ERR_INIT;
	struct sum *s = sum_new(&e);

	for (size_t at = 0; at < length; at += step)
		sum_add(s, data + at, length - at < step ? length - at : step);
	ok(sum_finish(s, into, &e) == 0, "a sum in steps of %zu", step);
	sum_free(s);
}

int
main(void)
{
	char one[UUID_TEXT], two[UUID_TEXT];
	uint8_t uuid[UUID_SIZE], a[SUM_SIZE], b[SUM_SIZE];
	static uint8_t data[100000];

	print("x", "content", 3, one);
	print("x", "content", 3, two);
	is_str(one, two, "the same parts");
	is_str(one, "a542517a-02ec-85ef-a773-cc660bb73856",
	    "as on any other machine");
	print("x", "content", 4, two);
	ok(strcmp(one, two) != 0, "parts cut elsewhere");
	print("y", "content", 3, two);
	ok(strcmp(one, two) != 0, "another label");
	is_int(one[14], '8', "version 8");
	ok(strchr("89ab", one[19]) != NULL, "the variant of RFC 9562");

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	sum(data, sizeof(data), sizeof(data), a);
	sum(data, sizeof(data), 777, b);
	ok(memcmp(a, b, sizeof(a)) == 0, "however it is cut");
	data[99999] ^= 1;
	sum(data, sizeof(data), 4096, b);
	ok(memcmp(a, b, sizeof(a)) != 0, "the last bit counts");
	data[99999] ^= 1;
	sum(data, sizeof(data) - 1, 4096, b);
	ok(memcmp(a, b, sizeof(a)) != 0, "and so does the length");

	ok(uuid_parse("01234567-89ab-cdef-0123-456789ABCDEF", uuid) == 0,
	    "a UUID as text");
	uuid_text(uuid, one);
	is_str(one, "01234567-89ab-cdef-0123-456789abcdef", "and back");
	ok(uuid_parse("01234567-89ab-cdef-0123-456789ABCDE", uuid) < 0,
	    "one digit too few");
	ok(uuid_parse("01234567-89ab-cdef-0123-456789ABCDEF0", uuid) < 0,
	    "one too many");
	ok(uuid_parse("0123456789abcdef0123456789ABCDEF", uuid) < 0,
	    "no dashes");
	ok(uuid_parse("", uuid) < 0, "nothing");
	return tap_done();
}
