#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-exec and the agent, natively: the agent is an ordinary process behind a
# unix socket, so that what is tested is the two of them and no emulation.
#
#	VK_TEST_BYTES	how much is sent each way (128 MiB, sanitized 16 MiB)
# takes: 30 s

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
have socat "it takes a connection, and says nothing"

# Sanitizers find in the first megabytes what they find.
case $build in
*/asan) bytes=${VK_TEST_BYTES:-16777216} ;;
*) bytes=${VK_TEST_BYTES:-134217728} ;;
esac
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
unset LANG LC_ALL TZ
mkdir -m 700 "$tmp/run" "$tmp/run/vk" "$tmp/run/vk/t"
vk-agent --listen "unix:$tmp/run/vk/t/vsock" 2>"$tmp/agent.log" &
agent=$!
at_exit "end $agent; wait $agent"
run vk-exec --wait-ready --timeout 60s t
is "$rc" 0 "--wait-ready waits until commands can be run"
run vk-exec --wait-ready --timeout 200ms nobody-of-that-name
is "$rc" 66 "--wait-ready gives up after --timeout"
vk-exec -n t true # its /dev/null stays
descriptors=$(find "/proc/$agent/fd" -type l | wc -l)

# ---- streams and statuses ---------------------------------------------------

run vk-exec t sh -c 'echo hi; echo oops >&2; exit 42'
is "$rc $(cat "$out") $(cat "$err")" "42 hi oops" "stdout, stderr and status"
is "$(echo abc | vk-exec t cat)" abc "stdin reaches the command"
is "$(echo abc | vk-exec -n t cat)" "" "-n: it does not"
timeout 60 vk-exec t cat <&- >"$out" 2>"$err"
is "$? $(cat "$out" "$err")" "0 " "stdin is closed: it is at its end"
timeout 60 vk-exec t sh -c 'echo hi; echo oops >&2; exit 42' >&- 2>&-
is $? 42 "stdout and stderr are closed: the status is told"

bad=
i=0
while [ $i -le 255 ]; do
	rc=0
	vk-exec t sh -c "exit $i" </dev/null || rc=$?
	[ "$rc" -eq $i ] || bad="$bad $i:$rc"
	i=$((i + 1))
done
is "$bad" "" "256 of 256 exit codes are exact"

# The other way to end: each signal whose default is death. What is left out
# of 1 to 31 stops, continues or is ignored.
bad=
count=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 24 25 26 27 29 30 31 34 35 \
	36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 \
	59 60 61 62 63 64; do
	count=$((count + 1))
	rc=0
	vk-exec --status-fd 3 t sh -c "ulimit -c 0; kill -$i \$\$" </dev/null \
		3>"$tmp/status" || rc=$?
	[ "$rc" -eq $((128 + i)) ] &&
		grep -q "^{\"signal\": $i," "$tmp/status" || bad="$bad $i:$rc"
done
is "$bad" "" "$count of $count deaths by signal are exact"
for i in 17 18 23 28; do
	rc=0
	vk-exec t sh -c "kill -$i \$\$; exit 9" </dev/null || rc=$?
	[ "$rc" -eq 9 ] || bad="$bad $i:$rc"
done
is "$bad" "" "signals that do not kill do not end it"
vk-exec --status-fd 3 t sh -c 'exit 3' </dev/null 3>"$tmp/status"
like "$(cat "$tmp/status")" \
	'^\{"exited": 3, "id": [0-9]+, "pid": [0-9]+, "core": false\}$' "--status-fd"
run vk-exec --status-fd 9 t true 9>&-
is "$rc" 64 "--status-fd: one that is not open is no later one's of our own"
vk-exec --status-fd 3 t no-such-command 3>"$tmp/status" 2>/dev/null
like "$(cat "$tmp/status")" '^\{"failed": 127, ' "of what never ran"

# The quickest of three: this machine may have other things to do.
took=
for _ in 1 2 3; do
	start=$(date +%s%N)
	run vk-exec t no-such-command
	took="$took $((($(date +%s%N) - start) / 1000000))"
done
is "$rc" 127 "a missing command: 127"
like "$(cat "$err")" "no-such-command: command not found" "which one"
quickest=$(echo "$took" | tr ' ' '\n' | sort -n | sed -n 2p)
ok $((quickest >= 5000)) "answered at once ($quickest ms)"
run vk-exec t /etc/passwd
is "$rc" 126 "what cannot be run: 126"
run vk-exec t ""
is "$rc" 127 "an empty name: 127"
run vk-exec nobody-of-that-name true
is "$rc" 125 "no such VM: 125"
like "$(cat "$err")" "nobody-of-that-name: no such VM runs" "and why"
run vk-exec t
is "$rc" 125 "no command: 125"
if command -v socat >/dev/null; then
	# As vk-boot answers for a guest that is not up.
	socat "UNIX-LISTEN:$tmp/starting,fork" SYSTEM:'read -r word' &
	at_exit "end $!"
	await 5 [ -S "$tmp/starting" ]
	run vk-exec --socket "$tmp/starting" true
	is "$rc" 125 "a VM that is not up yet: 125"
	like "$(cat "$err")" "--wait-ready waits for that" "and what to do"
