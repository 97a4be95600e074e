#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A network namespace in place of a VM: a tap as the switch's port.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
head -c 5000000 /dev/urandom >"$tmp/www/big"
serve_http world "$tmp/www" 80
sum=$(sha256sum <"$tmp/www/big")

# tap_switch NAME [-o]: a switch on a tap of a new namespace; $switch is it.
tap_switch() {
	ip netns add "$1"
	quick_addresses "$1"
	ip -n "$1" link set lo up
	mkfifo "$tmp/ready.$1"
	# shellcheck disable=SC2086 # no option, no argument
	"$helpers/vk-tap" ${2:-} -n "/run/netns/$1" eth0 "$build/vk-switch" \
		--fd 3 --ready-fd 9 --control "$tmp/control" \
		2>"$tmp/switch.log" 9>"$tmp/ready.$1" &
	switch=$!
	read -r _ <"$tmp/ready.$1"
	ip -n "$1" link set eth0 txqueuelen 10000
	net_dhcp "$1"
	await 5 slaac_done "$1"
}

for kind in plain headers; do
	option=
	[ $kind = plain ] || option=-o
	tap_switch $kind $option
	is "$(lease $kind router)" 10.76.0.1 "$kind: an address"
	is "$(vm $kind curl -sS -m 20 http://198.51.100.1/big | sha256sum)" \
		"$sum" "$kind: much comes"
	is "$(vm $kind curl -g -sS -m 20 'http://[2001:db8:1::1]/big' |
		sha256sum)" "$sum" "$kind: and over IPv6"
	in_world socat -u TCP4-LISTEN:9000,reuseaddr - >"$tmp/got" &
	got=$!
	await 5 in_world sh -c 'ss -ltn | grep -q :9000'
	vm $kind socat -u - TCP4:198.51.100.1:9000 <"$tmp/www/big"
	wait $got
	is "$(sha256sum <"$tmp/got")" "$sum" "$kind: much goes"
	in_world socat UDP4-LISTEN:7,fork EXEC:cat 2>/dev/null &
	echo=$!
	await 5 in_world sh -c 'ss -lun | grep -q :7'
	is "$(echo datagram | vm $kind socat -t 20 - UDP:198.51.100.1:7,readbytes=9)" \
		datagram "$kind: UDP"
	kill $echo
	run vm $kind ping -c 1 -W 20 198.51.100.1
	is "$rc" 0 "$kind: ping"
	# A frame for an interface that is down is lost, and only that.
	ip -n $kind link set eth0 down
	ip -n $kind link set eth0 up
	net_dhcp $kind
	is "$(vm $kind curl -sS -m 20 http://198.51.100.1/big | sha256sum)" \
		"$sum" "$kind: down and up again"
	ip -n $kind link delete eth0
	wait "$switch"
	is "$?" 0 "$kind: the switch ends with its tap"
done

# What has no frames is refused.
run sh -c "exec 3<'$tmp/www/big'; exec '$build/vk-switch' --fd 3"
is "$rc" 64 'a file is no port'
like "$(cat "$err")" 'neither a socket nor a tap' 'and why'
done_testing
