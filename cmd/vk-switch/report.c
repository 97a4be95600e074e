/* SPDX-License-Identifier: MIT */
/* report.c - the tables of the switch as JSON, for control.h */
#include "cmd/vk-switch/report.h"

#include "cmd/vk-switch/lan.h"

#include <stdarg.h>
#include <stdio.h>

/* Room that is kept for the end of an answer. */
#define TAIL_ROOM 512

void
report_text(struct writer *w, const char *text)
{
	put_bytes(w, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void
report_printf(struct writer *w, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_bytes(w, text, n < 0 ? 0 : (size_t)n);
}

void
report_string(struct writer *w, const char *text)
{
	report_text(w, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			report_printf(w, "\\u%04x", c);
		else
			put_bytes(w, text, 1);
	}
	report_text(w, "\"");
}

static void
member_string(struct writer *w, const char *name, const char *value)
{
	report_printf(w, "\"%s\":", name);
	report_string(w, value);
}

static void
report_station(struct lan *lan, struct writer *w, const struct station *s)
{
	char text[ADDR_TEXT_MAX];

	report_text(w, "{");
	member_string(w, "mac", mac_text(&s->mac, text));
	report_text(w, ",");
	member_string(w, "name", s->name);
	report_printf(w, ",\"idle_ms\":%llu,\"addresses\":[",
	    (unsigned long long)(lan->loop.now_ms - s->seen_ms));
	for (uint32_t i = 0; i < s->addr_count; i++) {
		if (i)
			report_text(w, ",");
		report_string(w, addr_text(&s->addrs[i].addr, text));
	}
	report_text(w, "]}");
}

static void
report_port(struct lan *lan, struct writer *w, const struct port *p)
{
	const struct port_counters *n = &p->count;
	bool first = true;

	report_printf(w, "{\"port\":%u,", p->index);
	member_string(w, "name", port_name(lan, p));
	report_text(w, ",");
	member_string(w, "socket", p->listener ? p->listener->path : "");
	report_printf(w,
	    ",\"offload\":%s,\"flows\":%u,\"in_frames\":%llu,\"in_bytes\":%llu,"
	    "\"out_frames\":%llu,\"out_bytes\":%llu,\"spoofed\":%llu,"
	    "\"malformed\":%llu,\"dropped\":%llu,\"refused\":%llu,"
	    "\"stations\":[",
	    p->out_headers ? "true" : "false", p->flows,
	    (unsigned long long)n->in_frames, (unsigned long long)n->in_bytes,
	    (unsigned long long)n->out_frames, (unsigned long long)n->out_bytes,
	    (unsigned long long)n->spoofed, (unsigned long long)n->malformed,
	    (unsigned long long)n->dropped, (unsigned long long)n->refused);
	for (int i = 0; i < PORT_MACS_MAX; i++) {
		const struct station *s = station_at(lan, p->stations[i]);

		if (!s)
			continue;
		if (!first)
			report_text(w, ",");
		report_station(lan, w, s);
		first = false;
	}
	report_text(w, "]}");
}

void
report_ports(struct lan *lan, struct writer *w)
{
	bool first = true;

	report_text(w, "\"ports\":[");
	for (uint32_t i = 0; i < PORTS_MAX; i++) {
		if (lan->ports[i].fd < 0)
			continue;
		if (!first)
			report_text(w, ",");
		report_port(lan, w, &lan->ports[i]);
		first = false;
	}
	report_text(w, "]");
}

void
report_leases(struct lan *lan, struct writer *w)
{
	static const char *const states[] = {
	    [LEASE_FREE] = "free",
	    [LEASE_OFFERED] = "offered",
	    [LEASE_BOUND] = "bound",
	    [LEASE_RESERVED] = "reserved",
	    [LEASE_DECLINED] = "declined",
	};
	char text[ADDR_TEXT_MAX];
	bool first = true;

	report_text(w, "\"leases\":[");
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		const struct lease *l = &lan->leases.leases[i];

		if (l->state == LEASE_FREE)
			continue;
		report_text(w, first ? "{" : ",{");
		first = false;
		member_string(w, "address", addr_text(&l->addr, text));
		report_text(w, ",");
		member_string(
		    w, "mac", l->has_mac ? mac_text(&l->mac, text) : "");
		report_text(w, ",");
		member_string(w, "name", l->name);
		report_text(w, ",");
		member_string(w, "state", states[l->state]);
		report_printf(w, ",\"until\":%lld}", (long long)l->until);
	}
	report_text(w, "]");
}

void
report_counters(struct lan *lan, struct writer *w)
{
	const struct flow_table *t = &lan->flows;

	report_printf(w,
	    "\"flows\":%u,\"flows_max\":%u,\"flows_total\":%llu,"
	    "\"flows_evicted\":%llu,\"flows_refused\":%llu,"
	    "\"names_refused\":%llu,\"pcap_lost\":%llu",
	    t->used, t->size, (unsigned long long)t->total,
	    (unsigned long long)t->evicted, (unsigned long long)t->refused,
	    (unsigned long long)lan->names_refused,
	    (unsigned long long)lan->pcap.lost);
}

void
report_published(struct lan *lan, struct writer *w)
{
	char text[ADDR_TEXT_MAX];
	bool first = true;

	report_text(w, "\"published\":[");
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++) {
		const struct published *p = &lan->publisher.entries[i];

		if (!p->used)
			continue;
		report_text(w, first ? "{" : ",{");
		first = false;
		member_string(
		    w, "at", p->is_unix ? p->path : addr_text(&p->addr, text));
		report_printf(w, ",\"port\":%u,\"protocol\":\"%s\",", p->port,
		    p->proto == PROTO_TCP ? "tcp" : "udp");
		member_string(w, "vm", p->vm);
		report_printf(w, ",\"vm_port\":%u}", p->vm_port);
	}
	report_text(w, "]");
}

