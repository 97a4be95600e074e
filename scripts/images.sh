# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
#
# images.sh - container images as file system images, in the user's cache
#
#	$XDG_CACHE_HOME/vk/images/
#		UUID.ext4	what vk-mkext made; the UUID is the fingerprint
#				of the image's digest, the platform and options
#		UUID.ref	the reference and digest it was last used by;
#				its time is that of the last use; whoever made
#				the image may have been killed before
#		UUID.lock	held by who is making UUID.ext4, else missing
#
# An image appears under its name when it is whole, and is never written to
# afterwards. Who uses one holds a shared lock on it (vk-boot does), so that
# "vk gc" leaves it alone.

. "${0%/*}/cache.sh"
images=$cache_home/vk/images

# image_build IMAGE PULL MAKE: runs "PULL | MAKE", two command lines of which
# the second makes IMAGE, unless somebody else has made it meanwhile. Returns
# the status of the first of them that failed.
image_build() {
	mkdir -p "$images"
	image_lock=${1%.ext4}.lock
	exec 9>>"$image_lock"
	flock 9
	trap 'rm -f "$image_lock"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	status=0
	if [ ! -e "$1" ]; then
		# A pipe's status is its last command's; the first one's comes
		# by descriptor 3. All of them hold the lock, by descriptor 9.
		status=$({
			{ eval "$2" || echo $? >&3; } | eval "$3" || echo $? >&3
		} 3>&1 >&2)
		status=${status%%"$newline"*}
	fi
	rm -f "$image_lock"
	trap - EXIT INT TERM
	exec 9>&-
	return "${status:-0}"
}

# image_hold IMAGE: a shared lock on it, by descriptor 9, as long as we or what
# we become lives. Fails if it is not there.
image_hold() {
	[ -e "$1" ] && command exec 9<"$1" && flock -s 9 && [ -e "$1" ]
}

# image_use IMAGE REFERENCE DIGEST: notes the use, unless the disk is full. A
# file's name may have tabs and newlines, which a list of lines has not.
image_use() {
	{
		printf '%s\t%s\n' "$(printf %s "$2" | tr '[:cntrl:]' '?')" \
			"$3" >"${1%.ext4}.ref"
	} 2>/dev/null || :
}

# A line for each, the last used first: reference, digest, bytes on the disk,
# seconds since the last use, UUID; with a tab between. What was never used has
# "-" for the first two.
image_list() {
	for image in "$images"/*.ext4; do
		[ -e "$image" ] || continue
		image_ref=${image%.ext4}.ref image_name=-$tab-
		if [ -s "$image_ref" ]; then
			image_name=$(cat "$image_ref")
		else
			image_ref=$image
		fi
		printf '%s\t%s\t%s\t%s\n' "$(stat -c %Y "$image_ref")" \
			"$(stat -c %b "$image")" "${image##*/}" "$image_name"
	done | sort -rn | awk -F '\t' -v now="$(date +%s)" -v OFS='\t' '{
		sub(/\.ext4$/, "", $3)
		print $4, $5, $2 * 512, now - $1, $3
	}'
}

# image_sweep: what those left behind who were killed: locks that nobody holds,
# notes on images that are not there, images that had no name of theirs yet.
image_sweep() {
	for image_left in "$images"/*.lock; do
		(
			command exec 9<"$image_left" && flock --nonblock 9 &&
				rm -f "$image_left"
		) 2>/dev/null || :
	done
	for image_left in "$images"/*.ref; do
		[ -e "${image_left%.ref}.ext4" ] || rm -f "$image_left"
	done
	[ ! -d "$images" ] || find "$images" -maxdepth 1 -name '.vk-mkext.*' \
		-mmin +60 -exec rm -f {} +
}

# image_remove UUID: unless it is in use. By descriptor: flock(1) would make an
# empty image of one that somebody else has removed.
image_remove() {
	(
		command exec 9<"$images/$1.ext4" && flock --nonblock 9 &&
			rm -f "$images/$1.ext4" "$images/$1.ref"
	) 2>/dev/null || :
}
