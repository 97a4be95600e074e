/* SPDX-License-Identifier: MIT */
/*
 * bzimage.c - a kernel's bzImage: its setup header and its payload
 *
 * The file: a boot sector and real-mode code (setup_sects sectors after the
 * first), which are never run here, then the protected-mode code: the
 * decompressor with the packed vmlinux (the payload) in it. The setup header,
 * from 0x1f1, describes it; its fields have the offsets that
 * Documentation/arch/x86/boot.rst of Linux gives.
 */
#include "cmd/vk-boot/x86/bzimage.h"

#include "common/cursor.h"
#include "common/io.h"

#define SECTOR 512
/* Where the header's parts are. */
#define SETUP_SECTS   0x1f1
#define BOOT_FLAG     0x1fe
#define HEADER_LENGTH 0x201 /* the jump over it: counted from 0x202 */
#define MAGIC         0x202
/* The version that first has xloadflags, and so tells the 64-bit entry. */
#define PROTOCOL_MIN    0x020c
#define XLF_KERNEL_64   1
#define ENTRY_64_OFFSET 0x200
/* Setup sectors that an old kernel means by 0. */
#define SETUP_SECTS_DEFAULT 4

/* The fields that are used, in the order of the file. */
struct fields {
	uint8_t setup_sects;
	uint32_t syssize; /* of the protected-mode code, in 16 bytes */
	uint16_t protocol;
	uint16_t version_at; /* behind the first sector */
	uint32_t initrd_max;
	uint32_t alignment;
	bool relocatable;
	uint16_t xloadflags;
	uint32_t cmdline_max;
	uint32_t payload_offset, payload_len;
	uint64_t preferred;
	uint32_t init_size;
};

bool
bzimage_is(const void *start, size_t len)
{
	const uint8_t *p = start;

	return len >= BZIMAGE_MAGIC_LEN && p[BOOT_FLAG] == 0x55 &&
	       p[BOOT_FLAG + 1] == 0xaa && memcmp(p + MAGIC, "HdrS", 4) == 0;
}

static uint64_t
field(const uint8_t *page, size_t at, size_t width)
{
	struct cursor c = cursor_of(page + at, width);

	return get_le(&c, width);
}

static void
read_fields(const uint8_t page[SETUP_HEADER_END], struct fields *f)
{
	*f = (struct fields){
	    .setup_sects = page[SETUP_SECTS],
	    .syssize = (uint32_t)field(page, 0x1f4, 4),
	    .protocol = (uint16_t)field(page, 0x206, 2),
	    .version_at = (uint16_t)field(page, 0x20e, 2),
	    .initrd_max = (uint32_t)field(page, 0x22c, 4),
	    .alignment = (uint32_t)field(page, 0x230, 4),
	    .relocatable = page[0x234] != 0,
	    .xloadflags = (uint16_t)field(page, 0x236, 2),
	    .cmdline_max = (uint32_t)field(page, 0x238, 4),
	    .payload_offset = (uint32_t)field(page, 0x248, 4),
	    .payload_len = (uint32_t)field(page, 0x24c, 4),
	    .preferred = field(page, 0x258, 8),
	    .init_size = (uint32_t)field(page, 0x260, 4),
	};
	if (f->setup_sects == 0)
		f->setup_sects = SETUP_SECTS_DEFAULT;
}

static int
check_fields(const struct fields *f, struct err *e)
{
	if (f->protocol < PROTOCOL_MIN)
		return err_set(e, EX_DATAERR,
		    "boot protocol %u.%02u: 2.12 (Linux 3.8) is the oldest "
		    "that boots",
		    f->protocol >> 8, f->protocol & 0xff);
	if (!(f->xloadflags & XLF_KERNEL_64))
		return err_set(e, EX_DATAERR, "not a kernel for x86-64");
	if (f->relocatable &&
	    (f->alignment == 0 || (f->alignment & (f->alignment - 1)) != 0))
		return err_set(e, EX_DATAERR,
		    "damaged: an alignment of %u bytes", f->alignment);
	return 0;
}

