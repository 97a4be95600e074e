#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk as somebody new meets it: installed into a folder by an ordinary user, and
# used for three images of a registry. Guests run under User-mode Linux.
# takes: 35 s
. "$(dirname "$0")/../lib.sh"
if [ -z "${VK_RUN_TEST:-}" ]; then
	# The registry and its images are made by whoever runs this; the rest
	# is done as an ordinary user.
	have docker-registry
	have linux.uml 'user-mode-linux'
	have tmux
	have socat
	registry=$top/scripts/registry
	address=$("$registry" start "$tmp/registry") ||
		skip_all 'no registry runs here'
	at_exit '"$registry" stop "$tmp/registry"'
	"$top/scripts/make-image" busybox "$address" >/dev/null ||
		skip_all 'no image can be made here'
	chmod 755 "$tmp" "$tmp/registry"
	touch "$tmp/registry/log"
	chmod 644 "$tmp/registry/log"
	mkdir -m 1777 "$tmp/tmp"
	# Our lib.sh's traps are not for two.
	VK_RUN_TEST=$address VK_RUN_LOG=$tmp/registry/log TMPDIR=$tmp/tmp
	export VK_RUN_TEST VK_RUN_LOG TMPDIR
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$top/tests/scripts/run.t"
	else
		"$top/tests/scripts/run.t"
	fi
	exit
fi
cd "$tmp" || exit 1
HOME=$tmp/home XDG_RUNTIME_DIR=$tmp/run VK_ENGINE=uml
export HOME XDG_RUNTIME_DIR VK_ENGINE
unset XDG_CACHE_HOME XDG_STATE_HOME XDG_CONFIG_HOME
mkdir "$HOME"
mkdir -m 700 "$XDG_RUNTIME_DIR"
busybox=$VK_RUN_TEST/busybox
images=$HOME/.cache/vk/images

# requests KIND: how many of "blobs" or "manifests" the registry has answered.
requests() { grep -c "response completed.*/$1/" "$VK_RUN_LOG"; }
no_process() { ! pgrep -f "$tmp/vk/" >/dev/null; }
# What would be left by something that did not end well.
no_leftovers() { # NAME
	await 10 no_process # those that tidy up end last
	is "$(ls "$XDG_RUNTIME_DIR/vk" 2>/dev/null)" '' "$1: no run folder"
	is "$(find "$images" -name '*.lock' 2>/dev/null)" '' "$1: no lock"
	is "$(find "$images" -name '.*' -type f 2>/dev/null)" '' \
		"$1: no half image"
	no_process
	ok $? "$1: no process" || diag "$(pgrep -af "$tmp/vk/")"
}

# ---- installed ----

run make -s -C "$top" O="$build" PREFIX="$tmp/vk" install
is "$rc" 0 'an ordinary user installs' || diag "$(cat "$err")"
PATH=$tmp/vk/bin:/usr/local/bin:/usr/bin:/bin
run vk check
[ "$rc" -le 1 ]
ok $? 'vk check: nothing is bad' || diag "$(cat "$out" "$err")"
like "$(cat "$out")" '^ok +parts +[0-9]+ tools of version' 'parts'
like "$(cat "$out")" '^ok +vk run +takes uml' 'what would run VMs'
like "$(cat "$out")" '^(ok|warn|bad) +kvm' 'kvm'
# The page of a subcommand, from where it was installed.
if command -v man >/dev/null; then
	like "$(MANPAGER='cat' vk help run 2>/dev/null)" '^ *vk.run' 'vk help'
else
	skip 'vk help' 'no man'
fi
if [ -e /dev/kvm ] && [ ! -w /dev/kvm ]; then
	like "$(cat "$out")" 'mend: .*sudo (usermod -aG kvm|setfacl)' 'no right to use KVM'
else
	skip 'no right to use KVM' 'it is permitted, or is not there'
fi
# A machine without it, as far as a namespace can say.
mkdir "$tmp/dev" "$tmp/dev/shm"
for node in null zero urandom; do : >"$tmp/dev/$node"; done
cat >"$tmp/without-kvm" <<'END'
for node in null zero urandom; do mount --bind /dev/$node "$1/$node"; done
mount --rbind "$1" /dev && exec vk check
END
if unshare -Ur true 2>/dev/null; then
	run unshare -Urm sh "$tmp/without-kvm" "$tmp/dev"
	like "$(cat "$out")" '/dev/kvm does not exist' 'no KVM'
	like "$(cat "$out")" 'mend: modprobe kvm_intel' 'and what mends it'
