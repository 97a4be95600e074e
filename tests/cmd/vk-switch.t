#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The command line, the life of the process, confinement, other peers.
if [ -z "${VK_NET:-}" ] && [ "$(id -u)" = 0 ]; then
	# What root may not do is asked before there is a namespace.
	as_root=$("${BUILD:-build}/vk-switch" -l /tmp/vk-switch.none 2>&1)
	as_root="$? $as_root"
	export as_root
fi
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/vk-switch/net.sh"
for tool in curl socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
echo hello >"$tmp/www/small"
serve_http world "$tmp/www" 80

if [ -n "${as_root:-}" ]; then
	like "$as_root" '^77 vk-switch: not as root' 'root is refused'
fi
run vk-switch
is "$rc" 64 'nothing to listen on is a usage error'
for bad in '--mtu 100' '--subnet 10.0.0.0/31' '--subnet6 fd00::/48' \
	'--domain a.b' '-p nonsense' '-s nonsense' '--host x' '--dns x' \
	'--lease x' '--lease a=1.2.3.4' '--default maybe' '--allow 1.2.3' \
	'--allow-name *.*' '-l x,colour=red' '-l x,ip=10.76.0.5' '--macs 9' \
	'--flows 1' '--fd 77' '-s 53=tcp:127.0.0.1:1'; do
	# shellcheck disable=SC2086
	run vk-switch -l "$tmp/none" $bad
	like "$rc" '^(64|78)$' "$bad"
done
[ ! -e "$tmp/none" ]
ok $? 'none of them leaves a socket'
touch "$tmp/file"
run vk-switch -l "$tmp/file"
is "$rc" 73 'a file is not replaced by a socket'

# confinement, as the kernel shows it
net_switch --control "$tmp/control" --pcap "$tmp/pcap" --status-fd 8 \
	8>"$tmp/status"
status=/proc/$switch/status
if is_sanitized; then
	skip 'a filter is on' 'not in a build with sanitizers'
else
	is "$(sed -n 's/^Seccomp:[[:space:]]*//p' "$status")" 2 'a filter is on'
fi
is "$(sed -n 's/^NoNewPrivs:[[:space:]]*//p' "$status")" 1 'no new privileges'
is "$(sed -n 's/^CapEff:[[:space:]]*//p' "$status")" 0000000000000000 \
	'no capabilities'
is "$(sed -n 's/^CapBnd:[[:space:]]*//p' "$status")" 0000000000000000 \
	'nor a way to any'
if is_sanitized; then
	skip 'an empty root' 'not in a build with sanitizers'
else
	is "$(find "/proc/$switch/root/" ! -type d 2>/dev/null | wc -l)" 0 \
		'an empty root'
fi
before=$(sed -n 's/^VmData:[[:space:]]*//p' "$status")

net_vm one
is "$(vm one curl -sS -m 20 http://198.51.100.1/small)" hello 'it works in there'
is "$(sed -n 's/^VmData:[[:space:]]*//p' "$status")" "$before" \
	'and allocates nothing'
await 5 grep -aq "GET /small" "$tmp/pcap"
ok $? 'frames are recorded'
is "$(od -An -tx4 -N4 "$tmp/pcap" | tr -d " ")" a1b23c4d 'as pcap'
like "$(cat "$tmp/status")" '"event":"ready"' 'events: ready'
like "$(cat "$tmp/status")" '"event":"connected"' 'events: a VM'

# frames of impossible lengths end a connection, and only that
printf '\377\377\377\377' | socat -u - "UNIX-CONNECT:$tmp/lan"
printf '\0\0\0\1x' | socat -u - "UNIX-CONNECT:$tmp/lan"
await 5 grep -q 'impossible length' "$tmp/switch.log"
is "$(vm one curl -sS -m 20 http://198.51.100.1/small)" hello 'others stay'

# a connection that says nothing, and many of them
i=0
while [ $i -lt 140 ]; do
	socat -u "UNIX-CONNECT:$tmp/lan" - >/dev/null 2>&1 &
	i=$((i + 1))
