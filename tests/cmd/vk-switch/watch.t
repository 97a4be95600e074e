#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A switch that is watched and changed: events on a descriptor and on the control
# socket, the record of one VM alone, rules of one VM at run time, ports in
# ranges.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
for name in one two; do echo $name >"$tmp/www/$name"; done
serve_http world "$tmp/www" 80
serve_http world "$tmp/www" 81
printf 'allow 198.51.100.1:80\n' >"$tmp/rules"

net_switch --control "$tmp/control" --status-fd 8 --pcap - --pcap-vm one \
	-l "$tmp/one,name=one,policy=$tmp/rules" --default deny \
	--allow 198.51.100.1 8>"$tmp/status" >"$tmp/pcap"
ok $? 'a switch with all that watches it'
printf '{"command":"events"}\n' |
	socat -t 600 - "UNIX-CONNECT:$tmp/control" >"$tmp/events" &
await 5 grep -q '"ok":true' "$tmp/events"
net_vm one "$tmp/one"
one_tap=$tap
net_vm two
got() { # NAME PORT: what it gets of the world
	vm "$1" curl -sS -m 20 "http://198.51.100.1:$2/$1" 2>/dev/null
}

# ---- one VM's own rules ----

is "$(got one 80)" one 'what its own rules allow'
is "$(got one 81)" '' 'not what they do not name, though all may: their default'
is "$(got two 81)" two 'the other has no such rules'
is "$(control '{"command":"policy","vm":"one","rules":"allow 198.51.100.1:81"}')" \
	'{"ok":true}' 'others at run time, for it alone'
is "$(got one 81)" one 'what they allow'
is "$(got one 80)" '' 'what only the old ones did'
is "$(got two 80)" two 'the other keeps what it had'
is "$(control '{"command":"policy","vm":"one","rules":"allow any"}')" \
	'{"ok":true}' 'wider ones'
run vm one curl -sS -m 20 http://203.0.113.5/
is "$rc" 7 'are no wider than those of all'
like "$(control '{"command":"policy","vm":"two","rules":"allow any"}')" \
	'two: no VM with a policy of its own' 'a VM that has none is told'
like "$(control '{"command":"policy","vm":"one","rules":"allow 127.0.0.1:80"}')" \
	'no rule opens the host.s loopback' 'loopback is not for a rule'
is "$(control '{"command":"reload"}')" '{"ok":true}' 'the file again'
await 5 grep -q '"event":"reloaded".*rules"' "$tmp/events"
is "$(got one 81)" '' 'its rules are what the file says'

# ---- events ----

vm two dig +time=1 +tries=1 @10.76.0.1 secret.example.org >/dev/null
vm two ping -c 1 -W 1 203.0.113.9 >/dev/null
for where in status events; do
	file=$tmp/$where
	await 5 grep -q name-refused "$file"
	like "$(cat "$file")" '"event":"connected","vm":"one"' \
		"$where: a VM that comes"
	like "$(cat "$file")" '"event":"refused","vm":"one","detail":"198.51.100.1 port 81"' \
		"$where: what was refused, to whom"
	like "$(cat "$file")" \
		'"event":"name-refused","vm":"two","detail":"secret.example.org"' \
		"$where: so for a name"
done
kill "$one_tap"
await 5 grep -q '"event":"disconnected","vm":"one"' "$tmp/events"
ok $? 'a VM that goes'
await 5 grep -q '"event":"disconnected","vm":"one"' "$tmp/status"
ok $? 'on both'

# ---- ports in ranges ----

is "$(control '{"command":"publish","what":"9100-9103:two:80"}')" \
	'{"ok":true}' 'a range'
serve_http two "$tmp/www" 80
serve_http two "$tmp/www" 83
await 5 curl -sS -m 5 -o /dev/null http://127.0.0.1:9103/two
is "$(curl -sS -m 20 http://127.0.0.1:9103/two)" two 'its last leads to the last'
like "$(control '{"command":"publish","what":"9099-9101:two:80"}')" \
	'published already' 'one that overlaps is refused'
run curl -sS -m 20 http://127.0.0.1:9099/two
is "$rc" 7 'whole'
like "$(control '{"command":"unpublish","what":"9102-9105:two:82"}')" \
	'not published' 'what is not there in part is not taken away'
is "$(curl -sS -m 20 http://127.0.0.1:9103/two)" two 'nor any of it'
like "$(control '{"command":"unpublish","what":"9103:one:83"}')" \
	'not published' 'nor what leads elsewhere'
is "$(control '{"command":"unpublish","what":"9100-9103:two:80"}')" \
	'{"ok":true}' 'the same words take it away'
is "$(control '{"command":"published"}')" '{"ok":true,"published":[]}' \
	'and nothing is left'
net_switch_stop

# ---- the record ----

is "$(od -An -tx4 -N4 "$tmp/pcap" | tr -d ' ')" a1b23c4d \
	'a record on the standard output'
like "$(grep -ao 'GET /[a-z]*' "$tmp/pcap" | sort -u | tr '\n' ' ')" \
	'^GET /one $' 'of that VM and of no other'
mkfifo "$tmp/pipe"
head -c 24 "$tmp/pipe" >/dev/null &
reader=$!
net_switch --pcap - >"$tmp/pipe"
net_vm one
wait "$reader"
is "$(got one 80)" one 'a reader that goes does not stop it'
await 5 grep -q 'pcap: Broken pipe' "$tmp/switch.log"
ok $? 'and is told'
is "$(got one 80)" one 'nor later'
net_switch_stop
is "$rc" 0 'nor at its end'
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
done_testing
