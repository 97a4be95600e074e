#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-exec -L, -R and -W natively: the agent is an ordinary process beside it,
# so that both sides' ports are of this machine.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../../lib.sh"
have socat "it is at the other end"

XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$tmp/run" "$tmp/run/vk" "$tmp/run/vk/t"
vk-agent --listen "unix:$tmp/run/vk/t/vsock" 2>"$tmp/agent.log" &
agent=$!
at_exit "end $agent; wait $agent"
vk-exec --wait-ready --timeout 60s t
descriptors=$(find "/proc/$agent/fd" -type l | wc -l)

# free_port: $port is one that nobody has, another one each time.
"$build/tests/helpers/vk-port" 20 >"$tmp/ports"
exec 5<"$tmp/ports"
free_port() { read -r port <&5; }
# forward ARGUMENT...: in the background, as $forward, until it is ready.
forward() {
	rm -f "$tmp/ready"
	mkfifo "$tmp/ready"
	vk-exec --ready-fd 3 "$@" t 3>"$tmp/ready" 2>"$err" &
	forward=$!
	timeout 60 cat "$tmp/ready" >"$tmp/line" # to its end
	is "$(od -An -c "$tmp/line" | tr -d ' ')" '\n' "ready: $*"
}
end_forward() {
	kill "$forward" 2>/dev/null
	rc=0
	wait "$forward" 2>/dev/null || rc=$?
}
through() { echo "$1" | timeout 60 socat -t 20 - "$2"; }
# serve ADDRESS: what echoes there. Of socat's own five who may wait to be
# accepted the others come again only seconds later.
serve() {
	socat "$1,fork,backlog=64" EXEC:cat &
	at_exit "end $!"
}

serve "UNIX-LISTEN:$tmp/echo"
free_port
echo=$port
serve "TCP4-LISTEN:$echo,bind=127.0.0.1,reuseaddr"
await 5 hears "$tmp/echo"
await 5 socat -u /dev/null "TCP4:127.0.0.1:$echo"
six=
if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then
	free_port
	six=$port
	serve "TCP6-LISTEN:$six,bind=[::1],reuseaddr,ipv6only"
	await 5 socat -u /dev/null "TCP6:[::1]:$six"
fi

# ---- every end with every other ---------------------------------------------

free_port
a=$port
free_port
b=$port
forward -L "$a:$echo" -L "$tmp/l1:$echo" -L "127.0.0.1:$b:$tmp/echo" \
	-L "$tmp/l2:$tmp/echo"
is "$(through one "TCP4:127.0.0.1:$a")" one "-L: a port to a port"
is "$(through two "UNIX:$tmp/l1")" two "a socket to a port"
is "$(through three "TCP4:127.0.0.1:$b")" three "a port to a socket"
is "$(through four "UNIX:$tmp/l2")" four "a socket to a socket"
is "$(stat -c %a "$tmp/l1")" 600 "which is its user's alone"
end_forward
is "$rc" 143 "they end with a signal"
is "$(cat "$err")" "" "without a word"
ok "$([ ! -e "$tmp/l1" ] && [ ! -e "$tmp/l2" ]; echo $?)" \
	"and take their sockets away"

# Killed, it can clear nothing away, and a connection is open: the next one may
# be started at once.
mkfifo "$tmp/held"
forward -L "$tmp/l1:$echo"
socat - "UNIX:$tmp/l1" <"$tmp/held" >"$tmp/came" &
exec 4>"$tmp/held"
echo here >&4
await 10 grep -q here "$tmp/came"
kill -9 "$forward"
wait "$forward" 2>/dev/null
forward -L "$tmp/l1:$echo"
is "$(through again "UNIX:$tmp/l1")" again "a path that a killed one has left"
exec 4>&-
run vk-exec -L "$tmp/l1:$echo" t
is "$rc" 69 "one that is in use is not taken"
echo text >"$tmp/file"
run vk-exec -L "$tmp/file:$echo" t
is "$rc $(cat "$tmp/file")" "69 text" "nor is a file"
end_forward

forward -R "$a:$echo" -R "$tmp/r1:$echo" -R "localhost:$b:$tmp/echo" \
	-R "$tmp/r2:$tmp/echo" -L "$tmp/l1:$echo"
is "$(through one "TCP4:127.0.0.1:$a")" one "-R: a port to a port"
is "$(through two "UNIX:$tmp/r1")" two "a socket to a port"
is "$(through three "TCP4:127.0.0.1:$b")" three "a port to a socket"
is "$(through four "UNIX:$tmp/r2")" four "a socket to a socket"
is "$(through five "UNIX:$tmp/l1")" five "and a -L beside them"
end_forward
gone() { [ ! -e "$tmp/r1" ] && [ ! -e "$tmp/r2" ]; }
await 5 gone
ok $? "the guest's sockets go as well"

