#!/bin/sh
# SPDX-License-Identifier: MIT
# lab.t - scripts/lab: what goes in, what comes out, and what is left behind
# takes: 35 s
. "$(dirname "$0")/../lib.sh"

have qemu-system-x86_64
lab=$top/scripts/lab
TMPDIR=$tmp
export TMPDIR
# Folders of labs, and processes of this test's labs: they name the folder.
folders() { find "$tmp" -maxdepth 1 -name 'vk-lab.*' | wc -l; }
processes() {
	for argv in /proc/[0-9]*/cmdline; do
		tr '\0' ' ' 2>/dev/null <"$argv" | grep -F "$tmp/vk-lab."
	done | wc -l
}
# shellcheck disable=SC2317 # called by await
nothing_left() { [ "$(processes)" -eq 0 ]; }

run "$lab"
is "$rc" 64 'no command is a usage error'
run "$lab" -m x true
is "$rc" 64 'memory must be a number'
run "$lab" -w "$tmp/nowhere" true
is "$rc" 125 'a folder to write to must be there'
run "$lab" -n -c 2 true
is "$rc" 125 'instructions are counted on one processor'

# One start for all that one command can show.
cat >"$tmp/inside" <<'END'
echo "to stdout"
echo "to stderr" >&2
printf '<%s>' "$@"
echo
cat
pwd
echo "$VK_TEST_VALUE"
ls -l /dev/kvm
echo changed >"$tmp/unwritable/file"
cat "$tmp/unwritable/file"
echo result >"$tmp/writable/file"
head -c 100000 /dev/zero
exit 42
END
mkdir "$tmp/unwritable" "$tmp/writable"
echo original >"$tmp/unwritable/file"
VK_TEST_VALUE="it's
two lines"
export VK_TEST_VALUE tmp
printf 'standard input' >"$tmp/input"
cd "$tmp/writable" || exit 1
# shellcheck disable=SC2016 # nothing is to be expanded
run "$lab" -i -t 120 -w "$tmp/writable" -- sh "$tmp/inside" 'a b' "it's
 two" '' '$x' "*" <"$tmp/input"
cd "$top" || exit 1
is "$rc" 42 'the exit status comes out'
is "$(cat "$err")" 'to stderr' 'standard error comes out, alone'
is "$(tr -d '\0' <"$out" | grep -v kvm)" "to stdout
<a b><it's
 two><><\$x><*>
standard input$tmp/writable
it's
two lines
changed" 'standard output comes out; arguments, input, folder, environment go in'
like "$(tr -d '\0' <"$out")" '^crw-rw---- .* kvm .*/dev/kvm$' 'there is /dev/kvm'
is "$(tr -dc '\0' <"$out" | wc -c)" 100000 'binary output comes out whole'
is "$(cat "$tmp/unwritable/file")" original 'what is written is discarded'
is "$(cat "$tmp/writable/file")" result 'but not in a writable folder'
await 5 nothing_left
is "$(folders) $(processes)" '0 0' 'nothing is left'

# An ordinary user; a command that a signal ends.
run "$lab" -t 120 -u nobody -- sh -c 'id -u; id -Gn | tr " " "\n" |
	grep -x kvm; : >/dev/kvm && echo may; kill -9 $$'
is "$(cat "$out")" '65534
kvm
may' 'an ordinary user may use /dev/kvm'
is "$rc" 137 'a signal shows in the status'
is "$(cat "$err")" '' 'and nowhere else'

# Out of time.
run "$lab" -t 30 -- sh -c 'echo begun; exec sleep 1000'
is "$rc" 124 'a command that takes too long is ended'
is "$(cat "$out")" begun 'what it said before is not lost'
like "$(cat "$err")" 'did not end within 30 seconds' 'the reason is given'
await 5 nothing_left
is "$(folders) $(processes)" '0 0' 'nothing is left'

# A machine that no longer says that it lives.
cat >"$tmp/age" <<'END'
while sleep 0.3; do touch -c -d '1 hour ago' "$1"/vk-lab.*/alive; done
END
sh "$tmp/age" "$tmp" &
ager=$!
run "$lab" -t 120 -- sleep 1000
kill "$ager"
is "$rc" 125 'a machine that hangs is a failure of the lab'
like "$(cat "$err")" '^lab: the machine hangs$' 'which is said'
await 5 nothing_left
is "$(folders) $(processes)" '0 0' 'nothing is left'

# A machine that dies under its command.
if [ "$(id -u)" -eq 0 ]; then
	run "$lab" -t 120 -- sh -c 'echo c >/proc/sysrq-trigger; sleep 100'
	is "$rc" 125 'a kernel panic is a failure of the lab'
	like "$(cat "$err")" 'sysrq triggered crash' 'the console is shown'
else
	skip 'a kernel panic' 'only root can cause one'
	skip 'the console is shown' 'only root can cause a panic'
fi

# Killed: QEMU and the rest end, the next run takes the folder away.
mkfifo "$tmp/began"
"$lab" -t 120 -- sh -c 'echo began; exec sleep 1000' >"$tmp/began" 2>/dev/null &
victim=$!
read -r line <"$tmp/began"
is "$line" began 'output comes out while the command runs'
kill -KILL "$victim"
await 20 nothing_left
ok $? 'kill -9 of the lab leaves no process'
wait "$victim" 2>/dev/null
is "$(folders)" 1 'its folder is left'
# A run that fails at once is run enough to clean up.
PATH=$tmp/none:$PATH run "$lab" -t 1 -- true
is "$(folders)" 0 'until the next run'

done_testing
