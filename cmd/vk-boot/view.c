/* SPDX-License-Identifier: MIT */
/* view.c - who watches the guest's console, and types into it */
#include "cmd/vk-boot/view.h"

#include "cmd/vk-boot/unix_place.h"

#include "common/escape.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>

/* One step of a copy. */
#define PIECE 4096
/* At the end, for a reader that has stopped reading; and for all of them, as
 * one may go on to take a little at a time. */
#define FINISH_MS     500
#define FINISH_MAX_MS 5000
/* Steps before other sources of the loop have their turn. */
#define TURN_MAX 16

struct view {
	LIST_ENTRY(view) entry;
	struct views *views;
	struct view_config config;
	struct loop_source in, out; /* out: where it is another than in */
	struct escape escape;
	uint64_t at; /* its place in the ring */
	bool full;   /* what it shows waits for its reader */
	bool ended;  /* its input has */
	bool parked; /* so will it be; what was typed before waits */
};

struct views {
	struct loop *loop;
	struct ring *ring;
	struct loop_source news;  /* something was said */
	struct loop_source typed; /* the guest's input has room again */
	struct loop_source listener;
	bool starved;            /* one there waits for a descriptor */
	struct unix_place place; /* of the listener */
	int input;               /* the guest's end of it */
	int slave;               /* of the pseudo-terminal: keeps it open */
	LIST_HEAD(, view) list;
	unsigned count;
};

static void clients_arrive(struct loop_source *, uint32_t events);

static void
view_free(struct view *view)
{
	struct views *views = view->views;
	struct view_config config = view->config;

	loop_close(views->loop, &view->in);
	loop_close(views->loop, &view->out);
	LIST_REMOVE(view, entry);
	views->count--;
	free(view);
	if (config.left)
		config.left(config.owner);
	if (views->starved && views->listener.added)
		clients_arrive(&views->listener, 0);
}

/* A hang-up is told for ever: it is not waited for until there is room for what
 * was typed before. */
static void
view_park(struct view *view)
{
	loop_remove(view->views->loop, &view->in);
	view->parked = true;
}

static void
view_unpark(struct view *view)
{
	struct err e = ERR_INIT;

	view->parked = false;
	if (loop_add(view->views->loop, &view->in, 0, &e) < 0)
		log_info("console: %s", e.text);
}

/* What to wait for now. An input that the guest does not take waits too. */
static void
view_watch(struct view *view)
{
	bool apart = view->out.fd >= 0;
	uint32_t in = view->ended || view->views->typed.added ? 0 : EPOLLIN;
	uint32_t out = view->full ? EPOLLOUT : 0;

	if (view->parked && !view->views->typed.added)
		view_unpark(view);
	if (view->in.added)
		loop_change(
		    view->views->loop, &view->in, apart ? in : in | out);
	if (view->out.added)
		loop_change(view->views->loop, &view->out, out);
}

/* A socket that was given to us as standard output is shared with others, and
 * may block: it cannot be opened anew. */
