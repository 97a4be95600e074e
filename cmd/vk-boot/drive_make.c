/* SPDX-License-Identifier: MIT */
/*
 * drive_make.c - a disk's file that is missing, made whole or not at all
 *
 * It is made without a name in its folder and linked to its name when all is
 * there: killed at any moment, we leave nothing behind, and of two that make
 * one file at the same time the first wins. Formatting and filling is
 * vk-mkext's work; it is found beside us, or in PATH.
 */
#include "cmd/vk-boot/drive.h"
#include "cmd/vk-boot/find.h"

#include "common/io.h"
#include "common/scope.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

/* The end of a tar, and nothing before it: an empty tree. */
#define EMPTY_TAR_SIZE 1024

/* A new file in path's folder. Where the file system cannot make one without a
 * name it has one for the time being, in temporary (PATH_MAX), else "". */
static int
open_new(const char *path, char *temporary, struct err *e)
{
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) + 1 : 0;
	char folder[PATH_MAX];
	int fd;

	temporary[0] = '\0';
	if (snprintf(folder, sizeof(folder), "%.*s.", len, path) >= PATH_MAX)
		return err_set(e, EX_USAGE, "%s: too long", path);
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		if (snprintf(temporary, PATH_MAX, "%.*s.vk-disk.XXXXXX", len,
			path) >= PATH_MAX)
			return err_set(e, EX_USAGE, "%s: too long", path);
		fd = mkostemp(temporary, O_CLOEXEC);
	}
	return fd < 0 ? err_errno(e, EX_CANTCREAT, "%s", path) : fd;
}

/* Gives it its name; one that has come there meanwhile stays. */
static int
link_new(int fd, const char *path, struct err *e)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return err_errno(e, EX_CANTCREAT, "%s", path);
	return 0;
}

/* What vk-mkext reads where there is nothing to fill it from. */
static int
empty_tree(struct err *e)
{
	static const uint8_t zeros[EMPTY_TAR_SIZE];
	int ends[2];

	/* So little fits into the pipe. */
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	if (io_write(ends[1], zeros, sizeof(zeros)) < 0)
		fd_close(&ends[0]);
	close(ends[1]);
	return ends[0] < 0 ? err_errno(e, EX_OSERR, "pipe") : ends[0];
}

static int
run_mkext(
    const char *program, char **argv, int input, int output, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int number, status;
	pid_t pid;

	/* Our signals are blocked, for they are read from a descriptor. */
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	number =
	    posix_spawn(&pid, program, &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	if (number != 0) {
		errno = number;
		return err_errno(e, EX_UNAVAILABLE, "%s", program);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(e, EX_OSERR, "%s", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	/* It has said why. */
	return err_set(e, WIFEXITED(status) ? WEXITSTATUS(status) : EX_OSERR,
	    "vk-mkext failed");
}

static int
format(const struct drive_wish *wish, int fd, struct err *e)
{
	char program[PATH_MAX], name[] = "vk-mkext", quiet[] = "-q";
	char journal[] = "--journal", full[] = "--read-only";
	char size[] = "-s", label[] = "-L";
	char bytes[32], text[DRIVE_LABEL_MAX + 1], end[] = "--", input[] = "-";
	cleanup_free char *from = strdup(wish->from ? wish->from : input);
	char *kind = wish->disk.read_only ? full : journal;
	char *argv[10] = {name, quiet, kind};
	int argc = 3;
	cleanup_fd int tree = -1;

	if (find_mkext(program, e) < 0)
		return -1;
	tree = wish->from ? open("/dev/null", O_RDONLY | O_CLOEXEC)
			  : empty_tree(e);
	if (!from || tree < 0)
		return err_errno(e, EX_OSERR, "vk-mkext");
	if (wish->size) {
		snprintf(bytes, sizeof(bytes), "%ju", (uintmax_t)wish->size);
		argv[argc++] = size;
		argv[argc++] = bytes;
	}
	if (wish->label) {
		snprintf(text, sizeof(text), "%s", wish->label);
		argv[argc++] = label;
		argv[argc++] = text;
	}
	argv[argc++] = end;
	argv[argc++] = from;
	return run_mkext(program, argv, tree, fd, e);
}

/* Fills the new file: a file system, or nothing but its length. */
static int
fill(const struct drive_wish *wish, int fd, struct err *e)
{
	if (wish->mount || wish->from || wish->fs[0]) {
		if (wish->fs[0] && strcmp(wish->fs, "ext4") != 0)
			return err_set(e, EX_USAGE,
			    "fs=%s: only ext4 is made; make that one yourself",
			    wish->fs);
		return format(wish, fd, e);
	}
	return ftruncate(fd, (off_t)wish->size) < 0
		   ? err_errno(e, EX_IOERR, "its size")
		   : 0;
}

int
drive_make(const struct drive_wish *wish, struct err *e)
{
	char temporary[PATH_MAX];
	cleanup_fd int fd = open_new(wish->disk.path, temporary, e);
	int result;

	if (fd < 0)
		return -1;
	result = fill(wish, fd, e);
	if (result < 0)
		err_prefix(e, "%s", wish->disk.path);
	else if (fsync(fd) < 0)
		result = err_errno(e, EX_IOERR, "%s", wish->disk.path);
	if (result == 0)
		result = link_new(fd, wish->disk.path, e);
	if (temporary[0])
		unlink(temporary);
	return result;
}
