/* SPDX-License-Identifier: MIT */
/*
 * vmm_events.h - what a program (vmm.h) tells of its guest: JSON objects, one
 * behind the other
 *
 * The program may be in the hands of its guest. What is no object holds up what
 * follows it until there is no more room, and is dropped then with all of that:
 * a program that sends it is not to be understood.
 */
#ifndef VK_BOOT_VMM_EVENTS_H
#define VK_BOOT_VMM_EVENTS_H

#include <jansson.h>

/* An event, or QEMU's greeting, has some hundred bytes. */
#define VMM_EVENTS_MAX 8192

struct vmm_events {
	void (*take)(void *owner, json_t *); /* borrows the object */
	void *owner;
	char text[VMM_EVENTS_MAX];
	size_t have;
};

/* More has been said, in pieces of any kind. */
void vmm_events_hear(struct vmm_events *, const char *text, size_t len);

/* Forgets half an object: another program begins to speak. */
void vmm_events_forget(struct vmm_events *);

#endif
