/* SPDX-License-Identifier: MIT */
/* control.c - watching and changing a running switch */
#include "cmd/vk-switch/control.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/report.h"
#include "common/local_socket.h"
#include "common/scope.h"

#include <errno.h>
#include <jansson.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static watch_handler control_event, client_event;

/* jansson's memory; it knows no context, so there is one arena. */
static struct control *arena_of;

static void *
arena_take(size_t size)
{
	struct control *c = arena_of;
	void *at;

	if (size > CONTROL_ARENA - 16)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > CONTROL_ARENA - c->arena_used)
		return NULL;
	at = c->arena + c->arena_used;
	c->arena_used += size;
	return at;
}

static void
arena_give(void *at)
{
	(void)at; /* all at once, after the request */
}

void
control_init(struct lan *lan)
{
	struct control *c = &lan->control;

	c->fd = c->folder = c->status_fd = -1;
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	lan->loop.handlers[WATCH_CONTROL] = control_event;
	lan->loop.handlers[WATCH_CONTROL_CLIENT] = client_event;
}

int
control_open(struct lan *lan, const char *path, struct err *e)
{
	struct control *c = &lan->control;
	struct watch w = {.kind = WATCH_CONTROL};

	c->fd = local_socket_listen(path, 64, &c->folder, e);
	if (c->fd < 0)
		return -1;
	snprintf(c->path, sizeof(c->path), "%s", path);
	arena_of = c;
	json_set_alloc_funcs(arena_take, arena_give);
	/* Its hash seed would otherwise be read from a file, later. */
	json_object_seed(0);
	if (loop_watch(&lan->loop, c->fd, &w, EPOLLIN) < 0)
		return err_errno(e, EX_OSERR, "%s", path);
	return 0;
}

static void
client_close(struct control_client *c)
{
	fd_close(&c->fd);
	c->generation++;
}

void
control_release(struct lan *lan)
{
	struct control *c = &lan->control;

	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_close(&c->clients[i]);
	if (c->fd >= 0)
		local_socket_remove(c->folder, c->path);
	fd_close(&c->fd);
	fd_close(&c->folder);
}

/* ---- output ------------------------------------------------------------- */

static void
client_flush(struct lan *lan, struct control_client *c)
{
	struct watch w = {.kind = WATCH_CONTROL_CLIENT,
	    .index = (uint32_t)(c - lan->control.clients),
	    .generation = c->generation};

	while (c->out_done < c->out_have) {
		ssize_t n = send(c->fd, c->out + c->out_done,
		    c->out_have - c->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			loop_rewatch(&lan->loop, c->fd, &w, EPOLLOUT);
			return;
		}
		if (n < 0) {
			client_close(c);
			return;
		}
		c->out_done += (size_t)n;
	}
	c->out_done = c->out_have = 0;
	/* Whose requests have ended is watched for its leaving only. */
	loop_rewatch(&lan->loop, c->fd, &w, c->ended ? 0 : EPOLLIN);
}

static struct writer
client_writer(struct control_client *c)
{
	return writer_of(c->out + c->out_have, sizeof(c->out) - c->out_have);
}

void
event_log(struct lan *lan, const char *kind, const char *vm, const char *detail)
{
	uint8_t line[1024];
	struct writer w = writer_of(line, sizeof(line));

	report_text(&w, "{\"event\":");
	report_string(&w, kind);
	report_text(&w, ",\"vm\":");
	report_string(&w, vm);
	report_text(&w, ",\"detail\":");
	report_string(&w, detail);
	report_text(&w, "}\n");
	if (w.bad)
		return;
	if (lan->control.status_fd >= 0 &&
	    write(lan->control.status_fd, line, writer_len(&w)) < 0 &&
	    errno == EPIPE)
		fd_close(&lan->control.status_fd);
	for (uint32_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *c = &lan->control.clients[i];
		struct writer out = client_writer(c);

		/* One that does not read loses events. */
		if (c->fd < 0 || !c->events || out.left < writer_len(&w))
			continue;
		put_bytes(&out, line, writer_len(&w));
		c->out_have += writer_len(&w);
		client_flush(lan, c);
	}
}

/* ---- requests ----------------------------------------------------------- */

struct request {
	const char *command, *what, *rules, *vm;
	json_int_t from;
};

static int
do_policy(struct lan *lan, const struct request *r, struct err *e)
{
	uint32_t index = 0;

	if (!r->rules)
		return err_set(e, EX_USAGE, "no rules");
	if (r->vm) {
		for (uint32_t i = 0; i < lan->listener_count && !index; i++)
			if (strcmp(lan->listeners[i].name, r->vm) == 0)
				index = lan->listeners[i].policy;
		if (!index)
			return err_set(e, EX_USAGE,
			    "%s: no VM with a policy of its own", r->vm);
	}
	return policy_parse(
	    &lan->policies[index], r->rules, strlen(r->rules), e);
}

