/* SPDX-License-Identifier: MIT */
/* options.h - what the user asked of vk-boot (vk-boot(1)) */
#ifndef VK_BOOT_OPTIONS_H
#define VK_BOOT_OPTIONS_H

#include "cmd/vk-boot/command.h"
#include "cmd/vk-boot/drive.h"
#include "cmd/vk-boot/nic.h"
#include "cmd/vk-boot/virtio/vsock_ports.h"

#include "common/opt.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the guest's console goes, beside the ring that keeps its end. */
enum console_kind {
	CONSOLE_LOG, /* the run folder's file */
	CONSOLE_NONE,
	CONSOLE_STDIO,
	CONSOLE_PTY,
	CONSOLE_SOCKET,
};

struct options {
	const char *image; /* the root's file; NULL with only an initrd */

	/* booting */
	const char *kernel, *modules, *initrd;
	struct word_list append; /* kernel parameters */

	/* machine */
	const char *engine; /* "auto", or a name */
	unsigned cpus;
	bool cpus_host;      /* as many as there are, not a demand */
	uint64_t memory;     /* bytes */
	uint64_t memory_max; /* that it may be given later; 0: no more */
	bool hugepages, prealloc;
	bool no_reboot, no_probe, no_nested, guest_modules;
	bool show; /* say what would be booted, and end */

	/* the image's disk */
	const char *overlay;
	bool write, read_only;
	bool ram;             /* no disk: its files are put into memory */
	uint64_t overlay_max; /* bytes; 0: no limit */

	/* more disks */
	struct drive_wish drives[DRIVES_MAX];
	unsigned drive_count;

	/* network */
	struct word_list net; /* as given; read into: */
	struct nic nics[NICS_MAX];
	unsigned nic_count;

	/* vsock */
	struct vsock_port_wish ports[VSOCK_PORTS_MAX];
	unsigned port_count;
	bool hyperkit; /* names in the run folder */

	/* command */
	char **argv; /* NULL: the image's own */
	const char *entrypoint, *user, *dir, *hostname;
	struct word_list env;
	bool tty, keep;
	struct word_list labels; /* NAME=VALUE: told to those who ask */
	enum { INIT_AUTO, INIT_YES, INIT_NO } init; /* it becomes process 1 */
	bool sandbox;
	bool no_sandbox;

	/* console */
	enum console_kind console;
	const char *console_socket; /* its path, of CONSOLE_SOCKET */

	/* no guest, but a device for another one (serve.h) */
	const char *serve, *socket;

	/* life */
	bool prepare; /* do not start it */
	bool die_with_parent;
	const char *name;                     /* NULL: no run folder */
	int ready_fd, status_fd;              /* -1: none */
	uint64_t timeout_ms, boot_timeout_ms; /* 0: none */
	uint64_t stop_timeout_ms;
};

extern const struct opt_command options_command;

/* Fills in what was not asked for, then reads argv. As opt_parse. */
enum opt_result options_parse(
    struct options *, int argc, char **argv, struct err *);
void options_release(struct options *);

#endif
