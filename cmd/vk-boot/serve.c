/* SPDX-License-Identifier: MIT */
/* serve.c - one device as a process of its own, for another program's guest */
#include "cmd/vk-boot/serve.h"

#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/status.h"
#include "cmd/vk-boot/virtio/net.h"
#include "cmd/vk-boot/virtio/rng.h"
#include "cmd/vk-boot/virtio/vhost_user.h"
#include "cmd/vk-boot/virtio/vsock.h"

#include "common/io.h"
#include "common/local_socket.h"
#include "common/log.h"
#include "common/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct server {
	const struct options *options;
	char *text;      /* DEVICE, cut at its colon */
	char *arguments; /* what is behind it; "" if nothing */
	struct confine confine;
	struct gate gate;
	struct filter filter; /* of the main thread */
	struct gmem mem;      /* what a front end shows */
	struct drive_wish wish;
	struct drive drive;
	struct nic nic;
	int run_folder, folder; /* vsock's, and the socket's */
	struct loop *loop;      /* of all but drives */
	struct virtio_device *device;
	struct vhost_user *vhost;
};

/* ---- the kinds of devices ----------------------------------------------- */

static int
make_blk(struct server *s, struct err *e)
{
	if (drive_parse(&s->wish, s->arguments, 0, e) < 0 ||
	    drive_open(&s->drive, &s->wish, e) < 0)
		return -1;
	s->device = drive_attach(&s->drive, &s->mem, s->options->cpus, e);
	return s->device ? 0 : -1;
}

static int
make_net(struct server *s, struct err *e)
{
	struct net_config config = {.fd = -1};

	if (nic_parse(&s->nic, s->arguments, s->options->socket, 0, e) < 0)
		return -1;
	config.path = s->nic.path;
	config.fd = s->nic.path ? -1 : steal_fd(&s->nic.fd);
	config.mtu = s->nic.mtu;
	memcpy(config.mac, s->nic.mac, sizeof(config.mac));
	s->device = net_new(s->loop, &s->mem, &config, e);
	return s->device ? 0 : -1;
}

/* DIR[,cid=N] */
static int
make_vsock(struct server *s, struct err *e)
{
	struct vsock_config config = {0};
	char *comma = strchr(s->arguments, ','), *end;

	if (comma) {
		*comma++ = '\0';
		if (strncmp(comma, "cid=", 4) != 0)
			return err_set(e, EX_USAGE, "%s: not known", comma);
		config.cid = strtoull(comma + 4, &end, 10);
		if (*end || config.cid < VSOCK_CID_GUEST ||
		    config.cid > UINT32_MAX - 1)
			return err_set(
			    e, EX_USAGE, "%s: not 3 to 4294967294", comma);
	}
	s->run_folder = open(s->arguments, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->run_folder < 0)
		return err_errno(e, EX_NOINPUT, "%s", s->arguments);
	config.run_folder = s->run_folder;
	s->device = vsock_new(s->loop, &s->mem, &config, e);
	return s->device ? 0 : -1;
}

static int
make_rng(struct server *s, struct err *e)
{
	if (*s->arguments)
		return err_set(e, EX_USAGE, "rng takes no arguments");
	s->device = rng_new(s->loop, &s->mem, e);
	return s->device ? 0 : -1;
}

static const struct kind {
	const char *name;
	int (*make)(struct server *, struct err *);
} kinds[] = {
    {"blk", make_blk},
    {"net", make_net},
    {"vsock", make_vsock},
    {"rng", make_rng},
};

static int
make_device(struct server *s, struct err *e)
{
	char *colon;

	s->text = strdup(s->options->serve);
	if (!s->text)
		return err_errno(e, EX_OSERR, "serve");
	colon = strchr(s->text, ':');
	s->arguments = colon ? colon + 1 : s->text + strlen(s->text);
	if (colon)
		*colon = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, s->text) == 0)
			return kinds[i].make(s, e) < 0
				   ? err_prefix(e, "--serve %s", s->text)
				   : 0;
	return err_set(
	    e, EX_USAGE, "--serve %s: not blk, net, vsock or rng", s->text);
}

