/* SPDX-License-Identifier: MIT */
/* tarout.c - what is written is what is read again, at the limits too */
#include "common/tarout.h"

#include "common/io.h"
#include "common/pax.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The last entry that was read. */
static struct tar_entry seen;
static char path[512], link_name[512];
static uint64_t first_offset, last_end, bytes;
static struct err e;

static int
on_entry(void *into, const struct tar_entry *n, struct err *why)
{
	const struct tar_segment *s = n->segments;

	(void)into, (void)why;
	seen = *n;
	snprintf(path, sizeof(path), "%s", n->path);
	snprintf(link_name, sizeof(link_name), "%s", n->link);
	first_offset = n->segment_count ? s[0].offset : 0;
	s += n->segment_count;
	last_end = n->segment_count ? s[-1].offset + s[-1].len : 0;
	return 0;
}

static int
on_data(void *into, const void *data, size_t len, struct err *why)
{
	(void)into, (void)data, (void)why;
	bytes += len;
	return 0;
}

static int
read_back(int fd)
{
	static const struct tarin_ops ops = {
	    .entry = on_entry, .data = on_data};
	struct tarin *t = tarin_new(&ops, NULL, TARIN_PAX_MAX);
	static uint8_t piece[65536];
	uint64_t at = 0;
	ssize_t n;
	int result = 0;

	bytes = 0;
	while (
	    result == 0 && (n = io_pread(fd, piece, sizeof(piece), at)) > 0) {
		result = tarin_feed(t, piece, (size_t)n, &e);
		at += (uint64_t)n;
	}
	if (result == 0)
		result = tarin_end(t, &e);
	tarin_free(t);
	return result;
}

/* Writes one entry, its data zeros, and reads it. Returns the length of all, -1
 * with err. */
static off_t
through(const struct tar_entry *n, char *text, size_t size)
{
	static const uint8_t zeros[4096];
	cleanup_fd int fd = memfd_create("tar", MFD_CLOEXEC);
	struct tarout out;
	off_t length = -1;
	int result = tarout_init(&out, fd, "memory", &e);

	if (result == 0)
		result = tarout_entry(&out, n, &e);
	for (uint64_t left = n->stored; result == 0 && left > 0;) {
		size_t len =
		    left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		result = tarout_data(&out, zeros, len, &e);
		left -= len;
	}
	if (result == 0)
		result = tarout_end(&out, &e);
	tarout_release(&out);
	if (result == 0 && read_back(fd) == 0)
		length = lseek(fd, 0, SEEK_END);
	if (length < 0)
		printf("# %s\n", e.text);
	if (text) {
		ssize_t got = io_pread(fd, text, size - 1, 0);

		text[got > 0 ? got : 0] = '\0';
		for (ssize_t i = 0; i < got; i++)
			if (!text[i])
				text[i] = '.';
	}
	return length;
}

/* ---- holes -------------------------------------------------------------- */

static void
test_hole_at_end(void)
{
	struct tar_segment piece = {4096, 100};
	struct tar_entry n = {.type = TAR_FILE,
	    .path = "file",
	    .link = "",
	    .size = 1000000,
	    .stored = 100,
	    .sparse = true,
	    .segments = &piece,
	    .segment_count = 1};
	char text[8192];

	ok(through(&n, text, sizeof(text)) > 0, "a sparse file");
	ok(seen.sparse && seen.size == 1000000 && bytes == 100 &&
		first_offset == 4096 && last_end == 4196,
	    "is what it was");
	ok(strstr(text, "2\n4096\n100\n1000000\n0\n"),
	    "its end is told to who needs that");
	n.segment_count = 0;
	n.stored = 0;
	ok(through(&n, text, sizeof(text)) > 0 && seen.size == 1000000,
	    "nothing but a hole");
	ok(strstr(text, "1\n1000000\n0\n"), "has an end as well");
	piece = (struct tar_segment){999900, 100};
	n.segment_count = 1;
	n.stored = 100;
	ok(through(&n, text, sizeof(text)) > 0 &&
		strstr(text, "1\n999900\n100\n"),
	    "data at the end is its end");
}

