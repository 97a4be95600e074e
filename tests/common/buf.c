/* SPDX-License-Identifier: MIT */
#include "common/buf.h"

#include "tests/tap.h"

#include <stdint.h>
#include <stdlib.h>

int
main(void)
{
	struct buf b = BUF_INIT(10);
	char *taken;

	ok(buf_add(&b, NULL, 0) == 0 && b.len == 0, "nothing added");
	ok(buf_puts(&b, "hello") == 0, "five bytes");
	ok(buf_printf(&b, "%d", 12345) == 0, "up to the limit");
	is_str(b.data, "hello12345", "what is in it");
	ok(buf_puts(&b, "x") < 0 && b.failed, "one more is refused");
	is_str(b.data, "hello12345", "and changes nothing");
	ok(buf_printf(&b, "%s", "more") < 0, "a format too");
	buf_drop(&b, 5);
	is_str(b.data, "12345", "dropped from the front");
	buf_drop(&b, 100);
	is_int(b.len, 0, "no more than there is");
	ok(buf_reserve(&b, SIZE_MAX) == NULL, "no overflow");

	buf_puts(&b, "abc");
	taken = buf_take(&b);
	is_str(taken, "abc", "taken");
	ok(b.data == NULL && b.len == 0, "gone from the buffer");
	free(taken);
	taken = buf_take(&b);
	is_str(taken, "", "an empty one gives an empty string");
	free(taken);

	buf_init(&b, 1 << 20);
	for (int i = 0; i < 100000; i++)
		buf_add(&b, "0123456789", 10);
	is_int(b.len, 1000000, "a million bytes");
	buf_release(&b);
	buf_release(&b);
	return tap_done();
}
