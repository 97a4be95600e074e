#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What vk run -d keeps of a VM, and whose it is, when names meet and starts
# fail. The machine is a process that holds the VM's name.
# takes: 3 s
. "$(dirname "$0")/../lib.sh"

HOME=$tmp/home XDG_RUNTIME_DIR=$tmp/run VK_LIBEXEC=$top/scripts
PATH=$tmp/bin:$PATH
export HOME XDG_RUNTIME_DIR VK_LIBEXEC PATH tmp
unset XDG_CACHE_HOME XDG_STATE_HOME
mkdir "$HOME" "$tmp/bin"
mkdir -m 700 "$XDG_RUNTIME_DIR"
kept=$HOME/.local/state/vk

cat >"$tmp/bin/vk-pull" <<'END'
#!/bin/sh
case "$*" in *--digest*) echo sha256:0 ;; esac
END
cat >"$tmp/bin/vk-mkext" <<'END'
#!/bin/sh
case "$*" in *--fingerprint*) echo image && exit ;; esac
while [ "$1" != --output ]; do shift; done
: >"$2"
END
# Its kernel parameters are what it does: it waits for the file of its name and
# then runs until "end", or says why not.
cat >"$tmp/bin/vk-boot" <<'END'
#!/bin/sh
case "$*" in *--prepare*) exit ;; esac
while [ $# -gt 0 ]; do
	case $1 in
	--name) name=$2 ;;
	--append) does=$2 ;;
	esac
	shift
done
case $does in
fail)
	echo 'vk-boot: no such machine' >&2
	exit 69
	;;
esac
: >"$tmp/begun.$does"
until [ -e "$tmp/go.$does" ]; do sleep 0.01 && [ -d "$tmp" ] || exit; done
mkdir -p -m 700 "$XDG_RUNTIME_DIR/vk" "$XDG_RUNTIME_DIR/vk/$name"
exec 7>"$XDG_RUNTIME_DIR/vk/$name/lock"
flock -n 7 || exit 73
echo "$does says"
echo >&4
exec 4>&-
until [ -e "$tmp/end.$does" ]; do sleep 0.01 && [ -d "$tmp" ] || exit; done
rm -r "$XDG_RUNTIME_DIR/vk/$name"
END
chmod +x "$tmp"/bin/*
vk_run() { "$top/scripts/vk-run" -d "$@"; }

# ---- a name that leads elsewhere ----

mkdir -p "$HOME/precious" "$kept"
: >"$HOME/precious/file"
for bad in ../../../precious ../vk . .. -x 'a b' a/b; do
	run vk_run --name "$bad" image
	is "$rc" 64 "--name $bad: refused"
	like "$(cat "$err")" 'not a name of a VM' "--name $bad: says why"
done
[ -e "$HOME/precious/file" ]
ok $? 'and nothing else is lost'

# ---- what does not start ----

run vk_run --name kept --append fail image
is "$rc $(cat "$err")" '69 vk-boot: no such machine' 'a start that fails'
run vk_run --rm --name gone --append fail image
is "$rc $(cat "$err")" '69 vk-boot: no such machine' '--rm: it says why, too'
is "$(ls "$kept")" '' 'nothing is kept of them'

# ---- a use that cannot be noted ----

rm "$HOME/.cache/vk/images/image.ref"
mkdir "$HOME/.cache/vk/images/image.ref"
run vk_run --append fail image
is "$rc $(cat "$err")" '69 vk-boot: no such machine' 'an image is run all the same'
rmdir "$HOME/.cache/vk/images/image.ref"

# ---- two of one name ----

vk_run --name web --append first image >"$out" 2>"$err" &
first=$!
await 5 [ -e "$tmp/begun.first" ]
vk_run --name web --append second image >"$tmp/out.2" 2>"$tmp/err.2" &
second=$!
waits() { pgrep -P "$(pgrep -P "$second")" -x flock; }
await 5 waits
ok $? 'a second of a name waits for the first to be up or gone'
: >"$tmp/go.first"
wait "$first"
is "$? $(cat "$out")" '0 web' 'the first is up'
is "$(vk-ps -q -o name)" web 'and runs'
: >"$tmp/go.second"
: >"$tmp/end.first"
wait "$second"
is "$? $(cat "$tmp/out.2")" '0 web' 'gone, it makes way' ||
	diag "$(cat "$tmp/err.2")"
: >"$tmp/end.second"
# The log is written when all has been said, behind the status.
await 5 test -s "$kept/web/log"
is "$(cat "$kept/web/status" "$kept/web/log")" '0
second says' 'what is kept is the second'\''s'

# ---- --rm ----

: >"$tmp/go.third"
run vk_run --rm --name brief --append third image
is "$rc" 0 '--rm: up'
[ -d "$kept/brief" ]
ok $? 'its folder is there'
: >"$tmp/end.third"
await 5 [ ! -e "$kept/brief" ]
ok $? 'until it ends'
: >"$tmp/go.third"
run vk_run --rm --name brief --append third image
await 5 [ ! -e "$kept/brief" ]
ok $? 'also of one that ends as soon as it is up'
done_testing
