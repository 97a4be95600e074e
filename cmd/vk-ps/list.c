/* SPDX-License-Identifier: MIT */
/* list.c - the VMs that run, and those that have ended and left word */
#include "cmd/vk-ps/list.h"

#include "cmd/vk-ps/process.h"
#include "common/run_folder.h"
#include "common/scope.h"
#include "common/size.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* status.json has a dozen short members; labels are the user's own. */
#define STATUS_MAX (1u << 20)
/* A reference; or a number. */
#define WORD_MAX 1024

/* ---- running ------------------------------------------------------------ */

static void
add_use(json_t *vm)
{
	json_t *pid = json_object_get(vm, "pid");
	struct process_use use;

	if (!pid || process_use((pid_t)json_integer_value(pid), &use) < 0)
		return;
	json_object_set_new(vm, "up_ms", json_integer((json_int_t)use.up_ms));
	json_object_set_new(vm, "cpu_ms", json_integer((json_int_t)use.cpu_ms));
	json_object_set_new(
	    vm, "memory_used", json_integer((json_int_t)use.memory));
}

/* status.json of that VM; an empty object where there is none yet. */
static json_t *
read_status(const char *name)
{
	char path[RUN_PATH_MAX];
	struct err ignored = ERR_INIT;
	json_t *vm = NULL;

	if (run_path(name, "status.json", path, sizeof(path), &ignored) == 0) {
		cleanup_fd int fd =
		    open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd >= 0 && lseek(fd, 0, SEEK_END) <= STATUS_MAX &&
		    lseek(fd, 0, SEEK_SET) == 0)
			vm = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
	}
	if (vm && json_is_object(vm))
		return vm;
	json_decref(vm);
	return json_object();
}

/* Whoever takes the name meanwhile keeps it: then there is nothing to do. */
static void
remove_stale(const char *name)
{
	struct run_folder folder;
	struct err ignored = ERR_INIT;

	if (run_folder_create(&folder, name, &ignored) == 0)
		run_folder_release(&folder);
}

static int
add_running(void *context, const char *name, bool alive)
{
	json_t *vm, *image;

	if (!alive) {
		remove_stale(name);
		return 0;
	}
	vm = read_status(name);
	json_object_set_new(vm, "name", json_string(name));
	if (!json_object_get(vm, "state"))
		json_object_set_new(vm, "state", json_string("booting"));
	image = json_object_get(json_object_get(vm, "labels"), "image");
	if (image)
		json_object_set(vm, "image", image);
	add_use(vm);
	return json_array_append_new(context, vm);
}

/* ---- ended -------------------------------------------------------------- */

static int
state_folder(char path[PATH_MAX])
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (state && state[0] == '/')
		n = snprintf(path, PATH_MAX, "%s/vk", state);
	else
		n = snprintf(
		    path, PATH_MAX, "%s/.local/state/vk", home ? home : "");
	return n > 0 && n < PATH_MAX ? 0 : -1;
}

/* The first line of a file. Returns 0, -1: there is none. */
static int
read_word(int folder, const char *vm, const char *file, char word[WORD_MAX])
{
	char path[RUN_NAME_MAX + 16];
	cleanup_fd int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", vm, file);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	len = fd < 0 ? -1 : read(fd, word, WORD_MAX - 1);
	if (len <= 0)
		return -1;
	word[len] = '\0';
	word[strcspn(word, "\n")] = '\0';
	return 0;
}

static bool
is_listed(const json_t *vms, const char *name)
{
	size_t i;
	json_t *vm;

	json_array_foreach(vms, i,
	    vm) if (strcmp(json_string_value(json_object_get(vm, "name")),
			name) == 0) return true;
	return false;
}

static void
add_ended_one(json_t *vms, int folder, const char *name)
{
	char word[WORD_MAX];
	uint64_t status;
	json_t *vm = json_object();

	json_object_set_new(vm, "name", json_string(name));
	json_object_set_new(vm, "state", json_string("ended"));
	if (read_word(folder, name, "image", word) == 0)
		json_object_set_new(vm, "image", json_string(word));
	if (read_word(folder, name, "status", word) == 0 &&
	    number_parse(word, 255, &status) == 0)
		json_object_set_new(
		    vm, "status", json_integer((json_int_t)status));
	json_array_append_new(vms, vm);
}

static int
add_ended(json_t *vms, struct err *e)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	if (state_folder(path) < 0)
		return err_set(e, EX_USAGE, "XDG_STATE_HOME: too long");
	folder = opendir(path);
	if (!folder)
		return errno == ENOENT ? 0 : err_errno(e, 0, "%s", path);
	while ((entry = readdir(folder)))
		if (run_name_valid(entry->d_name) &&
		    !is_listed(vms, entry->d_name))
			add_ended_one(vms, dirfd(folder), entry->d_name);
	closedir(folder);
	return 0;
}

/* ---- all ---------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	json_t *const *x = a, *const *y = b;

	return strcmp(json_string_value(json_object_get(*x, "name")),
	    json_string_value(json_object_get(*y, "name")));
}

static json_t *
sorted(const json_t *vms)
{
	size_t count = json_array_size(vms);
	cleanup_free json_t **all = calloc(count ? count : 1, sizeof(*all));
	json_t *result = json_array();

	for (size_t i = 0; all && i < count; i++)
		all[i] = json_array_get(vms, i);
	if (all)
		qsort(all, count, sizeof(*all), by_name);
	for (size_t i = 0; all && i < count; i++)
		json_array_append(result, all[i]);
	return result;
}

json_t *
list_vms(bool all, struct err *e)
{
	json_t *vms = json_array();
	json_t *result = NULL;

	if (run_folder_list(add_running, vms, e) == 0 &&
	    (!all || add_ended(vms, e) == 0))
		result = sorted(vms);
	json_decref(vms);
	return result;
}
