#!/bin/sh
# SPDX-License-Identifier: MIT
# --engine auto on a host without KVM: what it takes, in which order, and what it
# says. Whatever is installed here is out of sight: nothing is left of /usr/bin
# but what the test puts there.
. "$(dirname "$0")/../../lib.sh"
have unshare

cd "$tmp" || exit 1
mkdir here bin cache
cp "$build/vk-boot" here # beside it there is no kernel
: >none
if [ "$(id -u)" -eq 0 ]; then set --; else set -- --user --map-root-user; fi
cat >hide <<'END'
bin=$1
shift
[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm || exit 99
[ ! -d /usr/libexec ] || mount --bind "$bin" /usr/libexec || exit 99
mount --bind "$bin" /usr/bin || exit 99
exec "$@"
END
# starts OPTION...: vk-boot, and what it says.
spaces=$*
starts() {
	# shellcheck disable=SC2086 # options
	run env PATH="$PATH" XDG_CACHE_HOME="$tmp/cache" VK_ENGINE= \
		unshare $spaces --mount sh hide "$tmp/bin" "$tmp/here/vk-boot" \
		-k "$tmp/none" -i "$tmp/none" "$@" </dev/null
}
starts --version
[ "$rc" -eq 0 ] || skip_all "no mounts of our own: $(cat "$err")"

starts --engine kvm
is "$rc" 69 'without KVM there is an error'
no_kvm=$(cat "$err")
like "$no_kvm" '^vk-boot: /dev/kvm: ' 'which names it'
starts
is "$rc $(cat "$err")" "69 $no_kvm" \
	'auto: the same, where nothing else is there, and no word of that'

: >bin/qemu-system-x86_64
starts
is "$(sed -n 1p "$err")" "$(echo "$no_kvm" | sed -n 1p)" \
	'with QEMU: what is wrong with KVM'
like "$(sed -n 2p "$err")" 'running under QEMU, .*[(]--engine qemu ' \
	'and that QEMU takes its place'
starts --engine qemu
unlike "$(cat "$err")" 'running under' 'who names it is not told'

: >bin/linux.uml
starts
like "$(sed -n 2p "$err")" 'running under User-mode Linux, .*[(]--engine uml ' \
	'with both: User-mode Linux'
starts -c 2
like "$(sed -n 2p "$err")" 'running under QEMU' \
	'but with two processors, which that has not'
rm bin/qemu-system-x86_64
starts
like "$(sed -n 2p "$err")" 'running under User-mode Linux' 'and without QEMU'
starts -c 2
is "$rc $(cat "$err")" '64 vk-boot: -c 2: User-mode Linux has 1 processor' \
	'where nothing has two processors, that is the error'
starts -c host
unlike "$(cat "$err")" 'processor' \
	'-c host: as many as there are, not more than an engine has'
# Who is not in its group is told the group's name, which is out of sight in a
# user namespace; where no group would help, none is named.
if [ "$(id -u)" -eq 0 ] && [ -e /dev/kvm ] && getent group kvm >/dev/null; then
	cat >barred <<'END'
file=$1
shift
mount --bind "$file" /dev/kvm || exit 99
exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent \
	"$@"
END
	: >device
	chmod 755 "$tmp"
	chgrp kvm device
	for mode in 660 600; do
		chmod "$mode" device
		run unshare --mount sh barred "$tmp/device" "$tmp/here/vk-boot" \
			--engine kvm -k "$tmp/none" -i "$tmp/none"
		cp "$err" "$mode"
	done
	like "$(sed -n 2p 660)" 'sudo usermod -aG kvm ' 'not in its group'
	like "$(sed -n 2p 600)" 'sudo setfacl ' 'which may not open it either'
else
	skip 'not in its group' 'not root, no KVM, or no group of it'
fi
: >bin/cloud-hypervisor
rm bin/linux.uml
starts
is "$rc $(cat "$err")" "69 $no_kvm" \
	'Cloud Hypervisor is not taken: it has no more than KVM'
done_testing
