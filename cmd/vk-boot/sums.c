/* SPDX-License-Identifier: MIT */
/* sums.c - is an installed file what was installed? */
#include "cmd/vk-boot/sums.h"

#include "cmd/vk-boot/digest.h"
#include "cmd/vk-boot/verified.h"
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

struct list {
	const char *name; /* NULL: there is none */
	char text[LIST_MAX];
};

static int
read_list(struct list *list, int fd, struct err *e)
{
	ssize_t len = io_read(fd, list->text, LIST_MAX - 1);

	if (len < 0)
		return err_errno(e, EX_IOERR, "read");
	if (len == 0)
		return err_set(e, EX_DATAERR, "empty");
	list->text[len] = '\0';
	return 0;
}

/* The list in the folder that path begins with. 0, -1 with err. */
static int
find_list(struct list *list, const char *path, size_t folder, struct err *e)
{
	static const char *const names[] = {SUMS_INSTALLED, SUMS_BUILT};
	char file[PATH_MAX];

	list->name = NULL;
	for (size_t i = 0; i < 2 && !list->name; i++) {
		cleanup_fd int fd = -1;

		snprintf(
		    file, sizeof(file), "%.*s%s", (int)folder, path, names[i]);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return err_errno(e, 0, "%s", file);
		if (read_list(list, fd, e) < 0)
			return err_prefix(e, "%s", file);
		list->name = names[i];
	}
	return 0;
}

/* Has the file the digest that a line begins with? 1, 0, -1 with err. */
static int
has_digest(const char *path, const char *line, struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char hex[DIGEST_HEX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, 0, "%s", path);
	if (verified_before(&st, line))
		return 1;
	if (digest_file(fd, 0, (uint64_t)st.st_size, hex, e) < 0)
		return err_prefix(e, "%s", path);
	if (strncmp(line, hex, DIGEST_HEX - 1) != 0)
		return 0;
	verified_remember(&st, hex);
	return 1;
}

int
sums_check(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *line;
	struct list list;
	int has = 0;

	if (!slash)
		return 0;
	if (find_list(&list, path, (size_t)(slash + 1 - path), e) < 0)
		return -1;
	if (!list.name)
		return 0;
	line = find_line(list.text, slash + 1);
	if (line)
		has = has_digest(path, line, e);
	if (has != 0)
		return has < 0 ? -1 : 0;
	err_set(e, EX_DATAERR, "%s: %s %s", path,
	    line ? "damaged: its digest is not that in" : "not in", list.name);
	return err_hint(e, "install or build it again, or name another file");
}
