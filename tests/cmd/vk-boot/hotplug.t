#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks and memory that are added to a running VM and taken from it, with our
# kernel and a distribution's.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

made root.ext4 || {
	mkdir -p root/bin root/mnt root/tmp
	cp "$(command -v busybox)" root/bin/busybox
	for name in sh sleep cat mount umount sync grep ls echo dd awk rm reboot; do
		ln -s busybox "root/bin/$name"
	done
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
	keep root.ext4
}
mkdir empty
vk-mkext --size 32M empty >data.ext4

start() { # NAME [OPTION...]
	name=$1
	shift
	mkfifo "$name.ready"
	vk-boot --boot-timeout 180s --name "$name" -m 192M,max=512M \
		--ready-fd 3 "$@" \
		root.ext4 -- sh -c 'trap "exit 7" TERM; while :; do sleep 1; done' \
		3>"$name.ready" </dev/null >"$name.out" 2>&1 &
	vm=$!
	at_exit "end -9 $vm"
	read -r _ <"$name.ready"
}

inside() { vk-exec "$name" -- "$@"; }

# ---- disks ----

there() { inside sh -c '[ -b /dev/vdb ]'; }
gone() { ! there; }

refused() { # STATUS TEXT NAME: the last run
	is "$rc" "$1" "$name: $3: status $1"
	like "$(cat "$err")" "$2" "$name: $3: it is said"
}

try_refusals() {
	run vk-control "$name" disk-add id=data file=data.ext4
	refused 64 'disk-add: data: another disk has this id' 'the same id'
	run vk-control "$name" disk-add id=more file=data.ext4
	refused 75 'data.ext4: in use by another VM' 'the same file'
	run vk-control "$name" disk-remove id=none
	refused 64 'no disk was added by this id' 'an unknown id'
	run vk-control "$name" disk-remove id=root
	refused 64 'the VM was started with it' 'the root'
}

try_disks() {
	run vk-control "$name" disk-add id=data file=data.ext4
	is "$rc$(cat "$err")" 0 "$name: a disk is added"
	await 30 there
	ok $? "$name: the guest finds it" ||
		diag "$(inside sh -c "ls /sys/bus/pci/devices; ls /sys/bus/pci/slots; cat /proc/interrupts")"
	is "$(inside cat /sys/block/vdb/serial)" data "$name: by its id"
	inside sh -c "mount -t ext4 /dev/vdb /mnt && echo $name >/mnt/$name"
	ok $? "$name: it can be written"

	[ "$name" = stock ] || try_refusals # they ask nothing of the guest

	inside umount /mnt
	run vk-control "$name" disk-remove id=data
	is "$rc$(cat "$err")" 0 "$name: it is removed"
	gone
	ok $? "$name: the guest has it no more"
	is "$(debugfs -R "cat /$name" data.ext4 2>/dev/null)" "$name" \
		"$name: what was written is in the file"
	flock -n data.ext4 true
	ok $? "$name: which nobody holds any more"
}

# ---- memory ----

plugged() { [ "$(vk-control -o memory_plugged "$name" status)" = "$1" ]; }
total_mib() {
	inside awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}
has_more() { [ "$(total_mib)" -ge $((before + 120)) ]; }
resident_mib() {
	echo $(($(vk-control -o resident "$name" stats) >> 20))
}
given_back() { [ "$(resident_mib)" -le $((full - 60)) ]; }

try_memory() {
	before=$(total_mib)
	[ "$before" -le 192 ]
	ok $? "$name: starts with what it was given ($before MiB)" ||
		diag "$(cat "$name.out")"
	is "$(vk-control -o memory_requested,memory_plugged "$name" status)" \
		'0	0' "$name: nothing is added"

	run vk-control "$name" memory size=320M
	is "$rc$(cat "$err")" 0 "$name: more is asked for"
	await 60 plugged $((128 << 20))
	ok $? "$name: the guest takes it" ||
		diag "$(vk-control "$name" stats; inside cat /proc/meminfo)"
	await 30 has_more
	ok $? "$name: and has it ($before, $(total_mib) MiB)"

	# Linux prefers what it can give back for this.
	inside sh -c 'mount -t tmpfs -o size=100m none /tmp &&
		dd if=/dev/zero of=/tmp/f bs=1M count=64 2>/dev/null'
	ok $? "$name: it is used"
	full=$(resident_mib)
	inside rm /tmp/f

	run vk-control "$name" memory size=192M
	is "$rc$(cat "$err")" 0 "$name: less is asked for"
	await 60 plugged 0
	ok $? "$name: the guest gives it back" ||
		diag "$(vk-control "$name" stats)"
	await 5 given_back
	ok $? "$name: to the host ($full, $(resident_mib) MiB)"
	is "$(total_mib)" "$before" "$name: and has what it had"
	is "$(vk-control -o pluggable.requested,pluggable.refused "$name" stats)" \
		'0	0' "$name: no request was refused"
}

# ---- a reboot ----

new_life() { inside sh -c '[ ! -e /dev/shm/old ]'; }
try_reboot() {
	vk-control "$name" memory size=320M
	await 60 has_more
	vk-control "$name" disk-add id=stays file=data.ext4
	await 30 there
	inside sh -c 'echo >/dev/shm/old; reboot -f'
	await 120 new_life
	ok $? "$name: the guest reboots" || diag "$(cat "$name.out")"
	await 30 there
	is "$(inside cat /sys/block/vdb/serial)" stays \
		"$name: it finds the disk that was added"
	await 60 has_more
	ok $? "$name: and the memory ($before, $(total_mib) MiB)" ||
		diag "$(vk-control "$name" stats)"
	is "$(vk-control -o memory_requested,memory_plugged "$name" status)" \
		"$((128 << 20))	$((128 << 20))" "$name: which is known"
	run vk-control "$name" disk-remove id=stays
	is "$rc$(cat "$err")" 0 "$name: the disk can be removed then"
}

# ---- our kernel ----

start own
try_memory
try_disks
try_reboot
# Again, read-only this time, and in use when it goes.
run vk-control own disk-add id=again file=data.ext4 ro:=true
await 30 there
is "$(inside cat /sys/block/vdb/ro)" 1 'read-only'
inside dd if=/dev/vdb of=/dev/null bs=1M 2>/dev/null &
reader=$!
run vk-control own disk-remove id=again
is "$rc$(cat "$err")" 0 'one that is being read is removed'
wait "$reader"
inside sh -c :
ok $? 'and the guest lives'

run vk-control own memory size=2G
is "$rc" 64 'more than the VM may have: status 64'
like "$(cat "$err")" 'memory: size: not from 192 MiB to 512 MiB' 'it is said'
run vk-control own memory size=128M
like "$(cat "$err")" 'the balloon takes less' 'less than it began with'
is "$(vk-control -w -o status own stop timeout=60s)" 7 'and it ends in order'

# ---- a distribution's ----

start stock -k stock
try_memory
try_disks
kill -KILL "$vm"
wait "$vm" 2>/dev/null
await 10 sh -c '! ls "$XDG_RUNTIME_DIR/vk" | grep -q .'
ok $? 'kill -9: the run folder is gone'
no_process() { ! pgrep -f '^vk-boot.*--name stock -m 192M,max'; }
await 10 no_process
ok $? 'and no process is left'
done_testing
