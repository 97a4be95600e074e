/* SPDX-License-Identifier: MIT */
/*
 * modules.c - the modules that a modular kernel needs to reach its root
 *
 * A line of modules.dep is "PATH: PATH PATH ...", and names all that a module
 * needs, also at second hand, what is needed first last. So the order of
 * loading is that list backwards, and nothing has to be followed further.
 */
#include "cmd/vk-boot/modules.h"

#include "cmd/vk-boot/unpack.h"
#include "common/io.h"
#include "common/log.h"
#include "common/packed.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A distribution's modules.alias has 1.3 MB, its modules.dep 0.5 MB. */
#define LIST_MAX ((off_t)8 << 20)
/* Distributions have up to 8000 modules. */
#define TABLE_MAX 65536
/* Names and paths looked up in it, all in all; thirty modules take 150. */
#define LOOKUPS_MAX 1024
/* Of these, names that it does not have: for each the lists of what is built in
 * and of other names are gone through. */
#define UNKNOWN_MAX 128
/* A module, unpacked; graphics drivers reach 20 MB. */
#define MODULE_SIZE_MAX ((uint64_t)128 << 20)
/* A soft dependency of a soft dependency of ... */
#define SOFT_DEPTH_MAX 4

struct text {
	const char *at;
	size_t len;
};

/* ---- text --------------------------------------------------------------- */

/* Takes what is before the first `end` off the front of *rest; false when
 * there is nothing left. */
static bool
next(struct text *rest, char end, struct text *part)
{
	const char *stop;

	if (rest->len == 0)
		return false;
	stop = memchr(rest->at, end, rest->len);
	part->at = rest->at;
	part->len = stop ? (size_t)(stop - rest->at) : rest->len;
	rest->at += part->len + (stop ? 1 : 0);
	rest->len -= part->len + (stop ? 1 : 0);
	return true;
}

static struct text
text_of(const char *string)
{
	return (struct text){string, string ? strlen(string) : 0};
}

/* "kernel/fs/ext4/ext4.ko.xz": "ext4". */
static struct text
name_of(const char *path, size_t len)
{
	const char *slash = memrchr(path, '/', len);
	struct text name = {path, len};
	const char *dot;

	if (slash) {
		name.at = slash + 1;
		name.len = (size_t)(path + len - name.at);
	}
	dot = memmem(name.at, name.len, ".ko", 3);
	if (dot)
		name.len = (size_t)(dot - name.at);
	return name;
}

static bool
same_name(struct text a, struct text b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if ((a.at[i] == '-' ? '_' : a.at[i]) !=
		    (b.at[i] == '-' ? '_' : b.at[i]))
			return false;
	return true;
}

/* ---- the files ---------------------------------------------------------- */

static int
open_in_folder(void *owner, const char *path, struct err *e)
{
	struct modules *m = owner;
	int fd = openat(m->folder_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err_errno(e, 0, "%s/%s", m->folder, path);
	return fd;
}

/* All of a text file, NUL-terminated. NULL with err. */
static char *
read_list(const struct modules *m, const char *name, struct err *e)
{
	cleanup_fd int fd = m->files.open(m->files.owner, name, e);
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || st.st_size < 0 || st.st_size > LIST_MAX) {
		err_set(
		    e, EX_DATAERR, "%s/%s: larger than 8 MiB", m->folder, name);
		return NULL;
	}
	text = malloc((size_t)st.st_size + 1);
	got = text ? io_pread(fd, text, (size_t)st.st_size, 0) : -1;
	if (got < 0) {
		err_errno(e, EX_IOERR, "%s/%s", m->folder, name);
		return NULL;
	}
	text[got] = '\0';
	return steal_ptr(&text);
}

static bool
is_harmless(struct text path)
{
	return path.len > 0 && path.len < NAME_MAX && path.at[0] != '/' &&
	       !memmem(path.at, path.len, "..", 2);
}

