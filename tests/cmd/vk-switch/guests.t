#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Real guests of vk-boot on one LAN: they find each other by name, by both
# families, reach the world, are reached from it, and outlive their switch.
# User-mode Linux runs them, so that no KVM is needed.
# needs: release
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl linux.uml; do have "$tool"; done
"$top/scripts/can-boot" uml 2>/dev/null || skip_all 'no guests here'
net_world
mkdir "$tmp/www" "$tmp/run"
chmod 700 "$tmp/run"
echo world >"$tmp/www/index.html"
serve_http world "$tmp/www" 80
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR

# ---- an image ----

root=$tmp/root
mkdir -p "$root/bin" "$root/etc" "$root/.vk" "$root/www" "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh cat echo sed httpd ping nslookup ip sleep head sha256sum nc \
	hostname grep printf; do
	ln -s busybox "$root/bin/$name"
done
echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
head -c 2000000 /dev/urandom >"$root/www/big"
sum=$(sha256sum <"$root/www/big")
# Each answers with its own name.
cat >"$root/serve" <<'END_SERVE'
#!/bin/sh
hostname >/www/name
exec httpd -f -p '[::]:80' -h /www
END_SERVE
# get HOST PATH
cat >"$root/get" <<'END_GET'
#!/bin/sh
printf 'GET %s HTTP/1.0\r\nHost: x\r\n\r\n' "$2" | nc -w 20 "$1" 80 | sed '1,/^\r$/d'
END_GET
chmod +x "$root/serve" "$root/get"
echo '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"]}}' \
	>"$root/.vk/image.json"
tar -C "$root" --owner=0 --group=0 -cf - . | vk-mkext >"$tmp/root.ext4"
ok $? 'an image'

net_switch -p 8080:web:80 -p '[::1]:8080:web:80' --leases "$tmp/leases" \
	--control "$tmp/control"
guests=
guest() { # NAME
	mkfifo "$tmp/$1.ready"
	timeout 200 vk-boot --engine uml --boot-timeout 150s -m 96M --name "$1" \
		--hostname "$1" -n "$tmp/lan" --ready-fd 3 "$tmp/root.ext4" -- \
		/serve 3>"$tmp/$1.ready" </dev/null >"$tmp/$1.log" 2>&1 &
	guests="$guests $!"
}
for name in web db client; do guest $name; done
for name in web db client; do
	line=none
	read -r line <"$tmp/$name.ready" || line=gone
	is "$line" '' "$name is up" || diag "$(cat "$tmp/$name.log")"
done
in_guest() { # NAME COMMAND…
	guest_name=$1
	shift
	timeout 60 vk-exec "$guest_name" -- "$@"
}
for name in web db client; do
	await 10 in_guest $name sh -c "ip addr show dev eth0 | grep -q 'inet ' &&
		ip -6 addr show dev eth0 scope global | grep -v tentative |
		grep -q inet6"
	like "$(in_guest $name ip addr show dev eth0)" 'inet 10\.76\.0\.' \
		"$name has an address by DHCP" ||
		diag "$(in_guest $name sh -c 'ip addr; busybox dmesg | tail -n 40'
			cat "$tmp/$name.log")"
done

# ---- each finds each ----

for from in web db client; do
	for to in web db client; do
		[ $from != $to ] || continue
		is "$(in_guest $from /get $to /name)" $to \
			"$from reaches $to by its name"
	done
done
is "$(in_guest client /get web.lan /name)" web \
	'with the domain'
run in_guest client ping -c 2 -W 20 db
is "$rc" 0 'ping'
six=$(in_guest client nslookup -type=aaaa web.lan |
	sed -n 's/^Address: \(fd.*\)/\1/p')
is "$(in_guest client /get "$six" /name)" web \
	"by IPv6 ($six)"
run in_guest client ping -6 -c 2 -W 20 db
is "$rc" 0 'ping by IPv6'
is "$(in_guest client sh -c '/get web /big | sha256sum')" \
	"$sum" 'a large file comes whole'

# ---- the world, both ways ----

is "$(in_guest client /get 198.51.100.1 /)" world \
	'the world'
is "$(in_guest client /get 2001:db8:1::1 /)" world \
	'by IPv6'
run in_guest client ping -c 2 -W 20 198.51.100.1
is "$rc" 0 'ping of the world'
is "$(curl -sS -m 20 http://127.0.0.1:8080/name)" web 'a published port'
is "$(curl -sS -m 20 'http://[::1]:8080/name')" web 'by IPv6'
is "$(curl -sS -m 20 http://127.0.0.1:8080/big | sha256sum)" "$sum" \
	'a large file from it'
like "$(control '{"command":"ports"}')" \
	'("offload":true.*){3}' 'all three agreed on offloads'

# ---- another switch, and another guest ----

before=$(in_guest web ip -4 addr show dev eth0)
kill -9 "$switch"
wait "$switch" 2>/dev/null
net_switch -p 8080:web:80 --leases "$tmp/leases" --control "$tmp/control"
await 20 sh -c "printf '{\"command\":\"ports\"}\n' |
	socat -t 1 - UNIX-CONNECT:$tmp/control |
	grep -Eq '(\"offload\":true.*){3}'"
ok $? 'all come back to a switch that was killed'
is "$(in_guest client /get 198.51.100.1 /)" world \
	'and reach the world'
finds() { [ "$(in_guest client /get web /name)" = web ]; }
await 20 finds
ok $? 'and each other by name'
is "$(in_guest web ip -4 addr show dev eth0)" "$before" \
	'with the addresses that they had'
is "$(curl -sS -m 20 http://127.0.0.1:8080/name)" web 'and are reached'
unlike "$(cat "$tmp/switch.log")" 'Sanitizer|runtime error' 'no report'
for pid in $guests; do
	kill "$pid"
	wait "$pid"
done 2>/dev/null
net_switch_stop
is "$rc" 0 'ends well'
done_testing
