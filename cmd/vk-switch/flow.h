/* SPDX-License-Identifier: MIT */
/*
 * flow.h - the table of conversations between VMs and the world
 *
 * A flow is one TCP connection, one pair of UDP ends or one ICMP echo session,
 * and owns one socket of the host. All protocols share one table of a fixed
 * size, found by a keyed hash (a VM chooses most of the key), so nobody can
 * make memory grow.
 *
 * A full table is shared fairly: the VM with the most flows gives way. Within
 * a VM go first datagram flows, then TCP that was never established, then the
 * longest idle connection. Each VM has lists for these three, ordered by last
 * use, and the same lists serve the idle limits. Half-open connections have a
 * limit of their own (HALF_OPEN_MAX).
 *
 * Timers of TCP lie in a wheel; arming is lazy: a flow lies in one slot, and
 * when that comes up the deadline in the flow decides.
 */
#ifndef VK_SWITCH_FLOW_H
#define VK_SWITCH_FLOW_H

#include "cmd/vk-switch/packet.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define FLOWS_DEFAULT 65536
#define FLOWS_LIMIT   (1 << 20)
#define FLOWS_LEAST   64
/* Of one VM; a browser has dozens, a port scan thousands. Beyond that each one
 * more takes the place of the oldest, and only so often, since it costs some
 * system calls: a flood takes a hundredth of a processor. */
#define HALF_OPEN_MAX      1024
#define HALF_OPEN_EVERY_MS 16

/* RFC 5382, REQ-5: not under two hours and four minutes. */
#define TCP_IDLE_MS (7440 * 1000)
/* RFC 4787, REQ-5: not under two minutes, five are better. */
#define UDP_IDLE_MS (300 * 1000)
/* Until the first answer. */
#define UDP_NEW_IDLE_MS (30 * 1000)

#define WHEEL_SLOTS   128
#define WHEEL_SLOT_MS 64

enum flow_list {
	FLOWS_DATAGRAM, /* UDP and echo that were answered */
	FLOWS_DATAGRAM_NEW,
	FLOWS_HALF_OPEN,
	FLOWS_OPEN,
	FLOW_LISTS,
};

enum tcp_phase {
	PHASE_CONNECTING, /* our connect(2) is under way */
	PHASE_ANSWERED,   /* our SYN-ACK waits for the VM's ACK */
	PHASE_CALLING,    /* our SYN waits for the VM's SYN-ACK */
	PHASE_OPEN,
};

/* What is mirrored of a TCP connection; "we" are the far end that the VM
 * sees. Sequence numbers as in RFC 9293, 3.3.1. */
struct tcp {
	uint8_t phase;
	uint8_t scale;        /* of the VM's window */
	uint8_t retries;      /* of the timer, in a row */
	uint8_t duplicates;   /* ACKs in a row that say nothing new */
	uint8_t proxy;        /* enum proxy_phase */
	bool scaling : 1;     /* both sides have the option */
	bool stream_unix : 1; /* the socket is a unix one */
	bool vm_fin : 1;      /* the VM's FIN came and was passed on */
	bool eof : 1;         /* the socket's end was read */
	bool fin_sent : 1;
	bool ack_due : 1;   /* what we got is not yet acknowledged */
	bool ack_now : 1;   /* and cannot be put off */
	bool starved : 1;   /* window closed for want of buffer */
	bool pull : 1;      /* the socket may have data */
	bool held : 1;      /* it may, and the window has no room for it */
	bool urgent : 1;    /* a read may stop in the middle, at the mark */
	bool hangup : 1;    /* the far end will send no more */
	bool failed : 1;    /* the socket is dead: reset the VM */
	bool delayed : 1;   /* in the list of acknowledgements put off */
	uint16_t mss;       /* payload of a segment to the VM */
	uint32_t una, next; /* sent to the VM: acknowledged, all */
	uint32_t acked;     /* acknowledged, not yet taken off the socket */
	uint32_t window;    /* the VM's, bytes from una */
	uint32_t received;  /* next byte expected from the VM */
	uint32_t told;      /* the last of that acknowledged to it */
	uint32_t edge;      /* right edge of the window that we offered */
	uint32_t room;      /* at least so much the socket takes */
	uint32_t buffer;    /* its send buffer when that was learned */
	uint16_t inspect;   /* inspection buffer + 1, 0: none */
};

