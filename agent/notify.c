/* SPDX-License-Identifier: MIT */
/* notify.c - what an image's own init says of itself */
#include "agent/notify.h"

#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct watch socket_watch = {.fd = -1};
static struct agent *agent;

static void
take_line(const char *line)
{
	if (strcmp(line, "READY=1") == 0)
		agent_event(agent, EVENT_INIT_READY, "ready");
	else if (strncmp(line, "STATUS=", 7) == 0)
		agent_event(agent, EVENT_INIT_STATUS, "%s", line + 7);
}

static void
ready(struct watch *w, uint32_t events)
{
	char message[4096], *at = message;
	ssize_t n = recv(w->fd, message, sizeof(message) - 1, 0);

	(void)events;
	message[n > 0 ? n : 0] = '\0';
	while (at)
		take_line(strsep(&at, "\n"));
}

void
notify_listen(struct agent *a)
{
	struct sockaddr_un address = {
	    .sun_family = AF_UNIX, .sun_path = NOTIFY_PATH};
	cleanup_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	agent = a;
	unlink(NOTIFY_PATH);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    loop_add(&a->loop, &socket_watch, fd, EPOLLIN, ready) < 0) {
		log_warn(NOTIFY_PATH ": %s", strerror(errno));
		return;
	}
	steal_fd(&fd);
	/* Only root may say how the init is. */
	if (chmod(NOTIFY_PATH, 0600) < 0)
		log_warn(NOTIFY_PATH ": %s", strerror(errno));
}