/* Returns 1 for a command that it does not know. */
static int
change(struct lan *lan, struct control_client *c, const struct request *r,
    struct err *e)
{
	if (strcmp(r->command, "publish") == 0)
		return publish_add(lan, r->what ? r->what : "", e);
	if (strcmp(r->command, "unpublish") == 0)
		return publish_remove(lan, r->what ? r->what : "", e);
	if (strcmp(r->command, "policy") == 0)
		return do_policy(lan, r, e);
	if (strcmp(r->command, "reload") == 0)
		return reload_begin(lan, e);
	if (strcmp(r->command, "events") == 0) {
		c->events = true;
		return 0;
	}
	return 1;
}

static bool
report(struct lan *lan, const struct request *r, struct writer *w)
{
	if (strcmp(r->command, "ports") == 0)
		report_ports(lan, w);
	else if (strcmp(r->command, "leases") == 0)
		report_leases(lan, w);
	else if (strcmp(r->command, "counters") == 0)
		report_counters(lan, w);
	else if (strcmp(r->command, "published") == 0)
		report_published(lan, w);
	else if (strcmp(r->command, "flows") == 0)
		report_flows(lan, w, r->from < 0 ? 0 : (uint32_t)r->from);
	else
		return false;
	return true;
}

static void
answer_error(struct writer *w, const struct err *e)
{
	report_text(w, "{\"ok\":false,\"error\":");
	report_string(w, e->text);
	report_text(w, "}\n");
}

static void
perform(struct lan *lan, struct control_client *c, const struct request *r)
{
	struct writer w = client_writer(c), start = w;
	struct err e = ERR_INIT;
	int result = change(lan, c, r, &e);

	/* Events may have been added meanwhile. */
	w = start = client_writer(c);
	if (result < 0) {
		answer_error(&w, &e);
	} else if (result == 0) {
		report_text(&w, "{\"ok\":true}\n");
	} else {
		report_text(&w, "{\"ok\":true,");
		if (report(lan, r, &w)) {
			report_text(&w, "}\n");
		} else {
			w = start;
			err_set(
			    &e, EX_USAGE, "%s: unknown command", r->command);
			answer_error(&w, &e);
		}
	}
	if (w.bad) {
		w = start;
		err_set(&e, EX_SOFTWARE, "the answer is too long");
		answer_error(&w, &e);
	}
	c->out_have += writer_len(&w);
}

static void
request_line(
    struct lan *lan, struct control_client *c, const char *line, size_t len)
{
	struct request r = {.from = 0};
	json_error_t error;
	json_t *root;

	lan->control.arena_used = 0;
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!root || json_unpack(root, "{s:s, s?s, s?s, s?s, s?I}", "command",
			 &r.command, "what", &r.what, "rules", &r.rules, "vm",
			 &r.vm, "from", &r.from) < 0)
		r.command = "";
	perform(lan, c, &r);
	lan->control.arena_used = 0;
}

static void
requests(struct lan *lan, struct control_client *c)
{
	char *newline;

	/* One answer at a time: the next when that is on its way. */
	while (c->fd >= 0 && c->out_have == 0 &&
	       (newline = memchr(c->in, '\n', c->in_have))) {
		size_t len = (size_t)(newline - c->in);

		request_line(lan, c, c->in, len);
		c->in_have -= len + 1;
		memmove(c->in, newline + 1, c->in_have);
		client_flush(lan, c);
	}
}

static void
client_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct control_client *c = &lan->control.clients[w->index];
	ssize_t n;

	if (c->fd < 0 || (c->generation & 0xffffff) != w->generation)
		return;
	if (events & EPOLLOUT) {
		client_flush(lan, c);
		requests(lan, c);
		return;
	}
	if (c->ended) { /* EPOLLHUP */
		client_close(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_have, sizeof(c->in) - c->in_have,
	    MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n == 0 && c->events && c->in_have < sizeof(c->in)) {
		c->ended = true;
		client_flush(lan, c);
		return;
	}
	if (n <= 0) { /* gone, or a request that does not end */
		client_close(c);
		return;
	}
	c->in_have += (size_t)n;
	requests(lan, c);
}

static void
control_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct watch watch = {.kind = WATCH_CONTROL_CLIENT};
	int fd = descriptor_accept(lan, NULL, lan->control.fd, NULL);

	(void)w, (void)events;
	for (uint32_t i = 0; fd >= 0 && i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *c = &lan->control.clients[i];

		if (c->fd >= 0)
			continue;
		c->fd = steal_fd(&fd);
		c->generation++;
		c->events = c->ended = false;
		c->in_have = c->out_have = c->out_done = 0;
		watch.index = i;
		watch.generation = c->generation;
		if (loop_watch(&lan->loop, c->fd, &watch, EPOLLIN) < 0)
			client_close(c);
	}
	fd_close(&fd);
}
