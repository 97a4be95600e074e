/* SPDX-License-Identifier: MIT */
/*
 * vk-vmm - stands in for Cloud Hypervisor in tests: takes its options, tells on
 * stdout what it was given, asks each vhost-user device for its features, and
 * in its first life says that the guest reboots, in its second that it is off;
 * before that, if it has an API, the power button has to be pressed
 *
 *	vk-vmm --generic-vhost-user DEVICE... --kernel FILE --initramfs FILE
 *		--cmdline TEXT --event-monitor fd=N [--api-socket fd=N]
 *		[--OPTION VALUE]...
 */
#include "common/io.h"
#include "common/scope.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Of the vhost-user protocol: its header, and two requests. */
#define VERSION      1
#define GET_FEATURES 1
#define SET_OWNER    3

static int
join(const char *path, size_t len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%.*s", (int)len, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return steal_fd(&fd);
}

/* The device's features; 0: it does not answer. */
static uint64_t
ask(int fd)
{
	uint32_t owner[3] = {SET_OWNER, VERSION, 0};
	uint32_t features[3] = {GET_FEATURES, VERSION, 0};
	struct {
		uint32_t head[3];
		uint32_t low, high;
	} answer;

	if (io_write(fd, owner, sizeof(owner)) < 0 ||
	    io_write(fd, features, sizeof(features)) < 0 ||
	    io_read(fd, &answer, sizeof(answer)) != sizeof(answer))
		return 0;
	return (uint64_t)answer.high << 32 | answer.low;
}

/* socket=PATH,virtio_id=N,queue_sizes=[N,...] */
static void
try_device(const char *text)
{
	const char *path = strchr(text, '='),
		   *type = strstr(text, ",virtio_id");
	cleanup_fd int fd = -1;

	if (!path || !type)
		return;
	fd = join(path + 1, (size_t)(type - path - 1));
	printf("device%s: %s\n", type,
	    fd >= 0 && ask(fd) >> 32 & 1 ? "virtio 1" : "no answer");
}

static void
tell(int events, const char *event)
{
	dprintf(events,
	    "{\n  \"timestamp\": {\n    \"secs\": 0,\n    \"nanos\": 1\n  },\n"
	    "  \"source\": \"vm\",\n  \"event\": \"%s\",\n"
	    "  \"properties\": null\n}\n\n",
	    event);
}

/* Refuses the first order, and obeys the second. */
static void
serve_api(int listener)
{
	static const char done[] =
	    "HTTP/1.1 204 No Content\r\nServer: Cloud Hypervisor API\r\n\r\n";
	static const char failed[] =
	    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n[]";
	struct pollfd wait = {.fd = listener, .events = POLLIN};
	bool refused = false;

	printf("API\n");
	fflush(stdout);
	while (poll(&wait, 1, -1) == 1) {
		cleanup_fd int peer = accept(listener, NULL, NULL);
		char order[256];
		ssize_t n = recv(peer, order, sizeof(order) - 1, 0);

		order[n < 0 ? 0 : n] = '\0';
		printf("%.*s\n", (int)strcspn(order, "\r"), order);
		fflush(stdout);
		if (refused) {
			io_write(peer, done, sizeof(done) - 1);
			return;
		}
		io_write(peer, failed, sizeof(failed) - 1);
		refused = true;
	}
}

static const char *
option(char **argv, const char *name)
{
	for (; *argv; argv++)
		if (strcmp(*argv, name) == 0 && argv[1])
			return argv[1];
	return "";
}

static void
show_file(char **argv, const char *name)
{
	struct stat st = {0};

	stat(option(argv, name), &st);
	printf("%s: %s\n", name, st.st_size > 0 ? "a file" : "nothing");
}

int
main(int argc, char **argv)
{
	static const char *const shown[] = {
	    "--cmdline", "--cpus", "--memory", "--console", "--serial"};
	const char *folder = getenv("TMPDIR");
	char life[256];
	int events = -1, api = -1;

	(void)argc;
	sscanf(option(argv, "--event-monitor"), "fd=%d", &events);
	sscanf(option(argv, "--api-socket"), "fd=%d", &api);
	for (char **at = argv; *at; at++)
		if (strncmp(*at, "socket=", 7) == 0)
			try_device(*at);
	show_file(argv, "--kernel");
	show_file(argv, "--initramfs");
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		printf("%s %s\n", shown[i], option(argv, shown[i]));
	printf("/dev/kvm %s\n", access("/dev/kvm", W_OK) == 0 ? "yes" : "no");
	fflush(stdout);
	snprintf(life, sizeof(life), "%s/life", folder ? folder : "/tmp");
	tell(events, "booted");
	if (open(life, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0) {
		tell(events, "rebooting");
		/* The other one goes on by itself: it has to be ended. */
		for (;;)
			pause();
	}
	if (api >= 0)
		serve_api(api);
	tell(events, "shutdown");
	return 0;
}
