#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks that are added to a running VM and taken from it, with our kernel and a
# distribution's.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/mnt root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in sh sleep cat mount umount sync grep ls echo dd; do
	ln -s busybox "root/bin/$name"
done
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
mkdir empty
vk-mkext --size 32M empty >data.ext4 2>/dev/null ||
	mke2fs -q -t ext4 data.ext4 32M

start() { # NAME [OPTION...]
	name=$1
	shift
	mkfifo "$name.ready"
	vk-boot --boot-timeout 180s --name "$name" -m 192M --ready-fd 3 "$@" \
		root.ext4 -- sh -c 'trap "exit 7" TERM; while :; do sleep 1; done' \
		3>"$name.ready" </dev/null >"$name.out" 2>&1 &
	vm=$!
	at_exit "kill -9 $vm 2>/dev/null"
	read -r _ <"$name.ready"
}

inside() { vk-exec "$name" -- "$@"; }
there() { inside sh -c '[ -b /dev/vdb ]'; }
gone() { ! there; }

refused() { # STATUS TEXT NAME: the last run
	is "$rc" "$1" "$name: $3: status $1"
	like "$(cat "$err")" "$2" "$name: $3: it is said"
}

try() { # NAME [OPTION...]
	start "$@"
	run vk-control "$name" disk-add id=data file=data.ext4
	is "$rc$(cat "$err")" 0 "$name: a disk is added"
	await 30 there
	ok $? "$name: the guest finds it" ||
		diag "$(inside sh -c "ls /sys/bus/pci/devices; ls /sys/bus/pci/slots; cat /proc/interrupts")"
	is "$(inside cat /sys/block/vdb/serial)" data "$name: by its id"
	inside sh -c "mount -t ext4 /dev/vdb /mnt && echo $name >/mnt/$name"
	ok $? "$name: it can be written"

	run vk-control "$name" disk-add id=data file=data.ext4
	refused 64 'disk-add: data: another disk has this id' 'the same id'
	run vk-control "$name" disk-add id=more file=data.ext4
	refused 75 'data.ext4: in use by another VM' 'the same file'
	run vk-control "$name" disk-remove id=none
	refused 64 'no disk was added by this id' 'an unknown id'
	run vk-control "$name" disk-remove id=root
	refused 64 'the VM was started with it' 'the root'

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

try own
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
vk-control -w own kill >/dev/null

try stock -k stock
vk-control -w stock kill >/dev/null
done_testing
