#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hostile.t - a guest that misuses every device in every way we know
#
# The guests are tests/bare: no kernel, so that any KVM will do. Each case is
# one check, made by the guest itself: the device works again afterwards. What
# is checked from here: vk-boot lives, says no more than a few lines, and does
# not grow.
# takes: 40 s

. "$(dirname "$0")/../../lib.sh"

# The other end of -n, where frames are thrown away, and of a vsock port, where
# bytes are counted until they end.
peers() {
	socat -u "UNIX-LISTEN:$tmp/net,fork" OPEN:/dev/null 2>/dev/null &
	at_exit "end $!"
	socat "UNIX-LISTEN:$tmp/counter,fork" EXEC:'wc -c' 2>/dev/null &
	at_exit "end $!"
	await 5 hears "$tmp/net"
	await 5 hears "$tmp/counter"
}

resident_kib() {
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$vm/status"
}

log=$tmp/run/vk/guest/console.log
said() { grep -aq "$1" "$log" 2>/dev/null; }
# The guest said so, or is no more.
said_or_gone() { said "$1" || ! kill -0 "$vm" 2>/dev/null; }

# Starts a guest of tests/bare; its pid is $vm.
start() { # program parameter
	XDG_RUNTIME_DIR=$tmp/run vk-boot --engine kvm --no-probe -m 64M,max=128M \
		-c 2 --boot-timeout 10m --name guest -k "$build/tests/bare/$1" \
		-n "$tmp/net" -d "$tmp/disk,format=raw" \
		--vsock-port "7=unix:$tmp/counter" -i "$tmp/none" \
		-a hold=1 -a "$2" </dev/null >"$out" 2>"$err" &
	vm=$!
	at_exit "end -9 $vm"
	# It may plug half of what it could.
	await 10 env XDG_RUNTIME_DIR="$tmp/run" vk-control guest memory size=96M
}

# Each check that the guest made is one of ours.
retell() {
	grep -a -A1 -E '^(not )?ok [0-9]+ - ' "$log" >"$tmp/told"
	while read -r word rest; do
		case $word in
		ok) ok 0 "${rest#* - }" ;;
		not) ok 1 "${rest#* - }" ;;
		'#') diag "$rest" ;;
		esac
	done <"$tmp/told"
}

finish() { # what
	kill -0 "$vm" 2>/dev/null
	ok $? "$1: vk-boot lives" || diag "$(cat "$err")"
	kill "$vm" 2>/dev/null
	wait "$vm"
	is $? 143 "$1: and ends in order"
	[ "$(wc -l <"$err")" -le 30 ]
	ok $? "$1: the log is short" || diag "$(cat "$err")"
	unlike "$(cat "$err")" 'runtime error|AddressSanitizer' "$1: is sound"
}

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	skip_all "/dev/kvm is not ours to use"
fi
mkdir -m 700 "$tmp/run"
# Zeros: what a device reads into tables says nothing.
truncate -s 1M "$tmp/disk"
: >"$tmp/none"
peers

# Of several rounds the first may take what is needed once; the others may
# not. scripts/soak has them run, and either part alone (0).
rounds=${VK_ROUNDS:-1} flips=${VK_FLIPS:-3000}
seconds=$((600 * (rounds + 1)))
if [ "$rounds" -gt 0 ]; then
	start hostile "rounds=$rounds"
	await "$seconds" said_or_gone '^# round'
	first=$(resident_kib)
	await "$seconds" said_or_gone '^1\.\.'
	said '^1\.\.'
	ok $? 'the guest tried everything' || diag "$(tail -n 5 "$log")"
	last=$(resident_kib)
	retell
	[ "$rounds" -eq 1 ] || {
		[ "$last" -le $((first + 1024)) ]
		ok $? "the second round took no memory ($first, $last KiB)"
	}
	finish hostile
fi

if [ "$flips" -gt 0 ]; then
	start flip "flips=$flips"
	await $((600 + flips / 1000)) said_or_gone '^1\.\.'
	said '^1\.\.'
	ok $? 'a second processor flipped everything' ||
		diag "$(tail -n 5 "$log")"
	retell
	finish flip
fi

done_testing
