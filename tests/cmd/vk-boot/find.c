/* SPDX-License-Identifier: MIT */
#include "cmd/vk-boot/find.h"

#include "tests/cmd/vk-boot/packed.h"

#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

static char root[] = "/tmp/vk-test-find.XXXXXX";

__attribute__((format(printf, 1, 2))) static char *
in_root(const char *fmt, ...)
{
	static char path[512];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s/", root);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + len, sizeof(path) - len, fmt, ap);
	va_end(ap);
	return path;
}

static void
test_kernel(void)
{
	char path[PATH_MAX], bin[PATH_MAX];
	struct err e = ERR_INIT;
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	ssize_t len = readlink("/proc/self/exe", bin, sizeof(bin) - 12);

	if (len < 0)
		abort();
	bin[len] = '\0';
	unsetenv("VK_KERNEL");
	setenv("XDG_CACHE_HOME", in_root("cache"), 1);
	mkdir(in_root("cache"), 0700);
	mkdir(in_root("cache/vk"), 0700);
	mkdir(in_root("cache/vk/debian-kernel"), 0700);
	mkdir(in_root("cache/vk/debian-kernel/generic"), 0700);
	mkdir(in_root("cache/vk/debian-kernel/cloud"), 0700);
	mkdir(in_root("cache/vk/kernel"), 0700);
	mkdir(in_root("cache/vk/kernel/a"), 0700);
	mkdir(in_root("cache/vk/kernel/b"), 0700);

	file_at(in_root("cache/vk/debian-kernel/generic/vmlinuz"), "", 0);
	ok(find_kernel(path, false, &e) == 0, "a kernel is found");
	is_str(path, in_root("cache/vk/debian-kernel/generic/vmlinuz"),
	    "Debian's generic one");
	file_at(in_root("cache/vk/debian-kernel/cloud/vmlinuz"), "", 0);
	find_kernel(path, false, &e);
	is_str(path, in_root("cache/vk/debian-kernel/cloud/vmlinuz"),
	    "before it the cloud one");
	file_at(in_root("cache/vk/kernel/b/vmlinux"), "", 0);
	utimensat(AT_FDCWD, in_root("cache/vk/kernel/b/vmlinux"), old, 0);
	find_kernel(path, false, &e);
	is_str(path, in_root("cache/vk/kernel/b/vmlinux"), "before it ours");
	file_at(in_root("cache/vk/kernel/a/vmlinux"), "", 0);
	find_kernel(path, false, &e);
	is_str(path, in_root("cache/vk/kernel/a/vmlinux"), "the newest");
	find_kernel(path, true, &e);
	is_str(path, in_root("cache/vk/debian-kernel/cloud/vmlinuz"),
	    "stock: Debian's all the same");
	snprintf(strrchr(bin, '/'), 12, "/vmlinux");
	if (access(bin, F_OK) < 0) {
		file_at(bin, "", 0);
		find_kernel(path, false, &e);
		is_str(path, bin, "first, the one beside the program");
		unlink(bin);
	} else
		skip("there is one", "the one beside the program");
	setenv("VK_KERNEL", "/nonexistent", 1);
	find_kernel(path, false, &e);
	is_str(path, "/nonexistent", "VK_KERNEL is not argued with");
	find_kernel(path, true, &e);
	is_str(path, in_root("cache/vk/debian-kernel/cloud/vmlinuz"),
	    "but stock is stock");
	unsetenv("VK_KERNEL");
}

static void
test_uml(void)
{
	char path[PATH_MAX];
	struct err e = ERR_INIT;

	mkdir(in_root("cache/vk/debian-kernel/uml"), 0700);
	file_at(in_root("cache/vk/debian-kernel/uml/vmlinuz"), "", 0);
	find_uml(path, false, &e);
	is_str(path, in_root("cache/vk/debian-kernel/uml/vmlinuz"),
	    "User-mode Linux: Debian's");
	file_at(in_root("cache/vk/kernel/a/linux.uml"), "", 0);
	find_uml(path, false, &e);
	is_str(path, in_root("cache/vk/kernel/a/linux.uml"), "before it ours");
	find_uml(path, true, &e);
	is_str(path, in_root("cache/vk/debian-kernel/uml/vmlinuz"),
	    "stock: Debian's");
}

static int
agent_of(const void *bytes, size_t len, struct err *e)
{
	file_at(in_root("agent"), bytes, len);
	setenv("VK_AGENT", in_root("agent"), 1);
	return find_agent(e);
}

static void
test_agent(void)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr table[2];
	} elf = {
	    .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
			   1},
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2},
	    .table = {{.p_type = PT_LOAD}, {.p_type = PT_NOTE}},
	};
	struct err e = ERR_INIT;
	int fd = agent_of(&elf, sizeof(elf), &e);

	ok(fd >= 0, "a static program: %s", e.text);
	close(fd);
	ok(agent_of(&elf, sizeof(elf) - 1, &e) < 0 &&
		strstr(e.text, "/agent: damaged"),
	    "a truncated one");
	elf.table[1].p_type = PT_INTERP;
	ok(agent_of(&elf, sizeof(elf), &e) < 0 &&
		strstr(e.text, "not statically linked"),
	    "a dynamic one");
	elf.header.e_machine = EM_AARCH64;
	ok(agent_of(&elf, sizeof(elf), &e) < 0 &&
		strstr(e.text, "not an executable for x86-64"),
	    "another machine's");
	ok(agent_of("#!/bin/sh\n", 10, &e) < 0 &&
		strstr(e.text, "not an executable"),
	    "a script");
	setenv("VK_AGENT", "/nonexistent", 1);
	ok(find_agent(&e) < 0 && e.status == EX_NOINPUT, "none there");
	is_str(e.text, "/nonexistent: No such file or directory", "is said");
	unsetenv("VK_AGENT");
	ok(find_agent(&e) < 0 && strstr(e.text, "vk-agent: none found in"),
	    "none anywhere");
	ok(strstr(e.hint, "VK_AGENT"), "with a hint");
}

int
main(void)
{
	char command[64];

	if (!mkdtemp(root))
		abort();
	test_kernel();
	test_uml();
	test_agent();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ok(system(command) == 0, "cleaned up");
	return tap_done();
}
