#!/bin/sh
# SPDX-License-Identifier: MIT
# needs: root
# takes: 20 s
#
# The agent as process 1, natively: in namespaces of its own, from an
# "initramfs" (a tmpfs) to an image (another tmpfs). What it mounts, unmounts
# and signals there is its own; /dev is a tmpfs with nodes, so that this
# machine's devtmpfs is not touched.
#
#	VK_TEST_ORPHANS	how many are reaped (2000)

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

[ "$(id -u)" -eq 0 ] || skip_all "not root"
have busybox "the image is made of it"
have unshare

unset LANG LC_ALL TZ
mkdir "$tmp/share" "$tmp/tree"
cd "$tmp/tree" || exit 1
mkdir -p bin root run/kept tmp/own etc .vk
cp "$(command -v busybox)" bin/busybox
for applet in sh ls cat mount id ps hostname env sleep stat ip kill true wc \
	grep readlink udhcpd pwd; do
	ln -s busybox "bin/$applet"
done
chown 70:71 run/kept
chmod 2775 run/kept
echo 'root:x:0:0::/root:/bin/sh
www:x:33:34::/home/www:/bin/sh' >etc/passwd
echo 'root:x:0:
www:x:34:
extra:x:44:root,www' >etc/group
echo image-name >etc/hostname
echo '{"config": {}}' >.vk/image.json
cd "$top" || exit 1

# hear_announcements: what the next agent announces comes to $tmp/announced, and
# all of it is there when $listener has ended.
hear_announcements() {
	rm -f "$tmp/share/vsock" "$tmp/share/announce" "$tmp/announced"
	timeout 300 socat -u "UNIX-LISTEN:$tmp/share/announce" \
		"CREATE:$tmp/announced" &
	listener=$!
	at_exit "end $listener"
	await 5 hears "$tmp/share/announce"
}
# boot CONFIG: starts an agent with it; $guest is its process.
boot() {
	: >"$tmp/agent.log"
	hear_announcements
	{
		echo "root /image none bind"
		echo "listen unix:/share/vsock"
		echo "announce unix:/share/announce"
		cat
	} >"$tmp/config"
	cat >"$tmp/stage" <<-END
		set -e
		mkdir -p $tmp/init
		mount -t tmpfs init $tmp/init
		cd $tmp/init
		mkdir vk share image dev
		mount -t tmpfs image image
		cp -a $tmp/tree/. image
		mount --bind $tmp/share share
		mount -t tmpfs dev dev
		touch dev/console
		mount --bind $tmp/agent.log dev/console
		cp $build/vk-agent init
		cp $tmp/config vk/config
		[ -z "$1" ] || . $1
		exec chroot . /init
	END
	unshare -fpmuni --kill-child sh "$tmp/stage" 2>"$tmp/stage.log" &
	guest=$!
	at_exit "end -9 $guest"
	vk-exec --wait-ready --timeout 60s --socket "$tmp/share/vsock"
}
in_guest() { timeout 60 vk-exec --socket "$tmp/share/vsock" -- "$@"; }
stop() {
	timeout 60 vk-exec --socket "$tmp/share/vsock" --stop
	await 5 sh -c "! kill -0 $guest 2>/dev/null"
}
have socat

boot '' <<'END'
hostname guest-name
tmpfs /scratch mode=0750,size=1m
symlink /etc/passwd /linked
host 10.1.1.1 other
dns 10.0.2.3
search example.org
read-only
no-such-key value
END
ok $? "the guest boots" || cat "$tmp/agent.log" "$tmp/stage.log"
is "$(in_guest cat /proc/1/comm)" init "the agent is process 1"
is "$(in_guest hostname)" guest-name "hostname"
is "$(in_guest cat /etc/hostname)" guest-name "/etc/hostname"
like "$(in_guest cat /etc/hosts)" "127.0.0.1.localhost" "/etc/hosts"
like "$(in_guest cat /etc/hosts)" "^10.1.1.1 other" "and its additions"
is "$(in_guest cat /etc/resolv.conf | tr '\n' ' ')" \
	"search example.org nameserver 10.0.2.3 " "/etc/resolv.conf"
is "$(in_guest stat -c '%u:%g %a' /run/kept)" "70:71 2775" \
	"/run keeps the image's directories, owner and mode"
