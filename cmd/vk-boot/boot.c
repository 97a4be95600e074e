/* SPDX-License-Identifier: MIT */
/* boot.c - everything that is put into the guest's memory before it starts */
#include "cmd/vk-boot/boot.h"

#include "cmd/vk-boot/find.h"
#include "cmd/vk-boot/x86/layout.h" /* CMDLINE_MAX */

#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

/* What a kernel must be able to do for us beside what the engine needs, and
 * what is welcome. Names are modules; what is built in is passed over. */
static const char *const modules_required[] = {
    "virtio_blk",
    "vmw_vsock_virtio_transport",
};
static const char *const modules_welcome[] = {
    "virtio_console", "virtio_rng", "virtio_balloon", "overlay",
    "button",          /* the ACPI power button */
    "ipv6", "autofs4", /* what images have no modules for, but count on */
};
/* The same where memory can be added. */
static const char *const modules_memory[] = {"virtio_mem"};
/* The same with an interface of the network. */
static const char *const modules_network[] = {"virtio_net"};

/* An initrd has to lie below 2 GiB, together with the kernel. */
#define TREE_MAX (1900 * MIB)
/* Memory that is added is used at once, and so that as much as possible can be
 * taken back: nobody in the guest need see to it. */
#define MEMORY_PARAMETERS                                                      \
	" memhp_default_state=online "                                         \
	"memory_hotplug.online_policy=auto-movable"

/* What a machine needs beside twice its files. */
#define TREE_SLACK (128 * MIB)

static void
want_welcome(struct boot *boot, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err ignored = ERR_INIT;

		if (modules_want(&boot->modules, names[i], &ignored) < 0)
			log_info("%s", ignored.text);
	}
}

static int
want_modules(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	for (size_t i = 0; boot->guest->modules[i]; i++)
		if (modules_want(&boot->modules, boot->guest->modules[i], e) <
		    0)
			return -1;
	for (size_t i = 0;
	     i < sizeof(modules_required) / sizeof(*modules_required); i++)
		if (modules_want(&boot->modules, modules_required[i], e) < 0)
			return -1;
	if (root &&
	    modules_want(&boot->modules, image_type_name(root->type), e) < 0)
		return -1;
	for (unsigned i = 0; i < o->drive_count; i++)
		if (o->drives[i].mount &&
		    modules_want(&boot->modules, o->drives[i].fs, e) < 0)
			return err_prefix(e, "-d %s", o->drives[i].disk.path);
	want_welcome(boot, modules_welcome,
	    sizeof(modules_welcome) / sizeof(*modules_welcome));
	if (o->nic_count > 0)
		want_welcome(boot, modules_network,
		    sizeof(modules_network) / sizeof(*modules_network));
	if (o->memory_max > o->memory)
		want_welcome(boot, modules_memory,
		    sizeof(modules_memory) / sizeof(*modules_memory));
	return modules_put(&boot->modules, &boot->initramfs, &boot->config, e);
}

/* Nanoseconds, always as many digits. */
#define TIME_DIGITS 19

static const char *
time_text(char *text)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, TIME_DIGITS + 1, "%010lld%09ld", (long long)now.tv_sec,
	    now.tv_nsec);
	return text;
}

static void
make_config(
    struct boot *boot, const struct options *o, const struct image *root)
{
	const char *hostname = o->hostname ? o->hostname : o->name;
	char text[TIME_DIGITS + 1];

	if (root && !o->ram)
		buf_printf(&boot->config, "root /dev/vda %s %s\n",
		    image_type_name(root->type),
		    root->read_only || o->read_only ? "ro" : "rw");
	buf_printf(&boot->config, "hostname %s\n", hostname ? hostname : "vk");
	for (unsigned i = 0; i < o->drive_count; i++)
		drive_config(&o->drives[i], &boot->config);
	if (o->read_only || o->sandbox || (root && root->read_only))
		buf_puts(&boot->config, "read-only\n");
	if (o->sandbox)
		buf_puts(&boot->config, "sandbox\n");
	for (unsigned i = 0; i < o->nic_count; i++)
		nic_config(&o->nics[i], i, &boot->config);
	buf_printf(&boot->config, "time %s\n", time_text(text));
}

/* The archive's last file; the time is the last that it says. */
static void
add_config(struct boot *boot)
{
	struct initramfs *fs = &boot->initramfs;
	size_t end = (boot->config.len + 3) & ~(size_t)3;

	initramfs_add(
	    fs, "vk/config", 0600, boot->config.data, boot->config.len);
	boot->time_at =
	    fs->archive.len - end + boot->config.len - (TIME_DIGITS + 1);
}

void
boot_again(struct boot *boot)
{
	char text[TIME_DIGITS + 1];

	memcpy(boot->initramfs.archive.data + boot->time_at, time_text(text),
	    TIME_DIGITS);
}

static int
make_cmdline(struct boot *boot, const struct options *o, struct err *e)
{
	buf_puts(&boot->cmdline, boot->guest->parameters);
	if (o->memory_max > o->memory)
		buf_puts(&boot->cmdline, MEMORY_PARAMETERS);
	for (size_t i = 0; i < o->append.count; i++)
		buf_printf(&boot->cmdline, " %s", o->append.words[i]);
	if (boot->cmdline.failed)
		return err_set(e, EX_USAGE,
		    "kernel parameters are longer than %d bytes",
		    CMDLINE_MAX - 1);
	return 0;
}

static int
open_inside(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	if (boot->inside.pid > 0)
		return 0;
	if (inside_open(&boot->inside, root->fd, e) < 0)
		return err_prefix(e, "%s", o->image);
	return 0;
}

