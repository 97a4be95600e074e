#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deaf.t - those outside to whom a VM talks do not read, or are gone: it ends all
# the same, in time, and tells how. With the sandbox, whose filters know of the
# calls of rare paths or end it. Under User-mode Linux, and bare under KVM.
#
# needs: release
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export XDG_RUNTIME_DIR="$tmp/run"
mkdir -m 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in sh sleep yes; do ln -s busybox "root/bin/$name"; done
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# Pipes that are full, and stay so.
mkfifo stuck
exec 8<>stuck
head -c 65536 /dev/zero >&8
# soon MOST-MS NAME: since $from no more has passed (under a sanitizer or beside
# other suites it may be some more).
soon() {
	passed=$(($(now_ms) - from))
	[ "$passed" -lt "$1" ]
	ok $? "$2 ($passed ms)"
}

# ---- standard output, and --ready-fd ----

start() { # NAME
	rm -f err # of the one before
	vk-boot --engine uml --boot-timeout 90s --name "$1" --ready-fd 4 \
		--status-fd 3 root.ext4 -- \
		sh -c 'trap "exit 7" TERM; yes & echo up >&2; wait' \
		</dev/null 3>status 4>stuck >stuck 2>err &
	vm=$!
	at_exit "end -9 $vm"
	await 60 grep -qs up err
}

start one
ok $? 'a VM is up, though nobody takes note of that, or reads its output'
from=$(now_ms)
kill -TERM "$vm"
wait "$vm"
is $? 7 "SIGTERM: the command's status is told" || diag "$(cat err status)"
soon 8000 'long before --stop-timeout'
like "$(cat err)" 'not read, and is lost' 'that some is lost is said'

start two
from=$(now_ms)
vk-control two kill
wait "$vm"
is $? 137 'kill' || diag "$(cat err status)"
soon 4000 'at once'
is "$(cat err)" up 'and quietly'
[ ! -e run/vk/two ]
ok $? 'and nothing is left'

# ---- standard error ----

if command -v socat >/dev/null; then
	# A device of its own, whose front end breaks the rules, which is said.
	vk-boot --serve rng --socket device 2>stuck &
	vm=$!
	at_exit "end -9 $vm"
	await 10 test -S device
	printf '\143\0\0\0\1\0\0\0\0\0\0\0' |
		timeout 60 socat - UNIX-CONNECT:device
	kill -TERM "$vm"
	await 5 test ! -S device
	ok $? '--serve: SIGTERM ends it, though nobody reads standard error'
	kill -TERM "$vm" # which its last words wait for
	wait "$vm"
	is $? 143 'and so do they'
else
	skip '--serve: standard error' 'socat is not installed'
fi

# ---- a guest that is held while it boots ----

if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
	: >none
	vk-boot --engine kvm --no-probe -m 64M --name held --boot-timeout 1s \
		--status-fd 3 -k "$build/tests/bare/first" -a hold=1 -i none \
		</dev/null 3>status 2>err &
	vm=$!
	at_exit "end -9 $vm"
	await 10 vk-control held pause
	sleep 1.2 # what is proven is that this time does not count
	is "$(vk-control -o state held status)" paused \
		'--boot-timeout: a pause does not count'
	vk-control held resume
	wait "$vm"
	is $? 124 'the rest does' || diag "$(cat err status)"
	if command -v socat >/dev/null; then
		cat >service <<-'END'
			vk-boot -v --engine kvm --no-probe -m 64M --name box \
				-k "$build/tests/bare/first" -i none \
				</dev/null 2>&1 >/dev/null
			echo $? >ended
		END
		export build
		timeout 60 socat -u EXEC:'sh service' CREATE:said 2>err
		is "$(cat ended)" 125 'standard error is a socket'
		like "$(tail -n 3 said)" 'ended$' 'and has the last words'
	else
		skip 'standard error is a socket' 'socat is not installed'
	fi
else
	skip 'a guest that is held' '/dev/kvm is not ours to use'
fi
done_testing