else
	skip 'no KVM' 'no user namespaces'
fi
# All that there is, in the summary and on the page; the scripts of the tree are
# vk(1)'s commands.
for command in $(vk --commands); do
	[ -e "$tmp/vk/bin/vk-$command" ] ||
		[ -e "$tmp/vk/libexec/vk/vk-$command" ] || continue
	vk help | grep -Eqw "$command" &&
		grep -Eqw "^\.It Cm .*$command.*" "$top/man/vk.1"
	ok $? "vk $command is in the summary and in vk(1)"
done
run vk help rnu
is "$rc $(head -n 1 "$err")" '64 vk: rnu: no such command' \
	'help for an unknown command'
run vk rnu
is "$rc" 64 'an unknown command'
like "$(cat "$err")" 'most similar: .*run' 'similar ones are named'

# ---- one line ----

run vk run "$busybox:1" -- sh -c 'echo out; echo err >&2; exit 42'
is "$rc" 42 'the command'\''s exit status'
is "$(cat "$out")" out 'standard output'
is "$(cat "$err")" err 'standard error, and nothing else'
manifests=$(requests manifests)
blobs=$(requests blobs)
head -c 3000000 /dev/urandom >"$tmp/data"
vk run "$busybox:1" sha256sum <"$tmp/data" >"$out"
is "$(cut -c 1-64 "$out")" "$(sha256sum <"$tmp/data" | cut -c 1-64)" \
	'a pipe in, a pipe out'
is "$(($(requests manifests) - manifests))" 1 'the second run asks once'
is "$(($(requests blobs) - blobs))" 0 'and fetches nothing'
run vk run -e 'A=it'\''s "so"' -w /tmp -u 7:8 "$busybox:1" \
	sh -c 'echo "$A" $PWD $(id -u):$(id -g) "$@"' sh 'a  b' '*'
is "$(cat "$out")" "it's \"so\" /tmp 7:8 a  b *" 'words stay as they are'
run vk run "$busybox:user"
like "$(cat "$out")" '^uid=1000\(user\) gid=2000' 'the second image: its user'
run vk run "$busybox:entry"
is "$(cat "$out")" 'from the entry point: two words' 'the third: its entry point'
no_leftovers 'after that'

run vk run --dry-run "$busybox:1" echo 'a b'
is "$(sed 's/--name [^ ]*//; s,/[^ ]*/images/[^ ]*ext4,IMAGE,' <"$out")" \
	"vk-boot  --label image=$busybox:1 IMAGE -- echo 'a b'" \
	'--dry-run: what is run'
run vk run --dry-run --size +9M -p 8080:80 \
	--service db:5432=tcp:127.0.0.1:5432 "$busybox:1"
like "$(cat "$out")" '^vk-pull .*busybox:1@sha256:[0-9a-f]{64} \|$' 'the pull'
like "$(cat "$out")" 'vk-mkext --size \+9M --part sha256:' 'the image'
like "$(cat "$out")" '^vk-switch --publish 8080:80 --service db:5432=tcp:127\.0\.0\.1:5432 -- vk-boot' \
	'the switch'
is "$(find "$images" -name '*.ext4' | wc -l)" 3 'and nothing is run'

for words in '-v a:b' '-w .' '-f Dockerfile'; do
	# shellcheck disable=SC2086
	run vk run $words "$busybox:1" true
	is "$rc" 69 "$words is not there yet"
	like "$(head -n 1 "$err")" '(shared|build).* yet' 'and says so'
done
run vk run "$VK_RUN_TEST/none:1"
is "$rc" 66 'an image that is not there'
run vk run --pull never "$busybox:1" echo offline
is "$(cat "$out")" offline '--pull never'

# ---- a terminal ----

# An ordinary user's own shell may be one that lets nobody in.
export TMUX_TMPDIR="$tmp" SHELL=/bin/sh
at_exit 'tmux -S "$tmp/tmux" kill-server 2>/dev/null'
tmux -S "$tmp/tmux" -f /dev/null new-session -d -x 80 -y 24 \
	"vk run --shell $busybox:1; echo status \$?; sleep 1000"
