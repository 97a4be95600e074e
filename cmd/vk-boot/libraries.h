/* SPDX-License-Identifier: MIT */
/*
 * libraries.h - what a program needs beside itself to be executed
 *
 * For a root that has nothing else (jail.h): the interpreter that its ELF file
 * names, and the libraries that it and they name, looked for where the
 * interpreter looks without being told: beside itself and in the system's
 * folders. DT_RPATH and ld.so.cache are not looked at.
 */
#ifndef VK_BOOT_LIBRARIES_H
#define VK_BOOT_LIBRARIES_H

#include "common/err.h"

#include <limits.h>

/* User-mode Linux has one; an emulator with all its options about a hundred. */
#define LIBRARIES_MAX 160

/* Where interpreters look by themselves. */
#define LIBRARIES_FOLDERS 6
extern const char *const libraries_folders[LIBRARIES_FOLDERS];

struct libraries {
	char interpreter[PATH_MAX]; /* "": there is none, nor any library */
	struct library {
		char *name;         /* as it is asked for, without a folder */
		const char *folder; /* one of the above */
		int fd;             /* O_PATH */
	} found[LIBRARIES_MAX];
	unsigned count;
};

/* Takes the program's descriptor (borrowed, O_PATH will do). One that is no
 * ELF file needs nothing. 0, -1 with err. */
int libraries_find(struct libraries *, int program, struct err *);

/* May be called twice, and on zeros. */
void libraries_release(struct libraries *);

#endif
