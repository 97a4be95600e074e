#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The filter: what it lets through is what a switch at work uses, no more and
# no less. strace(1) writes down every system call from the filter's loading to
# the end, while VMs do all that VMs do.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl dig dnsmasq socat strace; do have "$tool"; done
is_sanitized && skip_all 'a build with sanitizers is not confined'
net_world
mkdir "$tmp/www"
head -c 3000000 /dev/urandom >"$tmp/www/big"
serve_http world "$tmp/www" 80
in_world socat UDP4-LISTEN:7,fork EXEC:cat 2>/dev/null &
in_world dnsmasq -k -C /dev/null -p 53 --no-hosts --no-resolv --user= --group= \
	--host-record=www.example.org,198.51.100.1 --pid-file &
echo 'default allow' >"$tmp/policy"

# The switch as a child of strace: what net_switch starts by this name.
mkdir "$tmp/bin"
cat >"$tmp/bin/vk-switch" <<END
#!/bin/sh
echo \$\$ >"$tmp/tracer"
exec strace -qq -o "$tmp/trace" "$build/vk-switch" "\$@"
END
chmod +x "$tmp/bin/vk-switch"
path=$PATH
PATH=$tmp/bin:$PATH
net_switch --control "$tmp/control" --leases "$tmp/leases" \
	--pcap "$tmp/pcap" --policy "$tmp/policy" \
	-p 8080:web:80 -p 5300:web:53/udp -p "unix:$tmp/web.sock:web:80"
ok $? 'a switch that is watched'
PATH=$path
traced=$(pgrep -P "$(cat "$tmp/tracer")" -x vk-switch)

net_vm web
serve_http web "$tmp/www" 80
ip netns exec web socat UDP-LISTEN:53,fork EXEC:cat &
await 5 listens web udp 53
await 5 curl -sS -m 20 -o /dev/null http://127.0.0.1:8080/big
run vm web curl -sS -m 20 -o /dev/null http://198.51.100.1/big
is "$rc" 0 'TCP'
run vm web ping -c 1 -W 20 198.51.100.1
is "$rc" 0 'ping'
is "$(echo datagram | vm web socat -t 20 - \
	UDP:198.51.100.1:7,readbytes=9)" datagram 'UDP'
is "$(vm web dig +short @10.76.0.1 www.example.org)" 198.51.100.1 'DNS'
is "$(vm web dig +short +tcp @10.76.0.1 www.example.org)" 198.51.100.1 \
	'DNS by TCP'
run curl -sS -m 20 --unix-socket "$tmp/web.sock" -o /dev/null http://x/big
is "$rc" 0 'a unix socket'
is "$(echo datagram | socat -t 20 - UDP:127.0.0.1:5300,readbytes=9)" datagram \
	'a published UDP port'
is "$(control '{"command":"publish","what":"8100:web:80"}')" '{"ok":true}' \
	'a port more'
kill -HUP "$traced"
await 5 grep -q 'read again' "$tmp/switch.log"
ok $? 'rules, read again'
kill "$tap"
await 5 sh -c "printf '{\"command\":\"ports\"}\n' |
	socat -t 1 - UNIX-CONNECT:$tmp/control | grep -q '\"ports\":\[\]'"
ok $? 'a VM that goes'
kill "$traced"
wait "$switch"
is "$?" 0 'the end'

# ---- what it used ----

# libseccomp asks the kernel what it can do first: the last one is the filter.
awk '/^(seccomp|prctl)\(.*FILTER/ { last = NR } { line[NR] = $0 }
	END { for (i = last + 1; i <= NR; i++) print line[i] }' \
	"$tmp/trace" >"$tmp/after"
sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$tmp/after" | sort -u >"$tmp/used"
[ -s "$tmp/used" ]
ok $? "$(wc -l <"$tmp/after") calls of $(wc -l <"$tmp/used") kinds after it"
sed -n '/^static const struct filter_call calls/,/^#define CALLS_MAX/p' \
	"$top/cmd/vk-switch/confine.c" |
	grep -o 'CALL[_IF]*([a-z0-9_]*' | sed 's/.*(//' >"$tmp/listed"
sed -i /epoll_pwait/d "$tmp/listed"
sort -u -o "$tmp/listed" "$tmp/listed"
is "$(comm -13 "$tmp/listed" "$tmp/used" | tr '\n' ' ')" '' \
	'nothing is used that is not listed'
# The vDSO spares this one on most machines, not on all.
is "$(comm -23 "$tmp/listed" "$tmp/used" | grep -vx clock_gettime |
	tr '\n' ' ')" '' 'nothing is listed that is not used'
unlike "$(cat "$tmp/used")" '^(mmap|mremap|brk|openat|open|execve|clone.*|fork)$' \
	'no memory, no file, no process'
[ "$(wc -l <"$tmp/listed")" -le 30 ]
ok $? "$(wc -l <"$tmp/listed") of at most 30"
done_testing
