/* SPDX-License-Identifier: MIT */
/* Orders to Cloud Hypervisor, and what it answers: whole, in pieces, wrong, and
 * not at all. */
#include "cmd/vk-boot/hypervisor_api.h"

#include "common/log.h"
#include "common/scope.h"

#include "tests/tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ORDER "PUT /api/v1/vm.power-button HTTP/1.1\r\nHost: localhost\r\n\r\n"

static char folder[] = "/tmp/vk-api.XXXXXX";
static struct loop *loop;
static struct hypervisor_api api;
static FILE *said;

static int
status_of(const char *text)
{
	return http_status(text, strlen(text));
}

static void
test_status(void)
{
	static const char whole[] = "HTTP/1.1 204 ";

	for (size_t i = 0; i < sizeof(whole) - 1; i++)
		is_int(http_status(whole, i), 0, "%zu bytes of it", i);
	is_int(status_of(whole), 204, "all that is needed");
	is_int(status_of("HTTP/1.0 500 Internal Server Error\r\n"), 500,
	    "and more");
	is_int(status_of("HTTP/2.0 204 "), -1, "another protocol");
	is_int(status_of("SSH-2.0"), -1, "none at all");
	is_int(status_of("HTTP/1.1 20x "), -1, "no number");
	is_int(status_of("HTTP/1.1 099 "), -1, "too small a one");
	is_int(status_of("HTTP/1.1 600 "), -1, "too large a one");
	is_int(status_of("HTTP/1.1 2040"), -1, "too long a one");
}

static void
turn(void)
{
	while (loop_turn(loop, 10) > 0)
		continue;
}

/* What was warned of since the last call. */
static const char *
warning(void)
{
	static char text[256];
	size_t n;

	rewind(said);
	n = fread(text, 1, sizeof(text) - 1, said);
	text[n] = '\0';
	rewind(said);
	if (ftruncate(fileno(said), 0) < 0)
		return "?";
	return text;
}

/* The next order, taken. */
static int
take(void)
{
	char order[256];
	int fd = accept4(api.listener, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : recv(fd, order, sizeof(order) - 1, 0);

	order[n < 0 ? 0 : n] = '\0';
	is_str(order, ORDER, "an order");
	return fd;
}

/* An order that is answered so, bytes at a time. */
static const char *
order(const char *answer, size_t bytes)
{
	cleanup_fd int fd = -1;

	hypervisor_api_put(&api, "vm.power-button");
	fd = take();
	while (*answer) {
		size_t n = strnlen(answer, bytes);

		if (send(fd, answer, n, MSG_NOSIGNAL) < 0)
			break; /* it has heard enough */
		answer += n;
		turn();
	}
	fd_close(&fd);
	turn();
	return warning();
}

static void
test_orders(void)
{
	const char *none =
	    "vk-boot: Cloud Hypervisor: vm.power-button: no answer\n";
	const char *refused = "vk-boot: Cloud Hypervisor: vm.power-button: "
			      "refused, with status 404\n";
	cleanup_fd int first = -1, second = -1;

	is_str(order("HTTP/1.1 204 No Content\r\n\r\n", 99), "", "obeyed");
	is_str(order("HTTP/1.1 204 No Content\r\n\r\n", 1), "",
	    "and said in pieces");
	is_str(order("HTTP/1.1 404 Not Found\r\n\r\n", 99), refused, "refused");
	is_str(order("", 1), none, "not answered");
	is_str(order("HTTP/1.1 2", 99), none, "not to the end");
	is_str(order("no HTTP", 99), none, "not understood");
	hypervisor_api_put(&api, "vm.power-button");
	first = take();
	hypervisor_api_put(&api, "vm.power-button");
	second = take();
	turn();
	is_int(send(first, "x", 1, MSG_NOSIGNAL), -1,
	    "the next order takes the place of one without an answer");
	fd_close(&second);
	turn();
	is_str(warning(), none, "and is heard of");
	fd_close(&api.listener);
	hypervisor_api_put(&api, "vm.power-button");
	is_str(warning(),
	    "vk-boot: Cloud Hypervisor: vm.power-button: Connection refused\n",
	    "nobody is there");
}

int
main(void)
{
	cleanup_fd int dir = -1;
	struct err e = ERR_INIT;

	log_name("vk-boot");
	test_status();
	said = tmpfile();
	if (!said || !mkdtemp(folder) || dup2(fileno(said), 2) < 0)
		return 1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	loop = loop_new("test", &e);
	ok(loop && hypervisor_api_open(&api, loop, dir, &e) == 0, "open");
	test_orders();
	hypervisor_api_release(&api);
	ok(hypervisor_api_open(&api, loop, -1, &e) == 0 && api.listener < 0,
	    "without a folder there is none");
	hypervisor_api_release(&api);
	hypervisor_api_release(&api);
	loop_free(loop);
	unlinkat(dir, "api", 0);
	rmdir(folder);
	return tap_done();
}