is "$(in_guest stat -c '%a' /tmp) $(in_guest ls /tmp)" "1777 own" \
	"so does /tmp"
mounts=$(in_guest cat /proc/mounts)
for want in '^proc /proc proc' '^sysfs /sys sysfs' ' /dev/pts devpts' \
	' /dev/shm tmpfs' '^cgroup2 /sys/fs/cgroup cgroup2' ' /run tmpfs' \
	' /tmp tmpfs' ' /scratch tmpfs .*size=1024k.*mode=750' \
	'image / tmpfs ro,'; do
	like "$mounts" "$want" "mounted: $want"
done
unlike "$mounts" '^init ' "nothing of the initramfs is left"
is "$(in_guest sh -c 'for i in fd stdin stdout stderr ptmx; do
	readlink /dev/$i; done' | tr '\n' ' ')" \
	"/proc/self/fd /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 pts/ptmx " \
	"links of /dev"
is "$(in_guest readlink /linked)" /etc/passwd "symlink"
like "$(in_guest ip addr show lo)" "inet 127.0.0.1/8" "the loopback is up"
run in_guest touch /x
is "$rc" 127 "(no touch here)"
run in_guest sh -c 'echo x >/bin/x'
is "$rc" 1 "read-only"
is "$(vk-exec --socket "$tmp/share/vsock" -t -- sh -c 'test -t 0 && echo tty' \
	</dev/null | tr -d '\r')" tty "a terminal"
is "$(vk-exec --socket "$tmp/share/vsock" -u www -- id)" \
	"uid=33(www) gid=34(www) groups=44(extra)" \
	"-u name, by the image's own files"
is "$(vk-exec --socket "$tmp/share/vsock" -u www:extra -- id)" \
	"uid=33(www) gid=44(extra)" "-u name:group"
is "$(in_guest env | sort | tr '\n' ' ')" \
	"HOME=/root HOSTNAME=guest-name PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin " \
	"the environment"
orphans=${VK_TEST_ORPHANS:-2000}
run timeout 900 vk-exec --socket "$tmp/share/vsock" -n -- sh -c "i=0
	while [ \$i -lt $orphans ]; do (true &); i=\$((i+1)); done"
is "$rc" 0 "$orphans orphans"
no_zombies() { [ "$(in_guest sh -c 'ps -o stat | grep -c "^Z"')" -eq 0 ]; }
await 10 no_zombies
ok $? "none of them stays a zombie"
is "$(in_guest sh -c 'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null |
	wc -l')" 0 "all of them were reaped"
like "$(cat "$tmp/agent.log")" "no-such-key: not known here" \
	"an unknown key is told and passed over"
start=$(date +%s%N)
stop
ok $? "the guest ends as asked"
end=$(date +%s%N)
# What does not end has ten seconds.
ok $(((end - start) / 1000000 >= 8000)) \
	"an idle guest at once ($(((end - start) / 1000000)) ms)"
wait "$listener"
like "$(tr '\0' ' ' <"$tmp/announced")" '\{"config": \{\}\}' \
	"the image's configuration was announced"

# ---- an image that has nothing ----------------------------------------------

rm -rf "$tmp/tree"
mkdir "$tmp/tree"
cp "$(command -v busybox)" "$tmp/tree/busybox"
boot '' </dev/null
is "$(in_guest /busybox sh -c '/busybox echo scratch $PWD')" "scratch /" \
	"FROM scratch with one static binary"
is "$(in_guest /busybox id -u)" 0 "no /etc/passwd: root all the same"
is "$(in_guest /busybox cat /etc/hosts | /bin/busybox head -1)" \
	"$(printf '127.0.0.1\tlocalhost')" "it has an /etc/hosts"
stop

