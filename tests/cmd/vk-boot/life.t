#!/bin/sh
# SPDX-License-Identifier: MIT
#
# life.t - a guest that resets its machine begins anew, and is not let do
# nothing else; one whose parent ends, ends
#
# The guest is tests/bare/reboot: no kernel, so that any KVM will do.

. "$(dirname "$0")/../../lib.sh"

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	skip_all "/dev/kvm is not ours to use"
fi
mkdir -m 700 "$tmp/run"
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
: >"$tmp/none"
log=$tmp/run/vk/guest/console.log

# Starts a guest with a disk of its own; its pid is $vm.
start() { # option...
	rm -f "$tmp/disk" "$tmp/overlay" "$tmp/events"
	truncate -s 1M "$tmp/disk"
	vk-boot --engine kvm --no-probe -m 64M -c 2 --name guest \
		--status-fd 3 -k "$build/tests/bare/reboot" -i "$tmp/none" \
		-d "$tmp/disk,format=raw,overlay=$tmp/overlay" "$@" \
		</dev/null 3>"$tmp/events" >"$out" 2>"$err" &
	vm=$!
	at_exit "end -9 $vm"
}
events() { grep -c "\"event\":\"$1\"" "$tmp/events"; }
lives() { grep -ac '^life' "$log"; }
finish() { # status what
	wait "$vm"
	is $? "$1" "$2" || diag "$(cat "$err")"
}

# usual fd|task: how many it has, most of the time: some come for a moment.
usual() {
	for _ in 1 2 3 4 5 6 7 8 9; do
		find "/proc/$vm/$1" -maxdepth 1 | wc -l
		sleep 0.02
	done | sort -n | uniq -c | sort -n | awk 'END { print $2 }'
}

# Who was shown the console has seen enough.
{
	timeout 120 vk-boot --engine kvm --no-probe -m 64M -i "$tmp/none" \
		-k "$build/tests/bare/first" -a hold=1 --console stdio \
		</dev/null 2>"$err"
	echo $? >"$tmp/status"
} | head -c 1 >/dev/null
is "$(cat "$tmp/status")" 143 'it ends when nobody reads its console any more'

# What was in a file before stays there.
echo before >"$tmp/shown"
vk-boot --engine kvm --no-probe -m 64M -i "$tmp/none" \
	-k "$build/tests/bare/first" --console stdio </dev/null \
	>>"$tmp/shown" 2>"$err"
is "$(cat "$tmp/shown"; echo end)" 'before

end' '--console stdio: a file is appended to'

# Three reboots: by the keyboard's controller, the bridge, ACPI.
start -a lives=4 -a hold=1
await 30 grep -aq '^life 4' "$log"
ok $? 'a guest reboots three times' || diag "$(cat "$log" "$err")"
is "$(lives)" 4 'the console is kept, and what was written to the disk'
is "$(events reboot)" 3 'each is an event'
unlike "$(cat "$log")" '^bad' 'memory, processor and devices are new each time'
is "$(grep -ac '^good' "$log")" 12 'and were looked at'
like "$(cat "$tmp/run/vk/guest/status.json")" '"count": 3' \
	'status.json has it'
[ -s "$tmp/overlay" ] && cmp -s -n 1M "$tmp/disk" /dev/zero
ok $? 'the disk is as it was: it has an overlay'
four=$(usual fd)
threads=$(usual task)
kib=$(sed -n 's/^VmData:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$vm/status")
run vk-control guest status
like "$(cat "$out")" '"state": *"booting"' 'the control socket is kept' ||
	diag "$(cat "$out" "$err")"
kill "$vm"
finish 143 'SIGTERM ends it'

start -a lives=1 -a hold=1
await 30 grep -aq '^life 1' "$log"
ok $? 'a guest that does not reboot'
one=$(usual fd)
once=$(usual task)
first=$(sed -n 's/^VmData:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$vm/status")
kill "$vm"
finish 143 'and ends'
is "$four" "$one" "a reboot leaves no descriptor"
is "$threads" "$once" "nor a thread"
# AddressSanitizer keeps what is freed.
case $build in *asan) more=2048 ;; *) more=256 ;; esac
[ "$kib" -le $((first + more)) ]
ok $? "nor memory ($first, then $kib KiB)"

start -a lives=2
finish 125 'a guest goes off after a reboot, before it is up'
is "$(events reboot)" 1 'after one'

# What JSON cannot say is left out, not all that stands beside it.
odd=$(printf '%s/\377' "$tmp")
cp "$build/tests/bare/reboot" "$odd"
start -a lives=2 -k "$odd"
finish 125 'a kernel whose name is no UTF-8'
like "$(head -n 1 "$tmp/events")" '"event":"start".*"pid":[0-9]' \
	'is left out of what is told of the start'

start -a lives=2 --no-reboot
finish 125 '--no-reboot: a reset before the guest is up is a failure'
is "$(events reboot)" 0 'and no reboot'

start -a lives=2 -a warm=1
finish 123 "a panic's reset is a crash"
is "$(events reboot)" 0 'and no reboot'
like "$(cat "$err")" 'crashed \(panic\)' 'which is said'

start -a busy=1
finish 123 'a guest that does nothing but reboot has crashed'
is "$(events reboot)" 5 'after five'
like "$(cat "$err")" 'nothing but reboot' 'which is said'

# Its parent ends, by whatever signal.
truncate -s 1M "$tmp/disk"
sh -c 'vk-boot --engine kvm --no-probe -m 64M --name guest --die-with-parent \
	-k "$1" -a lives=1 -a hold=1 -i "$2" -d "$3,format=raw" </dev/null &
	echo $! >"$4"; sleep 100; :' sh "$build/tests/bare/reboot" "$tmp/none" \
	"$tmp/disk" "$tmp/pid" >"$out" 2>"$err" &
parent=$!
await 30 grep -aq '^life 1' "$log"
ok $? 'a guest with a parent'
vm=$(cat "$tmp/pid")
# Not our child, but it alone has this disk.
at_exit "pkill -9 -f -- '-d $tmp/disk,'"
kill -9 "$parent"
await 10 sh -c "! kill -0 $vm"
ok $? '--die-with-parent: it ends with it'
await 5 test ! -e "$tmp/run/vk/guest"
ok $? 'and its run folder is gone'

# The sweeper needs not many.
run sh -c 'ulimit -n 48; exec "$@"' sh vk-boot --engine kvm --no-probe -m 64M \
	--name few -a lives=1 -k "$build/tests/bare/reboot" -i "$tmp/none"
is "$rc" 71 'too few descriptors for a guest'
[ ! -e "$tmp/run/vk/few" ]
ok $? 'leaves no run folder'

done_testing
