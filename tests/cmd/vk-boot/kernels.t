#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernels that vk-boot boots, and what it says of files that are none.
# needs: kvm
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'
cd "$tmp" || exit 1
kernel=$("$top/scripts/fetch-kernel" cloud) || skip_all 'no Debian kernel'
folder=$(dirname "$kernel")
version=$(basename "$folder"/lib/modules/*)
XDG_CACHE_HOME=$tmp/cache
export XDG_CACHE_HOME

made root.ext4 || {
	mkdir -p root/bin root/boot root/lib/modules
	cp "$(command -v busybox)" root/bin/busybox
	ln -s busybox root/bin/uname
	cp -L "$kernel" "root/boot/vmlinuz-$version"
	echo 'not a kernel' >"root/boot/vmlinuz-9.9"
	mkdir -p "root/lib/modules/$version/kernel"
	(cd "$folder/lib/modules/$version" && cp modules.dep modules.builtin \
		modules.softdep modules.alias "$tmp/root/lib/modules/$version/" &&
		find kernel -name 'virtio*.ko' -o -name '*vsock*.ko' \
			-o -name overlay.ko -o -name '*failover.ko' |
		cpio -pd --quiet "$tmp/root/lib/modules/$version")
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
	keep root.ext4
}
[ -s root.ext4 ]
ok $? 'an image with a kernel in it is made'

boot() { timeout 240 vk-boot --boot-timeout 180s "$@" </dev/null; }

# ---- kernels ----

run boot -v -k auto root.ext4 -- uname -r
is "$rc $(cat "$out")" "0 $version" 'the kernel in the image, unpacked here'
like "$(cat "$err")" 'image: .*vmlinuz-9.9: not a Linux kernel' \
	'what is none is passed over'
set -- cache/vk/unpacked/*
is $# 1 'it is kept by its digest alone, as it has no name here'

# The ELF file of it has a PVH entry.
run boot -k "$1" -M "$folder" root.ext4 -- uname -r
is "$rc $(cat "$out")" "0 $version" 'an ELF file, by PVH'

# payload_length is 0: the decompressor knows by itself where its payload is.
cp -L "$kernel" bzimage
chmod u+w bzimage
printf '\0\0\0\0' | dd of=bzimage bs=1 seek=588 conv=notrunc 2>/dev/null
run boot -v -k bzimage -M "$folder" root.ext4 -- uname -r
is "$rc $(cat "$out")" "0 $version" 'a bzImage, by its own decompressor'
like "$(cat "$err")" 'left to its own decompressor' 'which is said with -v'

# ---- what is none ----

says() { # STATUS TEXT NAME
	is "$rc $(head -n 1 "$err")" "$1 vk-boot: $2" "$3"
}
echo hello >text
run boot -k text root.ext4
says 65 'text: not a Linux kernel (neither bzImage nor ELF)' 'a text'
head -c 1000000 bzimage >short
run boot -k short root.ext4
like "$rc $(cat "$err")" '^65 vk-boot: short: truncated: has 1000000 bytes, needs [0-9]+$' \
	'a truncated bzImage'
run boot -k "$build/vk-agent" root.ext4
like "$rc $(cat "$err")" '^65 vk-boot: .*vk-agent: a program, not a kernel$' 'a program'
run boot -k nonexistent root.ext4
says 66 'nonexistent: No such file or directory' 'a missing file'
run boot -k "bzimage#sha256=$(printf %064d 0)" root.ext4
like "$rc $(cat "$err")" \
	'^65 vk-boot: bzimage: digest is sha256:[0-9a-f]{64}, not the one asked for$' \
	'another digest'
run boot -k "$kernel" -m 64M root.ext4
says 64 'memory: 64 MiB are too little for this kernel and its initramfs' \
	'too little memory'
like "$(tail -n 1 "$err")" '^vk-boot: -m [0-9]+M would do$' \
	'and what would do'
run boot -k "$kernel" -a "$(printf %02100d 0)" root.ext4
like "$rc $(cat "$err")" '^64 vk-boot: .*parameters' \
	'too many kernel parameters'
done_testing
