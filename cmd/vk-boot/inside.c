/* SPDX-License-Identifier: MIT */
/* inside.c - files inside an ext4 image, read by a process of its own */
#include "cmd/vk-boot/inside.h"

#include "cmd/vk-boot/child.h"
#include "cmd/vk-boot/ext2_reader.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
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

enum what { WHAT_OPEN, WHAT_FILE, WHAT_LIST, WHAT_TREE };

struct question {
	uint64_t max;
	uint32_t what;
	char path[PATH_MAX];
};

struct answer {
	int32_t status;
	uint64_t size; /* of a tree */
	char text[ERR_TEXT_MAX];
};

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

static int
work(const struct question *q, int image, int to, uint64_t *size, struct err *e)
{
	switch (q->what) {
	case WHAT_OPEN:
		return ext2_open_image(image, e);
	case WHAT_FILE:
		return ext2_file(q->path, q->max, to, e);
	case WHAT_LIST:
		return ext2_list(q->path, q->max, to, e);
	case WHAT_TREE:
		return ext2_tree(q->max, to, size, e);
	}
	return err_set(e, EX_SOFTWARE, "question %u", q->what);
}

static void
answer_question(int socket, int image, const struct question *q)
{
	struct answer answer = {.status = 0};
	struct err e = ERR_INIT;
	cleanup_fd int to = -1;

	if (q->what != WHAT_OPEN)
		to = memfd_create("vk-inside", MFD_CLOEXEC);
	if (work(q, image, to, &answer.size, &e) < 0) {
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
ask(struct inside *inside, const struct question *q, uint64_t *size,
    struct err *e)
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
	if (size)
		*size = answer.size;
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
	return ask(inside, &q, NULL, e);
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
	ask(inside, &q, NULL, &why);
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

int
inside_tree(struct inside *inside, uint64_t max, uint64_t *size, struct err *e)
{
	struct question q = {.what = WHAT_TREE, .max = max};

	*size = 0;
	return ask(inside, &q, size, e);
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
