#!/bin/sh
# SPDX-License-Identifier: MIT
# What root in a guest of User-mode Linux has of the host: nothing.
# needs: release
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'
"$top/scripts/can-boot" uml >/dev/null 2>&1 || skip_all 'no User-mode Linux'
# The distribution's: ours has no hostfs to ask.
kernel=/usr/bin/linux.uml
[ -x "$kernel" ] || skip_all 'no User-mode Linux with hostfs'

XDG_RUNTIME_DIR=$tmp/run
VK_ENGINE=uml
export XDG_RUNTIME_DIR VK_ENGINE
mkdir -m 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/etc root/mnt
cp "$(command -v busybox)" root/bin/busybox
for name in sh mount find true dd sync touch; do
	ln -s busybox "root/bin/$name"
done
printf 'root:x:0:0::/:/bin/sh\n' >root/etc/passwd
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
chmod 755 "$tmp"

# The guest's root asks its kernel for files of the host, writes some, and has
# many processes and much memory, too.
cat >look <<'END'
mount -t hostfs none /mnt || exit 1
find /mnt ! -type d
touch /mnt/made 2>/dev/null && echo 'made a file'
touch /mnt/dev/shm/made || exit 2
i=0
while [ $i -lt 100 ]; do /bin/true & i=$((i + 1)); done
wait
dd if=/dev/zero of=/big bs=1M count=40 2>/dev/null
sync
exit 42
END
# looks WHO [COMMAND...]: what vk-boot, run by COMMAND, shows to its guest.
looks() {
	who=$1
	shift
	run "$@" timeout 100 vk-boot --boot-timeout 90s -v -k "$kernel" \
		-u root root.ext4 -- sh -c "$(cat look)" </dev/null
	is "$rc" 42 "$who: a guest" || diag "$(cat "$err")"
	if grep -q 'uml: without' "$err"; then
		skip "$who: hostfs shows nothing" \
			"$(grep 'uml: without' "$err")"
		return
	fi
	is "$(sed -E 's/[0-9]+$//
		s,(/usr)?/lib[0-9]*/.*\.so(\.[0-9]*)?$,/LIBRARY,' \
		"$out" | sort -u)" "/mnt/LIBRARY
/mnt/bin/false
/mnt/dev/null
/mnt/dev/random
/mnt/proc/self/fd/" "$who: hostfs shows libraries and devices, and takes no file"
}
looks root
sed -n 's/.*sandbox: uml-kernel: //p' "$err" | tr ' ' '\n' >calls
if [ -s calls ]; then
	[ "$(wc -l <calls)" -le 75 ]
	ok $? "$(wc -l <calls) system calls at most"
fi

# What nobody keeps is open to nobody: as another user it is the same.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	as_nobody() {
		setpriv --reuid=nobody --regid=nogroup --clear-groups \
			env HOME="$tmp/nobody" XDG_CACHE_HOME="$tmp/nobody" \
			XDG_RUNTIME_DIR="$tmp/nobody" "$@"
	}
	mkdir -m 700 nobody
	chown nobody nobody
	if as_nobody test -x "$build/vk-boot" -a -r "$kernel"; then
		looks 'an ordinary user' as_nobody
	else
		skip 'an ordinary user: a guest' 'it cannot read what it needs'
	fi
fi

run timeout 100 vk-boot --no-sandbox -k "$kernel" -u root root.ext4 -- \
	sh -c 'mount -t hostfs none /mnt && exec test -d /mnt/usr' </dev/null
is "$rc" 0 '--no-sandbox: the host is there'
done_testing
