/* SPDX-License-Identifier: MIT */
/*
 * control.c - the socket by which a VM is watched and steered
 *
 * A client's requests are answered one after the other; while one is held
 * ("wait") its next ones stay unread in the socket, which bounds them. What
 * cannot be sent at once waits in a buffer with a limit; a client that lets it
 * fill has gone deaf and is closed.
 *
 * A client may shut down its sending half behind the last request: it is kept
 * until it has its answers, or, if it listens, until it closes.
 */
#include "cmd/vk-boot/control.h"

#include "cmd/vk-boot/unix_place.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONTROL_NAME "control"

const struct filter_call control_calls[] = {
    CALL(accept4),
    CALL(fcntl), /* the spare descriptor */
    CALL(recvmsg),
    CALL(sendto),
    CALL(shutdown), /* of who has gone deaf */
    CALL(unlinkat), /* the socket, at the end */
    CALLS_END,
};

struct control_client {
	LIST_ENTRY(control_client) entry;
	struct control *control;
	struct loop_source source;
	bool listens, held, given;
	bool ended;      /* it says nothing more */
	unsigned number; /* while it is held */
	int fd;          /* came with what was read last; -1: none */
	size_t have;
	char in[ORDER_LINE_MAX + 1]; /* the longest line and its newline */
	struct buf out;
};

struct control {
	struct loop *loop;
	struct loop_source listener;
	bool starved; /* somebody waits for a free descriptor */
	int spare;    /* is given up for who comes when all are taken */
	int folder;
	unsigned held; /* so many were, ever */
	const struct control_ops *ops;
	void *owner;
	LIST_HEAD(, control_client) clients;
	unsigned count;
	json_t *past; /* events so far */
};

static void clients_arrive(struct loop_source *, uint32_t events);

/* A guest's connections may take all descriptors that we may have: who is to
 * end it must get in still. */
static void
keep_spare(struct control *control)
{
	if (control->spare < 0)
		control->spare =
		    fcntl(control->listener.fd, F_DUPFD_CLOEXEC, 0);
}

static void
client_free(struct control_client *client)
{
	struct control *control = client->control;

	loop_close(control->loop, &client->source);
	fd_close(&client->fd);
	LIST_REMOVE(client, entry);
	control->count--;
	buf_release(&client->out);
	free(client);
	keep_spare(control);
	if (control->starved && control->listener.added)
		clients_arrive(&control->listener, 0);
}

/* What to wait for now. */
static void
client_watch(struct control_client *client)
{
	uint32_t events = 0;

	if (client->out.len > 0 || client->given)
		events |= EPOLLOUT;
	if (!client->ended && !client->held && client->out.len == 0)
		events |= EPOLLIN;
	loop_change(client->control->loop, &client->source, events);
}

/* Sends what waits. 0, -1: the client is gone. */
static int
client_flush(struct control_client *client)
{
	while (client->out.len > 0) {
		ssize_t n = send(client->source.fd, client->out.data,
		    client->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		buf_drop(&client->out, (size_t)n);
	}
	return 0;
}

/* Puts a line into what waits; what does not fit ends the client later. */
static void
client_say(struct control_client *client, const json_t *line)
{
	cleanup_free char *text =
	    json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER);

	if (!text)
		client->out.failed = true;
	else
		buf_printf(&client->out, "%s\n", text);
}

static void
answer_error(struct control_client *client, const struct err *e)
{
	json_t *answer = json_pack("{s:b}", "ok", 0);

	/* Not where it is no UTF-8. */
	json_object_set_new(answer, "error", json_string(e->text));
	json_object_set_new(answer, "status",
	    json_integer(e->status ? e->status : EX_SOFTWARE));
	if (e->hint[0])
		json_object_set_new(answer, "hint", json_string(e->hint));
	client_say(client, answer);
	json_decref(answer);
}

static void
perform(struct control_client *client, const char *line, size_t len)
{
	struct control *control = client->control;
	json_t *answer = json_pack("{s:b}", "ok", 1);
	struct err e = ERR_INIT;
	struct order order;
	int result = order_parse(&order, line, len, &e);

	if (result == 0)
		result = control->ops->perform(
		    control->owner, client, &order, answer, &e);
	if (result < 0)
		answer_error(client, &e);
	else if (result == 0)
		client_say(client, answer);
	json_decref(answer);
}

