/* SPDX-License-Identifier: MIT */
/* cloud_hypervisor.c - the engine that is Cloud Hypervisor */
#include "cmd/vk-boot/cloud_hypervisor.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/hypervisor_api.h"
#include "cmd/vk-boot/machine.h"
#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/vmm.h"
#include "cmd/vk-boot/vmm_events.h"
#include "cmd/vk-boot/x86/pc.h"

#include "common/scope.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Its limit on x86 is that of its ACPI tables. */
#define CPUS_MAX 254
/* TMPDIR, in which it has nothing to do. */
#define SHM_BYTES (1 << 20)

struct cloud_hypervisor {
	struct vmm vmm; /* first */
	char program[PATH_MAX];
	struct loop_source monitor;
	int monitor_writer; /* until the program has it */
	struct vmm_events events;
	struct hypervisor_api api;
	bool resets; /* the guest asked for it */
};

/* ---- devices ---- */

static int
device(struct vmm_launch *l, const struct vmm_device *d, const char *path,
    struct err *e)
{
	char sizes[VIRTIO_QUEUES_MAX * 8];
	size_t len = 0;

	(void)e;
	for (unsigned i = 0; i < d->dev->queue_count; i++)
		len += (size_t)snprintf(sizes + len, sizeof(sizes) - len,
		    "%s%u", i ? "," : "", d->dev->queues[i].size_max);
	/* One option with all of them. */
	if (d->number == 0)
		vmm_argument(l, "--generic-vhost-user");
	vmm_argument(l, "socket=%s,virtio_id=%u,queue_sizes=[%s]", path,
	    d->dev->ops->type, sizes);
	return 0;
}

/* ---- the machine ---- */

/* Gives it a descriptor, if there is one, as "OPTION fd=N", and closes ours. */
static int
leave(struct vmm_launch *l, const char *option, int *fd, struct err *e)
{
	int number;

	if (*fd < 0)
		return 0;
	number = jail_leave(&l->jail, *fd, e);
	if (number < 0)
		return -1;
	fd_close(fd);
	vmm_argument(l, "%s", option);
	vmm_argument(l, "fd=%d", number);
	return 0;
}

static int
prepare(struct vmm *vmm, const struct boot *boot, struct vmm_launch *l,
    struct err *e)
{
	struct cloud_hypervisor *c = (struct cloud_hypervisor *)vmm;
	const struct engine_config *config = &vmm->engine.config;
	const char *folder = getenv("TMPDIR");
	char path[JAIL_PATH_MAX];

	l->jail.program = c->program;
	l->jail.device = "/dev/kvm";
	l->jail.shm = SHM_BYTES;
	l->jail.folder = folder ? folder : "/tmp";
	if (pc_kernel_for(
		&boot->kernel, boot->kernel_path, vmm->kind->title, e) < 0 ||
	    jail_give(&l->jail, boot->kernel.fd, false, path, e) < 0)
		return -1;
	vmm_argument(l, "--kernel");
	vmm_argument(l, "%s", path);
	if (jail_give(&l->jail, vmm->initrd, false, path, e) < 0)
		return -1;
	vmm_argument(l, "--initramfs");
	vmm_argument(l, "%s", path);
	vmm_argument(l, "--cmdline");
	vmm_argument(l, "%s", boot->cmdline.data);
	vmm_argument(l, "--cpus");
	vmm_argument(l, "boot=%u%s", config->cpus,
	    config->no_nested ? ",nested=off" : "");
	vmm_argument(l, "--memory");
	vmm_argument(l, "size=%lluK,shared=on%s%s",
	    (unsigned long long)config->memory / 1024,
	    config->prealloc ? ",prefault=on" : "",
	    config->hugepages ? ",hugepages=on,hugepage_size=2M" : "");
	vmm_argument(l, "--rng");
	vmm_argument(l, "src=/dev/random");
	vmm_argument(l, "--console");
	vmm_argument(l, "off");
	vmm_argument(l, "--serial");
	vmm_argument(l, "tty");
	if (leave(l, "--event-monitor", &c->monitor_writer, e) < 0)
		return -1;
	return leave(l, "--api-socket", &c->api.listener, e);
}

