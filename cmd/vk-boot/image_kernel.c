/* SPDX-License-Identifier: MIT */
/* image_kernel.c - the kernel inside an image, and its modules */
#include "cmd/vk-boot/image_kernel.h"

#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders of an image's /boot and /lib/modules are short. */
#define LIST_MAX       65536
#define CANDIDATES_MAX 32
#define KERNEL_MAX     (1ull << 30)
#define MODULE_MAX     (128ull << 20)

static const char *const module_folders[] = {
    "/lib/modules", "/usr/lib/modules"};

struct candidates {
	char *paths[CANDIDATES_MAX];
	size_t count;
};

static void
add(struct candidates *candidates, const char *folder, const char *name,
    const char *file)
{
	char *path;

	if (candidates->count < CANDIDATES_MAX &&
	    asprintf(&path, "%s/%s%s", folder, name, file) >= 0)
		candidates->paths[candidates->count++] = path;
}

/* Adds the names of a folder that begin so, each with file behind it. */
static void
add_folder(struct candidates *candidates, struct inside *inside,
    const char *folder, const char *prefix, const char *file)
{
	static char text[LIST_MAX + 1];
	struct err none = ERR_INIT;
	cleanup_fd int fd = inside_list(inside, folder, LIST_MAX, &none);
	ssize_t got = fd < 0 ? -1 : io_pread(fd, text, LIST_MAX, 0);
	char *rest = text, *name;

	text[got > 0 ? got : 0] = '\0';
	while ((name = strsep(&rest, "\n")) != NULL)
		if (name[0] != '\0' && name[0] != '.' &&
		    strncmp(name, prefix, strlen(prefix)) == 0)
			add(candidates, folder, name, file);
}

/* What comes first is tried first. */
static int
compare(const void *a, const void *b)
{
	const char *first = *(char *const *)a, *second = *(char *const *)b;
	int rescue = !!strstr(first, "rescue") - !!strstr(second, "rescue");

	return rescue != 0 ? rescue : strverscmp(second, first);
}

/* 1: it is the kernel, 0: it is not. */
static int
try_path(struct kernel *kernel, struct inside *inside, const char *path,
    const char *cache)
{
	struct err e = ERR_INIT;
	char shown[PATH_MAX];
	int fd = inside_file(inside, path, KERNEL_MAX, &e);

	snprintf(shown, sizeof(shown), "image:%s", path);
	if (fd >= 0 && kernel_open_fd(kernel, fd, shown, cache, &e) == 0)
		return 1;
	log_info("image: %s", e.text);
	return 0;
}

int
image_kernel_open(struct kernel *kernel, struct inside *inside,
    const char *cache, struct err *e)
{
	struct candidates candidates = {.count = 0};
	int found = 0;

	*kernel = (struct kernel){.fd = -1};
	add_folder(&candidates, inside, "/boot", "vmlinuz", "");
	qsort(candidates.paths, candidates.count, sizeof(char *), compare);
	add(&candidates, "", "vmlinuz", "");
	for (size_t i = 0; i < 2; i++)
		add_folder(
		    &candidates, inside, module_folders[i], "", "/vmlinuz");
	for (size_t i = 0; i < candidates.count; i++) {
		if (!found)
			found = try_path(
			    kernel, inside, candidates.paths[i], cache);
		free(candidates.paths[i]);
	}
	/* A reader that died found nothing. */
	return found || inside->pid > 0
		   ? found
		   : err_set(e, EX_DATAERR,
			 "its file system is damaged: reading it failed");
}

/* ---- modules ------------------------------------------------------------ */

/* Where the paths of a struct modules are relative to. */
struct base {
	struct inside *inside;
	char folder[PATH_MAX];
};

static int
open_module_file(void *owner, const char *path, struct err *e)
{
	const struct base *base = owner;
	char whole[PATH_MAX];
	int n = snprintf(whole, sizeof(whole), "%s/%s", base->folder, path);

	if (n < 0 || (size_t)n >= sizeof(whole))
		return err_set(e, EX_NOINPUT, "%s: path too long", path);
	return inside_file(base->inside, whole, MODULE_MAX, e);
}

int
image_modules_open(struct modules *m, struct inside *inside,
    const char *version, struct err *e)
{
	static struct base base; /* there is one image with a kernel */
	struct module_files files = {open_module_file, &base};
	char shown[PATH_MAX + 8];

	*m = (struct modules){.folder_fd = -1};
	base.inside = inside;
	for (size_t i = 0; i < 2 && version[0] && !strchr(version, '/'); i++) {
		struct err none = ERR_INIT;
		cleanup_fd int list = -1;

		snprintf(base.folder, sizeof(base.folder), "%s/%s",
		    module_folders[i], version);
		list = open_module_file(&base, "modules.dep", &none);
		if (list < 0)
			continue;
		snprintf(shown, sizeof(shown), "image:%s", base.folder);
		return modules_open_files(m, &files, shown, e);
	}
	return 0;
}
