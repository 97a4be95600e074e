/* SPDX-License-Identifier: MIT */
/* vhost_memory.c - the guest's memory as a front end shows it */
#include "cmd/vk-boot/virtio/vhost_memory.h"

#include "common/cursor.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRANULE_MAX (1u << 30) /* the largest pages that there are */

void
vhost_memory_forget(struct vhost_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		munmap(memory->windows[i].map, memory->windows[i].map_len);
	memory->count = 0;
	/* What gmem has was mapped here, not by gmem_add. */
	*memory->mem = (struct gmem){.count = 0};
}

/* What offsets in the file have to be multiples of: pages, of their own size
 * where they are huge, which is what such a file's block is said to be. */
static uint64_t
granule_of(const struct stat *st)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t block = (uint64_t)st->st_blksize;

	return block > page && block <= GRANULE_MAX &&
		       (block & (block - 1)) == 0
		   ? block
		   : page;
}

static int
add_region(struct vhost_memory *memory, struct cursor *c, int fd)
{
	struct vhost_window *w = &memory->windows[memory->count];
	struct gmem_region *r = &memory->mem->regions[memory->count];
	uint64_t offset, before;
	struct stat st;

	w->gpa = get_le64(c);
	w->len = get_le64(c);
	w->start = get_le64(c);
	offset = get_le64(c);
	if (c->bad || w->len == 0 || offset > UINT64_MAX - w->len ||
	    w->gpa > UINT64_MAX - w->len || w->start > UINT64_MAX - w->len)
		return -1;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset + w->len)
		return -1;
	/* No more than that: User-mode Linux has its memory at a random place
	 * of a file of a gigabyte, and our address space has a limit. */
	before = offset % granule_of(&st);
	w->map_len = before + w->len;
	w->map = mmap(NULL, w->map_len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - before));
	if (w->map == MAP_FAILED)
		return -1;
	*r = (struct gmem_region){
	    .gpa = w->gpa,
	    .len = w->len,
	    .hva = (uint8_t *)w->map + before,
	    .fd = -1,
	};
	memory->count++;
	memory->mem->count++;
	return 0;
}

int
vhost_memory_set(struct vhost_memory *memory, const struct vhost_message *m)
{
	struct cursor c = cursor_of(m->payload, m->size);
	uint32_t count = get_le32(&c);

	get_le32(&c); /* padding */
	if (c.bad || count == 0 || count > GMEM_REGIONS_MAX ||
	    count != m->fd_count)
		return -1;
	vhost_memory_forget(memory);
	for (uint32_t i = 0; i < count; i++)
		if (add_region(memory, &c, m->fds[i]) < 0)
			return -1;
	return 0;
}

int
vhost_memory_gpa(
    const struct vhost_memory *memory, uint64_t address, uint64_t *gpa)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct vhost_window *w = &memory->windows[i];

		if (address >= w->start && address - w->start < w->len) {
			*gpa = w->gpa + (address - w->start);
			return 0;
		}
	}
	return -1;
}
