#!/bin/sh
# SPDX-License-Identifier: MIT
# The roots that a guest can have, under User-mode Linux: it needs no KVM.
# needs: release
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'
VK_ENGINE=uml
export VK_ENGINE
cd "$tmp" || exit 1

# A root that cannot be written to has to have the places for mounts itself.
mkdir -p root/bin root/etc root/dir root/dev root/proc root/sys root/run root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in sh cat ls id mount sed stat; do
	ln -s busybox "root/bin/$name"
done
echo 'root:x:0:0::/:/bin/sh' >root/etc/passwd
touch root/etc/hosts root/etc/hostname root/etc/resolv.conf
echo content >root/dir/file
ln root/dir/file root/dir/hard
chmod 4711 root/dir/file
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
is $? 0 'an ext4 image is made'

boot() { timeout 240 vk-boot --boot-timeout 180s "$@" </dev/null; }
root_type='sed -n "s/^[^ ]* \/ \([^ ]*\) .*/\1/p" /proc/mounts | tail -n 1'

# ---- file systems ----

run boot root.ext4 -- sh -c "$root_type; cat /dir/file"
is "$rc $(cat "$out")" '0 ext4
content' 'ext4'

if command -v mksquashfs >/dev/null; then
	mksquashfs root root.squashfs -all-root -quiet -no-progress \
		>/dev/null 2>&1
	run boot root.squashfs -- \
		sh -c "$root_type; cat /dir/file; echo x 2>&1 >/dir/new"
	like "$(cat "$out")" '^squashfs$' 'squashfs'
	like "$(cat "$out")" '^content$' 'its content'
	like "$(cat "$out" "$err")" 'Read-only' 'it is read-only'
else
	skip squashfs 'mksquashfs is not installed'
fi

# ---- in memory ----

run boot --ram root.ext4 -- sh -c "$root_type; ls /; cat /dir/hard
	stat -c '%a %h' /dir/file; echo new >/dir/new; cat /dir/new"
is "$rc $(cat "$out")" '0 rootfs
bin
dev
dir
etc
lost+found
proc
root
run
sys
tmp
content
4711 2
new' 'in memory: the image and what every system has, no more'
run vk-boot --ram -m 32M root.squashfs -- true
is "$rc" 64 'in memory: ext4 only'
run vk-boot --ram --write root.ext4 -- true
is "$rc" 64 'in memory: nothing to write to'
mkdir large
head -c 30000000 /dev/zero >large/file
tar -C large -cf - . | vk-mkext >large.ext4
run vk-boot --ram -m 40M large.ext4 -- true
is "$rc" 64 'in memory: refused where it does not fit'
like "$(cat "$err")" '28 MiB of files do not fit' 'with what it would take'
like "$(cat "$err")" '^vk-boot: -m 185M would do$' 'and what would do'

# ---- an initrd alone ----

(cd root && find . | cpio -o -H newc --quiet) | gzip >initrd.gz
run boot -i initrd.gz -- sh -c 'ls /; cat /dir/file'
is "$rc $(cat "$out")" '0 bin
dev
dir
etc
proc
root
run
sys
tmp
content' 'an initrd alone is the root'

# Its /init does not take the place of the agent.
printf '#!/bin/sh\necho no\n' >root/init
chmod 755 root/init
(cd root && find . | cpio -o -H newc --quiet) | gzip >initrd.gz
run boot -i initrd.gz -- sh -c 'cat /init'
is "$rc $(cat "$out")" '0 #!/bin/sh
echo no' 'an initrd with an /init'
run boot -i initrd.gz root.ext4 -- sh -c "$root_type"
is "$rc $(cat "$out")" '0 ext4' 'an initrd beside an image'

# ---- what is none ----

truncate -s 1M empty
run vk-boot empty -- true
is "$rc $(cat "$err")" \
	'65 vk-boot: empty: no file system: neither ext4, squashfs nor erofs' \
	'no file system'
head -c 100000 root.ext4 >short.ext4
run vk-boot short.ext4 -- true
like "$rc $(cat "$err")" '^65 vk-boot: short.ext4: truncated: has 100000 bytes, its ext4 file system needs [0-9]+$' \
	'a truncated one'
tar -cf tree.tar root
run vk-boot tree.tar -- true
like "$(cat "$err")" 'tree.tar: a tar archive' 'a tar archive'
like "$(cat "$err")" 'vk-mkext makes an image' 'with a hint'
done_testing
