#!/bin/sh
# SPDX-License-Identifier: MIT
# --engine cloud-hypervisor: what it is given, with a program in its place; and
# a guest, where it is installed and KVM runs one.
# needs: release
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export VK_ENGINE=cloud-hypervisor XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1
mkdir -p root/bin
cp "$(command -v busybox)" root/bin/busybox
ln -s busybox root/bin/sh
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4

# ---- a guest ----

if "$top/scripts/can-boot" cloud-hypervisor 2>why; then
	run timeout 60 vk-boot root.ext4 -- sh -c 'echo up; exit 42'
	is "$rc $(cat "$out" "$err")" '42 up' 'a guest'
else
	skip 'a guest' "$(sed -n 's/^vk-boot: //p;q' why)"
fi

# ---- what it is given ----

PATH=/nowhere run "$build/vk-boot" root.ext4
is "$rc $(cat "$err")" '69 vk-boot: cloud-hypervisor: not found in PATH' \
	'where there is none'

mkdir -m 755 bin
cp "$build/tests/helpers/vk-vmm" bin/cloud-hypervisor || exit 1
PATH=$tmp/bin:$PATH
if ! vk-boot --no-probe --prepare >prepared 2>why; then
	skip 'its options' "$(cat why)"
	done_testing
fi
truncate -s 1M disk
run timeout 60 vk-boot --no-probe --status-fd 4 -c 2 -m 256M -d disk \
	-a marked root.ext4 -- sh -c true 4>status </dev/null
is "$rc" 125 'that which starts no guest is a failure'
like "$(cat "$err")" 'went off before it was up' 'and said'
# Its two lives say the same, the second one last.
sed -n '/^device/,$p' "$err" | awk '{ line[NR] = $0 }
	END { for (i = NR / 2 + 1; i <= NR; i++) print line[i] }' >given
# Two disks with as many queues as there are processors.
is "$(sed -n 's/^device,//p' given)" \
	'virtio_id=2,queue_sizes=[256,256]: virtio 1
virtio_id=2,queue_sizes=[256,256]: virtio 1
virtio_id=19,queue_sizes=[256,256,256]: virtio 1
virtio_id=3,queue_sizes=[256,256]: virtio 1
virtio_id=4,queue_sizes=[256]: virtio 1' 'each device is ours, and answers'
is "$(grep -e '^--' given | grep -v cmdline)" '--kernel: a file
--initramfs: a file
--cpus boot=2
--memory size=262144K,shared=on
--console off
--serial tty' 'the machine'
like "$(grep cmdline given)" \
	'^--cmdline rdinit=/vk/agent console=ttyS0 .* marked$' 'the parameters'
like "$(cat given)" '^/dev/kvm yes$' 'it reaches KVM'
is "$(grep -c '"event":"reboot"' status)" 1 \
	'when it says that the guest reboots, it is ended and started anew'
like "$(head -n 1 status)" '"engine":"cloud-hypervisor"' 'it is told who runs it'

# ---- its API, in the second life ----

vk-boot --no-probe --name one -v root.ext4 -- true </dev/null >said 2>&1 &
vm=$!
at_exit "end $vm"
await 20 grep -aq "^API" "$XDG_RUNTIME_DIR/vk/one/console.log"
ok $? 'it has an API if it has a name' || diag "$(cat said)"
vk-control one power-button
ok $? 'the power button is pressed'
await 10 grep -q refused said
like "$(cat said)" \
	'^vk-boot: Cloud Hypervisor: vm.power-button: refused, with status 500$' \
	'what it answers is told'
vk-control one power-button
wait $vm
is "$(grep ^PUT said)" 'PUT /api/v1/vm.power-button HTTP/1.1
PUT /api/v1/vm.power-button HTTP/1.1' 'and pressed again'
is "$(ls "$XDG_RUNTIME_DIR/vk")" '' 'nothing is left of it'
done_testing
