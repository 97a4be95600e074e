/* SPDX-License-Identifier: MIT */
/* sums.c - is an installed file what was installed? */
#include "cmd/vk-boot/sums.h"

#include "cmd/vk-boot/digest.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* It has a line for each of three files. */
#define LIST_MAX 4096

static bool
is_line_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	return strcspn(line, "\n") == DIGEST_HEX - 1 + 2 + len &&
	       strncmp(line + DIGEST_HEX - 1, "  ", 2) == 0 &&
	       strncmp(line + DIGEST_HEX - 1 + 2, name, len) == 0;
}

/* "HEX  NAME" lines. Returns the one of that name, NULL. */
static const char *
find_line(const char *list, const char *name)
{
	for (const char *line = list; *line; line += *line == '\n') {
		if (is_line_of(line, name))
			return line;
		line += strcspn(line, "\n");
	}
	return NULL;
}

/* The list of path's folder; "" where there is none. 0, -1 with err. */
static int
read_list(const char *path, size_t folder, char list[LIST_MAX], struct err *e)
{
	char name[PATH_MAX];
	cleanup_fd int fd = -1;
	ssize_t len;

	list[0] = '\0';
	snprintf(name, sizeof(name), "%.*s" SUMS_FILE, (int)folder, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, 0, "%s", name);
	len = io_read(fd, list, LIST_MAX - 1);
	if (len < 0)
		return err_errno(e, EX_IOERR, "%s", name);
	list[len] = '\0';
	if (len == 0)
		return err_set(e, EX_DATAERR, "%s: empty", name);
	return 0;
}

static int
hash(const char *path, char hex[DIGEST_HEX], struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (digest_file(fd, 0, (uint64_t)st.st_size, hex, e) < 0)
		return err_prefix(e, "%s", path);
	return 0;
}

int
sums_check(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *line;
	char list[LIST_MAX], hex[DIGEST_HEX];

	if (!slash || read_list(path, (size_t)(slash + 1 - path), list, e) < 0)
		return slash ? -1 : 0;
	if (!list[0])
		return 0;
	line = find_line(list, slash + 1);
	if (line && hash(path, hex, e) < 0)
		return -1;
	if (line && strncmp(line, hex, DIGEST_HEX - 1) == 0)
		return 0;
	err_set(e, EX_DATAERR, "%s: %s", path,
	    line ? "damaged: its digest is not that in " SUMS_FILE
		 : "not in " SUMS_FILE);
	return err_hint(e, "install it again, or name another file");
}
