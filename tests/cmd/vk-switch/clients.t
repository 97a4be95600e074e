#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Programs of others as clients and servers, the same by IPv4 and IPv6: wget,
# iperf3 both ways at the largest MTU, nginx behind published ports, and
# services of the host.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl wget iperf3 nginx dig socat; do have "$tool"; done
net_world
mkdir "$tmp/www" "$tmp/nginx"
head -c 5000000 /dev/urandom >"$tmp/www/big"
echo hello >"$tmp/www/small"
sum=$(sha256sum <"$tmp/www/big")
serve_http world "$tmp/www" 80
in_world iperf3 -s >/dev/null 2>&1 &
cat >"$tmp/nginx.conf" <<END_CONF
daemon off;
user root;
worker_processes 1;
pid $tmp/nginx/pid;
error_log stderr;
events { worker_connections 256; }
http {
	access_log $tmp/nginx/access;
	client_body_temp_path $tmp/nginx;
	proxy_temp_path $tmp/nginx;
	fastcgi_temp_path $tmp/nginx;
	uwsgi_temp_path $tmp/nginx;
	scgi_temp_path $tmp/nginx;
	server {
		listen 80;
		listen [::]:80;
		root $tmp/www;
	}
}
END_CONF
socat TCP6-LISTEN:7000,fork,reuseaddr EXEC:cat &
net_switch --mtu 65520 --control "$tmp/control" -p 8080:web:80 \
	-p '[::1]:8080:web:80' -p '198.51.100.2:8081:web:80' \
	-p '[2001:db8:1::2]:8081:web:80' -p 5300:web:53/udp \
	-p '[::1]:5300:web:53/udp' -s '71=tcp:[::1]:7000'
net_vm web "$tmp/lan" -o -m 65520
net_vm plain "$tmp/lan" -m 65520
ip netns exec web nginx -c "$tmp/nginx.conf" -e stderr 2>"$tmp/nginx.log" &
ip netns exec web socat UDP6-LISTEN:53,fork EXEC:cat &
await 10 listens web udp 53
await 10 curl -sS -m 5 http://127.0.0.1:8080/small
ok $? 'nginx is there' || diag "$(cat "$tmp/nginx.log")"

# Its server measures one at a time, and is busy for a moment after the end.
measured() {
	run $in_vm iperf3 "$@" -t 1 -J
	! grep -q 'server is busy' "$out"
}
# CLIENT FAMILY LITERAL
same() {
	in_vm="vm $1"
	is "$($in_vm wget -q -T 30 -O - "http://$3/big" | sha256sum)" "$sum" \
		"$1, $2: wget"
	await 10 measured -"$2" -c "$(echo "$3" | tr -d '[]')"
	is "$rc" 0 "$1, $2: iperf3 to the world" || diag "$(cat "$out")"
	await 10 measured -"$2" -c "$(echo "$3" | tr -d '[]')" -R
	is "$rc" 0 "$1, $2: and from it" || diag "$(cat "$out")"
	bytes=$(sed -n '/sum_received/,/bytes/s/.*"bytes":[^0-9]*\([0-9]*\).*/\1/p' \
		"$out")
	[ "${bytes:-0}" -gt 1000000 ]
	ok $? "$1, $2: $bytes bytes in a second"
}
for client in web plain; do
	same $client 4 198.51.100.1
	same $client 6 '[2001:db8:1::1]'
done

# published: of loopback and of the world, by both
for at in 127.0.0.1 '[::1]'; do
	is "$(curl -sS -m 20 "http://$at:8080/big" | sha256sum)" "$sum" \
		"$at: nginx behind a published port"
	bare=$(echo "$at" | tr -d '[]')
	is "$(echo datagram | socat -t 20 - "UDP:$at:5300,readbytes=9")" datagram \
		"$at: UDP ($bare)"
done
for at in 198.51.100.2 '[2001:db8:1::2]'; do
	is "$(in_world curl -sS -m 20 "http://$at:8081/big" | sha256sum)" \
		"$sum" "$at: nginx for the world"
done
# It writes a line when it has answered.
await 5 grep -q '^2001:db8:1::1 ' "$tmp/nginx/access"
like "$(cat "$tmp/nginx/access")" '^198\.51\.100\.1 ' \
	'it sees the address of a client of the world'
like "$(cat "$tmp/nginx/access")" '^2001:db8:1::1 ' 'by IPv6 too'
run sh -c 'i=0; while [ $i -lt 50 ]; do
	curl -sS -m 20 http://127.0.0.1:8080/small & i=$((i+1)); done; wait'
is "$(grep -c hello "$out")" 50 'fifty clients at once'

# services and the other VM by IPv6
is "$(echo there | vm web socat -t 20 - 'TCP:[fd76:6b00::1]:71')" there \
	'a service of the host by IPv6'
is "$(echo there | vm web socat -t 20 - TCP:10.76.0.1:71)" there 'and IPv4'
is "$(vm plain curl -6 -sS -m 20 http://web/big | sha256sum)" "$sum" \
	'VM to VM: by IPv6 and name'
is "$(vm plain curl -4 -sS -m 20 http://web/big | sha256sum)" "$sum" \
	'and IPv4'
run vm web curl -sS -m 20 'http://[2001:db8:1::1]:81/'
is "$rc" 7 'a closed port by IPv6'
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
net_switch_stop
is "$rc" 0 'ends well'
done_testing
