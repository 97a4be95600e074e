# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2034 # what tests read
#
# net.sh - a small internet for the tests of vk-switch, as an ordinary user
#
#	. "$(dirname "$0")/net.sh"     # enters namespaces, then lib.sh
#	net_world
#	net_switch --mtu 9000
#	net_vm web                     # a namespace "web" on the LAN
#	vm web curl http://198.51.100.1/
#
# Namespaces: the test's own is the host; "world" is behind it, with
# 198.51.100.1 and 2001:db8:1::1 on a wire to the host's .2 and ::2, and each
# VM has its own, with a tap that vk-tap joins to the switch. All are inside
# of a user, mount and process namespace that ends with the test.

if [ -z "${VK_NET:-}" ]; then
	if ! unshare -rnm test -w /dev/net/tun 2>/dev/null; then
		echo '1..0 # SKIP no user namespaces or no /dev/net/tun here'
		exit 0
	fi
	VK_NET=1
	export VK_NET
	exec unshare -rnm --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi

net_lib=$(dirname "$0")/../lib.sh # from tests/cmd, or a folder below
[ -f "$net_lib" ] || net_lib=$(dirname "$0")/../../lib.sh
# shellcheck source=tests/lib.sh
. "$net_lib"
helpers=$build/tests/helpers
for tool in ip busybox; do
	have "$tool"
done
[ -x "$helpers/vk-tap" ] || skip_all 'make helpers has not been run'

# in_world CMD…, vm NAME CMD…: there.
in_world() { ip netns exec world "$@"; }
vm() {
	vm_name=$1
	shift
	ip netns exec "$vm_name" "$@"
}

net_world() {
	mount -t tmpfs none /run && mkdir -p /run/netns
	ip link set lo up
	ip netns add world
	ip link add wan type veth peer name wire netns world
	ip addr add 198.51.100.2/24 dev wan
	ip addr add 2001:db8:1::2/64 dev wan nodad
	ip link set wan mtu 65520 up
	ip -n world link set lo up
	ip -n world addr add 198.51.100.1/24 dev wire
	ip -n world addr add 2001:db8:1::1/64 dev wire nodad
	ip -n world link set wire mtu 65520 up
	ip route add default via 198.51.100.1
	ip route add default via 2001:db8:1::1
	# The VMs', not the switch's, which is told with --dns.
	printf "nameserver 10.76.0.1\nsearch lan\n" >"$tmp/resolv.conf"
	mount --bind "$tmp/resolv.conf" /etc/resolv.conf
	echo 0 0 >/proc/sys/net/ipv4/ping_group_range
}

# A build with sanitizers is not confined (its reports need /proc and memory),
# and LeakSanitizer cannot look at a process of a namespace like ours.
is_sanitized() { grep -q __asan_init "$build/vk-switch"; }
if is_sanitized; then
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
	export ASAN_OPTIONS
fi

# net_switch [OPTION…]: starts it on $tmp/lan; $switch is its process.
net_switch() {
	rm -f "$tmp/ready" # the one before may have its end open yet
	mkfifo "$tmp/ready"
	vk-switch -v -l "$tmp/lan" --dns 198.51.100.1 --ready-fd 9 "$@" 2>"$tmp/switch.log" \
		9>"$tmp/ready" &
	switch=$!
	if ! read -r _ <"$tmp/ready"; then
		:
	fi
	[ -S "$tmp/lan" ] || {
		diag "$(cat "$tmp/switch.log")"
		return 1
	}
}

net_switch_stop() {
	kill "$switch" 2>/dev/null
	wait "$switch"
	rc=$?
}

# The same MAC for a name in each run: the address that a VM gets goes by it,
# and by chance it would be one that a test keeps for something else.
mac_of() { # NAME
	printf %s "$1" | cksum | awk '{ printf "02:00:%02x:%02x:%02x:%02x\n",
		$1 / 16777216, $1 / 65536 % 256, $1 / 256 % 256, $1 % 256 }'
}

