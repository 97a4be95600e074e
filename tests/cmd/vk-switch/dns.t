#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Names: of the LAN, of the world by dnsmasq, by UDP and TCP, cached, reverse.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in dig dnsmasq; do have "$tool"; done
net_world
big=$(i=0; while [ $i -lt 60 ]; do
	printf ' --host-record=big.example,192.0.2.%s' $((i + 1)); i=$((i + 1))
done)
# shellcheck disable=SC2086
in_world dnsmasq -k -C /dev/null -p 53 --no-hosts --no-resolv --user= --group= \
	--log-queries --log-facility="$tmp/dnsmasq.log" --local-ttl=300 \
	--host-record=www.example.org,198.51.100.1,2001:db8:1::1 \
	--cname=alias.example.org,www.example.org \
	--host-record=rebind.example.org,127.0.0.1 \
	--host-record=meta.example.org,169.254.169.254 \
	--host-record=inside.example.org,10.76.0.1 \
	--ptr-record=7.2.0.192.in-addr.arpa,seven.example.org \
	--txt-record=text.example.org,hello $big --local=/example/ \
	--local=/org/ --pid-file &
net_switch --dns 198.51.100.66 --host printer=192.0.2.9 \
	--host wiki.corp=192.0.2.10 --service "git:2222=unix:$tmp/git" \
	--control "$tmp/control"
net_vm one
net_probes=1 # whose address by SLAAC is known for it
net_vm two
net_probes=0
d() { vm one dig +time=10 +tries=2 @10.76.0.1 "$@"; }
two=$(lease two ip)

is "$(d +short two.lan)" "$two" 'a VM with its domain'
is "$(d +short two)" "$two" 'and bare'
is "$(d +short TWO.Lan)" "$two" 'whatever the case'
is "$(d +short +tcp two.lan)" "$two" 'by TCP'
is "$(d +short -x "$two")" two.lan. 'and back'
like "$(d +short two.lan AAAA)" '^fd76:6b00::' 'AAAA'
six=$(d +short two.lan AAAA)
is "$(d +short -x "$six")" two.lan. 'and back from IPv6'
is "$(d +short printer)" 192.0.2.9 'a host entry'
is "$(d +short printer.lan)" 192.0.2.9 'with the domain'
is "$(d +short -x 192.0.2.9)" printer.lan. 'and back'
is "$(d +short wiki.corp)" 192.0.2.10 'a host entry with a dot'
is "$(d +short gateway)" 10.76.0.1 'the gateway'
is "$(d +short git.lan)" 10.76.0.1 'a service'
like "$(d nobody.lan)" 'status: NXDOMAIN' 'who is not here does not exist'
like "$(d nobody)" 'status: NXDOMAIN' 'bare too'
unlike "$(cat "$tmp/dnsmasq.log")" 'nobody' 'and the world is not asked'
like "$(d nobody.lan AAAA)" 'status: NXDOMAIN' 'AAAA too'
like "$(d two.lan MX)" 'status: NOERROR.*' 'another type is no error'

# the first server does not answer: there is a second one
net_switch_stop
net_switch --control "$tmp/control"
net_untap
net_vm one
is "$(d +short www.example.org)" 198.51.100.1 'the world by UDP'
is "$(d +short +tcp www.example.org)" 198.51.100.1 'by TCP'
is "$(d +short www.example.org AAAA)" 2001:db8:1::1 'AAAA'
is "$(d +short alias.example.org | tail -n 1)" 198.51.100.1 'through a CNAME'
is "$(d +short -x 192.0.2.7)" seven.example.org. 'reverse names of the world'
is "$(d +short text.example.org TXT)" '"hello"' 'TXT'
like "$(d missing.example.org)" 'status: NXDOMAIN' 'NXDOMAIN comes through'
before=$(grep -c 'query\[A\] www' "$tmp/dnsmasq.log")
d +short www.example.org >/dev/null
is "$(grep -c 'query\[A\] www' "$tmp/dnsmasq.log")" "$before" 'it is cached'
sleep 1.1
ttl=$(d www.example.org | awk '/^www/ { print $2 }')
[ "$ttl" -lt 300 ]
ok $? "and ages ($ttl s)"
like "$(d +noedns +ignore big.example)" 'flags:[^;]* tc' 'a large answer is cut'
is "$(d +noedns +short big.example | wc -l)" 60 'and whole by TCP'
is "$(d +bufsize=1232 +short big.example | wc -l)" 60 'or with EDNS'
for name in rebind meta inside; do
	is "$(d +short $name.example.org)" '' "$name: an answer that points at us is empty"
	is "$(d +short +tcp $name.example.org)" '' "$name: by TCP too"
done
like "$(d +opcode=2 example.org)" 'NOTIMP' 'another opcode'
like "$(d version.bind CH TXT)" 'NOTIMP' 'another class'
is "$(vm one busybox nslookup -type=a two.lan 10.76.0.1 >/dev/null; echo $?)" 1 \
	'two is gone'
is "$(i=0; while [ $i -lt 20 ]; do d +short +tcp "www.example.org" &
	i=$((i + 1)); done | grep -c 198; wait)" 20 'many by TCP'
is "$(d -6 @fd76:6b00::1 +short www.example.org 2>/dev/null | tail -n 1)" \
	198.51.100.1 'by IPv6'

# a dead server costs one try
net_switch_stop
net_switch_dead() {
	mkfifo "$tmp/r2"
	vk-switch -l "$tmp/lan" --dns 198.51.100.66 --dns 198.51.100.1 \
		--ready-fd 9 9>"$tmp/r2" &
	switch=$!
	read -r _ <"$tmp/r2"
}
net_switch_dead
net_untap
net_vm one
is "$(d +short www.example.org)" 198.51.100.1 'past a server that is dead'
net_switch_stop

# the host's own servers, and others at run time
echo 'nameserver 198.51.100.66' >"$tmp/resolv.conf"
rm "$tmp/r2"
mkfifo "$tmp/r2"
vk-switch -v -l "$tmp/lan" --ready-fd 9 9>"$tmp/r2" 2>"$tmp/switch.log" &
switch=$!
read -r _ <"$tmp/r2"
net_untap
net_vm one
is "$(d +short +time=1 +tries=1 www.example.org | grep -v '^;')" '' \
	'a host whose server is dead has no names'
echo 'nameserver 198.51.100.1' >"$tmp/resolv.conf"
kill -HUP "$switch"
await 5 grep -q 'resolv.conf: read again' "$tmp/switch.log"
is "$(d +short www.example.org)" 198.51.100.1 'but for another, read at SIGHUP'
net_switch_stop
done_testing