else
	skip "a VM that is not up yet" "no socat"
fi

# ---- what is given arrives --------------------------------------------------

nl='
'
bytes_of() { printf '<%s>\n' "$@" | od -An -tx1 | tr -d ' \n'; }
bin=$(printf '\377\200x\001')
is "$(vk-exec t printf '<%s>\n' "a b" '"q" '"'s'" "l1${nl}l2" '' '*' '$HOME' \
	"$bin" ';' -- -x | od -An -tx1 | tr -d ' \n')" \
	"$(bytes_of "a b" '"q" '"'s'" "l1${nl}l2" '' '*' '$HOME' "$bin" ';' -- -x)" \
	"arguments with spaces, quotes, newlines, nothing and no UTF-8"
long=$(head -c 131000 /dev/zero | tr '\0' x)
is "$(vk-exec t printf %s "$long" | cksum)" "$(printf %s "$long" | cksum)" \
	"an argument of 128 KiB"
is "$(vk-exec --clear-env t env | sort | tr '\n' ' ')" \
	"HOME=$(awk -F: '$1 == "root" {print $6}' /etc/passwd) HOSTNAME=$(hostname) PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin " \
	"the environment of a container, and no word more"
is "$(SECRET=1 LANG=xx LC_TIME=yy TZ=zz vk-exec t env | sort | grep -v HO |
	tr '\n' ' ')" \
	"LANG=xx LC_TIME=yy PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TZ=zz " \
	"of ours only the locale and the time zone are passed on"
printf '# comment\nF1=from file\nPASSED\n' >"$tmp/env"
is "$(PASSED=on vk-exec -e A='b c' -e HOME=/x -E "$tmp/env" t \
	sh -c 'echo "$A|$HOME|$F1|$PASSED"')" "b c|/x|from file|on" \
	"-e and -E"
is "$(vk-exec -w /usr t pwd)" /usr "-w"
run vk-exec -w /no/such/dir t pwd
is "$rc" 126 "-w where there is nothing: 126"
if [ "$(id -u)" -eq 0 ]; then
	is "$(vk-exec -u nobody t sh -c 'id -u; echo "$HOME"' | tr '\n' ' ')" \
		"65534 $(awk -F: '$1 == "nobody" {print $6}' /etc/passwd) " \
		"-u name"
	is "$(vk-exec -u 1234:567 t id | sed 's/([^)]*)//g')" \
		"uid=1234 gid=567 groups=567" "-u uid:gid"
	is "$(vk-exec -u 1234 t sh -c 'id -g; echo $HOME; echo x >/dev/stdout
		echo y >>/dev/stderr' 2>&1 | tr '\n' ' ')" "0 / x y " \
		"-u uid: group 0, home /; stdout can be opened anew"
	run vk-exec -u nosuchuser t true
	is "$rc" 125 "an unknown user: 125"
else
	skip "-u" "not root"
fi

# ---- much of it -------------------------------------------------------------

head -c "$bytes" /dev/urandom >"$tmp/random"
sum=$(cksum <"$tmp/random")
is "$(vk-exec t cksum <"$tmp/random")" "$sum" "$bytes bytes in, unchanged"
is "$(vk-exec -n t cat "$tmp/random" | cksum)" "$sum" "as many out"
is "$(vk-exec t cat <"$tmp/random" | cksum)" "$sum" "and both ways"
rm "$tmp/random"
vk-exec -n t sh -c 'i=0; while [ $i -lt 2000 ]; do echo $i; echo $i >&2
	i=$((i+1)); done' >"$tmp/o" 2>"$tmp/e"
is "$(cksum <"$tmp/o") $(cksum <"$tmp/e")" \
	"$(seq 0 1999 | cksum) $(seq 0 1999 | cksum)" \
	"stdout and stderr, interleaved, each whole and in order"
is "$(vk-exec t yes | head -1)" y "a reader that goes away"

# A stdout that nobody reads holds up neither stderr nor the status.
mkfifo "$tmp/full"
sleep 60 <>"$tmp/full" &
sleeper=$!
at_exit "end $sleeper"
exec 4<>"$tmp/full"
vk-exec -n t sh -c 'yes | head -c 1000000 & sleep 0.2; echo here >&2; wait' \
	>"$tmp/full" 2>"$tmp/e" &
blocked=$!
await 5 grep -q here "$tmp/e"
ok $? "a blocked stdout does not hold up stderr"
kill -9 $blocked
wait $blocked 2>/dev/null
exec 4<&-

