/* SPDX-License-Identifier: MIT */
/* A front end in miniature: memory in a memfd, one queue of the entropy device,
 * and every message that must end a connection. */
#include "cmd/vk-boot/virtio/vhost_user.h"

#include "cmd/vk-boot/virtio/rng.h"
#include "cmd/vk-boot/virtio/vhost_message.h"

#include "common/cursor.h"
#include "common/io.h"
#include "common/scope.h"

#include "tests/descriptors.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_SIZE 0x10000
#define BASE        0x7f0000000000 /* our addresses, as a front end has them */
#define DESC        0x1000
#define AVAIL       0x2000
#define USED        0x3000
#define BUFFER      0x4000
#define QUEUE_SIZE  16

static char folder[] = "/tmp/vk-vhost.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct loop *loop;
static struct gmem mem;
static struct virtio_device *device;
static struct vhost_user *vhost;
static uint8_t *memory;
static int memory_fd, front, kick, call;

static void
turn(void)
{
	while (loop_turn(loop, 10) > 0)
		continue;
}

/* Sends a message; fd -1: none goes with it. */
static void
say(uint32_t request, uint32_t flags, const void *payload, uint32_t len, int fd)
{
	uint8_t out[12 + 512];
	struct writer w = writer_of(out, sizeof(out));
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {out, 12 + len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *h = &control.align;

	put_le(&w, request, 4);
	put_le(&w, 1 | flags, 4);
	put_le(&w, len, 4);
	put_bytes(&w, payload, len);
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	if (sendmsg(front, &message, MSG_NOSIGNAL) < 0)
		printf("# sendmsg failed\n");
	turn();
}

static void
say_u64(uint32_t request, uint64_t value, int fd)
{
	say(request, 0, &value, sizeof(value), fd);
}

/* A ring's index and a number. */
static void
say_pair(uint32_t request, uint32_t index, uint32_t number)
{
	uint32_t pair[2] = {index, number};

	say(request, 0, pair, sizeof(pair), -1);
}

/* The answer's payload as a number; UINT64_MAX: none came. */
static uint64_t
answer(void)
{
	uint8_t in[12 + 512];
	ssize_t n = recv(front, in, sizeof(in), MSG_DONTWAIT);
	struct cursor c = cursor_of(in + 12, n > 12 ? (size_t)n - 12 : 0);

	return n > 12 ? get_le(&c, c.left < 8 ? c.left : 8) : UINT64_MAX;
}

static bool
is_connected(void)
{
	struct pollfd p = {.fd = front, .events = POLLIN};

	turn();
	return poll(&p, 1, 0) == 0 || !(p.revents & (POLLHUP | POLLERR));
}

static void
join(void)
{
	fd_close(&front);
	turn();
	front = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(front, (struct sockaddr *)&address, sizeof(address)) < 0)
		printf("# connect failed\n");
	turn();
}

static void
share_memory(uint64_t gpa, uint64_t len, uint64_t start, uint64_t offset)
{
	uint8_t table[40];
	struct writer w = writer_of(table, sizeof(table));

	put_le(&w, 1, 4);
	put_le(&w, 0, 4);
	put_le(&w, gpa, 8);
	put_le(&w, len, 8);
	put_le(&w, start, 8);
	put_le(&w, offset, 8);
	say(5, 0, table, sizeof(table), memory_fd);
}

static void
place_rings(uint32_t index, uint64_t desc, uint64_t used, uint64_t avail)
{
	uint8_t payload[40];
	struct writer w = writer_of(payload, sizeof(payload));

	put_le(&w, index, 4);
	put_le(&w, 0, 4);
	put_le(&w, desc, 8);
	put_le(&w, used, 8);
	put_le(&w, avail, 8);
	put_le(&w, 0, 8);
	say(9, 0, payload, sizeof(payload), -1);
}

/* One writable buffer in the available ring. */
static void
offer_buffer(void)
{
	struct writer w = writer_of(memory + DESC, 16);
	uint16_t *avail = (uint16_t *)(void *)(memory + AVAIL);

	put_le(&w, BUFFER, 8);
	put_le(&w, 64, 4);
	put_le(&w, 2, 2); /* the device writes */
	put_le(&w, 0, 2);
	avail[2 + avail[1] % QUEUE_SIZE] = 0;
	__atomic_store_n(&avail[1], avail[1] + 1, __ATOMIC_SEQ_CST);
}

