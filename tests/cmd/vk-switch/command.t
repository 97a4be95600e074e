#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A command that has the switch to itself: vk-switch OPTIONS -- COMMAND.
# shellcheck source=tests/cmd/vk-switch/net.sh
. "$(dirname "$0")/net.sh"
have socat
net_world

# switches: its processes in our namespace that live; there are two, one of them
# outside of its confinement.
switches() { pgrep -r D,R,S,T -x vk-switch | wc -l; }
none_left() { [ "$(switches)" -eq 0 ]; }

# ---- what the command is ----

# shellcheck disable=SC2016 # the command's
{
	run vk-switch -- sh -c 'exit 7'
	is "$rc" 7 "the command's status"
	run vk-switch -- sh -c 'printf "%s|" "$@"' sh 'a b' '' -v --help
	is "$(cat "$out")" 'a b||-v|--help|' 'its words, as they are'
	run vk-switch sh -c 'kill -9 $$'
	is "$rc" 137 'its death by a signal'
	is "$(echo in | vk-switch -- cat)" in 'its standard input'
	run vk-switch -- sh -c 'echo told >&2'
	is "$(cat "$err")" told 'its standard error'
	run vk-switch -- sh -c 'readlink /proc/self/fd/3'
	like "$(cat "$out")" '^socket:' 'descriptor 3 is a socket'
	run sh -c 'ls /proc/self/fd | wc -l'
	before=$(cat "$out")
	run vk-switch -- sh -c 'ls /proc/self/fd | wc -l'
	is "$(cat "$out")" $((before + 1)) 'and no other is left open'
}
run vk-switch -- "$tmp/nothing"
is "$rc" 127 'what is not there is 127'
like "$(cat "$err")" "^vk-switch: $tmp/nothing: No such file" 'and told'
: >"$tmp/plain"
run vk-switch -- "$tmp/plain"
is "$rc" 126 'what cannot be run is 126'
await 5 none_left
ok $? 'no switch is left of any'

# ---- what does not start ----

run vk-switch --mtu 1 -- touch "$tmp/ran"
is "$rc" 64 'a wrong option is the status'
run vk-switch -p 198.51.100.77:80:80 -- touch "$tmp/ran"
unlike "$rc" '^0$' 'an address that is not ours too'
[ ! -e "$tmp/ran" ]
ok $? 'and the command does not begin'
for option in '--fd 1' '--ready-fd 1'; do
	# shellcheck disable=SC2086 # two words
	run vk-switch $option -- true
	is "$rc" 64 "$option goes with no command"
done

# ---- the switch serves it, and ends with it ----

# The command is a VM: it offers ARP for the gateway, and prints who answers.
# Broadcast, from 02:..:09: who has 10.76.0.1? Tell 10.76.0.9.
printf '\0\0\0\052\377\377\377\377\377\377\002\0\0\0\0\011\010\006' \
	>"$tmp/arp"
printf '\0\001\010\0\006\004\0\001\002\0\0\0\0\011\012\114\0\011' >>"$tmp/arp"
printf '\0\0\0\0\0\0\012\114\0\001' >>"$tmp/arp"
cat >"$tmp/vm" <<'END2'
#!/bin/sh
# Sends the frame, and waits for the answer's addresses.
cat "$1" >&3
dd bs=1 count=46 <&3 2>/dev/null | od -An -tx1 -v | tr -d ' \n'
END2
chmod +x "$tmp/vm"
run vk-switch -- "$tmp/vm" "$tmp/arp"
like "$(cat "$out")" '02766b0000010a4c0001020000000009' \
	'its VM is answered by the gateway'
await 5 none_left
ok $? 'and the switch ends with it'

begin() { # COMMAND…: $command is its process, and it runs
	mkfifo "$tmp/begun" 2>/dev/null
	vk-switch "$@" >"$tmp/begun" &
	command=$!
	read -r _ <"$tmp/begun"
}
begin -- sh -c 'echo; exec sleep 100'
is_sleep() { [ "$(cat "/proc/$1/comm")" = sleep ]; }
await 5 is_sleep "$command"
ok $? 'what was started is the command'
is "$(switches)" 2 'and a child of it the switch'
kill -TERM "$command"
wait "$command"
is "$?" 143 'a signal is for the command'
await 5 none_left
ok $? 'the switch ends'
begin -- sh -c 'echo; exec sleep 100'
kill -9 "$command"
wait "$command" 2>/dev/null
await 5 none_left
ok $? 'after SIGKILL too'

# Nobody else can connect to it: it ends with its connection, though the
# command goes on.
begin -- sh -c 'exec 3>&-; echo; exec sleep 100'
await 5 none_left
ok $? 'a switch that nobody can connect to ends'
kill -0 "$command"
ok $? 'and not the command'
kill "$command"
wait "$command" 2>/dev/null
# With a socket of its own it stays.
begin -l "$tmp/lan" -- sh -c 'exec 3>&-; echo; exec sleep 100'
printf '\377\377\377\377' | socat -u - "UNIX-CONNECT:$tmp/lan"
is "$(switches)" 2 'one with a socket stays'
kill "$command"
wait "$command" 2>/dev/null
await 5 none_left
ok $? 'until the command ends'
[ ! -e "$tmp/lan" ]
ok $? 'and takes its socket along'
done_testing