struct datagram {
	bool answered;
	bool one_by_one;            /* the kernel takes no datagrams as one */
	uint16_t echo_id, echo_seq; /* the VM's; of what failed */
	uint16_t published, client_port; /* where a client came in, and who */
	struct addr client, at;          /* at: which address of the host */
};

struct flow {
	int fd; /* -1: free */
	uint8_t proto;
	uint8_t list;  /* enum flow_list */
	uint16_t rule; /* that let it in, + 1; for the control socket */
	struct addr vm, far;
	uint16_t vm_port, far_port;
	uint32_t port; /* index */
	struct mac vm_mac;
	bool dirty;   /* in the list of this turn */
	bool waiting; /* in the port's list for room */
	bool inbound;
	uint32_t generation;
	uint32_t hash_next; /* references: index + 1 */
	uint32_t list_before, list_after;
	uint32_t dirty_next, waiting_next;
	uint32_t wheel_next, wheel_before;
	uint16_t wheel_slot;   /* + 1, 0: in none */
	uint64_t wheel_due_ms; /* when that slot comes up */
	uint64_t deadline_ms;  /* 0: none */
	uint64_t used_ms;
	uint64_t bytes_out, bytes_in; /* from and to the VM */
	union {
		struct tcp tcp;
		struct datagram datagram;
	};
};

struct flow_queue {
	uint32_t first, last; /* references; first is the longest idle */
	uint32_t count;
};

struct flow_table {
	struct flow *flows;
	uint32_t *buckets;
	uint32_t size, bucket_mask;
	uint32_t free;  /* head of the free list */
	uint32_t top;   /* places from here on were never used */
	uint32_t found; /* what was looked up last, mostly again */
	uint32_t used;
	uint64_t key[2];
	uint32_t wheel[WHEEL_SLOTS];
	uint32_t armed;    /* flows in the wheel */
	uint64_t wheel_ms; /* up to where it has turned */
	uint32_t dirty;    /* head of the flows touched this turn */
	uint64_t refused, evicted, total;
};

struct flow_key {
	uint8_t proto;
	struct addr vm, far;
	uint16_t vm_port, far_port;
};

struct lan;
struct port;
struct station;

int flows_init(struct lan *, uint32_t size, struct err *);
void flows_release(struct lan *);

/* A keyed hash of the ends. */
uint64_t flow_hash(const struct lan *, const struct flow_key *);

struct flow_key flow_key_of(const struct flow *);

struct flow *flow_find(struct lan *, const struct flow_key *);
/* The same for what that station sends. An address may have gone from one VM to
 * another (station.h): flows do not go with it, but end. */
struct flow *flow_of(
    struct lan *, const struct station *, const struct flow_key *);

/* May the VM try another connection now? What it may not is counted. */
bool flow_may_open(struct lan *, struct port *);

/*
 * A new flow of that VM, in the hash and on the list; evicts where it must.
 * Takes fd, also on failure. NULL: this VM has its share already.
 */
struct flow *flow_new(struct lan *, const struct flow_key *,
    const struct station *, enum flow_list, int fd);

/* The VM with the most flows loses one to that VM (NULL: to what is no VM's),
 * not to one that has more; and to itself none that is in use. False: none. */
bool flow_make_place(struct lan *, const struct port *asking);

/* Closes the socket and frees the place. Nothing is told to the VM. */
void flow_free(struct lan *, struct flow *);

/* It gives way to another: both ends are reset. */
void flow_evict(struct lan *, struct flow *);

/* It was used: to the end of that list. */
void flow_used(struct lan *, struct flow *, enum flow_list);

/* Something is to be done for it at the end of this turn (tcp_settle). */
void flow_touch(struct lan *, struct flow *);
void flows_settle(struct lan *);

/* To be called again when its port has room. */
void flow_wait(struct lan *, struct flow *);
void flows_of_port_resume(struct lan *, struct port *);
void flows_of_port_close(struct lan *, struct port *);

/* deadline_ms from now; 0: no more. */
void flow_timer(struct lan *, struct flow *, uint64_t after_ms);
void flows_turn_wheel(struct lan *);
/* The idle limits; called every second. */
void flows_expire(struct lan *);

uint32_t flow_index(const struct lan *, const struct flow *);

#endif