static void
report_flow(struct lan *lan, struct writer *w, const struct flow *f)
{
	static const char *const phases[] = {
	    [PHASE_CONNECTING] = "connecting",
	    [PHASE_ANSWERED] = "answered",
	    [PHASE_CALLING] = "calling",
	    [PHASE_OPEN] = "open",
	};
	char text[ADDR_TEXT_MAX];

	report_printf(w, "{\"protocol\":\"%s\",",
	    f->proto == PROTO_TCP   ? "tcp"
	    : f->proto == PROTO_UDP ? "udp"
				    : "icmp");
	member_string(w, "vm", port_name(lan, &lan->ports[f->port]));
	report_text(w, ",");
	member_string(w, "vm_address", addr_text(&f->vm, text));
	report_printf(w, ",\"vm_port\":%u,", f->vm_port);
	member_string(w, "address", addr_text(&f->far, text));
	report_printf(w,
	    ",\"port\":%u,\"inbound\":%s,\"state\":\"%s\",\"rule\":%u,"
	    "\"out_bytes\":%llu,\"in_bytes\":%llu,\"idle_ms\":%llu}",
	    f->far_port, f->inbound ? "true" : "false",
	    f->proto == PROTO_TCP ? phases[f->tcp.phase] : "open", f->rule,
	    (unsigned long long)f->bytes_out, (unsigned long long)f->bytes_in,
	    (unsigned long long)(lan->loop.now_ms - f->used_ms));
}

void
report_flows(struct lan *lan, struct writer *w, uint32_t from)
{
	bool first = true;
	uint32_t i;

	report_text(w, "\"flows\":[");
	for (i = from; i < lan->flows.top && w->left > TAIL_ROOM * 2; i++) {
		if (lan->flows.flows[i].fd < 0)
			continue;
		if (!first)
			report_text(w, ",");
		report_flow(lan, w, &lan->flows.flows[i]);
		first = false;
	}
	report_text(w, "]");
	if (i < lan->flows.top)
		report_printf(w, ",\"next\":%u", i);
}
