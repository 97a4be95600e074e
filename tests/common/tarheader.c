/* SPDX-License-Identifier: MIT */
#include "common/tarheader.h"

#include "tests/tap.h"

#include <sysexits.h>

static uint8_t block[TAR_BLOCK_SIZE];
static char name[TAR_NAME_SIZE], link_name[TAR_LINK_SIZE];
static struct err e;

static void
put(size_t at, const char *text)
{
	memcpy(block + at, text, strlen(text));
}

static void
begin(void)
{
	memset(block, 0, sizeof(block));
	put(0, "name");
	put(100, "0000644");
	put(108, "0001750");
	put(116, "0001751");
	put(124, "00000000017");
	put(136, "00000000001");
	block[156] = '0';
	e = (struct err)ERR_INIT;
}

/* Bytes as numbers without a sign, or with one, as old archives have it. */
static void
put_checksum(bool is_signed)
{
	char text[8];
	int sum = 0;

	memset(block + 148, ' ', 8);
	for (int i = 0; i < TAR_BLOCK_SIZE; i++)
		sum += is_signed ? (int8_t)block[i] : block[i];
	snprintf(text, sizeof(text), "%06o", (unsigned)sum);
	memcpy(block + 148, text, 7);
}

static void
test_checksum(void)
{
	begin();
	block[1] = 0xe4;
	put_checksum(false);
	ok(tar_header_right(block), "a checksum");
	put_checksum(true);
	ok(tar_header_right(block), "and of signed bytes");
	block[500] = 1;
	ok(!tar_header_right(block), "another byte makes it wrong");
	block[148] = 'x';
	ok(!tar_header_right(block), "no number");
	ok(!tar_header_empty(block), "not empty");
	memset(block, 0, sizeof(block));
	ok(tar_header_empty(block), "empty");
	ok(!tar_header_right(block), "which is no header");
}

static void
test_names(void)
{
	begin();
	put(345, "prefix");
	put(157, "target");
	tar_header_names(block, name, link_name);
	is_str(name, "name", "v7 knows no prefix");
	is_str(link_name, "target", "a link");
	put(257, "ustar");
	tar_header_names(block, name, link_name);
	is_str(name, "prefix/name", "ustar does");
	memset(block, 'n', 100);
	memset(block + 345, 'p', 155);
	memset(block + 157, 'l', 100);
	tar_header_names(block, name, link_name);
	is_int(strlen(name), TAR_NAME_SIZE - 1, "fields without a NUL");
	is_int(strlen(link_name), TAR_LINK_SIZE - 1, "a target without one");
	memcpy(block + 508, "tar", 4);
	tar_header_names(block, name, link_name);
	is_int(strlen(name), 131 + 1 + 100, "star's prefix is shorter");
	put(257, "ustar  ");
	tar_header_names(block, name, link_name);
	is_int(strlen(name), 100, "GNU tar has times there");
}

static void
test_types(void)
{
	static const enum tar_type types[] = {TAR_FILE, TAR_LINK, TAR_SYMLINK,
	    TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO, TAR_FILE};
	enum tar_type type;

	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++)
		ok(tar_type((uint8_t)('0' + i), "a", &type) == 1 &&
			type == types[i],
		    "type %u", i);
	ok(tar_type('\0', "a/", &type) == 1 && type == TAR_DIR,
	    "v7: a directory by its name");
	ok(tar_type('\0', "a", &type) == 1 && type == TAR_FILE, "or a file");
	is_int(tar_type('Z', "a", &type), 0, "unknown: a file");
	is_int(tar_type('M', "a", &type), -1, "the rest of another volume");
}

static void
test_numbers(void)
{
	struct tar_entry n = {.type = TAR_FILE};
	struct pax pax;

	pax_init(&pax);
	begin();
	is_int(tar_header_numbers(block, &pax, &n, &e), 0, "numbers");
	ok(n.mode == 0644 && n.uid == 1000 && n.gid == 1001 && n.stored == 15 &&
		n.mtime == 1,
	    "as they stand there");
	put(108, "x");
	ok(tar_header_numbers(block, &pax, &n, &e) < 0 &&
		e.status == EX_DATAERR,
	    "an owner that is none");
	pax.has = PAX_UID | PAX_SIZE;
	pax.uid = 70000;
	pax.size = 3;
	is_int(tar_header_numbers(block, &pax, &n, &e), 0,
	    "which nobody looks at where a pax tells it");
	ok(n.uid == 70000 && n.stored == 3, "that wins");
	pax.size = INT64_MAX;
	ok(tar_header_numbers(block, &pax, &n, &e) < 0, "too large a file");
	pax.has = PAX_UID;
	n.type = TAR_CHAR;
	put(329, "0000001");
	put(337, "0000003");
	ok(tar_header_numbers(block, &pax, &n, &e) == 0 && n.major == 1 &&
		n.minor == 3,
	    "a device");
	put(257, "ustar  ");
	put(345, "00000000005");
	ok(tar_header_numbers(block, &pax, &n, &e) == 0 && n.atime &&
		n.atime->seconds == 5 && !n.ctime,
	    "a time of GNU's, the other not told");
	pax_release(&pax);
}

int
main(void)
{
	test_checksum();
	test_names();
	test_types();
	test_numbers();
	return tap_done();
}
