#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Ways past a closed policy, none of which may lead out, and what it allows,
# all of which must work. The world holds every forbidden address and listens
# on it, so what gets past the switch does connect.
# Commands are kept in variables as words.
# shellcheck disable=SC2086
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig dnsmasq socat openssl; do have "$tool"; done
net_world
for a in 198.51.100.9/32 198.51.100.10/32 198.51.100.11/32 198.51.100.12/32 \
	203.0.113.5/32 10.1.2.3/32 192.168.7.7/32 169.254.169.254/32 \
	8.8.8.8/32 1.1.1.1/32; do
	ip -n world addr add $a dev wire
done
for a in 2001:db8:1::9 2001:db8:1::10 2001:db8:2::5 fd00:ec2::254 \
	64:ff9b::7f00:1 64:ff9b::a9fe:a9fe fec0::5 2002:7f00:1::1; do
	ip -n world addr add $a/128 dev wire nodad
done
ip route add 169.254.169.254/32 via 198.51.100.1

# the world: a page, TLS, DNS, echo, on all of its addresses
mkdir "$tmp/www"
echo world >"$tmp/www/index.html"
serve_http world "$tmp/www" 80
serve_http world "$tmp/www" 8080
serve_http world "$tmp/www" 9999
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=good.example.org -keyout "$tmp/key" -out "$tmp/cert" 2>/dev/null
in_world openssl s_server -quiet -accept '[::]:443' -key "$tmp/key" \
	-cert "$tmp/cert" -www >/dev/null 2>&1 &
in_world openssl s_server -quiet -accept '[::]:853' -key "$tmp/key" \
	-cert "$tmp/cert" -www >/dev/null 2>&1 &
for at in 198.51.100.9:7 203.0.113.5:7 198.51.100.10:443; do
	in_world socat "UDP4-LISTEN:${at#*:},bind=${at%:*},fork" EXEC:cat \
		2>/dev/null &
done
in_world socat TCP6-LISTEN:2222,fork,reuseaddr SYSTEM:'echo SSH-2.0-test; cat' &
in_world dnsmasq -k -C /dev/null -p 53 --no-hosts --no-resolv --user= --group= \
	--log-queries --log-facility="$tmp/dnsmasq.log" \
	--host-record=good.example.org,198.51.100.10,2001:db8:1::10 \
	--host-record=www.good.example.org,198.51.100.10 \
	--host-record=ssh.example.org,198.51.100.11 \
	--host-record=only.example.org,198.51.100.12 \
	--host-record=evil.example.net,203.0.113.5,2001:db8:2::5 \
	--cname=alias.example.org,evil.example.net \
	--cname=cname.good.example.org,good.example.org \
	--host-record=rebind.example.org,127.0.0.1,::1 \
	--host-record=metadata.example.org,169.254.169.254,fd00:ec2::254 \
	--host-record=host.example.org,198.51.100.2 \
	--host-record=shared.example.net,198.51.100.10 \
	--local=/org/ --local=/net/ --pid-file &
# the host: services that listen on everything
socat TCP6-LISTEN:8080,fork,reuseaddr SYSTEM:'echo HOST; cat >/dev/null' &
socat UDP6-LISTEN:8080,fork EXEC:'echo HOST' &
cat >"$tmp/policy" <<'END'
# what the jobs of this host need
allow 198.51.100.9:80/tcp
allow 2001:db8:1::9            # and its IPv6
allow-name *.example.org:80
allow-name *.example.org:443
allow-name ssh.example.org:2222
allow-name *.example.org:9999
allow 198.51.100.9:7/udp
allow 198.51.100.9/icmp
default deny
END
began=$(date +%s)
net_switch --control "$tmp/control" --policy "$tmp/policy" \
	-s 70=tcp:127.0.0.1:8080
ok $? 'a policy from a file'
net_vm job
net_vm other
C='curl -sS -k -o /dev/null'
D='dig +short +time=20 +tries=1'
attempts=0
legitimate=0

