/* SPDX-License-Identifier: MIT */
/* tests of what a program needs beside itself */
#include "cmd/vk-boot/libraries.h"

#include "common/io.h"
#include "common/scope.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct libraries l;

static int
find(int fd, struct err *e)
{
	libraries_release(&l);
	memset(&l, 0, sizeof(l));
	return libraries_find(&l, fd, e);
}

static bool
has(const char *name)
{
	for (unsigned i = 0; i < l.count; i++)
		if (strcmp(l.found[i].name, name) == 0)
			return true;
	return false;
}

/* This program, with one byte changed after another: nothing worse than an
 * error comes of it. */
static void
test_damaged(const uint8_t *image, size_t len)
{
	cleanup_fd int fd = memfd_create("damaged", MFD_CLOEXEC);
	uint8_t all[4096];
	struct err e = ERR_INIT;
	unsigned survived = 0;

	if (len < sizeof(all) || io_write(fd, image, len) < 0)
		return;
	memcpy(all, image, sizeof(all));
	for (size_t i = 0; i < sizeof(all); i++) {
		uint8_t bad = all[i] ^ 0xff;

		if (io_pwrite(fd, &bad, 1, i) < 0)
			break;
		find(fd, &e);
		survived += l.count <= LIBRARIES_MAX;
		if (io_pwrite(fd, &all[i], 1, i) < 0)
			break;
	}
	is_int(survived, sizeof(all), "damage is no disaster");
	survived = 0;
	for (size_t cut = 0; cut < sizeof(all); cut += 64)
		survived += ftruncate(fd, (off_t)(sizeof(all) - cut)) == 0 &&
			    (find(fd, &e) < 0 || l.count == 0);
	is_int(survived, sizeof(all) / 64, "nor is a file that was cut");
}

/* Where ls knows of SELinux, the library that this needs is its own. */
static void
test_indirect(void)
{
	cleanup_fd int ls = open("/bin/ls", O_RDONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	if (find(ls, &e) < 0 || !has("libselinux.so.1"))
		skip("no SELinux here", "what a library needs");
	else
		ok(has("libpcre2-8.so.0"), "what a library needs: %u in all",
		    l.count);
}

int
main(void)
{
	cleanup_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	cleanup_fd int path = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	cleanup_fd int script = memfd_create("script", MFD_CLOEXEC);
	off_t len = lseek(self, 0, SEEK_END);
	struct err e = ERR_INIT;
	void *image;

	ok(find(self, &e) == 0, "this program: %s", e.text);
	ok(strncmp(l.interpreter, "/lib", 4) == 0, "its interpreter: %s",
	    l.interpreter);
	ok(has("libc.so.6"), "the C library");
	ok(has("libjansson.so.4") && has("libseccomp.so.2"),
	    "what it is linked with");
	test_indirect();
	find(self, &e);
	ok(find(path, &e) == 0 && has("libc.so.6"),
	    "by a descriptor that is a path");
	ok(io_write(script, "#!/bin/sh\n", 10) == 0 && find(script, &e) == 0 &&
		l.count == 0 && !l.interpreter[0],
	    "a script needs nothing that is known");
	image = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, self, 0);
	if (image != MAP_FAILED)
		test_damaged(image, (size_t)len);
	libraries_release(&l);
	return tap_done();
}
