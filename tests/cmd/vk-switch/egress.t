#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Real clients on a LAN of vk-switch, and a world behind it: IPv4 and IPv6.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig ping socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
head -c 20000000 /dev/urandom >"$tmp/www/big"
echo hello >"$tmp/www/small"
sum=$(sha256sum <"$tmp/www/big")
serve_http world "$tmp/www" 80
in_world socat UDP6-LISTEN:7,fork EXEC:cat 2>/dev/null &
in_world socat TCP6-LISTEN:9,fork,reuseaddr SYSTEM:sha256sum &
in_world socat TCP6-LISTEN:10,fork,reuseaddr EXEC:'sleep 100' &
net_switch --control "$tmp/control"
ok $? 'the switch starts as an ordinary user'
net_probes=1
net_vm one
net_probes=0

is "$(lease one ip | cut -d. -f1-3)" 10.76.0 'udhcpc has a lease'
is "$(lease one router)" 10.76.0.1 'router'
is "$(lease one dns)" 10.76.0.1 'DNS server'
is "$(lease one domain)" lan 'domain'
run vm one ping -c 2 -W 20 10.76.0.1
is "$rc" 0 'the gateway answers ping'
run vm one ping -c 1 -W 20 -s 4000 10.76.0.1
is "$rc" 0 'in fragments too'
for a in fd76:6b00::1 2001:db8:1::1; do
	run vm one ping -c 1 -W 20 -s 4000 "$a"
	is "$rc" 0 "$a: in fragments of IPv6"
done
run vm one ping -c 2 -W 20 198.51.100.1
is "$rc" 0 'the world answers ping'
run vm one ping -c 1 -W 20 -t 1 198.51.100.1
like "$(cat "$out")" 'Time to live exceeded' 'a hop limit that ends is told'
# The world has a wire, and nobody of these is at it.
for a in 198.51.100.77 2001:db8:1::77; do
	run vm one ping -c 1 -W 20 "$a"
	like "$(cat "$out")" 'icmp_seq=1 .*[Uu]nreachable' "$a is not there"
done

# both families alike
for a in 198.51.100.1 '[2001:db8:1::1]'; do
	bare=$(echo "$a" | tr -d '[]')
	is "$(vm one curl -sS -m 60 "http://$a/big" | sha256sum)" "$sum" \
		"$a: a large file comes whole"
	is "$(vm one socat -t 20 - "TCP:$a:9" <"$tmp/www/big")" "$sum" "$a: and goes whole, half closed"
	run vm one curl -sS -m 60 "http://$a:81/"
	is "$rc" 7 "$a: a closed port is refused"
	like "$(cat "$err")" 'after [0-9]{1,2} ms|Connection refused' \
		"$a: at once"
	is "$(echo datagram | vm one socat -t 20 - "UDP:$a:7,readbytes=9")" datagram \
		"$a: UDP there and back"
	is "$(head -c 6000 /dev/zero | vm one socat -b 8192 -t 20 - \
		"UDP:$a:7,readbytes=6000" | wc -c)" 6000 "$a: larger than the MTU"
	run vm one sh -c "echo x | socat -t 20 - UDP:$a:77"
	like "$(cat "$err")" 'refused' "$a: a closed UDP port is told"
	run vm one ping -c 1 -W 20 "$bare"
	is "$rc" 0 "$a: ping"
done

# many at once, none lost
run vm one sh -c 'i=0; while [ $i -lt 100 ]; do
	curl -sS -m 60 http://198.51.100.1/small & i=$((i+1)); done; wait'
is "$(grep -c hello "$out")" 100 'a hundred connections at once'

# unreachable is told truthfully
ip route add unreachable 203.0.113.0/24
run vm one curl -sS -m 60 http://203.0.113.1/
is "$rc" 7 'a host without a route'
like "$(cat "$err")" 'No route to host|Couldn.t connect' 'is told as such'
ip route del default
run vm one curl -sS -m 60 http://192.0.2.77/
is "$rc" 7 'a network without a route'
ip route add default via 198.51.100.1

# a SYN is answered only when the far end did
ip neigh add 198.51.100.77 lladdr 02:00:00:00:00:77 dev wan
run vm one curl -sS -m 1 http://198.51.100.77/
is "$rc" 28 'no answer of the world is no connection of the VM'

# an aborted connection is reset on the other side
ip netns exec one socat TCP:198.51.100.1:10 PIPE &
victim=$!
await 5 sh -c "printf '{\"command\":\"flows\"}\n' |
	socat -t 1 - UNIX-CONNECT:$tmp/control | grep -q '\"port\":10,.*\"open\"'"
ok $? 'the control socket shows the flow'
kill "$victim"
await 5 sh -c "! printf '{\"command\":\"flows\"}\n' |
	socat -t 1 - UNIX-CONNECT:$tmp/control | grep -q '\"port\":10,'"
ok $? 'and that it went'

# with offloads, as vk-boot has them
net_vm two "$tmp/lan" -o
is "$(vm two curl -sS -m 60 http://198.51.100.1/big | sha256sum)" "$sum" \
	'offloads: a large file comes whole'
is "$(vm two curl -sS -m 60 'http://[2001:db8:1::1]/big' | sha256sum)" "$sum" \
	'offloads: by IPv6 too'
is "$(vm two socat -t 20 - TCP:198.51.100.1:9 <"$tmp/www/big")" \
	"$sum" 'offloads: and goes whole'
is "$(echo datagram | vm two socat -t 20 - UDP:198.51.100.1:7,readbytes=9)" datagram \
	'offloads: UDP'

# from one VM to the other: large segments are cut for who cannot take them
serve_http one "$tmp/www" 80
serve_http two "$tmp/www" 80
one=$(lease one ip) two=$(lease two ip)
await 5 vm two curl -sS -m 5 "http://$one/small"
is "$(vm two curl -sS -m 60 "http://$one/big" | sha256sum)" "$sum" \
	'VM to VM: without to with offloads'
is "$(vm one curl -sS -m 60 "http://$two/big" | sha256sum)" "$sum" \
	'VM to VM: with to without'
is "$(vm one curl -sS -m 60 http://two/small)" hello 'VM to VM: by name' ||
	vm one cat /etc/resolv.conf

# a path that is narrower than the LAN
ip link set wan mtu 1400
ip -n world link set wire mtu 1400
echoed() { # ADDRESS SECONDS: how much of 1440 bytes comes back
	head -c 1440 /dev/zero | vm one socat -b 8192 -t "$2" - \
		"UDP:$1:7,readbytes=1440" 2>/dev/null | wc -c
}
echoed 198.51.100.1 1 >/dev/null
is_narrow() { ip -n one route get 198.51.100.1 | grep -q 'mtu 1400'; }
await 5 is_narrow
like "$(ip -n one route get 198.51.100.1)" 'mtu 1400' \
	'a narrow path is told to who sends more'
is "$(echoed 198.51.100.1 20)" 1440 'and what it then cuts arrives'
is "$(echoed '[2001:db8:1::1]' 20)" 1440 'by IPv6 too'
for a in 198.51.100.1 '[2001:db8:1::1]'; do
	is "$(vm one curl -sS -m 60 "http://$a/big" | sha256sum)" "$sum" \
		"$a: a large file comes whole by it"
	is "$(vm one socat -t 20 - "TCP:$a:9" <"$tmp/www/big")" "$sum" \
		"$a: and goes whole"
done

net_switch_stop
is "$rc" 0 'SIGTERM ends it well'
[ ! -e "$tmp/lan" ] && [ ! -e "$tmp/control" ]
ok $? 'and its sockets are gone'
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
done_testing