# blocked NAME CMD…: must fail or print nothing. Some are tried at the same time,
# most of which wait for what never comes; then they are judged.
trying=
blocked() {
	attempts=$((attempts + 1))
	echo "$1" >"$tmp/try.$attempts"
	shift
	{
		got=$(vm job timeout 4 sh -c "$*" 2>/dev/null) &&
			printf %s "$got" >"$tmp/got.$attempts"
	} &
	trying="$trying $!"
	[ $((attempts % 16)) -ne 0 ] || judge
}
judge() {
	wait $trying
	trying=
	while [ $judged -lt $attempts ]; do
		judged=$((judged + 1))
		is "$(cat "$tmp/got.$judged" 2>/dev/null)" '' \
			"closed: $(cat "$tmp/try.$judged")"
	done
}
judged=0
# works NAME CMD…: must succeed.
works() {
	works_name=$1
	shift
	legitimate=$((legitimate + 1))
	vm job timeout 60 sh -c "$*" >"$out" 2>"$err"
	ok $? "open: $works_name" || diag "$(cat "$err")"
}
get="$C -w %{http_code}"
lookup() { vm job $D @10.76.0.1 "$@" >/dev/null; }

# before any name was asked for, names open nothing
blocked 'an address of an allowed name, unasked' "$get http://198.51.100.10/"
judge

lookup good.example.org
lookup good.example.org AAAA
lookup www.good.example.org
lookup ssh.example.org

works 'a literal address in the rules' "$get http://198.51.100.9/"
works 'by IPv6' "$get 'http://[2001:db8:1::9]/'"
works 'a name by HTTP' "$get http://good.example.org/"
works 'a name by HTTP and IPv6' "$get -6 http://good.example.org/"
works 'a name by TLS' "$get https://good.example.org/"
works 'a name by TLS and IPv6' "$get -6 https://good.example.org/"
works 'another name of that address' "$get http://www.good.example.org/"
works 'a name through a CNAME' "$get http://cname.good.example.org/"
works 'a protocol in which the server begins' \
	"sleep 1 | socat -t 20 - TCP:ssh.example.org:2222 | grep SSH"
works 'one to which a VM says nothing, and ends' \
	'timeout 20 socat -t 30 - TCP:ssh.example.org:2222 </dev/null'
works 'DNS by UDP' "$D good.example.org | grep 198"
works 'DNS by TCP' "$D +tcp good.example.org | grep 198"
works 'names of the LAN' "$D other.lan | grep 10.76"
works 'reverse names of the LAN' "$D -x 10.76.0.1 | grep gateway"
works 'the other VM' "ping -c 1 -W 20 other"
works 'ping of the gateway' "ping -c 1 -W 20 10.76.0.1"
works 'ping where a rule says so' "ping -c 1 -W 20 198.51.100.9"
works 'UDP where a rule says so' \
	"echo x | socat -t 20 - UDP:198.51.100.9:7,readbytes=2 | grep x"
works 'a service of the host that is offered' \
	"socat -t 20 - TCP:10.76.0.1:70 </dev/null | grep HOST"
works 'a large request in many segments' \
	"$get -H 'X-Long: $(head -c 6000 /dev/zero | tr '\0' a)' http://good.example.org/"
works 'a request byte by byte' "(printf 'GET / HTT'; sleep 0.3; printf 'P/1.1\r\nHo';
	sleep 0.3; printf 'st: good.example.org\r\nConnection: close\r\n\r\n'; sleep 1) |
	socat -t 20 - TCP:198.51.100.10:80 | grep world"
works 'many at once' "for i in 1 2 3 4 5 6 7 8 9 10; do
	$C http://good.example.org/ & done; wait"

# ---- literal addresses
blocked 'a literal address' "$get http://203.0.113.5/"
blocked 'a literal IPv6 address' "$get 'http://[2001:db8:2::5]/'"
blocked 'another port of an allowed address' "$get http://198.51.100.9:8080/"
blocked 'another protocol of an allowed address' \
	"echo x | socat -t 1 - UDP:198.51.100.9:443"
