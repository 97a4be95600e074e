#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Addresses: leases, reservations, static ones, two clients, restarts.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
net_world
net_switch --leases "$tmp/leases" --control "$tmp/control" --mtu 1400 \
	--lease 02:00:00:00:00:0a=10.76.0.200 --lease named=10.76.0.201
net_vm one "$tmp/lan" -a 02:00:00:00:00:01 -m 1400
is "$(lease one mtu)" 1400 'the MTU is an option'
is "$(lease one serverid)" 10.76.0.1 'server'
is "$(lease one lease)" 43200 'lease time'
is "$(lease one hostname)" one 'the name comes back'
net_dhcp one -O search -O staticroutes
is "$(lease one search)" lan 'a search list where it is asked for'
like "$(lease one staticroutes)" '^0.0.0.0/0 10.76.0.1' 'and classless routes'
first=$(lease one ip)

net_vm reserved "$tmp/lan" -a 02:00:00:00:00:0a
is "$(lease reserved ip)" 10.76.0.200 'a reservation by MAC'
net_vm named
is "$(lease named ip)" 10.76.0.201 'a reservation by name'

# a static address is never leased: take the one that a VM would get
net_tap probe "$tmp/lan" -a 02:00:00:00:00:77
net_dhcp probe
want=$(lease probe ip)
net_untap
rm "$tmp/leases" # as if it had never been
net_switch_stop
net_switch --leases "$tmp/leases" --control "$tmp/control" --mtu 1400 \
	--lease 02:00:00:00:00:0a=10.76.0.200
net_tap static "$tmp/lan" -a 02:00:00:00:00:55
ip -n static addr add "$want/24" dev eth0
ip -n static route add default via 10.76.0.1
run vm static busybox ping -c 1 -W 20 10.76.0.1
is "$rc" 0 'a static address works'
net_tap probe2 "$tmp/lan" -a 02:00:00:00:00:77
net_dhcp probe2
isnt=$(lease probe2 ip)
[ -n "$isnt" ] && [ "$isnt" != "$want" ]
ok $? "and is not leased ($want is not $isnt)"
net_untap

# the same address after a restart of both, from the file and without
net_tap back "$tmp/lan" -a 02:00:00:00:00:01
net_dhcp back
is "$(lease back ip)" "$first" 'the same MAC has the same address'
like "$(cat "$tmp/leases")" "02:00:00:00:00:01 $first" 'the file has the lease'
net_untap
net_switch_stop
net_switch --leases "$tmp/leases" --control "$tmp/control"
net_tap again "$tmp/lan" -a 02:00:00:00:00:99
net_dhcp again -r "$first"
isnt=$(lease again ip)
[ "$isnt" != "$first" ]
ok $? 'what the file promises to one is not given to another'
net_untap

# RELEASE and a VM made anew with another MAC
web_in() { # NAME: the one there calls itself web
	LEASE=$tmp/lease.web vm "$1" busybox udhcpc -f -q -n -t 30 -T 1 \
		-i eth0 -s "$tmp/udhcpc" -x hostname:web >/dev/null 2>&1
}
net_tap anew "$tmp/lan" -a 02:00:00:00:00:31
web_in anew
web=$(lease web ip)
net_untap
net_tap anew2 "$tmp/lan" -a 02:00:00:00:00:32
web_in anew2
is "$(lease web ip)" "$web" 'a VM made anew inherits the address of its name'

# a wish for what is not of the LAN is answered with NAK
net_dhcp anew2 -r 192.168.9.9
is $? 0 'a wish for a foreign address ends with one of ours'

# another client
if command -v dhclient >/dev/null; then
	net_tap isc "$tmp/lan" -a 02:00:00:00:00:41
	run vm isc dhclient -1 -v -sf /bin/true -lf "$tmp/isc" -pf "$tmp/isc.pid" \
		eth0
	like "$(cat "$err")" 'bound to 10\.76\.0\.' 'dhclient is bound'
	run vm isc dhclient -r -v -sf /bin/true -lf "$tmp/isc" \
		-pf "$tmp/isc.pid" eth0
	is "$rc" 0 'and releases'
else
	skip 'dhclient' 'not installed'
fi

# two VMs cannot have one MAC or one address
net_tap thief "$tmp/lan" -a 02:00:00:00:00:32
ip -n thief addr add 10.76.0.77/24 dev eth0
run vm thief busybox ping -c 1 -W 1 10.76.0.1
is "$rc" 1 'a MAC that is on another port does not speak'
net_tap thief2 "$tmp/lan" -a 02:00:00:00:00:51
ip -n thief2 addr add "$web/24" dev eth0
run vm thief2 busybox ping -c 1 -W 1 10.76.0.1
is "$rc" 1 'nor an address that is leased to another'
ip -n thief2 addr flush dev eth0
ip -n thief2 addr add 10.76.0.1/24 dev eth0
run vm anew2 busybox arping -c 2 -w 2 -I eth0 10.76.0.1
unlike "$(cat "$out")" '02:00:00:00:00:51' 'nobody else is the gateway'
ip -n thief2 addr flush dev eth0
ip -n thief2 addr add 10.76.0.88/24 dev eth0
run vm thief2 busybox ping -c 1 -W 20 10.76.0.1
is "$rc" 0 'the honest is heard'
spoofed=$(control '{"command":"ports"}' | grep -o '"spoofed":[0-9]*' |
	cut -d: -f2 | sort -n | tail -n 1)
[ "$spoofed" -gt 0 ]
ok $? 'the rest is counted'

# kill -9 leaves a file that the next one reads
kill -9 "$switch"
wait "$switch" 2>/dev/null
run vk-switch -l "$tmp/lan" --leases "$tmp/leases" --subnet 10.0.0.0/40
is "$rc" 64 'a bad network is a usage error'
net_switch --leases "$tmp/leases"
ok $? 'a socket that was left behind is replaced'
run vk-switch -l "$tmp/lan"
is "$rc" 75 'one that is in use is not'
run vk-switch -l "$tmp/lan3" --leases "$tmp/leases"
is "$rc" 75 'nor are leases shared'
net_switch_stop
done_testing
