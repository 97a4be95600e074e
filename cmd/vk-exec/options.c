/* SPDX-License-Identifier: MIT */
/* options.c - what the user asked vk-exec for */
#include "cmd/vk-exec/options.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

/* A file of variables; a line longer than an argument can be is no line. */
#define LINE_MAX_BYTES ((size_t)128 << 10)

void
options_init(struct options *o)
{
	*o =
	    (struct options){.status_fd = -1, .ready_fd = -1, .grace_ms = 1000};
}

void
options_release(struct options *o)
{
	for (size_t i = 0; i < o->env_count; i++)
		free(o->env[i]);
	free(o->env);
	o->env = NULL;
	o->env_count = 0;
}

/* ---- the environment ------------------------------------------------------
 */

static int
push(struct options *o, char *owned, struct err *e)
{
	char **env =
	    owned ? realloc(o->env, (o->env_count + 2) * sizeof(*env)) : NULL;

	if (!env) {
		free(owned);
		return err_set(e, EX_OSERR, "out of memory");
	}
	o->env = env;
	env[o->env_count++] = owned;
	env[o->env_count] = NULL;
	return 0;
}

/* "K=V"; "K" takes this process's value, if it has one. */
static int
add_variable(struct options *o, const char *text, struct err *e)
{
	const char *value;
	char *assignment;

	if (*text == '=' || *text == '\0')
		return err_set(e, EX_USAGE, "%s: not NAME or NAME=VALUE", text);
	if (strchr(text, '='))
		return push(o, strdup(text), e);
	value = getenv(text);
	if (!value)
		return 0;
	if (asprintf(&assignment, "%s=%s", text, value) < 0)
		assignment = NULL;
	return push(o, assignment, e);
}

static int
set_env(void *into, const char *value, struct err *e)
{
	return add_variable(into, value, e);
}

/* Lines as -e takes them; '#' starts a comment line. */
static int
set_env_file(void *into, const char *path, struct err *e)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int status = 0;
	ssize_t len;

	if (!file)
		return err_errno(e, 0, "%s", path);
	while (status == 0 && (len = getline(&line, &size, file)) >= 0) {
		char *at = line;

		if (len > 0 && line[len - 1] == '\n')
			line[--len] = '\0';
		if ((size_t)len > LINE_MAX_BYTES ||
		    strlen(line) != (size_t)len) {
			status = err_set(e, EX_DATAERR,
			    "%s: a line is too long or holds a NUL", path);
			break;
		}
		at += strspn(at, " \t");
		if (*at && *at != '#')
			status = add_variable(into, at, e);
	}
	free(line);
	if (file != stdin)
		fclose(file);
	return status;
}

static bool
is_given(const struct options *o, const char *name, size_t len)
{
	for (size_t i = 0; i < o->env_count; i++)
		if (strncmp(o->env[i], name, len) == 0 && o->env[i][len] == '=')
			return true;
	return false;
}

int
options_add_locale(struct options *o, struct err *e)
{
	for (char **at = environ; *at; at++) {
		size_t len = strcspn(*at, "=");

		if (strncmp(*at, "LC_", 3) != 0 &&
		    strncmp(*at, "LANG=", 5) != 0 &&
		    strncmp(*at, "TZ=", 3) != 0)
			continue;
		if (!is_given(o, *at, len) && push(o, strdup(*at), e) < 0)
			return -1;
	}
	return 0;
}

/* ---- single options -------------------------------------------------------
 */

int
signal_parse(const char *text)
{
	static const struct {
		const char *name;
		int number;
	} names[] = {{"HUP", SIGHUP}, {"INT", SIGINT}, {"QUIT", SIGQUIT},
	    {"ILL", SIGILL}, {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},
	    {"BUS", SIGBUS}, {"FPE", SIGFPE}, {"KILL", SIGKILL},
	    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
	    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
	    {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},
	    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},
	    {"URG", SIGURG}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
	    {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
	    {"IO", SIGIO}, {"PWR", SIGPWR}, {"SYS", SIGSYS}};
	uint64_t number;

	if (number_parse(text, 64, &number) == 0 && number > 0)
		return (int)number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(names[i].name, text) == 0)
			return names[i].number;
	if (strncasecmp(text, "RTMIN+", 6) == 0 &&
	    number_parse(text + 6, 30, &number) == 0)
		return 34 + (int)number;
	return -1;
}

