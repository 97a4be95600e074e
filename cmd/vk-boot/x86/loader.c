/* SPDX-License-Identifier: MIT */
/*
 * loader.c - a kernel, its command line and its initramfs in guest memory
 *
 * Below HIGH_START lie the fixed things of layout.h, above it the kernel where
 * it was linked to be, and the initramfs as high as the kernel can take it, so
 * that the two meet only where memory is too small. The kernel's file and the
 * sizes come from outside: the one rule is that a segment lies within the
 * memory from HIGH_START to the end of its region, which leaves everything
 * fixed out of its reach.
 */
#include "cmd/vk-boot/x86/loader.h"

#include "cmd/vk-boot/x86/kaslr.h"
#include "cmd/vk-boot/x86/layout.h"
#include "common/cursor.h"
#include "common/io.h"
#include "common/log.h"
#include "common/size.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGE 4096ull

/* What Linux needs beside itself and the initramfs, packed and unpacked, to
 * come up: struct pages, per-CPU areas, the first processes. */
#define MEMORY_SLACK (48 * MIB)

/* ---- the memory map ----------------------------------------------------- */

const struct filter_call loader_calls[] = {
    CALL(pread64), /* kernel and initrd */
    CALL(lseek),   /* holes in the kernel */
    CALL(getrandom),
    CALLS_END,
};

/* The same numbers in e820 and in PVH's map. */
enum { MAP_RAM = 1, MAP_RESERVED = 2 };

struct range {
	uint64_t gpa, len;
	uint32_t type;
};

/* Three below 1 MiB, ECAM, and each region. */
#define RANGES_MAX (4 + GMEM_REGIONS_MAX)

struct map {
	struct range ranges[RANGES_MAX];
	unsigned count;
};

static void
map_add(struct map *map, uint64_t gpa, uint64_t end, uint32_t type)
{
	map->ranges[map->count++] =
	    (struct range){.gpa = gpa, .len = end - gpa, .type = type};
}

/* The region at 0 has a PC's gap before HIGH_START. */
static void
map_fill(struct map *map, const struct gmem *mem)
{
	map->count = 0;
	map_add(map, 0, LOW_RAM_END, MAP_RAM);
	map_add(map, LOW_RAM_END, 0xa0000, MAP_RESERVED);
	map_add(map, ACPI_START, ACPI_END, MAP_RESERVED);
	for (unsigned i = 0; i < mem->count; i++) {
		const struct gmem_region *r = &mem->regions[i];

		/* What is added later is none of the map's. */
		if (r->blocks)
			continue;
		map_add(map, r->gpa == 0 ? HIGH_START : r->gpa, r->gpa + r->len,
		    MAP_RAM);
	}
	map_add(map, ECAM_START, ECAM_START + ECAM_SIZE, MAP_RESERVED);
}

/* Where the region at 0 ends; 0 if it does not reach HIGH_START. */
static uint64_t
low_end(const struct gmem *mem)
{
	for (unsigned i = 0; i < mem->count; i++)
		if (mem->regions[i].gpa == 0 &&
		    mem->regions[i].len > HIGH_START)
			return mem->regions[i].len;
	return 0;
}

static uint64_t
memory_size(const struct gmem *mem)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < mem->count; i++)
		if (!mem->regions[i].blocks)
			size += mem->regions[i].len;
	return size;
}

/* loadflags of the setup header */
#define LOADED_HIGH 0x01
#define KASLR_FLAG  0x02

/* ---- where things go ---------------------------------------------------- */

struct places {
	uint64_t end;        /* of the memory that is loaded into */
	uint64_t shift;      /* added to each of the kernel's addresses */
	uint64_t kernel_end; /* behind its last byte of memory */
	uint64_t initrd, initrd_len;
	bool random; /* Linux may choose addresses at random */
};

static int
too_small(const struct places *places, struct err *e)
{
	uint64_t enough = places->kernel_end + 2 * places->initrd_len +
			  MEMORY_SLACK + 16 * MIB - 1;

	err_set(e, EX_USAGE, "memory: %ju MiB are too little for this kernel%s",
	    (uintmax_t)(places->end / MIB),
	    places->initrd_len > 0 ? " and its initramfs" : "");
	return err_hint(
	    e, "-m %juM would do", (uintmax_t)(enough / (16 * MIB) * 16));
}

/* Whether the kernel, shifted, lies in memory. */
static int
fits(const struct kernel *kernel, uint64_t shift, uint64_t end)
{
	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];
		uint64_t gpa = s->gpa + shift;

		if (gpa < HIGH_START || gpa > end || s->mem_size > end - gpa)
			return 0;
	}
	return 1;
}

