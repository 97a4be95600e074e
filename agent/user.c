/* SPDX-License-Identifier: MIT */
/* user.c - who "name:group" is, by the image's own files */
#include "agent/user.h"

#include "common/buf.h"
#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_MAX 8
/* A group of some hundred thousand members. */
#define LINE_MAX_BYTES ((size_t)4 << 20)

/* A file's lines. No stdio: its buffers cost a process that only starts a
 * command more than the file does. */
struct lines {
	int fd;
	size_t at, have; /* of chunk */
	char chunk[2048];
	struct buf line;
};

static void
lines_open(struct lines *l, const char *path)
{
	l->fd = io_open_regular(path, 0);
	l->at = l->have = 0;
	buf_init(&l->line, LINE_MAX_BYTES);
}

static void
lines_close(struct lines *l)
{
	fd_close(&l->fd);
	buf_release(&l->line);
}

/* The next one, without its newline, good until the one after it. NULL at the
 * end, and where a line is too long. */
static char *
lines_next(struct lines *l)
{
	char *end = NULL;
	bool any = false;

	buf_drop(&l->line, l->line.len);
	while (!end) {
		size_t len;

		if (l->at == l->have) {
			ssize_t n = read(l->fd, l->chunk, sizeof(l->chunk));

			if (n <= 0)
				return any ? l->line.data : NULL;
			l->at = 0;
			l->have = (size_t)n;
		}
		end = memchr(l->chunk + l->at, '\n', l->have - l->at);
		len = end ? (size_t)(end - l->chunk) - l->at : l->have - l->at;
		if (buf_add(&l->line, l->chunk + l->at, len) < 0)
			return NULL;
		l->at += len + (end != NULL);
		any = true;
	}
	return l->line.data;
}

/* Splits a line at colons, in place. Returns the number of fields. */
static unsigned
split(char *line, char **fields)
{
	unsigned count = 0;

	while (line && count < FIELDS_MAX)
		fields[count++] = strsep(&line, ":");
	return count;
}

static int
parse_id(const char *text, unsigned *id)
{
	uint64_t value;

	/* 2^32 - 1 means "no id" to the kernel. */
	if (number_parse(text, UINT32_MAX - 1, &value) < 0)
		return -1;
	*id = (unsigned)value;
	return 0;
}

static void
copy(char *into, size_t size, const char *from)
{
	snprintf(into, size, "%s", from);
}

/* Whether a comma-separated list has a name. */
static int
has_member(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p && *p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, len) == 0 &&
		    (p[len] == ',' || p[len] == '\0'))
			return 1;
	}
	return 0;
}

/* The line of that name; else, if it is a number, of that uid. */
static int
find_passwd(struct user *u, const char *spec, const char *path)
{
	unsigned wanted = 0, uid, gid;
	int numeric = parse_id(spec, &wanted) == 0, by_uid = 0;
	char *line, *f[FIELDS_MAX];
	struct lines lines;

	lines_open(&lines, path);
	while ((line = lines_next(&lines))) {
		int same;

		if (split(line, f) < 7 || parse_id(f[2], &uid) < 0 ||
		    parse_id(f[3], &gid) < 0)
			continue;
		same = strcmp(f[0], spec) == 0;
		if (!same && !(numeric && !by_uid && uid == wanted))
			continue;
		u->uid = uid;
		u->gid = gid;
		copy(u->name, sizeof(u->name), f[0]);
		copy(u->home, sizeof(u->home), f[5]);
		copy(u->shell, sizeof(u->shell), f[6]);
		if (same)
			break;
		by_uid = 1;
	}
	lines_close(&lines);
	if (u->name[0])
		return 0;
	u->uid = wanted;
	return numeric ? 0 : -1;
}

/* The group's id, or (group NULL) the groups that list the user. */
static int
find_group(struct user *u, const char *group, const char *path)
{
	unsigned wanted = 0, gid;
	int numeric = group && parse_id(group, &wanted) == 0, found = 0;
	char *line, *f[FIELDS_MAX];
	struct lines lines;

	lines_open(&lines, path);
	while (!found && (line = lines_next(&lines))) {
		unsigned fields = split(line, f);

		if (fields < 3 || parse_id(f[2], &gid) < 0)
			continue;
		if (group && strcmp(f[0], group) == 0) {
			u->gid = gid;
			found = 1;
		} else if (!group && fields >= 4 && u->name[0] &&
			   u->group_count < USER_GROUPS_MAX &&
			   has_member(f[3], u->name)) {
			u->groups[u->group_count++] = gid;
		}
	}
	lines_close(&lines);
	if (numeric && !found)
		u->gid = wanted;
	return !group || found || numeric ? 0 : -1;
}

int
user_find(struct user *u, const char *spec, const char *passwd_path,
    const char *group_path, struct err *e)
{
	char name[USER_TEXT_MAX], *group;

	*u = (struct user){.home = "/", .shell = "/bin/sh"};
	if (!spec || !*spec)
		spec = "0";
	if (strlen(spec) >= sizeof(name))
		return err_set(e, EX_NOUSER, "user name too long");
	copy(name, sizeof(name), spec);
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	if (find_passwd(u, *name ? name : "0", passwd_path) < 0)
		return err_set(e, EX_NOUSER, "user %s: not in the image's %s",
		    name, passwd_path);
	if (find_group(u, group && *group ? group : NULL, group_path) < 0)
		return err_set(e, EX_NOUSER, "group %s: not in the image's %s",
		    group, group_path);
	return 0;
}
