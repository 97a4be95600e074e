/* SPDX-License-Identifier: MIT */
/* What QEMU says of its end, whole, in pieces, too long and wrong; and a stream
 * whose other end does not read. */
#include "cmd/vk-boot/qmp.h"

#include "common/scope.h"

#include "tests/tap.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define ENDED(reason)                                                          \
	"{\"timestamp\": {\"seconds\": 1}, \"event\": \"SHUTDOWN\", "          \
	"\"data\": {\"guest\": true, \"reason\": \"" reason "\"}}\r\n"

static char folder[] = "/tmp/vk-qmp.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct loop *loop;
static struct qmp qmp;

static void
turn(void)
{
	while (loop_turn(loop, 10) > 0)
		continue;
}

static int
join(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		printf("# connect failed\n");
	turn();
	return fd;
}

static void
say(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		printf("# send failed\n");
}

static void
heard_is(int fd, const char *text, const char *name)
{
	char in[256];
	ssize_t n = recv(fd, in, sizeof(in) - 1, MSG_DONTWAIT);

	in[n < 0 ? 0 : n] = '\0';
	is_str(in, text, "%s", name);
}

/* A life of QEMU that says that much. */
static enum qmp_reason
life(const char *text, bool in_pieces)
{
	cleanup_fd int fd = join();

	for (; in_pieces && *text; text++) {
		char one[2] = {*text, '\0'};

		say(fd, one);
		turn();
	}
	say(fd, text);
	fd_close(&fd);
	return qmp_ended(&qmp);
}

static void
test_reasons(void)
{
	static char junk[VMM_EVENTS_MAX + 200];

	is_int(life(GREETING, false), QMP_NONE, "nothing of an end");
	is_int(life(GREETING ENDED("guest-shutdown"), false),
	    QMP_GUEST_SHUTDOWN, "a power-off");
	is_int(life(ENDED("guest-reset"), true), QMP_GUEST_RESET,
	    "a reset, in pieces");
	is_int(life(ENDED("guest-panic"), false), QMP_GUEST_PANIC, "a panic");
	is_int(life(ENDED("host-signal"), false), QMP_OTHER, "a signal");
	is_int(life("", false), QMP_NONE, "what was said before is forgotten");
	is_int(life("{\"event\": \"SHUTDOWN\"}\n[]\n{}\n"
		    "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": 1}}\n",
		   false),
	    QMP_NONE, "what is no such event is passed over");
	is_int(life("7 {{{ \xff" ENDED("guest-reset"), false), QMP_NONE,
	    "what is no object holds up what follows");
	is_int(life(ENDED("guest-reset"), false), QMP_GUEST_RESET,
	    "but not the next life");
	memset(junk, 'x', VMM_EVENTS_MAX);
	snprintf(junk + VMM_EVENTS_MAX, 200, "%s", ENDED("guest-reset"));
	is_int(life(junk, false), QMP_GUEST_RESET,
	    "nor what comes when there was too much of it");
}

static void
test_orders(void)
{
	cleanup_fd int fd = join(), other = -1;

	heard_is(fd, "{\"execute\":\"qmp_capabilities\"}\n",
	    "it is told at once that we know its capabilities");
	qmp_execute(&qmp, "system_powerdown");
	heard_is(fd, "{\"execute\":\"system_powerdown\"}\n", "an order");
	other = join();
	heard_is(other, "", "a second one is not talked to");
}

static void
test_one_that_does_not_read(void)
{
	static char text[VMM_STREAM_SEND];
	cleanup_fd int fd = join();
	size_t sent = 0;
	ssize_t n, got = 0;

	while (vmm_stream_send(&qmp.stream, text, sizeof(text)))
		sent += sizeof(text);
	ok(qmp.stream.rest_len > 0, "more is not taken than is kept");
	while ((n = recv(fd, text, sizeof(text), MSG_DONTWAIT)) > 0) {
		got += n;
		turn();
	}
	/* The order at its begin, too. */
	ok(got > 0 && (size_t)got > sent, "and all that was taken arrives");
	is_int(qmp.stream.rest_len, 0, "nothing is left");
	fd_close(&fd);
	turn();
	ok(!vmm_stream_send(&qmp.stream, "x", 1), "who is gone takes nothing");
}

int
main(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(folder))
		return 1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	loop = loop_new("test", &e);
	ok(loop && qmp_open(&qmp, loop, &e) == 0, "open");
	ok(bind(qmp.stream.given, (struct sockaddr *)&address,
	       sizeof(address)) == 0 &&
		listen(qmp.stream.given, 1) == 0,
	    "the jail binds it");
	test_reasons();
	test_orders();
	test_one_that_does_not_read();
	qmp_release(&qmp);
	loop_free(loop);
	unlink(address.sun_path);
	rmdir(folder);
	return tap_done();
}
