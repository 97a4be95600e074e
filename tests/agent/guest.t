#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The agent as process 1 of real guests (User-mode Linux, or VK_ENGINE): what
# needs a kernel of its own - the clock, freezing, want of memory, orphans and
# fork bombs, cgroups, --sandbox, read-only roots. Five boots of a second each.
# needs: release
# takes: 15 s

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
have busybox "the image is made of it"
have socat "it is the host's end of a connection"
have gcc "probes of system calls are compiled"
: "${VK_ENGINE:=uml}"
"$top/scripts/can-boot" "$VK_ENGINE" >/dev/null 2>&1 || skip_all "no guests here"

XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$tmp/run"
cd "$tmp" || exit 1

mkdir -p root/bin root/etc root/root root/var
cp "$(command -v busybox)" root/bin/busybox
for name in sh cat echo id pwd env mount umount sleep head wc ls touch date \
	nc grep tail ps dd kill seq true mkdir sync hwclock awk stat nice yes tr \
	modprobe; do
	ln -s busybox "root/bin/$name"
done
echo 'root:x:0:0::/root:/bin/sh' >root/etc/passwd
# call NAME [A [B [C]]]: makes a system call; prints its errno's name, or ok.
cat >call.c <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

/* eat: touches memory until it is taken away. orphans N: so many children
 * of children, which nobody waits for. bomb N: forks for N seconds. comet: is
 * another process in another session every millisecond. dial CID PORT: connects
 * by vsock. */
static void
eat(void)
{
	for (size_t n = 1 << 20;; )
		memset(malloc(n), 1, n);
}

static int
orphans(long count)
{
	long born = 0;

	for (long i = 0; i < count; i += 100) {
		pid_t pid = fork();

		if (pid == 0) {
			for (int j = 0; j < 100; j++)
				if (fork() == 0)
					_exit(0);
			_exit(0);
		}
		if (pid > 0 && waitpid(pid, NULL, 0) == pid)
			born += 100;
	}
	printf("%ld\n", born);
	return 0;
}

static int
bomb(unsigned seconds)
{
	alarm(seconds);
	printf("began\n");
	fflush(stdout);
	for (;;)
		if (fork() == 0)
			alarm(seconds);
}

static int
comet(void)
{
	signal(SIGTERM, SIG_IGN);
	printf("began\n");
	fflush(stdout);
	for (;;) {
		if (fork() > 0)
			_exit(0);
		setsid();
		usleep(1000);
	}
}

