#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.t - an image has room to live in: packages are installed in a guest
#
# An image of the distribution's packages, pulled and made into an ext4 of the
# default size, under User-mode Linux; the packages and what they depend on
# are put into it, so that nothing is loaded.
# needs: release
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"

"$top/scripts/can-boot" uml 2>/dev/null ||
	skip_all 'no guests under User-mode Linux here'
layout=$("$top/scripts/make-image" debian 2>/dev/null) ||
	skip_all 'no image could be made'
(cd "$tmp" && apt-get -q download jq libjq1 libonig5) >"$tmp/download" 2>&1 ||
	skip_all 'no packages could be had'
export XDG_CACHE_HOME="$tmp/cache" XDG_RUNTIME_DIR="$tmp"
mkdir "$tmp/cache"

# shellcheck disable=SC2046 # a word for each package
set -- $(cd "$tmp" && for package in *.deb; do
	echo "--inject $tmp/$package:/packages/$package:644"
done)
vk-pull "oci:$layout:12" | vk-mkext "$@" -o "$tmp/image"
ok $? 'the image is made'

# Everything that has to do with space, before and after.
# shellcheck disable=SC2016 # for the guest's shell
guest='set -e
space() { df -P / | tail -n 1 | tr -s " " | cut -d " " -f 4
	df -Pi / | tail -n 1 | tr -s " " | cut -d " " -f 4; }
echo $(space)
apt-get install -y /packages/*.deb
echo "{\"a\": [1, 2]}" | jq -c .a
echo $(space)'
run timeout 300 vk-boot --engine uml "$tmp/image" -- sh -c "$guest"
is "$rc" 0 'packages are installed by the guest' ||
	diag "$(cat "$out" "$err" | tail -n 30)"
is "$(tail -n 2 "$out" | head -n 1)" '[1,2]' 'and work'
# 1 GiB is free less what the file system takes, and some 65,000 inodes.
like "$(head -n 1 "$out")" '^([89][0-9]{5}|1[0-9]{6}) [0-9]{5,}$' \
	'a gigabyte and inodes were free'
like "$(tail -n 1 "$out")" '^([89][0-9]{5}|1[0-9]{6}) [0-9]{5,}$' \
	'and nearly all still are'
run e2fsck -fn "$tmp/image"
is "$rc" 0 'the image itself is as it was'
done_testing