/* Up to the first space, as "6.1.0-1-amd64 (who@where) #1 SMP ...". */
static void
read_version(struct kernel *kernel, const struct fields *f)
{
	uint64_t offset = SECTOR + (uint64_t)f->version_at;
	size_t size = sizeof(kernel->version);
	ssize_t got = 0;

	if (f->version_at != 0 &&
	    offset < (uint64_t)(f->setup_sects + 1) * SECTOR)
		got = io_pread(kernel->fd, kernel->version, size - 1, offset);
	kernel->version[got > 0 ? got : 0] = '\0';
	kernel->version[strcspn(kernel->version, " ")] = '\0';
	err_printable(kernel->version);
}

/* The four bytes behind what was packed say how much it was; gzip has its own
 * there. */
static void
find_payload(const struct kernel *kernel, const struct fields *f,
    struct bzimage_payload *payload)
{
	const struct kernel_segment *code = &kernel->segments[0];
	uint8_t start[2], end[4];
	struct cursor c = cursor_of(end, sizeof(end));

	*payload = (struct bzimage_payload){.len = 0};
	if (f->payload_len <= sizeof(end) ||
	    f->payload_offset > code->file_size ||
	    f->payload_len > code->file_size - f->payload_offset)
		return;
	payload->offset = code->offset + f->payload_offset;
	if (io_pread(kernel->fd, start, 2, payload->offset) != 2 ||
	    io_pread(
		kernel->fd, end, 4, payload->offset + f->payload_len - 4) != 4)
		return;
	payload->unpacked = get_le32(&c);
	payload->len = f->payload_len;
	if (start[0] != 0x1f || start[1] != 0x8b)
		payload->len -= sizeof(end);
}

/* The protected-mode code as the one segment. */
static int
take_code(struct kernel *kernel, const struct fields *f, struct err *e)
{
	uint64_t offset = (uint64_t)(f->setup_sects + 1) * SECTOR;
	uint64_t len = (uint64_t)f->syssize * 16;
	uint64_t have = kernel->size > offset ? kernel->size - offset : 0;

	/* syssize is rounded up, and not all linkers pad the file. */
	if (len <= ENTRY_64_OFFSET || have + 15 < len)
		return err_set(e, EX_DATAERR,
		    "truncated: has %ju bytes, needs %ju",
		    (uintmax_t)kernel->size, (uintmax_t)(offset + len));
	if (len > have)
		len = have;
	if (f->preferred > UINT64_MAX - UINT32_MAX * 16ull)
		return err_set(e, EX_DATAERR, "damaged: wants to lie at 0x%jx",
		    (uintmax_t)f->preferred);
	kernel->segments[0] = (struct kernel_segment){
	    .offset = offset,
	    .file_size = len,
	    .gpa = f->preferred,
	    .mem_size = f->init_size > len ? f->init_size : len,
	};
	kernel->segment_count = 1;
	return 0;
}

int
bzimage_read(
    struct kernel *kernel, struct bzimage_payload *payload, struct err *e)
{
	uint8_t page[SETUP_HEADER_END] = {0};
	size_t header_end;
	struct fields f;
	ssize_t got = io_pread(kernel->fd, page, sizeof(page), 0);

	if (got < 0)
		return err_errno(e, EX_IOERR, "read");
	if (!bzimage_is(page, (size_t)got))
		return err_set(e, EX_DATAERR, "not a bzImage");
	read_fields(page, &f);
	if (check_fields(&f, e) < 0 || take_code(kernel, &f, e) < 0)
		return -1;
	header_end = MAGIC + (size_t)page[HEADER_LENGTH];
	if (header_end > SETUP_HEADER_END)
		header_end = SETUP_HEADER_END;
	kernel->setup_len = header_end - SETUP_HEADER;
	memcpy(kernel->setup, page + SETUP_HEADER, kernel->setup_len);
	kernel->format = KERNEL_BZIMAGE;
	kernel->entry_linux64 = f.preferred + ENTRY_64_OFFSET;
	kernel->entry_pvh = 0;
	kernel->alignment = f.relocatable ? f.alignment : 0;
	kernel->initrd_max = f.initrd_max;
	kernel->cmdline_max = f.cmdline_max;
	read_version(kernel, &f);
	find_payload(kernel, &f, payload);
	return 0;
}