static ssize_t
view_write(int fd, const void *from, size_t len)
{
	ssize_t n = send(fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(fd, from, len) : n;
}

/* Shows what is new. 0, -1: nobody is there any more. */
static int
view_show(struct view *view)
{
	int fd = view->out.fd >= 0 ? view->out.fd : view->in.fd;
	char piece[PIECE];

	view->full = false;
	for (unsigned turns = 0;; turns++) {
		uint64_t next = view->at;
		size_t len =
		    ring_read(view->views->ring, &next, piece, sizeof(piece));
		ssize_t n;

		if (len == 0)
			return 0;
		n = view_write(fd, piece, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (n > 0)
			view->at = next - (len - (size_t)n);
		/* A file takes all, and cannot be waited for. */
		if (n > 0 &&
		    !(view->out.fd >= 0 ? view->out.added : view->in.added))
			continue;
		if (n < (ssize_t)len || turns == TURN_MAX) {
			view->full = true;
			return 0;
		}
	}
}

const struct filter_call views_calls[] = {
    CALL(accept4),
    CALL(poll),
    CALL(fcntl),
    CALL(sendto),
    CALL(unlinkat), /* the socket, at the end */
    CALLS_END,
};

/* ---- what is typed ---- */

static void
watch_all(struct views *views)
{
	struct view *view;

	LIST_FOREACH(view, &views->list, entry)
	view_watch(view);
}

static void
input_has_room(struct loop_source *source, uint32_t events)
{
	struct views *views = source->owner;

	(void)events;
	loop_remove(views->loop, source);
	watch_all(views);
}

/* Whether a piece can be typed: a pipe that is not full takes one whole (it is
 * no larger than PIPE_BUF). If not, all inputs wait until it can. */
static bool
can_type(struct views *views)
{
	struct pollfd p = {.fd = views->typed.fd, .events = POLLOUT};
	struct err e = ERR_INIT;

	if (poll(&p, 1, 0) > 0)
		return true;
	if (!views->typed.added &&
	    loop_add(views->loop, &views->typed, EPOLLOUT, &e) < 0)
		log_info("console: %s", e.text);
	watch_all(views);
	return false;
}

static void
type(struct views *views, const char *text, size_t len)
{
	if (len > 0 && write(views->typed.fd, text, len) < 0)
		log_info("console: what was typed is lost");
}

/* Takes what was typed once. 0, -1: it wants to leave. */
static int
view_take(struct view *view)
{
	char piece[PIECE - 1], passed[PIECE];
	bool leave = false;
	size_t len;
	ssize_t n;

	if (!can_type(view->views))
		return 0;
	n = read(view->in.fd, piece, sizeof(piece));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0) {
		view->ended = true;
		/* A pipe would say so for ever. */
		if (view->out.fd >= 0)
			loop_remove(view->views->loop, &view->in);
		return view->config.stays ? 0 : -1;
	}
	if (!view->config.escape) {
		type(view->views, piece, (size_t)n);
		return 0;
	}
	len = escape_filter(&view->escape, piece, (size_t)n, passed, &leave);
	type(view->views, passed, len);
	return leave ? -1 : 0;
}

/* ---- events ---- */

static void
view_ready(struct loop_source *source, uint32_t events)
{
	struct view *view = source->owner;
	bool gone = false;

	if (source == &view->in && events & (EPOLLIN | EPOLLHUP) &&
	    !view->ended) {
		gone = view_take(view) < 0;
		if (events & EPOLLHUP && view->views->typed.added)
			view_park(view);
	} else if (events & (EPOLLHUP | EPOLLERR))
		gone = true;
	if (gone || view_show(view) < 0)
		view_free(view);
	else
		view_watch(view);
}

static void
something_said(struct loop_source *source, uint32_t events)
{
	struct views *views = source->owner;
	struct view *view, *next;

	(void)events;
	eventfd_take(source->fd);
	for (view = LIST_FIRST(&views->list); view; view = next) {
		next = LIST_NEXT(view, entry);
		if (view->full)
			continue; /* it is waited for */
		if (view_show(view) < 0)
			view_free(view);
		else if (view->full)
			view_watch(view);
	}
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Those who have not seen all. Returns how many. */
static nfds_t
unfinished(const struct views *views, struct pollfd *p)
{
	const struct view *view;
	nfds_t count = 0;

	LIST_FOREACH(view, &views->list, entry)
	if (view->full)
		p[count++] = (struct pollfd){
		    .fd = view->out.fd >= 0 ? view->out.fd : view->in.fd,
		    .events = POLLOUT,
		};
	return count;
}

static void
views_show(struct views *views)
{
	struct view *view, *next;

	for (view = LIST_FIRST(&views->list); view; view = next) {
		next = LIST_NEXT(view, entry);
		if (view_show(view) < 0)
			view_free(view);
	}
}

/* Shows the rest, as far as its readers take it in that time. */
static void
views_finish(struct views *views)
{
	struct pollfd p[VIEWS_MAX];
	int64_t end_ms = now_ms() + FINISH_MAX_MS, left_ms;
	struct view *view;
	nfds_t count;

	LIST_FOREACH(view, &views->list, entry)
	view->config.left = NULL;
	views_show(views);
	while ((count = unfinished(views, p)) > 0 &&
	       (left_ms = end_ms - now_ms()) > 0) {
		if (left_ms > FINISH_MS)
			left_ms = FINISH_MS;
		if (poll(p, count, (int)left_ms) == 0)
			break;
		views_show(views);
	}
}

/* All there are, for they wake us once. */
static void
clients_arrive(struct loop_source *source, uint32_t events)
{
	struct views *views = source->owner;
	struct view_config config = {.from_start = true, .stays = true};
	struct err e = ERR_INIT;

	(void)events;
	views->starved = false;
	while ((config.in = config.out =
		       unix_place_accept(source->fd, &views->starved)) >= 0)
		if (views_open(views, &config, NULL, 0, &e) < 0)
			log_info("console: %s", e.text);
}

/* ---- what others call ---- */

static int
open_sources(struct views *views, struct err *e)
{
	int ends[2];

	views->news.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (views->news.fd < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(e, EX_OSERR, "console");
	views->input = ends[0];
	views->typed.fd = ends[1];
	return loop_add(views->loop, &views->news, EPOLLIN, e);
}

struct views *
views_new(struct loop *loop, struct ring *ring, struct err *e)
{
	struct views *views = calloc(1, sizeof(*views));

	if (!views) {
		err_errno(e, EX_OSERR, "console");
		return NULL;
	}
	views->loop = loop;
	views->place = (struct unix_place)UNIX_PLACE_INIT;
	views->ring = ring;
	views->news = (struct loop_source){
	    .fd = -1, .ready = something_said, .owner = views};
	views->typed = (struct loop_source){
	    .fd = -1, .ready = input_has_room, .owner = views};
	views->listener = (struct loop_source){
	    .fd = -1, .ready = clients_arrive, .owner = views};
	views->input = views->slave = -1;
	LIST_INIT(&views->list);
	if (open_sources(views, e) < 0) {
		views_free(views);
		return NULL;
	}
	return views;
}

void
views_free(struct views *views)
{
	struct view *view;

	if (!views)
		return;
	ring_watch(views->ring, -1);
	loop_remove(views->loop, &views->listener);
	views_finish(views);
	while ((view = LIST_FIRST(&views->list)))
		view_free(view);
	if (views->listener.fd >= 0)
		unix_place_remove(&views->place);
	unix_place_close(&views->place);
	fd_close(&views->listener.fd);
	loop_close(views->loop, &views->news);
	loop_close(views->loop, &views->typed);
	fd_close(&views->input);
	fd_close(&views->slave);
	free(views);
}

int
views_input(const struct views *views)
{
	return views->input;
}

/* Adds a source; a plain file needs no waiting for. */
static int
add_source(struct loop *loop, struct loop_source *source, struct err *e)
{
	if (source->fd < 0 || loop_add(loop, source, 0, e) == 0)
		return 0;
	return errno == EPERM ? 0 : -1;
}

int
views_open(struct views *views, const struct view_config *config,
    const void *typed, size_t len, struct err *e)
{
	struct view *view = calloc(1, sizeof(*view));
	int in = config->in;
	int out = config->out == config->in ? -1 : config->out;

	if (!view || views->count == VIEWS_MAX) {
		free(view);
		fd_close(&in);
		fd_close(&out);
		return err_set(
		    e, EX_UNAVAILABLE, "at most %d views", VIEWS_MAX);
	}
	view->views = views;
	view->config = *config;
	view->in =
	    (struct loop_source){.fd = in, .ready = view_ready, .owner = view};
	view->out =
	    (struct loop_source){.fd = out, .ready = view_ready, .owner = view};
	view->at = config->from_start ? 0 : UINT64_MAX;
	ring_read(views->ring, &view->at, NULL, 0);
	LIST_INSERT_HEAD(&views->list, view, entry);
	views->count++;
	if (add_source(views->loop, &view->in, e) < 0 ||
	    add_source(views->loop, &view->out, e) < 0) {
		view->config.left = NULL;
		view_free(view);
		return -1;
	}
	ring_watch(views->ring, views->news.fd);
	type(views, typed, len);
	/* If nobody is there any more, its descriptor will say so. */
	if (view_show(view) < 0)
		log_info("console: a view has gone");
	view_watch(view);
	return 0;
}

int
views_keep(struct views *views, struct confine *confine, struct err *e)
{
	return confine_keep(confine, views->place.folder, CONFINE_REMOVE, e);
}

int
views_listen(struct views *views, const char *path, struct err *e)
{
	if (unix_place_open(&views->place, path, e) < 0)
		return -1;
	views->listener.fd = unix_place_listen(&views->place, e);
	if (views->listener.fd < 0)
		return -1;
	return loop_add(views->loop, &views->listener, EPOLLIN | EPOLLET, e);
}

int
views_terminal(struct views *views, char *name, struct err *e)
{
	struct view_config config = {.from_start = true, .stays = true};
	struct termios settings;
	cleanup_fd int fd =
	    posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 ||
	    ptsname_r(fd, name, 64) != 0)
		return err_errno(e, EX_OSERR, "pseudo-terminal");
	/* Held open by us: there is no hang-up when a user leaves. */
	views->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (views->slave < 0 || tcgetattr(views->slave, &settings) < 0)
		return err_errno(e, EX_OSERR, "%s", name);
	cfmakeraw(&settings);
	tcsetattr(views->slave, TCSANOW, &settings);
	config.in = config.out = steal_fd(&fd);
	return views_open(views, &config, NULL, 0, e);
}
