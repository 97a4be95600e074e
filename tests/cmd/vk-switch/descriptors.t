#!/bin/sh
# SPDX-License-Identifier: MIT
#
# No more files can be open: one VM has taken all there are. Others, new VMs,
# published ports and the control socket still get theirs, what is not to be had
# is refused at once, and the switch does not turn in circles.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig dnsmasq socat; do have "$tool"; done
net_world
mkdir "$tmp/www"
echo hello >"$tmp/www/small"
serve_http world "$tmp/www" 80
in_world "$helpers/vk-rr" serve 0.0.0.0 7 >/dev/null &
in_world dnsmasq -k -C /dev/null -p 53 --no-hosts --no-resolv --user= --group= \
	--host-record=www.example.org,198.51.100.1 --pid-file &
socat TCP-LISTEN:7000,bind=127.0.0.1,fork,reuseaddr EXEC:cat &

mkdir "$tmp/bin"
cat >"$tmp/bin/vk-switch" <<END
#!/bin/sh
ulimit -n 1000
exec "$build/vk-switch" "\$@"
END
chmod +x "$tmp/bin/vk-switch"
path=$PATH
PATH=$tmp/bin:$PATH
net_switch --control "$tmp/control" -p 8080:web:80 \
	-s 71=tcp:127.0.0.1:7000
ok $? 'a switch that may have 1000 files open'
PATH=$path
net_vm web
serve_http web "$tmp/www" 80
await 5 curl -sS -m 5 -o /dev/null http://127.0.0.1:8080/small

counter() { # NAME
	control '{"command":"counters"}' | grep -o "\"$1\":[0-9]*" |
		cut -d: -f2
}
publish() { control "{\"command\":\"publish\",\"what\":\"$1\"}"; }
open_files() { find "/proc/$switch/fd" -mindepth 1 | wc -l; }
# What it has computed so far, in hundredths of a second.
computed() { awk '{ print $14 + $15 }' "/proc/$switch/stat"; }
rests() { # WHEN
	from=$(computed)
	sleep 1
	took=$(($(computed) - from))
	[ "$took" -lt 50 ]
	ok $? "$1 it rests ($took hundredths of a second in one)"
}

# More ports than it could know of at its start.
is "$(publish 20000-20599:web:80)" '{"ok":true}' '600 ports more'
before=$(open_files)
[ "$(($(counter flows_max) + before))" -gt 1000 ]
ok $? "$before files are open, $(counter flows_max) connections are too many"

# More than it can have; they are held until it is ended.
mkfifo "$tmp/hold"
"$helpers/vk-flood" open "$tmp/lan" 198.51.100.1 7 800 <"$tmp/hold" \
	>/dev/null &
flood=$!
exec 7>"$tmp/hold"
is_full() { [ "$(open_files)" -ge 999 ]; }
await 20 is_full
ok $? "a VM that wants more than there are gets them ($(open_files))"
rests 'then'

is "$(vm web curl -sS -m 20 http://198.51.100.1/small)" hello \
	'another VM gets a connection'
is "$(vm web curl -sS -m 20 -Z --parallel-immediate \
	"http://198.51.100.1/small?[1-40]" 2>/dev/null | grep -c hello)" 40 \
	'and forty'
is "$(vm web dig +short @10.76.0.1 www.example.org)" 198.51.100.1 'a name'
is "$(vm web dig +short +tcp @10.76.0.1 www.example.org)" 198.51.100.1 \
	'one by TCP'
is "$(echo there | vm web socat -t 20 - TCP:10.76.0.1:71)" there 'a service'
is "$(curl -sS -m 20 http://127.0.0.1:8080/small)" hello 'a published port'
is "$(curl -sS -m 20 http://127.0.0.1:20000/small)" hello 'any of them'
net_vm late
is "$(vm late curl -sS -m 20 http://198.51.100.1/small)" hello \
	'a VM that comes only now'
evicted=$(counter flows_evicted)
[ "$evicted" -gt 0 ]
ok $? "the greedy one has lost $evicted for them"

kill "$flood"
wait "$flood" 2>/dev/null
came_back() { [ "$(open_files)" -le $((before + 4)) ]; }
await 10 came_back
ok $? "all come back ($(open_files))"
is "$(vm web curl -sS -m 20 http://198.51.100.1/small)" hello 'all is as before'

# Published ports until there is nothing left, and no connection to take from.
port=21000
for size in 100 10 1; do
	while publish "$port-$((port + size - 1)):web:80" >"$tmp/said" &&
		grep -q true "$tmp/said"; do
		port=$((port + size))
	done
done
like "$(cat "$tmp/said")" '"ok":false.*Too many open files' \
	'a port too many is refused, with the reason'
socat -u TCP:127.0.0.1:8080 - >"$tmp/held" &
held=$!
# Not asked of the switch: for who asks it would give that one up.
is_held() { [ "$(open_files)" -ge 1000 ]; }
await 5 is_held
ok $? 'and one connection is the last'
run curl -sS -m 20 http://127.0.0.1:8080/small
like "$rc" '^(52|56)$' 'the next is ended at once'
rests 'and'
kill -0 "$held"
ok $? 'the last one stands'
like "$(counter flows)" '^[01]$' 'who asks what is going on is told, at its cost or not'
net_switch_stop
is "$rc" 0 'ends well'
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
done_testing
