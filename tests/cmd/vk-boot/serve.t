#!/bin/sh
# SPDX-License-Identifier: MIT
# vk-boot --serve: our devices under another VMM, QEMU, and in its guest.
# takes: 15 s
. "$(dirname "$0")/../../lib.sh"
cd "$tmp" || exit 1

# ---- what it says ----

run vk-boot --serve blk:none --socket s
is "$rc $(cat "$err")" '66 vk-boot: --serve blk: none: No such file or directory' \
	'a disk that is not there'
run vk-boot --serve toaster --socket s
is "$rc $(cat "$err")" '64 vk-boot: --serve toaster: not blk, net, vsock or rng' \
	'a device that is not known'
run vk-boot --serve rng
is "$rc" 64 '--serve needs --socket'
run vk-boot --serve rng --socket s root.ext4
is "$rc" 64 'and goes without an image'
[ ! -e s ]
ok $? 'no socket is left'

# serve NAME DEVICE: one more.
serve() {
	mkfifo "$1.ready"
	vk-boot --serve "$2" --socket "$1.sock" --ready-fd 3 \
		3>"$1.ready" 2>"$1.err" &
	eval "$1=$!"
	at_exit "end $!"
	read -r _ <"$1.ready"
}
truncate -s 16M disk
serve blk blk:disk,serial=ours
serve rng rng
mkdir -m 700 vsock
serve vsock vsock:vsock,cid=42
is "$(stat -c %A blk.sock)" srw------- "the socket is the owner's alone"
run vk-boot --serve rng --socket rng.sock
is "$rc" 75 'a socket that is in use is not taken'
# shellcheck disable=SC2154 # by serve
kill -KILL "$rng"
wait "$rng" 2>/dev/null
rm rng.ready
serve rng rng
ok $? 'what a killed one left is replaced'
# shellcheck disable=SC2154
if grep -q Seccomp:.2 "/proc/$blk/status"; then
	is "$(sed -n 's/^CapEff:\t//p' "/proc/$blk/status")" 0000000000000000 \
		'it has no capabilities'
else
	skip 'it has no capabilities' 'a build with sanitizers'
fi

# ---- an end in the middle of requests ----

# writer: a guest of UML that does nothing but write to the disk "hit". Without
# that setting the host's kernel may end it (uml.c says why); with 48 MB its own
# kernel did now and then, out of memory before its first process.
writer() {
	rm -f writer.out # what the last one said
	GLIBC_TUNABLES=glibc.pthread.rseq=0 PATH=$PATH:/usr/bin setsid linux.uml mem=128M initrd=writer.initrd \
		con=null con0=null,fd:1 uml_dir="$tmp" quiet \
		"virtio_uml.device=$tmp/hit.sock:2" >writer.out 2>&1 </dev/null &
	writer=$!
	at_exit "end -KILL -$writer"
	await 20 grep -q writing writer.out
}
module=$(find /usr/lib/uml/modules -name virtio_blk.ko 2>/dev/null | head -n 1)
why=
command -v linux.uml >/dev/null && [ -n "$module" ] || why='no User-mode Linux'
command -v cpio >/dev/null && command -v busybox >/dev/null ||
	why='no cpio or busybox'
if [ -z "$why" ]; then
	mkdir -p writer/bin writer/dev
	cp "$(command -v busybox)" writer/bin/busybox
	cp "$module" writer/
	cat >writer/init <<'END'
#!/bin/busybox sh
busybox mount -t devtmpfs none /dev
busybox insmod /virtio_blk.ko
busybox echo writing
while busybox dd if=/dev/zero of=/dev/vda bs=1M count=8 oflag=direct; do :; done &
while busybox dd if=/dev/zero of=/dev/vda bs=1M count=8 seek=8 oflag=direct; do :; done
busybox echo failed
busybox sleep 1000
END
	chmod +x writer/init
	(cd writer && find . | cpio -o -H newc --quiet) >writer.initrd
	truncate -s 16M hit
	# Writes that take their time, where this file system has any.
	cache=
	! dd if=hit of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null ||
		cache=,cache=none
	serve hit "blk:hit$cache"
	# shellcheck disable=SC2154 # by serve
	open_before=$(find "/proc/$hit/fd" -type l | wc -l)
	for _ in 1 2 3; do
		writer
		kill -KILL "-$writer"
		wait "$writer" 2>/dev/null
	done
	released() {
		[ "$(find "/proc/$hit/fd" -type l | wc -l)" -le "$open_before" ]
	}
	await 10 released
	ok $? 'front ends killed while they write leave nothing behind'
	writer
	ok $? 'and another is served'
	kill -KILL "$hit"
	wait "$hit" 2>/dev/null
	# What was under way the kernel ends after it, and keeps the file.
	await 10 flock -n hit true
	rm hit.ready
	serve hit "blk:hit$cache"
	ok $? 'a device killed meanwhile is replaced'
	kill -KILL "-$writer"
	wait "$writer" 2>/dev/null
	writer
	ok $? 'and the new one serves a guest that is started anew'
	kill -TERM "$hit"
	wait "$hit"
	is $? 0 'SIGTERM in the middle of requests: it ends in order' ||
		diag "$(cat hit.err)"
	kill -KILL "-$writer"
	wait "$writer" 2>/dev/null
