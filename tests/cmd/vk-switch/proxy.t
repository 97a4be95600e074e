#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The world behind a proxy: SOCKS5 (microsocks) and HTTP (tinyproxy). The host
# has no route to 203.0.113.0/24, so what gets there went through the proxy.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl socat microsocks tinyproxy; do have "$tool"; done
net_world
for a in 203.0.113.5/32 203.0.113.6/32; do
	ip -n world addr add "$a" dev wire
done
ip -n world addr add 2001:db8:2::5/128 dev wire nodad
ip route add unreachable 203.0.113.0/24
ip route add unreachable 2001:db8:2::/64
mkdir "$tmp/www"
head -c 5000000 /dev/urandom >"$tmp/www/big"
echo hello >"$tmp/www/small"
sum=$(sha256sum <"$tmp/www/big")
serve_http world "$tmp/www" 80
in_world socat TCP6-LISTEN:22,fork,reuseaddr SYSTEM:'echo SSH-2.0-test; cat' &
in_world socat TCP6-LISTEN:9,fork,reuseaddr \
	SYSTEM:"head -c 5000000 | sha256sum >$tmp/got" &
in_world socat UDP4-LISTEN:7,fork EXEC:cat 2>/dev/null &
in_world microsocks -i 198.51.100.1 -p 1080 2>/dev/null &
in_world microsocks -i 198.51.100.1 -p 1081 -u user -P secret 2>/dev/null &
printf 'Port 8888\nListen 198.51.100.1\nMaxClients 100\nTimeout 60\n' \
	>"$tmp/tinyproxy"
in_world tinyproxy -d -c "$tmp/tinyproxy" >"$tmp/tinyproxy.log" 2>&1 &
# One that takes connections and says nothing.
in_world socat TCP4-LISTEN:1082,fork EXEC:'sleep 1000' &
echo user:secret >"$tmp/login"
echo user:wrong >"$tmp/wrong"

same() { # what every proxy does
	net_switch --control "$tmp/control" "$@"
	net_vm one
	is "$(vm one curl -sS -m 20 http://203.0.113.5/big | sha256sum)" \
		"$sum" "$kind: a large file comes whole"
	rm -f "$tmp/got"
	vm one socat -u - TCP:203.0.113.5:9 <"$tmp/www/big"
	await 10 test -s "$tmp/got"
	is "$(cat "$tmp/got")" "$sum" "$kind: and goes whole"
	is "$(vm one curl -sS -m 20 'http://[2001:db8:2::5]/small')" hello \
		"$kind: by IPv6"
	like "$(sleep 1 | vm one socat -t 20 - TCP:203.0.113.5:22)" \
		'SSH-2.0-test' "$kind: the far end may speak first"
	run vm one curl -sS -m 20 http://203.0.113.5:81/
	is "$rc" 7 "$kind: a port that is closed is refused"
	run vm one sh -c 'i=0; while [ $i -lt 15 ]; do
		curl -sS -m 20 http://203.0.113.5/small & i=$((i+1)); done; wait'
	is "$(grep -c hello "$out")" 15 "$kind: many at once"
	run vm one sh -c 'echo x | socat -t 1 - UDP:203.0.113.5:7'
	is "$(cat "$out")" '' "$kind: UDP is not let out beside it"
	run vm one ping -c 1 -W 1 198.51.100.1
	is "$rc" 1 "$kind: nor is ping"
	is "$(vm one busybox nslookup gateway.lan 10.76.0.1 >/dev/null
		echo $?)" 0 "$kind: names of the LAN are there"
}
await 5 in_world sh -c 'ss -ltn | grep -q :1080 && ss -ltn | grep -q :8888'
ok $? 'proxies are there'
kind=SOCKS5
same --proxy socks5://198.51.100.1
await 5 sh -c "echo x | ip netns exec one socat -t 0 - UDP:203.0.113.5:8
	grep -q 'the proxy carries TCP only' $tmp/switch.log"
ok $? 'what it does not carry is told'
net_switch_stop
net_switch --proxy socks5://198.51.100.1:1081 --proxy-login "$tmp/login"
net_vm one
is "$(vm one curl -sS -m 20 http://203.0.113.5/small)" hello 'SOCKS5: a login'
net_switch_stop
kind=HTTP
same --proxy http://198.51.100.1:8888/
net_switch_stop

# what goes wrong is told at once, or left
net_switch --proxy socks5://198.51.100.1:1081 --proxy-login "$tmp/wrong"
net_vm one
run vm one curl -sS -m 20 http://203.0.113.5/small
is "$rc" 7 'a wrong login is a refusal'
like "$(cat "$tmp/switch.log")" \
	'203.0.113.5 port 80: refused: the proxy does not connect' 'and told'
net_switch_stop
net_switch --proxy http://198.51.100.1:1083
net_vm one
run vm one curl -sS -m 20 http://203.0.113.5/small
is "$rc" 7 'no proxy there is a refusal'
net_switch_stop
net_switch --proxy socks5://198.51.100.1:1082 --control "$tmp/control"
net_vm one
run vm one curl -sS -m 1 http://203.0.113.5/small
is "$rc" 28 'a proxy that says nothing is no connection'
like "$(control '{"command":"flows"}')" '"state":"connecting"' \
	'but one that is tried'
net_switch_stop

# policy stands before it
net_switch --proxy socks5://198.51.100.1 --allow 203.0.113.5:80 \
	--default deny
net_vm one
is "$(vm one curl -sS -m 20 http://203.0.113.5/small)" hello \
	'what is allowed goes through it'
run vm one curl -sS -m 20 http://203.0.113.6/small
is "$rc" 7 'what is not does not'
run vm one curl -sS -m 20 http://169.254.169.254/
is "$rc" 7 'nor does what is guarded'
net_switch_stop

run vk-switch -l "$tmp/x" --proxy ftp://198.51.100.1
is "$rc" 64 'another kind of proxy'
run vk-switch -l "$tmp/x" --proxy http://user:secret@198.51.100.1
is "$rc" 64 'a login on the command line'
like "$(cat "$err")" 'proxy-login FILE' 'where it goes is told'
run vk-switch -l "$tmp/x" --proxy socks5://198.51.100.1 --proxy-login \
	"$tmp/nothing"
is "$rc" 66 'a login that is not there'
done_testing
