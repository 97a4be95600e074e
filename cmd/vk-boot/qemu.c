/* SPDX-License-Identifier: MIT */
/* qemu.c - the engine that is QEMU */
#include "cmd/vk-boot/qemu.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/machine.h"
#include "cmd/vk-boot/qemu_calls.h"
#include "cmd/vk-boot/qmp.h"
#include "cmd/vk-boot/virtio/console.h"
#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/vmm.h"
#include "cmd/vk-boot/x86/pc.h"

#include "common/cursor.h"
#include "common/log.h"
#include "common/scope.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Its q35 takes no more. */
#define CPUS_MAX 255
/* TMPDIR, in which it has nothing to do. */
#define SHM_BYTES (1 << 20)

/* What a PC's start takes, below the folder above QEMU's own, as distributions
 * name it; and what Debian has made plug-ins of. */
static const char *const files[] = {
    "share/seabios/bios-256k.bin",
    "share/qemu/bios-256k.bin",
    "share/qemu-kvm/bios-256k.bin",
    "share/qemu/kvmvapic.bin",
    "share/qemu-kvm/kvmvapic.bin",
    "share/qemu/linuxboot_dma.bin",
    "share/qemu-kvm/linuxboot_dma.bin",
    "share/qemu/pvh.bin",
    "share/qemu-kvm/pvh.bin",
    "lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so",
    "lib/x86_64-linux-gnu/qemu/accel-tcg-i386.so",
    "lib64/qemu/accel-tcg-x86_64.so",
    "lib64/qemu/accel-tcg-i386.so",
    "lib/qemu/accel-tcg-x86_64.so",
    "lib/qemu/accel-tcg-i386.so",
};
#define FILES (sizeof(files) / sizeof(*files))

struct qemu {
	struct vmm vmm; /* first */
	char program[PATH_MAX];
	char *needs[FILES + 1];
	bool kvm;
	struct qmp qmp;
	struct vmm_stream console;
	struct console_config console_config;
	struct loop_source input; /* of the console */
};

/* ---- devices ---- */

/* What QEMU tells the guest by itself, the data being ours (virtio 1.2,
 * 5.1.4). */
static void
add_net(struct vmm_launch *l, const struct vmm_device *d)
{
	const struct qemu *q = (const struct qemu *)d->vmm;
	uint8_t space[12];
	struct cursor c = cursor_of(space, sizeof(space));
	const uint8_t *mac = get_bytes(&c, 6);
	unsigned n = d->number;
	uint16_t mtu;

	virtio_config_read(d->dev, 0, space, sizeof(space));
	get_le32(&c); /* status, pairs of queues */
	mtu = get_le16(&c);
	vmm_argument(l, "-netdev");
	vmm_argument(l, "vhost-user,id=n%u,chardev=c%u", n, n);
	vmm_argument(l, "-device");
	/* Without KVM's interrupts QEMU 7.2 crashes when the guest switches
	 * this device to MSI-X. */
	vmm_argument(l,
	    "virtio-net-pci,netdev=n%u,romfile=,host_mtu=%u%s,"
	    "mac=%02x:%02x:%02x:%02x:%02x:%02x",
	    n, mtu, q->kvm ? "" : ",vectors=0", mac[0], mac[1], mac[2], mac[3],
	    mac[4], mac[5]);
}

static int
device(struct vmm_launch *l, const struct vmm_device *d, const char *path,
    struct err *e)
{
	unsigned n = d->number;

	vmm_argument(l, "-chardev");
	vmm_argument(l, "socket,id=c%u,path=%s", n, path);
	if (d->dev->ops->type == VIRTIO_TYPE_NET) {
		add_net(l, d);
		return 0;
	}
	vmm_argument(l, "-device");
	switch (d->dev->ops->type) {
	case VIRTIO_TYPE_BLK:
		vmm_argument(l,
		    "vhost-user-blk-pci,chardev=c%u,num-queues=%u,"
		    "queue-size=%u",
		    n, d->dev->queue_count, d->dev->queues[0].size_max);
		return 0;
	case VIRTIO_TYPE_VSOCK:
		vmm_argument(l, "vhost-user-vsock-pci,chardev=c%u", n);
		return 0;
	case VIRTIO_TYPE_RNG:
		vmm_argument(l, "vhost-user-rng-pci,chardev=c%u", n);
		return 0;
	default:
		return err_set(e, EX_SOFTWARE, "QEMU has no front end for %s",
		    d->dev->ops->name);
	}
}

/* ---- the console ---- */

