/* SPDX-License-Identifier: MIT */
/* control.c - the control socket: what clients may and may not do to it */
#include "cmd/vk-boot/control.h"

#include "common/endpoint.h"
#include "common/io.h"
#include "common/scope.h"
#include "tests/descriptors.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct loop *loop;
static struct control *control;
static char path[64];
static unsigned performed;
static unsigned held; /* the number of the last one that was */

static int
perform(void *owner, struct control_client *client, const struct order *order,
    json_t *answer, struct err *e)
{
	(void)owner;
	performed++;
	switch (order->kind) {
	case ORDER_STATUS:
		json_object_set_new(answer, "state", json_string("here"));
		return 0;
	case ORDER_STATS: { /* an answer that is as long as can be */
		static char text[200000];

		memset(text, 'x', sizeof(text) - 1);
		json_object_set_new(answer, "text", json_string(text));
		return 0;
	}
	case ORDER_EVENTS:
		control_listen(client, answer);
		return 0;
	case ORDER_WAIT:
		held = control_hold(client);
		return 1;
	case ORDER_RESUME: {
		cleanup_fd int fd = control_take_fd(client);
		struct stat st;

		json_object_set_new(answer, "file",
		    json_boolean(fd >= 0 && fstat(fd, &st) == 0));
		return 0;
	}
	default:
		err_set(e, EX_UNAVAILABLE, "not this");
		return err_hint(e, "that");
	}
}

static int
dial(void)
{
	union endpoint address = {.local = {.sun_family = AF_UNIX}};

	snprintf(address.local.sun_path, sizeof(address.local.sun_path),
	    "%s/control", path);
	return endpoint_connect(&address, sizeof(address.local), 0);
}

/* Until there is nothing to do. */
static void
turn(void)
{
	while (loop_turn(loop, 0) > 0)
		continue;
}

static void
say(int fd, const char *text)
{
	if (io_write(fd, text, strlen(text)) < 0)
		printf("# write: %m\n");
	turn();
}

/* What has arrived, without waiting; "" nothing, "end" at the end. */
static const char *
hear(int fd)
{
	static char text[4096];
	ssize_t n;

	turn();
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return "end";
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
test_requests(void)
{
	int fd = dial();
	struct stat st;
	char long_line[ORDER_LINE_MAX + 10];

	ok(fd >= 0, "a client connects");
	ok(fstatat(AT_FDCWD, path, &st, 0) == 0, "folder");
	say(fd, "{\"command\":\"status\"}\n");
	is_str(hear(fd), "{\"ok\":true,\"state\":\"here\"}\n", "an answer");
	say(fd, "{\"comm");
	is_str(hear(fd), "", "half a line");
	say(fd, "and\":\"status\"}\n{\"command\":\"kill\"}\n");
	is_str(hear(fd),
	    "{\"ok\":true,\"state\":\"here\"}\n"
	    "{\"ok\":false,\"error\":\"not this\",\"status\":69,"
	    "\"hint\":\"that\"}\n",
	    "the rest of it, and another");
	say(fd, "\n");
	ok(strstr(hear(fd), "\"ok\":false"), "an empty line is refused");
	say(fd, "{\"command\":\"status\"}");
	shutdown(fd, SHUT_WR);
	is_str(hear(fd), "end", "a line without its end is none");
	close(fd);

	fd = dial();
	memset(long_line, 'x', sizeof(long_line));
	long_line[sizeof(long_line) - 1] = '\0';
	say(fd, long_line);
	ok(strstr(hear(fd), "longer than"), "a line that is too long");
	is_str(hear(fd), "end", "and that was it");
	close(fd);

	fd = dial();
	performed = 0;
	say(fd, "");
	if (io_write(fd, "{\"command\":\"status\"}\n", 21) < 0)
		printf("# write: %m\n");
	close(fd);
	turn();
	is_int(performed, 1, "who asks and goes is heard");
}

static void
test_events(void)
{
	int fd = dial(), waiter = dial();
	json_t *event = json_pack("{s:s}", "event", "one");
	json_t *answer = json_pack("{s:b}", "ok", 1);

	control_event(control, event);
	say(fd, "{\"command\":\"events\"}\n");
	is_str(hear(fd), "{\"ok\":true,\"past\":[{\"event\":\"one\"}]}\n",
	    "events that were");
	shutdown(fd, SHUT_WR);
	turn();
	control_event(control, event);
	is_str(hear(fd), "{\"event\":\"one\"}\n",
	    "events that are, to one who says nothing more");
	say(waiter, "{\"command\":\"wait\"}\n{\"command\":\"status\"}\n");
	is_str(hear(waiter), "", "who waits gets no answer yet");
	control_release_held(control, answer);
	ok(strncmp(hear(waiter), "{\"ok\":true}\n", 12) == 0, "and then one");
	/* Far more than is kept for one that does not read. */
	for (int i = 0; i < 100000; i++)
		control_event(control, event);
	turn();
	while (strcmp(hear(fd), "end") != 0)
		continue;
	ok(true, "one that does not read is closed");
	close(fd);
	close(waiter);
	json_decref(event);
	json_decref(answer);
}

/* Says it with that many copies of our standard input. */
static void
say_with(int to, const char *text, unsigned count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} rights = {.header = {.cmsg_len = CMSG_LEN(count * sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS}};
	struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &rights,
	    .msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};

	memset(CMSG_DATA(&rights.header), 0, count * sizeof(int));
	if (sendmsg(to, &message, 0) < 0)
		printf("# sendmsg: %m\n");
	turn();
}