static int
dial(unsigned cid, unsigned port)
{
	struct sockaddr_vm there = {
	    .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	char byte;

	if (connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0)
		puts(strerrorname_np(errno));
	else
		puts(read(fd, &byte, 1) == 1 ? "greeted" : "hung up on");
	return 0;
}

static int
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	printf("%lld\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	return 0;
}

int
main(int argc, char **argv)
{
	long number, a = argc > 2 ? strtol(argv[2], NULL, 0) : 0;
	long b = argc > 3 ? strtol(argv[3], NULL, 0) : 0;
	long c = argc > 4 ? strtol(argv[4], NULL, 0) : 0;

	if (strcmp(argv[1], "now") == 0)
		return now();
	if (strcmp(argv[1], "eat") == 0)
		eat();
	if (strcmp(argv[1], "orphans") == 0)
		return orphans(a);
	if (strcmp(argv[1], "bomb") == 0)
		return bomb((unsigned)a);
	if (strcmp(argv[1], "comet") == 0)
		return comet();
	if (strcmp(argv[1], "dial") == 0)
		return dial((unsigned)a, (unsigned)b);
	number = strtol(argv[1], NULL, 0);
	if (syscall(number, a, b, c, 0, 0) < 0)
		puts(strerrorname_np(errno));
	else
		puts("ok");
	return 0;
}
END
gcc -static -O1 -o root/bin/call call.c || exit 1
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4 || exit 1

# boot NAME [option...]: a guest that waits; $vm is vk-boot.
boot() {
	name=$1
	shift
	rm -f ready status
	mkfifo ready
	vk-boot --engine "$VK_ENGINE" --name "$name" --ready-fd 3 --status-fd 4 \
		"$@" root.ext4 -- sleep 1000 3>ready 4>status </dev/null \
		>"$name.out" 2>"$name.err" &
	vm=$!
	at_exit "end -9 $vm"
	timeout 180 head -n 1 <ready >/dev/null
	vk-exec --wait-ready --timeout 120s "$name"
}
halt() {
	kill -TERM "$vm"
	wait "$vm" 2>/dev/null
}
ms() { echo $(($(date +%s%N) / 1000000)); }
in_vm() { timeout -k 1 90 vk-exec "$name" -- "$@"; }

# ---- clock, freezing, load --------------------------------------------------

boot one --guest-modules

# The guest's time lies between ours before and after, or 50 ms off.
clock_is_right() {
	from=$(ms)
	guest=$(in_vm call now)
	to=$(ms)
	[ $((guest + 50)) -ge "$from" ] && [ "$guest" -le $((to + 50)) ]
}
clock_is_right
ok $? "the clock is right after boot"
in_vm date -s '2001-01-01 00:00:00' >/dev/null
like "$(in_vm date +%Y)" 2001 "(set wrong from inside)"
run vk-exec --sync-clock one
is "$rc" 0 "--sync-clock"
clock_is_right
ok $? "it is right again"
if command -v vk-control >/dev/null; then
	in_vm date -s '2001-01-01 00:00:00' >/dev/null
	vk-control one pause >/dev/null
	is "$(vk-control one status | grep -c '"state":"paused"')" 1 "a pause"
	sleep 1 # so long the guest stands still
	vk-control one resume >/dev/null
	await 5 clock_is_right
	ok $? "after it the clock is right, whatever it was before"
fi

# Ports of the guest's own, in both directions.
vk-exec -d one -- nc -l -p 7 -e cat >/dev/null
await 10 in_vm grep -qs ':0007 .* 0A ' /proc/net/tcp /proc/net/tcp6
mkfifo forwarding
vk-exec --ready-fd 3 -L "$tmp/in:7" -R "7000:$tmp/host" one 3>forwarding &
forward=$!
timeout 60 head -n 1 <forwarding >/dev/null
is "$(echo there | timeout 60 socat -t 50 - "UNIX:$tmp/in")" there \
	"-L to a port of the guest's"
socat -u "UNIX-LISTEN:$tmp/host" "OPEN:$tmp/came,creat" &
at_exit "end $!"
await 5 hears "$tmp/host"
in_vm sh -c 'echo here | nc 127.0.0.1 7000'
await 5 grep -q here came
ok $? "-R from one"
kill "$forward"

# The agent is root, and for the host alone.
in_vm modprobe vsock_loopback 2>/dev/null
answer=$(vk-exec -u 1000 one -- call dial 1 30315)
if [ "$answer" = ECONNRESET ]; then
	skip "the guest's own users" "this kernel has no loopback of vsock"
else
	is "$answer" "hung up on" "it does not serve the guest's own users"
fi

# A writer waits on a frozen file system, and goes on when it is thawed.
run vk-exec --freeze one
is "$rc" 0 "--freeze"
vk-exec -n one -- sh -c 'echo x >/var/file; echo written' >written 2>&1 &
writer=$!
waits() { vk-exec --ps one | grep -q ' D .*sh'; }
await 10 waits
ok $? "a writer waits" || vk-exec --ps one | diag
is "$(cat written)" "" "nothing was written"
is "$(in_vm cat /etc/passwd | wc -l)" 1 "reading goes on"
run vk-exec --thaw one
is "$rc" 0 "--thaw"
wait $writer
is "$(cat written)" written "the writer goes on"
is "$(in_vm cat /var/file)" x "it has written"

is "$(in_vm call orphans 1000)" 1000 "1000 orphans are made"
no_zombies() { ! in_vm sh -c 'grep -q "^State:.Z" /proc/[0-9]*/status'; }
await 30 no_zombies
ok $? "and reaped"

is "$(in_vm sh -c 'ulimit -Sn; ulimit -Hn' | tr '\n' ' ')" "1024 524288 " \
	"limits of descriptors are those of systemd's services"
like "$(in_vm cat /proc/self/cgroup)" '^0::/vk-exec/[0-9]+$' \
	"each session is in a group of its own"
# How many groups there are; the one that asks is among them.
groups() { in_vm sh -c 'ls -d /sys/fs/cgroup/vk-exec/*/ | wc -l'; }
is "$(groups)" 1 "which goes when it ends"
left=$(in_vm sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!')
is "$(groups)" 2 "or when what it left behind does"
in_vm kill "$left"
one_group() { [ "$(groups)" -eq 1 ]; }
await 10 one_group
ok $? "(that was the last in it)"

# A command that ignores TERM, and beside it one that no list of processes
# catches.
vk-exec --grace 500ms one -- sh -c 'trap "" TERM
	call comet & while :; do sleep 1; done' </dev/null >comet.out 2>&1 &
runner=$!
await 20 grep -q began comet.out
kill -9 $runner
wait $runner 2>/dev/null
await 10 one_group
ok $? "a client is killed: KILL reaches all that its session started" ||
	vk-exec --ps one | diag

# A fork bomb of root's, whom no limit of processes holds but the group's.
vk-exec -n one -- call bomb 60 >bomb.out 2>bomb.err &
bomber=$!
await 20 grep -q began bomb.out
for answer in 1 2 3 4 5 6 7 8 9 10; do
	from=$(ms)
	vk-exec --list one >/dev/null || echo "answer $answer: none" >&2
	echo $(($(ms) - from))
done >answers
# Nine of ten: this machine may have other things to do for a moment. The bomb
# goes on for a minute.
slowest=$(sort -n answers | sed -n 9p)
ok $((slowest >= 5000)) "it answers beside a fork bomb ($(
	tr '\n' ' ' <answers)ms)"