/* More of the input is wanted only when QEMU has taken what there was. */
static void
want_input(struct qemu *q, bool wanted)
{
	struct err e = ERR_INIT;

	if (q->input.fd < 0 || q->input.added == wanted)
		return;
	if (!wanted)
		loop_remove(q->vmm.loop, &q->input);
	else if (loop_add(q->vmm.loop, &q->input, EPOLLIN, &e) < 0)
		log_info("console: %s", e.text);
}

static void
console_wants(void *owner)
{
	want_input(owner, true);
}

static void
console_said(void *owner, const char *text, size_t len)
{
	struct qemu *q = owner;

	q->console_config.output(q->console_config.owner, text, len);
}

static void
input_ready(struct loop_source *source, uint32_t events)
{
	struct qemu *q = source->owner;
	char text[VMM_STREAM_SEND];
	size_t room = sizeof(text) - q->console.rest_len;
	ssize_t n = room ? read(source->fd, text, room) : 0;

	(void)events;
	/* The end: a console has no way to say so. */
	if (n <= 0 || !vmm_stream_send(&q->console, text, (size_t)n) ||
	    q->console.rest_len > 0)
		want_input(q, false);
}

static int
console(
    struct engine *engine, const struct console_config *config, struct err *e)
{
	struct qemu *q = (struct qemu *)engine;

	q->console_config = *config;
	q->input.fd = config->input;
	q->console.loop = q->vmm.loop;
	q->console.arrived = q->console.sent = console_wants;
	q->console.said = console_said;
	q->console.owner = q;
	return vmm_stream_open(&q->console, e);
}

static void
add_console(struct vmm_launch *l, const char *path)
{
	vmm_argument(l, "-chardev");
	vmm_argument(l, "socket,id=console,path=%s", path);
	vmm_argument(l, "-device");
	vmm_argument(l, "virtio-serial-pci,max_ports=1");
	vmm_argument(l, "-device");
	vmm_argument(l, "virtconsole,chardev=console");
}

/* ---- the machine ---- */

static void
add_machine(const struct qemu *q, struct vmm_launch *l)
{
	const struct engine_config *config = &q->vmm.engine.config;
	unsigned long long kib = config->memory / 1024;

	vmm_argument(l, "-nodefaults");
	vmm_argument(l, "-no-user-config");
	vmm_argument(l, "-no-reboot");
	vmm_argument(l, "-display");
	vmm_argument(l, "none");
	vmm_argument(l, "-machine");
	vmm_argument(
	    l, "q35,sata=off,smbus=off,vmport=off,memory-backend=memory");
	vmm_argument(l, "-accel");
	vmm_argument(l, q->kvm ? "kvm" : "tcg,thread=multi");
	vmm_argument(l, "-cpu");
	vmm_argument(l, "%s%s", q->kvm ? "host" : "max",
	    config->no_nested ? ",-svm,-vmx" : "");
	vmm_argument(l, "-smp");
	vmm_argument(l, "%u", config->cpus);
	vmm_argument(l, "-m");
	vmm_argument(l, "%lluK", kib);
	vmm_argument(l, "-object");
	vmm_argument(l,
	    "memory-backend-memfd,id=memory,share=on,size=%lluK%s%s", kib,
	    config->prealloc ? ",prealloc=on" : "",
	    config->hugepages ? ",hugetlb=on,hugetlbsize=2M" : "");
	vmm_argument(l, "-chardev");
	vmm_argument(l, "stdio,id=serial,signal=off");
	vmm_argument(l, "-serial");
	vmm_argument(l, "chardev:serial");
}

static int
add_kernel(struct vmm *vmm, const struct boot *boot, struct vmm_launch *l,
    struct err *e)
{
	const struct kernel *kernel = &boot->kernel;
	char path[JAIL_PATH_MAX];

	if (pc_kernel_for(kernel, boot->kernel_path, vmm->kind->title, e) < 0 ||
	    jail_give(&l->jail, kernel->fd, false, path, e) < 0)
		return -1;
	vmm_argument(l, "-kernel");
	vmm_argument(l, "%s", path);
	if (jail_give(&l->jail, vmm->initrd, false, path, e) < 0)
		return -1;
	vmm_argument(l, "-initrd");
	vmm_argument(l, "%s", path);
	vmm_argument(l, "-append");
	vmm_argument(l, "%s", boot->cmdline.data);
	return 0;
}

static int
prepare(struct vmm *vmm, const struct boot *boot, struct vmm_launch *l,
    struct err *e)
{
	struct qemu *q = (struct qemu *)vmm;
	const char *folder = getenv("TMPDIR");
	char path[JAIL_PATH_MAX];

