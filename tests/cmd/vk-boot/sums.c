/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/sums.h"

#include "cmd/vk-boot/verified.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "abc", as FIPS 180-4's example has it. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char root[] = "/tmp/vk-test-sums.XXXXXX";
static char path[PATH_MAX];

static void
write_file(const char *name, const char *text)
{
	char at[PATH_MAX];
	FILE *file;

	snprintf(at, sizeof(at), "%s/%s", root, name);
	unlink(at);
	file = fopen(at, "w");
	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

/* 0, or the exit status of why not. */
static int
check(void)
{
	struct err e = ERR_INIT;

	return sums_check(path, &e) < 0 ? e.status : 0;
}

static size_t
remembered(void)
{
	char pattern[PATH_MAX];
	glob_t found;
	size_t count = 0;

	snprintf(pattern, sizeof(pattern), "%s/vk/verified/*", root);
	if (glob(pattern, 0, NULL, &found) == 0)
		count = found.gl_pathc;
	globfree(&found);
	return count;
}

static void
test_lists(void)
{
	write_file("kernel", "abc");
	is_int(check(), 0, "where there is no list, there is nothing to check");
	write_file("sha256", ABC "  other\n" ABC "  kernel\n");
	is_int(check(), 0, "the list beside what was built");
	write_file("sha256", ABC "  other\n");
	is_int(check(), EX_DATAERR, "a file that is not on it");
	write_file("SHA256SUMS", ABC "  kernel\n");
	is_int(check(), 0, "the list of what was installed comes first");
	write_file("SHA256SUMS", "");
	is_int(check(), EX_DATAERR, "an empty list is none");
	write_file("SHA256SUMS", ABC "  kernel\n");
	write_file("kernel", "abd");
	is_int(check(), EX_DATAERR, "another file");
	is_int(
	    (long long)remembered(), 0, "what just changed is not remembered");
}

/* ctime cannot be set, so what is remembered is made for a time long past. */
static void
test_verified(void)
{
	struct stat st, other;

	write_file("kernel", "abd");
	if (stat(path, &st) < 0)
		return;
	ok(!verified_before(&st, ABC), "at first nothing is known");
	verified_remember(&st, ABC);
	ok(!verified_before(&st, ABC), "a change a moment ago may go on");
	other = st;
	other.st_ctim.tv_sec -= 60;
	verified_remember(&other, ABC);
	ok(verified_before(&other, ABC), "one a minute ago does not");
	ok(!verified_before(&st, ABC), "with another ctime it is another file");
	other.st_ctim.tv_nsec ^= 1;
	ok(!verified_before(&other, ABC), "by a nanosecond even");
	other.st_ctim.tv_nsec ^= 1;
	other.st_size++;
	ok(!verified_before(&other, ABC), "or with another size");
	verified_remember(&other, ABC);
	is_int((long long)remembered(), 1, "what it was is forgotten");
}

/* A name for the file as it is, as if it had settled: then it is believed. */
static void
test_believed(void)
{
	struct stat st;
	char name[PATH_MAX];

	if (stat(path, &st) < 0)
		return;
	snprintf(name, sizeof(name),
	    "%s/vk/verified/%llx-%llx-%llx-%llx.%lx-%llx.%lx-" ABC, root,
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
	    (unsigned long long)st.st_size,
	    (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
	    (unsigned long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	is_int(check(), 0, "what is remembered is not read");
	chmod(path, 0600);
	is_int(check(), EX_DATAERR, "until it is touched in any way");
}

static int
drop(const char *name, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(name);
}

int
main(void)
{
	if (!mkdtemp(root))
		return 1;
	setenv("XDG_CACHE_HOME", root, 1);
	snprintf(path, sizeof(path), "%s/kernel", root);
	test_lists();
	test_verified();
	test_believed();
	nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