screen() { tmux -S "$tmp/tmux" capture-pane -p; }
shows() { screen | grep -q "$1"; }
tmux -S "$tmp/tmux" send-keys 'test -t 0 && echo is-a-tty-$((6 * 7))' Enter
await 30 shows '^is-a-tty-42'
ok $? 'a shell on a terminal' || diag "$(screen)"
tmux -S "$tmp/tmux" send-keys 'exit 3' Enter
await 30 shows '^status 3'
ok $? 'and its status' || diag "$(screen)"

# ---- a service ----

run vk run -d --name web "$busybox:1" -- \
	sh -c 'echo begun; trap "echo asked; exit 5" TERM; while :; do sleep 0.1; done'
is "$rc" 0 '-d'
is "$(cat "$out")" web 'prints the name'
run vk run -d --name web "$busybox:1"
is "$rc" 75 'the name is taken'
run vk ps -q -o name,state,image
is "$(cat "$out")" "web	running	$busybox:1" 'vk ps'
run vk ps --json
is "$(jq -r '.[0] | .name, .labels.image' "$out" 2>/dev/null | paste -sd ' ')" \
	"web $busybox:1" 'vk ps --json'
await 10 sh -c 'vk logs web | grep -q begun'
run vk logs web
is "$(cat "$out")" begun 'vk logs'
run vk logs --console web
[ -s "$out" ]
ok $? 'vk logs --console'
run vk exec web -- sh -c 'echo in; exit 6'
is "$rc $(cat "$out")" '6 in' 'vk exec'
vk cp "$tmp/data" web:/tmp/data && vk cp web:/tmp/data "$tmp/data.back"
cmp -s "$tmp/data" "$tmp/data.back"
ok $? 'vk cp, in and out'
run vk stats
like "$(cat "$out")" '^web +running .* MiB +[0-9.]+ [KMG]iB$' 'vk stats'
run vk rm web
is "$rc" 75 'vk rm refuses what runs'
run vk stop web
is "$rc" 0 'vk stop'
is "$(vk ps -q)" '' 'then it does not run'
is "$(vk ps -a -q -o name,state,status)" 'web	ended	5' 'vk ps -a'
run vk logs web
like "$(cat "$out")" '^asked' 'its last words'
run vk rm nobody web
is "$rc $(vk ps -a -q)" '66 ' 'vk rm, of which one is not there'
run vk stop web
is "$rc" 66 'there is no such VM'
run vk run -d --rm --name k "$busybox:1" -- sleep 1000
run vk kill k
is "$rc" 0 'vk kill'
[ ! -e "$HOME/.local/state/vk/k" ]
ok $? '--rm: nothing is kept'
run vk run -d --name killed "$busybox:1" -- sleep 1000
kill -9 "$(vk ps -q -o pid killed)"
await 5 [ -s "$HOME/.local/state/vk/killed/status" ]
# Its processes end a moment after it.
has_ended() { vk ps -a -q -o name,state | grep -q "^$1	ended$"; }
await 5 has_ended killed
ok $? 'a killed one does not live'
is "$(ls "$XDG_RUNTIME_DIR/vk")" '' 'and its folder is gone'
vk rm -a
run vk run -d --name bad "$busybox:1" --  /none
await 10 [ -s "$HOME/.local/state/vk/bad/status" ]
is "$(cat "$HOME/.local/state/vk/bad/status")" 127 'a command that is not there'
vk rm -a
no_leftovers 'after services'

# ---- a network ----

run vk run -n "$busybox:1" -- ip addr show
like "$(cat "$out")" 'inet 10\.76\.0\.' '-n: an address'
run vk run "$busybox:1" -- ip addr show
unlike "$(cat "$out")" 'inet (10|192|172)\.' 'without it: none'
# A free port: of one that is taken, another number is tried.
for port in 18080 18081 18082 18083; do
	run vk run -d --name served -p "127.0.0.1:$port:80" "$busybox:1" -- \
		sh -c 'while :; do echo from-inside | nc -l -p 80; done'
	[ "$rc" -ne 0 ] || break
done
is "$rc" 0 '-p: a service' || diag "$(cat "$err")"
answers() { socat -u "TCP:127.0.0.1:$port" - | grep -q from-inside; }
await 10 answers
ok $? 'answers at the host'\''s port'
vk stop served
vk rm -a
run vk run -p 99999:1 "$busybox:1" true
is "$rc" 64 'a switch that does not start ends it'
no_leftovers 'after networks'

# ---- ten at once ----