/* Performs the whole lines that are there; what came with them and was not
 * taken is closed, as no other can be meant by it. 0, -1: it is not to be gone
 * on with. */
static int
take_lines(struct control_client *client)
{
	char *newline;

	while (!client->held && !client->given && client->out.len == 0 &&
	       (newline = memchr(client->in, '\n', client->have))) {
		size_t len = (size_t)(newline - client->in);

		perform(client, client->in, len);
		client->have -= len + 1;
		memmove(client->in, newline + 1, client->have);
		if (client->have == 0)
			fd_close(&client->fd);
		if (client->out.failed || client_flush(client) < 0)
			return -1;
	}
	if (client->have == sizeof(client->in) &&
	    !memchr(client->in, '\n', client->have)) {
		struct err e = ERR_INIT;

		order_parse(&(struct order){0}, "", ORDER_LINE_MAX + 1, &e);
		answer_error(client, &e);
		client_flush(client);
		return -1;
	}
	return 0;
}

/* Keeps the first descriptor of a message. */
static void
keep_fd(struct control_client *client, struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	size_t count;
	int fds[4];

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fds[0]);
	memcpy(fds, CMSG_DATA(c), count * sizeof(fds[0]));
	fd_close(&client->fd);
	client->fd = fds[0];
	for (size_t i = 1; i < count; i++)
		fd_close(&fds[i]);
}

/* Reads once. 0, -1: the connection is broken. */
static int
client_read(struct control_client *client)
{
	/* What does not fit is closed by the kernel. */
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} rights;
	struct iovec part = {
	    .iov_base = client->in + client->have,
	    .iov_len = sizeof(client->in) - client->have,
	};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &rights,
	    .msg_controllen = sizeof(rights),
	};
	ssize_t n = recvmsg(
	    client->source.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	keep_fd(client, &message);
	if (n == 0)
		client->ended = true;
	client->have += (size_t)n;
	return 0;
}

/* Hands its connection over: it is no client any more. */
static void
client_give(struct control_client *client)
{
	struct control *control = client->control;

	loop_remove(control->loop, &client->source);
	control->ops->given(control->owner, steal_fd(&client->source.fd),
	    client->in, client->have);
	client_free(client);
}

static void
client_ready(struct loop_source *source, uint32_t events)
{
	struct control_client *client = source->owner;

	/* Who is gone may have asked for something before. */
	bool gone = events & (EPOLLHUP | EPOLLERR);

	if ((events & EPOLLIN && !client->held && client_read(client) < 0) ||
	    client_flush(client) < 0 || take_lines(client) < 0 || gone ||
	    (client->ended && client->out.len == 0 && !client->listens &&
		!client->held))
		client_free(client);
	else if (client->given && client->out.len == 0)
		client_give(client);
	else
		client_watch(client);
}

/* Owns the descriptor. */
static void
client_new(struct control *control, int accepted)
{
	cleanup_fd int fd = accepted;
	struct control_client *client;
	struct err e = ERR_INIT;

	if (control->count == CONTROL_CLIENTS_MAX)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->control = control;
	client->fd = -1;
	client->source = (struct loop_source){
	    .fd = steal_fd(&fd),
	    .ready = client_ready,
	    .owner = client,
	};
	buf_init(&client->out, CONTROL_OUT_MAX);
	LIST_INSERT_HEAD(&control->clients, client, entry);
	control->count++;
	if (loop_add(control->loop, &client->source, EPOLLIN, &e) < 0)
		client_free(client);
}

static int
next_client(struct control *control)
{
	int fd = unix_place_accept(control->listener.fd, &control->starved);

	if (fd >= 0 || !control->starved || control->spare < 0)
		return fd;
	fd_close(&control->spare);
	control->starved = false;
	return unix_place_accept(control->listener.fd, &control->starved);
}

/* All there are, for they wake us once. */
static void
clients_arrive(struct loop_source *source, uint32_t events)
{
	struct control *control = source->owner;
	int fd;

	(void)events;
	control->starved = false;
	while ((fd = next_client(control)) >= 0)
		client_new(control, fd);
	keep_spare(control);
}

/* ---- what others call ---- */

