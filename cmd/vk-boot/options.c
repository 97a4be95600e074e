/* SPDX-License-Identifier: MIT */
/* options.c - what the user asked of vk-boot */
#include "cmd/vk-boot/options.h"

#include "cmd/vk-boot/gmem.h"
#include "cmd/vk-boot/machine.h"

#include "common/run_folder.h"
#include "common/scope.h"
#include "common/size.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* A VM that is asked for nothing else; Debian with systemd is at ease in it. */
#define MEMORY_DEFAULT (512 * MIB)
/* An emulated machine needs up to a minute for a stock kernel. */
#define BOOT_TIMEOUT_MS 120000
#define STOP_TIMEOUT_MS 10000
/* A file of variables is read whole. */
#define ENV_FILE_MAX (1u << 20)

#define DURATION_SETTER(member)                                                \
	static int set_##member(void *into, const char *value, struct err *e)  \
	{                                                                      \
		return set_duration(                                           \
		    &((struct options *)into)->member##_ms, value, e);         \
	}

#define FD_SETTER(member)                                                      \
	static int set_##member(void *into, const char *value, struct err *e)  \
	{                                                                      \
		return set_fd(&((struct options *)into)->member, value, e);    \
	}

static int
set_duration(uint64_t *ms, const char *value, struct err *e)
{
	if (duration_parse(value, ms) < 0)
		return err_set(
		    e, EX_USAGE, "%s: not a duration (10s, 500ms, 2m)", value);
	return 0;
}

static int
set_fd(int *fd, const char *value, struct err *e)
{
	uint64_t number;

	if (number_parse(value, 65535, &number) < 0)
		return err_set(e, EX_USAGE, "%s: not a descriptor", value);
	*fd = (int)number;
	/* It is ours alone: nothing that we start shall hold it open. */
	if (fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(e, EX_USAGE, "%s", value);
	return 0;
}

DURATION_SETTER(timeout)
DURATION_SETTER(boot_timeout)
DURATION_SETTER(stop_timeout)
FD_SETTER(ready_fd)
FD_SETTER(status_fd)

static int
add_word(struct word_list *list, const char *word, struct err *e)
{
	if (word_list_add(list, word) < 0)
		return err_errno(e, EX_USAGE, "%s", word);
	return 0;
}

static int
set_append(void *into, const char *value, struct err *e)
{
	return add_word(&((struct options *)into)->append, value, e);
}

static int
set_label(void *into, const char *value, struct err *e)
{
	if (*value == '=' || !strchr(value, '='))
		return err_set(e, EX_USAGE, "%s: not NAME=VALUE", value);
	return add_word(&((struct options *)into)->labels, value, e);
}

/* Read when all options are known: addresses come from the VM's name. */
static int
set_net(void *into, const char *value, struct err *e)
{
	return add_word(&((struct options *)into)->net, value, e);
}

static int
set_disk(void *into, const char *value, struct err *e)
{
	struct options *o = into;
	struct drive_wish *wish = &o->drives[o->drive_count];

	if (o->drive_count == DRIVES_MAX)
		return err_set(e, EX_USAGE, "at most %d times", DRIVES_MAX);
	o->drive_count++;
	if (drive_parse(wish, value, o->drive_count, e) < 0)
		return -1;
	for (unsigned i = 0; i + 1 < o->drive_count; i++)
		if (strcmp(o->drives[i].id, wish->id) == 0 ||
		    strcmp(o->drives[i].serial, wish->serial) == 0)
			return err_set(e, EX_USAGE,
			    "%s: another disk has this id or serial", wish->id);
	return 0;
}

static int
set_vsock_port(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	if (o->port_count == VSOCK_PORTS_MAX)
		return err_set(
		    e, EX_USAGE, "at most %d times", VSOCK_PORTS_MAX);
	return vsock_port_parse(&o->ports[o->port_count++], value, e);
}

static int
set_vsock_style(void *into, const char *value, struct err *e)
{
	((struct options *)into)->hyperkit = strcmp(value, "linuxkit") == 0;
	if (strcmp(value, "linuxkit") != 0 && strcmp(value, "vk") != 0)
		return err_set(e, EX_USAGE, "%s: not vk or linuxkit", value);
	return 0;
}

/* Whether the sockets of vsock can be made. */
static int
check_ports(const struct options *o, struct err *e)
{
	for (unsigned i = 0; i < o->port_count; i++)
		if (!o->ports[i].path && !o->name)
			return err_set(e, EX_USAGE,
			    "--vsock-port %u: without a path it needs --name",
			    o->ports[i].port);
	return 0;
}

static int
set_overlay_max(void *into, const char *value, struct err *e)
{
	if (size_parse(value, &((struct options *)into)->overlay_max) < 0)
		return err_set(e, EX_USAGE, "%s: not a size (512M, 2G)", value);
	return 0;
}

static int
set_cpus(void *into, const char *value, struct err *e)
{
	struct options *o = into;
	uint64_t number;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (strcmp(value, "host") == 0)
		number = online > 0 ? (uint64_t)online : 1;
	else if (number_parse(value, MACHINE_CPUS_MAX, &number) < 0 ||
		 number == 0)
		return err_set(e, EX_USAGE, "%s: not 1 to %d, nor \"host\"",
		    value, MACHINE_CPUS_MAX);
	o->cpus = (unsigned)number;
	o->cpus_host = strcmp(value, "host") == 0;
	return 0;
}

static int
set_pages(uint64_t *bytes, const char *value, struct err *e)
{
	if (size_parse(value, bytes) < 0)
		return err_set(e, EX_USAGE, "%s: not a size (512M, 2G)", value);
	if (*bytes % 4096 != 0)
		return err_set(e, EX_USAGE, "%s: not a multiple of 4K", value);
	return 0;
}

/* SIZE[,max=SIZE] */
static int
set_memory(void *into, const char *value, struct err *e)
{
	struct options *o = into;
	const char *more = strchrnul(value, ',');
	cleanup_free char *size = strndup(value, (size_t)(more - value));

	if (!size)
		return err_errno(e, EX_OSERR, "%s", value);
	if (set_pages(&o->memory, size, e) < 0)
		return -1;
	if (o->memory < MACHINE_MEMORY_MIN)
		return err_set(e, EX_USAGE,
		    "%s: too little, no kernel starts in less than %dM", size,
		    (int)(MACHINE_MEMORY_MIN / MIB));
	o->memory_max = 0;
	if (*more == '\0')
		return 0;
	if (strncmp(more, ",max=", 5) != 0)
		return err_set(e, EX_USAGE, "%s: not max=SIZE", more + 1);
	if (set_pages(&o->memory_max, more + 5, e) < 0)
		return -1;
	if (o->memory_max < o->memory)
		return err_set(e, EX_USAGE, "%s: less than %s", more + 1, size);
	return 0;
}

static int
set_name(void *into, const char *value, struct err *e)
{
	if (!run_name_valid(value))
		return err_set(e, EX_USAGE,
		    "%s: not a name (letters, digits, _ . -; at most %d)",
		    value, RUN_NAME_MAX);
	((struct options *)into)->name = value;
	return 0;
}

static int
set_hostname(void *into, const char *value, struct err *e)
{
	if (!run_name_valid(value))
		return err_set(e, EX_USAGE, "%s: not a host name", value);
	((struct options *)into)->hostname = value;
	return 0;
}

/* NAME=VALUE, or NAME alone for the value that it has here, if any. */
static int
add_variable(struct options *o, const char *text, struct err *e)
{
	cleanup_free char *pair = NULL;
	const char *value;

	if (*text == '=' || *text == '\0')
		return err_set(e, EX_USAGE, "%s: no name", text);
	if (strchr(text, '='))
		return add_word(&o->env, text, e);
	value = getenv(text);
	if (!value)
		return 0;
	if (asprintf(&pair, "%s=%s", text, value) < 0)
		return err_errno(e, EX_OSERR, "%s", text);
	return add_word(&o->env, pair, e);
}

static int
set_env(void *into, const char *value, struct err *e)
{
	return add_variable(into, value, e);
}

/* Lines as -e takes them; empty ones and those that start with # are none. */
static int
set_env_file(void *into, const char *path, struct err *e)
{
	cleanup_free char *line = NULL;
	size_t size = 0, total = 0;
	FILE *file = fopen(path, "re");
	int result = 0;
	ssize_t len;

	if (!file)
		return err_errno(e, 0, "%s", path);
	while (result == 0 && (len = getline(&line, &size, file)) >= 0) {
		total += (size_t)len;
		if (total > ENV_FILE_MAX)
			result = err_set(e, EX_DATAERR, "%s: too long", path);
		line[strcspn(line, "\n")] = '\0';
		if (result == 0 && *line && *line != '#')
			result = add_variable(into, line, e);
	}
	if (result == 0 && ferror(file))
		result = err_errno(e, EX_IOERR, "%s", path);
	fclose(file);
	return result;
}

static int
set_init(void *into, const char *value, struct err *e)
{
	static const char *const names[] = {"auto", "yes", "no"};
	struct options *o = into;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], value) == 0) {
			o->init = i;
			return 0;
		}
	return err_set(e, EX_USAGE, "%s: neither auto, yes nor no", value);
}

