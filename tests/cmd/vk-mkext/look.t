#!/bin/sh
# SPDX-License-Identifier: MIT
#
# look.t - images that others made, or that lie, looked into

# debugfs waits for the disk, where there is one.
[ -w /dev/shm ] && TMPDIR=/dev/shm
. "$(dirname "$0")/../../lib.sh"
have debugfs
have mke2fs
have tar

# make NAME SIZE OPTION...: an image of what is in $tmp/NAME.
make() {
	image=$tmp/$1.ext4
	truncate -s "$2" "$image"
	folder=$tmp/$1
	shift 2
	mke2fs -q -F -E root_owner=0:0 -d "$folder" "$@" "$image" 2>"$err" ||
		diag "$(cat "$err")"
}
change() { printf '%s\n' "$@" | debugfs -w -f - "$image" >/dev/null 2>&1; }
# No more than so many bytes of it: what lies must not fill a disk.
extract() { vk-mkext --extract "$image" "$@" 2>"$err" | head -c 20000000; }
bytes() { extract "$@" | wc -c; }

# ---- holes ------------------------------------------------------------------

folder=$tmp/holes
mkdir "$folder"
echo start >"$folder/end"
truncate -s 3M "$folder/end"
echo middle | dd of="$folder/middle" bs=1 seek=5000000 2>/dev/null
truncate -s 9000001 "$folder/middle"
truncate -s 2M "$folder/nothing"
truncate -s 20K "$folder/short"
echo short >>"$folder/short"
cp --sparse=never "$folder/middle" "$folder/solid"
make holes 64M -t ext4
check_holes() { # what it is of
	rm -rf "$tmp/back"
	mkdir "$tmp/back"
	extract >"$tmp/back.tar"
	is "$(($(stat -c %s "$tmp/back.tar") < $2))" 1 "$1: holes stay holes"
	tar -xf "$tmp/back.tar" -C "$tmp/back" --exclude ./lost+found
	diff -r "$folder" "$tmp/back" >"$out" 2>&1
	ok $? "$1: GNU tar reads the same" || diag "$(cat "$out")"
	rm -rf "$tmp/back"
	mkdir "$tmp/back"
	if ! command -v bsdtar >/dev/null; then
		skip "$1: and so does libarchive" "no bsdtar"
		return
	fi
	bsdtar -xf "$tmp/back.tar" -C "$tmp/back" --exclude ./lost+found
	diff -r "$folder" "$tmp/back" >"$out" 2>&1
	ok $? "$1: and so does libarchive" || diag "$(cat "$out")"
}
check_holes ext4 9500000
unlike "$(tar -tvf "$tmp/back.tar" | grep -a GNUSparse)" . \
	"and names what is in it"
is "$(tar -xOf "$tmp/back.tar" ./short | tail -n 1)" short \
	"a short hole is zeros"
vk-mkext -s +1M -o "$tmp/again.ext4" "$tmp/back.tar"
image=$tmp/again.ext4
check_holes 'and back' 9500000
make holes 64M -t ext2 -b 1024
check_holes 'a map of blocks' 9500000

echo hello >"$folder/inline"
make holes 64M -t ext4 -O inline_data -I 512
is "$(extract /inline | tar -xO)" hello "data inside of the inode"
is "$(extract /short | tar -xO | tail -n 1)" short "and not inside of it"
is "$(extract /nothing | tar -xO | tr -d '\0' | wc -c)" 0 "and none"
is "$(extract /nothing | tar -xO | wc -c)" 2097152 "all of it"
unlike "$(extract /inline | tr '\0' '\n')" system.data \
	"which is no attribute of it"

mkdir -p "$folder/inside/deeper"
make holes 64M -t ext4 -O inline_data -I 512
is "$(vk-mkext --list "$image" /inside | sed 's/.* //')" ".
./deeper" "a folder inside of its inode"
rmdir "$folder/inside/deeper" "$folder/inside"

make holes 64M -t ext2 -O none -r 0
check_holes 'the oldest of them' 9500000

# Room that was given to a file and never written to.
make holes 64M -t ext4
change 'fallocate /nothing 0 400'
is "$(($(bytes /nothing) < 100000))" 1 "room that nobody wrote to is a hole"

# ---- lies -------------------------------------------------------------------

