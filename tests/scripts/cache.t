#!/bin/sh
# SPDX-License-Identifier: MIT
# Where scripts look for the user's folders: where the programs do. A relative
# path in one of XDG's variables is as none.
. "$(dirname "$0")/../lib.sh"

cd "$tmp" || exit 1
HOME=$tmp/home
export HOME
kernel=$HOME/.cache/vk/debian-kernel/cloud
mkdir -p "$kernel"
: >"$kernel/vmlinuz"
for value in '' relative ./relative; do
	run env XDG_CACHE_HOME="$value" "$top/scripts/fetch-kernel" cloud
	is "$(cat "$out")" "$kernel/vmlinuz" "fetch-kernel: '$value'"
	run env XDG_CACHE_HOME="$value" "$top/scripts/vk" images
	is "$rc $(cat "$err")" '0 ' "vk images: '$value'"
done
mkdir -p other/vk
mv "$HOME/.cache/vk/debian-kernel" other/vk
run env XDG_CACHE_HOME="$tmp/other" "$top/scripts/fetch-kernel" cloud
is "$(cat "$out")" "$tmp/other/vk/debian-kernel/cloud/vmlinuz" \
	'an absolute one is taken'
[ ! -e relative ]
ok $? 'and no other is made'
# shellcheck disable=SC2016
is "$(grep -rl 'XDG_CACHE_HOME:-' "$top/scripts" "$top/kernel" |
	grep -v '/cache\.sh$')" '' 'one script knows how'

# What ps reads of ended VMs and what logs reads is one folder.
mkdir -p "$HOME/.local/state/vk/gone"
echo word >"$HOME/.local/state/vk/gone/log"
echo 3 >"$HOME/.local/state/vk/gone/status"
mkdir -m 700 run
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME=relative
run "$top/scripts/vk" ps -a -q -o name,status
is "$(cat "$out")" 'gone	3' 'vk ps: a relative XDG_STATE_HOME'
run "$top/scripts/vk" logs gone
is "$(cat "$out")" word 'vk logs: the same'
done_testing
