/* SPDX-License-Identifier: MIT */
/*
 * async_ring.c - operations by io_uring(7)
 *
 * Two rings are shared with the kernel: what is to be done (we move the tail,
 * it moves the head) and what is done (the other way round). So few of its
 * features are needed that the few calls are made here: no library.
 */
#include "cmd/vk-boot/async_engine.h"

#include "common/scope.h"

#include <linux/io_uring.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ring {
	struct async_engine engine; /* first */
	void *rings;                /* both, in one mapping */
	size_t rings_len;
	struct io_uring_sqe *entries;
	size_t entries_len;
	unsigned *sq_tail, *sq_array, sq_mask;
	unsigned *cq_head, *cq_tail, cq_mask;
	struct io_uring_cqe *done;
	unsigned added; /* not submitted yet */
};

static void
start(struct async_engine *engine, struct async_op *op)
{
	struct ring *r = (struct ring *)engine;
	unsigned tail = *r->sq_tail, index = tail & r->sq_mask;
	struct io_uring_sqe *entry = &r->entries[index];

	*entry = (struct io_uring_sqe){
	    .opcode = op->kind == ASYNC_READ    ? IORING_OP_READV
		      : op->kind == ASYNC_WRITE ? IORING_OP_WRITEV
						: IORING_OP_FSYNC,
	    .fd = op->fd,
	    .user_data = (uintptr_t)op,
	};
	if (op->kind == ASYNC_SYNC) {
		entry->fsync_flags = IORING_FSYNC_DATASYNC;
	} else {
		entry->off = op->offset;
		entry->addr = (uintptr_t)op->parts;
		entry->len = op->count;
	}
	r->sq_array[index] = index;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
	r->added++;
}

static void
submit(struct async_engine *engine, bool wait)
{
	struct ring *r = (struct ring *)engine;

	while (r->added > 0 || wait) {
		long n = syscall(SYS_io_uring_enter, engine->fd, r->added,
		    wait ? 1 : 0, wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

		if (n >= 0) {
			r->added -= (unsigned)n;
			wait = false;
		} else if (errno != EINTR && errno != EAGAIN &&
			   errno != EBUSY) {
			return;
		}
	}
}

static struct async_op *
next_done(struct async_engine *engine)
{
	struct ring *r = (struct ring *)engine;
	unsigned head = *r->cq_head;
	struct io_uring_cqe *entry = &r->done[head & r->cq_mask];
	struct async_op *op;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return NULL;
	op = (struct async_op *)(uintptr_t)entry->user_data;
	op->result = entry->res;
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return op;
}

static void
ring_free(struct async_engine *engine)
{
	struct ring *r = (struct ring *)engine;

	if (r->entries)
		munmap(r->entries, r->entries_len);
	if (r->rings)
		munmap(r->rings, r->rings_len);
	fd_close(&engine->fd);
	free(r);
}

static const struct filter_call calls[] = {
    CALL(io_uring_enter),
    CALLS_END,
};

static const struct async_engine_ops ring_ops = {
    .calls = calls,
    .start = start,
    .submit = submit,
    .next_done = next_done,
    .free = ring_free,
};

static void *
map(const struct ring *r, size_t len, off_t what)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, r->engine.fd, what);

	return at == MAP_FAILED ? NULL : at;
}

static int
map_all(struct ring *r, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(*r->done);
	char *rings;

	r->rings_len = sq > cq ? sq : cq;
	r->rings = map(r, r->rings_len, IORING_OFF_SQ_RING);
	r->entries_len = p->sq_entries * sizeof(*r->entries);
	r->entries = map(r, r->entries_len, IORING_OFF_SQES);
	if (!r->rings || !r->entries)
		return -1;
	rings = r->rings;
	r->sq_tail = (unsigned *)(void *)(rings + p->sq_off.tail);
	r->sq_array = (unsigned *)(void *)(rings + p->sq_off.array);
	r->sq_mask = *(unsigned *)(void *)(rings + p->sq_off.ring_mask);
	r->cq_head = (unsigned *)(void *)(rings + p->cq_off.head);
	r->cq_tail = (unsigned *)(void *)(rings + p->cq_off.tail);
	r->cq_mask = *(unsigned *)(void *)(rings + p->cq_off.ring_mask);
	r->done = (struct io_uring_cqe *)(void *)(rings + p->cq_off.cqes);
	return 0;
}

/* It does what is done here and nothing else, whoever gets hold of it: what it
 * is asked to do no filter sees. */
static int
restrict_ring(int fd)
{
	struct io_uring_restriction allowed[] = {
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV},
	    {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_FSYNC},
	};

	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_RESTRICTIONS,
		allowed, 3) < 0)
		return -1;
	return (int)syscall(
	    SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

struct async_engine *
async_ring_new(void)
{
	/* One mapping for both rings (5.4); parts may be ours again as soon as
	 * they are submitted (5.5): older ones are not worth a case. */
	const unsigned needed =
	    IORING_FEAT_SINGLE_MMAP | IORING_FEAT_SUBMIT_STABLE;
	struct io_uring_params p = {.flags = IORING_SETUP_R_DISABLED};
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->engine.ops = &ring_ops;
	r->engine.fd = (int)syscall(SYS_io_uring_setup, ASYNC_DEPTH_MAX, &p);
	if (r->engine.fd >= 0 && (p.features & needed) != needed)
		errno = ENOSYS;
	else if (r->engine.fd >= 0 && restrict_ring(r->engine.fd) == 0 &&
		 map_all(r, &p) == 0)
		return &r->engine;
	ring_free(&r->engine);
	return NULL;
}
