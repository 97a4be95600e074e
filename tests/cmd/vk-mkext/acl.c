/* SPDX-License-Identifier: MIT */
/* acl.c - ACLs between their two forms */
#include "cmd/vk-mkext/acl.h"
#include "tests/tap.h"

int
main(void)
{
	static const uint8_t linux_form[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255,
	    255, 255, 2, 0, 5, 0, 0xe9, 3, 0, 0, 2, 0, 7, 0, 0xe8, 3, 0, 0, 4,
	    0, 4, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
	    0, 0, 255, 255, 255, 255};
	static const uint8_t ext4_form[] = {1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 7, 0,
	    0xe8, 3, 0, 0, 2, 0, 5, 0, 0xe9, 3, 0, 0, 4, 0, 4, 0, 16, 0, 7, 0,
	    32, 0, 0, 0};
	uint8_t into[ACL_SIZE_MAX];
	struct acl a = {.count = 0}, b = {.count = 0};
	struct err e = ERR_INIT;

	ok(acl_parse(&a, linux_form, sizeof(linux_form), &e) == 0,
	    "the form of Linux");
	is_int(a.count, 6, "all entries");
	is_int(acl_encode(&a, into), sizeof(ext4_form), "ext4: length");
	ok(memcmp(into, ext4_form, sizeof(ext4_form)) == 0,
	    "ext4: the bytes, users in the order of their numbers");
	ok(acl_parse(&b, ext4_form, sizeof(ext4_form), &e) == 0 &&
		b.count == 6 && b.entries[1].id == 1000,
	    "and read again");
	is_int(acl_mode(&a, 0100600), 0100670, "the mask shows in the mode");
	ok(!acl_is_mode(&a), "it says more than a mode");
	a.count = 1;
	ok(acl_is_mode(&a), "an owner alone does not");
	for (size_t n = 0; n < sizeof(linux_form); n++)
		if (n % 8 != 4)
			ok(acl_parse(&b, linux_form, n, &e) < 0,
			    "cut after %zu bytes", n);
	ok(acl_parse(&b, "\3\0\0\0", 4, &e) < 0, "an unknown version");
	ok(acl_parse(&b, "\2\0\0\0\3\0\7\0\0\0\0\0", 12, &e) < 0,
	    "an unknown tag");
	return tap_done();
}
