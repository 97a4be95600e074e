/* SPDX-License-Identifier: MIT */
/* user.c - who "name:group" is, by the image's own files */
#include "agent/user.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char passwd[] = "/tmp/vk-test.XXXXXX", group[] = "/tmp/vk-test.XXXXXX";

static void
check(const char *spec, int uid, int gid, unsigned groups, const char *home)
{
	struct user u;
	struct err e = ERR_INIT;
	int status = user_find(&u, spec, passwd, group, &e);

	if (uid < 0) {
		ok(status < 0, "%s: %s", spec, e.text);
		return;
	}
	ok(status == 0 && u.uid == (uid_t)uid && u.gid == (gid_t)gid &&
		u.group_count == groups && strcmp(u.home, home) == 0,
	    "%s: %u:%u, %u more, %s", spec, u.uid, u.gid, u.group_count,
	    u.home);
}

static void
fill(char *path, const char *text)
{
	FILE *file = fdopen(mkstemp(path), "w");

	fputs(text, file);
	fclose(file);
}

int
main(void)
{
	fill(passwd, "root:x:0:0:root:/root:/bin/sh\n"
		     "broken line\n"
		     "app:x:1000:1001:a,b:/home/app:/bin/sh\n"
		     "1000:x:7:8::/seven:\n");
	fill(group, "root:x:0:\napp:x:1001:\ndocker:x:50:root,app\n"
		    "video:x:44:apple,app,other\nx:y\nodd:x:99:xapp,appx\n");
	check("", 0, 0, 1, "/root");
	check("app", 1000, 1001, 2, "/home/app");
	check("app:video", 1000, 44, 0, "/home/app");
	check("app:77", 1000, 77, 0, "/home/app");
	check("1000", 7, 8, 0, "/seven"); /* a name comes before a number */
	check("1234", 1234, 0, 0, "/");
	check("1234:docker", 1234, 50, 0, "/");
	check(":docker", 0, 50, 0, "/root");
	check("nobody", -1, 0, 0, "");
	check("app:nogroup", -1, 0, 0, "");
	check("4294967295", -1, 0, 0, "");
	check("-1", -1, 0, 0, "");
	unlink(passwd);
	/* Where an image has something else there, nobody waits for it. */
	alarm(60);
	ok(mkfifo(passwd, 0600) == 0, "(a FIFO)");
	check("root", -1, 0, 0, "");
	check("1000", 1000, 0, 0, "/");
	unlink(passwd);
	unlink(group);
	return tap_done();
}
