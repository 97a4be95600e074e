#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kill.t - vk-pull ended at what it does to its cache, call by call
. "$(dirname "$0")/../../lib.sh"

for tool in docker-registry skopeo umoci strace setpriv; do
	have "$tool" "scripts/setup test installs it"
done
images=$("$top/scripts/make-image" busybox) || skip_all 'no image could be made'
vk-pull "oci:$images:1" >"$tmp/right.tar"
"$top/scripts/registry" start "$tmp/registry" >"$tmp/address" ||
	skip_all 'no registry'
at_exit "'$top/scripts/registry' stop '$tmp/registry'"
name=$(cat "$tmp/address")/busybox:1
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$images:1" \
	"docker://$name" </dev/null

# As somebody whom the mode of a file stops.
export XDG_CACHE_HOME="$tmp/cache"
mkdir "$tmp/cache"
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$tmp"
	chown 65534:65534 "$tmp/cache"
	as='setpriv --reuid 65534 --regid 65534 --clear-groups'
else
	as=
fi
$as strace -e trace=none true 2>/dev/null || skip_all 'strace does not work here'

# One layer after the other, so that the calls are in the same order each time:
# manifest, tag, configuration, layers.
cached=$tmp/cache/vk
for call in mkdirat:3 flock:1 flock:5 ftruncate:1 '/^rename:1' '/^rename:2' \
	'/^rename:3' '/^rename:4' fchmod:1 fchmod:3; do
	rm -rf "$cached"
	killed=0
	$as strace -f -qq -o /dev/null -e trace="${call%:*}" \
		-e "inject=${call%:*}:signal=KILL:when=${call#*:}" \
		"$build/vk-pull" -q -j 1 "$name" >/dev/null 2>&1 || killed=$?
	$as "$build/vk-pull" "$name" 2>"$err" | cmp -s - "$tmp/right.tar"
	is "$killed $? $(cat "$err")" '137 0 ' \
		"killed at ${call#/^}: the next pull is right"
	is "$($as "$build/vk-pull" --list | grep -c ^image)" 1 \
		"killed at ${call#/^}: one image is listed"
done
$as "$build/vk-pull" --purge
is "$(find "$cached" -type f)" '' 'a purge leaves nothing'

done_testing
