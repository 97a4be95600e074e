/* SPDX-License-Identifier: MIT */
/* inside.c - files inside an ext4 image, read by a process of its own */
#include "cmd/vk-boot/inside.h"

#include "cmd/vk-boot/child.h"
#include "common/io.h"
#include "common/scope.h"

#include <dlfcn.h>
#include <errno.h>
#include <et/com_err.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BLOCK 65536u

enum what { WHAT_OPEN, WHAT_FILE, WHAT_LIST };

struct question {
	uint64_t max;
	uint32_t what;
	char path[PATH_MAX];
};

struct answer {
	int32_t status;
	char text[ERR_TEXT_MAX];
};

/* ---- libext2fs, in the reader only -------------------------------------- */

#define EXT2_FUNCTIONS(f)                                                      \
	f(open2, ext2fs_open2) f(namei, ext2fs_namei_follow)                   \
	    f(read_inode, ext2fs_read_inode) f(file_open, ext2fs_file_open)    \
		f(file_close, ext2fs_file_close)                               \
		    f(file_read, ext2fs_file_read)                             \
			f(file_size, ext2fs_file_get_lsize)                    \
			    f(dir_iterate, ext2fs_dir_iterate2)                \
				f(add_messages, initialize_ext2_error_table)   \
				    f(message, error_message)

static struct {
#define MEMBER(member, name) __typeof__(&name) member;
	EXT2_FUNCTIONS(MEMBER)
	io_manager *io;
	ext2_filsys fs;
} ext2;