/* Makes the table of modules.dep. */
static int
read_table(struct modules *m, struct err *e)
{
	struct text rest, line;
	size_t lines = 1;

	m->dep = read_list(m, "modules.dep", e);
	if (!m->dep)
		return -1;
	rest = text_of(m->dep);
	for (const char *p = m->dep; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	if (lines > TABLE_MAX)
		return err_set(e, EX_DATAERR,
		    "%s/modules.dep: more than %d modules", m->folder,
		    TABLE_MAX);
	m->table = calloc(lines, sizeof(*m->table));
	if (!m->table)
		return err_errno(e, EX_OSERR, "%s", m->folder);
	while (next(&rest, '\n', &line)) {
		struct text path, name;

		if (!next(&line, ':', &path) || !is_harmless(path))
			continue;
		name = name_of(path.at, path.len);
		m->table[m->table_len++] = (struct module){
		    .path = path.at,
		    .path_len = path.len,
		    .name = name.at,
		    .name_len = name.len,
		    .needs = line.at,
		    .needs_len = line.len,
		};
	}
	return 0;
}

/* ---- where they are ----------------------------------------------------- */

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
has_list(const char *folder)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/modules.dep", folder);

	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

/* root/lib/modules/VERSION. The version is only looked for if there is any. */
static bool
try_root(char folder[PATH_MAX], const char *root, struct kernel *kernel)
{
	int n = snprintf(folder, PATH_MAX, "%s/lib/modules", root);

	if (n < 0 || n >= PATH_MAX || !is_folder(folder))
		return false;
	kernel_find_version(kernel);
	if (!kernel->version[0] || strchr(kernel->version, '/'))
		return false;
	n = snprintf(
	    folder, PATH_MAX, "%s/lib/modules/%s", root, kernel->version);
	return n > 0 && n < PATH_MAX && has_list(folder);
}

/* From the path of the kernel's file, which is cut up. */
static bool
find_near(char folder[PATH_MAX], char *path, struct kernel *kernel)
{
	char *slash = strrchr(path, '/');
	const char *own;

	if (!slash)
		return find_near(folder, (char[PATH_MAX]){"./vmlinuz"}, kernel);
	*slash = '\0';
	own = slash == path ? "/" : path;
	if (has_list(own)) {
		snprintf(folder, PATH_MAX, "%s", own);
		return true;
	}
	if (try_root(folder, path, kernel))
		return true;
	slash = strrchr(path, '/');
	if (strcmp(slash ? slash + 1 : path, "boot") != 0)
		return false;
	if (!slash)
		return try_root(folder, ".", kernel);
	*slash = '\0';
	return try_root(folder, path, kernel);
}

/* The path as it was given, then what its links lead to. */
static bool
find_folder(char folder[PATH_MAX], struct kernel *kernel)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", kernel->path);
	if (find_near(folder, path, kernel))
		return true;
	return realpath(kernel->path, path) && find_near(folder, path, kernel);
}

int
modules_open_files(struct modules *m, const struct module_files *files,
    const char *folder, struct err *e)
{
	*m = (struct modules){.files = *files, .folder_fd = -1};
	snprintf(m->folder, sizeof(m->folder), "%s", folder);
	return read_table(m, e);
}

static int
no_modules(const char *folder, const struct kernel *kernel, struct err *e)
{
	return err_set(e, EX_NOINPUT,
	    "%s: neither modules.dep nor lib/modules/%s/modules.dep in it",
	    folder, kernel->version[0] ? kernel->version : "VERSION");
}