missed=0
for answer in 1 2 3 4 5; do
	in_vm true || missed=$((missed + 1))
done
is "$missed" 0 "commands run beside it"
kill -9 $bomber 2>/dev/null
wait $bomber 2>/dev/null
calm() { vk-exec --ps one >processes && ! grep -q ' call' processes; }
await 30 calm
ok $? "the bomb is over, the agent is not"

from=$(ms)
vk-exec --stop one
wait "$vm"
took=$(($(ms) - from))
# What does not end has ten seconds.
ok $((took >= 8000)) "an idle guest stops at once ($took ms)"

# ---- disks, at the end -------------------------------------------------------

# Frozen, and never thawed; and the command writes when it is asked to end.
PATH=$PATH:/usr/sbin:/sbin
vk-boot --engine "$VK_ENGINE" --name cold --stop-timeout 60s \
	-d data,size=24M,mount=/data root.ext4 -- sh -c 'cd /data
	trap "echo bye >bye; exit 3" TERM; touch /tmp/trapped
	while :; do sleep 0.1; done' </dev/null 2>cold.err &
vm=$!
name=cold
await 30 in_vm cat /tmp/trapped
run vk-exec --freeze cold
is "$rc" 0 "(file systems are frozen)"
kill -TERM $vm
wait $vm
is "$?" 3 "a guest that is frozen stops"
unlike "$(cat cold.err)" 'did not stop' "by itself"
is "$(debugfs -R 'cat bye' data 2>/dev/null)" bye "after its command's last words"
unlike "$(dumpe2fs -h data 2>/dev/null)" needs_recovery "its disks' journals are closed"

# ---- the sandbox ------------------------------------------------------------

