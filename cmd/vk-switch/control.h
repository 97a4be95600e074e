/* SPDX-License-Identifier: MIT */
/*
 * control.h - watching and changing a running switch
 *
 * A unix socket takes one JSON object a line and answers each with one;
 * vk-switch-control(5) is the contract. Clients that asked for events get them
 * in between. Requests are read by jansson, whose memory comes from an arena
 * in here that is emptied after each request; answers are written by
 * report.h. So nothing is allocated, whoever asks.
 *
 * The same events go to --status-fd.
 */
#ifndef VK_SWITCH_CONTROL_H
#define VK_SWITCH_CONTROL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_CLIENTS_MAX 8
/* A policy of a thousand rules fits. */
#define CONTROL_REQUEST_MAX (128 * 1024)
/* Tables that do not fit are told in parts ("from", "next"). */
#define CONTROL_ANSWER_MAX (256 * 1024)
#define CONTROL_ARENA      (1024 * 1024)

struct control_client {
	int fd; /* -1: free */
	uint32_t generation;
	bool events; /* are told to it */
	bool ended;  /* it listens, but says no more */
	size_t in_have;
	size_t out_have, out_done;
	char in[CONTROL_REQUEST_MAX];
	uint8_t out[CONTROL_ANSWER_MAX];
};

struct control {
	int fd, folder;
	char path[108];
	int status_fd; /* -1: none */
	struct control_client clients[CONTROL_CLIENTS_MAX];
	size_t arena_used;
	_Alignas(16) uint8_t arena[CONTROL_ARENA];
};

struct lan;

void control_init(struct lan *);
int control_open(struct lan *, const char *path, struct err *);
void control_release(struct lan *);

/* Tells of something that happened: kind is a word, the rest is text. */
void event_log(
    struct lan *, const char *kind, const char *vm, const char *detail);

#endif
