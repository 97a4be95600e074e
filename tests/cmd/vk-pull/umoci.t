#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-pull beside umoci: layers with everything that a tar can hold, unpacked by
# both, compared entry by entry: type, mode, owner, time, size, links,
# attributes, contents.
#
# needs: root release
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

[ "$(id -u)" = 0 ] || skip_all 'owners and devices need root'
for tool in umoci getfattr setfattr setcap; do
	have "$tool" "scripts/setup test installs it"
done
export XDG_CACHE_HOME="$tmp/cache"
mkdir "$tmp/cache"

# add_layer FOLDER [TAR OPTION]...: its contents as the image's next layer
add_layer() {
	folder=$1
	shift
	tar -C "$folder" --numeric-owner --xattrs --xattrs-include='*' "$@" \
		--format=pax -cf "$tmp/layer.tar" . &&
		umoci raw add-layer --image "$tmp/image:test" "$tmp/layer.tar"
}

# What a tree holds, an entry a line; hard links by the first of their names.
describe() { # FOLDER
	(
		cd "$1" || exit 1
		find . -path ./.vk -prune -o -print0 | sort -z |
			xargs -0 stat -c '%i %h %n|%F %a %u:%g %s %Y %t,%T' |
			awk '{
				name = $3
				for (i = 4; i <= NF && name !~ /\|/; i++)
					name = name " " $i
				sub(/\|.*/, "", name)
				if ($2 > 1 && !/\|directory/) {
					if ($1 in first) group = first[$1]
					else group = first[$1] = name
				} else group = ""
				sub(/^[0-9]+ [0-9]+ /, "")
				if (/\|directory/) sub(/:[0-9]+ [0-9]+ /, "& ")
				print $0, group
			}' | sed '/|directory/s/ [0-9]* \([0-9]* 0,0\)/ \1/'
		find . -path ./.vk -prune -o -type l -printf '%p -> %l\n' | sort
		find . -path ./.vk -prune -o -type f -print0 | sort -z |
			xargs -0 sha256sum
		find . -path ./.vk -prune -o -print0 | sort -z |
			xargs -0 getfattr -h -d -m - -e hex 2>/dev/null
	)
}

# ---- an image ---------------------------------------------------------------

umoci init --layout "$tmp/image"
umoci new --image "$tmp/image:test" || skip_all 'umoci makes no image'

one=$tmp/one
mkdir -p "$one/bin" "$one/usr/bin" "$one/usr/lib/deep/er" "$one/etc" \
	"$one/var/old/a/b" "$one/opaque/x" "$one/dev" "$one/tolink" "$one/tofile"
for i in 1 2 3 4 5; do
	echo "file $i" >"$one/usr/bin/prog$i"
	echo "lib $i" >"$one/usr/lib/lib$i"
done
ln -s usr/lib "$one/lib"
ln -s ../nowhere "$one/etc/dangling"
ln "$one/usr/bin/prog1" "$one/usr/bin/zlink"
ln "$one/usr/bin/prog1" "$one/bin/alink"
chmod 4755 "$one/usr/bin/prog2"
chmod 2711 "$one/usr/bin/prog3"
chmod 1777 "$one/var/old"
chown 70000:80000 "$one/etc"
chown 4000000000:3000000000 "$one/usr/bin/prog4"
mknod "$one/dev/null" c 1 3
mknod "$one/dev/disk" b 8 1
mkfifo -m 600 "$one/dev/fifo"
setfattr -n user.note -v 'some text' "$one/usr/lib/lib1"
setfattr -n user.binary -v 0x00ff0a3d "$one/usr/lib"
setcap cap_net_raw+ep "$one/usr/bin/prog5" 2>/dev/null
truncate -s 1M "$one/var/sparse"
printf 'end' >>"$one/var/sparse"
printf 'name' >"$one/etc/caf$(printf '\351')"
long=$(printf 'n%.0s' $(seq 200))
mkdir -p "$one/$long/$long"
echo long >"$one/$long/$long/$long"
ln -s "$long/$long/$long" "$one/longlink"
touch -d '2001-02-03 04:05:06.123456789 UTC' "$one/etc/dangling" \
	"$one/usr/lib/lib2" -h
touch -d '1960-01-01 UTC' "$one/usr/lib/lib3"
echo old >"$one/opaque/x/old"
echo old >"$one/tolink/old"
echo old >"$one/tofile/old"
echo old >"$one/plain"
find "$one" -type d -exec touch -d '2010-01-01 UTC' {} +
add_layer "$one"
ok $? 'a layer of everything'

