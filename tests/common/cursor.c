/* SPDX-License-Identifier: MIT */
#include "common/cursor.h"

#include "tests/tap.h"

int
main(void)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct cursor c = cursor_of(bytes, sizeof(bytes));
	uint8_t out[8];
	struct writer w = writer_of(out, sizeof(out));

	is_int(get_u8(&c), 1, "one byte");
	is_int(get_le16(&c), 0x0302, "little endian");
	is_int(get_be32(&c), 0x04050607, "big endian");
	is_int(c.left, 2, "what is left");
	is_int(get_le32(&c), 0, "past the end reads as 0");
	ok(c.bad, "and is remembered");
	is_int(get_u8(&c), 0, "for good");
	ok(get_bytes(&c, 0) == NULL, "even for nothing");
	c = cursor_of(bytes, 9);
	ok(get_bytes(&c, SIZE_MAX) == NULL && c.bad, "no overflow");
	c = cursor_of(bytes, 8);
	ok(get_le64(&c) == 0x0807060504030201 && !c.bad, "to the very end");

	put_le(&w, 0x1234, 2);
	put_be(&w, 0x1234, 2);
	put_bytes(&w, "ab", 2);
	is_int(writer_len(&w), 6, "written");
	ok(memcmp(out,
	       "\x34\x12\x12\x34"
	       "ab",
	       6) == 0,
	    "in their orders");
	put_zeros(&w, 3);
	ok(w.bad && writer_len(&w) == 6, "a full one takes nothing");
	return tap_done();
}