static int
set_mode(struct options *o, enum mode mode, struct err *e)
{
	if (o->mode != MODE_EXEC && o->mode != mode)
		return err_set(e, EX_USAGE, "one thing at a time");
	o->mode = mode;
	return 0;
}

#define MODE(name, mode)                                                       \
	static int set_##name(void *into, const char *value, struct err *e)    \
	{                                                                      \
		(void)value;                                                   \
		return set_mode(into, mode, e);                                \
	}

MODE(list, MODE_LIST)
MODE(ps, MODE_PS)
MODE(logs, MODE_LOGS)
MODE(freeze, MODE_FREEZE)
MODE(thaw, MODE_THAW)
MODE(sync_clock, MODE_CLOCK)
MODE(wait_ready, MODE_WAIT)
MODE(stop, MODE_STOP)

static int
set_kill(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	o->signal = signal_parse(value);
	if (o->signal < 0)
		return err_set(e, EX_USAGE, "%s: no such signal", value);
	return set_mode(o, MODE_KILL, e);
}

static int
set_attach(void *into, const char *value, struct err *e)
{
	struct options *o = into;
	uint64_t id = 0;

	if (strcmp(value, "main") != 0 &&
	    number_parse(value, UINT32_MAX, &id) < 0)
		return err_set(e, EX_USAGE, "%s: not a session", value);
	o->id = (uint32_t)id;
	return set_mode(o, MODE_ATTACH, e);
}

static int
set_timeout(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	return duration_parse(value, &o->timeout_ms) < 0
		   ? err_set(e, EX_USAGE, "%s: not a duration", value)
		   : 0;
}

static int
set_grace(void *into, const char *value, struct err *e)
{
	struct options *o = into;

	o->grace_given = true;
	return duration_parse(value, &o->grace_ms) < 0 ||
		       o->grace_ms > UINT32_MAX
		   ? err_set(e, EX_USAGE, "%s: not a duration", value)
		   : 0;
}

static int
set_descriptor(int *into, const char *value, struct err *e)
{
	uint64_t fd;

	if (number_parse(value, 1 << 20, &fd) < 0)
		return err_set(e, EX_USAGE, "%s: not a descriptor", value);
	*into = (int)fd;
	/* Else it would be one of our own that comes to have this number. */
	if (fcntl(*into, F_GETFD) < 0)
		return err_errno(e, EX_USAGE, "%s", value);
	return 0;
}

static int
set_status_fd(void *into, const char *value, struct err *e)
{
	return set_descriptor(&((struct options *)into)->status_fd, value, e);
}

static int
set_ready_fd(void *into, const char *value, struct err *e)
{
	return set_descriptor(&((struct options *)into)->ready_fd, value, e);
}

static int
add_forward(struct options *o, const char *value, bool back, struct err *e)
{
	if (o->forward_count == FORWARDS_MAX)
		return err_set(
		    e, EX_USAGE, "%d forwards are enough", FORWARDS_MAX);
	o->forwards[o->forward_count] = value;
	o->forward_back[o->forward_count++] = back;
	return set_mode(o, MODE_FORWARD, e);
}

static int
set_local(void *into, const char *value, struct err *e)
{
	return add_forward(into, value, false, e);
}

static int
set_remote(void *into, const char *value, struct err *e)
{
	return add_forward(into, value, true, e);
}

static int
set_join(void *into, const char *value, struct err *e)
{
	((struct options *)into)->target = value;
	return set_mode(into, MODE_JOIN, e);
}

