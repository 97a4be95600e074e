/* SPDX-License-Identifier: MIT */
/* engine.c - what runs the guest's processors */
#include "cmd/vk-boot/engine.h"

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/machine.h"
#include "cmd/vk-boot/uml.h"

#include "common/log.h"
#include "common/scope.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

int
engine_init(struct engine *engine, const struct engine_ops *ops,
    const struct engine_config *config, struct err *e)
{
	engine->ops = ops;
	engine->config = *config;
	pthread_mutex_init(&engine->lock, NULL);
	engine->given_fd = -1;
	engine->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (engine->end_fd < 0)
		return err_errno(e, EX_OSERR, "%s", ops->name);
	return 0;
}

void
engine_release(struct engine *engine)
{
	fd_close(&engine->end_fd);
	pthread_mutex_destroy(&engine->lock);
}

void
engine_over(struct engine *engine, enum engine_end how, const char *text)
{
	pthread_mutex_lock(&engine->lock);
	if (engine->end == ENGINE_RUNS) {
		engine->end = how;
		snprintf(engine->text, sizeof(engine->text), "%s", text);
	}
	pthread_mutex_unlock(&engine->lock);
	eventfd_give(engine->end_fd);
}

void
engine_runs(struct engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->end = ENGINE_RUNS;
	pthread_mutex_unlock(&engine->lock);
	eventfd_take(engine->end_fd);
}

enum engine_end
engine_how(struct engine *engine, char *text)
{
	enum engine_end how;

	pthread_mutex_lock(&engine->lock);
	how = engine->end;
	memcpy(text, engine->text, sizeof(engine->text));
	pthread_mutex_unlock(&engine->lock);
	return how;
}

/* KVM, or what there is in its place. */
static struct engine *
first_that_works(const struct engine_config *config, struct err *e)
{
	struct err no_kvm = ERR_INIT;
	struct engine *engine = machine_new(config, &no_kvm);

	if (engine)
		return engine;
	*e = no_kvm;
	if (no_kvm.status != EX_UNAVAILABLE)
		return NULL;
	engine = uml_new(config, e);
	if (engine) {
		log_warn("%s", no_kvm.text);
		log_warn("running under User-mode Linux, without isolation by "
			 "hardware (--engine uml says that this is wanted)");
		return engine;
	}
	/* What is missing is KVM; UML would only have been a way out. */
	if (e->status == EX_UNAVAILABLE)
		*e = no_kvm;
	return NULL;
}

struct engine *
engine_new(const char *name, const struct engine_config *config, struct err *e)
{
	if (strcmp(name, "auto") == 0)
		return first_that_works(config, e);
	if (strcmp(name, "kvm") == 0)
		return machine_new(config, e);
	if (strcmp(name, "uml") == 0)
		return uml_new(config, e);
	err_set(e, EX_USAGE, "--engine %s: not auto, kvm or uml", name);
	return NULL;
}

void
engine_free(struct engine *engine)
{
	if (engine)
		engine->ops->free(engine);
}
