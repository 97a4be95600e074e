#!/bin/sh
# SPDX-License-Identifier: MIT
# vk-boot without a guest: what it refuses, in one line, with which status.
. "$(dirname "$0")/../lib.sh"
have mke2fs

export XDG_RUNTIME_DIR="$tmp/run" XDG_CACHE_HOME="$tmp/cache"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

truncate -s 16M good.ext4
mke2fs -q -t ext4 good.ext4
cp good.ext4 cut.ext4
truncate -s 8M cut.ext4
echo 'this is no image' >text
: >empty

# refuses STATUS PATTERN NAME ARG...: one line (and a hint), nothing on stdout.
refuses() {
	want_status=$1 want_text=$2 name=$3
	shift 3
	run timeout 60 vk-boot "$@"
	is "$rc" "$want_status" "$name: status $want_status"
	like "$(head -n 1 "$err")" "^vk-boot: $want_text" "$name: says so"
	[ "$(wc -l <"$err")" -le 2 ]
	ok $? "$name: in a line, and perhaps a hint"
	[ ! -s "$out" ]
	ok $? "$name: nothing on standard output"
}

refuses 64 'no image given' 'no image'
refuses 64 '--nonsense: unknown option' 'an unknown option' --nonsense
refuses 64 '-m: 1M: too little' 'too little memory' -m 1M good.ext4
refuses 64 '-m: lots: not a size' 'a size that is none' -m lots good.ext4
refuses 64 '-m: max=64M: less than 128M' 'less at last than at first' \
	-m 128M,max=64M good.ext4
refuses 64 '-m: most=1G: not max=SIZE' 'a word that -m does not know' \
	-m 128M,most=1G good.ext4
refuses 64 '-c: 0: not 1 to' 'no processor' -c 0 good.ext4
refuses 64 '--name: a/b: not a name' 'a name that is a path' \
	--name a/b good.ext4
refuses 64 '--overlay goes with neither' 'two ways to write' \
	--overlay o --write good.ext4
refuses 64 '-c: options go before' 'an option behind the image' good.ext4 -c 2
refuses 64 '-E: bad line|--ready-fd: 99: Bad' 'a descriptor that is closed' \
	--ready-fd 99 good.ext4
refuses 66 'nowhere.ext4: No such file' 'no such image' nowhere.ext4
refuses 66 '.*: neither a file nor' 'a folder for an image' "$tmp"
refuses 65 'empty: empty' 'an empty image' empty
refuses 65 'text:' 'a text for an image' text
refuses 65 'cut.ext4: ' 'a truncated image' cut.ext4
like "$(head -n 1 "$err")" 'truncated|long|has' 'that says that it was cut'

if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	refuses 65 'text: not a Linux kernel' 'a text for a kernel' \
		--engine kvm --no-probe -k text good.ext4
	refuses 66 'nowhere: No such file' 'no such kernel' \
		--engine kvm --no-probe -k nowhere good.ext4
	[ ! -e "$XDG_RUNTIME_DIR/vk" ] || rmdir "$XDG_RUNTIME_DIR/vk"
	run timeout 60 vk-boot --engine kvm --no-probe --name x -k text good.ext4
	is "$rc" 65 'with a name'
	is "$(ls "$XDG_RUNTIME_DIR/vk")" '' 'nothing of it is left'
else
	skip 'kernels that are none' '/dev/kvm cannot be opened'
fi

# Without KVM, and without the right to it. In a namespace of our own, where
# /dev is an empty folder, or the device somebody else's.
if unshare -rm true 2>/dev/null; then
	no_kvm() { unshare -rm sh -c "mount -t tmpfs none /dev && $1" ; }
	run no_kvm "vk-boot --engine kvm $tmp/good.ext4"
	is "$rc" 69 'no /dev/kvm: status 69'
	like "$(cat "$err")" '^vk-boot: /dev/kvm: No such file' 'and says so'
	like "$(cat "$err")" 'modprobe' 'with what may help'
else
	skip 'no /dev/kvm' 'no namespaces for this user'
fi
if [ "$(id -u)" -eq 0 ] && [ -e /dev/kvm ] && command -v setpriv >/dev/null; then
	mknod "$tmp/kvm" c 10 232
	chmod 660 "$tmp/kvm"
	chgrp kvm "$tmp/kvm" 2>/dev/null || chgrp 106 "$tmp/kvm"
	chmod 755 "$tmp"
	forbidden() {
		unshare -m sh -c "mount --bind $tmp/kvm /dev/kvm &&
			exec setpriv --reuid 65534 --regid 65534 \
				--clear-groups vk-boot --engine kvm \
				$tmp/good.ext4"
	}
	run forbidden
	is "$rc" 69 'no permission: status 69'
	like "$(cat "$err")" '^vk-boot: /dev/kvm: Permission denied' 'says so'
	like "$(cat "$err")" 'usermod -aG|setfacl' 'and what mends it'
else
	skip 'no permission for /dev/kvm' 'needs root to be somebody else'
fi
if command -v linux.uml >/dev/null; then
	refuses 65 'text: not a kernel for User-mode Linux' \
		'a text for a User-mode Linux' --engine uml -k text good.ext4
	cp "$(command -v linux.uml)" kernel && chmod 644 kernel
	refuses 77 'kernel: Permission denied' 'a kernel that is no program' \
		--engine uml -k kernel good.ext4
else
	skip 'a text for a User-mode Linux' 'user-mode-linux is not installed'
fi
done_testing
