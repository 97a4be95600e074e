#!/bin/sh
# SPDX-License-Identifier: MIT
#
# packages.t - images of real files: sets of the machine's own packages
#
# Each becomes a tar, an image, and is compared entry by entry: mounted by this
# machine's kernel where we are root and it lets us, else extracted. VK_IMAGES
# says how many sets (1).
# needs: release
. "$(dirname "$0")/../../lib.sh"
have e2fsck
have dpkg-query

images=${VK_IMAGES:-1}
dpkg-query -W -f '${Package}\n' >"$tmp/packages" 2>/dev/null
[ -s "$tmp/packages" ] || skip_all "no packages are installed"

# Files of every so-manieth package, and their directories.
files_of() {
	awk -v n="$1" -v of="$2" 'NR % of == n' "$tmp/packages" |
		xargs dpkg -L 2>/dev/null | grep '^/.' | grep -vx '/\.' |
		sort -u | cut -c 2-
}

mkdir "$tmp/seen"
can_mount='' how=extracted
vk-mkext -s 2M -o "$tmp/try" "$tmp/seen" 2>/dev/null
if [ "$(id -u)" = 0 ] && mount -o loop,ro "$tmp/try" "$tmp/seen" 2>/dev/null; then
	umount "$tmp/seen"
	can_mount=yes how='mounted by Linux'
fi
rm -f "$tmp/try"
at_exit 'umount "$tmp/seen" 2>/dev/null'

# What differs between a tar and a folder.
differences() {
	if [ -n "$can_mount" ]; then
		tar --xattrs --xattrs-include='*' -df "$1" -C "$2" 2>&1
	else
		# Owners and set-id bits cannot be given out by anybody else.
		tar -df "$1" -C "$2" 2>&1 |
			grep -vE ': (Uid|Gid|Mode) differs$'
	fi
}

i=0
while [ "$i" -lt "$images" ]; do
	files_of "$i" "$((images > 20 ? images : 20))" >"$tmp/files"
	tar --no-recursion --numeric-owner --xattrs --xattrs-include='*' \
		--format=pax --ignore-failed-read -C / -T "$tmp/files" \
		-cf "$tmp/set.tar" 2>/dev/null
	vk-mkext -o "$tmp/image" "$tmp/set.tar"
	ok $? "set $i: $(wc -l <"$tmp/files") entries make an image"
	e2fsck -fn "$tmp/image" >"$tmp/fsck" 2>&1
	ok $? "set $i: clean" || diag "$(head -n 5 "$tmp/fsck")"
	vk-mkext <"$tmp/set.tar" | cmp -s - "$tmp/image"
	ok $? "set $i: the same from a pipe into a pipe"
	if [ -n "$can_mount" ]; then
		mount -o loop,noatime "$tmp/image" "$tmp/seen"
	else
		vk-mkext --extract "$tmp/image" | tar -x -C "$tmp/seen" \
			--exclude lost+found 2>/dev/null
	fi
	differences "$tmp/set.tar" "$tmp/seen" >"$tmp/differences"
	is "$(head -n 5 "$tmp/differences")" "" \
		"set $i: equal, $how"
	if [ -n "$can_mount" ]; then
		# And written to, by the kernel that will.
		mkdir "$tmp/seen/new"
		(cd "$tmp/seen/new" && seq 2000 | xargs touch) &&
			cp "$tmp/set.tar" "$tmp/seen/new/" &&
			rm -rf "$tmp/seen/usr"
		ok $? "set $i: can be written to"
		umount "$tmp/seen"
		e2fsck -fn "$tmp/image" >"$tmp/fsck" 2>&1
		ok $? "set $i: clean after that" ||
			diag "$(head -n 5 "$tmp/fsck")"
	else
		rm -rf "$tmp/seen"
		mkdir "$tmp/seen"
	fi
	i=$((i + 1))
done
done_testing
