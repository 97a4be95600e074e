/* SPDX-License-Identifier: MIT */
/* libraries.c - what a program needs beside itself to be executed */
#include "cmd/vk-boot/libraries.h"

#include "common/io.h"
#include "common/scope.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A linker makes about twelve. */
#define PROGRAM_HEADERS_MAX 32
/* A large program has some hundred. */
#define DYNAMIC_MAX 1024

const char *const libraries_folders[LIBRARIES_FOLDERS] = {
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
};

/* An ELF file, as far as it is of interest. */
struct program {
	int fd;
	Elf64_Phdr headers[PROGRAM_HEADERS_MAX];
	unsigned count;
};

static int
read_part(const struct program *p, void *into, size_t len, uint64_t offset)
{
	return io_pread(p->fd, into, len, offset) == (ssize_t)len ? 0 : -1;
}

/* 0, -1: it is no program of this machine. */
static int
read_headers(struct program *p)
{
	Elf64_Ehdr head;

	if (read_part(p, &head, sizeof(head), 0) < 0 ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof(*p->headers) ||
	    head.e_phnum > PROGRAM_HEADERS_MAX)
		return -1;
	p->count = head.e_phnum;
	return read_part(
	    p, p->headers, p->count * sizeof(*p->headers), head.e_phoff);
}

static const Elf64_Phdr *
header(const struct program *p, uint32_t type)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->headers[i].p_type == type)
			return &p->headers[i];
	return NULL;
}

/* Where in the file a virtual address is; 0: nowhere. */
static uint64_t
offset_of(const struct program *p, uint64_t address)
{
	for (unsigned i = 0; i < p->count; i++) {
		const Elf64_Phdr *h = &p->headers[i];

		if (h->p_type == PT_LOAD && address >= h->p_vaddr &&
		    address - h->p_vaddr < h->p_filesz)
			return h->p_offset + (address - h->p_vaddr);
	}
	return 0;
}

static int
known(const struct libraries *l, const char *name)
{
	for (unsigned i = 0; i < l->count; i++)
		if (strcmp(l->found[i].name, name) == 0)
			return 1;
	return 0;
}

static int
add(struct libraries *l, const char *name, struct err *e)
{
	struct library *library = &l->found[l->count];
	char path[PATH_MAX];

	if (known(l, name))
		return 0;
	if (l->count == LIBRARIES_MAX)
		return err_set(
		    e, EX_UNAVAILABLE, "more than %d libraries", LIBRARIES_MAX);
	for (unsigned i = 0; i < LIBRARIES_FOLDERS; i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", libraries_folders[i], name);
		library->fd = open(path, O_PATH | O_CLOEXEC);
		if (library->fd < 0)
			continue;
		library->folder = libraries_folders[i];
		library->name = strdup(name);
		l->count++;
		return library->name ? 0 : err_errno(e, EX_OSERR, "%s", name);
	}
	return err_set(e, EX_UNAVAILABLE, "%s: no such library", name);
}

/* A name from the table of names. One with a folder is not for us. */
static int
add_needed(
    struct libraries *l, const struct program *p, uint64_t at, struct err *e)
{
	char name[NAME_MAX + 1] = "";
	ssize_t n = io_pread(p->fd, name, NAME_MAX, at);

	if (n <= 0 || !*name || strchr(name, '/') || strlen(name) == NAME_MAX)
		return err_set(
		    e, EX_DATAERR, "a library whose name is no name");
	return add(l, name, e);
}

/* The libraries that this one names. */
static int
add_all_needed(struct libraries *l, const struct program *p, struct err *e)
{
	const Elf64_Phdr *h = header(p, PT_DYNAMIC);
	cleanup_free Elf64_Dyn *all = calloc(DYNAMIC_MAX, sizeof(*all));
	size_t count = h ? h->p_filesz / sizeof(*all) : 0;
	uint64_t names = 0;

	if (!all)
		return err_errno(e, EX_OSERR, "libraries");
	if (count > DYNAMIC_MAX ||
	    (count && read_part(p, all, count * sizeof(*all), h->p_offset) < 0))
		return err_set(e, EX_DATAERR, "libraries: damaged");
	for (size_t i = 0; i < count; i++)
		if (all[i].d_tag == DT_STRTAB)
			names = offset_of(p, all[i].d_un.d_ptr);
	for (size_t i = 0; i < count && all[i].d_tag != DT_NULL; i++)
		if (all[i].d_tag == DT_NEEDED &&
		    add_needed(l, p, names + all[i].d_un.d_val, e) < 0)
			return -1;
	return 0;
}

/* Opens anew what may be open by its path only. */
static int
open_to_read(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int
read_interpreter(struct libraries *l, const struct program *p, struct err *e)
{
	const Elf64_Phdr *h = header(p, PT_INTERP);

	if (!h)
		return 0;
	if (h->p_filesz >= sizeof(l->interpreter) ||
	    read_part(p, l->interpreter, h->p_filesz, h->p_offset) < 0 ||
	    l->interpreter[0] != '/')
		return err_set(e, EX_DATAERR, "interpreter: damaged");
	return 0;
}

int
libraries_find(struct libraries *l, int fd, struct err *e)
{
	cleanup_fd int file = open_to_read(fd);
	struct program program = {.fd = file};

	if (file < 0)
		return err_errno(e, EX_NOINPUT, "program");
	if (read_headers(&program) < 0)
		return 0;
	if (read_interpreter(l, &program, e) < 0)
		return -1;
	if (!l->interpreter[0])
		return 0;
	if (add_all_needed(l, &program, e) < 0)
		return -1;
	for (unsigned i = 0; i < l->count; i++) {
		cleanup_fd int next = open_to_read(l->found[i].fd);
		struct program library = {.fd = next};

		if (next < 0)
			return err_errno(e, EX_NOINPUT, "%s", l->found[i].name);
		if (read_headers(&library) == 0 &&
		    add_all_needed(l, &library, e) < 0)
			return -1;
	}
	return 0;
}

void
libraries_release(struct libraries *l)
{
	while (l->count > 0) {
		free(l->found[--l->count].name);
		fd_close(&l->found[l->count].fd);
	}
}
