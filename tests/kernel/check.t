#!/bin/sh
# SPDX-License-Identifier: MIT
# check.t - the gate: what programs in the guest need is in our kernels
. "$(dirname "$0")/../lib.sh"

check=$top/kernel/check

# What kernel/needs asks for, alternatives by their first, as a .config.
everything() {
	sed -e '/^#/d' "$top/kernel/needs" | tr -s ' \t' '\n' |
		sed -e '/^!/d' -e '/^$/d' -e 's/[@|].*//' \
			-e 's/.*/CONFIG_&=y/'
}
everything >"$tmp/all"

run "$check" pc "$tmp/all"
is "$rc" 0 "a kernel with everything passes"
like "$(cat "$out")" '^[0-9]{3,} asked for by [0-9]+ lists, 0 missing$' \
	"and the count says so"
gzip -n <"$tmp/all" >"$tmp/config.gz"
run "$check" pc "$tmp/config.gz"
is "$rc" 0 "a config.gz is read as well"

grep -v '^CONFIG_BRIDGE_NETFILTER=' "$tmp/all" >"$tmp/less"
run "$check" pc "$tmp/less"
is "$rc" 1 "one option less fails"
like "$(cat "$out")" '^moby necessary: BRIDGE_NETFILTER is missing$' \
	"it is named with who asks for it"
like "$(cat "$out")" ', 1 missing$' "and counted"

{ cat "$tmp/all" && echo 'CONFIG_RT_GROUP_SCHED=y'; } >"$tmp/more"
run "$check" pc "$tmp/more"
is "$rc" 1 "an option that must be off fails"
like "$(cat "$out")" '^systemd: !RT_GROUP_SCHED is on' "it is named"

grep -v -e '^CONFIG_OVERLAY_FS=' "$tmp/all" >"$tmp/btrfs"
echo CONFIG_BTRFS_FS=y >>"$tmp/btrfs"
run "$check" pc "$tmp/btrfs"
unlike "$(cat "$out")" '^moby optional: OVERLAY_FS' "an alternative will do"

grep -v '^CONFIG_VIRTIO_PCI=' "$tmp/all" >"$tmp/nopci"
run "$check" pc "$tmp/nopci"
is "$rc" 1 "an option of the PC is asked of the PC"
run "$check" uml "$tmp/nopci"
is "$rc" 0 "and not of User-mode Linux"

: >"$tmp/empty"
run "$check" "$tmp/empty"
is "$rc" 1 "an empty configuration fails"
run "$check" "$tmp/none"
is "$rc" 66 "a missing file is an input error"
run "$check"
is "$rc" 64 "no argument is a usage error"

# The gate itself: our wishes alone, before any build.  What Kconfig selects
# by itself is not in them, so only what they name can be asked here; the
# whole result is asked when a kernel was built.
for flavour in pc uml; do
	product=vmlinux
	[ $flavour = pc ] || product=linux.uml
	fingerprint=$("$top/kernel/build" --fingerprint $flavour)
	config=${XDG_CACHE_HOME:-$HOME/.cache}/vk/kernel/$fingerprint/config
	if [ -f "$config" ]; then
		run "$check" $flavour "$config"
		is "$rc" 0 "$flavour: the kernel that was built has it all"
		[ "$rc" -eq 0 ] || diag "$(cat "$out")"
	else
		skip "$flavour: the kernel that was built has it all" \
			"no $product of this source was built"
	fi
done

done_testing
