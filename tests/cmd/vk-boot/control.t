#!/bin/sh
# SPDX-License-Identifier: MIT
# The control socket of a VM, and vk-control. A VM under User-mode Linux will
# do.
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export VK_ENGINE="${VK_ENGINE:-uml}"
export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

made root.ext4 || {
	mkdir -p root/bin root/tmp
	cp "$(command -v busybox)" root/bin/busybox
	for name in sh sleep cat date reboot; do ln -s busybox "root/bin/$name"; done
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
	keep root.ext4
}

# start NAME [OPTION...]: a VM whose command ends with 7 when it is stopped.
start() {
	name=$1
	shift
	mkfifo "$name.ready"
	vk-boot --boot-timeout 180s --name "$name" --ready-fd 3 "$@" root.ext4 \
		-- sh -c 'trap "exit 7" TERM; echo up; while :; do sleep 1; done' \
		3>"$name.ready" </dev/null >"$name.out" 2>&1 &
	vm=$!
	at_exit "end -9 $vm"
	read -r _ <"$name.ready"
	await 60 grep -q up "$name.out" || diag "$name does not come up"
}

# ---- questions ----

start one
socket=$XDG_RUNTIME_DIR/vk/one/control
is "$(stat -c '%A' "$socket")" srw------- 'the socket is the owner'\''s alone'
is "$(vk-control -o state,ready,pid,name,engine,cpus one status)" \
	"running	true	$vm	one	$VK_ENGINE	1" 'status'
like "$(vk-control one status)" '^\{"state":"running",.*\}$' 'as JSON'
like "$(vk-control -o cpu_ms,memory,resident one stats)" \
	'^[0-9]+	536870912	[1-9][0-9]+$' 'stats'
like "$(vk-control -o devices.0.name,devices.0.requests one stats)" \
	'^blk	[1-9][0-9]*$' 'stats of a device'
is "$(vk-control -o no,state.no,devices one status)" '-	-	-' \
	'what is not there'

# ---- pause ----

run vk-control one pause
is "$rc $(cat "$out" "$err")" '0 ' 'pause'
is "$(vk-control -o state one status)" paused 'the state says so'
# In the guest nobody answers now.
vk-exec one -- date +%s >told.time &
asker=$!
sleep 0.4 # an answer would take less
before=$(date +%s)
is "$(cat told.time)" '' 'the guest does nothing'
vk-control one resume
wait "$asker"
is $? 0 'resume: it goes on'
after=$(date +%s)
now=$(cat told.time)
[ "$now" -ge "$before" ] && [ "$now" -le $((after + 1)) ]
ok $? "its clock is the host's ($before, $now, $after)"
is "$(vk-control -o state one status)" running 'it runs'
run vk-control one resume
is "$rc" 0 'resume again does nothing'

# ---- refusals ----

refused() { # STATUS TEXT NAME: the last run
	is "$rc" "$1" "$3: status $1"
	like "$(cat "$err")" "$2" "$3: it is said"
}
run vk-control one dance
refused 64 '^vk-control: one: dance: unknown command$' 'an unknown command'
run vk-control one stop deadlin=3
refused 64 'stop: deadlin: unknown member' 'a member that is misspelt'
run vk-control one stop timeout=soon
refused 64 'stop: timeout: not a duration' 'a time that is none'
run vk-control one status x
refused 64 'x: not NAME=VALUE' 'no member'
run vk-control two status
refused 66 'two: no such VM runs' 'no such VM'
run vk-control one
refused 64 usage 'no command'
run vk-control one memory size=1G
refused 69 'no more can be added' 'memory, for a VM not made for it'
if [ "$VK_ENGINE" != kvm ]; then
	run vk-control one balloon size=1M
	refused 69 "balloon: $VK_ENGINE has none" 'no balloon'
fi
if [ "$VK_ENGINE" = uml ]; then
	run vk-control one power-button
	refused 69 'power-button: uml has none' 'no power button'
fi
if [ "$VK_ENGINE" = kvm ]; then
	like "$(vk-control -o vcpus.0.cpu_ms,vcpus.0.exits one stats)" \
		'^[1-9][0-9]*	[1-9][0-9]*$' 'stats of a processor'
	run vk-control one balloon size=1T
	refused 64 'larger than' 'a balloon that is too large'
	run vk-control one balloon size=64M
	is "$rc" 0 'a balloon'
	await 30 sh -c '[ "$(vk-control -o balloon.actual one stats)" = 67108864 ]'
	is "$(vk-control -o balloon.actual one stats)" 67108864 \
		'the guest fills it'
	await 30 sh -c 'vk-control -o guest_memory.total one stats | grep -v -'
	like "$(vk-control -o guest_memory.total one stats)" '^[1-9]' \
		'and says what it has'
fi

# ---- events, and the end ----

vk-control -o event,why one events >told &
listener=$!
vk-control -o status,why one wait >waited &
waiter=$!
await 10 grep -q ready told
ok $? 'events that have been are told'
# It has asked when it is in its poll(2), that is call 7.
await 10 grep -q '^7 ' "/proc/$waiter/syscall"
is "$(vk-control -w -o status,why one stop timeout=60s)" '7	stopped' \
	'stop, and wait: the command ended in order'
is "$(ls "$XDG_RUNTIME_DIR/vk")" '' 'the name is free then'
wait "$vm"
is $? 7 'the exit status of vk-boot is the same'
wait "$listener" && wait "$waiter"
ok $? 'who listens or waits ends with the VM'
is "$(cat waited)" '7	stopped' 'who waited is told how it ended'
is "$(tr '\n' ' ' <told | tr '\t' ' ')" \
	'start - boot - ready - paused - resumed - stopping stopped exited - exit stopped ' \
	'all events, in order'

# In the lab a boot takes long, and these are the same for every engine.
[ "$VK_ENGINE" = uml ] || done_testing

rm one.ready
start one
vk-control one pause
is "$(vk-control -w -o status one stop timeout=60s)" 7 \
	'stop lets a guest that is held go on'
wait "$vm"

rm one.ready
start one
# Far more events than are kept for one who asked for them and does not read.
timeout 400 "$build/tests/helpers/vk-deaf" "$socket" 8000
ok $? 'one who has gone deaf does it no harm'
is "$(vk-control -o state one status)" running 'it runs on'
vk-control one pause
vk-control one kill
wait "$vm"
is $? 137 'kill ends it at once'
is "$(cat one.out)" up 'and quietly, even when it is held'
done_testing