int
modules_open(
    struct modules *m, struct kernel *kernel, const char *folder, struct err *e)
{
	*m = (struct modules){.folder_fd = -1, .files = {open_in_folder, m}};
	if (folder && has_list(folder))
		snprintf(m->folder, sizeof(m->folder), "%s", folder);
	else if (folder && !try_root(m->folder, folder, kernel))
		return no_modules(folder, kernel, e);
	else if (!folder && !find_folder(m->folder, kernel)) {
		m->folder[0] = '\0';
		return 0;
	}
	m->folder_fd = open(m->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (m->folder_fd < 0)
		return err_errno(e, 0, "%s", m->folder);
	return read_table(m, e);
}

void
modules_close(struct modules *m)
{
	fd_close(&m->folder_fd);
	for (unsigned i = 0; i < m->count; i++)
		fd_close(&m->fds[i]);
	free(steal_ptr(&m->dep));
	free(steal_ptr(&m->builtin));
	free(steal_ptr(&m->softdep));
	free(steal_ptr(&m->alias));
	free(steal_ptr(&m->table));
	m->table_len = m->count = 0;
}

/* A descriptor of the module's bytes, unpacked. */
static int
open_module(const struct modules *m, const struct module *module, struct err *e)
{
	char path[PATH_MAX];
	cleanup_fd int fd = -1;
	uint8_t start[PACKED_MAGIC_LEN];
	struct stat st;
	ssize_t got;

	snprintf(
	    path, sizeof(path), "%.*s", (int)module->path_len, module->path);
	fd = m->files.open(m->files.owner, path, e);
	if (fd < 0)
		return -1;
	got = io_pread(fd, start, sizeof(start), 0);
	if (got < 0 || fstat(fd, &st) < 0)
		return err_errno(e, EX_IOERR, "%s/%s", m->folder, path);
	if (packed_format(start, (size_t)got)) {
		struct unpack unpack = {
		    .fd = fd,
		    .len = (uint64_t)st.st_size,
		    .max = MODULE_SIZE_MAX,
		};
		int unpacked = unpack_open(&unpack, e);

		if (unpacked < 0)
			return err_prefix(e, "%s/%s", m->folder, path);
		return unpacked;
	}
	return steal_fd(&fd);
}

/* ---- choosing ----------------------------------------------------------- */

/* The entry of that path, or of that name; NULL if there is none. */
static struct module *
find(struct modules *m, struct text wanted, bool by_path)
{
	if (m->lookups++ >= LOOKUPS_MAX)
		return NULL;
	for (size_t i = 0; i < m->table_len; i++) {
		struct text path = {m->table[i].path, m->table[i].path_len};

		struct text name = {m->table[i].name, m->table[i].name_len};

		if (by_path ? path.len == wanted.len &&
				  memcmp(path.at, wanted.at, path.len) == 0
			    : same_name(name, wanted))
			return &m->table[i];
	}
	return NULL;
}

/* An optional file: reads it once, "" if there is none. */
static const char *
list(struct modules *m, char **text, const char *name)
{
	struct err none = ERR_INIT;

	if (!*text)
		*text = read_list(m, name, &none);
	if (!*text)
		*text = calloc(1, 1);
	return *text ? *text : "";
}

static bool
is_built_in(struct modules *m, struct text name)
{
	struct text line,
	    rest = text_of(list(m, &m->builtin, "modules.builtin"));

	while (next(&rest, '\n', &line))
		if (same_name(name_of(line.at, line.len), name))
			return true;
	return false;
}

static int want(struct modules *, struct text name, int depth, struct err *);

/* "softdep NAME pre: A B post: C": chooses A and B, as far as they exist. */
static void
want_soft(struct modules *m, struct text name, int depth)
{
	struct text line, word,
	    rest = text_of(list(m, &m->softdep, "modules.softdep"));
	struct err none = ERR_INIT;

	while (next(&rest, '\n', &line)) {
		bool before = false;

		if (!next(&line, ' ', &word) || word.len != 7 ||
		    memcmp(word.at, "softdep", 7) != 0 ||
		    !next(&line, ' ', &word) || !same_name(word, name))
			continue;
		while (next(&line, ' ', &word)) {
			if (word.len > 0 && word.at[word.len - 1] == ':')
				before = word.len == 4 &&
					 memcmp(word.at, "pre:", 4) == 0;
			else if (before && word.len > 0)
				want(m, word, depth + 1, &none);
		}
	}
}

static int
choose(struct modules *m, struct module *module, int depth, struct err *e)
{
	int fd;

	if (module->missing)
		return err_set(e, EX_UNAVAILABLE, "%s: %.*s is not there",
		    m->folder, (int)module->path_len, module->path);
	if (module->begun)
		return 0;
	module->begun = true;
	want_soft(m, (struct text){module->name, module->name_len}, depth);
	if (m->count == MODULES_MAX)
		return err_set(e, EX_DATAERR, "%s: more than %d modules wanted",
		    m->folder, MODULES_MAX);
	fd = open_module(m, module, e);
	module->missing = fd < 0;
	if (fd < 0)
		return -1;
	m->fds[m->count] = fd;
	m->chosen[m->count++] = module;
	return 0;
}

/* What it needs, from the end, then itself. */
static int
choose_all(struct modules *m, struct module *module, int depth, struct err *e)
{
	size_t end = module->needs_len;

	while (end > 0) {
		size_t start = end;
		struct module *needed;

		while (start > 0 && module->needs[start - 1] != ' ')
			start--;
		if (start < end) {
			struct text path = {module->needs + start, end - start};

			needed = find(m, path, true);
			if (!needed)
				return err_set(e, EX_DATAERR,
				    "%s/modules.dep: %.*s is needed and not "
				    "there",
				    m->folder, (int)path.len, path.at);
			if (choose(m, needed, depth, e) < 0)
				return -1;
		}
		end = start > 0 ? start - 1 : 0;
	}
	return choose(m, module, depth, e);
}

/* All modules that have exactly this alias. Returns their number, -1. */
static int
want_alias(struct modules *m, struct text alias, int depth, struct err *e)
{
	struct text line, word,
	    rest = text_of(list(m, &m->alias, "modules.alias"));
	int found = 0;

	while (next(&rest, '\n', &line)) {
		struct module *module;

		if (!next(&line, ' ', &word) || word.len != 5 ||
		    memcmp(word.at, "alias", 5) != 0 ||
		    !next(&line, ' ', &word) || !same_name(word, alias))
			continue;
		module = find(m, line, false);
		if (module && choose_all(m, module, depth, e) < 0)
			return -1;
		found += module != NULL;
	}
	return found;
}

static int
want(struct modules *m, struct text name, int depth, struct err *e)
{
	struct module *module = find(m, name, false);
	int found;

	if (depth > SOFT_DEPTH_MAX)
		return 0;
	if (module)
		return choose_all(m, module, depth, e) < 0 ? -1 : 1;
	if (m->unknown++ >= UNKNOWN_MAX)
		return err_set(e, EX_DATAERR,
		    "%s: more than %d names that are not in modules.dep",
		    m->folder, UNKNOWN_MAX);
	if (is_built_in(m, name))
		return 0;
	found = want_alias(m, name, depth, e);
	if (found != 0)
		return found < 0 ? -1 : 1;
	return err_set(e, EX_UNAVAILABLE, "%s: has no module %.*s", m->folder,
	    (int)name.len, name.at);
}

int
modules_want(struct modules *m, const char *name, struct err *e)
{
	return m->folder[0] ? want(m, text_of(name), 0, e) : 0;
}

/* ---- the initramfs ------------------------------------------------------ */

int
modules_put(const struct modules *m, struct initramfs *fs, struct buf *config,
    struct err *e)
{
	if (m->count > 0)
		initramfs_add_folder(fs, "vk/modules");
	for (unsigned i = 0; i < m->count; i++) {
		struct text name =
		    name_of(m->chosen[i]->path, m->chosen[i]->path_len);
		char path[NAME_MAX + 32];

		snprintf(path, sizeof(path), "vk/modules/%.*s.ko",
		    (int)name.len, name.at);
		if (initramfs_add_file(fs, path, 0644, m->fds[i], e) < 0)
			return -1;
		if (buf_printf(config, "module /%s\n", path) < 0)
			return err_set(e, EX_SOFTWARE,
			    "modules: no room in the configuration");
	}
	return 0;
}