static int
open_library(struct err *e)
{
	static const char *const names[] = {"libext2fs.so.2", "libext2fs.so"};
	void *handle = NULL;
	bool found = true;

	for (size_t i = 0; !handle && i < 2; i++)
		handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return err_set(e, EX_UNAVAILABLE, "libext2fs: %s", dlerror());
#define FIND(member, name)                                                     \
	found &= (ext2.member = dlsym(handle, #name)) != NULL;
	EXT2_FUNCTIONS(FIND)
	ext2.io = dlsym(handle, "unix_io_manager");
	if (!found || !ext2.io)
		return err_set(e, EX_UNAVAILABLE,
		    "libext2fs: functions are missing in it");
	return 0;
}

static int
open_image(int fd, struct err *e)
{
	char path[64];
	errcode_t rc;

	if (open_library(e) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = ext2.open2(path, NULL, EXT2_FLAG_64BITS, 0, 0, *ext2.io, &ext2.fs);
	if (rc == 0)
		return 0;
	ext2.add_messages();
	return err_set(e, EX_DATAERR, "its ext4 file system cannot be read: %s",
	    ext2.message(rc));
}

/* Finds path and checks that it is of a type. */
static int
find(const char *path, mode_t type, ext2_ino_t *number, struct err *e)
{
	struct ext2_inode inode;

	if (ext2.namei(ext2.fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, number) ||
	    ext2.read_inode(ext2.fs, *number, &inode))
		return err_set(e, EX_NOINPUT, "%s: not in the image", path);
	if ((inode.i_mode & S_IFMT) != type)
		return err_set(e, EX_NOINPUT, "%s: not a %s", path,
		    type == S_IFDIR ? "folder" : "regular file");
	return 0;
}

static int
copy_file(ext2_file_t file, const struct question *q, int to, struct err *e)
{
	static char block[BLOCK];
	__u64 size;
	unsigned got;

	if (ext2.file_size(file, &size))
		return err_set(e, EX_DATAERR, "%s: cannot be read", q->path);
	if (size > q->max)
		return err_set(e, EX_DATAERR, "%s: too large", q->path);
	for (__u64 done = 0; done < size; done += got) {
		if (ext2.file_read(file, block, BLOCK, &got) || got == 0)
			return err_set(
			    e, EX_DATAERR, "%s: cannot be read", q->path);
		if (io_write(to, block, got) < 0)
			return err_errno(e, EX_OSERR, "%s", q->path);
	}
	return 0;
}

static int
answer_file(const struct question *q, int to, struct err *e)
{
	ext2_ino_t number;
	ext2_file_t file;
	int rc;

	if (find(q->path, S_IFREG, &number, e) < 0)
		return -1;
	if (ext2.file_open(ext2.fs, number, 0, &file))
		return err_set(e, EX_DATAERR, "%s: cannot be read", q->path);
	rc = copy_file(file, q, to, e);
	ext2.file_close(file);
	return rc;
}

struct listing {
	int to;
	uint64_t left;
};

static int
list_entry(ext2_ino_t dir, int kind, struct ext2_dir_entry *entry, int offset,
    int block_size, char *block, void *private)
{
	struct listing *listing = private;
	size_t len = entry->name_len & 0xff;
	char line[EXT2_NAME_LEN + 2];

	(void)dir, (void)offset, (void)block_size, (void)block;
	if (kind != DIRENT_OTHER_FILE || memchr(entry->name, '\n', len) ||
	    memchr(entry->name, '\0', len))
		return 0;
	memcpy(line, entry->name, len);
	line[len] = '\n';
	if (len + 1 > listing->left || io_write(listing->to, line, len + 1) < 0)
		return DIRENT_ABORT;
	listing->left -= len + 1;
	return 0;
}

static int
answer_list(const struct question *q, int to, struct err *e)
{
	struct listing listing = {.to = to, .left = q->max};
	ext2_ino_t number;

	if (find(q->path, S_IFDIR, &number, e) < 0)
		return -1;
	if (ext2.dir_iterate(ext2.fs, number, 0, NULL, list_entry, &listing))
		return err_set(e, EX_DATAERR, "%s: cannot be read", q->path);
	return 0;
}

/* ---- messages ----------------------------------------------------------- */

/* Sends an answer, and the descriptor unless it is -1. */
static int
send_answer(int socket, const struct answer *answer, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			 .cmsg_level = SOL_SOCKET,
			 .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {(void *)answer, sizeof(*answer)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Returns the number of bytes; *fd is -1 or the caller's. */
static ssize_t
receive_answer(int socket, struct answer *answer, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {answer, sizeof(*answer)};
	struct msghdr message = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	ssize_t got;

	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	*fd = -1;
	header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_level == SOL_SOCKET &&
	    header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return got;
}

/* ---- the reader --------------------------------------------------------- */

static void
answer_question(int socket, int image, const struct question *q)
{
	struct answer answer = {.status = 0};
	struct err e = ERR_INIT;
	cleanup_fd int to = -1;
	int rc;

	if (q->what == WHAT_OPEN)
		rc = open_image(image, &e);
	else {
		to = memfd_create("vk-inside", MFD_CLOEXEC);
		rc = to < 0 ? err_errno(&e, EX_OSERR, "%s", q->path)
		     : q->what == WHAT_FILE ? answer_file(q, to, &e)
					    : answer_list(q, to, &e);
	}
	if (rc < 0) {
		fd_close(&to);
		answer.status = e.status;
		snprintf(answer.text, sizeof(answer.text), "%s", e.text);
	}
	send_answer(socket, &answer, to);
}

_Noreturn static void
reader_main(int socket, int image)
{
	struct question q;
	ssize_t got;

	child_confine((int[]){socket, image}, 2);
	while ((got = recv(socket, &q, sizeof(q), 0)) > 0) {
		if ((size_t)got != sizeof(q))
			break;
		q.path[sizeof(q.path) - 1] = '\0';
		answer_question(socket, image, &q);
	}
	_exit(0);
}

/* ---- the caller --------------------------------------------------------- */

/* Asks and waits. Returns the descriptor of the answer, -1 with err; opening
 * gives none. */
static int
ask(struct inside *inside, const struct question *q, struct err *e)
{
	struct answer answer;
	int fd = -1;

	if (inside->pid <= 0)
		return err_set(e, EX_SOFTWARE, "the image's reader is closed");
	if (send(inside->socket, q, sizeof(*q), MSG_NOSIGNAL) < 0 ||
	    receive_answer(inside->socket, &answer, &fd) != sizeof(answer)) {
		fd_close(&fd);
		inside_close(inside);
		return err_set(e, EX_DATAERR,
		    "its file system is damaged: reading it failed");
	}
	answer.text[sizeof(answer.text) - 1] = '\0';
	if (answer.status != 0 || (fd < 0 && q->what != WHAT_OPEN)) {
		fd_close(&fd);
		return err_set(e, answer.status, "%s", answer.text);
	}
	return fd;
}

static int
ask_path(struct inside *inside, enum what what, const char *path, uint64_t max,
    struct err *e)
{
	struct question q = {.what = what, .max = max};

	if (strlen(path) >= sizeof(q.path))
		return err_set(e, EX_NOINPUT, "%s: path too long", path);
	snprintf(q.path, sizeof(q.path), "%s", path);
	return ask(inside, &q, e);
}

int
inside_open(struct inside *inside, int image_fd, struct err *e)
{
	struct question q = {.what = WHAT_OPEN};
	struct err why = ERR_INIT;
	int pair[2];

	*inside = (struct inside){.socket = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(e, EX_OSERR, "socketpair");
	inside->pid = fork();
	if (inside->pid == 0)
		reader_main(pair[1], image_fd);
	close(pair[1]);
	inside->socket = pair[0];
	if (inside->pid < 0) {
		fd_close(&inside->socket);
		return err_errno(e, EX_OSERR, "fork");
	}
	ask(inside, &q, &why);
	if (why.status == 0)
		return 0;
	inside_close(inside);
	*e = why;
	return -1;
}

int
inside_file(
    struct inside *inside, const char *path, uint64_t max, struct err *e)
{
	return ask_path(inside, WHAT_FILE, path, max, e);
}

int
inside_list(
    struct inside *inside, const char *path, uint64_t max, struct err *e)
{
	return ask_path(inside, WHAT_LIST, path, max, e);
}

void
inside_close(struct inside *inside)
{
	if (inside->pid <= 0)
		return;
	fd_close(&inside->socket);
	/* It ends when the socket does, but may be in a loop just now. */
	kill(inside->pid, SIGKILL);
	while (waitpid(inside->pid, NULL, 0) < 0 && errno == EINTR)
		;
	inside->pid = 0;
}
