/* SPDX-License-Identifier: MIT */
/* table.c - the VM's sessions and processes, for people and for programs */
#include "cmd/vk-exec/table.h"

#include "common/buf.h"
#include "common/scope.h"
#include "common/session.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A guest with 32,768 processes of 100 bytes of command line each. */
#define TEXT_LIMIT  ((size_t)16 << 20)
#define COLUMNS_MAX 9

enum column_kind {
	NUMBER,
	WORD, /* text */
	SIZE, /* bytes */
	SPAN, /* milliseconds */
	DATE, /* seconds since 1970 */
};

struct column {
	const char *title, *member; /* title NULL: in JSON only */
	enum column_kind kind;
	int width;
};

static const struct column list_columns[] = {{"ID", "id", NUMBER, 4},
    {"PID", "pid", NUMBER, 7}, {"KIND", "kind", WORD, -5},
    {"STATE", "state", WORD, -8}, {"CLIENT", "client", WORD, -9},
    {"STARTED", "started", DATE, -20}, {NULL, "terminal", WORD, 0},
    {"COMMAND", "command", WORD, 0}};

static const struct column ps_columns[] = {{"PID", "pid", NUMBER, 7},
    {"PPID", "ppid", NUMBER, 7}, {"UID", "uid", NUMBER, 6},
    {"S", "state", WORD, -2}, {"TIME", "cpu_ms", SPAN, 9},
    {NULL, "start_ms", NUMBER, 0}, {"MEMORY", "rss_bytes", SIZE, 9},
    {NULL, "name", WORD, 0}, {"COMMAND", "command", WORD, 0}};

static void
print_json_text(const char *text, FILE *to)
{
	putc('"', to);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(to, "\\%c", *p);
		else if (*p < ' ' || *p >= 127)
			/* Bytes, not characters: nothing says that names in
			 * the guest are UTF-8. */
			fprintf(to, "\\u%04x", *p);
		else
			putc(*p, to);
	}
	putc('"', to);
}

static void
print_cell(const struct column *c, const char *text, uint64_t n, FILE *to)
{
	char cell[64];
	time_t when = (time_t)n;
	struct tm tm;

	switch (c->kind) {
	case SIZE:
		size_text(n, cell);
		break;
	case SPAN:
		snprintf(cell, sizeof(cell), "%" PRIu64 ":%02u.%02u", n / 60000,
		    (unsigned)(n / 1000 % 60), (unsigned)(n / 10 % 100));
		break;
	case DATE:
		if (!localtime_r(&when, &tm) ||
		    !strftime(cell, sizeof(cell), "%Y-%m-%d %H:%M:%S", &tm))
			snprintf(cell, sizeof(cell), "-");
		break;
	case WORD:
	case NUMBER:
		fprintf(to, "%*s ", c->width, text);
		return;
	}
	fprintf(to, "%*s ", c->width, cell);
}

static void
print_row(const struct column *columns, size_t count, char **fields, bool json,
    FILE *to)
{
	for (size_t i = 0; i < count; i++) {
		const struct column *c = &columns[i];
		uint64_t n =
		    c->kind == WORD ? 0 : strtoull(fields[i], NULL, 10);

		if (json)
			fprintf(to, "%s\"%s\": ", i ? ", " : "{", c->member);
		if (json && c->kind == WORD)
			print_json_text(fields[i], to);
		else if (json)
			fprintf(to, "%" PRIu64, n);
		else if (c->title)
			print_cell(
			    c, *fields[i] ? fields[i] : fields[i - 1], n, to);
	}
	fputs(json ? "}" : "\n", to);
}

/* Splits a line into exactly count fields, numbers where they belong. */
static int
split(char *line, const struct column *columns, size_t count, char **fields)
{
	uint64_t n;

	for (size_t i = 0; i < count; i++) {
		fields[i] = strsep(&line, "\t");
		if (!fields[i] ||
		    (columns[i].kind != WORD &&
			number_parse(fields[i], INT64_MAX, &n) < 0))
			return -1;
		err_printable(fields[i]);
	}
	return line ? -1 : 0;
}

int
table_format(
    char *text, enum open_kind kind, bool json, FILE *to, struct err *e)
{
	const struct column *columns =
	    kind == OPEN_PS ? ps_columns : list_columns;
	size_t count = kind == OPEN_PS
			   ? sizeof(ps_columns) / sizeof(*columns)
			   : sizeof(list_columns) / sizeof(*columns);
	char *fields[COLUMNS_MAX], *line;
	bool first = true;

	for (size_t i = 0; !json && i < count; i++)
		if (columns[i].title)
			fprintf(to, "%*s ", columns[i].width, columns[i].title);
	fputs(json ? "[" : "\n", to);
	while ((line = strsep(&text, "\n")) && *line) {
		if (split(line, columns, count, fields) < 0)
			return err_set(
			    e, EX_PROTOCOL, "the guest's table is malformed");
		if (json)
			fputs(first ? "\n" : ",\n", to);
		print_row(columns, count, fields, json, to);
		first = false;
	}
	if (json)
		fputs(first ? "]\n" : "\n]\n", to);
	return fflush(to) == 0 ? 0 : err_errno(e, EX_IOERR, "output");
}

/* What the session writes, up to a limit. */
struct reader {
	int fd;
	struct buf text;
};

static void *
read_all(void *context)
{
	struct reader *r = context;
	char chunk[16384];
	ssize_t n;

	while ((n = read(r->fd, chunk, sizeof(chunk))) > 0)
		if (buf_add(&r->text, chunk, (size_t)n) < 0)
			break;
	fd_close(&r->fd); /* the guest is told to stop */
	return NULL;
}

int
table_print(const struct vm *vm, enum open_kind kind, bool json, struct err *e)
{
	struct session_request r = SESSION_REQUEST_INIT;
	struct session_result result;
	struct reader reader = {.text = BUF_INIT(TEXT_LIMIT)};
	cleanup_fd int writer = -1;
	pthread_t thread;
	char lines[VM_LINES_MAX];
	int ends[2], status;

	vm_lines(vm, lines);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, EX_OSERR, "pipe");
	reader.fd = ends[0];
	writer = ends[1];
	if (pthread_create(&thread, NULL, read_all, &reader) != 0)
		return err_set(e, EX_OSERR, "no thread can be had");
	r.kind = kind;
	r.out = writer;
	r.err = STDERR_FILENO;
	r.err_lines = lines;
	status = vm_session(vm, &r, &result, e);
	fd_close(&writer);
	pthread_join(thread, NULL);
	if (status == 0) {
		if (result.end == SESSION_FAILED)
			err_set(e, EX_UNAVAILABLE, "%s", result.text);
		else if (reader.text.failed)
			err_set(e, EX_PROTOCOL, "the guest's table has no end");
		else
			table_format(reader.text.data, kind, json, stdout, e);
		if (e->text[0])
			status = err_prefix(e, "%s", vm->name);
	}
	buf_release(&reader.text);
	return status < 0 ? -1 : session_status(&result);
}