boot box --sandbox -m 160M
status=$(in_vm cat /proc/self/status)
like "$status" '^NoNewPrivs:.1' "no_new_privs"
like "$status" '^Seccomp:.2' "system calls are filtered"
# Docker's default: chown dac_override fowner fsetid kill setgid setuid
# setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap
for set in CapBnd CapPrm CapEff; do
	like "$status" "^$set:.00000000a80425fb" "$set is a container's"
done
for setting in kernel/dmesg_restrict=1 kernel/kptr_restrict=2 \
	kernel/unprivileged_bpf_disabled=1 kernel/perf_event_paranoid=3 \
	vm/unprivileged_userfaultfd=0 kernel/yama/ptrace_scope=1; do
	file=/proc/sys/${setting%=*}
	have_it=$(in_vm cat "$file" 2>/dev/null) || {
		skip "$setting" "this kernel has none"
		continue
	}
	is "$have_it" "${setting#*=}" "$setting"
done
# By number on x86-64, as the guest's engine is.
refused='mount:165 umount2:166 reboot:169 swapon:167 init_module:175
delete_module:176 kexec_load:246 add_key:248 keyctl:250 unshare:272 setns:308
perf_event_open:298 bpf:321 userfaultfd:323 open_by_handle_at:304
io_uring_setup:425 fsopen:430 pidfd_getfd:438 mbind:237 fanotify_init:300
clock_settime:227 settimeofday:164 sethostname:170 acct:163 pivot_root:155
quotactl:179 syslog:103 iopl:172 kcmp:312 finit_module:313
process_madvise:440 mount_setattr:442'
bad=
for one in $refused; do
	[ "$(in_vm call "${one#*:}")" = EPERM ] || bad="$bad $one"
done
is "$bad" "" "$(echo "$refused" | wc -w) system calls are refused"
is "$(in_vm call 435)" ENOSYS "clone3: ENOSYS, so that clone is tried"
is "$(in_vm call 56 0x10000000)" EPERM "clone of a user namespace"
is "$(in_vm call 41 40 1)" EPERM "a socket to the host's side (vsock)"
is "$(in_vm call 41 1 1)" ok "a unix socket"
is "$(in_vm call 135 0xffffffff) $(in_vm call 135 0x0040000)" "ok EPERM" \
	"personality: asked is answered, set is refused"
is "$(in_vm call 100000)" ENOSYS "a call that is newer than all: ENOSYS"
run in_vm touch /root/x
is "$rc" 1 "the root cannot be written to"
run in_vm sh -c 'touch /tmp/x /run/x /dev/shm/x'
is "$rc" 0 "/tmp, /run and /dev/shm can"
run in_vm mount -o remount,rw /
is "$rc" 1 "nor made writable"
# What would have the kernel run something, or give its memory or disks away.
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe \
	/proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity \
	/sys/kernel/uevent_helper /sys/power/state /sys/kernel/mm/ksm/run \
	/sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/vk-main/cgroup.kill; do
	[ "$(in_vm sh -c "[ -e $file ] && echo there")" ] || {
		skip "$file is read-only" 'this kernel has none'
		continue
	}
	run in_vm sh -c "echo 0 >$file"
	like "$rc $(cat "$err")" '1 .*Read-only' "$file is read-only"
done
like "$(in_vm cat /proc/self/cgroup)" '/vk-exec/[0-9]+$' \
	'a command has its group all the same'
is "$(in_vm ls /dev | grep -v hugepages | tr '\n' ' ')" \
	'console core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ' \
	'/dev has what a container has'
is "$(in_vm call 133 0 0x61b0)/$(in_vm call 259 0 0 0x21b0)" EPERM/EPERM \
	'no device can be made'
like "$(in_vm grep ' / ext4 ' /proc/mounts)" ' ro,.*nodev' \
	'nor used, where the image has one'
run in_vm sh -c 'echo x >/dev/null && head -c 1 /dev/urandom | wc -c'
is "$rc $(cat "$out")" '0 1' 'what may be used works'
run timeout 20 vk-exec -t box true
is "$rc" 0 'so do terminals' || diag "$(cat "$err")"
is "$(timeout 60 vk-exec -u 1000 -w /tmp box -- sh -c \
	'id -u; grep CapEff /proc/self/status' | tr '\n' ' ')" \
	"1000 CapEff:	0000000000000000 " "a user has no capability"

run in_vm call eat
is "$rc" 137 "a command that eats all memory is killed"
await 5 grep -q '"event":"oom"' status
ok $? "the host is told" || cat status box.err | diag
like "$(cat status box.err)" "Killed process .*call" "which one it was"
is "$(in_vm echo fine)" fine "the agent goes on"

halt

# ---- cgroups, wrappers, places ----------------------------------------------

cp -a root bare
rm -rf bare/etc bare/var bare/root
tar -C bare --owner=0 --group=0 -cf - . | vk-mkext >bare.ext4
like "$(timeout 180 vk-boot --engine "$VK_ENGINE" -a vk.cgroup=1 --read-only \
	bare.ext4 -- grep cgroup /proc/mounts </dev/null 2>"$err")" \
	'^cgroup /sys/fs/cgroup/memory ' "vk.cgroup=1"
is "$(cat "$err")" "" "(a read-only root that lacks places)"
run timeout 180 vk-boot --engine "$VK_ENGINE" -a vk.cgroup=none --read-only \
	bare.ext4 -- sh -c 'cat /etc/hostname; ls /proc/1/comm /dev/null /sys/kernel
	grep cgroup /proc/mounts; touch /x' </dev/null
unlike "$(cat "$out")" ' cgroup' "vk.cgroup=none"
like "$(cat "$out")" '^vk' "read-only: /etc/hostname is there"
like "$(cat "$out")" '/proc/1/comm' "so is /proc"
like "$(cat "$err")" 'touch: /x: Read-only' "and nothing can be written"

mkdir -p bare/dev bare/proc bare/sys bare/run bare/tmp bare/etc
touch bare/etc/hosts bare/etc/hostname bare/etc/resolv.conf
tar -C bare --owner=0 --group=0 -cf - . | vk-mkext >places.ext4
run timeout 60 vk-boot --engine "$VK_ENGINE" --read-only -d data,mount=/data \
	-a vk.tmpfs=/scratch places.ext4 -- sh -c 'cat /data/bye
	touch /scratch/x && echo scratched; touch /x' </dev/null
is "$(cat "$out")" "bye
scratched" "read-only: places are made for disks"
like "$(cat "$err")" 'touch: /x: Read-only' "and no others"

boot ward -a 'vk.exec-wrapper="env WRAPPED=7"' -a vk.exec-allow=s? \
	-a vk.cgroup=hybrid
like "$(in_vm sh -c 'grep cgroup2 /proc/mounts')" \
	'^cgroup2 /sys/fs/cgroup/unified ' "vk.cgroup=hybrid"
is "$(in_vm sh -c 'echo $WRAPPED')" 7 "vk.exec-wrapper= stands before each command"
run in_vm ls
is "$rc" 126 "vk.exec-allow=: others are refused"
like "$(cat "$err")" "ls: not allowed here" "which is said"
run vk-exec cp ward:/etc/passwd "$tmp/stolen"
ok $((rc == 0)) "and so are copies"
run vk-exec --kill KILL ward
is "$rc" 126 "signals"
run vk-exec -W /tmp/sock ward
is "$rc" 126 "forwards"
is "$(LANG=l LC_TIME=t TZ=z SECRET=s timeout 60 vk-exec ward -- sh -c \
	'echo "$LANG$LC_TIME$TZ$SECRET"')" ltz \
	"of the client's environment only the locale and the time zone come"
halt
done_testing
