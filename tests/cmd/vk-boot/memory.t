#!/bin/sh
# SPDX-License-Identifier: MIT
# Memory that is added to a running VM and taken from it, with our kernel and a
# distribution's.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in sh sleep cat dd awk mount rm sync; do
	ln -s busybox "root/bin/$name"
done
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4

start() { # NAME [OPTION...]
	name=$1
	shift
	mkfifo "$name.ready"
	vk-boot --boot-timeout 180s --name "$name" --ready-fd 3 "$@" root.ext4 \
		-- sh -c 'trap "exit 7" TERM; while :; do sleep 1; done' \
		3>"$name.ready" </dev/null >"$name.out" 2>&1 &
	vm=$!
	at_exit "kill -9 $vm 2>/dev/null"
	read -r _ <"$name.ready"
}

plugged() { [ "$(vk-control -o memory_plugged "$name" status)" = "$1" ]; }
inside() { vk-exec "$name" -- "$@"; }
total_mib() {
	inside awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}
resident_mib() {
	echo $(($(vk-control -o resident "$name" stats) >> 20))
}
given_back() { [ "$(resident_mib)" -le $((full - 60)) ]; }

try() { # NAME [OPTION...]
	start "$@" -m 192M,max=512M
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
	after=$(total_mib)
	[ "$after" -ge $((before + 120)) ]
	ok $? "$name: and has it ($before, $after MiB)"

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

try own
run vk-control own memory size=2G
is "$rc" 64 'more than the VM may have: status 64'
like "$(cat "$err")" 'memory: size: not from 192 MiB to 512 MiB' 'it is said'
run vk-control own memory size=128M
like "$(cat "$err")" 'the balloon takes less' 'less than it began with'
is "$(vk-control -w -o status own stop timeout=60s)" 7 'and it ends in order'

try stock -k stock
vk-control -w stock kill >/dev/null

done_testing