/* ---- in order ----------------------------------------------------------- */

static int
build(struct server *s, struct err *e)
{
	struct vhost_user_config config = {.mem = &s->mem};

	s->loop = loop_new("devices", e);
	if (!s->loop || make_device(s, e) < 0)
		return -1;
	config.device = s->device;
	config.listener =
	    local_socket_listen(s->options->socket, 1, &s->folder, e);
	if (config.listener < 0)
		return -1;
	s->vhost = vhost_user_new(&config, e);
	return s->vhost ? 0 : -1;
}

/* The main thread waits, and puts things in order. */
static const struct filter_call main_calls[] = {
    CALL(rt_sigtimedwait),
    CALL(unlinkat),
    CALL(close),
    CALL(epoll_ctl),
    CALL(exit_group),
    CALLS_END,
};

static int
confine(struct server *s, struct err *e)
{
	if (s->options->no_sandbox) {
		log_warn("--no-sandbox: a guest that breaks out has all rights "
			 "of this user");
		return 0;
	}
	if (confine_keep(&s->confine, s->folder, CONFINE_REMOVE, e) < 0 ||
	    confine_keep(&s->confine, s->run_folder,
		CONFINE_CONNECT | CONFINE_REMOVE, e) < 0)
		return -1;
	if (s->device->ops->keep &&
	    s->device->ops->keep(s->device, &s->confine, e) < 0)
		return -1;
	confine_files(&s->confine);
	if (confine_privileges(e) < 0)
		return -1;
	confine_landlock(&s->confine);
	if (*s->confine.without)
		log_info("sandbox: without %s", s->confine.without);
	if (CONFINE_SANITIZED)
		return 0;
	filter_init(&s->filter, "main", LOOP_CALLS_MAX);
	filter_add(&s->filter, filter_libc);
	filter_add(&s->filter, main_calls);
	filter_add(&s->filter, loop_calls);
	if (s->drive.loop)
		disk_allow_close(&s->drive.disk, &s->filter);
	if (sandbox_filter(&s->filter, e) < 0)
		return -1;
	return sandbox_filter(loop_filter(s->device->loop), e);
}

static int
run(struct server *s, struct err *e)
{
	sigset_t ends;
	int number;

	if (loop_start(s->device->loop, &s->gate, e) < 0)
		return -1;
	if (s->filter.program && filter_load(&s->filter, e) < 0)
		return -1;
	if (gate_open(&s->gate, e) < 0)
		return -1;
	if (s->options->ready_fd >= 0 &&
	    io_write(s->options->ready_fd, "\n", 1) < 0)
		log_warn("--ready-fd: %s", strerror(errno));
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	do
		number = sigwaitinfo(&ends, NULL);
	while (number < 0 && errno == EINTR);
	return 0;
}

static void
release(struct server *s)
{
	gate_cancel(&s->gate);
	if (s->device) {
		/* What is under way is waited for where it may be. */
		virtio_device_stop(s->device);
		loop_end(s->device->loop);
	}
	vhost_user_free(s->vhost);
	if (s->drive.loop)
		drive_close(&s->drive);
	else
		virtio_device_free(s->device);
	loop_free(s->loop);
	local_socket_remove(s->folder, s->options->socket);
	fd_close(&s->folder);
	fd_close(&s->run_folder);
	nic_release(&s->nic);
	drive_wish_release(&s->wish);
	filter_release(&s->filter);
	gate_release(&s->gate);
	free(s->text);
}

int
serve(const struct options *options, struct err *e)
{
	static struct server s;
	int result;

	s.options = options;
	s.folder = s.run_folder = s.nic.fd = -1;
	gate_init(&s.gate);
	io_allow_descriptors(); /* a connection of the guest is one */
	if (!options->no_sandbox)
		confine_user(&s.confine);
	result = build(&s, e);
	if (result == 0)
		result = confine(&s, e);
	if (result == 0)
		result = run(&s, e);
	release(&s);
	return result;
}
