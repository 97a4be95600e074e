/* SPDX-License-Identifier: MIT */
/* output.c - what is on the disk when an image is said to be */
#include "cmd/vk-mkext/output.h"
#include "common/io.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/vk-output.XXXXXX";
static struct stat synced[4];
static unsigned count;

/* In the place of the library's. */
int
fsync(int fd)
{
	return count < 4 ? fstat(fd, &synced[count++]) : -1;
}

static bool
is_synced(const char *path)
{
	struct stat st;

	for (unsigned i = 0; i < count && stat(path, &st) == 0; i++)
		if (synced[i].st_ino == st.st_ino &&
		    synced[i].st_dev == st.st_dev)
			return true;
	return false;
}

/* One that is not worth its name. */
static int
make_image(const char *path, bool sync)
{
	struct err e = ERR_INIT;
	struct output o;
	int result = output_open(&o, path, &e);

	count = 0;
	if (result == 0 && io_write(o.fd, "image", 5) < 0)
		result = -1;
	if (result == 0)
		result = output_commit(&o, sync, &e);
	output_close(&o);
	return result;
}

int
main(void)
{
	int own = dup(STDOUT_FILENO), fd, result;

	if (!mkdtemp(top) || chdir(top) < 0)
		return 1;
	is_int(make_image("named", true), 0, "an image with a name");
	ok(is_synced("named") && is_synced("."), "is on the disk, with it");
	is_int(make_image("named", false), 0, "again");
	is_int(count, 0, "is, as nobody asked, not waited for");
	fd = open("behind", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	result = make_image(NULL, true);
	dup2(own, STDOUT_FILENO);
	is_int(result, 0, "one that is copied behind something");
	ok(is_synced("behind"), "is on the disk there");
	if (unlink("named") < 0 || unlink("behind") < 0 || rmdir(top) < 0)
		perror(top);
	return tap_done();
}