static int
set_console(void *into, const char *value, struct err *e)
{
	static const char *const names[] = {
	    [CONSOLE_LOG] = "log",
	    [CONSOLE_NONE] = "none",
	    [CONSOLE_STDIO] = "stdio",
	    [CONSOLE_PTY] = "pty",
	};
	struct options *o = into;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0) {
			o->console = (enum console_kind)i;
			return 0;
		}
	if (strncmp(value, "unix:", 5) != 0 || !value[5])
		return err_set(e, EX_USAGE,
		    "%s: not log, none, stdio, pty or unix:PATH", value);
	o->console = CONSOLE_SOCKET;
	o->console_socket = value + 5;
	return 0;
}

static const struct opt table[] = {
    {'k', "kernel", "FILE", "boot this kernel: bzImage, ELF, auto or stock",
	OPT_TEXT(struct options, kernel)},
    {'M', "modules", "DIR", "the kernel's modules: DIR/lib/modules/VERSION",
	OPT_TEXT(struct options, modules)},
    {'a', "append", "PARAMS", "kernel parameters to add", .set = set_append},
    {'i', "initrd", "FILE", "an initrd to add to ours",
	OPT_TEXT(struct options, initrd)},
    {'c', "cpus", "N", "processors, or \"host\" for as many as here (1)",
	.set = set_cpus},
    {'m', "memory", "SIZE[,max=SIZE]",
	"memory (512M), and how much it may become (no more)",
	.set = set_memory},
    {0, "hugepages", NULL, "memory of the host's reserved huge pages",
	OPT_FLAG(struct options, hugepages)},
    {0, "prealloc", NULL, "take all of the memory from the start",
	OPT_FLAG(struct options, prealloc)},
    {0, "overlay", "FILE", "keep what the guest writes in FILE",
	OPT_TEXT(struct options, overlay)},
    {0, "write", NULL, "write into the image itself",
	OPT_FLAG(struct options, write)},
    {0, "read-only", NULL, "the guest cannot write its root",
	OPT_FLAG(struct options, read_only)},
    {0, "ram", NULL, "the root lies in the guest's memory",
	OPT_FLAG(struct options, ram)},
    {0, "overlay-max", "SIZE", "what the guest writes may take so much",
	.set = set_overlay_max},
    {'d', "disk", "FILE[,...]",
	"another disk: ro, size=, mount=, from=, cache=, overlay=, ...",
	.set = set_disk},
    {'n', "net", "SOCKET[,...]",
	"a network interface: vk-switch's socket, passt's, or fd:N",
	.set = set_net},
    {0, "vsock-port", "P[=unix:PATH[,listen]]",
	"a unix socket that the guest's vsock reaches, or that reaches it",
	.set = set_vsock_port},
    {0, "vsock-style", "STYLE", "names of vsock's sockets: vk or linuxkit (vk)",
	.set = set_vsock_style},
    {'u', "user", "USER", "name or uid, with :group or :gid",
	OPT_TEXT(struct options, user)},
    {'w', "workdir", "DIR", "working directory, made if missing",
	OPT_TEXT(struct options, dir)},
    {'e', "env", "NAME[=VALUE]", "set a variable, or pass it on",
	.set = set_env},
    {'E', "env-file", "FILE", "the same for each line", .set = set_env_file},
    {0, "entrypoint", "PROGRAM", "in the place of the image's",
	OPT_TEXT(struct options, entrypoint)},
    {'t', "tty", NULL, "the command gets a terminal",
	OPT_FLAG(struct options, tty)},
    {0, "init", "WHEN", "the command becomes process 1: auto, yes, no (auto)",
	.set = set_init},
    {0, "sandbox", NULL, "commands have the rights of a container's",
	OPT_FLAG(struct options, sandbox)},
    {0, "keep", NULL, "the VM outlives its command",
	OPT_FLAG(struct options, keep)},
    {0, "no-reboot", NULL, "a guest that reboots has ended",
	OPT_FLAG(struct options, no_reboot)},
    {0, "console", "WHERE",
	"the guest's console: log, none, stdio, pty, unix:PATH (log)",
	.set = set_console},
    {0, "hostname", "NAME", "the guest's host name", .set = set_hostname},
    {0, "name", "NAME", "vk-exec finds the VM by it", .set = set_name},
    {0, "label", "NAME=VALUE", "a remark about the VM, shown by vk ps",
	.set = set_label},
    {0, "timeout", "TIME", "stop the VM after that", .set = set_timeout},
    {0, "boot-timeout", "TIME", "give up if it is not up by then (2m)",
	.set = set_boot_timeout},
    {0, "stop-timeout", "TIME", "then what does not stop is killed (10s)",
	.set = set_stop_timeout},
    {0, "die-with-parent", NULL, "stop the VM when the parent ends",
	OPT_FLAG(struct options, die_with_parent)},
    {0, "ready-fd", "FD", "a newline there when the guest is up",
	.set = set_ready_fd},
    {0, "status-fd", "FD", "a JSON object a line there as things happen",
	.set = set_status_fd},
    {0, "engine", "NAME",
	"what runs the guest: auto, kvm, uml, qemu, ... (auto)",
	OPT_TEXT(struct options, engine)},
    {0, "prepare", NULL, "do all that goes before, and start nothing",
	OPT_FLAG(struct options, prepare)},
    {0, "guest-modules", NULL, "show the guest all modules of its kernel",
	OPT_FLAG(struct options, guest_modules)},
    {0, "no-probe", NULL, "start even if KVM is too slow for a kernel",
	OPT_FLAG(struct options, no_probe)},
    {0, "no-nested", NULL, "the guest's processors cannot run KVM",
	OPT_FLAG(struct options, no_nested)},
    {0, "show", NULL, "say what would be booted, and end",
	OPT_FLAG(struct options, show)},
    {0, "serve", "DEVICE",
	"no guest, but a device for one: blk:, net:, vsock:, rng",
	OPT_TEXT(struct options, serve)},
    {0, "socket", "PATH", "where a device is served (vhost-user)",
	OPT_TEXT(struct options, socket)},
    {0, "no-sandbox", NULL, "run with all rights of this user",
	OPT_FLAG(struct options, no_sandbox)},
    {'v', "verbose", NULL, "say what happens, and when",
	.set = opt_set_verbose},
};

