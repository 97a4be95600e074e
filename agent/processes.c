/* SPDX-License-Identifier: MIT */
/* processes.c - what /proc says of the guest's processes */
#include "agent/processes.h"

#include "common/io.h"
#include "common/scope.h"
#include "common/size.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The command line that is shown; a longer one is cut. */
#define COMMAND_MAX 4096

static ssize_t
read_member(pid_t pid, const char *member, char *into, size_t size)
{
	char path[64];
	cleanup_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, member);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read(fd, into, size - 1);
	into[n < 0 ? 0 : n] = '\0';
	return n;
}

/* proc(5), /proc/[pid]/stat: the name is in parentheses and may hold any. */
static int
parse_stat(char *text, struct process *p)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long user, system, start;
	long long rss;
	int parent, group, session;
	long tick = sysconf(_SC_CLK_TCK);

	if (!open || !close || close < open)
		return -1;
	*close = '\0';
	snprintf(p->name, sizeof(p->name), "%s", open + 1);
	if (sscanf(close + 1,
		" %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d "
		"%*d %*d %*d %*d %llu %*u %lld",
		&p->state, &parent, &group, &session, &user, &system, &start,
		&rss) != 8)
		return -1;
	p->parent = parent;
	p->group = group;
	p->session = session;
	p->cpu_ms = (user + system) * 1000 / (unsigned long)tick;
	p->start_ms = start * 1000 / (unsigned long)tick;
	p->rss_bytes = (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

int
processes_each(
    int (*each)(void *context, const struct process *), void *context)
{
	DIR *list = opendir("/proc");
	struct dirent *entry;
	int result = 0;

	if (!list)
		return -1;
	while (result == 0 && (entry = readdir(list))) {
		char text[1024];
		struct process p = {0};
		uint64_t pid;

		if (number_parse(entry->d_name, INT32_MAX, &pid) < 0)
			continue;
		p.pid = (pid_t)pid;
		if (read_member(p.pid, "stat", text, sizeof(text)) > 0 &&
		    parse_stat(text, &p) == 0)
			result = each(context, &p);
	}
	closedir(list);
	return result;
}

/* The line of one: numbers, then name and command line. Tabs between fields,
 * so those in names become spaces; arguments are parted by spaces. */
static int
print_process(void *context, const struct process *p)
{
	char path[32], command[COMMAND_MAX];
	struct stat st = {0};
	ssize_t n = read_member(p->pid, "cmdline", command, sizeof(command));

	(void)context;
	snprintf(path, sizeof(path), "/proc/%d", (int)p->pid);
	if (stat(path, &st) < 0)
		return 0; /* it is gone */
	for (ssize_t i = 0; i < n; i++)
		if ((unsigned char)command[i] < ' ')
			command[i] = ' ';
	while (n > 0 && command[n - 1] == ' ')
		command[--n] = '\0';
	printf("%d\t%d\t%u\t%c\t%llu\t%llu\t%llu\t", (int)p->pid,
	    (int)p->parent, (unsigned)st.st_uid, p->state,
	    (unsigned long long)p->cpu_ms, (unsigned long long)p->start_ms,
	    (unsigned long long)p->rss_bytes);
	for (const char *c = p->name; *c; c++)
		putchar((unsigned char)*c < ' ' ? ' ' : *c);
	printf("\t%s\n", n > 0 ? command : "");
	return 0;
}

int
processes_list(const struct request *r)
{
	(void)r;
	if (processes_each(print_process, NULL) < 0 || fflush(stdout) != 0) {
		fprintf(stderr, "processes: /proc cannot be read\n");
		return 1;
	}
	return 0;
}