static int
place_kernel(const struct kernel *kernel, struct places *places, struct err *e)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];

		if (s->gpa < HIGH_START || s->gpa >= HOLE_START ||
		    s->mem_size > HOLE_START - s->gpa)
			return err_set(e, EX_DATAERR,
			    "%s: segment %u: cannot lie at 0x%jx to 0x%jx",
			    kernel->path, i, (uintmax_t)s->gpa,
			    (uintmax_t)(s->gpa + s->mem_size));
		if (s->gpa + s->mem_size > last)
			last = s->gpa + s->mem_size;
	}
	places->kernel_end = last;
	if (fits(kernel, 0, places->end))
		return 0;
	/* A relocatable bzImage is content with the lowest place. */
	if (kernel->format == KERNEL_BZIMAGE && kernel->alignment > 0) {
		uint64_t lowest = (HIGH_START + kernel->alignment - 1) &
				  ~(kernel->alignment - 1);

		places->shift = lowest - kernel->segments[0].gpa;
		if (fits(kernel, places->shift, places->end)) {
			places->kernel_end += places->shift;
			return 0;
		}
	}
	return too_small(places, e);
}

static int
place_initrd(const struct loader *loader, struct places *places, struct err *e)
{
	uint64_t top = (uint64_t)loader->kernel->initrd_max + 1;

	if (top > places->end)
		top = places->end;
	top &= ~(PAGE - 1);
	if (top < places->kernel_end ||
	    places->initrd_len > top - places->kernel_end)
		return too_small(places, e);
	/* The kernel unpacks it into what is left. */
	if (2 * places->initrd_len >
	    memory_size(loader->mem) - places->kernel_end)
		return too_small(places, e);
	places->initrd = (top - places->initrd_len) & ~(PAGE - 1);
	return 0;
}

static int
place(const struct loader *loader, struct places *places, struct err *e)
{
	*places = (struct places){.end = low_end(loader->mem)};
	if (loader->initramfs)
		places->initrd_len = initramfs_size(loader->initramfs);
	if (places->initrd_len > HOLE_START)
		return err_set(e, EX_DATAERR, "initramfs: larger than 3 GiB");
	if (place_kernel(loader->kernel, places, e) < 0)
		return -1;
	return places->initrd_len > 0 ? place_initrd(loader, places, e) : 0;
}

/* ---- the fixed things --------------------------------------------------- */

static struct writer
writer_at(const struct gmem *mem, uint64_t gpa, uint64_t len)
{
	return writer_of(gmem_at(mem, gpa, len), len);
}

static void
write_gdt(const struct gmem *mem)
{
	struct writer w = writer_at(mem, BOOT_GDT, BOOT_GDT_LIMIT + 1);

	put_zeros(&w, BOOT_CS);
	put_le(&w, 0x00af9b000000ffff, 8); /* BOOT_CS: 64-bit code */
	put_le(&w, 0x00cf93000000ffff, 8); /* BOOT_DS */
	put_le(&w, 0x00008b0000000067, 8); /* BOOT_TR */
	put_zeros(&w, 8);
	put_le(&w, 0x00cf9b000000ffff, 8); /* BOOT_CS32 */
}

/* The first 4 GiB where they are, in pages of 2 MiB. */
static void
write_page_tables(const struct gmem *mem)
{
	const uint64_t present = 1, writable = 2, large = 0x80;
	struct writer w = writer_at(mem, BOOT_PML4, 8);

	put_le(&w, BOOT_PDPTE | present | writable, 8);
	w = writer_at(mem, BOOT_PDPTE, 4 * 8);
	for (uint64_t i = 0; i < 4; i++)
		put_le(&w, (BOOT_PDE + i * PAGE) | present | writable, 8);
	w = writer_at(mem, BOOT_PDE, 4 * PAGE);
	for (uint64_t i = 0; i < 4 * 512; i++)
		put_le(&w, i * 2 * MIB | present | writable | large, 8);
}

/* A seed for the guest's random numbers, so that nothing there waits for
 * entropy: setup_data of type SETUP_RNG_SEED, which Linux wipes after use. */
static int
write_seed(const struct gmem *mem)
{
	uint8_t seed[32];
	struct writer w = writer_at(mem, BOOT_SETUP, 16 + sizeof(seed));

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -1;
	put_le(&w, 0, 8); /* no next one */
	put_le(&w, 9, 4); /* SETUP_RNG_SEED */
	put_le(&w, sizeof(seed), 4);
	put_bytes(&w, seed, sizeof(seed));
	return 0;
}