static unsigned
open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void
test_descriptors(void)
{
	static const char resume[] = "{\"command\":\"resume\"}\n";
	int fd = dial();
	unsigned before;

	say(fd, resume);
	ok(strstr(hear(fd), "false"), "a request by itself");
	before = open_fds();
	say_with(fd, resume, 1);
	ok(strstr(hear(fd), "true"), "a descriptor comes with a request");
	say(fd, resume);
	ok(strstr(hear(fd), "false"), "and not with the next");
	if (io_write(fd, "{\"command\":\"status\"}\n", 21) < 0)
		printf("# write: %m\n");
	say_with(fd, resume, 1);
	ok(strstr(hear(fd), "true,\"file\":true"),
	    "with the second of two that are read at once");
	say_with(fd, "{\"comm", 1);
	say(fd, "and\":\"resume\"}\n");
	ok(strstr(hear(fd), "true"), "with half a request");
	say_with(fd, resume, 8);
	ok(strstr(hear(fd), "true"), "one of eight");
	say_with(fd, "{\"command\":\"status\"}\n", 3);
	hear(fd);
	for (unsigned i = 0; i < 20; i++)
		say_with(fd, " ", 2);
	is_int(open_fds(), before + 1, "only the last is kept");
	close(fd);
	turn();
	is_int(open_fds(), before - 2, "none stays behind");
}

static void
test_answer(void)
{
	struct err e = ERR_INIT;
	int fd = dial(), other = dial();
	unsigned first;

	err_set(&e, EX_TEMPFAIL, "too late");
	say(fd, "{\"command\":\"wait\"}\n{\"command\":\"resume\"}\n");
	first = held;
	say(other, "{\"command\":\"wait\"}\n");
	control_answer(control, held, &e);
	ok(strstr(hear(other), "too late"), "one who waits is told an error");
	is_str(hear(fd), "", "and no other");
	control_answer(control, held, &e);
	is_str(hear(other), "", "once");
	control_answer(control, first, NULL);
	is_str(hear(fd), "{\"ok\":true}\n{\"ok\":true,\"file\":false}\n",
	    "what was asked behind it follows");
	say(fd, "{\"command\":\"wait\"}\n");
	close(fd);
	turn();
	control_answer(control, held, NULL);
	close(other);
	turn();
	ok(true, "one who is gone is not told");
}

static void
test_bounds(void)
{
	int fds[CONTROL_CLIENTS_MAX + 4], fd = dial();

	/* Answers that are not read hold up the requests behind them. */
	performed = 0;
	for (int i = 0; i < 8; i++)
		say(fd, "{\"command\":\"stats\"}\n");
	ok(performed < 8, "%u of 8 long answers are made", performed);
	while (performed < 8)
		hear(fd);
	is_int(performed, 8, "the others when there is room");
	close(fd);
	turn();
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		fds[i] = dial();
		turn();
	}
	is_str(hear(fds[CONTROL_CLIENTS_MAX - 1]), "", "the last client");
	is_str(hear(fds[CONTROL_CLIENTS_MAX]), "end", "one too many");
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
	turn();
	fd = dial();
	say(fd, "{\"command\":\"status\"}\n");
	ok(strstr(hear(fd), "here"), "there is room again");
	close(fd);
}

/* All descriptors are taken: the first who comes gets in, another waits, and
 * nobody spins. */
static void
test_starved(void)
{
	static const char status[] = "{\"command\":\"status\"}\n";
	struct descriptors taken;
	unsigned turns = 0;
	int fd, other;

	turn();
	fd = dial();
	other = dial();
	descriptors_take(&taken);
	while (turns < 1000 && loop_turn(loop, 0) > 0)
		turns++;
	ok(turns < 1000, "without a free descriptor nobody spins");
	if (turns < 1000) {
		say(fd, status);
		ok(strstr(hear(fd), "here"), "the first gets in");
		say(other, status);
		is_str(hear(other), "", "another waits");
		close(fd);
		ok(strstr(hear(other), "here"), "until one is free");
	}
	descriptors_give(&taken);
	close(other);
	turn();
}

int
main(void)
{
	static const struct control_ops ops = {.perform = perform};
	struct err e = ERR_INIT;
	struct stat st;
	char file[80];
	int folder;

	snprintf(path, sizeof(path), "/tmp/vk-test-control.XXXXXX");
	if (!mkdtemp(path))
		return 1;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loop = loop_new("test", &e);
	control = control_new(loop, folder, &e);
	ok(control != NULL, "made: %s", e.text);
	if (!control)
		return tap_done();
	snprintf(file, sizeof(file), "%s/control", path);
	ok(stat(file, &st) == 0 && (st.st_mode & 0777) == 0600,
	    "for its owner alone");
	control_serve(control, &ops, NULL);
	test_requests();
	test_events();
	test_descriptors();
	test_answer();
	test_bounds();
	test_starved();
	control_free(control);
	ok(stat(file, &st) < 0, "gone");
	loop_free(loop);
	close(folder);
	rmdir(path);
	return tap_done();
}
