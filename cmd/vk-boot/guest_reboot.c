/* SPDX-License-Identifier: MIT */
/*
 * guest_reboot.c - a guest that was reset begins anew
 *
 * What was booted was kept, so that nothing is looked for again: the same
 * kernel, parameters and configuration, in memory that is zero. The VM's name,
 * run folder, sockets, console and disks with what was written to them stay.
 * The guest's connections are closed, and its command runs once more.
 *
 * A guest that resets itself all the time must not keep the host busy: lives
 * that came to nothing are counted, and too many in a row are a crash.
 */
#include "cmd/vk-boot/guest_parts.h"

#include "cmd/vk-boot/boot.h"
#include "cmd/vk-boot/hot_disks.h"
#include "cmd/vk-boot/virtio/device.h"

#include "common/log.h"

/* A life that came to nothing: the guest was not up, or for less than this. The
 * slowest loop that is no such thing costs the host a boot a second. */
#define LIFE_MS 1000
/* So many in a row: enough for a guest that sets something up by rebooting. */
#define BRIEF_LIVES_MAX 5

bool
guest_reboots(const struct guest *g)
{
	return !g->options->no_reboot && g->state < GUEST_REBOOTING;
}

/* Whether it may have another life. */
static bool
count_life(struct guest *g)
{
	uint64_t lived_ms = status_ms(g->config->status) - g->began_ms;

	if (g->ready && lived_ms >= LIFE_MS)
		g->brief = 0;
	else
		g->brief++;
	return g->brief <= BRIEF_LIVES_MAX;
}

void
guest_reboot(struct guest *g)
{
	struct err e = ERR_INIT;

	if (!count_life(g)) {
		log_warn("the guest does nothing but reboot; its last words:");
		guest_last_words(g, "reboots again and again");
		guest_finish(g, EXIT_GUEST_CRASHED, "crash");
		return;
	}
	guest_set_state(g, GUEST_REBOOTING);
	virtio_device_stop(g->config->vsock);
	if (guest_agent_again(g, &e) < 0) {
		log_warn("%s", e.text);
		guest_finish(g, EXIT_FAILED, "failure");
		return;
	}
	/* What the command wrote is still passed on; its end is told. */
	if (!g->session_started || g->session_over)
		guest_reboot_go_on(g);
}

void
guest_reboot_go_on(struct guest *g)
{
	struct engine *engine = g->config->engine;
	struct err e = ERR_INIT;

	guest_command_again(g);
	g->status = 0;
	g->why = NULL;
	g->began_ms = status_ms(g->config->status);
	status_event(g->config->status, "reboot",
	    json_pack("{s:i}", "count", (int)++g->reboots));
	guest_boots(g);
	guest_set_state(g, GUEST_BOOTING);
	boot_again(g->config->boot);
	if (engine->ops->again(engine, g->config->boot, &e) < 0 ||
	    (g->paused && engine->ops->pause(engine, true, &e) < 0)) {
		log_warn("reboot: %s", e.text);
		guest_finish(g, EXIT_FAILED, "failure");
		return;
	}
	hot_disks_again(g->config->hot_disks);
}
