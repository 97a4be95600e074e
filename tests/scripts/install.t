#!/bin/sh
# SPDX-License-Identifier: MIT
# make install puts everything where it is found, and uninstall takes it away.
. "$(dirname "$0")/../lib.sh"

run make -s -C "$top" O="$build" DESTDIR="$tmp/stage" PREFIX=/usr install
is "$rc" 0 'make install'
for name in vk-pull vk-mkext vk-boot vk-exec vk-switch; do
	run "$tmp/stage/usr/bin/$name" --version
	is "$rc" 0 "$name runs where it was put"
	[ -f "$tmp/stage/usr/share/man/man1/$name.1" ]
	ok $? 'and so is its page'
done
[ -x "$tmp/stage/usr/lib/vk/vk-agent" ]
ok $? 'the agent'
[ -z "$(find "$tmp/stage" -name '*.new')" ]
ok $? 'nothing half is left'
run make -s -C "$top" O="$build" DESTDIR="$tmp/stage" PREFIX=/usr uninstall
is "$rc" 0 'make uninstall'
is "$(find "$tmp/stage" -type f)" '' 'no file is left'
done_testing
