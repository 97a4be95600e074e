/* SPDX-License-Identifier: MIT */
/* hypervisor_api.c - orders to Cloud Hypervisor by its API */
#include "cmd/vk-boot/hypervisor_api.h"

#include "common/log.h"
#include "common/scope.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define NAME "api"

static const struct filter_call calls[] = {
    CALL(sendto),
    CALL(recvfrom),
    CALLS_END,
};

/* RFC 9112, 4: "HTTP/1.1 204 ". */
int
http_status(const char *text, size_t len)
{
	static const char pattern[] = "HTTP/1.N NNN ";
	int status = 0;

	for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
		if (i == len)
			return 0;
		if (pattern[i] == 'N' ? text[i] < '0' || text[i] > '9'
				      : text[i] != pattern[i])
			return -1;
	}
	for (size_t i = 9; i < 12; i++)
		status = status * 10 + (text[i] - '0');
	return status >= 100 && status <= 599 ? status : -1;
}

static void
end(struct hypervisor_api *api)
{
	loop_close(api->loop, &api->peer);
	api->have = 0;
}

static void
answered(struct hypervisor_api *api, int status)
{
	end(api);
	if (status < 0)
		log_warn("Cloud Hypervisor: %s: no answer", api->action);
	else if (status >= 300)
		log_warn("Cloud Hypervisor: %s: refused, with status %d",
		    api->action, status);
}

static void
peer_ready(struct loop_source *source, uint32_t events)
{
	struct hypervisor_api *api = source->owner;
	ssize_t n = recv(source->fd, api->answer + api->have,
	    sizeof(api->answer) - api->have, MSG_DONTWAIT);
	int status = -1;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		api->have += (size_t)n;
		status = http_status(api->answer, api->have);
	}
	if (status != 0)
		answered(api, status);
}

int
hypervisor_api_open(struct hypervisor_api *api, struct loop *loop,
    int run_folder, struct err *e)
{
	*api = (struct hypervisor_api){
	    .loop = loop,
	    .place = {.folder = run_folder, .name = NAME, .path = NAME},
	    .listener = -1,
	    .peer = {.fd = -1, .ready = peer_ready, .owner = api},
	};
	if (run_folder < 0)
		return 0;
	filter_add(loop_filter(loop), unix_place_calls);
	filter_add(loop_filter(loop), calls);
	api->listener = unix_place_listen(&api->place, e);
	return api->listener < 0 ? -1 : 0;
}

static int
give(struct hypervisor_api *api, const char *action, struct err *e)
{
	char order[128];
	int len = snprintf(order, sizeof(order),
	    "PUT /api/v1/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", action);

	api->action = action;
	api->peer.fd = unix_place_connect(&api->place);
	/* So little is taken whole, or not at all. */
	if (api->peer.fd < 0 || send(api->peer.fd, order, (size_t)len,
				    MSG_DONTWAIT | MSG_NOSIGNAL) != len)
		return err_errno(e, EX_OSERR, "Cloud Hypervisor: %s", action);
	return loop_add(api->loop, &api->peer, EPOLLIN, e);
}

void
hypervisor_api_put(struct hypervisor_api *api, const char *action)
{
	struct err e = ERR_INIT;

	end(api);
	if (give(api, action, &e) == 0)
		return;
	log_warn("%s", e.text);
	end(api);
}

void
hypervisor_api_release(struct hypervisor_api *api)
{
	if (!api->loop)
		return;
	end(api);
	fd_close(&api->listener);
	api->loop = NULL;
}
