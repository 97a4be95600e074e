#!/bin/sh
# SPDX-License-Identifier: MIT
# vk-boot with guests: a command runs as if it were here.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

# User-mode Linux has one processor; see uml.t.
cpus=2
[ "${VK_ENGINE:-}" != uml ] || cpus=1
# Each start takes an emulated machine ten seconds or more: what is not about
# the engine is left to uml.t there, and kill -9 to hotplug.t. What is left out
# under sanitizers, disks.t and life.t have for them.
brief=${VK_LAB:-}
case $build in */asan) brief=1 ;; esac

# ---- an image ----

made root.ext4 || {
	mkdir -p root/bin root/etc root/.vk root/work root/tmp root/root
	busybox=$(command -v busybox)
	cp "$busybox" root/bin/busybox
	for name in sh cat echo id pwd env mount poweroff reboot sleep head wc ls \
		nproc free sync dd kill ps printf true uname sha256sum; do
		ln -s busybox "root/bin/$name"
	done
	printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/work:/bin/sh\n' \
		>root/etc/passwd
	printf 'root:x:0:\nuser:x:1000:\n' >root/etc/group
	cat >root/.vk/image.json <<'END'
{"architecture":"amd64","os":"linux","config":{
"Env":["PATH=/bin","FROM_IMAGE=yes"],"User":"user","WorkingDir":"/work",
"Cmd":["sh","-c","echo $FROM_IMAGE; id -u; pwd"]}}
END
	# Small: its digest is taken three times, by an emulated processor too.
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext --size +64M >root.ext4
	keep root.ext4
}
[ -s root.ext4 ]
ok $? 'the image is made'
sum=$(sha256sum <root.ext4)

boot() { timeout 240 vk-boot --boot-timeout 180s "$@"; }

# ---- one boot, many questions ----

if [ -z "$brief" ]; then
	# A kernel hands a word that it does not know on to the agent.
	run boot -a nobody-knows-this root.ext4 </dev/null
	is "$rc" 0 'the command of the image ends with 0'
	is "$(cat "$out")" 'yes
1000
/work' 'its Cmd, Env, User and WorkingDir'
	is "$(cat "$err")" '' 'and nothing else is said'
fi

mkfifo ready
vk-boot --boot-timeout 180s --name one -c $cpus -m 300M --ready-fd 3 --status-fd 4 --hostname box \
	-u root -w / root.ext4 -- sh -c 'trap "echo term; exit 7" TERM
	while :; do sleep 1; done' 3>ready 4>status >main.out 2>main.err &
vm=$!
at_exit 'end $vm'
read -r line <ready
is "$line" '' 'one newline when the guest is up'

inside() { vk-exec one -- "$@"; }
run inside sh -c 'echo hi; echo oops >&2; exit 42'
is "$rc $(cat "$out") $(cat "$err")" '42 hi oops' 'vk-exec: status and streams'
is "$(inside nproc)" "$cpus" 'as many processors as asked for'
is "$(inside uname -n)" box 'the host name'
total=$(inside free -m | awk '/^Mem/ { print $2 }')
[ "$total" -gt 200 ] && [ "$total" -le 300 ]
ok $? "300 MB of memory, less the kernel's own ($total)"
is "$(inside printf '[%s]' 'a b' '' 'c"d' "e
f")" '[a b][][c"d][e
f]' 'arguments as they are'
is "$(printf 'x\0y' | vk-exec -i one -- wc -c)" 3 'input as it is'
for mount in /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /sys/fs/cgroup \
	/run; do
	inside sh -c "mount | grep -q ' on $mount type '"
	ok $? "$mount is mounted"
done
inside sh -c 'test -e /dev/fd/0 && test -e /dev/stdin && test -c /dev/null'
ok $? '/dev has what programs expect'
run inside sh -c 'ls /vk /init'
[ "$rc" -ne 0 ]
ok $? 'nothing of the initramfs is to be seen'
run inside sh -c 'dd if=/dev/urandom of=/root/data bs=1M count=2 && sync'
is "$rc" 0 'the root can be written'
run inside no-such-command
is "$rc" 127 'a command that is not there: 127'
run vk-exec nobody -- true
[ "$rc" -ne 0 ]
ok $? 'a VM that is not there'

run vk-boot --name one root.ext4
is "$rc" 75 'a name is taken once'

