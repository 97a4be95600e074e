/* SPDX-License-Identifier: MIT */
/*
 * elf.c - a kernel's ELF file (vmlinux): its segments and its entries
 *
 * Segments go to their physical addresses. Two of them over each other, or an
 * entry in none of them, is no kernel. The entry of the file's header is the
 * 64-bit one by Linux's convention (phys_startup_64), which a note by the name
 * of "Linux" confirms; a PVH kernel says in a note where its 32-bit entry is.
 *
 * Behind the last byte that the headers speak of there may be a relocation
 * table: bzImages have it there, and so has our vmlinux.
 */
#include "cmd/vk-boot/x86/elf.h"

#include "cmd/vk-boot/x86/kaslr.h" /* KASLR_TABLE_MAX */

#include "common/cursor.h"
#include "common/io.h"

#include <elf.h>
#include <errno.h>

/* All kinds together; Linux has 5 to 8. */
#define PROGRAM_HEADERS_MAX 64
/* Linux's are a few hundred bytes. */
#define NOTES_MAX 16384
/* <xen/interface/elfnote.h>: the 32-bit entry's physical address. */
#define NOTE_PHYS32_ENTRY 18

struct program_header {
	uint32_t type;
	uint64_t offset, gpa, file_size, mem_size;
};

static int
truncated(const struct kernel *kernel, uint64_t needs, struct err *e)
{
	return err_set(e, EX_DATAERR, "truncated: has %ju bytes, needs %ju",
	    (uintmax_t)kernel->size, (uintmax_t)needs);
}

/* Reads len bytes at offset, all of which the file must have. */
static int
read_part(const struct kernel *kernel, void *into, size_t len, uint64_t offset,
    struct err *e)
{
	ssize_t got;

	if (offset > kernel->size || len > kernel->size - offset)
		return truncated(kernel,
		    offset > UINT64_MAX - len ? UINT64_MAX : offset + len, e);
	got = io_pread(kernel->fd, into, len, offset);
	if (got < 0)
		return err_errno(e, EX_IOERR, "read");
	if ((size_t)got < len)
		return truncated(kernel, offset + len, e);
	return 0;
}

static int
add_segment(struct kernel *kernel, const struct program_header *ph,
    unsigned index, struct err *e)
{
	if (ph->file_size > ph->mem_size)
		return err_set(e, EX_DATAERR,
		    "segment %u: more bytes in the file than in memory", index);
	if (ph->offset > kernel->size ||
	    ph->file_size > kernel->size - ph->offset)
		return truncated(kernel,
		    ph->offset > UINT64_MAX - ph->file_size
			? UINT64_MAX
			: ph->offset + ph->file_size,
		    e);
	if (ph->gpa > UINT64_MAX - ph->mem_size)
		return err_set(e, EX_DATAERR,
		    "segment %u: beyond the end of all memory", index);
	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *other = &kernel->segments[i];

		if (ph->gpa < other->gpa + other->mem_size &&
		    other->gpa < ph->gpa + ph->mem_size)
			return err_set(e, EX_DATAERR,
			    "segment %u: lies over another one", index);
	}
	if (kernel->segment_count == KERNEL_SEGMENTS_MAX)
		return err_set(e, EX_DATAERR, "more than %d segments",
		    KERNEL_SEGMENTS_MAX);
	kernel->segments[kernel->segment_count++] = (struct kernel_segment){
	    .offset = ph->offset,
	    .file_size = ph->file_size,
	    .gpa = ph->gpa,
	    .mem_size = ph->mem_size,
	};
	return 0;
}

/* Looks for the PVH entry among notes. Damaged notes are no notes. */
static void
read_notes(struct kernel *kernel, const uint8_t *notes, size_t len)
{
	struct cursor c = cursor_of(notes, len);

	while (!c.bad && c.left >= 12) {
		size_t name_len = get_le32(&c), desc_len = get_le32(&c);
		uint32_t type = get_le32(&c);
		const uint8_t *name = get_bytes(&c, (name_len + 3) & ~3ull);
		struct cursor desc = c;

		if (name && name_len == 4 && memcmp(name, "Xen", 4) == 0 &&
		    type == NOTE_PHYS32_ENTRY &&
		    (desc_len == 4 || desc_len == 8))
			kernel->entry_pvh = get_le(&desc, desc_len);
		if (name && name_len == 6 && memcmp(name, "Linux", 6) == 0)
			kernel->is_linux = true;
		get_bytes(&c, (desc_len + 3) & ~3ull);
	}
}

