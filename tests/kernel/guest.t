#!/bin/sh
# SPDX-License-Identifier: MIT
# Our kernel in a guest: it says nothing odd, drives all devices, and has what
# programs ask for.  It is not built here: a quarter of an hour is too long.
# needs: kvm
. "$(dirname "$0")/../lib.sh"
have busybox 'the image is made of it'

engine=${VK_ENGINE:-kvm}
case $engine in
uml) flavour=uml product=linux.uml make='make kernel-uml' ;;
*) flavour=pc product=vmlinux make='make kernel' ;;
esac
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vk/kernel
kernel=$cache/$("$top/kernel/build" --fingerprint $flavour)/$product
[ -f "$kernel" ] || skip_all "no kernel of this source was built ($make)"

cd "$tmp" || exit 1
made root.ext4 || {
	mkdir -p root/bin root/etc root/tmp
	cp "$(command -v busybox)" root/bin/busybox
	for name in sh cat dmesg grep sed ls readlink basename mount umount mkdir \
		echo zcat ip sort uname unshare dd losetup head tr wc; do
		ln -s busybox "root/bin/$name"
	done
	echo 'root:x:0:0::/:/bin/sh' >root/etc/passwd
	# vk-boot with what it is linked to, for a guest in the guest
	if [ "$engine" = kvm ]; then
		vk_boot=$(command -v vk-boot)
		cp "$vk_boot" "$(dirname "$vk_boot")/vk-agent" root/bin/
		for file in $(ldd "$vk_boot" | grep -o '/[^ ]*'); do
			mkdir -p "root${file%/*}"
			cp "$file" "root$file"
		done
		mkdir inner
		tar -C inner -cf - . | vk-mkext >root/inner.ext4
	fi
	tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
	keep root.ext4
}
[ -s root.ext4 ]
ok $? 'the image is made'

# Questions, each answered by a line "name: answer".  Messages are User-mode
# Linux's own where it says that it has no folder for sockets (which vk-boot
# does not want), no pseudo-terminals (there are none in its jail), that its
# input is /dev/null, and that it guards no memory.
# KVM is there for two makes of processors; each complains of the other's.
cat >questions <<'END'
ask() { name=$1; shift; echo "$name: $(eval "$@" 2>&1 | tr '\n' ' ')"; }
ask release uname -r
ask messages 'dmesg -r | grep "^<[0-4]>" | sed "s/^<.>//" | grep -v \
	-e " umid" -e make_umid -e "No pseudo-term" -e "epollctl add err" \
	-e "architecture does not have kernel memory protection" \
	-e "kvm_intel: VMX not supp" -e "kvm_amd: SVM not supp" \
	-e "$slow"'
ask unbound 'for d in /sys/bus/virtio/devices/*; do
	[ -e $d/driver ] || cat $d/device; done'
ask drivers 'for d in /sys/bus/virtio/devices/*/driver; do
	basename $(readlink $d); done | sort'
ask modules 'ls /proc/modules /lib/modules'
ask controllers cat /sys/fs/cgroup/cgroup.controllers
ask namespaces ls /proc/self/ns
ask lsm cat /sys/kernel/security/lsm
ask mem '[ -e /dev/mem ] || [ -e /dev/port ] || [ -e /proc/kcore ] || echo none'
ask config 'zcat /proc/config.gz | grep -c =y'
mkdir -p /tmp/l /tmp/u /tmp/w /tmp/m
ask overlay 'mount -t tmpfs none /tmp/u && mkdir /tmp/u/u /tmp/u/w &&
	mount -t overlay -o lowerdir=/etc,upperdir=/tmp/u/u,workdir=/tmp/u/w \
		none /tmp/m && echo x >/tmp/m/passwd && cat /tmp/u/u/passwd'
ask v1 'mkdir /tmp/cg && mount -t cgroup -o net_cls none /tmp/cg &&
	ls /tmp/cg | grep net_cls.classid'