two=$tmp/two
mkdir -p "$two/usr/bin" "$two/var/old" "$two/opaque" "$two/plain"
: >"$two/usr/bin/.wh.prog2"
: >"$two/var/old/.wh.a"
: >"$two/.wh.bin"
: >"$two/opaque/.wh..wh..opq"
echo new >"$two/opaque/new"
ln -s usr/lib "$two/tolink"
echo file >"$two/tofile"
echo in >"$two/plain/in"
echo 'lib 2 again' >"$two/usr/bin/prog1"
find "$two" -exec touch -h -d '2015-01-01 UTC' {} +
add_layer "$two"
ok $? 'one that takes away and replaces'

three=$tmp/three
mkdir -p "$three/lib" "$three/tofile/sub" "$three/etc"
echo through >"$three/lib/through"
echo sub >"$three/tofile/sub/file"
: >"$three/etc/.wh.dangling"
chmod 700 "$three/etc"
find "$three" -exec touch -h -d '2020-01-01 UTC' {} +
# lib itself is a link below: only its contents, so that it stays one.
tar -C "$three" --numeric-owner --format=pax --no-recursion \
	-cf "$tmp/layer.tar" lib/through tofile tofile/sub tofile/sub/file etc \
	etc/.wh.dangling &&
	umoci raw add-layer --image "$tmp/image:test" "$tmp/layer.tar"
ok $? 'one that writes through a link'

# ---- both -------------------------------------------------------------------

umoci unpack --image "$tmp/image:test" "$tmp/bundle" 2>"$tmp/umoci.err"
ok $? 'umoci unpacks it'
mkdir "$tmp/ours"
run vk-pull "oci:$tmp/image:test"
is "$rc" 0 'vk-pull flattens it'
tar -C "$tmp/ours" --xattrs --xattrs-include='*' --numeric-owner --same-owner \
	--delay-directory-restore -xpf "$out"
ok $? 'and tar unpacks that'
describe "$tmp/bundle/rootfs" >"$tmp/theirs.txt"
describe "$tmp/ours" >"$tmp/ours.txt"
diff "$tmp/theirs.txt" "$tmp/ours.txt" >"$tmp/diff"
[ "$(wc -l <"$tmp/theirs.txt")" -gt 60 ]
ok $? 'there is much to compare'
is "$(sed -n 's/^[<>]/&/p' "$tmp/diff")" '' 'both trees are the same'
like "$(getfattr -d -m - -e hex --absolute-names "$tmp/ours/usr/lib" \
	2>/dev/null)" 'user.binary=0x00ff0a3d' 'attributes of a folder are there'
is "$(stat -c %y "$tmp/ours/usr/lib/lib2" | cut -c9-29)" \
	'03 04:05:06.123456789' 'and nanoseconds'

# Every reader that there is takes the tar.
if command -v bsdtar >/dev/null; then
	bsdtar tf "$out" >/dev/null 2>"$tmp/bsdtar.err"
	ok $? 'bsdtar reads it'
else
	skip 'bsdtar reads it' 'no bsdtar'
fi
busybox tar tf "$out" >/dev/null 2>&1
ok $? 'so does busybox'

# ---- linear -----------------------------------------------------------------

# Sets $spent_ms: what our processes have computed so far, whatever else this
# machine did.
look_what_is_spent() {
	times >"$tmp/times"
	spent_ms=$(awk -F '[ms ]+' 'NR == 2 {
		print int(($1 * 60 + $2 + $3 * 60 + $4) * 1000) }' "$tmp/times")
}
# 2,000 whiteouts over 100,000 entries are no event.
many=$tmp/many
mkdir -p "$many"
(cd "$many" && seq 1000 | xargs mkdir &&
	for d in 1 2 3 4 5 6 7 8 9 10; do
		(cd "$d" && seq 9900 | xargs touch)
	done)
umoci init --layout "$tmp/large" && umoci new --image "$tmp/large:test"
tar -C "$many" -cf "$tmp/layer.tar" .
umoci raw add-layer --image "$tmp/large:test" "$tmp/layer.tar"
look_what_is_spent
start=$spent_ms
vk-pull "oci:$tmp/large:test" | tar tf - | wc -l >"$tmp/count"
look_what_is_spent
without=$((spent_ms - start))
rm -rf "$many"
mkdir -p "$many/1"
(cd "$many/1" && seq -f .wh.%g 2000 | xargs touch)
tar -C "$many" -cf "$tmp/layer.tar" .
umoci raw add-layer --image "$tmp/large:test" "$tmp/layer.tar"
look_what_is_spent
start=$spent_ms
vk-pull "oci:$tmp/large:test" | tar tf - | wc -l >"$tmp/count2"
look_what_is_spent
with=$((spent_ms - start))
is $(($(cat "$tmp/count") - $(cat "$tmp/count2"))) 2000 \
	'2,000 whiteouts over 100,000 entries take 2,000 away'
diag "$without ms without, $with ms with"
ok $((with > 3 * without + 1000)) 'and cost next to nothing'

diag "$(wc -l <"$tmp/theirs.txt") lines"
done_testing
