/* SPDX-License-Identifier: MIT */
/* forward.c - connections into the guest and out of it */
#include "agent/forward.h"

#include "agent/session.h"
#include "common/endpoint.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Accepted connections that wait for the client to take them. */
#define WAITING_MAX 128
/* A client that does not is gone. */
#define WAITING_MS 10000

/* A unix socket's server that has its backlog full is asked again that often,
 * and given up after so long: connect(2) would block on it, but not tell. */
#define AGAIN_MS   20
#define BACKLOG_MS 10000

/* Connections that there is no descriptor for wait so long. */
#define FULL_MS 100

/* Where it is to be. Returns its length, 0 where the client was told. */
static socklen_t
target_of(struct connection *c, const struct request *r, union endpoint *a)
{
	socklen_t len = r->target ? endpoint_parse(r->target, a) : 0;

	if (len == 0)
		connection_failed(c, 125,
		    "%s: neither a port, an address and a port, nor a path",
		    r->target ? r->target : "target");
	return len;
}

/* ---- into the guest -------------------------------------------------------
 */

/* A connect(2) that is not over yet. */
struct attempt {
	struct agent *agent;
	struct watch watch;
	struct timer again;
	int64_t until_ms;
	struct connection *connection;
	struct request request;
	union endpoint address;
	socklen_t len;
};

static void
attempt_free(struct attempt *t)
{
	loop_timer_stop(&t->agent->loop, &t->again);
	loop_remove(&t->agent->loop, &t->watch);
	request_release(&t->request);
	free(t);
}

static int
attempt_frame(void *context, const struct frame *f)
{
	(void)context;
	(void)f;
	return -1; /* the connection is held: none comes */
}

static void
attempt_room(void *context)
{
	(void)context;
}

static void
attempt_lost(void *context)
{
	attempt_free(context);
}

static const struct connection_user attempt_user = {
    .frame = attempt_frame, .room = attempt_room, .lost = attempt_lost};

static void
attempt_failed(struct attempt *t, int number)
{
	t->connection->held = false;
	connection_failed(
	    t->connection, 125, "%s: %s", t->request.target, strerror(number));
	attempt_free(t);
}

static void
attempt_ready(struct watch *w, uint32_t events)
{
	struct attempt *t = container_of(w, struct attempt, watch);
	struct connection *c = t->connection;
	int number = 0, fd;
	socklen_t len = sizeof(number);

	(void)events;
	getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &number, &len);
	if (number) {
		attempt_failed(t, number);
		return;
	}
	fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 3);
	session_socket(c, &t->request, fd);
	attempt_free(t);
	connection_resume(c);
}

static void attempt_start(struct attempt *);

static void
attempt_again(struct timer *again)
{
	attempt_start(container_of(again, struct attempt, again));
}

static void
attempt_start(struct attempt *t)
{
	struct loop *loop = &t->agent->loop;
	cleanup_fd int fd = endpoint_connect(&t->address, t->len, 1);

	if (fd < 0 && errno == EAGAIN && t->address.any.sa_family == AF_UNIX &&
	    loop_now_ms() < t->until_ms)
		loop_timer(loop, &t->again, AGAIN_MS, attempt_again);
	else if (fd < 0 ||
		 loop_add(loop, &t->watch, fd, EPOLLOUT, attempt_ready) < 0)
		attempt_failed(t, errno);
	else
		steal_fd(&fd);
}

void
forward_connect(struct connection *c, struct request *r)
{
	union endpoint a;
	socklen_t len = target_of(c, r, &a);
	struct attempt *t;

	if (len == 0)
		return;
	t = malloc(sizeof(*t));
	if (!t) {
		connection_failed(c, 125, "out of memory");
		return;
	}
	*t = (struct attempt){.agent = c->agent,
	    .watch = {.fd = -1},
	    .until_ms = loop_now_ms() + BACKLOG_MS,
	    .connection = c,
	    .request = *r,
	    .address = a,
	    .len = len};
	*r = (struct request){.bytes = NULL};
	connection_use(c, &attempt_user, t);
	connection_hold(c); /* what it sends is for when we are connected */
	attempt_start(t);
}