blocked 'TLS to a literal address' "$get https://203.0.113.5/"
blocked 'a private network' "$get http://10.1.2.3/"
blocked 'another private network' "$get http://192.168.7.7/"
# ---- names
blocked 'a name that is not allowed' "$get http://evil.example.net/"
blocked 'its lookup' "$D evil.example.net"
blocked 'its lookup by TCP' "$D +tcp evil.example.net"
blocked 'its lookup as AAAA' "$D evil.example.net AAAA"
blocked 'its lookup as TXT (a tunnel)' "$D aGVsbG8.evil.example.net TXT"
blocked 'a reverse lookup (a tunnel)' "$D -x 203.0.113.5"
blocked 'a name below the label of an allowed one' \
	"$D 'good.example.org.evil.example.net'"
blocked 'a dot within a label' "$D 'evil\\.example.org.net'"
blocked 'a CNAME of an allowed name, to the wrong host header' \
	"$C -f --resolve evil.example.net:80:203.0.113.5 -w %{http_code} http://evil.example.net/"
blocked 'rebinding to loopback' "$get http://rebind.example.org:8080/"
blocked 'rebinding: the answer' "$D rebind.example.org"
blocked 'rebinding to the metadata service' "$get http://metadata.example.org/"
blocked 'rebinding to the host' "$get http://host.example.org:8080/"
# ---- other resolvers
blocked 'another resolver' "$D @8.8.8.8 good.example.org | grep ^198"
blocked 'another resolver by TCP' "$D +tcp @1.1.1.1 good.example.org | grep ^198"
blocked 'the resolver of the host directly' \
	"$D @198.51.100.1 good.example.org | grep ^198"
blocked 'DNS over TLS' "$get https://1.1.1.1:853/"
blocked 'DNS over HTTPS by address' "$get https://1.1.1.1/dns-query"
blocked 'DNS over HTTPS by name' "$get https://dns.example.net/dns-query"
blocked 'a forged answer: nobody takes it' \
	"printf '\0\1\201\200\0\1\0\1\0\0\0\0\4evil\7example\3net\0\0\1\0\1\300\14\0\1\0\1\0\0\1\54\0\4\313\0\161\5' |
	socat -t 1 - UDP:10.76.0.1:53; $get http://203.0.113.5/"
# ---- names that lie
blocked 'an SNI of another name' \
	"$get --connect-to ::198.51.100.10: https://shared.example.net/"
blocked 'no SNI' "$get https://198.51.100.10/"
blocked 'a Host header of another name' \
	"$get -f -H 'Host: shared.example.net' http://good.example.org/"
blocked 'no Host header' \
	"printf 'GET / HTTP/1.0\r\n\r\n' | socat -t 2 - TCP:198.51.100.10:80"
blocked 'two Host headers' \
	"printf 'GET / HTTP/1.1\r\nHost: good.example.org\r\nHost: evil.example.net\r\n\r\n' |
	socat -t 2 - TCP:198.51.100.10:80"
blocked 'an absolute target of another name' \
	"printf 'GET http://evil.example.net/ HTTP/1.1\r\nHost: good.example.org\r\n\r\n' |
	socat -t 2 - TCP:198.51.100.10:80"
blocked 'a folded Host header' \
	"printf 'GET / HTTP/1.1\r\nHost: good.example.org\r\n .evil.example.net\r\n\r\n' |
	socat -t 2 - TCP:198.51.100.10:80"
blocked 'CONNECT to another name' \
	"printf 'CONNECT evil.example.net:80 HTTP/1.1\r\nHost: good.example.org\r\n\r\n' |
	socat -t 2 - TCP:198.51.100.10:80"
blocked 'something else on the port of HTTP' \
	"printf 'EHLO\r\n' | socat -t 2 - TCP:198.51.100.10:80"
blocked 'HTTP/3 where TLS is allowed' \
	"echo x | socat -t 1 - UDP:198.51.100.10:443"
# ---- the host
blocked 'loopback of the host' "ip route add 127.1.1.1 via 10.76.0.1 2>/dev/null;
	$get http://127.1.1.1:8080/"
blocked 'the address of no host' "socat -t 1 - TCP:0.0.0.0:8080 </dev/null"
blocked "the host's own address" \
	"socat -t 1 - TCP:198.51.100.2:8080 </dev/null"
blocked "the host's own address by UDP" \
	"echo x | socat -t 1 - UDP:198.51.100.2:8080"
