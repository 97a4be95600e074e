/* SPDX-License-Identifier: MIT */
/*
 * vk-boot.c - boots a file system image as a microVM and runs a command in it
 *
 * The parts, from the outside in: vm (what belongs together), sandbox (what is
 * given up before the guest runs), guest (the VM's life), boot (what is put
 * into its memory), machine (processors, buses), virtio devices.
 */
#include "cmd/vk-boot/guest.h"
#include "cmd/vk-boot/options.h"
#include "cmd/vk-boot/sandbox.h"
#include "cmd/vk-boot/serve.h"
#include "cmd/vk-boot/vm.h"

#include "common/confine.h"
#include "common/die.h"
#include "common/io.h"
#include "common/log.h"

#include <stdio.h>

/* What would be run. */
static int
tell(const struct vm *vm)
{
	printf("engine\t%s\nkernel\t%s\nlandlock\t%d\n", vm->engine->ops->name,
	    vm->boot.kernel_path, confine_landlock_version());
	return fflush(stdout) == 0 ? 0 : EX_IOERR;
}

static int
boot(struct vm *vm, struct err *e)
{
	int status;

	status_init(&vm->status, vm->options.ready_fd, vm->options.status_fd);
	sandbox_begin(vm);
	if (vm_build(vm, e) < 0)
		status = -1;
	else if (vm->options.prepare)
		status = tell(vm);
	else if (vm->options.show)
		status = vm_show(vm, e);
	else
		status = sandbox_close(vm, e) < 0 ? -1 : vm_run(vm, e);
	vm_release(vm);
	return status;
}

int
main(int argc, char **argv)
{
	static struct vm vm;
	struct err e = ERR_INIT;
	int status;

	io_keep_standard();
	switch (options_parse(&vm.options, argc, argv, &e)) {
	case OPT_ERROR:
		die_err(&e);
	case OPT_ANSWERED:
		return 0;
	case OPT_RUN:
		break;
	}
	guest_signals();
	log_hold();
	if (vm.options.serve) {
		status = serve(&vm.options, &e);
		options_release(&vm.options);
	} else {
		status = boot(&vm, &e);
	}
	if (log_waits())
		guest_signals_over();
	log_release();
	if (status < 0)
		die_err(&e);
	return status;
}