/* ---- what happens ---- */

static void
take_event(void *owner, json_t *object)
{
	struct cloud_hypervisor *c = owner;
	const char *source, *event;

	if (json_unpack(
		object, "{s:s,s:s}", "source", &source, "event", &event) < 0)
		return;
	if (strcmp(source, "vm") != 0 || strcmp(event, "rebooting") != 0)
		return;
	c->resets = true;
	vmm_kill(&c->vmm);
}

static void
monitor_ready(struct loop_source *source, uint32_t events)
{
	struct cloud_hypervisor *c = source->owner;
	char text[4096];
	ssize_t n = read(source->fd, text, sizeof(text));

	(void)events;
	if (n > 0)
		vmm_events_hear(&c->events, text, (size_t)n);
	else
		loop_remove(c->vmm.loop, source);
}

static enum engine_end
exited(struct vmm *vmm, int status, char *text)
{
	struct cloud_hypervisor *c = (struct cloud_hypervisor *)vmm;
	bool resets = c->resets;

	c->resets = false;
	vmm_events_forget(&c->events);
	if (resets)
		return pc_reset(vmm_word(vmm), text);
	if (status != 0) {
		snprintf(text, VMM_TEXT_MAX,
		    "Cloud Hypervisor ended with status %d", status);
		return ENGINE_FAILED;
	}
	snprintf(text, VMM_TEXT_MAX, "powered off");
	return ENGINE_POWERED_OFF;
}

static void
press(struct vmm *vmm)
{
	struct cloud_hypervisor *c = (struct cloud_hypervisor *)vmm;

	hypervisor_api_put(&c->api, "vm.power-button");
}

/* ---- life ---- */

static int
open_monitor(struct cloud_hypervisor *c, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	c->monitor.fd = ends[0];
	c->monitor_writer = ends[1];
	return loop_add(c->vmm.loop, &c->monitor, EPOLLIN, e);
}

static int
open_hypervisor(struct vmm *vmm, struct err *e)
{
	struct cloud_hypervisor *c = (struct cloud_hypervisor *)vmm;
	const struct engine_config *config = &vmm->engine.config;

	c->events.take = take_event;
	c->events.owner = c;
	c->monitor = (struct loop_source){
	    .fd = -1,
	    .ready = monitor_ready,
	    .owner = c,
	};
	c->monitor_writer = -1;
	if (find_cloud_hypervisor(c->program, e) < 0 ||
	    machine_probe(config, e) < 0 || open_monitor(c, e) < 0)
		return -1;
	return hypervisor_api_open(&c->api, vmm->loop, config->run_folder, e);
}

static void
release(struct vmm *vmm)
{
	struct cloud_hypervisor *c = (struct cloud_hypervisor *)vmm;

	hypervisor_api_release(&c->api);
	loop_close(vmm->loop, &c->monitor);
	fd_close(&c->monitor_writer);
}

static const struct vmm_kind kind = {
    .title = "Cloud Hypervisor",
    .called = "cloud-hypervisor",
    .size = sizeof(struct cloud_hypervisor),
    .cpus_max = CPUS_MAX,
    .watched = PC_START_KIND,
    .open = open_hypervisor,
    .release = release,
    .prepare = prepare,
    .device = device,
    .press = press,
    .exited = exited,
};

static const struct engine_ops ops = {
    VMM_OPS,
    .name = "cloud-hypervisor",
    .guest = &pc_guest,
    .power_button = vmm_power_button,
};

struct engine *
cloud_hypervisor_new(const struct engine_config *config, struct err *e)
{
	return vmm_new(&kind, &ops, config, e);
}