const struct opt_command options_command = {
    .name = "vk-boot",
    .synopsis = "[options] IMAGE [--] [COMMAND [ARG...]]",
    .purpose = "Boots a file system image as a microVM and runs a command "
	       "in it.",
    .options = table,
    .count = OPT_COUNT(table),
    .operands_end = true,
};

static int
read_nics(struct options *o, struct err *e)
{
	char nameless[32];

	/* VMs without a name must not share addresses. */
	snprintf(nameless, sizeof(nameless), "/%d", getpid());
	if (o->net.count > NICS_MAX)
		return err_set(e, EX_USAGE, "-n: at most %d times", NICS_MAX);
	for (unsigned i = 0; i < o->net.count; i++) {
		struct nic *nic = &o->nics[o->nic_count++];

		if (nic_parse(nic, o->net.words[i],
			o->name ? o->name : nameless, i, e) < 0)
			return err_prefix(e, "-n: %s", o->net.words[i]);
	}
	return 0;
}

/* The image and the command, from what stands behind the options. */
static int
take_operands(struct options *o, char **operands, bool dashes, struct err *e)
{
	if (o->serve || o->socket) {
		if (!o->serve || !o->socket || *operands)
			return err_set(e, EX_USAGE,
			    "--serve and --socket go together, without an "
			    "image");
		return 0;
	}
	/* Behind "--" and with an initrd it is the command already. */
	if (*operands && !(dashes && o->initrd))
		o->image = *operands++;
	if (!o->image && !o->initrd && !o->prepare) {
		err_set(e, EX_USAGE, "no image given");
		return err_hint(
		    e, "usage: vk-boot %s", options_command.synopsis);
	}
	if (*operands && strcmp(*operands, "--") == 0)
		operands++;
	else if (*operands && **operands == '-')
		return err_set(e, EX_USAGE,
		    "%s: options go before the image, a command after --",
		    *operands);
	o->argv = *operands ? operands : NULL;
	if ((o->hugepages || o->prealloc) && o->memory_max)
		return err_set(e, EX_USAGE,
		    "-m: max= goes with neither --hugepages nor --prealloc");
	if (o->hugepages && o->memory % GMEM_HUGE_PAGE != 0)
		return err_set(
		    e, EX_USAGE, "--hugepages: -m is not a multiple of 2M");
	if (o->overlay && (o->write || o->read_only))
		return err_set(e, EX_USAGE,
		    "--overlay goes with neither --write nor --read-only");
	if (o->tty && o->console == CONSOLE_STDIO)
		return err_set(e, EX_USAGE,
		    "--tty and --console stdio exclude each other");
	if (o->write && o->read_only)
		return err_set(
		    e, EX_USAGE, "--write and --read-only exclude each other");
	if (o->ram && (o->overlay || o->write || o->read_only || o->initrd))
		return err_set(e, EX_USAGE,
		    "--ram goes with neither --overlay, --write, --read-only "
		    "nor --initrd");
	if (o->ram && !o->image)
		return err_set(e, EX_USAGE, "--ram needs an image");
	return 0;
}