static void
test_many_pieces(void)
{
	static struct tar_segment pieces[TARIN_SEGMENTS_MAX];
	struct tar_entry n = {.type = TAR_FILE,
	    .path = "file",
	    .link = "",
	    .size = INT64_MAX - 99,
	    .stored = TARIN_SEGMENTS_MAX,
	    .sparse = true,
	    .segments = pieces,
	    .segment_count = TARIN_SEGMENTS_MAX};

	/* As long as numbers get, that the map is as long as it gets. */
	for (uint64_t i = 0; i < TARIN_SEGMENTS_MAX; i++)
		pieces[i] = (struct tar_segment){
		    INT64_MAX - 98 - 2 * (TARIN_SEGMENTS_MAX - i), 1};
	ok(through(&n, NULL, 0) > 0, "as many pieces as there may be");
	ok(seen.segment_count == TARIN_SEGMENTS_MAX &&
		last_end == INT64_MAX - 99 && bytes == TARIN_SEGMENTS_MAX,
	    "are all there");
}

/* ---- numbers and names -------------------------------------------------- */

static void
test_numbers(void)
{
	static const int64_t times[] = {0, 1, -1, -2208988800, 07777777777,
	    010000000000, 077777777777, 0100000000000, 15032385535,
	    INT64_MAX / 2, -(INT64_MAX / 2)};
	static const uint32_t owners[] = {
	    0, 07777777, 010000000, UINT32_MAX - 1, UINT32_MAX};
	bool right = true;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		for (uint32_t ns = 0; ns < 1000000000; ns += 333333333) {
			struct tar_entry n = {.type = TAR_DIR,
			    .path = "d/",
			    .link = "",
			    .mtime = times[i],
			    .mtime_ns = ns};

			if (through(&n, NULL, 0) < 0 ||
			    seen.mtime != times[i] || seen.mtime_ns != ns) {
				right = false;
				printf("# %" PRId64 ".%09" PRIu32 "\n",
				    times[i], ns);
			}
		}
	ok(right, "times before 1970 and after 2446");
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		struct tar_entry n = {.type = TAR_CHAR,
		    .path = "c",
		    .link = "",
		    .mode = 07777,
		    .uid = owners[i],
		    .gid = ~owners[i],
		    .major = 4095,
		    .minor = 1048575};

		ok(through(&n, NULL, 0) > 0 && seen.uid == owners[i] &&
			seen.gid == ~owners[i] && seen.mode == 07777 &&
			seen.major == 4095 && seen.minor == 1048575,
		    "owner %" PRIu32, owners[i]);
	}
}

/* Every length, so that a record's own length gains a digit within. */
static void
test_names(void)
{
	char name[260];
	bool right = true;

	for (size_t len = 1; len < sizeof(name); len++) {
		struct tar_entry n = {
		    .type = TAR_SYMLINK, .path = name, .link = name};

		/* No UTF-8, and with a newline. */
		memset(name, 0xe9, len);
		name[len / 2] = '\n';
		name[len] = '\0';
		if (through(&n, NULL, 0) < 0 || strcmp(path, name) != 0 ||
		    strcmp(link_name, name) != 0) {
			right = false;
			printf("# %zu bytes\n", len);
		}
	}
	ok(right, "names of every length and of any bytes");
}

/* What would not be read is not written. */
static void
test_attributes(void)
{
	static const char key[] = "SCHILY.xattr.user.large";
	static char value[TARIN_PAX_MAX];
	struct buf attrs = BUF_INIT(2 * TARIN_PAX_MAX);
	struct tar_entry n = {.type = TAR_FILE, .path = "file", .link = ""};

	for (size_t over = 0; over < 2; over++) {
		/* "1048576 ", "=" and a newline are the rest of it. */
		size_t len = TARIN_PAX_MAX - strlen(key) - 10 + over;

		buf_drop(&attrs, attrs.len);
		pax_add_attr(&attrs, key, strlen(key), value, len);
		n.attrs = (const uint8_t *)attrs.data;
		n.attrs_len = attrs.len;
		if (over == 0)
			ok(through(&n, NULL, 0) > 0 &&
				seen.attrs_len == attrs.len,
			    "attributes that are just not too large");
		else
			ok(through(&n, NULL, 0) < 0 &&
				strstr(e.text, "too large to be written"),
			    "those of a byte more are");
	}
	buf_release(&attrs);
}

int
main(void)
{
	test_hole_at_end();
	test_many_pieces();
	test_numbers();
	test_names();
	test_attributes();
	return tap_done();
}