/* The image's files ("--ram") as what an initrd would be. */
static int
open_tree(struct boot *boot, const struct options *o, const struct image *root,
    struct err *e)
{
	uint64_t max = o->memory / 2, size;
	int fd;

	if (root->type != IMAGE_EXT4)
		return err_set(
		    e, EX_USAGE, "%s: --ram takes ext4 images only", o->image);
	if (open_inside(boot, o, root, e) < 0)
		return -1;
	if (max > TREE_MAX)
		max = TREE_MAX;
	fd = inside_tree(&boot->inside, max, &size, e);
	if (fd >= 0)
		return fd;
	err_prefix(e, "%s", o->image);
	return size > max && size <= TREE_MAX
		   ? err_hint(e, "-m %juM would do",
			 (uintmax_t)((2 * size + TREE_SLACK) / MIB))
		   : -1;
}

/* What is appended to our archive: *fd, -1 if nothing. */
static int
open_initrd(struct boot *boot, const struct options *o,
    const struct image *root, int *fd, struct err *e)
{
	*fd = -1;
	if (o->ram)
		*fd = open_tree(boot, o, root, e);
	else if (o->initrd) {
		*fd = open(o->initrd, O_RDONLY | O_CLOEXEC);
		if (*fd < 0)
			err_errno(e, 0, "%s", o->initrd);
	}
	return *fd < 0 && (o->ram || o->initrd) ? -1 : 0;
}

/* The archive: agent, modules, and last the configuration that names them. */
static int
make_initramfs(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	cleanup_fd int agent = find_agent(e);
	cleanup_fd int initrd = -1;

	if (agent < 0 || open_initrd(boot, o, root, &initrd, e) < 0)
		return -1;
	if (initramfs_add_agent(&boot->initramfs, steal_fd(&agent), e) < 0 ||
	    want_modules(boot, o, root, e) < 0)
		return -1;
	make_config(boot, o, root);
	if (boot->config.failed)
		return err_set(e, EX_SOFTWARE,
		    "the agent's configuration is "
		    "too long");
	add_config(boot);
	return initramfs_finish(&boot->initramfs, steal_fd(&initrd), e);
}

/* The kernel in the image ("-k auto"), and its modules: 1; 0: there is none. */
static int
open_image_kernel(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	int found;

	if (!root || root->type != IMAGE_EXT4) {
		log_info("no kernel is looked for in %s",
		    root ? image_type_name(root->type) : "an initrd");
		return 0;
	}
	if (open_inside(boot, o, root, e) < 0)
		return -1;
	found = image_kernel_open(&boot->kernel, &boot->inside, NULL, e);
	if (found <= 0)
		return found < 0 ? err_prefix(e, "%s", o->image) : 0;
	snprintf(boot->kernel_path, PATH_MAX, "%s", boot->kernel.path);
	kernel_find_version(&boot->kernel);
	if (o->modules)
		found =
		    modules_open(&boot->modules, &boot->kernel, o->modules, e);
	else
		found = image_modules_open(
		    &boot->modules, &boot->inside, boot->kernel.version, e);
	return found < 0 ? -1 : 1;
}

/* The kernel that is named, or found outside of the image. */
static int
open_kernel(struct boot *boot, const struct options *o, struct err *e)
{
	const struct engine_guest *guest = boot->guest;
	const char *named = o->kernel ? o->kernel : "auto";
	bool stock = strcmp(named, "stock") == 0;
	char folder[PATH_MAX];

	if (!stock && strcmp(named, "auto") != 0)
		snprintf(boot->kernel_path, PATH_MAX, "%s", named);
	else if (guest->find_kernel(boot->kernel_path, stock, e) < 0)
		return -1;
	if (guest->loads_kernel) {
		if (kernel_open(&boot->kernel, boot->kernel_path, NULL, e) < 0)
			return -1;
		return modules_open(
		    &boot->modules, &boot->kernel, o->modules, e);
	}
	if (guest->find_modules(boot->kernel_path, folder, e) < 0)
		return -1;
	return modules_open(&boot->modules, &boot->kernel,
	    o->modules ? o->modules
	    : *folder  ? folder
		       : NULL,
	    e);
}

static int
choose_kernel(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	int found = 0;

	if (o->kernel && strcmp(o->kernel, "auto") == 0 &&
	    boot->guest->loads_kernel)
		found = open_image_kernel(boot, o, root, e);
	if (found != 0)
		return found < 0 ? -1 : 0;
	return open_kernel(boot, o, e);
}

int
boot_choose(struct boot *boot, const struct engine_guest *guest,
    const struct options *o, const struct image *root, struct err *e)
{
	*boot = (struct boot){
	    .kernel = {.fd = -1}, .modules = {.folder_fd = -1}, .guest = guest};
	buf_init(&boot->config, BOOT_CONFIG_MAX);
	buf_init(&boot->cmdline, CMDLINE_MAX - 1);
	initramfs_init(&boot->initramfs);
	return choose_kernel(boot, o, root, e);
}

int
boot_prepare(struct boot *boot, const struct options *o,
    const struct image *root, struct err *e)
{
	if (make_initramfs(boot, o, root, e) < 0)
		return -1;
	inside_close(&boot->inside);
	modules_close(&boot->modules);
	return make_cmdline(boot, o, e);
}

void
boot_release(struct boot *boot)
{
	inside_close(&boot->inside);
	kernel_close(&boot->kernel);
	modules_close(&boot->modules);
	initramfs_release(&boot->initramfs);
	buf_release(&boot->config);
	buf_release(&boot->cmdline);
}
