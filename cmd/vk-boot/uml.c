/* SPDX-License-Identifier: MIT */
/* uml.c - the engine that is User-mode Linux */
#include "cmd/vk-boot/uml.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/uml_calls.h"
#include "cmd/vk-boot/virtio/device.h"
#include "cmd/vk-boot/vmm.h"
#include "common/scope.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What it executes on a reboot, where it would start itself anew with devices
 * that know nothing of it: ends with a status that no power-off has. */
#define REBOOT_PROGRAM "/bin/false"
/* In the file that is the guest's memory there is more: its kernel's own. */
#define MEMORY_OVERHEAD ((uint64_t)64 << 20)

static const char *const needs[] = {REBOOT_PROGRAM, NULL};

static int
find(struct vmm *vmm, struct err *e)
{
	const struct engine_config *config = &vmm->engine.config;
	char kernel[PATH_MAX];

	if (find_uml(kernel, false, e) < 0)
		return -1;
	if (config->hugepages || config->prealloc)
		return err_set(e, EX_USAGE,
		    "%s: User-mode Linux sees to its memory itself",
		    config->hugepages ? "--hugepages" : "--prealloc");
	return 0;
}

/* It is executed: what can go wrong there is told beforehand. */
static int
check_program(const char *path, struct err *e)
{
	char magic[SELFMAG];
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, EX_NOPERM, "%s", path);
	if (read(fd, magic, SELFMAG) != SELFMAG ||
	    memcmp(magic, ELFMAG, SELFMAG) != 0)
		return err_set(e, EX_DATAERR,
		    "%s: not a kernel for User-mode Linux", path);
	if (access(path, X_OK) == 0)
		return 0;
	err_errno(e, EX_NOPERM, "%s", path);
	return err_hint(e, "User-mode Linux is a program: chmod +x");
}

static int
prepare(struct vmm *vmm, const struct boot *boot, struct vmm_launch *l,
    struct err *e)
{
	const char *folder = getenv("TMPDIR");
	char initrd[JAIL_PATH_MAX];

	if (check_program(boot->kernel_path, e) < 0)
		return -1;
	l->jail.program = boot->kernel_path;
	l->jail.needs = needs;
	l->jail.shm = vmm->engine.config.memory + MEMORY_OVERHEAD;
	l->jail.folder = folder ? folder : "/dev/shm";
	/* No rseq area: that of a static UML lies where a new process of the
	 * guest is to have nothing mapped, and the host's kernel ends who has
	 * lost its area. */
	l->jail.setting = "GLIBC_TUNABLES=glibc.pthread.rseq=0";
	if (jail_give(&l->jail, vmm->initrd, false, initrd, e) < 0)
		return -1;
	vmm_argument(l, "mem=%lluK",
	    (unsigned long long)vmm->engine.config.memory / 1024);
	vmm_argument(l, "initrd=%s", initrd);
	vmm_argument(l, "con=null");
	vmm_argument(l, "con0=null,fd:1");
	vmm_argument(l, "ssl=null");
	vmm_argument(l, "uml_dir=/proc/self/fd/");
	vmm_argument(l, "%s", boot->cmdline.data);
	return 0;
}

static int
device(struct vmm_launch *l, const struct vmm_device *d, const char *path,
    struct err *e)
{
	(void)e;
	vmm_argument(l, "virtio_uml.device=%s:%u", path, d->dev->ops->type);
	return 0;
}

static enum engine_end
exited(struct vmm *vmm, int status, char *text)
{
	(void)vmm;
	snprintf(text, VMM_TEXT_MAX, status == 0 ? "powered off" : "reset");
	return status == 0 ? ENGINE_POWERED_OFF : ENGINE_RESET;
}

static const struct vmm_kind kind = {
    .title = "User-mode Linux",
    .called = REBOOT_PROGRAM,
    .size = sizeof(struct vmm),
    .cpus_max = 1,
    .filter_name = "uml-kernel",
    .calls = uml_calls,
    .calls_max = UML_CALLS_MAX,
    .open = find,
    .prepare = prepare,
    .device = device,
    .exited = exited,
};

/*
 *	rdinit=/vk/agent  as for every guest
 *	quiet		  the console is for what goes wrong
 *	panic=-1	  a panic ends it (UML aborts)
 */
static const struct engine_guest guest = {
    .parameters = "rdinit=/vk/agent quiet panic=-1",
    .find_kernel = find_uml,
    .find_modules = find_uml_modules,
    .modules = (const char *const[]){NULL},
};

static const struct engine_ops ops = {
    VMM_OPS,
    .name = "uml",
    .guest = &guest,
};

struct engine *
uml_new(const struct engine_config *config, struct err *e)
{
	return vmm_new(&kind, &ops, config, e);
}