if [ -n "$six" ]; then
	forward -L "[::1]:$a:[::1]:$six" -R "[::1]:$b:[::1]:$six" \
		-L "$a:[::1]:$six"
	is "$(through one "TCP6:[::1]:$a")" one "-L [::1] to [::1]"
	is "$(through two "TCP6:[::1]:$b")" two "-R [::1] to [::1]"
	is "$(through three "TCP4:127.0.0.1:$a")" three \
		"IPv4 to [::1], of the same port"
	is "$(echo four | vk-exec -W "[::1]:$six" t)" four "-W [::1]"
	end_forward
else
	skip "IPv6 ends" "there is no ::1 here"
fi

# ---- both halves, much, many ------------------------------------------------

forward -L "$a:$echo" -R "$b:$echo"
head -c 20000000 /dev/urandom >"$tmp/much"
sum=$(cksum <"$tmp/much")
for to in "$a" "$b"; do
	is "$(timeout 120 socat -t 60 - "TCP4:127.0.0.1:$to" <"$tmp/much" |
		cksum)" "$sum" "half close: all that was sent comes back"
done
rm "$tmp/much"
i=0
pids=
while [ $i -lt 30 ]; do
	through "$i" "TCP4:127.0.0.1:$a" >"$tmp/many.$i" &
	pids="$pids $!"
	i=$((i + 1))
done
# shellcheck disable=SC2086 # words
wait $pids
is "$(cat "$tmp"/many.* | sort -n | tr '\n' ' ')" \
	"$(seq 0 29 | tr '\n' ' ')" "30 connections at once" || diag "$(cat "$err")"
end_forward

# A server that lets one wait to be accepted, and has one already: who comes
# then waits for it as a program in the guest would.
socat "UNIX-LISTEN:$tmp/slow,fork,max-children=1,backlog=1" \
	SYSTEM:"until [ -e $tmp/go ]; do sleep 0.02; done; cat" &
at_exit "end $!"
await 5 hears "$tmp/slow"
i=0
pids=
while [ $i -lt 6 ]; do
	echo "$i" | vk-exec -W "$tmp/slow" t >"$tmp/slow.$i" 2>&1 &
	pids="$pids $!"
	i=$((i + 1))
done
# It listens, one is with it, two wait: the kernel takes one more than asked.
slow_is_full() { [ "$(grep -c "$tmp/slow" /proc/net/unix)" -ge 4 ]; }
await 5 slow_is_full
: >"$tmp/go"
# shellcheck disable=SC2086 # words
wait $pids
is "$(cat "$tmp"/slow.* | sort -n | tr '\n' ' ')" '0 1 2 3 4 5 ' \
	"a unix socket whose backlog is full is waited for"

# Who ends first is the server: what the client says afterwards still arrives.
free_port
early=$port
socat "TCP4-LISTEN:$early,bind=127.0.0.1,reuseaddr" \
	"SYSTEM:echo bye; exec >&-; cat >$tmp/late" &
at_exit "end $!"
await 5 grep -q ":$(printf %04X "$early") .* 0A " /proc/net/tcp
forward -L "$tmp/l:$early"
is "$( (
	sleep 0.3
	echo late
) | timeout 60 socat -t 20 - "UNIX:$tmp/l")" bye "a server that says all at once"
await 5 grep -q late "$tmp/late"
ok $? "hears what is said after that"

# ---- what cannot be had -----------------------------------------------------

end_forward
free_port
nobody=$port
forward -L "$a:$nobody" -R "$b:$nobody" -L "$tmp/l:$tmp/nothing"
for to in "TCP4:127.0.0.1:$a" "TCP4:127.0.0.1:$b" "UNIX:$tmp/l"; do
	start=$(date +%s%N)
	is "$(through x "$to" 2>/dev/null)" "" "a target that refuses: an end"
	end=$(date +%s%N)
	ok $(((end - start) / 1000000 >= 10000)) \
		"at once ($(((end - start) / 1000000)) ms)"
done
three_said() { [ "$(wc -l <"$err")" -ge 3 ]; }
await 5 three_said
like "$(cat "$err")" "^vk-exec: t: $nobody: Connection refused" \
	"which is said, of the guest's targets"
like "$(cat "$err")" "^vk-exec: $nobody: Connection refused" "and of ours"
like "$(cat "$err")" "^vk-exec: t: $tmp/nothing: No such file" "and of sockets"
is "$(wc -l <"$err")" 3 "a line each"
end_forward
is "$rc" 143 "the forward outlived it"

for where in "-L $echo:1" "-R $echo:1" "-L $tmp/echo:1" "-R $tmp/echo:1" \
	"-L $a:1 -R $echo:1"; do
	# shellcheck disable=SC2086 # words
	run timeout 60 vk-exec $where t
	is "$rc" 69 "$where: it is in use"
	like "$(cat "$err")" \
		"^vk-exec: (t: )?($echo|$tmp/echo): (Address )?(already )?in use( by another program)?$" \
		"and that is the reason"
	is "$(wc -l <"$err")" 1 "in one line"
done
is "$(through still "UNIX:$tmp/echo")" still "whose it is keeps it"
for what in nonsense 1 1: :1 0:1 70000:1 example.org:1:1 "$tmp/x"; do
	run timeout 60 vk-exec -L "$what" t
	is "$rc" 64 "-L $what: usage"
