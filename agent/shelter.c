/* SPDX-License-Identifier: MIT */
/* shelter.c - what keeps the agent going when a guest is at its limits */
#include "agent/shelter.h"

#include "agent/agent.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A session's: its connection, three streams and another for a terminal, a
 * report; and some of the agent's own. */
#define FILES_PER_SESSION 6
#define FILES_OWN         64
/* What systemd(1) gives its services, and for the same reasons: select(2) ends
 * at the first, no program needs more than the second. */
#define COMMAND_FILES     1024
#define COMMAND_FILES_MAX 524288

static struct rlimit command_files;

static int
set_oom_score(const char *score)
{
	cleanup_fd int fd =
	    open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, score, strlen(score)) < 0 ? -1 : 0;
}

static void
take_files(void)
{
	const struct rlimit wanted = {
	    .rlim_cur = FILES_PER_SESSION * SESSIONS_MAX + FILES_OWN,
	    .rlim_max = COMMAND_FILES_MAX};

	if (getrlimit(RLIMIT_NOFILE, &command_files) == 0 &&
	    setrlimit(RLIMIT_NOFILE, &wanted) == 0)
		command_files = (struct rlimit){
		    .rlim_cur = COMMAND_FILES, .rlim_max = COMMAND_FILES_MAX};
}

void
shelter_take(void)
{
	if (set_oom_score("-1000") < 0)
		log_info("oom_score_adj: %s", strerror(errno));
	setpriority(PRIO_PROCESS, 0, -20);
	take_files();
}

void
shelter_leave(void)
{
	struct sigaction normal = {.sa_handler = SIG_DFL};
	sigset_t none;

	sigaction(SIGPIPE, &normal, NULL); /* the one that is ignored here */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getpriority(PRIO_PROCESS, 0) < 0)
		setpriority(PRIO_PROCESS, 0, 0);
	set_oom_score("0"); /* where it fails, it was not raised either */
	setrlimit(RLIMIT_NOFILE, &command_files);
}