mkdir "$tmp/lies"
head -c 3000000 /dev/urandom >"$tmp/lies/a"
make lies 5M -t ext4 -O ^has_journal -b 4096
change 'set_inode_field /a size 8796093022208'
is "$(($(bytes) < 4000000))" 1 "a file of 8 TiB costs what is in it"
like "$(extract | tar -tvf - ./a)" ' 8796093022208 ' "and has its size"
change 'set_inode_field /a size 0x7fffffffffffffff'
extract >"$out"
like "$(cat "$err")" 'larger than a file can be' "nor can it be of any size"

make lies 5M -t ext4 -O ^has_journal -b 4096
change 'set_inode_field /a block[1] 0xea600004'
extract >"$out"
like "$(cat "$err")" 'its tree of extents is broken' "60,000 levels of extents"

make lies 5M -t ext4 -O ^has_journal -b 4096
number=$(debugfs -R 'ls -p /' "$image" 2>/dev/null |
	awk -F / '$6 == "a" { print $2 }')
change "copy_inode <$number> <$((number + 1))>" "ln <$((number + 1))> /b" \
	"copy_inode <$number> <$((number + 2))>" "ln <$((number + 2))> /c"
extract >"$out"
like "$(cat "$err")" 'files have more blocks than the image' \
	"blocks come out once"

# Half a megabyte of attributes, once in the image and in a thousand files.
mkdir "$tmp/share"
(cd "$tmp/share" && seq 1000 | xargs touch)
make share 8M -t ext4 -O ^has_journal,ea_inode -b 4096 -N 2000
head -c 4096 /dev/zero >"$tmp/value"
seq 140 | sed "s,.*,ea_set -f $tmp/value /1 user.&," >"$tmp/values"
debugfs -w -f "$tmp/values" "$image" >/dev/null 2>&1
is "$(($(bytes /1) > 540000))" 1 "values in inodes of their own come out"
block=$(debugfs -R 'stat /1' "$image" 2>/dev/null |
	sed -n 's/.*File ACL: \([0-9]*\).*/\1/p')
seq 2 1000 | sed "s,.*,set_inode_field /& file_acl $block," >"$tmp/shared"
debugfs -w -f "$tmp/shared" "$image" >/dev/null 2>&1
rc=0
vk-mkext --extract "$image" 2>"$err" >"$tmp/share.tar" || rc=$?
is "$rc $(($(stat -c %s "$tmp/share.tar") < 300000000))" "65 1" \
	"and not over and over again"
like "$(cat "$err")" 'more than 256 MiB of attributes that files share' \
	"which is told"
rm "$tmp/share.tar"

touch "$tmp/lies/$(printf 'x\302\233y\302\251\134')"
make lies 5M -t ext4 -O ^has_journal
change 'set_inode_field /a mtime -2' 'set_inode_field /a mtime_extra 0xffffffff'
vk-mkext --list "$image" >"$out"
like "$(cat "$out")" '^-.* 2378-.*Z ./a$' "a time"
like "$(cat "$out")" "$(printf '/x.302.233y\302\251.134$')" \
	"what a terminal would obey is shown as numbers"
is "$(extract /a | TZ=UTC tar -tv --full-time -f - | awk '{ print $5 }')" \
	"$(sed -n 's/.*T\([0-9:]*\)Z .\/a$/\1/p' "$out")" \
	"of which no second has more than 999,999,999 nanoseconds"

mkdir -p "$tmp/out/qq" "$tmp/out/a"
echo x | tee "$tmp/out/qq/x" >"$tmp/out/a/qq"
make out 5M -t ext4 -O ^has_journal,^metadata_csum
sed -i 's/qq/../g' "$image"
is "$(extract | tar -tf - | sort | paste -sd ' ')" './ ./a/ ./lost+found/' \
	"a name that would lead out is none"

# ---- deep and wide ----------------------------------------------------------

# 5000 folders in 160 of 250 bytes each, made from the inside: 200 MB of paths.
mkdir "$tmp/deep"
(cd "$tmp/deep" && seq 5000 | xargs mkdir)
name=$(printf '%0250d' 0)
ten=$name/$name/$name/$name/$name/$name/$name/$name/$name
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	mkdir -p "$tmp/around/$ten"
	mv "$tmp/deep" "$tmp/around/$ten/$name"
	mv "$tmp/around" "$tmp/deep"
done
vk-mkext -s +1M -o "$tmp/deep.ext4" "$tmp/deep"
case $build in
*/asan) skip "memory for a deep and wide tree" "sanitizers take much of it" ;;
*)
	lines=$(prlimit --as=150000000 \
		vk-mkext --list "$tmp/deep.ext4" 2>"$err" | wc -l)
	is "$lines $(cat "$err")" "5162 " \
		"a deep and wide tree takes memory for its names only"
	;;
esac

done_testing
