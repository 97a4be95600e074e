/* SPDX-License-Identifier: MIT */
/*
 * frame.h - the wire between the host and the guest's agent
 *
 * What vk-exec(5) says, as declarations. Two kinds of connection use it:
 *
 *	announce   the agent connects to the host (CID 2, port EXEC_PORT) once
 *	           and says HELLO, IMAGE, READY, then EVENTs; the host says
 *	           STOP and CLOCK.
 *	session    the host connects to the agent (port EXEC_PORT), once for
 *	           each command, copy or forwarded connection; both say HELLO,
 *	           the host says OPEN, and streams flow until EXITED or FAILED.
 *
 * A frame is a head of FRAME_HEAD bytes and a payload, little endian:
 *
 *	u32 length of the payload | u8 type | u8 stream | u16 zero
 *
 * DATA flows on a stream only as far as its receiver gave credit: each starts
 * with STREAM_WINDOW, CREDIT adds to it. So whoever does not read stdout holds
 * up stdout, and neither stderr, nor stdin, nor the exit status.
 *
 * A length is a claim: it is compared with the type's own limit before
 * anything is allocated for it. Every breach ends the connection.
 */
#ifndef VK_COMMON_FRAME_H
#define VK_COMMON_FRAME_H

#include "common/buf.h"
#include "common/cursor.h"
#include "common/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <sys/types.h>

#define EXEC_PORT    30315      /* vsock, both directions */
#define EXEC_VERSION 1          /* of all that is said here */
#define EXEC_MAGIC   0x65786b76 /* "vkxe" */

#define FRAME_HEAD 8
/* A pipe's capacity: more a frame gains nothing, less costs system calls. */
#define FRAME_DATA_MAX 65536
/* Linux takes at most 6 MiB of arguments and environment, 2 MiB by default. */
#define FRAME_OPEN_MAX (6u << 20)
/* An image configuration; registries refuse manifests above 4 MiB, and real
 * ones have some KiB. */
#define FRAME_IMAGE_MAX (1u << 20)
/* All other types: a few numbers or a line of text. */
#define FRAME_CONTROL_MAX 4096
/* Two chunks on their way while one is written and one read. */
#define STREAM_WINDOW (4 * FRAME_DATA_MAX)

enum frame_type {
	/* Both sides, first: u32 EXEC_MAGIC, u16 version, u16 zero. The
	 * agent's on the announce connection goes on with its boot stages:
	 * (u64 ns since the kernel's start, u8 length, name)... */
	FRAME_HELLO = 1,

	/* Sessions, to the agent. */
	FRAME_OPEN = 2,   /* items, see enum item */
	FRAME_SIGNAL = 3, /* u8 number: to the command's process group */
	FRAME_WINDOW = 4, /* u16 rows, columns, x pixels, y pixels */

	/* Sessions, both ways; the stream is in the head. */
	FRAME_DATA = 8,    /* 1 to FRAME_DATA_MAX bytes */
	FRAME_EOF = 9,     /* from a writer: no more. From a reader: gone */
	FRAME_CREDIT = 10, /* u32 bytes more may be sent on the stream */

	/* Sessions, from the agent. */
	FRAME_STARTED = 16,  /* u32 session id, u32 process id */
	FRAME_EXITED = 17,   /* u32 status of waitpid(2); the end */
	FRAME_FAILED = 18,   /* u8 status (125 to 127), text; the end */
	FRAME_ACCEPTED = 19, /* u64 token: OPEN_JOIN takes the connection */

	/* Announce, from the agent. */
	FRAME_IMAGE = 32, /* the bytes of /.vk/image.json; may be empty */
	FRAME_READY = 33, /* sessions are served */
	FRAME_EVENT = 34, /* u8 enum event, text */

	/* Announce, to the agent. */
	FRAME_STOP = 40,  /* u8 signal (0: the main's own), u8 reboot,
			     u16 zero, u32 deadline in ms */
	FRAME_CLOCK = 41, /* u64 ns since 1970 */
};

enum stream {
	STREAM_IN,  /* to the guest: stdin, or a connection's one half */
	STREAM_OUT, /* from it: stdout, a terminal, the other half */
	STREAM_ERR,
	STREAM_COUNT,
};

/* What an EVENT tells; its text is one line. */
enum event {
	EVENT_LOG = 1,     /* something is odd, the guest goes on */
	EVENT_FATAL,       /* the guest cannot go on: why */
	EVENT_OOM,         /* the kernel killed for want of memory: what */
	EVENT_EXITED,      /* the main command ended: "exit N", "signal N" */
	EVENT_POWER_OFF,   /* going down */
	EVENT_REBOOT,      /* going down, to come again */
	EVENT_INIT_READY,  /* the image's own init says that it is up */
	EVENT_INIT_STATUS, /* what it says it is doing */
};

/*
 * OPEN's payload is a row of items: u32 length, u16 tag, the bytes. Strings
 * end with a NUL, which counts, and hold no other. A reader skips tags it
 * does not know, unless ITEM_CRITICAL is set in them.
 */
#define ITEM_HEAD     6
#define ITEM_CRITICAL 0x8000

