#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-mkext.t - vk-mkext as its users meet it
. "$(dirname "$0")/../lib.sh"
have e2fsck
have debugfs
have tar

image=$tmp/root.ext4
in_image() { debugfs -R "$1" "$image" 2>/dev/null; }
clean() { e2fsck -fn "$1" >"$tmp/fsck" 2>&1; }

tree=$tmp/tree
mkdir -p "$tree/etc" "$tree/usr/lib" "$tree/empty"
echo hello >"$tree/etc/motd"
ln -s usr/lib "$tree/lib"
ln "$tree/etc/motd" "$tree/usr/lib/again"
mkfifo "$tree/pipe"
head -c 300000 /dev/urandom >"$tree/big"
truncate -s 3M "$tree/hole"
chmod 4755 "$tree/big"
tar -cf "$tmp/a.tar" -C "$tree" .

# ---- the three outputs ------------------------------------------------------

run vk-mkext -o "$image" "$tmp/a.tar"
is "$rc" 0 "a tar file becomes an image"
is "$(cat "$err" "$out")" "" "in silence"
clean "$image"
ok $? "the image is clean"
is "$(in_image 'cat /etc/motd')" hello "a file's content"
in_image "dump /big $tmp/big"
cmp -s "$tmp/big" "$tree/big"
ok $? "a larger file's content"
like "$(in_image 'stat /big')" 'Mode: *04755' "set-id bits"
like "$(in_image 'stat /etc/motd')" 'Links: 2' "a hard link"
like "$(in_image 'stat /lib')" 'Fast link dest: "usr/lib"' "a symbolic link"
like "$(in_image 'stat /hole')" 'Size: 3145728' "a hole's size"
like "$(in_image 'stat /hole')" 'Blockcount: 0' "a hole takes no blocks"
like "$(in_image 'stat /pipe')" 'Type: FIFO' "a fifo"

vk-mkext <"$tmp/a.tar" >"$tmp/redirected"
cmp -s "$image" "$tmp/redirected"
ok $? "from stdin to > file: the same bytes"
vk-mkext <"$tmp/a.tar" | cmp -s - "$image"
ok $? "into a pipe: the same bytes"
echo keep >"$tmp/appended"
vk-mkext "$tmp/a.tar" >>"$tmp/appended"
tail -c +6 "$tmp/appended" | cmp -s - "$image"
ok $? "appended to a file: behind what was there"
gzip -c "$tmp/a.tar" | vk-mkext -o "$tmp/unpacked"
clean "$tmp/unpacked"
ok $? "a compressed tar"

# ---- refusals ---------------------------------------------------------------

if command -v script >/dev/null; then
	script -qec "vk-mkext $tmp/a.tar" /dev/null >"$out" 2>&1 </dev/null
	is $? 64 "stdout is a terminal: refused"
	like "$(cat "$out")" 'terminal' "and said so"
else
	skip "stdout is a terminal" "no script(1)"
fi
lines() { wc -l <"$err" | tr -d ' '; }
run vk-mkext -o "$tmp/none" </dev/null
is "$rc $(lines)" "65 1" "no input: one line"
like "$(cat "$err")" 'stdin: .*empty' "which says so"
head -c 200000 "$tmp/a.tar" >"$tmp/cut.tar"
run vk-mkext -o "$tmp/none" "$tmp/cut.tar"
is "$rc $(lines)" "65 1" "a tar cut inside a file: one line"
# Everything but the end mark.
size=$(tar -tRf "$tmp/a.tar" | sed -n 's/^block \([0-9]*\): \*\* Block of NULs.*/\1/p' | head -n1)
head -c $((size * 512)) "$tmp/a.tar" >"$tmp/cut.tar"
run vk-mkext -o "$tmp/none" "$tmp/cut.tar"
is "$rc $(lines)" "65 1" "a tar cut between two entries: one line"
like "$(cat "$err")" 'cut off' "which says so"
head -c 100000 /dev/urandom >"$tmp/noise"
run vk-mkext -o "$tmp/none" "$tmp/noise"
is "$rc $(lines)" "65 1" "noise: one line"
[ ! -e "$tmp/none" ]
ok $? "nothing is left under the final name"
vk-mkext "$tmp/cut.tar" >"$tmp/cut.img" 2>/dev/null
is "$(wc -c <"$tmp/cut.img" | tr -d ' ')" 0 "nothing is left in > file"
run vk-mkext -o "$tmp/none" "$tmp/not-there"
is "$rc" 66 "a missing tar"
run vk-mkext -o "$tmp/no/dir/x" "$tmp/a.tar"
is "$rc" 73 "a directory that is not there"
run vk-mkext -s 100K -o "$tmp/none" "$tmp/a.tar"
is "$rc" 65 "too small a size"
like "$(cat "$err")" 'needs' "says what is needed"

done_testing
