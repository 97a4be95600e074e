#!/bin/sh
# SPDX-License-Identifier: MIT
# vk-boot -d: disks that are made, mounted, kept, grown. Under User-mode Linux:
# the devices are the same for every engine.
# takes: 20 s
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'
have linux.uml 'the guest is User-mode Linux'

VK_ENGINE=uml
export VK_ENGINE
cd "$tmp" || exit 1

mkdir -p root/bin from/sub
busybox=$(command -v busybox)
cp "$busybox" root/bin/busybox
for name in sh cat echo ls mount sync dd df blockdev sha256sum head cmp wc; do
	ln -s busybox "root/bin/$name"
done
echo filled >from/sub/file
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4

boot() { timeout 120 vk-boot --boot-timeout 100s "$@"; }
serial() { echo "cat /sys/class/block/$1/serial"; }

# ---- usage ----

usage() {
	run vk-boot "$@" root.ext4 -- true
	is "$rc" 64 "$*: refused"
}
usage -d new,size=none
usage -d new,size=1M,mount=relative
usage -d new,ro,size=1M
usage -d new,serial=0123456789012345678901
usage -d new,color=red
usage -d new,size=1M,id=a -d other,id=a
usage -d new,cache=none,overlay=tmp
usage -d new,format=vmdk
run vk-boot -d missing root.ext4 -- true
is "$rc $(cat "$err")" '66 vk-boot: -d: missing: No such file or directory' \
	'what is missing is not made without a size'
echo text >text
truncate -s 1M text
run vk-boot -d text,mount=/t root.ext4 -- true
is "$rc" 65 'a file that has no file system is not formatted'
is "$(head -c 4 text)" text 'and is as it was'
run vk-boot -d new,size=1M,mount=/x,fs=xfs root.ext4 -- true
is "$rc" 64 'only ext4 is made'
run ls new
[ "$rc" -ne 0 ]
ok $? 'nothing is left of a disk that was not made'

# ---- made, filled, mounted, kept ----

head -c 1048576 /dev/urandom >raw
sum=$(sha256sum <raw)
run boot -d data,size=24M,mount=/mnt/data,label=data,serial=my-data \
	-d filled,from=from,mount=/filled -d raw,ro -d scratch,size=3M \
	root.ext4 -- sh -c "
	$(serial vdb); echo; $(serial vdc); echo; $(serial vde); echo
	cat /filled/sub/file; sha256sum </dev/vdd
	dd if=/dev/vdd of=/dev/vdd bs=512 count=1 2>/dev/null && echo written
	blockdev --getsize64 /dev/vde
	echo kept >/mnt/data/kept
	echo raw >/dev/vde; sync"
is "$(cat "$out")" "my-data
disk2
disk4
filled
$sum
3145728" 'disks by their order: serials, contents, sizes; ro is not written' ||
	diag "$(cat "$err")"
is "$rc" 0 'the command ended well'
is "$(stat -c %s data)" 25165824 'as large as was said'
[ "$(stat -c %b data)" -lt 20000 ]
ok $? 'and sparse'
is "$(dumpe2fs -h data 2>/dev/null | sed -n 's/^Filesystem volume name: *//p')" \
	data 'its label'
e2fsck -fn data >/dev/null 2>&1
ok $? 'its file system is in order'
is "$(head -c 4 scratch)" raw 'what was written without a file system is there'
is "$(sha256sum <raw)" "$sum" 'a read-only disk is unchanged'

# ---- again: grown, an overlay over it ----

run boot -d data,size=64M,mount=/d root.ext4 -- sh -c '
	cat /d/kept; df -m /d | { read -r l; read -r d size l; echo $((size > 50)); }
	dd if=/dev/urandom of=/d/large bs=1M count=40 2>/dev/null && sync && echo full'
is "$(cat "$out")" 'kept
1
full' 'it is still there, and has grown with its file'
e2fsck -fn data >/dev/null 2>&1
ok $? 'its file system is in order'

sum=$(sha256sum <data)
for i in 1 2; do
	run boot -d data,mount=/d,overlay=over -d data,mount=/e,overlay=tmp \
		root.ext4 -- sh -c 'ls /d /e; echo "$0" >>/d/more; echo >/e/gone; cat /d/more' $i
	is "$rc $(tail -n 1 "$out") $(grep -c gone "$out")" "0 $i 0" "overlays, boot $i"
done
is "$(head -n 20 "$out" | grep -c "^[12]\$")" 2 'an overlay with a name is kept'
is "$(sha256sum <data)" "$sum" 'what is below is unchanged'

run boot -d data,overlay=tmp,overlay-max=1M root.ext4 -- sh -c '
	dd if=/dev/zero of=/dev/vdb bs=64k count=8 conv=fsync 2>/dev/null && echo small
	dd if=/dev/zero of=/dev/vdb bs=64k count=64 conv=fsync 2>/dev/null || echo stopped'
is "$(cat "$out")" 'small
stopped' 'overlay-max bounds what a guest can take'

# ---- past the page cache ----

truncate -s 8M direct
run boot -d direct,cache=none root.ext4 -- sh -c '
	head -c 4194304 /dev/urandom >/data
	dd if=/data of=/dev/vdb bs=1M seek=1 oflag=direct conv=fsync 2>/dev/null
	sha256sum </data
	dd if=/dev/vdb bs=1M skip=1 count=4 iflag=direct 2>/dev/null | sha256sum'
if [ "$rc" -eq 64 ]; then
	skip 'cache=none' "$(head -n 1 "$err")"
else
	sum=$(dd if=direct bs=1M skip=1 count=4 2>/dev/null | sha256sum)
	is "$(cat "$out")" "$sum
$sum" 'cache=none: written and read, several at a time' || diag "$(cat "$err")"
fi

# ---- qcow2 ----

if command -v qemu-img >/dev/null; then
	qemu-img create -q -f qcow2 -F raw -b data one.qcow2
	sum=$(sha256sum <data)
	for i in 1 2; do
		run boot -d one.qcow2,format=qcow2,mount=/d,fs=ext4 \
			-d one.qcow2,id=raw,ro root.ext4 -- true
		is "$rc" 75 'one image is not used twice'
		run boot -d one.qcow2,format=qcow2,mount=/d,fs=ext4 root.ext4 -- \
			sh -c 'cat /d/kept; echo "$0" >>/d/image; cat /d/image' $i
		is "$rc $(tail -n 1 "$out")" "0 $i" "a qcow2 image over a raw file, boot $i"
		run qemu-img check -q -f qcow2 one.qcow2
		is "$rc" 0 'qemu-img check'
	done
	is "$(cat "$out")$(sha256sum <data)" "$sum" 'what is below is unchanged'
	qemu-img convert -f qcow2 -O raw one.qcow2 out.raw
	e2fsck -fn out.raw >/dev/null 2>&1
	ok $? 'the file system in it is in order'
	magic=$(head -c 3 one.qcow2)
	run boot -d one.qcow2,ro root.ext4 -- head -c 3 /dev/vdb
	is "$(cat "$out")" "$magic" 'without format= a qcow2 file is raw'
else
	skip 'qcow2' 'qemu-img is not installed'
fi

# A mount that fails ends the guest: it would write elsewhere.
cp data broken
dd if=/dev/zero of=broken bs=1k seek=1 count=1 conv=notrunc 2>/dev/null
run boot -d broken,mount=/d,fs=ext4 root.ext4 -- true
is "$rc" 125 'a disk that cannot be mounted ends the guest'
like "$(cat "$err")" '/d: .*Invalid argument' 'and it is said'

done_testing