static uint16_t
used_index(void)
{
	return ((uint16_t *)(void *)(memory + USED))[1];
}

/* The whole setup, up to a running ring. */
static void
set_up(void)
{
	join();
	memset(memory, 0, MEMORY_SIZE);
	say(1, 0, NULL, 0, -1);
	ok(answer() & 1ull << 32 && is_connected(), "features: VERSION_1");
	say_u64(2, 1ull << 32 | 1ull << 30, -1);
	say(15, 0, NULL, 0, -1);
	{
		uint64_t offered = answer();

		ok(offered & 1u << 3 && !(offered & 1u << 9),
		    "protocol features: no CONFIG where there is none");
	}
	say_u64(16, 1u << 3, -1);
	say(3, 0, NULL, 0, -1);
	share_memory(0, MEMORY_SIZE, BASE, 0);
	say_pair(8, 0, QUEUE_SIZE);
	say_pair(10, 0, 0);
	place_rings(0, BASE + DESC, BASE + USED, BASE + AVAIL);
	say_u64(12, 0, kick);
	say_u64(13, 0, call);
	ok(is_connected() && !device->running, "set up, and not running yet");
}

static void
test_work(void)
{
	uint32_t base[2];

	set_up();
	offer_buffer();
	say_pair(18, 0, 1);
	ok(device->running, "the device starts with its ring");
	is_int(used_index(), 1, "what waited is done");
	eventfd_take(call);
	offer_buffer();
	eventfd_give(kick);
	turn();
	is_int(used_index(), 2, "a kick is heard");
	is_int(eventfd_take(call), 1, "and answered by a call");

	base[0] = base[1] = 0;
	say(11, 0, base, sizeof(base), -1);
	is_int(answer() >> 32, 2, "GET_VRING_BASE: two were taken");
	ok(!device->running, "and the device stops with its last ring");
	offer_buffer();
	eventfd_give(kick);
	turn();
	is_int(used_index(), 2, "no more is done");
	/* As QEMU has it: enabled first. */
	say_pair(18, 0, 1);
	ok(!device->running && used_index() == 2,
	    "enabled anew it has no place yet");
	say_pair(10, 0, 2);
	say_pair(8, 0, QUEUE_SIZE);
	place_rings(0, BASE + DESC, BASE + USED, BASE + AVAIL);
	ok(is_connected(), "it gets one");
	is_int(used_index(), 3, "it goes on where it was");
	say_pair(18, 0, 0);
	say_pair(18, 0, 0);
	for (int i = 0; i < QUEUE_SIZE; i++)
		offer_buffer();
	is_int(used_index(), 3, "disabled it stands still");
	say_pair(18, 0, 1);
	is_int(used_index(), 3 + QUEUE_SIZE,
	    "enabled it goes on, with the size and place that it had");
	say(3, 8, NULL, 0, -1);
	is_int(answer(), 0, "REPLY_ACK where it is wanted");
	fd_close(&front);
	turn();
	ok(!device->running, "a front end that goes stops the device");
	is_int(mem.count, 0, "and takes its memory along");
}

static unsigned stops;

static void
count_stop(struct virtio_device *dev)
{
	(void)dev;
	stops++;
}

/* Memory is plugged: all of the table comes anew, and nothing else. */
static void
test_more_memory(void)
{
	const struct virtio_device_ops *ops = device->ops;
	struct virtio_device_ops counted = *ops;

	counted.stop = count_stop;
	device->ops = &counted;
	set_up();
	offer_buffer();
	say_pair(18, 0, 1);
	offer_buffer();
	share_memory(0, MEMORY_SIZE, BASE, 0);
	ok(is_connected() && device->running, "the table changes under it");
	is_int(used_index(), 2, "a ring goes on with what waited");
	is_int(stops, 0, "and its device with what it knows");
	offer_buffer();
	eventfd_give(kick);
	turn();
	is_int(used_index(), 3, "and with what comes");
	share_memory(0, DESC, BASE, 0);
	ok(!is_connected() && stops == 1,
	    "a table without its ring ends the connection");
	fd_close(&front);
	turn();
	device->ops = ops;
}

