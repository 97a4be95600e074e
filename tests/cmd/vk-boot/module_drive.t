#!/bin/sh
# SPDX-License-Identifier: MIT
#
# module_drive.t - a guest that loads a module which nobody loaded for it
#
# needs: release

. "$(dirname "$0")/../../lib.sh"

have busybox
mkdir -m 700 "$tmp/run" "$tmp/cache"
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
kernel=$("$top/scripts/fetch-kernel" uml) ||
	skip_all 'there is no User-mode Linux'

mkdir -p "$tmp/root/bin" "$tmp/root/lib"
cp "$(command -v busybox)" "$tmp/root/bin/"
for name in sh mount modprobe lsmod grep cat uname; do
	ln -s busybox "$tmp/root/bin/$name"
done
make_root() { tar -C "$tmp/root" -cf - . | vk-mkext -q >"$tmp/root.ext4"; }
guest() { # command
	run env XDG_CACHE_HOME="$tmp/cache" timeout 100 vk-boot --engine uml \
		-k "$kernel" --guest-modules -u 0 "$tmp/root.ext4" -- \
		sh -c "$1" </dev/null
}
images() { find "$tmp/cache/vk/modules" -type f; }

make_root
guest 'uname -r
	modprobe dummy && lsmod | grep -o "^dummy"
	mount | grep -o "on /lib/modules/.* (ro"'
is "$rc" 0 'a guest loads a module' || diag "$(cat "$err")"
version=$(head -n 1 "$out")
is "$(tail -n +2 "$out")" "dummy
on /lib/modules/$version type ext4 (ro" 'from a disk that it cannot write'
is "$(cat "$err")" '' 'without a word'
is "$(images | wc -l)" 1 'whose image is in the cache'
made=$(ls -l --time-style=full-iso "$(images)")

mkdir -p "$tmp/root/lib/modules/$version"
echo own >"$tmp/root/lib/modules/$version/own"
make_root
guest "cat /lib/modules/$version/*"
is "$rc$(cat "$out")" 0own 'what an image has there stays'
is "$(ls -l --time-style=full-iso "$(images)")" "$made" \
	'and no second image is made'

done_testing
