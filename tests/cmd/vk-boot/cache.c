/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/cache.h"

#include "tests/cmd/vk-boot/packed.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

static char root[] = "/tmp/vk-test-cache.XXXXXX";

static void
test_folder(void)
{
	char path[PATH_MAX];
	struct err e = ERR_INIT;

	setenv("XDG_CACHE_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	cache_folder(path, "a", &e);
	is_str(path, "/x/vk/a", "XDG_CACHE_HOME");
	setenv("XDG_CACHE_HOME", "relative", 1);
	cache_folder(path, "a", &e);
	is_str(path, "/h/.cache/vk/a", "has to be absolute");
	unsetenv("XDG_CACHE_HOME");
	cache_folder(path, "a", &e);
	is_str(path, "/h/.cache/vk/a", "else it is in HOME");
	unsetenv("HOME");
	ok(cache_folder(path, "a", &e) < 0 && e.status == EX_CONFIG,
	    "else nowhere");
}

typedef int create_function(struct cache_file *, const char *folder);

static void
test_file(create_function *create, const char *folder)
{
	struct cache_file file;
	char path[PATH_MAX + 16];
	struct stat st;

	ok(create(&file, folder) == 0, "a file is made");
	ok(write(file.fd, "abc", 3) == 3 && cache_name(&file, "x") == 0,
	    "filled and named");
	ok(write(file.fd, "d", 1) == 1, "and open still");
	cache_abandon(&file);
	cache_abandon(&file);
	snprintf(path, sizeof(path), "%s/x", folder);
	ok(stat(path, &st) == 0 && st.st_size == 4 &&
		(st.st_mode & 0777) == 0400,
	    "it is there, and not to be written to");
	ok(create(&file, folder) == 0 && cache_name(&file, "x") == 0,
	    "a second one of that name is as good");
	cache_abandon(&file);
	unlink(path);
	create(&file, folder);
	cache_abandon(&file);
	ok(rmdir(folder) == 0, "nothing else is left there");
}

static void
test_sweep(const char *folder)
{
	struct cache_file file, next;
	char dead[PATH_MAX + 16];

	cache_make(folder);
	cache_create_named(&file, folder);
	snprintf(dead, sizeof(dead), "%s/.new.dead", folder);
	file_at(dead, "half", 4);
	cache_create_named(&next, folder);
	ok(access(dead, F_OK) < 0, "what a dead writer left is removed");
	ok(access(file.temporary, F_OK) == 0, "what a living one writes stays");
	ok(cache_name(&file, "x") == 0, "and gets its name");
	cache_abandon(&file);
	cache_abandon(&next);
}

int
main(void)
{
	char folder[PATH_MAX], command[64];
	struct cache_file file;

	if (!mkdtemp(root))
		abort();
	test_folder();
	snprintf(folder, sizeof(folder), "%s/a/b/c", root);
	test_file(cache_create, folder);
	cache_make(folder);
	test_file(cache_create_named, folder);
	test_sweep(folder);
	ok(cache_create(&file, "/dev/null/a") < 0, "where there is no folder");
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
