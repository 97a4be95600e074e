#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A guest of QEMU (-netdev stream) with a distribution's kernel: it finds its
# neighbour by name, reaches the world and is reached, by both families.
# needs: release
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
for tool in curl cpio modprobe qemu-system-x86_64; do have "$tool"; done
qemu-system-x86_64 -netdev help 2>/dev/null | grep -q '^stream' ||
	skip_all 'this QEMU has no -netdev stream'
kernel=$("$top/scripts/fetch-kernel" cloud 2>/dev/null) ||
	skip_all 'no kernel of a distribution'
modules=${kernel%/*}
release=$(ls "$modules/lib/modules")

net_world
mkdir "$tmp/www"
echo world >"$tmp/www/name"
serve_http world "$tmp/www" 80
net_switch --control "$tmp/control" -p 8080:guest:80 -p '[::1]:8080:guest:80'

# ---- the guest ----

root=$tmp/root
mkdir -p "$root/bin" "$root/www" "$root/proc" "$root/sys" "$root/dev" \
	"$root/etc" "$root/modules"
cp "$(command -v busybox)" "$root/bin/"
cp "$tmp/udhcpc" "$root/lease" && sed -i 's/"$LEASE"/\/lease.got/' "$root/lease"
number=10
for module in virtio_pci virtio_net; do
	modprobe -d "$modules" -S "$release" --show-depends $module
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r file; do
	number=$((number + 1))
	cp "$file" "$root/modules/$number.ko"
done
head -c 2000000 /dev/urandom >"$root/www/big"
echo guest >"$root/www/name"
cat >"$root/init" <<'END_INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in /modules/*; do
	insmod $module 2>/dev/null
done
ip link set lo up
ip link set eth0 up
udhcpc -f -q -n -t 60 -T 1 -i eth0 -s /lease -x hostname:guest >/dev/null 2>&1
echo 'nameserver 10.76.0.1
search lan' >/etc/resolv.conf
until ip -6 addr show dev eth0 scope global | grep -v tentative |
	grep -q inet6; do
	usleep 50000
done
# get ADDRESS: what is there under the path /name
get() {
	printf 'GET /name HTTP/1.0\r\n\r\n' | nc -w 20 "$1" 80 | sed '1,/^\r$/d'
}
echo "said world $(get 198.51.100.1)"
echo "said world6 $(get 2001:db8:1::1)"
echo "said neighbour $(get one.lan)"
six=$(nslookup -type=aaaa one.lan | sed -n 's/^Address: \(fd.*\)/\1/p')
echo "said neighbour6 $(get "$six")"
ping -c 1 -W 20 one >/dev/null && echo 'said ping yes'
echo 'said ready yes'
httpd -f -p '[::]:80' -h /www
END_INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null) >"$tmp/initramfs"

# ---- its neighbour ----

net_vm one "$tmp/lan" -o
mkdir "$tmp/one"
echo one >"$tmp/one/name"
serve_http one "$tmp/one" 80
# The switch knows an address by SLAAC once it was used.
run vm one ping -c 1 -W 20 fd76:6b00::1
is "$rc" 0 'a neighbour'

qemu-system-x86_64 -accel tcg -M q35 -m 128 -display none -nodefaults \
	-no-reboot -serial stdio -kernel "$kernel" -initrd "$tmp/initramfs" \
	-append 'console=ttyS0 quiet panic=-1' \
	-netdev "stream,id=n,addr.type=unix,addr.path=$tmp/lan" \
	-device virtio-net-pci,netdev=n,mac=52:54:00:00:00:01 \
	</dev/null >"$tmp/console" 2>&1 &
qemu=$!
at_exit "end $qemu"
await 120 grep -q 'said ready' "$tmp/console"
ok $? 'the guest is up' || diag "$(cat "$tmp/console")"
said() { tr -d '\r' <"$tmp/console" | sed -n "s/^said $1 //p"; }
is "$(said world)" world 'it reaches the world'
is "$(said world6)" world 'by IPv6'
is "$(said neighbour)" one 'and its neighbour by name'
is "$(said neighbour6)" one 'by IPv6'
is "$(said ping)" yes 'ping'

await 20 vm one curl -sS -m 5 -o /dev/null http://guest/name
sum=$(sha256sum <"$root/www/big")
for family in 4 6; do
	is "$(vm one curl -$family -sS -m 20 http://guest/big | sha256sum)" \
		"$sum" "a neighbour reaches it by name: IPv$family"
done
is "$(curl -sS -m 20 http://127.0.0.1:8080/big | sha256sum)" "$sum" \
	'and the host by a published port'
is "$(curl -sS -m 20 'http://[::1]:8080/big' | sha256sum)" "$sum" 'by IPv6'
like "$(control '{"command":"ports"}')" '"name":"guest".*"offload":false' \
	'its frames are plain'
kill "$qemu"
wait "$qemu" 2>/dev/null
await 5 sh -c "! printf '{\"command\":\"ports\"}\n' |
	socat -t 1 - UNIX-CONNECT:$tmp/control | grep -q '\"name\":\"guest\"'"
ok $? 'it is gone when it is gone'
net_switch_stop
is "$rc" 0 'ends well'
done_testing