blocked "the host's own IPv6 address" \
	"socat -t 1 - TCP:[2001:db8:1::2]:8080 </dev/null"
ip addr add 198.51.100.200/32 dev wan
blocked 'an address that the host has got since' \
	"socat -t 1 - TCP:198.51.100.200:8080 </dev/null"
blocked 'v4-mapped loopback' "ip -6 route add ::ffff:127.0.0.1 via fe80::1 dev eth0;
	socat -t 1 - TCP6:[::ffff:127.0.0.1]:8080 </dev/null"
blocked 'loopback by NAT64' "$get 'http://[64:ff9b::7f00:1]/'"
blocked 'loopback by 6to4' "$get 'http://[2002:7f00:1::1]/'"
blocked 'a port of the gateway that is no service' \
	"socat -t 1 - TCP:10.76.0.1:8080 </dev/null"
# ---- metadata and link-local
blocked 'the metadata service' "$get http://169.254.169.254/"
blocked 'the metadata service by IPv6' "$get 'http://[fd00:ec2::254]/'"
blocked 'the metadata service by NAT64' "$get 'http://[64:ff9b::a9fe:a9fe]/'"
blocked 'site-local' "$get 'http://[fec0::5]/'"
blocked 'link-local of the host' \
	"socat -t 1 - TCP:[fe80::1%eth0]:8080 </dev/null"
# ---- below TCP
blocked 'ping' "ping -c 1 -W 1 203.0.113.5 && echo"
blocked 'ping by IPv6' "ping -c 1 -W 1 2001:db8:2::5 && echo"
blocked 'UDP' "echo x | socat -t 1 - UDP:203.0.113.5:7"
blocked 'UDP in fragments' \
	"head -c 4000 /dev/zero | socat -b 8192 -t 1 - UDP:203.0.113.5:7"
judge
blocked 'a source address of another VM' \
	"ip addr add $(lease other ip)/32 dev eth0;
	curl -sS -m 2 --interface $(lease other ip) http://198.51.100.9/"
judge
vm job ip addr del "$(lease other ip)/32" dev eth0
blocked 'a source address of the world' "ip addr add 203.0.113.99/32 dev eth0;
	curl -sS -m 2 --interface 203.0.113.99 http://198.51.100.9/"
judge
vm other $D @10.76.0.1 only.example.org >/dev/null
theirs="--resolve only.example.org:80:198.51.100.12 http://only.example.org/"
blocked 'what another VM has looked up' "$get $theirs"
judge
run vm other $get $theirs
is "$(cat "$out")" 200 'open: for that VM'

[ "$attempts" -ge 40 ]
ok $? "$attempts ways tried"
[ "$legitimate" -ge 20 ]
ok $? "$legitimate uses work"
unlike "$(cat "$tmp/dnsmasq.log")" 'evil|arpa|dns.example.net' \
	'no forbidden name was asked of the world'
# Which of them is a matter of time: at most one a second.
like "$(cat "$tmp/switch.log")" \
	'job: [0-9.]+ port [0-9]+: refused: no rule allows it' 'refusals are logged'
shown=$(grep -c ': refused: ' "$tmp/switch.log")
[ "$shown" -le $(($(date +%s) - began + 1)) ]
ok $? "at most one a second ($shown)"

# reloaded without loss; narrowed for one VM
is "$(control '{"command":"policy","rules":"allow 203.0.113.5:80\ndefault deny"}')" \
	'{"ok":true}' 'another policy at run time'
works 'what it opens' "$get http://203.0.113.5/"
blocked 'what it no longer does' "$get http://198.51.100.9/"
judge
like "$(control '{"command":"policy","rules":"permit all"}')" 'unknown rule' \
	'a bad one is refused'
works 'and the old one stays' "$get http://203.0.113.5/"
net_switch_stop

# the file again, as editors replace it: a connection stays, rules change
mkfifo "$tmp/events"
printf 'allow 203.0.113.5\ndefault deny\n' >"$tmp/policy"
net_switch --policy "$tmp/policy" --allow 198.51.100.9:7/tcp \
	--control "$tmp/control" --status-fd 8 8<>"$tmp/events"