# busybox can make these; a tunnel needs arguments that it does not know.
ask links 'for type in bridge veth wireguard dummy ifb; do
		ip link add $type-0 type $type
	done
	ip link set veth-0 master bridge-0
	ip link add macvlan-0 link dummy-0 type macvlan
	ip link add vlan-0 link dummy-0 type vlan id 5
	ls -d /sys/class/net/*-0 | sed "s/.*[/]//"'
ask rules 'ip rule add from 10.9.9.9 table 99 && ip rule | grep -c 10.9.9.9'
ask devices 'for d in net/tun fuse loop-control kmsg urandom; do
	[ -e /dev/$d ] || echo $d; done; echo all'
ask userns 'unshare -Urm sh -c "mount -t tmpfs none /tmp && echo mounted"'
ask memory 'sed -n "s/^Mem\(Total\|Free\): *//p" /proc/meminfo'
ask kallsyms 'grep " _text$" /proc/kallsyms'
ask devptp 'ls /dev/ptp0'
ask console 'echo >/dev/console && echo written'
ask processor 'grep -c -w -e svm -e vmx /proc/cpuinfo'
# Unprobed: a guest of a guest of an emulated machine is as slow as it may be.
ask nested 'ls /dev/kvm &&
	vk-boot --engine kvm --no-probe -k /dev/null /inner.ext4 -- true'
END

# An emulated processor has no microcode.  Without a word of that there is no
# cause to complain of the machine, but that it is slow.
append='' slow='^none of these$'
if [ -n "${VK_LAB:-}" ]; then
	append='spec_rstack_overflow=off'
	slow='hrtimer: interrupt took\|^clocksource: '
fi
run timeout 300 vk-boot --engine "$engine" -k "$kernel" -m 256M \
	-a "$append" --boot-timeout 240s -u root root.ext4 -- sh -c "slow='$slow'; $(cat questions)" \
	</dev/null
is "$rc" 0 'it boots' || diag "$(cat "$err")"
answer() { sed -n "s/^$1: *\(.*[^ ]\) *$/\1/p" "$out"; }

like "$(answer release)" '^[0-9.]+-vk$' 'what uname -r says'

messages=$(answer messages)
is "${messages:-none}" none 'no message of level warning or worse'
is "$(answer unbound)" '' 'each virtio device has its driver'
case $engine in
uml) drivers='virtio_blk virtio_console virtio_rng vmw_vsock_virtio_transport' ;;
*) drivers='virtio_balloon virtio_blk virtio_console virtio_rng vmw_vsock_virtio_transport' ;;
esac
is "$(answer drivers)" "$drivers" 'and these are they'
like "$(answer modules)" 'proc/modules: No such' 'there are no modules'
for controller in cpu cpuset io memory pids hugetlb misc; do
	case $engine-$controller in uml-cpuset | uml-hugetlb) continue ;; esac
	like " $(answer controllers) " " $controller " "cgroup v2: $controller"
done
for namespace in cgroup ipc mnt net pid time user uts; do
	case $engine-$namespace in uml-time) continue ;; esac
	like " $(answer namespaces) " " $namespace " "namespace: $namespace"
done
like "$(answer lsm)" 'landlock.*yama' 'security modules'
is "$(answer mem)" none 'no /dev/mem, /dev/port or /proc/kcore'
like "$(answer config)" '^[0-9]{3,}$' 'its configuration is in /proc/config.gz'
is "$(answer overlay)" x 'overlayfs over tmpfs'
is "$(answer v1)" net_cls.classid 'cgroup v1'
is "$(answer links)" \
	'bridge-0 dummy-0 ifb-0 macvlan-0 veth-0 vlan-0 wireguard-0' \
	'network devices of all kinds'
is "$(answer rules)" 1 'policy routing'
is "$(answer devices)" all 'device nodes'
is "$(answer userns)" mounted 'user and mount namespaces'
is "$(answer console)" written '/dev/console can be written to'
if [ "$engine" = kvm ]; then
	like "$(answer kallsyms)" '^ffffffff' 'the kernel is where KASLR put it'
	unlike "$(answer kallsyms)" '^ffffffff81000000 ' 'not where it was linked'
	is "$(answer devptp)" /dev/ptp0 "the host's clock"
	if [ "$(answer processor)" != 0 ]; then
		# It gets as far as the kernel that it was given.
		like "$(answer nested)" '^/dev/kvm .*not a Linux kernel' \
			'a guest can have guests'
	else
		skip 'a guest can have guests' 'not on this host'
	fi
fi
diag "memory: $(answer memory)"
done_testing