vk purge
is "$(vk images -q)" '' 'vk purge'
blobs=$(requests blobs)
i=0
while [ $i -lt 10 ]; do
	vk run --verbose "$busybox:1" echo "$i" >"$tmp/out.$i" \
		2>"$tmp/err.$i" &
	i=$((i + 1))
done
wait
is "$(cat "$tmp"/out.*)" "$(seq 0 9)" 'ten runs of an image at once' ||
	diag "$(find "$tmp" -name 'out.?' -empty | sed 's/out/err/' | xargs cat)"
# Four: the configuration and three layers.
is "$(($(requests blobs) - blobs))" 4 'one pull'
is "$(find "$images" -name '*.ext4' | wc -l)" 1 'one image'
no_leftovers 'after ten'

# ---- interrupted ----

# interrupt STAGE OPTIONS IMAGE CMD...: SIGINT to all, as a terminal does, as soon as
# CMD succeeds; it knows $pid, the process group.
interrupt() {
	# Here a background process ignores it; on a terminal it would not.
	# shellcheck disable=SC2086 # options, if any
	setsid env --default-signal=INT vk run $2 "$3" sleep 1000 \
		>"$out" 2>"$err" &
	pid=$! stage=$1
	shift 3
	await 20 "$@"
	ok $? "$stage: reached" || diag "$(cat "$err")"
	kill -INT "-$pid"
	wait "$pid"
	rc=$?
	[ "$rc" -ne 0 ] && [ "$rc" -ne 127 ]
	ok $? "$stage: interrupted (status $rc)"
	await 10 sh -c "! pgrep -g $pid"
	ok $? "$stage: all have ended" || diag "$(pgrep -ag "$pid")"
	no_leftovers "$stage"
}

vk purge
socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork EXEC:'sleep 1000' 2>"$tmp/socat" &
listener=$!
at_exit "end $listener"
await 5 grep -q 'listening on' "$tmp/socat"
port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$tmp/socat")
runs() { pgrep -g "$pid" -f "$1"; }
interrupt 'asking the registry' '' "127.0.0.1:$port/silent:1" \
	runs 'vk-pull --digest'

# An image that takes a while, as "docker save" writes it.
mkdir -p big/root
head -c 200000000 /dev/urandom >big/root/data
tar -cf big/layer.tar -C big/root data
cat >big/config.json <<END
{"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type":
"layers", "diff_ids": ["sha256:$(sha256sum <big/layer.tar | cut -c 1-64)"]}}
END
echo '[{"Config": "config.json", "RepoTags": ["big:1"],
	"Layers": ["layer.tar"]}]' >big/manifest.json
tar -cf big.tar -C big manifest.json config.json layer.tar
rm -r big
interrupt 'pull and build' '' "docker-archive:$tmp/big.tar" \
	runs 'vk-mkext.*--output'
is "$(find "$images" -type f)" '' 'no image'
is_running() { vk ps -q -o state | grep -q running; }
interrupt 'a VM that boots' '' "$busybox:1" runs 'vk-boot --name'
interrupt 'a VM that runs' '' "$busybox:1" is_running
is_there() { vk ps -q | grep -q .; }
interrupt 'a service that starts' -d "$busybox:1" is_there
is "$(ls "$HOME/.local/state/vk")" '' 'a service that starts: nothing is kept'
vk images >"$out"
like "$(cat "$out")" 'busybox:1 +sha256:[0-9a-f]{12} +[0-9.]+ MiB +[0-9]+ s' \
	'vk images'
run vk gc 1h
is "$(vk images -q | wc -l)" 1 'vk gc leaves what was used'
run vk gc 1G
is "$(vk images -q | wc -l)" 1 'and what has room'
run vk gc -n 1M
like "$(cat "$out")" 'busybox:1: [0-9]+ MiB' 'vk gc -n names what has none'
vk gc 1M
is "$(vk images -q | wc -l)" 0 'which goes'
for words in 0 5 1x -1d '1d 2d'; do
	# shellcheck disable=SC2086
	run vk gc $words
	is "$rc" 64 "vk gc $words"
done

# ---- gone ----

vk purge
is "$(find "$HOME/.cache/vk" -type f)" '' 'vk purge leaves no file'
run make -s -C "$top" O="$build" PREFIX="$tmp/vk" uninstall
[ ! -e "$tmp/vk" ]
ok $? 'uninstall leaves nothing' || diag "$(find "$tmp/vk")"
done_testing
