/* SPDX-License-Identifier: MIT */
/* vhost_memory.c - the guest's memory as a front end shows it */
#include "cmd/vk-boot/virtio/vhost_memory.h"

#include "common/cursor.h"

#include <sys/mman.h>
#include <sys/stat.h>

void
vhost_memory_forget(struct vhost_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		munmap(memory->windows[i].map, memory->windows[i].map_len);
	memory->count = 0;
	/* What gmem has was mapped here, not by gmem_add. */
	*memory->mem = (struct gmem){.count = 0};
}

static int
add_region(struct vhost_memory *memory, struct cursor *c, int fd)
{
	struct vhost_window *w = &memory->windows[memory->count];
	struct gmem_region *r = &memory->mem->regions[memory->count];
	uint64_t offset;
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
	/* From the file's start, so that any offset will do. */
	w->map_len = offset + w->len;
	w->map = mmap(NULL, w->map_len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (w->map == MAP_FAILED)
		return -1;
	*r = (struct gmem_region){
	    .gpa = w->gpa,
	    .len = w->len,
	    .hva = (uint8_t *)w->map + offset,
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
