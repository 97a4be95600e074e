/* SPDX-License-Identifier: MIT */
/* find.c - the kernel and the agent where the user named none */
#include "cmd/vk-boot/find.h"

#include "cmd/vk-boot/cache.h"
#include "cmd/vk-boot/sums.h"
#include "common/cursor.h"
#include "common/io.h"
#include "common/scope.h"

#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Program headers of a static program: about ten. */
#define AGENT_HEADERS_MAX 32

/* ---- paths -------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static bool
is_readable(char path[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	return n > 0 && n < PATH_MAX && access(path, R_OK) == 0;
}

/* The folder that this program lies in. */
static int
find_bin(char bin[PATH_MAX], struct err *e)
{
	ssize_t len = readlink("/proc/self/exe", bin, PATH_MAX - 1);

	if (len < 0)
		return err_errno(e, EX_OSERR, "/proc/self/exe");
	bin[len] = '\0';
	*strrchr(bin, '/') = '\0';
	return 0;
}

static bool
is_newer_file(const char *path, const char *than)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(than, &b) == 0 &&
	       (a.st_mtim.tv_sec != b.st_mtim.tv_sec
		       ? a.st_mtim.tv_sec > b.st_mtim.tv_sec
		       : a.st_mtim.tv_nsec > b.st_mtim.tv_nsec);
}

/* "vmlinuz-6.12.1" is newer than "vmlinuz-6.2.1". */
static bool
is_newer_version(const char *path, const char *than)
{
	return strverscmp(path, than) > 0;
}

/* The newest readable file of a pattern. */
static bool
find_newest(char path[PATH_MAX], const char *pattern,
    bool (*is_newer)(const char *, const char *))
{
	glob_t found;
	bool any = false;

	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++) {
			const char *candidate = found.gl_pathv[i];

			if (strlen(candidate) >= PATH_MAX ||
			    access(candidate, R_OK) < 0 ||
			    (any && !is_newer(candidate, path)))
				continue;
			snprintf(path, PATH_MAX, "%s", candidate);
			any = true;
		}
	}
	globfree(&found);
	return any;
}

/* ---- the kernel --------------------------------------------------------- */

/* What "make kernel" left in the cache. */
static bool
find_built(char path[PATH_MAX], const char *name, struct err *e)
{
	char folder[PATH_MAX], pattern[PATH_MAX + 32];

	if (cache_folder(folder, "kernel", e) < 0)
		return false;
	snprintf(pattern, sizeof(pattern), "%s/*/%s", folder, name);
	return find_newest(path, pattern, is_newer_file);
}

/* Ours: beside the program, installed, or built; in bin and in the cache. */
static bool
find_own(char path[PATH_MAX], const char *bin, const char *name, struct err *e)
{
	return is_readable(path, "%s/%s", bin, name) ||
	       is_readable(path, "%s/../lib/vk/%s", bin, name) ||
	       find_built(path, name, e);
}

static bool
find_stock(char path[PATH_MAX], const char *folder)
{
	return is_readable(path, "%s/cloud/vmlinuz", folder) ||
	       is_readable(path, "%s/generic/vmlinuz", folder) ||
	       find_newest(path, "/boot/vmlinuz-*", is_newer_version) ||
	       find_newest(path, "/lib/modules/*/vmlinuz", is_newer_version);
}

int
find_kernel(char path[PATH_MAX], bool stock, struct err *e)
{
	const char *named = getenv("VK_KERNEL");
	char bin[PATH_MAX], debian[PATH_MAX];

	if (named && named[0] && !stock) {
		if (strlen(named) >= PATH_MAX)
			return err_set(e, EX_USAGE, "VK_KERNEL: too long");
		snprintf(path, PATH_MAX, "%s", named);
		return 0; /* to open it says what is wrong with it */
	}
	if (find_bin(bin, e) < 0 ||
	    cache_folder(debian, "debian-kernel", e) < 0)
		return -1;
	if ((!stock && find_own(path, bin, "vmlinux", e)) ||
	    find_stock(path, debian))
		return sums_check(path, e);
	if (stock)
		err_set(e, EX_NOINPUT,
		    "kernel: none of a distribution found in %s, /boot or "
		    "/lib/modules",
		    debian);
	else
		err_set(e, EX_NOINPUT,
		    "kernel: none found in %s, %s/../lib/vk, the cache, %s, "
		    "/boot or /lib/modules",
		    bin, bin, debian);
	return err_hint(e, "name one with -k FILE; 'make kernel' builds ours, "
			   "'scripts/fetch-kernel cloud' gets Debian's");
}

/* ---- User-mode Linux ---------------------------------------------------- */

int
find_uml(char path[PATH_MAX], bool stock, struct err *e)
{
	char bin[PATH_MAX], debian[PATH_MAX];

	if (find_bin(bin, e) < 0 ||
	    cache_folder(debian, "debian-kernel", e) < 0)
		return -1;
	if ((!stock && find_own(path, bin, "linux.uml", e)) ||
	    is_readable(path, "%s/uml/vmlinuz", debian) ||
	    is_readable(path, "/usr/bin/linux.uml"))
		return sums_check(path, e);
	err_set(e, EX_UNAVAILABLE, "User-mode Linux: no kernel found");
	return err_hint(e, "'scripts/fetch-kernel uml' or 'apt-get install "
			   "user-mode-linux' gets Debian's");
}