static int
write_cmdline(const struct loader *loader, struct err *e)
{
	size_t len = strlen(loader->cmdline), max = CMDLINE_MAX - 1;
	struct writer w = writer_at(loader->mem, BOOT_CMDLINE, CMDLINE_MAX);

	if (loader->kernel->cmdline_max < max)
		max = loader->kernel->cmdline_max;
	if (len > max)
		return err_set(e, EX_USAGE,
		    "kernel parameters: %zu bytes, at most %zu", len, max);
	put_bytes(&w, loader->cmdline, len + 1);
	return 0;
}

/* ---- what the kernel is told -------------------------------------------- */

static void
poke(uint8_t *page, size_t at, uint64_t value, size_t width)
{
	struct writer w = writer_of(page + at, width);

	put_le(&w, value, width);
}

/* The setup header of an ELF file that came without one. */
static void
make_setup(uint8_t *page)
{
	poke(page, 0x1fe, 0xaa55, 2);
	memcpy(page + 0x202, "HdrS", 4);
	poke(page, 0x206, 0x20c, 2);     /* protocol */
	poke(page, 0x230, 0x1000000, 4); /* kernel_alignment */
	poke(page, 0x238, CMDLINE_MAX - 1, 4);
}

/* The "zero page" (Documentation/arch/x86/zero-page.rst of Linux). */
static void
write_boot_params(const struct loader *loader, const struct places *places,
    const struct map *map, int seeded)
{
	uint8_t *page = gmem_at(loader->mem, BOOT_PARAMS, PAGE);
	const struct kernel *kernel = loader->kernel;
	struct writer w = writer_of(page + 0x2d0, RANGES_MAX * 20);

	if (kernel->setup_len > 0)
		memcpy(page + SETUP_HEADER, kernel->setup, kernel->setup_len);
	else
		make_setup(page);
	poke(page, 0x070, loader->rsdp, 8);
	poke(page, 0x1e8, map->count, 1);
	poke(page, 0x210, 0xff, 1); /* a loader without number */
	poke(page, 0x211, page[0x211] | LOADED_HIGH, 1);
	if (places->random)
		poke(page, 0x211, page[0x211] | KASLR_FLAG, 1);

	poke(page, 0x214, places->shift + kernel->segments[0].gpa, 4);
	poke(page, 0x218, places->initrd, 4);
	poke(page, 0x21c, places->initrd_len, 4);
	poke(page, 0x228, BOOT_CMDLINE, 4);
	poke(page, 0x250, seeded ? BOOT_SETUP : 0, 8);
	for (unsigned i = 0; i < map->count; i++) {
		put_le(&w, map->ranges[i].gpa, 8);
		put_le(&w, map->ranges[i].len, 8);
		put_le(&w, map->ranges[i].type, 4);
	}
}

/* hvm_start_info, the map and the module list, one behind the other
 * (<xen/interface/hvm/start_info.h>). */
static void
write_start_info(const struct loader *loader, const struct places *places,
    const struct map *map)
{
	const uint64_t map_at = BOOT_START + 56;
	const uint64_t modules_at = map_at + map->count * 24ull;
	struct writer w =
	    writer_at(loader->mem, BOOT_START, BOOT_PARAMS - BOOT_START);

	put_le(&w, 0x336ec578, 4); /* "xEn3" with a bit */
	put_le(&w, 1, 4);          /* version */
	put_le(&w, 0, 4);
	put_le(&w, places->initrd_len > 0 ? 1 : 0, 4);
	put_le(&w, places->initrd_len > 0 ? modules_at : 0, 8);
	put_le(&w, BOOT_CMDLINE, 8);
	put_le(&w, loader->rsdp, 8);
	put_le(&w, map_at, 8);
	put_le(&w, map->count, 4);
	put_zeros(&w, 4);
	for (unsigned i = 0; i < map->count; i++) {
		put_le(&w, map->ranges[i].gpa, 8);
		put_le(&w, map->ranges[i].len, 8);
		put_le(&w, map->ranges[i].type, 4);
		put_zeros(&w, 4);
	}
	put_le(&w, places->initrd, 8);
	put_le(&w, places->initrd_len, 8);
	put_zeros(&w, 16); /* its command line */
}

/* ---- loading ------------------------------------------------------------ */

