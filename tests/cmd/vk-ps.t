#!/bin/sh
# SPDX-License-Identifier: MIT
# vk-ps without a guest: run folders and states as they may be found.
. "$(dirname "$0")/../lib.sh"
for tool in flock jq; do have "$tool"; done
export XDG_RUNTIME_DIR="$tmp/run" XDG_STATE_HOME="$tmp/state"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
vms=$XDG_RUNTIME_DIR/vk

run vk-ps --quiet
is "$rc$(cat "$out")" 0 'no folder, no VMs'
run vk-ps
like "$(cat "$out")" '^NAME +STATE' 'but a header'
mkdir -m 700 "$vms"

# vm NAME: one that lives, as its lock is held; its status from stdin.
vm() {
	mkdir "$vms/$1"
	cat >"$vms/$1/status.json"
	exec 9>"$vms/$1/lock"
	flock 9
	sleep 1000 >/dev/null 2>&1 &
	at_exit "end $!"
	exec 9>&-
}
vm good <<END
{"state": "running", "pid": $$, "engine": "kvm", "cpus": 2,
"memory": 536870912, "labels": {"image": "alpine:3"}, "name": "lies"}
END
vm early </dev/null
vm hostile <<'END'
{"state": 7, "pid": "1", "engine": "a\nb\u001b[2Jc", "cpus": [1],
"memory": -1, "labels": "x"}
END
echo '[]' >"$tmp/odd"
vm odd <"$tmp/odd"
head -c 2000000 /dev/zero >"$tmp/huge"
vm huge <"$tmp/huge"
mkdir "$vms/stale" "$vms/.hidden"
touch "$vms/stale/lock" "$vms/stale/vsock" "$vms/stale/status.json"

run vk-ps -q
is "$(paste -sd ' ' <"$out")" 'early good hostile huge odd' \
	'those live whose lock is held, in order'
[ ! -e "$vms/stale" ]
ok $? 'what a dead one left is removed'
[ -e "$vms/.hidden" ] && [ -e "$vms/early" ]
ok $? 'and nothing else is'
run vk-ps -q -o name,state,cpus,memory,image good
is "$(cat "$out")" 'good	running	2	512 MiB	alpine:3' 'what its status says'
run vk-ps -q -o up,cpu,used good
like "$(cat "$out")" '^[0-9]+s	[0-9]+\.[0-9]{2}	[0-9.]+ [KM]iB$' \
	'and what it uses'
run vk-ps -q -o name,state,pid early
is "$(cat "$out")" 'early	booting	-' 'one that has not said anything yet'
run vk-ps -q -o state,pid,engine,cpus,image hostile
is "$(cat "$out")" '-	-	a?b?[2Jc	-	-' 'nothing reaches the terminal'
run vk-ps --json good hostile
is "$rc $(jq length "$out")" '0 2' 'JSON'
is "$(jq -r '.[0].name' "$out")" good 'with its own name'

# those that have ended
mkdir -p "$XDG_STATE_HOME/vk/done" "$XDG_STATE_HOME/vk/lost" \
	"$XDG_STATE_HOME/vk/good" "$XDG_STATE_HOME/vk/.x"
echo alpine:3 >"$XDG_STATE_HOME/vk/done/image"
echo 42 >"$XDG_STATE_HOME/vk/done/status"
echo 4200 >"$XDG_STATE_HOME/vk/lost/status"
run vk-ps -a -q -o name,state,status,image "done" lost good
is "$(cat "$out")" 'done	ended	42	alpine:3
lost	ended	-	-
good	running	-	alpine:3' 'ended ones, and a name that lives again'
run vk-ps -q "done"
is "$rc" 66 'without -a they are not there'
run vk-ps -q nobody
is "$rc" 66 'no such VM'
like "$(cat "$err")" '^vk-ps: nobody: no VM of that name$' 'is named'
run vk-ps -o name,colour
is "$rc" 64 'no such field'
like "$(cat "$err")" 'colour: not a field' 'is named'
if [ -e /dev/full ]; then
	vk-ps >/dev/full 2>"$err"
	is $? 74 'a full disk is not success'
fi
chmod 755 "$vms"
run vk-ps
is "$rc" 77 'a folder that others may enter is refused'
done_testing
