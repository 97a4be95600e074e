/* SPDX-License-Identifier: MIT */
/* vk-pull.c - an image from a registry as one tar on stdout */
#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/output.h"
#include "cmd/vk-pull/ref.h"
#include "common/die.h"
#include "common/io.h"
#include "common/log.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
pull_from(const struct options *o, struct cache *cache, const struct ref *ref,
    struct err *e)
{
	struct source *s = source_open(o, cache, ref, e);
	int rc = s ? output(o, s, e) : -1;

	if (s)
		s->ops->release(s);
	return rc;
}

/* A name without a registry: the user's own first, then docker.io. */
static int
pull(const struct options *o, struct cache *cache, const char *reference,
    struct err *e)
{
	const char *own = getenv("VK_REGISTRY");
	struct options elsewhere = *o;
	struct ref ref;
	bool asked = false;
	int rc = -1;

	if (ref_parse(&ref, reference, e) < 0)
		return -1;
	if (ref.kind == REF_REGISTRY && !ref.host[0]) {
		if (own && own[0]) {
			struct ref there = ref;

			if (ref_set_host(&there, own, e) < 0)
				return err_prefix(e, "VK_REGISTRY");
			rc = pull_from(o, cache, &there, e);
			if (rc == 0 || e->status != EX_NOINPUT)
				return rc < 0 ? err_prefix(e, "%s", ref.text)
					      : 0;
			log_info("%s", e->text);
			asked = true;
			/* They were for the first. */
			elsewhere.user = NULL;
		}
		ref_on(&ref, "docker.io");
	}
	rc = pull_from(&elsewhere, cache, &ref, e);
	if (rc < 0 && asked && !e->hint[0])
		err_hint(e, "%s, which VK_REGISTRY names, has none", own);
	return rc < 0 ? err_prefix(e, "%s", ref.text) : 0;
}

static int
keep_house(const struct options *o, struct cache *cache, struct err *e)
{
	switch (o->action) {
	case ACTION_LIST:
		return keep_list(cache, stdout, e);
	case ACTION_GC:
		return keep_gc(cache, &o->gc, e);
	default:
		return keep_purge(cache, e);
	}
}

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct options o;
	struct cache cache;
	int first, rc;

	io_keep_standard();
	options_default(&o);
	switch (opt_parse(&options_command, argc, argv, &o, &first, &e)) {
	case OPT_ANSWERED:
		return 0;
	case OPT_ERROR:
		die_err(&e);
	case OPT_RUN:
		break;
	}
	if (argc - first != (o.action < ACTION_LIST))
		die(EX_USAGE, "usage: vk-pull %s", options_command.synopsis);
	if (o.action == ACTION_TAR && isatty(STDOUT_FILENO))
		die(EX_USAGE, "stdout is a terminal, and this is a tar");
	signal(SIGPIPE, SIG_IGN);
	/* Layers are kept open from their verification to their use. */
	io_allow_descriptors();
	/* Windows of megabytes go back to the system when they are freed, and
	 * do not stay with the thread that had them. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	if (http_start(&e) < 0 || cache_open(&cache, &e) < 0)
		die_err(&e);
	rc = o.action < ACTION_LIST ? pull(&o, &cache, argv[first], &e)
				    : keep_house(&o, &cache, &e);
	cache_close(&cache);
	if (rc < 0)
		die_err(&e);
	return 0;
}
