#!/bin/sh
# SPDX-License-Identifier: MIT
#
# slots.t - disks that come and go, and guests that mind them or do not
#
# The guest is tests/bare/slots: no kernel, so that any KVM will do. What Linux
# makes of it: ../hotplug.t.

. "$(dirname "$0")/../../../lib.sh"

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	skip_all "/dev/kvm is not ours to use"
fi
mkdir -m 700 "$tmp/run"
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
: >"$tmp/none"
cd "$tmp" || exit 1
for i in 1 2 3 4 5 6 7 8 9; do truncate -s 1M "disk$i"; done

# Of five blocks of letters the guest clears the second and the fourth
# (tests/bare/slots.c).
head -c 20480 /dev/zero | tr '\0' x >letters
lettered() { dd if=letters of="$1" conv=notrunc 2>/dev/null; }
lettered cleared
for i in 1 3; do
	dd if=/dev/zero of=cleared bs=4k seek=$i count=1 conv=notrunc 2>/dev/null
done
cleared() { cmp -s -i 4096 -n 16384 "$1" cleared; }

# Starts a guest that stays; its pid is $vm.
start() { # NAME OPTION...
	name=$1
	shift
	log=$tmp/run/vk/$name/console.log
	vk-boot --engine kvm --no-probe -m 64M -c 2 --boot-timeout 10m \
		-k "$build/tests/bare/slots" -i "$tmp/none" --name "$name" \
		--status-fd 3 "$@" </dev/null 3>"$name.events" >"$name.out" \
		2>"$name.err" &
	vm=$!
	at_exit "end -9 $vm"
	await 30 vk-control "$name" status
}
said() { grep -aq "^$1" "$log"; }
twice() { [ "$(grep -ac "^$1" "$log")" -eq 2 ]; }
events() { grep -c "\"event\":\"$1\"" "$name.events"; }
add() { run vk-control "$name" disk-add id="$1" file="$1"; }
remove() { run vk-control "$name" disk-remove id="$1"; }
held() { ! flock -n "$1" true; }
descriptors() { find "/proc/$vm/fd" | wc -l; }
as_before() { [ "$(descriptors)" -le "$before" ]; }
finish() { # what
	kill "$vm"
	wait "$vm"
	is $? 143 "$1: it lived" || diag "$(cat "$name.err" "$log")"
	unlike "$(cat "$name.err")" 'runtime error|AddressSanitizer' \
		"$1: is sound"
}

lettered disk1
# Nothing of it is in the page cache: it has to be waited for.
dd of=disk1 conv=notrunc,fdatasync oflag=nocache count=0 2>/dev/null
start polite
await 30 said up
add disk1
is "$rc$(cat "$err")" 0 'a disk is added'
await 30 said 'use 1'
ok $? 'the guest is told, finds it, reads and writes' ||
	diag "$(cat "$log" "$name.err")"
said told
ok $? 'by an interrupt'
held disk1
ok $? 'its file is locked'
remove disk1
is "$rc$(cat "$err")" 0 'it is asked for, and given up'
held disk1
is $? 1 'its file is let go'
cleared disk1
ok $? 'what was to be zeros is, and nothing else' || diag "$(od -c disk1)"
add disk1
await 30 said 'use 2'
ok $? 'what was written is there when it comes again'
is "$(events disk-added) $(events disk-removed)" '2 1' 'each is an event'
remove disk1
# A file system that has no quick way to zeros.
memory=$(mktemp -d /dev/shm/vk-test.XXXXXX) && at_exit "rm -rf $memory"
truncate -s 1M "$memory/disk2"
lettered "$memory/disk2"
run vk-control polite disk-add id=disk2 file="$memory/disk2"
is "$rc$(cat "$err")" 0 'one on another file system'
await 30 twice 'use 1'
run vk-control polite disk-remove id=disk2
cleared "$memory/disk2"
ok $? 'there, too'
finish 'a guest that gives up what it is asked for'

start kept -a keep=1
for i in 1 2 3 4 5 6 7 8; do add "disk$i"; done
is "$rc$(cat "$err")" 0 'eight disks'
add disk9
is "$rc" 69 'no more'
like "$(cat "$err")" 'disk-add: disk9: no slot is free' 'which is said'
held disk9
is $? 1 'and its file is let go'
run vk-control --timeout 3s kept disk-remove id=disk1 timeout=3100ms
is "$rc" 75 'a guest that keeps its disk has its time'
like "$(head -n 1 "$err")" \
	'disk-remove: disk1: the guest did not give it up within 3100 ms' \
	'which is said'
held disk1
ok $? 'and the disk stays'
vk-control kept disk-remove id=disk2 timeout=1h 2>waits &
waits=$!
await 30 said 'asked 2'
remove disk1
is "$rc" 75 'one is asked for at a time'
like "$(cat "$err")" 'disk1: disk2 is being removed' 'which is said'
finish 'a guest that gives up nothing'
wait "$waits"
is $? 69 'who waits learns of the end'
like "$(cat waits)" 'disk-remove: disk2: the VM ended' 'in words'

rm disk1
truncate -s 1M disk1
start again -a reset=1
await 30 said up
add disk1
await 30 said 'use 2'
ok $? 'a guest that reboots finds its disk again' ||
	diag "$(cat "$log" "$name.err")"
is "$(events reboot)" 1 'after the reset'
remove disk1
is "$rc$(cat "$err")" 0 'and can be asked for it'
finish 'a guest that reboots'

start later -a reset=2
await 30 said up
add disk1
await 30 said use
remove disk1
is "$rc$(cat "$err")" 0 'a guest that reboots when it is asked is asked again'
is "$(events reboot)" 1 'after the reset'
finish 'a guest that reboots then'

start flood -a flood=1
before=$(descriptors)
failed=
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	add disk1
	[ "$rc" -eq 0 ] || failed="$failed $i: $(cat "$err")"
	await 30 flock -n disk1 true || failed="$failed $i: not let go"
done
is "$failed" '' 'a guest that gives up everything at once has nothing'
# A connection that has ended is seen by and by.
await 10 as_before
ok $? 'and costs nothing' || diag "$before descriptors, now $(descriptors)"
finish 'a guest that gives up what it was not asked for'

done_testing