net_vm again
in_world socat TCP4-LISTEN:7,bind=198.51.100.9,fork EXEC:cat 2>/dev/null &
await 5 in_world sh -c 'ss -ltn | grep -q 198.51.100.9:7'
mkfifo "$tmp/said"
vm again socat - TCP:198.51.100.9:7 <"$tmp/said" >"$tmp/heard" &
exec 7>"$tmp/said"
echo before >&7
await 5 grep -q before "$tmp/heard"
ok $? 'a rule of an option beside the file'
reloaded() { # HOW: sends it and waits for the event
	"$@" && grep -m 1 -E '"(not-)?reloaded"' <"$tmp/events"
}
printf 'allow 198.51.100.10\ndefault deny\n' >"$tmp/new"
mv "$tmp/new" "$tmp/policy"
like "$(reloaded kill -HUP "$switch")" "\"reloaded\".*$tmp/policy" \
	'SIGHUP: an event tells of it'
vm_is() { # NAME RC ADDRESS
	run vm again curl -sS -m 20 -o /dev/null "http://$3/"
	is "$rc" "$2" "$1"
}
vm_is 'what the new file allows' 0 198.51.100.10
vm_is 'what only the old one did' 7 203.0.113.5
echo after >&7
await 5 grep -q after "$tmp/heard"
ok $? 'a connection that stands goes on'
echo 'allow nonsense' >"$tmp/policy"
like "$(reloaded kill -HUP "$switch")" 'not-reloaded' \
	'a file that is wrong is told'
like "$(cat "$tmp/switch.log")" \
	"$tmp/policy: line 1: .*; nothing is changed" 'with its line'
vm_is 'and the rules stay' 0 198.51.100.10
rm "$tmp/policy"
like "$(reloaded kill -HUP "$switch")" 'not-reloaded' \
	'so for one that is gone'
vm_is 'and the rules stay then' 0 198.51.100.10
echo 'default allow' >"$tmp/policy"
like "$(reloaded control '{"command":"reload"}')" \
	'"reloaded"' 'by the control socket too'
vm_is 'what it opens' 0 203.0.113.5
exec 7>&-
reader=$(pgrep -P "$switch")
net_switch_stop
await 5 sh -c "! kill -0 $reader 2>/dev/null"
ok $? 'the process that reads is gone with it'

printf 'allow 198.51.100.9\ndefault deny\n' >"$tmp/narrow"
net_switch -l "$tmp/narrow.sock,name=narrow,policy=$tmp/narrow" \
	--deny 203.0.113.0/24
net_vm narrow "$tmp/narrow.sock"
run vm narrow $C http://198.51.100.9/
is "$rc" 0 'a VM with rules of its own'
run vm narrow $C http://198.51.100.10/
is "$rc" 7 'has no more than they allow'
printf 'allow any\ndefault allow\n' >"$tmp/wide"
net_switch_stop
net_switch -l "$tmp/wide.sock,name=wide,policy=$tmp/wide" --deny 203.0.113.0/24
net_vm wide "$tmp/wide.sock"
run vm wide $C http://203.0.113.5/
is "$rc" 7 'and no more than all are allowed'
run vm wide $C http://8.8.8.8/
is "$rc" 0 'which is open otherwise'
run vm wide $C http://169.254.169.254/
is "$rc" 7 'but for what is guarded'
net_switch_stop
# A name that is allowed has an address that is not: nobody else gets through.
net_switch --allow-name good.example.org:80 --deny 198.51.100.10
net_vm front
vm front $D @10.76.0.1 good.example.org >/dev/null
run vm front $C -f http://good.example.org/
is "$rc" 0 'a name before a rule that denies its address'
run vm front $C -H 'Host: evil.example.net' http://good.example.org/
is "$rc" 56 'which another name at it does not pass'
net_switch_stop
run vk-switch -l "$tmp/x" --policy "$tmp/nothing"
is "$rc" 66 'a policy that is not there ends it'
echo 'permit all' >"$tmp/bad"
run vk-switch -l "$tmp/x" --policy "$tmp/bad"
is "$rc" 78 'a bad one too'
like "$(cat "$err")" "$tmp/bad: line 1: permit: unknown rule" 'with its line'
done_testing
