/* SPDX-License-Identifier: MIT */
#include "common/size.h"

#include "tests/tap.h"

static void
size_is(const char *text, uint64_t expected)
{
	uint64_t got = 1;

	ok(size_parse(text, &got) == 0 && got == expected, "size %s", text);
}

static void
duration_is(const char *text, uint64_t expected)
{
	uint64_t got = 1;

	ok(duration_parse(text, &got) == 0 && got == expected, "duration %s",
	    text);
}

int
main(void)
{
	static const char *const bad_sizes[] = {"", "M", "-1", "1X", "1.5",
	    "1 M", "0x10", "1MM", "9223372036854775808", "8E", "8388608T",
	    "1.1234567G", " 1"};
	static const char *const bad_durations[] = {
	    "", "s", "1y", "1.5s", "-1", "367d", "99999999999999999999"};
	char text[SIZE_TEXT_MAX];
	uint64_t n;

	size_is("0", 0);
	size_is("4096", 4096);
	size_is("1k", KIB);
	size_is("700M", 700 * MIB);
	size_is("1.5G", GIB + GIB / 2);
	size_is("2GiB", 2 * GIB);
	size_is("2gb", 2 * GIB);
	size_is("3T", 3 * (GIB << 10));
	size_is("1.5P", ((GIB << 20) * 3) / 2);
	size_is("0.5K", 512);
	size_is("9223372036854775807", INT64_MAX);
	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(*bad_sizes); i++)
		ok(size_parse(bad_sizes[i], &n) < 0, "no size: '%s'",
		    bad_sizes[i]);

	ok(number_parse("65535", 65535, &n) == 0 && n == 65535, "at most");
	ok(number_parse("65536", 65535, &n) < 0, "above");
	ok(number_parse("5", 4, &n) < 0, "a digit above");
	ok(number_parse("1x", 65535, &n) < 0, "something behind it");
	ok(number_parse("18446744073709551616", UINT64_MAX, &n) < 0, "2^64");
	ok(number_parse("18446744073709551615", UINT64_MAX, &n) == 0,
	    "2^64 - 1");

	duration_is("10", 10000);
	duration_is("10s", 10000);
	duration_is("250ms", 250);
	duration_is("2m", 120000);
	duration_is("1h", 3600000);
	for (size_t i = 0; i < sizeof(bad_durations) / sizeof(*bad_durations);
	     i++)
		ok(duration_parse(bad_durations[i], &n) < 0, "none: '%s'",
		    bad_durations[i]);

	is_str(size_text(0, text), "0 B", "nothing");
	is_str(size_text(1536, text), "1.5 KiB", "a point below 100");
	is_str(size_text(500 * MIB, text), "500 MiB", "none above");
	is_str(size_text(UINT64_MAX, text), "16.0 EiB", "the largest");
	return tap_done();
}
