#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest of QEMU with our devices: what is not as under the other engines.
# "soak engines" runs all of guest.t, and more, under it.
# needs: release
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'
have qemu-system-x86_64 'it runs the guest'
have pgrep
"$top/scripts/can-boot" qemu 2>/dev/null || skip_all 'no guests of QEMU here'

export VK_ENGINE=qemu XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/etc root/root
cp "$(command -v busybox)" root/bin/busybox
for name in sh cat echo reboot poweroff head nproc ip wc dd sync test touch usleep; do
	ln -s busybox "root/bin/$name"
done
printf 'root:x:0:0::/root:/bin/sh\n' >root/etc/passwd
# The first life ends at once, by a reset; the second by the power button.
cat >root/life <<'END'
[ -e /root/second ] || { echo first; >/root/second; sync; reboot -f; }
echo second
if [ -e /dev/input/event0 ]; then
	head -c 24 /dev/input/event0 >/dev/null
	echo pressed
else
	until [ -e /root/end ]; do usleep 100000; done
	echo ended
fi
exec poweroff -f
END
tar -C root --owner=0 --group=0 -cf - . | vk-mkext --size +8M >root.ext4

# below PID: its processes, theirs and so on.
below() {
	for child in $(pgrep -P "$1"); do
		echo "$child"
		below "$child"
	done
}
emulator_of() {
	for process in $(below "$1"); do
		[ "$(cat "/proc/$process/comm" 2>/dev/null)" != \
			qemu-system-x86 ] || echo "$process"
	done
}

# ---- kill -9, before the guest is up ----

vk-boot --name killed root.ext4 -- true </dev/null >killed.out 2>&1 &
vm=$!
starts() {
	emulator=$(emulator_of "$vm")
	[ -n "$emulator" ] && grep -q '^Seccomp:.2' "/proc/$emulator/status"
}
await 20 starts
ok $? 'QEMU runs' || diag "$(cat killed.out)"
if [ -n "$emulator" ]; then
	is "$(sed -n 's/^CapEff:\t//p' "/proc/$emulator/status")" \
		0000000000000000 'it has no capabilities'
	[ ! -e "/proc/$emulator/root/etc" ]
	ok $? 'and hardly a file'
fi
kill -KILL $vm
wait $vm 2>/dev/null
await 5 sh -c "! kill -0 ${emulator:-$vm} 2>/dev/null"
ok $? 'kill -9 of vk-boot: QEMU is gone'

# ---- a guest ----

mkfifo switch.ready ready
# It does not run as root, but in a namespace of users.
unshare --user --map-root-user vk-switch -l lan --ready-fd 3 \
	3>switch.ready 2>switch.err &
switch=$!
at_exit "end $switch"
read -r _ <switch.ready || diag "$(cat switch.err)"
vk-boot --boot-timeout 120s --name one -c 2 -m 200M -n lan -u root \
	--status-fd 4 root.ext4 -- sh /life </dev/null >one.out 2>one.err \
	4>one.status &
vm=$!
at_exit "end $vm"
await 100 grep -q second one.out
ok $? 'reboot -f: the guest comes again' || diag "$(cat one.err one.status)"
is "$(cat one.out)" 'first
second' 'with what it wrote before'
like "$(head -n 1 one.status)" '"engine":"qemu"' 'it is told who runs it'
is "$(vk-ps -q -o engine)" qemu 'and to vk-ps'
inside() { timeout 60 vk-exec "$@"; }
is "$(inside one -- nproc)" 2 'it has two processors'
is "$(head -c 3000000 /dev/zero | inside -i one -- wc -c)" 3000000 \
	'a stream goes in'
is "$(inside one -- head -c 3000000 /dev/zero | wc -c)" 3000000 'and one out'
await 30 sh -c 'timeout 20 vk-exec one -- ip addr show dev eth0 | grep -q "inet 10"'
ok $? 'the network interface has an address by DHCP' ||
	diag "$(inside one -- ip addr)"
mkfifo typed
exec 9<>typed
timeout 60 vk-control one console <typed >seen 2>&1 &
console=$!
inside one -- sh -c 'echo hello >/dev/hvc0; head -n 1 </dev/hvc0' >line &
reader=$!
await 30 grep -q hello seen
ok $? 'the console is seen'
echo pass it on >&9
wait $reader
is "$(cat line)" 'pass it on' 'and what is typed arrives'
kill $console
vk-control one pause && vk-control one resume
is "$? $(inside one -- echo here)" '0 here' 'it is held, and goes on'
run vk-control one balloon size=1M
is "$rc" 69 'it has no balloon'
if inside one -- test -e /dev/input/event0; then
	vk-control one power-button
	wait $vm
	is "$? $(tail -n 1 one.out)" '0 pressed' 'the power button'
else
	skip 'the power button' 'the kernel shows it to no program'
	inside one -- touch /root/end
	wait $vm
fi
is "$(cat one.err)" '' 'nothing else is said'
like "$(tail -n 1 one.status)" '"why":"power-off"' 'and told'
done_testing
