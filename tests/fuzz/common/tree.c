/* SPDX-License-Identifier: MIT */
/*
 * tree.c - a hostile stream of files: it lands below the destination, and the
 * file beside it stays what it was
 */
#include "common/tree_receive.h"
#include "tests/fuzz/common/feed.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[64];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tree_receiver receiver;
	struct err e = ERR_INIT;
	struct stat st;
	char inside[80], beside[80];
	int fd;

	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/dev/shm/vk-fuzz.%d",
		    (int)getpid());
		mkdir(folder, 0700);
	}
	snprintf(inside, sizeof(inside), "%s/in", folder);
	snprintf(beside, sizeof(beside), "%s/beside", folder);
	mkdir(inside, 0700);
	close(open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	fd = feed(data, size);
	if (tree_receiver_init(&receiver, inside, true, &e) < 0)
		abort();
	tree_receive(&receiver, fd, &e);
	tree_receiver_release(&receiver);
	close(fd);
	if (stat(beside, &st) < 0 || st.st_size != 0 || st.st_nlink != 1 ||
	    (st.st_mode & 07777) != 0600)
		abort();
	chmod(inside, 0700);
	nftw(inside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