i=0
pids=
while [ $i -lt 100 ]; do
	vk-exec t sh -c "exit $i" </dev/null &
	pids="$pids $!"
	i=$((i + 1))
done
bad=
i=0
for pid in $pids; do
	rc=0
	wait "$pid" || rc=$?
	[ "$rc" -eq $i ] || bad="$bad $i:$rc"
	i=$((i + 1))
done
is "$bad" "" "100 at once"

# ---- ends -------------------------------------------------------------------

rc=0
vk-exec --timeout 300ms t sleep 60 </dev/null || rc=$?
is "$rc" 124 "--timeout"
rc=0
vk-exec --timeout 200ms --grace 200ms t sh -c 'trap "" TERM; sleep 60 & wait
	while :; do sleep 1; done' </dev/null || rc=$?
is "$rc" 124 "--timeout of what ignores TERM"

vk-exec t sh -c 'trap "echo usr1; exit 3" USR1; echo ready; while :; do
	sleep 0.05; done' </dev/null >"$tmp/o" 2>/dev/null &
pid=$!
await 5 grep -q ready "$tmp/o"
kill -USR1 $pid
rc=0
wait $pid || rc=$?
is "$rc $(tail -1 "$tmp/o")" "3 usr1" "signals are passed on"
# env: a shell's background command ignores INT and QUIT.
for signal in HUP QUIT TERM USR2 CONT; do
	: >"$tmp/o"
	env --default-signal vk-exec t sh -c "trap 'echo $signal; exit 4' $signal
		echo ready; while :; do sleep 0.05; done" </dev/null >"$tmp/o" &
	pid=$!
	await 5 grep -q ready "$tmp/o"
	kill -$signal $pid
	rc=0
	wait $pid || rc=$?
	is "$rc $(tail -n 1 "$tmp/o")" "4 $signal" "SIG$signal, too"
done
: >"$tmp/o"
vk-exec t sh -c "trap 'echo stop >$tmp/told' TSTP; trap 'exit 6' CONT
	echo ready; while :; do sleep 0.05; done" </dev/null >"$tmp/o" &
pid=$!
await 5 grep -q ready "$tmp/o"
kill -TSTP $pid
stands_still() { ps -o stat= -p "$pid" | grep -q ^T; }
await 5 stands_still
ok $? "SIGTSTP stops vk-exec"
# Before SIGCONT, which would take it back.
await 5 grep -q stop "$tmp/told"
ok $? "and is passed on"
kill -CONT $pid
rc=0
wait $pid || rc=$?
is "$rc" 6 "and so is SIGCONT"
# A shell's background command ignores SIGINT, and then so do we.
rc=0
timeout --preserve-status --foreground -s INT 0.5 \
	vk-exec t sleep 61.5 </dev/null || rc=$?
is "$rc" 130 "SIGINT: 130"

# What sleeps so long is ours, and not that of a test beside this one.
naps() { pgrep "$@" -f "^sleep 62.$$\$"; }
no_nap() { ! naps; }
both_nap() { [ "$(naps -c)" -eq 2 ]; }
vk-exec t sh -c "sleep 62.$$ & (trap '' TERM; sleep 62.$$; :) & wait" </dev/null &
pid=$!
await 5 both_nap
kill -9 $pid
wait $pid 2>/dev/null
await 2 no_nap
ok $? "kill -9 of vk-exec: nothing is left"
vk-exec t sh -c "setsid sleep 66.$$ >/dev/null 2>&1 & exec sleep 62.$$" \
	</dev/null &
pid=$!
service() { pgrep -f "^sleep 66.$$\$"; }
await 5 naps
await 5 service
kill -9 $pid
wait $pid 2>/dev/null
await 2 no_nap
service >/dev/null
ok $? "but a service, which has a session of its own"
kill "$(service)"
is "$(vk-exec t sh -c 'sleep 3 >/dev/null & echo done')" "done" \
	"a child in the background holds nothing up"
start=$(date +%s)
vk-exec -n t sh -c 'sleep 15 & echo done' >/dev/null
ok $(($(date +%s) - start > 10)) "not even one that holds stdout"

# ---- sessions that stay -----------------------------------------------------

id=$(vk-exec -d t sh -c 'echo out; echo err >&2; exec sleep 635')
like "$(vk-exec --list t)" "^ *$id .*running *detached" "-d and --list"
like "$(vk-exec --list --json t)" "\"id\": $id, .*\"command\": \"sh -c " \
	"--list --json"
