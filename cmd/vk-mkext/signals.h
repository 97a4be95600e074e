/* SPDX-License-Identifier: MIT */
/*
 * signals.h - what is undone when a signal ends us
 *
 * A file that is not whole is cut or loses its name first. SIGBUS comes where
 * a mapped input (feed.h) was cut while it was read: one line says so, and the
 * status is EX_IOERR.
 */
#ifndef VK_MKEXT_SIGNALS_H
#define VK_MKEXT_SIGNALS_H

/* Once, before the input is read. What is ignored stays so. */
void signals_catch(void);

/* The file that is cut to nothing; -1: none. Borrowed. */
void signals_cut(int fd);

/* The name that is taken away; NULL: none. Borrowed. */
void signals_unlink(const char *name);

#endif