else
	skip 'ends in the middle of requests' "$why"
fi

# ---- in a guest of QEMU ----

kernel=${XDG_CACHE_HOME:-$HOME/.cache}/vk/debian-kernel/cloud
why=
command -v qemu-system-x86_64 >/dev/null || why='no QEMU'
command -v busybox >/dev/null || why='no busybox'
command -v cpio >/dev/null || why='no cpio'
[ -f "$kernel/vmlinuz" ] || why='no Debian kernel (scripts/fetch-kernel cloud)'
case $build in */asan) why='QEMU is run once, in the other suite' ;; esac
if [ -n "$why" ]; then
	skip 'a guest of QEMU' "$why"
	done_testing
fi

mkdir -p root/bin root/dev root/proc root/sys root/m
cp "$(command -v busybox)" root/bin/busybox
n=0
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev \
	virtio_pci virtio_blk virtio-rng vsock \
	vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport; do
	n=$((n + 1))
	find "$kernel/lib/modules/" -name "$module.ko" -exec \
		cp {} "root/m/$(printf %02d $n).ko" \;
done
cat >root/init <<'END'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
for module in /m/*; do insmod $module; done
{
	echo serial $(cat /sys/block/vda/serial)
	echo sum $(dd if=/dev/vda bs=1M skip=8 count=4 2>/dev/null | sha256sum)
	echo random $(head -c 64 /dev/hwrng | wc -c)
	for device in /sys/bus/virtio/drivers/*/virtio*; do
		echo driver $(basename $(dirname $device))
	done
} >/told 2>&1
# What was read comes back, in another place.
dd if=/dev/vda bs=1M skip=8 count=4 of=/data 2>/dev/null
dd if=/data of=/dev/vda bs=1M seek=2 conv=fsync 2>/dev/null
dd if=/told of=/dev/vda bs=4096 conv=fsync,sync 2>/dev/null
reboot -f
END
chmod +x root/init
(cd root && find . | cpio -o -H newc --quiet) >initrd
head -c 4M /dev/urandom | dd of=disk bs=1M seek=8 conv=notrunc status=none
run timeout 240 qemu-system-x86_64 -nodefaults -no-user-config -display none \
	-no-reboot -accel tcg,thread=multi -cpu max -M q35 -m 192M \
	-object memory-backend-memfd,id=mem,size=192M,share=on \
	-machine memory-backend=mem -kernel "$kernel/vmlinuz" -initrd initrd \
	-append 'quiet panic=-1 console=ttyS0' -serial file:serial \
	-chardev socket,id=blk,path=blk.sock \
	-device vhost-user-blk-pci,chardev=blk \
	-chardev socket,id=rng,path=rng.sock \
	-device vhost-user-rng-pci,chardev=rng \
	-chardev socket,id=vsock,path=vsock.sock \
	-device vhost-user-vsock-pci,chardev=vsock </dev/null
is "$rc $(cat "$err")" '0 ' 'QEMU runs with three of our devices'
part() { dd if=disk bs=1M skip="$1" count=4 status=none | sha256sum; }
told=$(head -c 4096 disk | tr -d '\0')
like "$told" '^serial ours$' 'the disk has its serial'
like "$told" "^sum $(part 8 | cut -d' ' -f1)" 'the guest reads what is there'
is "$(part 2)" "$(part 8)" 'what it wrote is there'
like "$told" '^random 64$' 'the entropy device answers'
like "$told" '^driver vmw_vsock_virtio_transport$' 'vsock has a driver'
is "$(cat ./*.err)" '' 'nobody complains'
[ "$tap_failed" -eq 0 ] || diag "$(tail -n 30 serial)"

# ---- the end ----

kill -TERM "$blk"
wait "$blk" && [ ! -e blk.sock ]
ok $? \
	'SIGTERM: it ends, and its socket with it'
done_testing