enum opt_result
options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	const char *engine = getenv("VK_ENGINE");
	enum opt_result result;
	bool dashes;
	int first;

	*o = (struct options){
	    .engine = engine && engine[0] ? engine : "auto",
	    .cpus = 1,
	    .memory = MEMORY_DEFAULT,
	    .ready_fd = -1,
	    .status_fd = -1,
	    .boot_timeout_ms = BOOT_TIMEOUT_MS,
	    .stop_timeout_ms = STOP_TIMEOUT_MS,
	};
	result = opt_parse(&options_command, argc, argv, o, &first, e);
	if (result != OPT_RUN)
		return result;
	dashes = first > 1 && strcmp(argv[first - 1], "--") == 0;
	if (take_operands(o, argv + first, dashes, e) < 0 ||
	    check_ports(o, e) < 0 || read_nics(o, e) < 0)
		return OPT_ERROR;
	return OPT_RUN;
}

void
options_release(struct options *o)
{
	word_list_release(&o->append);
	word_list_release(&o->env);
	word_list_release(&o->labels);
	word_list_release(&o->net);
	while (o->drive_count > 0)
		drive_wish_release(&o->drives[--o->drive_count]);
	while (o->port_count > 0)
		free(o->ports[--o->port_count].path);
	while (o->nic_count > 0)
		nic_release(&o->nics[--o->nic_count]);
}
