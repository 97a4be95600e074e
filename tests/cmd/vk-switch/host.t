#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What the host takes for itself besides the addresses that it begins with, and
# that no VM may reach where all the world is open.
# A command is kept in a variable as words.
# shellcheck disable=SC2086
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in socat ping; do have "$tool"; done
net_world
ip link add spare type veth peer name end
ip -n world addr add 203.0.113.5/32 dev wire
in_world socat TCP6-LISTEN:70,fork,reuseaddr \
	SYSTEM:'echo world; cat >/dev/null' &
# One whose program ends at once may end before it has sent what that said.
socat TCP6-LISTEN:70,fork,reuseaddr SYSTEM:'echo host; cat >/dev/null' &
socat -u UDP6-RECV:70 "OPEN:$tmp/datagrams,creat,append" &
await 10 sh -c 'ss -Htln | grep -q :70 && ss -Huln | grep -q :70'
await 10 in_world sh -c 'ss -Htln | grep -q :70'
net_switch --control "$tmp/control"
net_vm one

# Who answers the VM there, which it waits for as long as it takes.
answer() { vm one socat -t 20 - "TCP:$1:70" </dev/null 2>/dev/null; }
closed() { # NAME ADDRESS
	is "$(answer "$2")" '' "closed: $1"
	is "$(socat -t 20 - "TCP:$2:70" </dev/null)" host 'which is the host'
}
is "$(answer 203.0.113.5)" world 'the world is open'

ip route add local 203.0.113.0/24 dev lo
closed 'a network that a route gives to the host' 203.0.113.5
ip route del local 203.0.113.0/24 dev lo
await 10 sh -c "[ \"\$(ip netns exec one socat -t 5 - TCP:203.0.113.5:70 \
	</dev/null 2>/dev/null)\" = world ]"
ok $? 'open again without that route'

# As where an interface goes into a bridge: it is on two, then on one.
ip addr add 198.51.100.77/32 dev spare &&
	ip addr add 198.51.100.77/32 dev wan &&
	ip addr del 198.51.100.77/32 dev spare
ok $? 'an address goes from one interface to another'
closed 'an address that was on two interfaces, and left one' 198.51.100.77

# A router takes this address for itself (RFC 4291, 2.6.1), for datagrams.
echo 1 >/proc/sys/net/ipv6/conf/wan/forwarding
to_routers='socat -u - UDP6-SENDTO:[2001:db8:1::]:70'
echo vm | vm one $to_routers
vm one ping -c 1 -W 20 10.76.0.1 >/dev/null # which is behind it
echo host | $to_routers
await 10 grep -q host "$tmp/datagrams"
is "$(cat "$tmp/datagrams")" host \
	'closed: the address of all routers of a network'
net_switch_stop
done_testing
