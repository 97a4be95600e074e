/* SPDX-License-Identifier: MIT */
/* boot.c - everything that is put into the guest's memory before it starts */
#include "cmd/vk-boot/boot.h"

#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/x86/layout.h"

#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

/*
 * Parameters of every kernel; the user's come behind them, and the last one of
 * a name wins.
 *
 *	rdinit=/vk/agent  our agent, also where an added initrd has an /init
 *	console=ttyS0	  what a kernel can write to before it has drivers
 *	quiet		  each character there is an exit; emergencies are shown
 *	panic=-1	  a panic resets at once, which is how we learn of it
 *	reboot=k	  by the keyboard controller's port: what Linux takes by
 *			  default without firmware ends in a loop
 */
static const char parameters[] =
    "rdinit=/vk/agent console=ttyS0 quiet panic=-1 reboot=k";

/* What a kernel must be able to do for us, and what is welcome. Names are
 * modules; what is built in is passed over. */
static const char *const modules_required[] = {
    "virtio_pci",
    "virtio_blk",
    "vmw_vsock_virtio_transport",
};
static const char *const modules_welcome[] = {
    "virtio_console", "virtio_rng", "virtio_net", "virtio_balloon", "overlay",
    "button", /* the ACPI power button */
};

static int
want_modules(struct boot *boot, const struct image *root, struct err *e)
{
	for (size_t i = 0;
	     i < sizeof(modules_required) / sizeof(*modules_required); i++)
		if (modules_want(&boot->modules, modules_required[i], e) < 0)
			return -1;
	if (root &&
	    modules_want(&boot->modules, image_type_name(root->type), e) < 0)
		return -1;
	for (size_t i = 0;
	     i < sizeof(modules_welcome) / sizeof(*modules_welcome); i++) {
		struct err ignored = ERR_INIT;

		if (modules_want(&boot->modules, modules_welcome[i], &ignored) <
		    0)
			log_info("%s", ignored.text);
	}
	return modules_put(&boot->modules, &boot->initramfs, &boot->config, e);
}

static void
make_config(
    struct boot *boot, const struct options *o, const struct image *root)
{
	const char *hostname = o->hostname ? o->hostname : o->name;
	struct timespec now;

	if (root)
		buf_printf(&boot->config, "root /dev/vda %s %s\n",
		    image_type_name(root->type),
		    root->read_only || o->read_only ? "ro" : "rw");
	buf_printf(&boot->config, "hostname %s\n", hostname ? hostname : "vk");
	clock_gettime(CLOCK_REALTIME, &now);
	buf_printf(&boot->config, "time %lld%09ld\n", (long long)now.tv_sec,
	    now.tv_nsec);
}

static int
make_cmdline(struct boot *boot, const struct options *o, struct err *e)
{
	buf_puts(&boot->cmdline, parameters);
	for (size_t i = 0; i < o->append.count; i++)
		buf_printf(&boot->cmdline, " %s", o->append.words[i]);
	if (boot->cmdline.failed)
		return err_set(e, EX_USAGE,
		    "kernel parameters are longer than %d bytes",
		    CMDLINE_MAX - 1);
	return 0;
}

static int
open_initrd(const char *path, int *fd, struct err *e)
{
	*fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	return path && *fd < 0 ? err_errno(e, 0, "%s", path) : 0;
}

/* The archive: agent, modules, and last the configuration that names them. */
static int
make_initramfs(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	cleanup_fd int agent = find_agent(e);
	cleanup_fd int initrd = -1;

	if (agent < 0 || open_initrd(o->initrd, &initrd, e) < 0)
		return -1;
	initramfs_add_folder(&boot->initramfs, "vk");
	initramfs_add_folder(&boot->initramfs, "vk/modules");
	if (initramfs_add_agent(&boot->initramfs, agent, e) < 0 ||
	    want_modules(boot, root, e) < 0)
		return -1;
	make_config(boot, o, root);
	if (boot->config.failed)
		return err_set(e, EX_SOFTWARE,
		    "the agent's configuration is "
		    "too long");
	initramfs_add(&boot->initramfs, "vk/config", 0600, boot->config.data,
	    boot->config.len);
	return initramfs_finish(&boot->initramfs, steal_fd(&initrd), e);
}

static int
open_kernel(struct boot *boot, const char *named, struct err *e)
{
	char found[PATH_MAX];

	if (!named && find_kernel(found, e) < 0)
		return -1;
	return kernel_open(&boot->kernel, named ? named : found, NULL, e);
}

int
boot_prepare(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	*boot = (struct boot){.kernel = {.fd = -1}};
	buf_init(&boot->config, BOOT_CONFIG_MAX);
	buf_init(&boot->cmdline, CMDLINE_MAX - 1);
	initramfs_init(&boot->initramfs);
	if (open_kernel(boot, o->kernel, e) < 0 ||
	    modules_open(&boot->modules, &boot->kernel, o->modules, e) < 0)
		return -1;
	if (make_initramfs(boot, o, root, e) < 0)
		return -1;
	return make_cmdline(boot, o, e);
}

int
boot_load(const struct boot *boot, const struct gmem *mem, struct entry *entry,
    struct err *e)
{
	struct loader loader = {
	    .mem = mem,
	    .kernel = &boot->kernel,
	    .cmdline = boot->cmdline.data,
	    .initramfs = &boot->initramfs,
	    .rsdp = ACPI_START,
	    .mode = ENTRY_AUTO,
	};

	return loader_load(&loader, entry, e);
}

void
boot_release(struct boot *boot)
{
	kernel_close(&boot->kernel);
	modules_close(&boot->modules);
	initramfs_release(&boot->initramfs);
	buf_release(&boot->config);
	buf_release(&boot->cmdline);
}