# shellcheck disable=SC2046 # words
many=$(vk-exec -d t sh -c 'exec sleep 635' sh $(seq 20000))
script=$(vk-exec -d t sh -c 'if true
	then	exec sleep 635; fi')
is "$(vk-exec --list --json t | grep -c '"id":')" 3 \
	"no command hides other sessions, or looks like one"
vk-exec --kill KILL t "$many"
vk-exec --kill KILL t "$script"
await 5 sh -c "vk-exec --logs t $id 2>&1 | grep -q err"
run vk-exec --logs t "$id"
is "$(cat "$out") $(cat "$err")" "out err" "--logs keeps the streams apart"
vk-exec --logs -f t "$id" >"$tmp/followed" 2>/dev/null &
follower=$!
await 5 test -s "$tmp/followed"
is "$(cat "$tmp/followed")" out "--logs -f"
looped=$(vk-exec -d t sh -c 'while :; do echo more; sleep 0.02; done')
for looker in "--logs -f t $looped" "--attach $looped t"; do
	# shellcheck disable=SC2086 # words
	{
		timeout -k 1 60 vk-exec $looker </dev/null
		echo $? >"$tmp/status"
	} | head -n 1 >/dev/null
	is "$(cat "$tmp/status")" 141 "${looker%% *}: a reader that goes away"
done
like "$(vk-exec --list t)" "^ *$looped .*running" "the command goes on"
vk-exec --kill KILL t "$looped"
for signal in INT TERM; do
	rc=0
	timeout --foreground -k 60 -s $signal 0.3 vk-exec --logs -f t "$id" \
		>/dev/null 2>&1 || rc=$?
	is "$rc" 124 "SIG$signal ends --logs -f" # 137: KILL had to
done
run vk-exec --kill TERM t "$id"
is "$rc" 0 "--kill"
wait $follower
ok $? "--logs -f ends with the session"
run vk-exec --attach "$id" t
is "$rc" 143 "--attach tells how it ended"
id=$(vk-exec -d -i t cat)
is "$(echo late | vk-exec --attach "$id" t)" late "-d -i keeps stdin"
first=$(vk-exec -d t sleep 67)
second=$(vk-exec -d t sleep 67)
vk-exec --kill HUP t all
for id in "$first" "$second"; do
	run vk-exec --attach "$id" t
	is "$rc" 129 "--kill all"
done
run vk-exec --attach 9999 t
is "$rc" 125 "--attach to nothing"
run vk-exec -d t no-such-command
is "$rc" 127 "-d of nothing: 127"
like "$(vk-exec --ps t)" "vk-agent --listen" "--ps"
like "$(vk-exec --ps --json t)" \
	"\"pid\": $agent, .*\"name\": \"vk-agent\"" "--ps --json"

# ---- a terminal -------------------------------------------------------------

if command -v tmux >/dev/null; then
	cat >"$tmp/screen" <<-'END'
		trap 'echo int' INT
		stty size
		trap 'stty size' WINCH
		echo began
		n=0
		while [ $n -lt 600 ]; do
			n=$((n + 1))
			sleep 0.1
		done
	END
	screen() { tmux -L "vk$$" capture-pane -p -t 0; }
	seen() { screen | grep -q -e "$1"; }
	keys() { tmux -L "vk$$" send-keys -t 0 "$@"; }
	# Our own prompt, last on the screen: what is typed is for it.
	prompted() { screen | grep . | tail -n 1 | grep -q "^\$ *\$"; }
	echo 'set -g status off' >"$tmp/tmux"
	tmux -L "vk$$" -f "$tmp/tmux" new-session -d -x 71 -y 19 \
		"PS1='$ ' TERM=screen exec sh"
	at_exit 'tmux -L "vk$$" kill-server 2>/dev/null'
	cat >"$tmp/go" <<-END
		stty -a >$tmp/stty1
		vk-exec -t t sh $tmp/screen
		echo status \$?
		stty -a >$tmp/stty2
	END
	# Typed earlier it would be echoed before the prompt, not behind it.
	await 10 prompted
	keys ". $tmp/go" Enter
	await 10 seen '^began'
	ok $? "a terminal: the command is there" || screen | diag
	await 10 seen "^19 71"
	ok $? "of the size of ours"
	keys C-c
	await 5 seen '^.*int'
	ok $? "CTRL-C reaches it"
	tmux -L "vk$$" resize-window -t 0 -x 80 -y 24
	await 5 seen '^24 80'
	ok $? "and so does a new size"
	keys C-z
	# shellcheck disable=SC1003
	keys 'C-\'
	await 5 seen 'status 131$'
	ok $? "CTRL-BACKSLASH ends it" || screen | diag
	await 5 test -s "$tmp/stty2"
	is "$(sed 's/rows [0-9]*; columns [0-9]*//' "$tmp/stty2")" \
		"$(sed 's/rows [0-9]*; columns [0-9]*//' "$tmp/stty1")" \
		"the terminal is as before"
	keys "vk-exec -e PS1=remote: -t t sh -i" Enter
	await 5 seen "^remote:"
	keys "sleep 62.$$" Enter
	await 5 naps
	keys C-z
	await 5 seen Stopped
	ok $? "CTRL-Z: job control in the guest" || screen | diag
	keys fg Enter
	# Earlier, CTRL-C would be for the shell.
	runs() { ps -o stat= -p "$(naps)" | grep -q ^S; }
	await 5 runs
	keys C-c
	await 5 no_nap
	keys "exit 5" Enter
	await 5 prompted
	keys "echo ended \$?" Enter
	await 5 seen "^ended 5"
	ok $? "its shell ends with its status" || screen | diag
	if command -v busybox >/dev/null; then
		echo "shown by an editor" >"$tmp/shown"
		keys "clear; vk-exec -t t busybox vi $tmp/shown" Enter
		await 5 seen "^shown by"
		ok $? "a program that draws the whole screen" || screen | diag
		keys ":q" Enter
		await 5 prompted
		keys "echo left \$?" Enter
		await 5 seen "^left 0"
		ok $? "and gives it back" || screen | diag
	fi
	id=$(vk-exec -d -i -t t sh -c "read -r _; stty size >$tmp/size" </dev/null)
	tmux -L "vk$$" resize-window -t 0 -x 61 -y 17
	keys "clear; vk-exec -t --attach $id t" Enter
	await 10 sh -c "vk-exec --list t | grep -q '^ *$id .*attached'"
	keys Enter
	await 10 test -s "$tmp/size"
	is "$(cat "$tmp/size")" '17 61' "--attach brings the size along"
	await 5 prompted
	socat "UNIX-LISTEN:$tmp/mute.sock" \
		"SYSTEM:touch $tmp/knocked; exec sleep 60" &
	at_exit "end $!"
	await 5 test -S "$tmp/mute.sock"
	keys "clear; vk-exec --socket $tmp/mute.sock -t true" Enter
	await 20 test -e "$tmp/knocked"
	keys C-c
	keys Enter # its prompt stood behind "^C"
	await 20 prompted
	keys "echo given up \$?" Enter
	await 10 seen "^given up 130"
	ok $? "CTRL-C ends the wait for a VM that does not answer" ||
		screen | diag
	keys "vk-exec -t t sleep 62.$$" Enter
	await 5 naps
	kill -9 "$(pgrep -o -f "^vk-exec -t t sleep 62.$$\$")"
	await 5 sh -c "stty -a <\"\$(tmux -L vk$$ display -p -t 0 '#{pane_tty}')\" |
		grep -q ' icanon'"
	ok $? "even after kill -9 of vk-exec"
	await 2 no_nap
	keys "vk-exec -t t sleep 62.$$" Enter
	await 5 naps
	tmux -L "vk$$" kill-server
	await 2 no_nap
	ok $? "closing the terminal: nothing is left"
else
	skip "a terminal" "tmux is not installed"
fi

# ---- copies -----------------------------------------------------------------

mkdir -p "$tmp/src/a/b" "$tmp/dst"
echo text >"$tmp/src/a/file"
ln "$tmp/src/a/file" "$tmp/src/a/second"
ln -s file "$tmp/src/a/link"
truncate -s 20M "$tmp/src/sparse"
printf x | dd of="$tmp/src/sparse" bs=1 seek=5000000 conv=notrunc 2>/dev/null
chmod 4751 "$tmp/src/a/file"
mkfifo "$tmp/src/fifo"
attributes=
setfattr -n user.mine -v value "$tmp/src/sparse" 2>/dev/null &&
	setfattr -n user.mine -v dir "$tmp/src/a" && attributes=y
[ -z "$attributes" ] || [ "$(id -u)" -ne 0 ] ||
	setfattr -n trusted.mine -v secret "$tmp/src/sparse" || attributes=
touch -d '2001-02-03 04:05:06.789' "$tmp/src/a/b/old"
touch "$tmp/src/a/$(printf 'sp ace\nnew\351line')"
touch -h -d '2002-02-03' "$tmp/src/a/link"
chmod 555 "$tmp/src/a/b"
listing() {
	(cd "$1" && find . -printf '%p %y %m %U:%G %T@ %s %n %l\n' | sort)
}
run vk-exec cp -r "$tmp/src" "t:$tmp/dst"
is "$rc" 0 "cp -r into the VM"
is "$(listing "$tmp/dst/src")" "$(listing "$tmp/src")" \
	"owners, modes, times, links and kinds are the same"
ok "$(diff "$tmp/src/sparse" "$tmp/dst/src/sparse" >/dev/null; echo $?)" \
	"contents are the same"
ok $(($(du -k "$tmp/dst/src/sparse" | cut -f1) > 100)) "holes stay holes"
attributes_of() { (cd "$1" && getfattr -R -h -d -m "$2" . 2>/dev/null); }
if [ -n "$attributes" ]; then
	is "$(attributes_of "$tmp/dst/src" '^(user|trusted)')" \
		"$(attributes_of "$tmp/src" '^(user|trusted)')" \
		"extended attributes go in"
else
	skip "extended attributes go in" "none can be set here"
fi
run vk-exec cp -r "t:$tmp/src" "$tmp/back"
is "$rc" 0 "cp -r out of it, under another name"
is "$(listing "$tmp/back" | sed 's/ 4751 / 751 /')" \
	"$(listing "$tmp/src" | sed 's/ 4751 / 751 /')" \
	"the same, but for set-id bits"
unlike "$(stat -c %a "$tmp/back/a/file")" 4751 "set-id does not leave the VM"
ok $(($(du -k "$tmp/back/sparse" | cut -f1) > 100)) "holes stay holes"
if [ -n "$attributes" ]; then
	is "$(attributes_of "$tmp/back" '^(user|trusted)')" \
		"$(attributes_of "$tmp/src" '^user')" \
		"of attributes only the user's come out"
else
	skip "of attributes only the user's come out" "none can be set here"
fi
run vk-exec cp "$tmp/src" "t:$tmp/dst"
is "$rc" 1 "a directory needs -r"
echo new >"$tmp/dst/old"
run vk-exec cp "t:$tmp/src/a/file" "$tmp/dst/old"
is "$rc $(cat "$tmp/dst/old")" "0 text" "a file replaces a file"
ln -s old "$tmp/dst/link to old"
echo other >"$tmp/dst/old"
run vk-exec cp "t:$tmp/src/a/file" "$tmp/dst/link to old"
is "$rc $(cat "$tmp/dst/old") $(readlink "$tmp/dst/link to old")" \
	"0 text old" "through a link to it"
mkfifo "$tmp/fifo"
for to in "$tmp/fifo" "t:$tmp/fifo"; do
	run vk-exec cp "t:$tmp/src/a/file" "$to"
	[ -p "$tmp/fifo" ]
	is "$rc $?" "1 0" "nothing takes a device's place: ${to%%/*}"
done
tar cf - -C "$tmp/src" . | vk-exec cp - "t:$tmp/dst/"
is "$(cd "$tmp/dst" && find a -printf '%p %y %m %s %n %l\n' | sort)" \
	"$(cd "$tmp/src" && find a -printf '%p %y %m %s %n %l\n' | sort)" \
	"a tar goes in"
is "$(vk-exec cp "t:$tmp/src" - | tar tf - | sort)" \
	"$(tar cf - -C "$tmp" src | tar tf - | sort)" "and out"
mkdir "$tmp/untar"
vk-exec cp "t:$tmp/src" - | tar xpf - -C "$tmp/untar"
is "$(cd "$tmp/untar/src" && find . -printf '%p %y %m %s %n %l\n' | sort)" \
	"$(cd "$tmp/src" && find . -printf '%p %y %m %s %n %l\n' | sort)" \
	"as tar(1) reads it"
mkdir "$tmp/holes"
tar cSf - -C "$tmp/src" sparse | vk-exec cp - "t:$tmp/holes/"
ok "$(diff "$tmp/src/sparse" "$tmp/holes/sparse" >/dev/null; echo $?)" \
	"a tar that tells holes, as GNU tar does"
run vk-exec cp "t:$tmp/src/a/file" "t:$tmp/dst/between"
is "$rc $(cat "$tmp/dst/between")" "0 text" "from a VM to a VM"
mkdir "$tmp/several"
run vk-exec cp "$tmp/src/a/file" "$tmp/env" "t:$tmp/several"
is "$rc $(cat "$tmp/several/file" "$tmp/several/env")" "0 text
$(cat "$tmp/env")" "two into a directory"
run vk-exec cp "$tmp/src/a/file" "$tmp/env" "t:$tmp/dst/between"
is "$rc $(cat "$tmp/dst/between")" "1 text" "but not into a file"
run vk-exec cp "t:$tmp/nothing" "$tmp/dst"
is "$rc" 1 "nothing to copy: an error"
like "$(cat "$err")" "^vk-exec: t: nothing: No such file" "which says what"
run vk-exec cp "$tmp/src/a/file" "t:/no/such/dir/"
is "$rc" 1 "nowhere to copy to: an error"
like "$(cat "$err")" "^vk-exec: t: /no/such/dir/: No such file" "and where"
run vk-exec cp "nobody:/etc/passwd" "$tmp"
is "$rc $(head -n 1 "$err")" "66 vk-exec: nobody: no such VM runs" \
	"from a VM that does not run: that alone is said"
run vk-exec cp "t:$tmp/src/a/file" nobody:/tmp
is "$rc $(head -n 1 "$err")" "66 vk-exec: nobody: no such VM runs" \
	"to one"
run vk-exec cp "$tmp/a" "$tmp/b"
is "$rc" 64 "no VM in it: usage"
# A VM that lies: asked for "log", it sends a file of that name and what its
# owner would like to find in its user's home. Its answer is made before.
u8() { printf '%b' "\\0$(printf %o "$1")"; }
le() { # BYTES NUMBER
	le_left=$1 le_rest=$2
	while [ "$le_left" -gt 0 ]; do
		u8 $((le_rest & 255))
		le_left=$((le_left - 1)) le_rest=$((le_rest >> 8))
	done
}
size_of() { wc -c <"$1"; }
# frame TYPE STREAM, with stdin as what is in it; record TYPE: a tree's
frame() {
	cat >"$tmp/frame" && le 4 "$(size_of "$tmp/frame")" && u8 "$1" &&
		u8 "$2" && le 2 0 && cat "$tmp/frame"
}
record() {
	cat >"$tmp/record" && le 4 "$(size_of "$tmp/record")" && u8 "$1" &&
		cat "$tmp/record"
}
# sent KIND MODE PATH TARGET [TEXT]: kinds are 1 file, 2 folder, 3 symbolic, 4
# hard link, 6 device
sent() {
	{
		u8 "$1" && le 4 $(($2)) && le 4 0 && le 4 0 && le 8 0 &&
			le 4 0 && le 8 ${#5} && le 4 1 && le 4 3 &&
			le 2 ${#3} && printf %s "$3" &&
			le 2 ${#4} && printf %s "$4"
	} | record 1
	[ "$1" -ne 1 ] || {
		{ le 8 0 && printf %s "$5"; } | record 3
		record 4 </dev/null
	}
}
# lie: starts a VM of that name, which sends what is in "entries"
mkdir -m 700 "$tmp/run/vk/lie"
lie() {
	{
		printf 'OK 30315\n'
		{ printf vkxe && le 2 1 && le 2 0; } | frame 1 0
		{ cat "$tmp/entries" && record 5 </dev/null; } | frame 8 1
		frame 9 1 </dev/null
		frame 9 2 </dev/null
		le 4 0 | frame 17 0
	} >"$tmp/answer"
	rm -f "$tmp/run/vk/lie/vsock"
	socat -u "FILE:$tmp/answer,ignoreeof" \
		"UNIX-LISTEN:$tmp/run/vk/lie/vsock" &
	liar=$!
	await 5 hears "$tmp/run/vk/lie/vsock"
}
lied() { kill $liar 2>/dev/null; wait $liar 2>/dev/null; }
mkdir "$tmp/home" "$tmp/home/.ssh"
cd "$tmp/home" || exit 1
sent 1 0644 log '' new >"$tmp/entries"
lie
run vk-exec cp lie:/tmp/log .
lied
is "$rc $(cat log)" '0 new' 'what was asked for of a VM comes' ||
	diag "$(cat "$err")"
for entries in '1 0644 .profile "" rm' '2 0755 .ssh "" ""' \
	'1 0600 .ssh/authorized_keys "" key' '3 0777 log /etc/passwd ""' \
	'2 0755 log "" ""' '4 0644 log .ssh/key ""'; do
	echo key >.ssh/key
	eval "sent 1 0644 log '' newer; sent $entries" >"$tmp/entries"
	lie
	run timeout -k 1 60 vk-exec cp lie:/tmp/log .
	lied
	is "$rc $(find . | sort | tr '\n' ' ')" \
		"1 . ./.ssh ./.ssh/key ./log " "nothing else: $entries" ||
		diag "$(cat "$err")"
	like "$(cat "$err")" 'not asked for' 'which is said'
	rm -rf log .ssh/* .profile
	echo new >log
done
sent 1 0644 .profile '' rm >"$tmp/entries"
lie
vk-exec cp lie:/tmp/log - 2>"$err" | tar tf - >"$out" 2>&1
lied
unlike "$(cat "$out")" profile 'nor in a tar'
like "$(cat "$err")" 'profile: was not asked for' 'which is said'
mkdir "$tmp/other"
{ sent 1 04755 log '' tool; sent 1 0600 .profile '' rm; } >"$tmp/entries"
lie
run timeout -k 1 60 vk-exec cp lie:/tmp/log "t:$tmp/other"
lied
is "$rc $(ls -A "$tmp/other")" '1 ' 'nor into another VM'
{
	sent 2 0755 dir '' ''
	sent 1 04755 dir/tool '' tool
	sent 6 0666 dir/null '' ''
} >"$tmp/entries"
lie
run timeout -k 1 60 vk-exec cp -r lie:/tmp/dir "t:$tmp/other"
lied
is "$rc $(cd "$tmp/other" && find . -type f -printf '%p %m ')" \
	'1 ./dir/tool 755 ' 'without set-id bits and devices'
like "$(cat "$err")" 'dir/null: devices stay' 'which is said'
cd "$tmp" || exit 1

# Cut in the middle: the file that was there stays, and no half one appears.
mkdir "$tmp/cut"
mkfifo "$tmp/tar"
echo whole >"$tmp/cut/big"
truncate -s 4G "$tmp/big"
head -c 1M /dev/urandom | dd of="$tmp/big" conv=notrunc bs=1M seek=4000 \
	2>/dev/null
(
	tar cf - -C "$tmp" big | head -c 30000000
	touch "$tmp/sent"
	exec sleep 20
) >"$tmp/tar" &
sleeper2=$!
vk-exec cp - "t:$tmp/cut/" <"$tmp/tar" &
copier=$!
await 10 test -e "$tmp/sent"
kill -9 $copier $sleeper2
wait $copier 2>/dev/null
await 5 sh -c "! pgrep -P $agent"
is "$(ls -A "$tmp/cut") $(cat "$tmp/cut/big")" "big whole" \
	"a copy that is cut off leaves no half file"
head -c 400M /dev/zero >"$tmp/fat"
mkdir "$tmp/cut2"
echo whole >"$tmp/cut2/fat"
for copy in "$tmp/fat t:$tmp/cut2/" "t:$tmp/fat $tmp/cut2/"; do
	rc=0
	# shellcheck disable=SC2086 # words
	timeout -s KILL 0.1 vk-exec cp $copy || rc=$?
	await 5 sh -c "! pgrep -P $agent"
	is "$rc $(ls -A "$tmp/cut2") $(cat "$tmp/cut2/fat")" "137 fat whole" \
		"nor one that is killed, ${copy%%"$tmp"*}"
done
rm "$tmp/fat"

# ---- an image that has no file where one is looked for ----------------------

mkdir -p "$tmp/image/.vk"
mkfifo "$tmp/image/.vk/image.json"
socat -u "UNIX-LISTEN:$tmp/announce" "OPEN:$tmp/announced,creat" &
at_exit "end $!"
await 5 hears "$tmp/announce"
vk-agent --root "$tmp/image" --announce "unix:$tmp/announce" \
	--listen "unix:$tmp/image.sock" &
fifo_agent=$!
run vk-exec --socket "$tmp/image.sock" --wait-ready --timeout 60s
is "$rc" 0 "a FIFO in its place holds nothing up" || diag "$(cat "$err")"
kill "$fifo_agent"
wait "$fifo_agent"

# ---- no descriptor is free ---------------------------------------------------

vk-agent --listen "unix:$tmp/full.sock" 2>/dev/null &
full=$!
at_exit "end $full"
run vk-exec --socket "$tmp/full.sock" --wait-ready --timeout 20s
if prlimit --pid "$full" --nofile=10:6000 2>/dev/null; then
	pids=
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		socat -u "UNIX:$tmp/full.sock" OPEN:/dev/null &
		pids="$pids $!"
	done
	uses_all() { [ "$(find "/proc/$full/fd" -type l | wc -l)" -ge 10 ]; }
	await 10 uses_all
	ticks() { awk '{ print $14 + $15 }' "/proc/$full/stat"; }
	before=$(ticks)
	sleep 0.5 # as long, it waits
	used=$(($(ticks) - before))
	ok $((used > 5)) "who cannot be let in is not tried all the time ($used)"
	# shellcheck disable=SC2086 # words
	kill $pids
	# shellcheck disable=SC2086
	wait $pids
	prlimit --pid "$full" --nofile=6000
	run timeout 20 vk-exec --socket "$tmp/full.sock" true
	is "$rc" 0 "but is once there is room"
else
	skip "no descriptor is free" "its limit cannot be set"
fi
kill "$full"
wait "$full"

# ---- nobody answers ---------------------------------------------------------

socat "UNIX-LISTEN:$tmp/silent.sock" 'SYSTEM:sleep 30' &
at_exit "end $!"
await 5 hears "$tmp/silent.sock"
rc=0
timeout --foreground --preserve-status -k 60 -s INT 0.3 \
	vk-exec --socket "$tmp/silent.sock" true || rc=$?
is "$rc" 130 "SIGINT ends the wait for a VM that does not answer"

# ---- the agent's own end ----------------------------------------------------

await 5 sh -c "[ \$(ls /proc/$agent/fd | wc -l) -le $descriptors ]"
ok $? "no descriptor is left behind" || ls -l "/proc/$agent/fd"
run vk-exec --stop t
is "$rc" 0 "--stop"
await 3 sh -c "! kill -0 $agent"
ok $? "ends the agent"
is "$(cat "$tmp/agent.log")" "" "it had nothing to complain about"
done_testing