static int
take_header(struct kernel *kernel, const struct program_header *ph,
    unsigned index, struct err *e)
{
	uint8_t notes[NOTES_MAX];

	if (ph->type == PT_LOAD && ph->mem_size > 0)
		return add_segment(kernel, ph, index, e);
	if (ph->type == PT_NOTE && ph->file_size <= sizeof(notes)) {
		if (read_part(kernel, notes, ph->file_size, ph->offset, e) < 0)
			return -1;
		read_notes(kernel, notes, ph->file_size);
	}
	return 0;
}

/* What lies behind the headers' last word: a table, as far as its size tells.
 * Its content is looked at when it is used. */
static void
find_relocs(struct kernel *kernel, uint64_t sections_end)
{
	uint64_t end = sections_end, len;

	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];

		if (s->offset + s->file_size > end)
			end = s->offset + s->file_size;
	}
	len = kernel->size > end ? kernel->size - end : 0;
	if (len < 8 || len % 4 != 0 || len > KASLR_TABLE_MAX)
		return;
	kernel->relocs.offset = end;
	kernel->relocs.len = len;
}

/* What only programs for an operating system have. */
static bool
is_of_program(uint32_t type)
{
	return type == PT_INTERP || type == PT_TLS || type == PT_GNU_RELRO;
}

static int
in_a_segment(const struct kernel *kernel, uint64_t gpa)
{
	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];

		if (gpa >= s->gpa && gpa - s->gpa < s->file_size)
			return 1;
	}
	return 0;
}

static int
check_entries(struct kernel *kernel, struct err *e)
{
	if (!in_a_segment(kernel, kernel->entry_linux64))
		kernel->entry_linux64 = 0;
	/* The processor is in 32-bit mode there. */
	if (kernel->entry_pvh > UINT32_MAX ||
	    !in_a_segment(kernel, kernel->entry_pvh))
		kernel->entry_pvh = 0;
	if (kernel->entry_linux64 == 0 && kernel->entry_pvh == 0)
		return err_set(
		    e, EX_DATAERR, "not a kernel: its entry is nowhere in it");
	return 0;
}

int
elf_read(struct kernel *kernel, struct err *e)
{
	uint8_t header[sizeof(Elf64_Ehdr)];
	uint8_t table[PROGRAM_HEADERS_MAX * sizeof(Elf64_Phdr)];
	struct cursor c = cursor_of(header, sizeof(header));
	uint16_t machine, entry_size, count;
	uint64_t offset, sections, sections_len;
	bool program = false;

	kernel->segment_count = 0;
	kernel->entry_pvh = 0;
	kernel->is_linux = false;
	kernel->relocs.len = 0;
	if (read_part(kernel, header, sizeof(header), 0, e) < 0)
		return -1;
	get_bytes(&c, EI_NIDENT + 2); /* identification, type */
	machine = get_le16(&c);
	if (header[EI_DATA] != ELFDATA2LSB || machine != EM_X86_64 ||
	    header[EI_CLASS] != ELFCLASS64)
		return err_set(e, EX_DATAERR, "not a kernel for x86-64");
	get_le32(&c); /* version */
	kernel->entry_linux64 = get_le64(&c);
	offset = get_le64(&c);
	sections = get_le64(&c);
	get_bytes(&c, 4 + 2); /* flags, header's size */
	entry_size = get_le16(&c);
	count = get_le16(&c);
	sections_len = get_le16(&c);
	sections_len *= get_le16(&c);
	if (entry_size != sizeof(Elf64_Phdr) || count == 0 ||
	    count > PROGRAM_HEADERS_MAX)
		return err_set(e, EX_DATAERR,
		    "not a kernel: %u program headers of %u bytes", count,
		    entry_size);
	if (read_part(kernel, table, count * sizeof(Elf64_Phdr), offset, e) < 0)
		return -1;
	c = cursor_of(table, count * sizeof(Elf64_Phdr));
	for (unsigned i = 0; i < count; i++) {
		struct program_header ph = {.type = get_le32(&c)};

		get_le32(&c); /* flags */
		ph.offset = get_le64(&c);
		get_le64(&c); /* virtual address */
		ph.gpa = get_le64(&c);
		ph.file_size = get_le64(&c);
		ph.mem_size = get_le64(&c);
		get_le64(&c); /* alignment */
		if (take_header(kernel, &ph, i, e) < 0)
			return -1;
		program |= is_of_program(ph.type);
	}
	if (program && kernel->entry_pvh == 0)
		return err_set(e, EX_DATAERR, "a program, not a kernel");
	if (sections <= kernel->size && sections_len <= kernel->size - sections)
		find_relocs(kernel, sections + sections_len);
	return check_entries(kernel, e);
}
