#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Another network than the default one, its domain and its end; which MACs a VM
# may have; rates both ways.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
echo hello >"$tmp/www/small"
head -c 2500000 /dev/zero >"$tmp/www/big"
serve_http world "$tmp/www" 80
in_world socat TCP4-LISTEN:9,fork,reuseaddr SYSTEM:'wc -c' &

net_switch --subnet 192.168.50.0/29 --subnet6 fd12:3456:789a:1::/64 \
	--domain corp --macs 2 --control "$tmp/control" \
	-l "$tmp/pinned,mac=02:00:00:00:00:0a"
net_vm one
like "$(lease one ip)" '^192\.168\.50\.[2-6]$' 'an address of another network'
is "$(lease one mask)" 29 'its mask'
is "$(lease one router)" 192.168.50.1 'its gateway'
is "$(lease one domain)" corp 'its domain'
like "$(ip -n one -6 addr show dev eth0 scope global)" \
	'fd12:3456:789a:1:' 'and by IPv6'
d() { vm one dig +short +time=10 +tries=2 @192.168.50.1 "$@"; }
is "$(d one.corp)" "$(lease one ip)" 'a name with the domain'
is "$(d -x "$(lease one ip)")" one.corp. 'and back'
is "$(d one.lan)" '' 'the domain that it was is none of ours'
is "$(vm one curl -sS -m 20 http://198.51.100.1/small)" hello 'the world'
is "$(vm one curl -sS -m 20 'http://[2001:db8:1::1]/small')" hello 'by IPv6'

# a second MAC behind one port, as with a bridge in the VM; no third
behind() { # NUMBER TRIES
	ip -n one link add "mac$1" link eth0 address 02:00:00:00:01:0"$1" \
		type macvlan mode private
	ip -n one link set "mac$1" up
	LEASE=$tmp/lease.mac$1 vm one busybox udhcpc -f -q -n -t "$2" -T 1 \
		-i "mac$1" -s /bin/true >"$tmp/udhcpc.log" 2>&1
}
behind 1 30
ok $? 'a second MAC is one of --macs 2'
behind 2 2
is $? 1 'a third is not'

# a socket for one MAC
net_tap pinned "$tmp/pinned" -a 02:00:00:00:00:0b
net_dhcp pinned -t 1
is $? 1 'another MAC than that of its socket does not speak'
net_untap
net_tap pinned "$tmp/pinned" -a 02:00:00:00:00:0a
net_dhcp pinned
ok $? 'that one does'

# the end of the pool: five addresses
for name in more1 more2; do
	net_tap $name && net_dhcp $name
	ok $? "of the five, $name has one"
done
net_tap more3
net_dhcp more3 -t 2
is $? 1 'there are no more addresses than the network has'
is "$(vm one curl -sS -m 20 http://198.51.100.1/small)" hello \
	'who has one keeps it'
net_switch_stop

# a MiB a second, and a second's worth at once, each way
net_switch -l "$tmp/slow,name=slow,rate=1M"
net_vm slow "$tmp/slow"
for way in down up; do
	start=$(date +%s%N)
	case $way in
	down) vm slow curl -sS -m 20 -o /dev/null http://198.51.100.1/big ;;
	up) vm slow socat -t 20 - TCP:198.51.100.1:9 <"$tmp/www/big" >"$out" ;;
	esac
	took=$((($(date +%s%N) - start) / 1000000))
	[ "$took" -gt 900 ] && [ "$took" -lt 20000 ]
	ok $? "$way: 2.5 MB at a MiB a second and one at once ($took ms)"
done
is "$(cat "$out")" 2500000 'all of them'
run vm slow ping -c 1 -W 20 198.51.100.1
is "$rc" 0 'and others are not lost for it'
net_switch_stop
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
done_testing
