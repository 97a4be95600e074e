/* SPDX-License-Identifier: MIT */
/* source.c - where an image comes from */
#include "cmd/vk-pull/source.h"

#include "cmd/vk-pull/docker.h"
#include "cmd/vk-pull/layout.h"
#include "cmd/vk-pull/registry.h"

int
source_keep(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	return s->ops->keep ? s->ops->keep(s, d, f, e) : 0;
}

bool
source_reject(
    struct source *s, const struct descriptor *d, struct fetch *f, bool wrong)
{
	return s->ops->reject && s->ops->reject(s, d, f, wrong);
}

struct source *
source_open(const struct options *o, struct cache *cache, const struct ref *ref,
    struct err *e)
{
	switch (ref->kind) {
	case REF_REGISTRY:
		return registry_new(o, cache, ref, e);
	case REF_OCI:
	case REF_OCI_ARCHIVE:
		return layout_new(o, cache, ref, e);
	case REF_DOCKER_ARCHIVE:
	case REF_DOCKER_DAEMON:
		return docker_new(o, cache, ref, e);
	}
	return NULL;
}