enum item {
	ITEM_KIND = 1, /* u8 enum open_kind; first and once */
	ITEM_FLAGS,    /* u32 OPEN_* */
	ITEM_ARG,      /* string, repeated */
	ITEM_ENV,      /* string "K=V", repeated; the last of a name counts */
	ITEM_USER,     /* string: name, uid, name:group, uid:gid */
	ITEM_DIR,      /* string: working directory */
	ITEM_TERM,     /* string: TERM of a terminal session */
	ITEM_WINDOW,   /* four u16, as FRAME_WINDOW */
	ITEM_ID,       /* u32 session id; 0: the main command */
	ITEM_SIGNAL,   /* u8 */
	ITEM_TARGET,   /* string: what to connect to or to listen on */
	ITEM_GRACE_MS, /* u32: between TERM and KILL once the client is gone */
	ITEM_CLOCK_NS, /* u64 */
	ITEM_TOKEN,    /* u64 from ACCEPTED */
	ITEM_PATH,     /* string: a file or directory to copy, repeated */
};

enum open_kind {
	OPEN_EXEC = 1, /* runs a command */
	OPEN_ATTACH,   /* joins a detached one (ITEM_ID) */
	OPEN_LIST,     /* sessions, a line each, on STREAM_OUT */
	OPEN_KILL,     /* ITEM_SIGNAL to ITEM_ID, or OPEN_ALL */
	OPEN_PS,       /* processes, a record each, on STREAM_OUT */
	OPEN_LOGS,     /* what the main command (or ITEM_ID) wrote last */
	OPEN_CONNECT,  /* STREAM_IN and _OUT are a connection to ITEM_TARGET */
	OPEN_LISTEN,   /* ACCEPTED for each connection to ITEM_TARGET */
	OPEN_JOIN,     /* STREAM_IN and _OUT are that connection */
	OPEN_PUT,      /* STREAM_IN is a tree for ITEM_PATH */
	OPEN_GET,      /* STREAM_OUT is the tree of the ITEM_PATHs */
	OPEN_FREEZE,   /* file systems hold still until OPEN_THAW */
	OPEN_THAW,
	OPEN_CLOCK, /* sets the clock to ITEM_CLOCK_NS */
	OPEN_PING,  /* answers EXITED 0: the agent is there */
	OPEN_STOP,  /* as FRAME_STOP: ITEM_SIGNAL, ITEM_GRACE_MS */
};

#define OPEN_TTY       0x001u  /* a terminal; STREAM_ERR is not used */
#define OPEN_MAIN      0x002u  /* the command the VM is there for */
#define OPEN_KEEP      0x004u  /* MAIN: the VM outlives it */
#define OPEN_DETACH    0x008u  /* lives on without a client; JOIN: drops it */
#define OPEN_STDIN     0x010u  /* STREAM_IN is used; else /dev/null */
#define OPEN_DEFAULTS  0x020u  /* environment, user, directory of MAIN first */
#define OPEN_INIT      0x040u  /* MAIN: it becomes process 1 */
#define OPEN_ALL       0x080u  /* KILL: every session; LOGS: nothing */
#define OPEN_FOLLOW    0x100u  /* LOGS: goes on */
#define OPEN_RECURSIVE 0x200u  /* GET: directories too */
#define OPEN_INTO      0x800u  /* PUT: ITEM_PATH must be a directory */
#define OPEN_NO_ENV    0x1000u /* DEFAULTS without the environment */

struct frame {
	uint8_t type;
	uint8_t stream;
	uint32_t len;
	const uint8_t *data; /* borrowed until the next frame_fill() */
};

/*
 * Frames out of a descriptor. The buffer starts at what a short session says,
 * has two DATA frames as soon as more comes, grows further only for a type
 * whose limit is higher, and never past max.
 */
struct frame_reader {
	uint8_t *data;
	size_t used, have, size;
	uint32_t max; /* the longest payload this connection may carry */
};

/* Returns 0, -1 when memory ran out. max: FRAME_DATA_MAX, or higher. */
int frame_reader_init(struct frame_reader *, uint32_t max);
void frame_reader_release(struct frame_reader *);

/* One read(2). Returns the count, 0 at the end, -1 with errno. */
ssize_t frame_fill(struct frame_reader *, int fd);

/* Takes the next frame. Returns 1, 0 if it is not all there (fill), -1 with
 * err (EX_PROTOCOL) where the other side broke the rules above. */
int frame_next(struct frame_reader *, struct frame *, struct err *);

/* Writes a head. */
void frame_head(
    uint8_t head[FRAME_HEAD], enum frame_type, unsigned stream, size_t len);

/* Appends a frame. Returns 0, -1 where it does not fit. */
int frame_add(struct buf *, enum frame_type, unsigned stream,
    const void *payload, size_t len);
int frame_add_hello(struct buf *);
int frame_add_u32(struct buf *, enum frame_type, unsigned stream, uint32_t);

/* The payload of FAILED and EVENT: a byte and a text, which is cut where it is
 * too long. Returns its length. */
size_t frame_text(char *into, size_t size, int first, const char *fmt, va_list)
    __attribute__((format(printf, 4, 0)));

/* Checks a HELLO. Returns 0 (c stands behind it), -1 with err: no HELLO, or
 * another version, which is said in one clear line. whose: "the agent". */
int frame_check_hello(
    const struct frame *, struct cursor *c, const char *whose, struct err *);

/* Items of an OPEN: item_next returns 1, 0 at the end, -1 if malformed. */
struct item_view {
	unsigned tag;
	uint32_t len;
	const uint8_t *data;
};
int item_next(struct cursor *, struct item_view *);
/* The string, NULL if it does not end in its one NUL. */
const char *item_string(const struct item_view *);
/* A little-endian number of 1, 2, 4 or 8 bytes. Returns 0, -1 if it is not
 * one of width. */
int item_number(const struct item_view *, size_t width, uint64_t *);

int item_add(struct buf *, enum item, const void *, size_t len);
int item_add_string(struct buf *, enum item, const char *);
int item_add_number(struct buf *, enum item, uint64_t, size_t width);

#endif
