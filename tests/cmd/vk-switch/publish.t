#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Ports of the host that lead to VMs, and sockets of the host at the gateway.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
head -c 5000000 /dev/urandom >"$tmp/www/big"
echo 'from web' >"$tmp/www/name"
sum=$(sha256sum <"$tmp/www/big")
socat UNIX-LISTEN:"$tmp/host-service",fork EXEC:cat 2>/dev/null &
socat TCP-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr EXEC:cat &
net_switch --control "$tmp/control" -p 8080:web:80 \
	-p 198.51.100.2:8081:web:80 -p 9000-9003:web:9000 -p 5300:web:53/udp \
	-p 0.0.0.0:5301:web:53/udp -p '[::]:5301:web:53/udp' \
	-p "unix:$tmp/web.sock:web:80" -p '[::1]:8082:web:80' -p 8090:other:80 \
	-s "echo:70=unix:$tmp/host-service" -s 71=tcp:127.0.0.1:7000 \
	-s 72=unix:/nonexistent/socket
ok $? 'ports, ranges, unix sockets, services'
net_vm web
serve_http web "$tmp/www" 80
await 5 curl -sS -m 5 http://127.0.0.1:8080/name
is "$(curl -sS -m 20 http://127.0.0.1:8080/name)" 'from web' 'a port of loopback'
is "$(curl -sS -m 20 http://127.0.0.1:8080/big | sha256sum)" "$sum" 'a large file'
is "$(in_world curl -sS -m 20 http://198.51.100.2:8081/name)" 'from web' \
	'a port for the world'
run in_world curl -sS -m 20 http://198.51.100.2:8080/name
is "$rc" 7 'the other is not'
is "$(curl -sS -m 20 'http://[::1]:8082/name')" 'from web' 'IPv6'
is "$(curl -sS -m 20 --unix-socket "$tmp/web.sock" http://x/name)" 'from web' \
	'a unix socket of the host'
is "$(curl -sS -m 20 --unix-socket "$tmp/web.sock" http://x/big | sha256sum)" \
	"$sum" 'with a large file'
run curl -sS -m 20 http://127.0.0.1:9001/
like "$rc" '^(7|52|55|56)$' 'what the VM refuses is reset'
run curl -sS -m 20 http://127.0.0.1:8090/
like "$rc" '^(7|52|55|56)$' 'and so is what leads to nobody'

# One whose program ends at once may end before it has sent what that said.
ip netns exec web socat TCP-LISTEN:9002,fork \
	SYSTEM:'echo "$SOCAT_PEERADDR"; cat >/dev/null' &
ip netns exec web socat UDP-LISTEN:53,fork EXEC:cat &
await 5 listens web tcp 9002
await 5 listens web udp 53
like "$(echo | socat -t 20 - TCP:127.0.0.1:9002)" '^10\.76\.0\.1$' \
	'a client on the host is seen as the gateway'
is "$(echo datagram | socat -t 20 - UDP:127.0.0.1:5300,readbytes=9)" datagram \
	'UDP'
is "$(for i in 1 2 3; do
	echo "$i" | socat -t 20 - UDP:127.0.0.1:5300,readbytes=2
done | tr -d '\n')" 123 'from several clients'
# A port of all addresses answers from the one that a client has spoken to.
ip addr add 198.51.100.3/24 dev wan
ip addr add 2001:db8:1::3/64 dev wan nodad
for at in 198.51.100.2 198.51.100.3 '[2001:db8:1::2]' '[2001:db8:1::3]'; do
	is "$(echo datagram | in_world socat -t 20 - \
		"UDP:$at:5301,sourceport=5301,readbytes=9")" datagram "UDP at $at"
done

is "$(echo there | vm web socat -t 20 - TCP:10.76.0.1:70)" there \
	'a unix socket at the gateway'
is "$(vm web socat -t 20 - TCP:10.76.0.1:70 <"$tmp/www/big" | sha256sum)" \
	"$sum" 'with a lot through it'
is "$(echo there | vm web socat -t 20 - TCP:echo:70)" there 'by its name'
is "$(echo loop | vm web socat -t 20 - TCP:10.76.0.1:71)" loop \
	'a port of loopback at the gateway'
run vm web curl -sS -m 20 http://10.76.0.1:72/
is "$rc" 7 'a service that is not there is refused'
run vm web curl -sS -m 20 http://10.76.0.1:7000/
is "$rc" 7 'a port that is no service too'

# at run time
is "$(control '{"command":"publish","what":"8100:web:80"}')" '{"ok":true}' \
	'a port more'
is "$(curl -sS -m 20 http://127.0.0.1:8100/name)" 'from web' 'leads there'
like "$(control '{"command":"published"}')" '"port":8100' 'is shown'
like "$(control '{"command":"publish","what":"8100:web:81"}')" 'already' \
	'not twice'
like "$(control '{"command":"publish","what":"7000:web:80"}')" \
	'Address already in use' 'a taken one is told'
is "$(control '{"command":"unpublish","what":"8100:web:80"}')" '{"ok":true}' \
	'and it goes'
run curl -sS -m 20 http://127.0.0.1:8100/name
is "$rc" 7 'and is gone'
like "$(control "{\"command\":\"publish\",\"what\":\"unix:$tmp/u:web:80\"}")" \
	'at start only' 'a unix socket is not'
like "$(control 'nonsense')" '"ok":false' 'nonsense is an error'
like "$(control '{"command":"dance"}')" 'unknown command' 'so is the unknown'

# a VM that goes and comes back
net_untap
await 5 sh -c "! curl -s -m 5 http://127.0.0.1:8080/name"
net_tap web "$tmp/lan" -a 02:00:00:00:00:33
net_dhcp web
await 5 curl -s -m 5 http://127.0.0.1:8080/name
ok $? 'a VM that comes back is found'

# before anything starts: a conflict names its owner
run vk-switch -l "$tmp/other" -p 7000:web:80
is "$rc" 75 'a conflict ends it'
like "$(cat "$err")" '127.0.0.1 port 7000: Address already in use' 'names the port'
like "$(cat "$err")" 'belongs to socat \(process [0-9]+\)' 'and the owner'
[ ! -e "$tmp/other" ]
ok $? 'and leaves no socket behind'
net_switch_stop
is "$rc" 0 'ends well'
done_testing
