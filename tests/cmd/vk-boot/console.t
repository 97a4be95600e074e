#!/bin/sh
# SPDX-License-Identifier: MIT
# The guest's console: watched, typed into, by several and late; and terminals.
# A VM under User-mode Linux will do.
. "$(dirname "$0")/../../lib.sh"
have busybox 'the image is made of it'

export VK_ENGINE="${VK_ENGINE:-uml}"
export XDG_RUNTIME_DIR="$tmp/run"
mkdir "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
cd "$tmp" || exit 1

mkdir -p root/bin root/tmp
cp "$(command -v busybox)" root/bin/busybox
for name in sh sleep cat stty; do ln -s busybox "root/bin/$name"; done
cat >root/talk <<'END'
# Says what is typed, until that is "end".
exec 3<>/dev/hvc0
stty -F /dev/hvc0 -echo
echo listening >&3
while read -r line <&3; do
	echo "heard $line" >&3
	[ "$line" != end ] || exit 5
done
END
tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4

boot() { timeout 100 vk-boot --boot-timeout 90s "$@"; }
# typist FIFO: a writer that stays, on descriptor 9.
typist() {
	mkfifo "$1"
	exec 9<>"$1"
}
# seen FILE TEXT
seen() { await 60 grep -aq "$2" "$1"; }

# ---- the control socket ----

boot --name one --console unix:sock root.ext4 -- sh /talk </dev/null \
	>one.out 2>&1 &
vm=$!
await 30 test -S "$XDG_RUNTIME_DIR/vk/one/control"
is "$(stat -c %A sock)" srw------- 'the socket is the owner'\''s alone'
typist one.in
timeout 100 vk-control one console <one.in >one.seen &
first=$!
seen one.seen listening
ok $? 'the console is watched'
echo abc >&9
seen one.seen 'heard abc'
ok $? 'and typed into'
timeout 100 vk-control one console </dev/null >two.seen &
second=$!
seen two.seen 'heard abc'
ok $? 'one who comes late is shown what was said'
echo end >&9
wait "$first" "$second"
ok $? 'both end with the VM'
like "$(tr -d '\r' <two.seen)" '^heard end$' 'and have seen its last word'
wait "$vm"
is $? 5 'the command ended'
[ ! -e sock ]
ok $? 'the socket is gone'
exec 9>&-

# ---- standard input and output ----

typist stdio.in
boot --console stdio root.ext4 -- sh -c 'echo to >&2; cat; sh /talk' \
	<stdio.in >stdio.out 2>stdio.err &
vm=$!
seen stdio.out listening
ok $? '--console stdio: it is on standard output'
echo end >&9
wait "$vm"
is $? 5 'and on standard input'
like "$(tr -d '\r' <stdio.out)" '^heard end$' 'to the last word'
is "$(cat stdio.err)" to 'the command speaks on standard error'
exec 9>&-

# ---- terminals ----

if command -v script >/dev/null; then
	timeout 100 script -qec 'vk-boot -t root.ext4 -- stty -a; stty -a' \
		/dev/null </dev/null >tty.out 2>&1
	like "$(tr -d '\r' <tty.out)" '^speed .*; rows [0-9]+; columns' \
		'-t: the command has a terminal'
	like "$(tail -n 8 tty.out | tr -d '\r')" '(^| )icanon( |$)' \
		'ours is as it was afterwards'
else
	skip 'a terminal' 'script is not installed'
fi

boot --name pty --console pty root.ext4 -- sh /talk </dev/null \
	>pty.out 2>pty.err &
vm=$!
seen pty.err 'the console is /dev/pts'
terminal=$(sed -n 's/.*the console is //p' pty.err)
timeout 100 cat "$terminal" >pty.seen 2>/dev/null &
cat=$!
seen pty.seen listening
ok $? '--console pty: a terminal'
printf 'end\r' >"$terminal"
wait "$vm"
is $? 5 'that takes input'
kill "$cat" 2>/dev/null

boot --name none --console none root.ext4 -- true </dev/null >out 2>&1 &
vm=$!
await 30 test -S "$XDG_RUNTIME_DIR/vk/none/control"
[ ! -e "$XDG_RUNTIME_DIR/vk/none/console.log" ]
ok $? '--console none: no file'
wait "$vm"

run vk-boot --show -a foo=1 root.ext4
is "$rc" 0 '--show'
like "$(cat "$out")" '^cmdline rdinit=/vk/agent .* foo=1$' \
	'says the kernel parameters'
like "$(cat "$out")" '^kernel /' 'and the kernel'
like "$(cat "$out")" '^root /dev/vda ext4' "and the agent's configuration"

run vk-boot --console what root.ext4
is "$rc" 64 'an unknown place is refused'
like "$(cat "$err")" 'what: not log, none, stdio, pty or unix:PATH' 'by name'

# ---- nobody reads what is said ----

mkfifo stuck
exec 8<>stuck
head -c 65536 /dev/zero >&8 # all that it holds
boot --name unheard --timeout 3s root.ext4 -- sleep 1000 </dev/null >/dev/null \
	2>stuck &
vm=$!
await 60 test -e "$XDG_RUNTIME_DIR/vk/unheard/control"
over() { [ ! -e "$XDG_RUNTIME_DIR/vk/unheard" ]; }
await 60 over
ok $? '--timeout: the VM ends, though nobody reads what is said of it'
timeout 100 cat <stuck >stuck.seen &
wait "$vm"
is $? 124 'and vk-boot when it is read'
await 10 grep -aq 'stopped after 3 s' stuck.seen
ok $? 'which it is'
done_testing
