/* SPDX-License-Identifier: MIT */
/* io.c - whole reads and writes on descriptors */
#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int
io_open_regular(const char *path, int flags)
{
	struct stat st;
	int fd =
	    open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

ssize_t
io_read(int fd, void *into, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)into + have, len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

ssize_t
io_pread(int fd, void *into, size_t len, uint64_t offset)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(fd, (char *)into + have, len - have,
		    (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

int
io_write(int fd, const void *from, size_t len)
{
	const char *at = from;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int
io_pwrite(int fd, const void *from, size_t len, uint64_t offset)
{
	const char *at = from;

	while (len > 0) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int
io_nonblock(int fd, int on)
{
	int flags = fcntl(fd, F_GETFL);
	int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;

	if (flags < 0)
		return -1;
	return wanted == flags ? 0 : fcntl(fd, F_SETFL, wanted);
}

uint64_t
io_allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

void
io_keep_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null",
			    fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
}
