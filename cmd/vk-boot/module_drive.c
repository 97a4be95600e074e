/* SPDX-License-Identifier: MIT */
/* module_drive.c - all modules of the chosen kernel, on a disk of the guest's
 */
#include "cmd/vk-boot/module_drive.h"

#include "cmd/vk-boot/cache.h"

#include "common/scope.h"

#include <string.h>
#include <sys/stat.h>

#define ID "modules"

/* The folder's own name is the version, unless the user named another one. */
static const char *
version_of(const struct modules *m, const struct kernel *kernel)
{
	const char *slash = strrchr(m->folder, '/');

	if (kernel->version[0])
		return kernel->version;
	return slash ? slash + 1 : m->folder;
}

/* Where the image of these modules is, or is to be: depmod(8) writes the list
 * anew whenever they change. */
static int
find_place(char path[PATH_MAX], const struct modules *m, const char *version,
    struct err *e)
{
	char folder[PATH_MAX];
	struct stat st;
	int n;

	if (fstatat(m->folder_fd, "modules.dep", &st, 0) < 0)
		return err_errno(e, 0, "%s/modules.dep", m->folder);
	if (cache_folder(folder, "modules", e) < 0)
		return -1;
	if (cache_make(folder) < 0)
		return err_errno(e, EX_CANTCREAT, "%s", folder);
	n = snprintf(path, PATH_MAX, "%s/%s-%jx-%jx-%jx.ext4", folder, version,
	    (uintmax_t)st.st_ino, (uintmax_t)st.st_size,
	    (uintmax_t)st.st_mtim.tv_sec);
	return n < PATH_MAX ? 0 : err_set(e, EX_USAGE, "%s: too long", folder);
}

int
module_drive_wish(struct drive_wish *wish, const struct modules *m,
    const struct kernel *kernel, struct err *e)
{
	const char *version = version_of(m, kernel);
	char path[PATH_MAX], *at;
	int n;

	if (!m->folder[0] || m->folder_fd < 0)
		return 0;
	if (find_place(path, m, version, e) < 0)
		return -1;
	*wish = (struct drive_wish){
	    .disk = {.write = true, .read_only = true},
	    .fs = "ext4",
	    .id = ID,
	    .serial = ID,
	    .if_missing = true,
	};
	/* Three texts, one behind the other. */
	n = asprintf(&wish->text, "%s%c/lib/modules/%s%c%s", path, '\0',
	    version, '\0', m->folder);
	if (n < 0) {
		wish->text = NULL;
		return err_errno(e, EX_OSERR, ID);
	}
	at = wish->text;
	wish->disk.path = at;
	wish->mount = at += strlen(at) + 1;
	wish->from = at + strlen(at) + 1;
	return 1;
}
