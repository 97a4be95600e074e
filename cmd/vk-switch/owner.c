/* SPDX-License-Identifier: MIT */
/* owner.c - who holds a port of the host, for an error message */
#include "cmd/vk-switch/owner.h"

#include "cmd/vk-switch/packet.h"
#include "common/io.h"
#include "common/scope.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#define TCP_LISTEN 10

/* The inode of the socket that is bound to the port; 0: none. */
static unsigned long
inode_of(const char *table, unsigned port, bool listening)
{
	FILE *f = fopen(table, "re");
	char line[512];
	unsigned long inode = 0, found = 0;
	unsigned local, state;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line,
			" %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x "
			"%*x:%*x %*x %*u %*u %lu",
			&local, &state, &inode) == 3 &&
		    local == port && (!listening || state == TCP_LISTEN))
			found = inode;
	if (f)
		fclose(f);
	return found;
}

static bool
holds(int folder, const char *wanted)
{
	DIR *d = fdopendir(folder);
	struct dirent *entry;
	char link[64];
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		ssize_t n =
		    readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	if (d)
		closedir(d);
	return found;
}

static void
describe(const char *pid, char *text, size_t size)
{
	char path[300], name[32];
	cleanup_fd int fd = -1;
	ssize_t n = -1;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = io_read(fd, name, sizeof(name) - 1);
	name[n > 0 ? n - 1 : 0] = '\0';
	snprintf(text, size, "%s (process %s)", name, pid);
}

bool
owner_of_port(uint8_t proto, uint16_t port, char *text, size_t size)
{
	bool tcp = proto == PROTO_TCP;
	unsigned long inode =
	    inode_of(tcp ? "/proc/net/tcp" : "/proc/net/udp", port, tcp);
	char wanted[32], path[300];
	DIR *d;
	struct dirent *entry;
	bool found = false;

	if (!inode)
		inode = inode_of(
		    tcp ? "/proc/net/tcp6" : "/proc/net/udp6", port, tcp);
	d = inode ? opendir("/proc") : NULL;
	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	while (d && !found && (entry = readdir(d))) {
		int folder;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd", entry->d_name);
		folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		found = folder >= 0 && holds(folder, wanted);
		if (found)
			describe(entry->d_name, text, size);
	}
	if (d)
		closedir(d);
	return found;
}
