#!/bin/sh
# SPDX-License-Identifier: MIT
#
# machine.t - where a VM's memory comes from
#
# The guest is tests/bare/reboot: no kernel, so that any KVM will do.

. "$(dirname "$0")/../../lib.sh"

if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	skip_all "/dev/kvm is not ours to use"
fi
mkdir -m 700 "$tmp/run"
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
: >"$tmp/none"
truncate -s 1M "$tmp/disk"

guest() { # option...
	vk-boot --engine kvm --no-probe -m 64M -k "$build/tests/bare/reboot" \
		-i "$tmp/none" -d "$tmp/disk,format=raw" "$@" </dev/null
}
# Starts one that stays; its pid is $vm.
start() { # NAME option...
	name=$1
	shift
	vk-boot --engine kvm --no-probe -m 64M -k "$build/tests/bare/reboot" \
		-i "$tmp/none" -d "$tmp/disk,format=raw" --name "$name" \
		-a hold=1 "$@" </dev/null >"$out" 2>"$err" &
	vm=$!
	at_exit "end -9 $vm"
	await 30 grep -aq '^good: the disk' "$tmp/run/vk/$name/console.log"
}
# What a process takes in KiB, of a kind that smaps knows.
takes() { # KIND
	awk -v kind="$1:" '$1 == kind { sum += $2 } END { print sum + 0 }' \
		"/proc/$vm/smaps"
}

start usual
ok $? 'a guest' || diag "$(cat "$err")"
few=$(takes Private_Dirty)
resident=$(vk-control -o resident usual stats)
[ "$resident" -gt 0 ] && [ "$resident" -lt 33554432 ]
ok $? "of it, it has what it has touched ($resident bytes)"
kill "$vm"
wait "$vm"
start filled --prealloc
ok $? '--prealloc: a guest' || diag "$(cat "$err")"
all=$(takes Private_Dirty)
[ "$few" -lt 65536 ] && [ "$all" -ge 65536 ]
ok $? "all of the memory is taken ($few, then $all KiB)"
run vk-control filled balloon size=32M
is "$rc" 69 'and none is given back'
kill "$vm"
wait "$vm"

free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
if [ "${free:-0}" -ge 32 ] && grep -q '^Hugepagesize: *2048 ' /proc/meminfo; then
	start huge --hugepages --prealloc
	ok $? '--hugepages: a guest' || diag "$(cat "$err")"
	is "$(takes Private_Hugetlb)" 65536 'its memory is of huge pages'
	kill "$vm"
	wait "$vm"
	run guest --hugepages -a lives=6
	is "$rc" 125 'it reboots as others do'
else
	skip '--hugepages: a guest' 'this host reserves none'
	run guest --hugepages
	is "$rc" 69 '--hugepages: there are none'
	like "$(head -n 1 "$err")" '^vk-boot: --hugepages: 32 huge pages of 2M: ' \
		'which is said'
	like "$(tail -n 1 "$err")" 'nr_hugepages' 'with what mends it'
fi
run guest --hugepages -m 65M
is "$rc" 64 'a size that is no multiple of a huge page'
run guest --prealloc -m 64M,max=128M
is "$rc" 64 '--prealloc is not for memory that comes later'
run vk-boot --engine uml --prealloc -i "$tmp/none"
[ "$rc" -ne 0 ]
ok $? 'and not for User-mode Linux'

done_testing
