/* SPDX-License-Identifier: MIT */
/*
 * scope.h - things that end with the scope that holds them
 *
 *	cleanup_fd int fd = open(...);
 *	cleanup_free char *name = strdup(...);
 *	...
 *	out->fd = steal_fd(&fd);	given away, visibly
 */
#ifndef VK_COMMON_SCOPE_H
#define VK_COMMON_SCOPE_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes *fd unless negative, keeps errno, and makes it -1. */
static inline void
fd_close(int *fd)
{
	int number = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = number;
}

/* Hands the descriptor over: the holder's becomes -1. */
static inline int
steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void
scope_free(void *at)
{
	free(*(void **)at);
}

/* Hands the pointer at `at` over: the holder's becomes NULL. */
#define steal_ptr(at)                                                          \
	({                                                                     \
		__typeof__(*(at)) taken_ = *(at);                              \
		*(at) = NULL;                                                  \
		taken_;                                                        \
	})

#define cleanup_fd   __attribute__((cleanup(fd_close)))
#define cleanup_free __attribute__((cleanup(scope_free)))

#endif