# net_tap NAME [SOCKET [vk-tap's OPTION…]]: a namespace on the wire, no more.
net_tap() {
	tap_name=$1 tap_socket=${2:-$tmp/lan}
	shift
	[ $# -gt 0 ] && shift
	ip netns list | grep -qw "$tap_name" || ip netns add "$tap_name"
	quick_addresses "$tap_name"
	ip -n "$tap_name" link set lo up
	# The one before ends some time after its switch does, and has its end
	# of the FIFO open for longer than its interface is seen.
	await 10 tap_is_gone "$tap_name"
	rm -f "$tmp/tap.$tap_name"
	mkfifo "$tmp/tap.$tap_name"
	ip netns exec "$tap_name" "$helpers/vk-tap" -a "$(mac_of "$tap_name")" "$@" \
		"$tap_socket" eth0 \
		>"$tmp/tap.$tap_name" &
	tap=$!
	if ! read -r _ <"$tmp/tap.$tap_name"; then
		diag "$tap_name: no tap on $tap_socket"
		return 1
	fi
	ip -n "$tap_name" link set eth0 txqueuelen 10000
}

tap_is_gone() { ! ip -n "$1" link show dev eth0; }

# Its end; the switch hears of that before it hears from those who come then.
net_untap() {
	kill "$tap"
	wait "$tap"
} 2>/dev/null

# net_vm NAME [SOCKET [OPTION…]]: that, an address by DHCP and one by SLAAC.
net_vm() {
	net_tap "$@" || return 1
	net_dhcp "$tap_name" ||
		diag "$tap_name: no lease: $(cat "$tmp/udhcpc.log")"
	await 5 slaac_done "$tap_name"
}
# What a kernel does for seconds before it has an address by SLAAC: it waits for
# neighbours to wake up, and asks whether the address is taken. Tests of that
# themselves say net_probes=1.
net_probes=0
quick_addresses() {
	[ "$net_probes" = 0 ] || return 0
	vm "$1" sh -c 'cd /proc/sys/net/ipv6/conf/default
		echo 0 >dad_transmits
		echo 0 >router_solicitation_delay'
}
slaac_done() {
	ip -n "$1" -6 addr show dev eth0 scope global -tentative | grep -q inet6
}

cat >"$tmp/udhcpc" <<'END'
#!/bin/sh
case $1 in
deconfig) ip -4 addr flush dev "$interface" scope global 2>/dev/null ;;
bound | renew)
	ip addr replace "$ip/$mask" dev "$interface"
	ip route replace default via "$router"
	env | grep -E '^(ip|mask|router|dns|domain|search|mtu|lease|serverid|staticroutes|hostname)=' \
		>"$LEASE"
	;;
esac
END
chmod +x "$tmp/udhcpc"

# net_dhcp NAME [udhcpc's OPTION…]: what was got is in $tmp/lease.NAME. It asks
# for longer than anything takes, but for those who are to get none: -t 2.
net_dhcp() {
	dhcp_name=$1
	shift
	LEASE=$tmp/lease.$dhcp_name vm "$dhcp_name" busybox udhcpc -f -q -n -t 30 \
		-T 1 -i eth0 -s "$tmp/udhcpc" -x "hostname:$dhcp_name" "$@" \
		>"$tmp/udhcpc.log" 2>&1
}
lease() { sed -n "s/^$2=//p" "$tmp/lease.$1"; }

# control JSON: one request to the socket $tmp/control, one line back.
control() { printf '%s\n' "$1" | socat -t 20 - "UNIX-CONNECT:$tmp/control"; }

# listens NAME tcp|udp PORT: somebody does, in that namespace.
listens() {
	ip netns exec "$1" sh -c 'cat "/proc/net/$1" "/proc/net/${1}6"' sh "$2" |
		grep -q ":$(printf %04X "$3") 0\{8,32\}:0000 0[7A] "
}

# serve_http NAME DIR PORT [ADDR]: busybox httpd in that namespace.
serve_http() {
	ip netns exec "$1" busybox httpd -f -p "${4:-[::]}:$3" -h "$2" &
	await 10 listens "$1" tcp "$3"
}