/* Copies a segment's bytes. Holes of the file (unpack.c makes them) are left
 * as the zeros that fresh memory has. */
static int
load_segment(int fd, const struct kernel_segment *s, uint8_t *into)
{
	uint64_t at = s->offset, end = s->offset + s->file_size;

	while (at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		uint64_t stop = end;

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole up to the end */
		if (data >= 0) {
			off_t hole = lseek(fd, data, SEEK_HOLE);

			at = (uint64_t)data;
			if (hole >= 0 && (uint64_t)hole < end)
				stop = (uint64_t)hole;
		}
		if (at >= end)
			return 0;
		if (io_pread(fd, into + (at - s->offset), stop - at, at) < 0)
			return -1;
		at = stop;
	}
	return 0;
}

static int
load_kernel(
    const struct loader *loader, const struct places *places, struct err *e)
{
	const struct kernel *kernel = loader->kernel;

	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct kernel_segment *s = &kernel->segments[i];
		void *at =
		    gmem_at(loader->mem, s->gpa + places->shift, s->file_size);

		if (!at)
			return too_small(places, e);
		gmem_pages(
		    loader->mem, s->gpa + places->shift, s->mem_size, true);
		if (load_segment(kernel->fd, s, at) < 0)
			return err_errno(e, EX_IOERR, "%s", kernel->path);
	}
	if (lseek(kernel->fd, 0, SEEK_END) < (off_t)kernel->size)
		return err_set(e, EX_DATAERR,
		    "%s: became shorter while it was read", kernel->path);
	return 0;
}

/* Whether the command line has this word. */
static bool
has_word(const char *cmdline, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = cmdline; (at = strstr(at, word)); at += len)
		if ((at == cmdline || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

/* Moves Linux's code. A table that is none, behind a file that boots without
 * it, is not worth a guest; that it stays where it is known to lie is said. */
static void
randomise(const struct loader *loader)
{
	struct err why = ERR_INIT;
	uint64_t offset = kaslr_choose(loader->kernel);

	if (offset > 0 &&
	    kaslr_move(loader->kernel, loader->mem, offset, &why) < 0)
		log_info("%s: %s: runs where it was linked",
		    loader->kernel->path, why.text);
}

static int
choose_entry(const struct loader *loader, const struct places *places,
    struct entry *entry, struct err *e)
{
	const struct kernel *kernel = loader->kernel;

	entry->mode = loader->mode;
	if (entry->mode == ENTRY_AUTO)
		entry->mode = kernel->setup_len == 0 && !kernel->is_linux &&
				      kernel->entry_pvh != 0
				  ? ENTRY_PVH
				  : ENTRY_LINUX64;
	if (entry->mode == ENTRY_PVH) {
		if (kernel->entry_pvh == 0)
			return err_set(e, EX_DATAERR, "%s: has no PVH entry",
			    kernel->path);
		entry->rip = kernel->entry_pvh;
		entry->rsp = 0;
		entry->boot_data = BOOT_START;
		return 0;
	}
	if (kernel->entry_linux64 == 0)
		return err_set(
		    e, EX_DATAERR, "%s: has no 64-bit entry", kernel->path);
	entry->rip = kernel->entry_linux64 + places->shift;
	entry->rsp = BOOT_STACK;
	entry->boot_data = BOOT_PARAMS;
	return 0;
}

int
loader_load(const struct loader *loader, struct entry *entry, struct err *e)
{
	struct places places;
	struct map map;
	void *initrd;

	if (place(loader, &places, e) < 0 ||
	    choose_entry(loader, &places, entry, e) < 0 ||
	    write_cmdline(loader, e) < 0 || load_kernel(loader, &places, e) < 0)
		return -1;
	if (places.initrd_len > 0) {
		initrd = gmem_at(loader->mem, places.initrd, places.initrd_len);
		if (!initrd)
			return too_small(&places, e);
		gmem_pages(loader->mem, places.initrd, places.initrd_len, true);
		if (initramfs_copy(loader->initramfs, initrd, e) < 0)
			return -1;
	}
	map_fill(&map, loader->mem);
	write_gdt(loader->mem);
	if (entry->mode == ENTRY_PVH) {
		write_start_info(loader, &places, &map);
		return 0;
	}
	write_page_tables(loader->mem);
	places.random = loader->kernel->format == KERNEL_ELF &&
			!has_word(loader->cmdline, "nokaslr");
	if (places.random)
		randomise(loader);
	write_boot_params(loader, &places, &map, write_seed(loader->mem) == 0);
	return 0;
}