/* ---- out of the guest -----------------------------------------------------
 */

struct listener {
	struct agent *agent;
	struct watch watch;
	struct timer full;
	struct connection *connection;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Accepted, until OPEN_JOIN takes it. */
struct waiting {
	struct waiting *next;
	struct agent *agent;
	struct timer timer;
	uint64_t token;
	int fd;
};

static struct waiting *waiting;
static unsigned waiting_count;

static int
waiting_take(struct waiting *w)
{
	struct waiting **at = &waiting;
	int fd = w->fd;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	waiting_count--;
	loop_timer_stop(&w->agent->loop, &w->timer);
	free(w);
	return fd;
}

static void
waited_long(struct timer *t)
{
	close(waiting_take(container_of(t, struct waiting, timer)));
}

static void
accept_one(struct listener *l, int fd)
{
	struct waiting *w = NULL;
	uint8_t payload[8];
	struct writer writer = writer_of(payload, sizeof(payload));

	if (waiting_count < WAITING_MAX)
		w = calloc(1, sizeof(*w));
	if (!w) {
		close(fd);
		return;
	}
	*w = (struct waiting){.next = waiting,
	    .agent = l->agent,
	    .token = ++l->agent->next_token,
	    .fd = fd};
	waiting = w;
	waiting_count++;
	loop_timer(&l->agent->loop, &w->timer, WAITING_MS, waited_long);
	put_le(&writer, w->token, 8);
	connection_say(l->connection, FRAME_ACCEPTED, 0, payload, 8);
}

static void
listen_again(struct timer *full)
{
	struct listener *l = container_of(full, struct listener, full);

	loop_want(&l->agent->loop, &l->watch, EPOLLIN);
}

static void
listener_ready(struct watch *w, uint32_t events)
{
	struct listener *l = container_of(w, struct listener, watch);
	int fd;

	(void)events;
	/* One a turn, as there may be no end of them. */
	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		accept_one(l, fd);
	} else if (errno != EAGAIN) { /* no descriptor is free */
		loop_want(&l->agent->loop, w, 0);
		loop_timer(&l->agent->loop, &l->full, FULL_MS, listen_again);
	}
	connection_flush(l->connection);
}

static int
listener_frame(void *context, const struct frame *f)
{
	(void)context;
	return f->type == FRAME_DATA ? -1 : 0;
}

static void
listener_lost(void *context)
{
	struct listener *l = context;

	loop_timer_stop(&l->agent->loop, &l->full);
	loop_remove(&l->agent->loop, &l->watch);
	if (l->path[0])
		unlink(l->path);
	free(l);
}

static const struct connection_user listener_user = {
    .frame = listener_frame, .room = attempt_room, .lost = listener_lost};

void
forward_listen(struct connection *c, struct request *r)
{
	union endpoint a;
	socklen_t len = target_of(c, r, &a);
	cleanup_fd int fd = -1;
	struct listener *l;
	uint8_t started[8] = {0, 0, 0, 0};

	if (len == 0)
		return;
	fd = endpoint_listen(&a, len);
	if (fd < 0) {
		connection_failed(c, 125, "%s: %s", r->target, strerror(errno));
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l || loop_add(&c->agent->loop, &l->watch, fd, EPOLLIN,
		      listener_ready) < 0) {
		free(l);
		connection_failed(c, 125, "out of memory");
		return;
	}
	steal_fd(&fd);
	l->agent = c->agent;
	l->connection = c;
	if (a.any.sa_family == AF_UNIX)
		memcpy(l->path, a.local.sun_path, sizeof(l->path));
	connection_use(c, &listener_user, l);
	started[0] = 1; /* no session's id is needed, but 0 is none */
	connection_say(c, FRAME_STARTED, 0, started, sizeof(started));
}

void
forward_join(struct connection *c, struct request *r)
{
	struct waiting *w = waiting;

	while (w && w->token != r->token)
		w = w->next;
	if (!w) {
		connection_failed(c, 125, "the connection is gone");
	} else if (r->flags & OPEN_DETACH) { /* nobody is there for it */
		close(waiting_take(w));
		connection_exited(c, 0);
	} else {
		session_socket(c, r, waiting_take(w));
	}
}