	l->jail.program = q->program;
	l->jail.own_folder = true;
	l->jail.needs = (const char *const *)q->needs;
	l->jail.device = q->kvm ? "/dev/kvm" : NULL;
	if (q->kvm)
		filter_add(&l->filter, qemu_kvm_calls);
	l->jail.shm = SHM_BYTES;
	l->jail.folder = folder ? folder : "/tmp";
	add_machine(q, l);
	if (add_kernel(vmm, boot, l, e) < 0)
		return -1;
	if (q->console.loop) {
		if (jail_give(&l->jail, q->console.given, true, path, e) < 0)
			return -1;
		add_console(l, path);
	}
	if (jail_give(&l->jail, q->qmp.stream.given, true, path, e) < 0)
		return -1;
	vmm_argument(l, "-chardev");
	vmm_argument(l, "socket,id=qmp,path=%s", path);
	vmm_argument(l, "-mon");
	vmm_argument(l, "chardev=qmp,mode=control");
	return 0;
}

/* ---- its end ---- */

static enum engine_end
exited(struct vmm *vmm, int status, char *text)
{
	struct qemu *q = (struct qemu *)vmm;
	enum qmp_reason reason = qmp_ended(&q->qmp);

	if (q->console.loop)
		vmm_stream_drain(&q->console);
	want_input(q, false);
	if (status != 0 || reason == QMP_NONE || reason == QMP_OTHER) {
		snprintf(
		    text, VMM_TEXT_MAX, "QEMU ended with status %d", status);
		return ENGINE_FAILED;
	}
	if (reason == QMP_GUEST_SHUTDOWN) {
		snprintf(text, VMM_TEXT_MAX, "powered off");
		return ENGINE_POWERED_OFF;
	}
	return pc_reset(
	    reason == QMP_GUEST_PANIC ? PC_START_WARM : vmm_word(vmm), text);
}

static void
press(struct vmm *vmm)
{
	struct qemu *q = (struct qemu *)vmm;

	qmp_execute(&q->qmp, "system_powerdown");
}

/* ---- life ---- */

/* Whether KVM runs kernels here. */
static bool
kvm_works(const struct engine_config *config)
{
	struct err why = ERR_INIT;

	if (machine_probe(config, &why) == 0)
		return true;
	log_info("qemu: emulates the processors: %s", why.text);
	return false;
}

/* Finds the program, and its files where it would look for them. */
static int
find_files(struct qemu *q, struct err *e)
{
	char found[PATH_MAX];
	int len;

	if (find_qemu(found, e) < 0)
		return -1;
	if (!realpath(found, q->program))
		return err_errno(e, 0, "%s", found);
	/* "/usr/" of "/usr/bin/qemu-system-x86_64". */
	len = (int)(strrchr(q->program, '/') - q->program);
	while (len > 0 && q->program[len - 1] != '/')
		len--;
	for (size_t i = 0; i < FILES; i++)
		if (asprintf(&q->needs[i], "%.*s%s", len, q->program,
			files[i]) < 0) {
			q->needs[i] = NULL;
			return err_errno(e, EX_OSERR, "qemu");
		}
	return 0;
}

static int
open_qemu(struct vmm *vmm, struct err *e)
{
	struct qemu *q = (struct qemu *)vmm;

	q->input = (struct loop_source){
	    .fd = -1,
	    .ready = input_ready,
	    .owner = q,
	};
	if (find_files(q, e) < 0 || qmp_open(&q->qmp, vmm->loop, e) < 0)
		return -1;
	q->kvm = kvm_works(&vmm->engine.config);
	return 0;
}

static void
release(struct vmm *vmm)
{
	struct qemu *q = (struct qemu *)vmm;

	want_input(q, false);
	vmm_stream_release(&q->console);
	qmp_release(&q->qmp);
	for (size_t i = 0; q->needs[i]; i++)
		free(q->needs[i]);
}

static const struct vmm_kind kind = {
    .title = "QEMU",
    .called = "qemu-system-x86_64",
    .size = sizeof(struct qemu),
    .cpus_max = CPUS_MAX,
    .filter_name = "qemu-machine",
    .calls = qemu_calls,
    .calls_max = QEMU_CALLS_MAX,
    .refuses = true,
    .watched = PC_START_KIND,
    .open = open_qemu,
    .release = release,
    .prepare = prepare,
    .device = device,
    .press = press,
    .exited = exited,
};

static const struct engine_ops ops = {
    VMM_OPS,
    .name = "qemu",
    .guest = &pc_guest,
    .console = console,
    .power_button = vmm_power_button,
};

struct engine *
qemu_new(const struct engine_config *config, struct err *e)
{
	return vmm_new(&kind, &ops, config, e);
}