static int
bind_listener(struct control *control, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	/* By the folder's descriptor: its path may be too long for this. */
	snprintf(address.sun_path, sizeof(address.sun_path),
	    "/proc/self/fd/%d/" CONTROL_NAME, control->folder);
	control->listener.fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode that the file is made with (unix(7)). */
	if (control->listener.fd < 0 || fchmod(control->listener.fd, 0600) < 0)
		return err_errno(e, EX_OSERR, CONTROL_NAME);
	unlinkat(control->folder, CONTROL_NAME, 0);
	if (bind(control->listener.fd, (struct sockaddr *)&address,
		sizeof(address)) < 0 ||
	    listen(control->listener.fd, CONTROL_CLIENTS_MAX) < 0)
		return err_errno(e, EX_CANTCREAT, CONTROL_NAME);
	return 0;
}

struct control *
control_new(struct loop *loop, int folder, struct err *e)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control) {
		err_errno(e, EX_OSERR, CONTROL_NAME);
		return NULL;
	}
	control->loop = loop;
	control->folder = folder;
	control->spare = -1;
	control->past = json_array();
	control->listener = (struct loop_source){
	    .fd = -1,
	    .ready = clients_arrive,
	    .owner = control,
	};
	LIST_INIT(&control->clients);
	if (bind_listener(control, e) < 0) {
		control_free(control);
		return NULL;
	}
	keep_spare(control);
	return control;
}

void
control_free(struct control *control)
{
	struct control_client *client;

	if (!control)
		return;
	loop_remove(control->loop, &control->listener);
	while ((client = LIST_FIRST(&control->clients)))
		client_free(client);
	if (control->listener.fd >= 0)
		unlinkat(control->folder, CONTROL_NAME, 0);
	fd_close(&control->listener.fd);
	fd_close(&control->spare);
	json_decref(control->past);
	free(control);
}

void
control_serve(
    struct control *control, const struct control_ops *ops, void *owner)
{
	struct err e = ERR_INIT;

	control->ops = ops;
	control->owner = owner;
	if (!control->listener.added &&
	    loop_add(control->loop, &control->listener, EPOLLIN | EPOLLET, &e) <
		0)
		log_warn("%s", e.text);
}

/* After something was said outside of the client's own turn. */
static void
client_settle(struct control_client *client)
{
	if (client->out.failed || client_flush(client) < 0)
		/* Closed in its own turn: its caller may still use it. */
		shutdown(client->source.fd, SHUT_RDWR);
	client_watch(client);
}

void
control_event(struct control *control, json_t *event)
{
	struct control_client *client;

	if (!control)
		return;
	if (json_array_size(control->past) < CONTROL_PAST_MAX)
		json_array_append(control->past, event);
	LIST_FOREACH(client, &control->clients, entry)
	if (client->listens) {
		client_say(client, event);
		client_settle(client);
	}
}

void
control_listen(struct control_client *client, json_t *answer)
{
	client->listens = true;
	json_object_set_new(answer, "past", json_copy(client->control->past));
}

void
control_give(struct control_client *client)
{
	client->given = true;
}

unsigned
control_hold(struct control_client *client)
{
	client->held = true;
	client->number = ++client->control->held;
	return client->number;
}

int
control_unhold(struct control_client *client)
{
	client->held = false;
	return -1;
}

int
control_take_fd(struct control_client *client)
{
	return steal_fd(&client->fd);
}

void
control_answer(struct control *control, unsigned number, const struct err *e)
{
	struct control_client *client;
	json_t *answer;

	LIST_FOREACH(client, &control->clients, entry)
	if (client->held && client->number == number)
		break;
	if (!client)
		return;
	client->held = false;
	if (e) {
		answer_error(client, e);
	} else {
		answer = json_pack("{s:b}", "ok", 1);
		client_say(client, answer);
		json_decref(answer);
	}
	client_settle(client);
	/* What it has sent meanwhile. */
	if (take_lines(client) < 0)
		shutdown(client->source.fd, SHUT_RDWR);
	client_watch(client);
}

void
control_release_held(struct control *control, json_t *answer)
{
	struct control_client *client;

	LIST_FOREACH(client, &control->clients, entry)
	if (client->held) {
		client->held = false;
		client_say(client, answer);
		client_settle(client);
	}
}
