/* SPDX-License-Identifier: MIT */
/* What -d says, and files that are made whole or not at all. */
#include "cmd/vk-boot/drive.h"

#include "common/io.h"
#include "common/scope.h"

#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static char folder[] = "/tmp/vk-drive.XXXXXX";
static struct err e;

static bool
parses(struct drive_wish *wish, const char *text)
{
	e = (struct err)ERR_INIT;
	return drive_parse(wish, text, 3, &e) == 0;
}

static void
refused(const char *text, const char *why)
{
	struct drive_wish wish;

	ok(!parses(&wish, text) && e.status == EX_USAGE && strstr(e.text, why),
	    "%s: %s", text, e.text);
	drive_wish_release(&wish);
}

static void
test_parse(void)
{
	struct drive_wish wish;
	struct buf config;

	ok(parses(&wish, "file"), "a file alone");
	is_str(wish.disk.path, "file", "its path");
	is_str(wish.id, "disk3", "its id, by its number");
	is_str(wish.serial, "disk3", "its serial is its id");
	ok(wish.disk.write && !wish.disk.read_only &&
		wish.disk.format == DISK_RAW &&
		wish.disk.cache == DISK_WRITEBACK && wish.size == 0,
	    "raw, written to, through the page cache");
	drive_wish_release(&wish);
	drive_wish_release(&wish);

	ok(parses(&wish, "f,size=1000,mount=/a,fs=ext4,label=l,id=i,serial=s,"
			 "cache=unsafe"),
	    "all that goes together");
	is_int(wish.size, 4096, "sizes are whole clusters");
	is_str(wish.id, "i", "the id");
	is_int(wish.disk.cache, DISK_UNSAFE, "the cache");
	buf_init(&config, 1000);
	drive_config(&wish, &config);
	is_str(config.data, "mount serial=s /a ext4 rw,x-grow,x-required\n",
	    "what the agent is told");
	buf_release(&config);
	drive_wish_release(&wish);

	ok(parses(&wish, "f,overlay=o,overlay-max=1M") && !wish.disk.write &&
		strcmp(wish.disk.overlay, "o") == 0 &&
		wish.disk.overlay_max == 1 << 20,
	    "an overlay");
	drive_wish_release(&wish);
	ok(parses(&wish, "f,overlay=tmp") && !wish.disk.write &&
		!wish.disk.overlay,
	    "one that is thrown away");
	drive_wish_release(&wish);

	refused("", "no file");
	refused("f,", "not known");
	refused("f,rw", "not known");
	refused("f,mount=", "not an absolute path");
	refused("f,mount=/a b", "not an absolute path");
	refused("f,mount=/", "not an absolute path");
	refused("f,size=-1", "not a size");
	refused("f,size=0", "not a size");
	refused("f,id=a b", "letters");
	refused("f,label=12345678901234567", "not 1 to 16");
	refused("f,cache=writethrough", "not known");
	refused("f,format=auto", "not known");
	refused("f,overlay-max=1M", "needs overlay=");
	refused("f,ro,overlay=o", "goes with neither");
	refused("f,from=d", "needs mount=");
	refused("f,format=qcow2,size=1M", "raw files only");
	refused("f,format=qcow2,cache=none", "cache=none");
}

static void
test_make(void)
{
	struct drive_wish wish;
	struct drive drive;
	struct stat st;

	ok(parses(&wish, "new,size=5M") && drive_open(&drive, &wish, &e) == 0,
	    "a missing file is made");
	ok(stat("new", &st) == 0 && st.st_size == 5 << 20 && st.st_blocks < 64,
	    "as large as was said, and empty");
	is_int(st.st_mode & 07777, 0600, "for its owner alone");
	ok(drive_keeps(&drive), "what is written to it stays");
	drive_close(&drive);
	drive_close(&drive);
	drive_wish_release(&wish);

	ok(parses(&wish, "new,size=6M") && drive_open(&drive, &wish, &e) == 0,
	    "it is enlarged");
	is_int(drive.disk.size, 6 << 20, "its new size");
	drive_close(&drive);
	drive_wish_release(&wish);
	ok(parses(&wish, "new,size=1M") && drive_open(&drive, &wish, &e) == 0,
	    "never cut");
	is_int(drive.disk.size, 6 << 20, "its size stays");
	ok(drive_make(&wish, &e) == 0 && stat("new", &st) == 0 &&
		st.st_size == 6 << 20,
	    "of two that make it the first wins");
	drive_close(&drive);
	drive_wish_release(&wish);

	ok(parses(&wish, "bad,size=1M,fs=xfs") &&
		drive_open(&drive, &wish, &e) < 0 && e.status == EX_USAGE,
	    "a file system that is not made: %s", e.text);
	drive_close(&drive);
	drive_wish_release(&wish);
	ok(stat("bad", &st) < 0, "nothing is left of it");
	ok(parses(&wish, "no/bad,size=1M") && drive_open(&drive, &wish, &e) < 0,
	    "no folder: %s", e.text);
	drive_close(&drive);
	drive_wish_release(&wish);

	ok(parses(&wish, "new,mount=/m") && drive_open(&drive, &wish, &e) < 0 &&
		e.status == EX_DATAERR,
	    "no file system to be mounted: %s", e.text);
	drive_close(&drive);
	drive_wish_release(&wish);
	ok(parses(&wish, "new,overlay=tmp") &&
		drive_open(&drive, &wish, &e) == 0 && !drive_keeps(&drive),
	    "what is thrown away does not stay");
	drive_close(&drive);
	drive_wish_release(&wish);
}

int
main(void)
{
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return 1;
	test_parse();
	test_make();
	unlink("new");
	rmdir(folder);
	return tap_done();
}