static const struct opt exec_options[] = {
    {'t', "tty", NULL, "a terminal for the command",
	OPT_FLAG(struct options, tty)},
    {'i', "interactive", NULL,
	"with -d: keep stdin for --attach; else it is passed on anyway",
	OPT_FLAG(struct options, stdin_kept)},
    {'n', "no-stdin", NULL, "/dev/null as the command's stdin",
	OPT_FLAG(struct options, no_stdin)},
    {'d', "detach", NULL, "leave it running; print its id",
	OPT_FLAG(struct options, detach)},
    {'u', "user", "USER[:GROUP]", "run as that user",
	OPT_TEXT(struct options, user)},
    {'w', "workdir", "DIR", "run in that directory",
	OPT_TEXT(struct options, dir)},
    {'e', "env", "NAME[=VALUE]", "set a variable, or pass on ours",
	.set = set_env},
    {'E', "env-file", "FILE", "variables, one a line", .set = set_env_file},
    {0, "clear-env", NULL, "without the main command's environment",
	OPT_FLAG(struct options, clear_env)},
    {0, "timeout", "TIME", "end the command after that, status 124",
	.set = set_timeout},
    {0, "grace", "TIME", "between TERM and KILL; 1s", .set = set_grace},
    {0, "socket", "PATH", "the VM's vsock socket, in place of its name",
	OPT_TEXT(struct options, socket)},
    {0, "status-fd", "FD", "write how it ended there, as JSON",
	.set = set_status_fd},
    {0, "ready-fd", "FD", "write a newline there when -L and -R listen",
	.set = set_ready_fd},
    {0, "list", NULL, "list the VM's sessions", .set = set_list},
    {0, "attach", "ID", "join a detached session, or main", .set = set_attach},
    {0, "kill", "SIGNAL", "signal a session, main or all", .set = set_kill},
    {0, "ps", NULL, "list the VM's processes", .set = set_ps},
    {0, "logs", NULL, "print what main, or a session, wrote last",
	.set = set_logs},
    {'f', "follow", NULL, "with --logs: and what it goes on to write",
	OPT_FLAG(struct options, follow)},
    {0, "json", NULL, "with --list and --ps: as JSON",
	OPT_FLAG(struct options, json)},
    {'L', "local-forward", "[BIND:]PORT|SOCKET:TARGET",
	"connections to here go to the VM", .set = set_local},
    {'R', "remote-forward", "[BIND:]PORT|SOCKET:TARGET",
	"connections in the VM come to here", .set = set_remote},
    {'W', "stdio-forward", "TARGET", "join stdin and stdout to a target",
	.set = set_join},
    {0, "freeze", NULL, "let the file systems hold still", .set = set_freeze},
    {0, "thaw", NULL, "let them go on", .set = set_thaw},
    {0, "sync-clock", NULL, "set the VM's clock to ours",
	.set = set_sync_clock},
    {0, "wait-ready", NULL, "wait until commands can be run",
	.set = set_wait_ready},
    {0, "stop", NULL, "end the VM in order", .set = set_stop},
};

const struct opt_command exec_command = {.name = "vk-exec",
    .synopsis = "[options] VM [--] COMMAND [ARGUMENT...]",
    .purpose = "runs a command in a VM as if it were here",
    .options = exec_options,
    .count = OPT_COUNT(exec_options),
    .operands_end = true};

static const struct opt copy_options[] = {
    {'r', "recursive", NULL, "directories, with all that is in them",
	OPT_FLAG(struct options, recursive)},
    {0, "socket", "PATH", "the VM's vsock socket, in place of its name",
	OPT_TEXT(struct options, socket)},
};

const struct opt_command copy_command = {.name = "vk-exec cp",
    .synopsis = "[-r] SOURCE... DESTINATION (VM:PATH, PATH, or - for a tar)",
    .purpose = "copies files into a VM and out of it",
    .options = copy_options,
    .count = OPT_COUNT(copy_options)};