# Process 1 understands what programs send to an init: the table of vk-agent(8).
# An EVENT's payload is its kind (5 powers off, 6 reboots) and a text.
for number in USR1:5 USR2:5 PWR:5 37:5 38:5 TERM:6 INT:6 39:6; do
	boot '' </dev/null
	run in_guest /busybox kill "-${number%:*}" 1
	await 5 sh -c "! kill -0 $guest 2>/dev/null"
	gone=$?
	wait "$listener"
	is "$gone $(tr -d '\n' <"$tmp/announced" | tr '\005\006' '56' |
		grep -ao '.as asked')" "0 ${number#*:}as asked" \
		"signal ${number%:*} to process 1"
done

# ---- network ----------------------------------------------------------------

cat >"$tmp/net" <<END
ip link add eth7 type veth peer name there
ip link add eth8 type veth peer name far
ip link set far up
printf '%s\n' 'interface there' 'start 10.77.0.50' 'end 10.77.0.60' \
	'opt subnet 255.255.255.0' 'opt router 10.77.0.1' \
	'opt dns 10.77.0.9' 'opt domain test.example' 'opt mtu 1400' \
	'opt lease 600' "lease_file $tmp/leases" "pidfile $tmp/udhcpd.pid" \
	>$tmp/udhcpd.conf
touch $tmp/leases
rm -f $tmp/apart $tmp/serves
# Numbers in /proc are not those of in here.
unshare -n sh -c 'touch $tmp/apart
	until ip link set there up 2>/dev/null; do sleep 0.05; done
	while [ -e $tmp/not-yet ]; do sleep 0.05; done
	ip addr add 10.77.0.1/24 dev there
	until grep -q ":0043 " /proc/net/udp; do sleep 0.05; done &&
		touch $tmp/serves &
	exec busybox udhcpd -f $tmp/udhcpd.conf' &
until [ -e $tmp/apart ]; do sleep 0.05; done
ip link set there netns \$!
until [ -e $tmp/serves ] || [ -e $tmp/not-yet ]; do sleep 0.05; done
END
if command -v ip >/dev/null && busybox --list | grep -q '^udhcpd$'; then
	mkdir -p "$tmp/tree/bin"
	ln -s ../busybox "$tmp/tree/bin/ip"
	ln -s ../busybox "$tmp/tree/bin/cat"
	boot "$tmp/net" <<-'END'
		verbose
		dns 192.0.2.1
		net eth7 dhcp
		net eth8 mtu 1300
		net eth8 address 192.168.9.2/24
		net eth8 address fd00:9::2/64
		net eth8 route 172.30.0.0/16 192.168.9.1
		net eth8 name lan
	END

	like "$(in_guest ip addr show eth7)" "inet 10.77.0.(5[0-9]|60)/24" "DHCP: address"
	like "$(in_guest ip addr show eth7)" "mtu 1400" "DHCP: MTU"
	like "$(in_guest ip route)" "default via 10.77.0.1" "DHCP: router"
	is "$(in_guest cat /etc/resolv.conf | tr '\n' ' ')" \
		"search test.example nameserver 192.0.2.1 nameserver 10.77.0.9 " \
		"DHCP: DNS, after what is configured"
	like "$(in_guest ip addr show lan)" "192.168.9.2/24" "static address"
	like "$(in_guest ip addr show lan)" "fd00:9::2/64" "IPv6 address"
	like "$(in_guest ip addr show lan)" "mtu 1300" "MTU"
	like "$(in_guest ip route)" "172.30.0.0/16 via 192.168.9.1" "route"
	stop

	# A server that is not up in time: six seconds, then nobody waits.
	: >"$tmp/not-yet"
	boot "$tmp/net" <<-'END'
		dns 192.0.2.1
		net eth7 dhcp
	END
	is "$(in_guest cat /etc/resolv.conf)" 'nameserver 192.0.2.1' \
		'no answer by DHCP: what was configured'
	rm "$tmp/not-yet"
	await 20 sh -c 'timeout 5 vk-exec --socket "$1" -- \
		cat /etc/resolv.conf | grep -q 10.77.0.9' sh "$tmp/share/vsock"
	ok $? 'a late answer: its DNS is added'
	is "$(in_guest cat /etc/resolv.conf | tr '\n' ' ')" \
		'search test.example nameserver 192.0.2.1 nameserver 10.77.0.9 ' \
		'to what there was'
	stop
else
	skip "network" "no ip(8) or no udhcpd"
fi

# ---- what goes wrong --------------------------------------------------------

hear_announcements
sed -i 's|^root.*|root /nowhere none bind|' "$tmp/config"
timeout 60 unshare -fpmuni --kill-child sh "$tmp/stage" 2>/dev/null
wait "$listener"
like "$(cat "$tmp/agent.log")" \
	"cannot mount root: /nowhere .none.: No such file" \
	"no root: one clear line"
like "$(tr '\0' ' ' <"$tmp/announced")" "cannot mount root: /nowhere" \
	"which the host is told"
done_testing
