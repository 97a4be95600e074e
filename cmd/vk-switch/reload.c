/* SPDX-License-Identifier: MIT */
/* reload.c - files that are read again: rules, and the host's DNS servers */
#include "cmd/vk-switch/reload.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

static watch_handler reload_event;

void
reload_init(struct lan *lan)
{
	lan->reload.fd = -1;
	lan->loop.handlers[WATCH_RELOAD] = reload_event;
}

void
reload_release(struct lan *lan)
{
	fd_close(&lan->reload.fd);
}

void
reload_add(struct lan *lan, const struct reload_item *item)
{
	lan->reload.items[lan->reload.count++] = *item;
}

/* Reads a small file whole. Returns its length, -1 with errno. */
static ssize_t
read_text(const char *path, char *into)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read(fd, into, RELOAD_TEXT_MAX + 1);

	if (n > RELOAD_TEXT_MAX)
		return errno = EFBIG, -1;
	return n;
}

/* ---- what it means ------------------------------------------------------ */

static int
apply_rules(struct lan *lan, uint32_t policy, const char *text, size_t len,
    struct err *e)
{
	/* Static: half a MiB, and only the one thread comes here. */
	static struct policy fresh;
	const struct reload *r = &lan->reload;

	/* A VM's own rules narrow: what they do not name is denied. */
	fresh = (struct policy){.used = true, .allow_rest = policy == 0};
	for (unsigned i = 0; policy == 0 && i < r->rule_count; i++)
		if (policy_add(&fresh, r->rules[i], e) < 0)
			return -1;
	if (policy_append(&fresh, text, len, e) < 0)
		return -1;
	lan->policies[policy] = fresh;
	return 0;
}

static int
apply(struct lan *lan, const struct reload_item *item, const char *text,
    size_t len, struct err *e)
{
	if (!item->servers)
		return apply_rules(lan, item->policy, text, len, e);
	resolver_read_conf(lan, text);
	return 0;
}

int
reload_first(struct lan *lan, struct err *e)
{
	struct reload *r = &lan->reload;

	for (uint32_t i = 0; i < r->count; i++) {
		const struct reload_item *item = &r->items[i];
		ssize_t n = read_text(item->path, r->text);

		/* A host without resolv.conf is without names. */
		if (n < 0 && item->servers)
			continue;
		if (n < 0)
			return err_errno(e, 0, "%s", item->path);
		r->text[n] = '\0';
		if (apply(lan, item, r->text, (size_t)n, e) < 0)
			return err_prefix(e, "%s", item->path);
	}
	return 0;
}

/* ---- the reader --------------------------------------------------------- */

static int
answer(int fd, const struct reload_item *item, char *text)
{
	struct writer w = writer_of(text, 4);
	ssize_t n = read_text(item->path, text + 4);

	put_be(&w, n < 0 ? READER_ERROR | (unsigned)errno : (size_t)n, 4);
	return io_write(fd, text, 4 + (n < 0 ? 0 : (size_t)n));
}

_Noreturn static void
reader(struct reload *r, int fd)
{
	static const struct rlimit none;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint8_t number;

	/* What the switch holds is not to live on in here. */
	for (int i = 0; i < 3; i++)
		dup2(nothing, i);
	if (dup2(fd, 3) < 0 || close_range(4, ~0u, 0) < 0)
		_exit(EX_OSERR);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	while (io_read(3, &number, 1) == 1 && number < r->count)
		if (answer(3, &r->items[number], r->text) < 0)
			break;
	_exit(0);
}

int
reload_start(struct lan *lan, struct err *e)
{
	struct reload *r = &lan->reload;
	struct watch w = {.kind = WATCH_RELOAD};
	int ends[2];
	pid_t pid;

	r->current = r->count;
	if (r->count == 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(e, EX_OSERR, "socket pair");
	pid = fork();
	if (pid == 0)
		reader(r, ends[1]);
	close(ends[1]);
	r->fd = ends[0];
	if (pid < 0)
		return err_errno(e, EX_OSERR, "fork");
	if (loop_watch(&lan->loop, r->fd, &w, EPOLLIN) < 0)
		return err_errno(e, EX_OSERR, "epoll");
	return 0;
}

/* ---- the switch's side -------------------------------------------------- */

static void
lose_reader(struct reload *r)
{
	log_warn("the process that reads files again is gone");
	fd_close(&r->fd);
	r->current = r->count;
}

static void
ask(struct lan *lan)
{
	struct reload *r = &lan->reload;
	uint8_t number = (uint8_t)r->current;

	r->have = 0;
	if (r->current == r->count && r->again) {
		r->again = false;
		r->current = number = 0;
	}
	if (r->current < r->count &&
	    send(r->fd, &number, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		lose_reader(r);
}

int
reload_begin(struct lan *lan, struct err *e)
{
	struct reload *r = &lan->reload;

	if (r->fd < 0)
		return err_set(e, EX_UNAVAILABLE, "no file to read again");
	if (r->current < r->count) {
		r->again = true;
		return 0;
	}
	r->current = 0;
	ask(lan);
	return 0;
}

static void
take(struct lan *lan, uint32_t head)
{
	struct reload *r = &lan->reload;
	const struct reload_item *item = &r->items[r->current];
	struct err e = ERR_INIT;
	int result = -1;

	r->text[r->have] = '\0';
	if (head & READER_ERROR)
		err_set(&e, EX_NOINPUT, "%s", strerror((int)(head & 0xffff)));
	else
		result = apply(lan, item, r->text + 4, r->have - 4, &e);
	if (result < 0)
		log_warn("%s: %s; nothing is changed", item->path, e.text);
	else
		log_info("%s: read again", item->path);
	event_log(
	    lan, result < 0 ? "not-reloaded" : "reloaded", "", item->path);
}

static void
reload_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct reload *r = &lan->reload;
	struct cursor c;
	uint32_t head;
	ssize_t n;

	(void)w, (void)events;
	n = recv(r->fd, r->text + r->have, sizeof(r->text) - 1 - r->have,
	    MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || r->current == r->count) {
		lose_reader(r);
		return;
	}
	r->have += (size_t)n;
	c = cursor_of(r->text, r->have);
	head = get_be32(&c);
	if (c.bad || (!(head & READER_ERROR) && c.left < head))
		return;
	take(lan, head);
	r->current++;
	ask(lan);
}
