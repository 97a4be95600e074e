/* SPDX-License-Identifier: MIT */
/* options.h - what the user asked for */
#ifndef VK_PULL_OPTIONS_H
#define VK_PULL_OPTIONS_H

#include "cmd/vk-pull/http.h"
#include "cmd/vk-pull/keep.h"
#include "cmd/vk-pull/limits.h"
#include "cmd/vk-pull/manifest.h"
#include "common/opt.h"

enum policy {
	POLICY_ALWAYS,  /* ask what the tag means now */
	POLICY_MISSING, /* only where the cache does not know */
	POLICY_NEVER,   /* no network */
};

enum action {
	ACTION_TAR,
	ACTION_CONFIG, /* these three: print, instead of the tar */
	ACTION_MANIFEST,
	ACTION_DIGEST,
	ACTION_LIST, /* these three: the cache, without a reference */
	ACTION_GC,
	ACTION_PURGE,
};

struct options {
	enum action action;
	struct http_options http;
	struct limits limits;
	struct platform platform;
	enum policy policy;
	const char *user;   /* NAME:PASSWORD; NULL */
	const char *mirror; /* URL; NULL */
	struct keep_limit gc;
	unsigned jobs;    /* layers at a time */
	unsigned retries; /* of a request */
	bool quiet;       /* no progress */
};

extern const struct opt_command options_command;

void options_default(struct options *);

#endif