done
await 5 grep -q 'too many ports' "$tmp/switch.log"
ok $? 'a port too many is refused'
is "$(vm one curl -sS -m 20 http://198.51.100.1/small)" hello 'and others stay'
net_switch_stop
is "$rc" 0 'SIGTERM'

# isolation, one VM a socket, rate limits
net_switch --isolate -l "$tmp/a,name=a,mac=02:00:00:00:00:0a,ip=10.76.0.50" \
	-l "$tmp/slow,name=slow,rate=1M"
net_vm a "$tmp/a" -a 02:00:00:00:00:0a
is "$(lease a ip)" 10.76.0.50 'an address for a socket'
net_vm b
run vm b busybox ping -c 1 -W 1 10.76.0.50
is "$rc" 1 'isolated VMs do not see each other'
run vm b curl -sS -m 20 http://198.51.100.1/small
is "$rc" 0 'but the world'
printf x | socat -t 1 - "UNIX-CONNECT:$tmp/a" 2>/dev/null
await 5 grep -q 'connected already' "$tmp/switch.log"
ok $? 'a named VM is there once'
head -c 3000000 /dev/zero >"$tmp/www/big"
net_vm slow "$tmp/slow"
start=$(date +%s%N)
vm slow curl -sS -m 60 -o /dev/null http://198.51.100.1/big
took=$((($(date +%s%N) - start) / 1000000))
[ "$took" -gt 1500 ] && [ "$took" -lt 60000 ]
ok $? "3 MB at 1 MiB/s take two seconds and more ($took ms)"
net_switch_stop

# as many flows as the limit on open files lets be, and it is told
run sh -c 'ulimit -n 256; exec "$@"' sh vk-switch -l "$tmp/few"
is "$rc" 71 'too low a limit ends it'
like "$(cat "$err")" 'only 256 files may be open' 'and is told'
like "$(cat "$err")" 'ulimit -n 4096' 'with what to do'
[ ! -e "$tmp/few" ]
ok $? 'before there is a socket'
sh -c 'ulimit -n 2048; exec "$@"' sh vk-switch -l "$tmp/few" --flows 60000 \
	--control "$tmp/control" 2>"$tmp/few.log" &
switch=$!
await 5 hears "$tmp/control"
like "$(cat "$tmp/few.log")" \
	'^vk-switch: 1494 connections at the same time, not 60000: 2048 files' \
	'the limit on open files is told'
like "$(control '{"command":"counters"}')" '"flows_max":1494' 'and shown'
net_switch_stop

# dies with its parent
sh -c "vk-switch -l '$tmp/orphan' --die-with-parent & echo \$! >'$tmp/pid'; sleep 100; :" &
parent=$!
await 5 test -S "$tmp/orphan" -a -s "$tmp/pid"
kill -9 "$parent"
wait "$parent" 2>/dev/null
await 5 sh -c "! kill -0 $(cat "$tmp/pid") 2>/dev/null"
ok $? 'ends with its parent'

# QEMU as a peer: its own firmware asks for an address
if command -v qemu-system-x86_64 >/dev/null &&
	qemu-system-x86_64 -netdev help 2>/dev/null | grep -q '^stream'; then
	net_switch --control "$tmp/control"
	qemu-system-x86_64 -accel tcg -M q35 -m 64 -display none -nodefaults \
		-boot n -netdev "stream,id=n,addr.type=unix,addr.path=$tmp/lan" \
		-device virtio-net-pci,netdev=n,mac=52:54:00:00:00:01 \
		>"$tmp/qemu.log" 2>&1 &
	qemu=$!
	await 60 sh -c "printf '{\"command\":\"leases\"}\n' |
		socat -t 1 - UNIX-CONNECT:$tmp/control | grep -q 52:54:00:00:00:01"
	ok $? 'a QEMU guest gets an address' || diag "$(cat "$tmp/qemu.log")"
	kill "$qemu"
	net_switch_stop
else
	skip 'QEMU' 'none with -netdev stream here'
fi
done_testing
