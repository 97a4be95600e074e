#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest of QEMU where KVM runs kernels: it uses KVM, and the network's device
# has interrupts that it has nowhere else. The rest is in qemu.t. Where KVM is
# emulated this takes a minute: soak engines runs it there.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
[ -z "${VK_LAB:-}${VK_MADE:-}" ] || [ -n "${VK_SOAK:-}" ] ||
	skip_all 'a minute on an emulated machine: make soak has it'
have busybox 'the image is made of it'
have qemu-system-x86_64 'it runs the guest'
have unshare

export VK_ENGINE=qemu XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1
made root.ext4 || {
	mkdir -p root/bin root/etc
	cp "$(command -v busybox)" root/bin/busybox
	for name in sh cat grep ip usleep poweroff; do
		ln -s busybox "root/bin/$name"
	done
	printf 'root:x:0:0::/:/bin/sh\n' >root/etc/passwd
	cat >root/look <<'END'
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
left=300
until ip addr show dev eth0 | grep -q 'inet 10' || [ $left -eq 0 ]; do
	left=$((left - 1))
	usleep 100000
done
[ $left -gt 0 ] && echo address
grep -q 'MSI.*virtio[0-9]*-input' /proc/interrupts && echo interrupts
exit 42
END
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
	keep root.ext4
}

mkfifo switch.ready
# It does not run as root, but in a namespace of users.
unshare --user --map-root-user vk-switch -l lan --ready-fd 3 \
	3>switch.ready 2>switch.err &
switch=$!
at_exit "end $switch"
read -r _ <switch.ready || diag "$(cat switch.err)"
run timeout 200 vk-boot --boot-timeout 180s -n lan -u root --status-fd 4 \
	root.ext4 -- sh /look </dev/null 4>status
is "$rc" 42 'a guest' || diag "$(cat "$err")"
is "$(cat "$out")" 'kvm-clock
address
interrupts' 'KVM is under it, and the network works by MSI-X'
like "$(head -n 1 status)" '"engine":"qemu"' 'it is told who runs it'
done_testing