done
run timeout 60 vk-exec -R 1:example.org:1 t
is "$rc" 64 "-R to a name: usage"
run timeout 60 vk-exec -L "$a:1" nobody-of-that-name
is "$rc" 66 "no such VM"
like "$(cat "$err")" "nobody-of-that-name: no such VM runs" "which is said"

# ---- stdin and stdout -------------------------------------------------------

is "$(echo through | vk-exec -W "$tmp/echo" t)" through "-W to a socket"
is "$(echo through | vk-exec -W "$echo" t)" through "-W to a port"
run vk-exec -W "$nobody" t
is "$rc" 125 "-W to where nobody listens"
like "$(cat "$err")" "^vk-exec: t: $nobody: Connection refused" "and why"
mkfifo "$tmp/endless"
rc=0
exec 4<>"$tmp/endless"
timeout --foreground -k 60 -s INT 0.3 vk-exec -W "$tmp/echo" t <&4 || rc=$?
exec 4<&-
is "$rc" 124 "SIGINT ends it"
# A server that goes while there is more to be said.
free_port
bye=$port
socat "UNIX-LISTEN:$tmp/bye" 'SYSTEM:echo bye' &
at_exit "end $!"
socat "TCP4-LISTEN:$bye,bind=127.0.0.1,reuseaddr" 'SYSTEM:echo bye' &
at_exit "end $!"
await 5 hears "$tmp/bye"
await 5 grep -q ":$(printf %04X "$bye") .* 0A " /proc/net/tcp
mkfifo "$tmp/heard"
exec 4<>"$tmp/endless"
is "$(timeout 60 vk-exec -W "$tmp/bye" t <&4; echo $?)" "bye
0" "-W ends with a socket's other end"
vk-exec -W "$bye" t <&4 >"$tmp/heard" &
pid=$!
is "$(timeout 60 cat "$tmp/heard"; echo $?)" "bye
0" "whoever reads it sees the end of a port's"
exec 4<&-
kill $pid 2>/dev/null
wait $pid 2>/dev/null

# A true ssh(1), and a server that is started for each connection; where that
# looks for keys, /root, is another folder in a mount namespace of its own.
if [ "$(id -u)" -eq 0 ] && command -v ssh >/dev/null &&
	command -v dropbear >/dev/null && unshare -m true 2>/dev/null; then
	mkdir -m 700 "$tmp/home" "$tmp/home/.ssh"
	ssh-keygen -q -t ed25519 -N '' -f "$tmp/key"
	cp "$tmp/key.pub" "$tmp/home/.ssh/authorized_keys"
	dropbearkey -t ed25519 -f "$tmp/host" >/dev/null 2>&1
	unshare -m sh -ec "mount --bind '$tmp/home' ~root
		exec socat 'UNIX-LISTEN:$tmp/ssh,fork' \
			'EXEC:dropbear -i -r $tmp/host'" 2>"$tmp/ssh.log" &
	at_exit "end $!"
	await 5 hears "$tmp/ssh"
	rc=0
	head -c 3000000 /dev/zero | timeout 120 ssh -F none -i "$tmp/key" \
		-o BatchMode=yes -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile="$tmp/hosts" \
		-o ProxyCommand="vk-exec -W $tmp/ssh %h" \
		root@t 'cksum; exit 7' >"$out" 2>"$err" || rc=$?
	is "$rc $(cat "$out")" "7 $(head -c 3000000 /dev/zero | cksum)" \
		"-W as ssh's ProxyCommand" || diag "$(cat "$err" "$tmp/ssh.log")"
else
	skip "-W as ssh's ProxyCommand" "no ssh, no dropbear, or not root"
fi

# ---- nothing stays ----------------------------------------------------------

# What has ended, and only that: the connections' processes go with theirs.
await 5 sh -c "[ \$(ls /proc/$agent/fd | wc -l) -le $descriptors ]"
ok $? "no descriptor is left in the agent" || ls -l "/proc/$agent/fd"
forward -L "$a:$tmp/echo" -R "$b:$tmp/echo"
exec 4<>"$tmp/endless"
socat -u - "TCP4:127.0.0.1:$a" <&4 &
at_exit "end $!"
socat -u - "TCP4:127.0.0.1:$b" <&4 &
at_exit "end $!"
exec 4<&-
ours() { pgrep -f "^vk-exec --ready-fd 3 -L $a:$tmp/echo" | wc -l; }
four() { [ "$(ours)" -eq 4 ]; }
await 5 four
ok $? "two connections" || diag "$(ours)"
none() { [ "$(ours)" -eq 0 ]; }
kill -9 "$forward"
wait "$forward" 2>/dev/null
await 2 none
ok $? "kill -9: nothing of it is left"
await 5 sh -c "[ \$(ls /proc/$agent/fd | wc -l) -le $descriptors ]"
ok $? "in the agent neither"
is "$(cat "$tmp/agent.log")" "" "which had nothing to complain about"
done_testing