/* All descriptors are taken when a second one comes. */
static void
test_starved(void)
{
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct descriptors taken;
	unsigned turns = 0;

	join();
	descriptors_take(&taken);
	if (connect(other, (struct sockaddr *)&address, sizeof(address)) < 0)
		printf("# connect failed\n");
	while (turns < 1000 && loop_turn(loop, 0) > 0)
		turns++;
	ok(turns < 1000, "without a free descriptor nobody spins");
	descriptors_give(&taken);
	fd_close(&front);
	turn();
	front = other;
	say(1, 0, NULL, 0, -1);
	ok(answer() & 1ull << 32,
	    "who waits is served when the first has gone");
	fd_close(&front);
	turn();
}

/* A payload that comes byte by byte: the patience is one for all of it. */
static void
test_trickle(void)
{
	static const uint8_t head[12] = {24, 0, 0, 0, 1, 0, 0, 0, 0, 16};
	const struct timeval patience = {.tv_usec = 300000};
	const struct timespec pause = {.tv_nsec = 50000000};
	static struct vhost_message m;
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	setsockopt(
	    ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (write(ends[1], head, sizeof(head)) != sizeof(head))
		return;
	pid = fork();
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (pid == 0 && write(ends[1], "x", 1) == 1)
		nanosleep(&pause, NULL);
	if (pid == 0)
		_exit(0);
	alarm(60);
	is_int(vhost_message_receive(ends[0], &m), -1,
	    "a payload in trickles is not waited for");
	alarm(0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

/* Of whom changes are told may not read, and not go either. */
static void
test_deaf(void)
{
	static const uint8_t nowhere[8] = {255, 255, 255, 255, 255, 255};
	int ends[2];

	set_up();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	while (send(ends[0], memory, 4096, MSG_DONTWAIT) > 0)
		continue;
	say(21, 0, NULL, 0, ends[0]);
	offer_buffer();
	memcpy(memory + DESC, nowhere, sizeof(nowhere));
	alarm(60);
	say_pair(18, 0, 1);
	ok(device->failed, "a deaf front end is not waited for");
	alarm(0);
	fd_close(&front);
	turn();
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

/* Each must end the connection, and only that. */
static void
refused(const char *what)
{
	ok(!is_connected(), "disconnected: %s", what);
	join();
	ok(is_connected(), "and the next one is served");
}

/* Of a file that no address space is large enough for. */
static void
test_far_memory(void)
{
	const uint64_t far = 1ull << 50;
	int near = memory_fd;

	memory_fd = memfd_create("far", MFD_CLOEXEC);
	if (ftruncate(memory_fd, (off_t)(far + 2 * MEMORY_SIZE)) < 0 ||
	    pwrite(memory_fd, "here", 4, (off_t)(far + 512)) != 4)
		printf("# no large file\n");
	join();
	share_memory(0, MEMORY_SIZE, BASE, far + 512);
	ok(is_connected() && mem.count == 1 &&
		memcmp(mem.regions[0].hva, "here", 4) == 0,
	    "a region far behind the start of its file, between pages");
	fd_close(&front);
	turn();
	close(memory_fd);
	memory_fd = near;
}

static void
test_breaches(void)
{
	uint8_t head[12] = {0};
	uint32_t zero = 0;

	join();
	say(99, 0, NULL, 0, -1);
	refused("an unknown request");
	say_u64(2, 1ull << 50, -1);
	refused("features that were not offered");
	say_u64(16, 1u << 1, -1);
	refused("logging was not offered");
	say(5, 0, &zero, sizeof(zero), -1);
	refused("an empty memory table");
	share_memory(0, MEMORY_SIZE * 2, BASE, 0);
	refused("more memory than the file has");
	share_memory(0, MEMORY_SIZE, BASE, UINT64_MAX - 10);
	refused("an offset that overflows");
	share_memory(UINT64_MAX - 10, MEMORY_SIZE, BASE, 0);
	refused("a region past the last address");
	say_pair(8, 7, 16);
	refused("a ring that is not there");
	say_pair(8, 0, 100000);
	refused("a ring that is too long");
	say_pair(18, 0, 2);
	refused("enabled by two");
	say_u64(12, 0, -1);
	refused("a kick without a descriptor");
	say_u64(12, 9, kick);
	refused("a kick for a ring that is not there");
	say(9, 0, &zero, sizeof(zero), -1);
	refused("addresses cut short");
	say(24, 0, &zero, sizeof(zero), -1);
	refused("a cut question for configuration");

	share_memory(0, MEMORY_SIZE, BASE, 0);
	say_pair(8, 0, QUEUE_SIZE);
	say_u64(2, 1ull << 32 | 1ull << 30, -1);
	place_rings(0, BASE + DESC, BASE + MEMORY_SIZE, BASE + AVAIL);
	say_u64(12, 0, kick);
	say_pair(18, 0, 1);
	refused("a ring outside the memory");
	share_memory(0, MEMORY_SIZE, BASE, 0);
	say_pair(8, 0, 256);
	say_u64(2, 1ull << 32 | 1ull << 30, -1);
	place_rings(0, BASE + MEMORY_SIZE - 16, BASE + USED, BASE + AVAIL);
	say_u64(12, 0, kick);
	say_pair(18, 0, 1);
	refused("a ring that leaves the memory");

	head[4] = 2; /* another version */
	ok(send(front, head, sizeof(head), MSG_NOSIGNAL) == 12, "sent");
	refused("another version of the protocol");
	memcpy(head, "\1\0\0\0\1\0\0\0\377\377\377\377", 12);
	ok(send(front, head, sizeof(head), MSG_NOSIGNAL) == 12, "sent");
	refused("a payload of 4 GiB");
}

/* What is said on standard error meanwhile, in bytes. */
static long
said_while(void (*what)(void))
{
	cleanup_fd int file = memfd_create("said", MFD_CLOEXEC);
	cleanup_fd int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	dup2(file, STDERR_FILENO);
	what();
	dup2(before, STDERR_FILENO);
	return lseek(file, 0, SEEK_END);
}

/* As a guest that is killed: it asks, wants an answer and is gone. */
static void
ask_and_leave(void)
{
	static const uint8_t question[20] = {18, 0, 0, 0, 9, 0, 0, 0, 8};

	join();
	say_u64(16, 8, -1); /* REPLY_ACK */
	if (send(front, question, sizeof(question), MSG_NOSIGNAL) < 0)
		printf("# send failed\n");
	fd_close(&front);
	turn();
}

static void
break_often(void)
{
	for (int i = 0; i < 50; i++) {
		join();
		say_pair(18, 0, 2);
	}
}

static void
test_words(void)
{
	is_int(said_while(ask_and_leave), 0,
	    "who does not wait for an answer is no breach");
	ok(said_while(break_often) < 2000, "many breaches are not many lines");
}

int
main(void)
{
	struct err e = ERR_INIT;
	struct vhost_user_config config = {.mem = &mem};

	if (!mkdtemp(folder))
		return 1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	memory_fd = memfd_create("test", MFD_CLOEXEC);
	if (memory_fd < 0 || ftruncate(memory_fd, MEMORY_SIZE) < 0)
		return 1;
	memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    memory_fd, 0);
	kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	front = -1;
	loop = loop_new("test", &e);
	device = rng_new(loop, &mem, &e);
	config.device = device;
	config.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(config.listener, (struct sockaddr *)&address,
		sizeof(address)) < 0 ||
	    listen(config.listener, 4) < 0)
		return 1;
	vhost = vhost_user_new(&config, &e);
	ok(vhost != NULL, "a back end");

	test_work();
	test_more_memory();
	test_starved();
	test_trickle();
	test_deaf();
	test_far_memory();
	test_breaches();
	test_words();

	fd_close(&front);
	vhost_user_free(vhost);
	virtio_device_free(device);
	loop_free(loop);
	munmap(memory, MEMORY_SIZE);
	close(memory_fd);
	close(kick);
	close(call);
	unlink(address.sun_path);
	rmdir(folder);
	return tap_done();
}
