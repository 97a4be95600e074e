/* SPDX-License-Identifier: MIT */
/* engine.c - what runs the guest's processors */
#include "cmd/vk-boot/engine.h"

#include "cmd/vk-boot/cloud_hypervisor.h"
#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/machine.h"
#include "cmd/vk-boot/qemu.h"
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

/* In the order in which "auto" takes them. */
static const struct {
	const char *name;
	struct engine *(*make)(const struct engine_config *, struct err *);
	const char *title; /* where there is no isolation by hardware */
} engines[] = {
    {"kvm", machine_new, NULL},
    {"uml", uml_new, "User-mode Linux"},
    {"qemu", qemu_new, "QEMU"},
    {"cloud-hypervisor", cloud_hypervisor_new, NULL},
};
#define ENGINES (sizeof(engines) / sizeof(*engines))
/* The last has nothing to offer where KVM has not. */
#define AUTO_ENGINES (ENGINES - 1)

/* KVM, or what there is in its place: what cannot do what is asked for (two
 * processors under User-mode Linux) is passed over like what is not there. */
static struct engine *
first_that_works(const struct engine_config *config, struct err *e)
{
	struct err no_kvm = ERR_INIT, cannot = ERR_INIT;

	for (size_t i = 0; i < AUTO_ENGINES; i++) {
		struct engine *engine = engines[i].make(config, e);

		if (engine && engines[i].title) {
			log_warn("%s", no_kvm.text);
			log_warn("running under %s, without isolation by "
				 "hardware (--engine %s says that this is "
				 "wanted)",
			    engines[i].title, engines[i].name);
		}
		if (engine)
			return engine;
		if (i > 0 && e->status == EX_USAGE)
			cannot = *e;
		else if (e->status != EX_UNAVAILABLE)
			return NULL;
		else if (i == 0)
			no_kvm = *e;
	}
	/* What is missing is KVM; the others would only have been a way out. */
	*e = cannot.text[0] ? cannot : no_kvm;
	return NULL;
}

struct engine *
engine_new(const char *name, const struct engine_config *config, struct err *e)
{
	if (strcmp(name, "auto") == 0)
		return first_that_works(config, e);
	for (size_t i = 0; i < ENGINES; i++)
		if (strcmp(engines[i].name, name) == 0)
			return engines[i].make(config, e);
	err_set(e, EX_USAGE,
	    "--engine %s: not auto, kvm, uml, qemu or "
	    "cloud-hypervisor",
	    name);
	return NULL;
}

void
engine_free(struct engine *engine)
{
	if (engine)
		engine->ops->free(engine);
}