kill -TERM "$vm"
wait "$vm"
is $? 7 'SIGTERM: the command ends in order, its status is ours'
is "$(cat main.out)" term 'it was asked to'
is "$(ls "$XDG_RUNTIME_DIR/vk")" '' 'the run folder is gone'
for event in start boot ready stopping exited exit; do
	grep -q "\"event\":\"$event\"" status
	ok $? "--status-fd told: $event"
done
is "$(sha256sum <root.ext4)" "$sum" 'the image is unchanged'

# ---- ends ----

run boot --status-fd 4 -u root root.ext4 -- \
	sh -c 'echo c >/proc/sysrq-trigger' </dev/null 4>crash.status
is "$rc" 123 'a panic is a status of its own'
like "$(cat "$err")" 'crashed' 'it is said'
like "$(cat crash.status)" '"event":"crash".*"console":".*(sysrq|panic|RIP)' \
	'and told, with the last lines'
like "$(cat "$err")" 'sysrq|Kernel panic|end Kernel|RIP' \
	"with the console's last lines"

# ---- reboot ----

# What was written stays; the command runs once more.
lives=3
[ -z "$brief" ] || lives=2
boot --name again --status-fd 4 -u root -e lives=$lives root.ext4 -- sh -c '
	echo x >>/root/lives; sync; n=$(wc -l </root/lives); echo "life $n"
	[ "$n" -lt "$lives" ] || poweroff -f; sleep 1000' \
	</dev/null >again.out 2>again.err 4>again.status &
vm=$!
await 120 grep -q 'life 1' again.out
if [ -z "$brief" ]; then
	run vk-exec again -- reboot
	await 120 grep -q 'life 2' again.out
	ok $? 'reboot: the guest comes again' ||
		diag "$(cat again.err again.status)"
fi
run vk-exec again -- reboot -f
wait "$vm"
is "$? $(cat again.out)" "0 $(seq -f 'life %.0f' $lives)" \
	'reboot -f as well; what was written is there; poweroff ends it'
is "$(grep -c '"event":"reboot"' again.status)" $((lives - 1)) 'they are events'
is "$(grep -c '"event":"ready"' again.status)" $lives 'and so is each ready'
is "$(cat again.err)" '' 'nothing else is said'
[ -z "$brief" ] || done_testing
run boot --no-reboot -u root root.ext4 -- reboot -f </dev/null
is "$rc" 0 '--no-reboot: a reboot ends it'

# Also where it is not up by then.
run boot --timeout 3s -u root root.ext4 -- \
	sh -c 'exec 2>/dev/null; trap "sleep 1; exit 7" TERM
		while :; do sleep 1; done' </dev/null
is "$rc $(head -n 3 "$err")" '124 vk-boot: --timeout: stopped after 3 s' \
	'--timeout: a status of its own, and one line'

SECRET=of-$$ vk-boot --boot-timeout 180s --name two-$$ root.ext4 -- sleep 1000 </dev/null >two.out 2>&1 &
vm=$!
await 120 vk-exec two-$$ -- true
ok $? 'another VM is up'
if [ "${VK_ENGINE:-}" = uml ]; then
	# What its program has in memory, the guest's kernel has.
	below() { # PID: its processes, theirs and so on
		for child in $(pgrep -P "$1"); do
			echo "$child"
			below "$child"
		done
	}
	for process in $(below $vm); do
		grep -q '^/bin/false' "/proc/$process/cmdline" &&
			cat "/proc/$process/environ"
	done >environment 2>/dev/null
	ok "$(grep -q rseq=0 environment; echo $?)" 'UML has an environment'
	ok "$(! grep -q "SECRET=of-$$" environment; echo $?)" 'without ours'
fi
kill -KILL "$vm"
wait "$vm" 2>/dev/null
await 10 sh -c '! ls "$XDG_RUNTIME_DIR/vk" | grep -q .'
ok $? 'kill -9: the run folder is gone'
no_process() { ! pgrep -f "^vk-boot.*--name two-$$ "; }
await 10 no_process
ok $? 'and no process is left'

run boot --name two-$$ --overlay kept -u root root.ext4 -- \
	sh -c 'echo kept >/root/note; cat' <<'END'
through stdin
END
is "$rc $(cat "$out" "$err")" '0 through stdin' \
	'the name is free again; stdin arrives'
run boot --overlay kept -u root root.ext4 -- cat /root/note </dev/null
is "$(cat "$out" "$err")" kept '--overlay keeps what was written'
is "$(sha256sum <root.ext4)" "$sum" 'the image is still unchanged'
done_testing