int
find_uml_modules(const char *kernel, char folder[PATH_MAX], struct err *e)
{
	cleanup_free char *real = realpath(kernel, NULL);
	char pattern[PATH_MAX + 32], list[PATH_MAX];
	char *slash;

	folder[0] = '\0';
	if (!real)
		return err_errno(e, 0, "%s", kernel);
	/* USR/bin/linux.uml: without the name, then without "bin". */
	for (int i = 0; i < 2; i++) {
		slash = strrchr(real, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
	snprintf(
	    pattern, sizeof(pattern), "%s/lib/uml/modules/*/modules.dep", real);
	if (!find_newest(list, pattern, is_newer_version))
		return 0;
	*strrchr(list, '/') = '\0';
	snprintf(folder, PATH_MAX, "%s", list);
	return 0;
}

/* ---- the agent ---------------------------------------------------------- */

/* It runs before there is any other file. */
static int
check_static(int fd, struct err *e)
{
	uint8_t header[sizeof(Elf64_Ehdr)];
	uint8_t table[AGENT_HEADERS_MAX * sizeof(Elf64_Phdr)];
	struct cursor c = cursor_of(header, sizeof(header));
	size_t count, size;
	uint64_t offset;

	if (io_pread(fd, header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header, ELFMAG, SELFMAG) != 0 ||
	    header[EI_CLASS] != ELFCLASS64)
		return err_set(e, EX_DATAERR, "not an executable");
	get_bytes(&c, EI_NIDENT + 2);
	if (get_le16(&c) != EM_X86_64)
		return err_set(e, EX_DATAERR, "not an executable for x86-64");
	get_bytes(&c, 4 + 8); /* version, entry */
	offset = get_le64(&c);
	get_bytes(&c, 8 + 4 + 2); /* section headers, flags, header's size */
	size = get_le16(&c);
	count = get_le16(&c);
	if (size != sizeof(Elf64_Phdr) || count > AGENT_HEADERS_MAX ||
	    io_pread(fd, table, count * size, offset) !=
		(ssize_t)(count * size))
		return err_set(e, EX_DATAERR, "damaged");
	for (size_t i = 0; i < count; i++) {
		c = cursor_of(table + i * size, size);
		if (get_le32(&c) == PT_INTERP)
			return err_set(e, EX_DATAERR,
			    "not statically linked: nothing that it needs is "
			    "in the guest");
	}
	return 0;
}

static int
find_agent_path(char path[PATH_MAX], struct err *e)
{
	const char *named = getenv("VK_AGENT");
	char bin[PATH_MAX];

	if (named && named[0]) {
		if (strlen(named) >= PATH_MAX)
			return err_set(e, EX_USAGE, "VK_AGENT: too long");
		snprintf(path, PATH_MAX, "%s", named);
		return 0;
	}
	if (find_bin(bin, e) < 0)
		return -1;
	if (is_readable(path, "%s/vk-agent", bin) ||
	    is_readable(path, "%s/../lib/vk/vk-agent", bin) ||
	    is_readable(path, "%s/../libexec/vk/vk-agent", bin))
		return sums_check(path, e);
	err_set(e, EX_NOINPUT,
	    "vk-agent: none found in %s, %s/../lib/vk or %s/../libexec/vk", bin,
	    bin, bin);
	return err_hint(e, "'make' builds it; VK_AGENT names another one");
}

int
find_agent(struct err *e)
{
	char path[PATH_MAX];
	cleanup_fd int fd = -1;

	if (find_agent_path(path, e) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, 0, "%s", path);
	if (check_static(fd, e) < 0)
		return err_prefix(e, "%s", path);
	return steal_fd(&fd);
}

/* ---- other programs ------------------------------------------------------ */

static bool
find_in_path(char path[PATH_MAX], const char *name)
{
	const char *list = getenv("PATH");

	while (list && *list) {
		int len = (int)strcspn(list, ":");

		if (is_readable(path, "%.*s/%s", len, list, name))
			return true;
		list += len + (list[len] == ':');
	}
	return false;
}

int
find_qemu(char path[PATH_MAX], struct err *e)
{
	if (find_in_path(path, "qemu-system-x86_64") ||
	    is_readable(path, "/usr/libexec/qemu-kvm"))
		return 0;
	err_set(e, EX_UNAVAILABLE, "qemu-system-x86_64: not found in PATH");
	return err_hint(e, "'apt-get install qemu-system-x86' gets Debian's");
}

int
find_cloud_hypervisor(char path[PATH_MAX], struct err *e)
{
	if (find_in_path(path, "cloud-hypervisor"))
		return 0;
	return err_set(
	    e, EX_UNAVAILABLE, "cloud-hypervisor: not found in PATH");
}

int
find_mkext(char path[PATH_MAX], struct err *e)
{
	char bin[PATH_MAX];

	if (find_bin(bin, e) < 0)
		return -1;
	if (is_readable(path, "%s/vk-mkext", bin) ||
	    find_in_path(path, "vk-mkext"))
		return 0;
	return err_set(e, EX_UNAVAILABLE,
	    "vk-mkext: not found, neither in %s nor in PATH", bin);
}
