/* SPDX-License-Identifier: MIT */
/*
 * files.h - the host's name and the resolver's files, as containers have them
 *
 * /etc/hostname, /etc/hosts and /etc/resolv.conf lie in memory and are bound
 * over the image's, which stay as they are. A file that the image has not is
 * made empty first (a mount needs a place) and removed again at the end.
 */
#ifndef VK_AGENT_FILES_H
#define VK_AGENT_FILES_H

#include "agent/config.h"

/* Sets the host name and the loopback's entry; into holds 65 bytes. */
void files_hostname(const struct config *, char *into);

/* The servers and domains of the configuration, before all that is found. */
void files_dns(const struct config *);

/* What DHCP found out is kept for files_write, or for files_write_dns where it
 * was found later. Text is copied. */
void files_add_dns(const char *address);
void files_add_search(const char *domain);

void files_write(const struct config *);
/* Once more, if files_write was before. */
void files_write_dns(void);

/* Takes the mounts away, and the places made for them. */
void files_remove(void);

#endif
