#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-pull against a real registry: what it writes, where it comes from, what
# the cache makes of it, and who is let in.
# takes: 30 s
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

for tool in docker-registry skopeo umoci jq strace; do
	have "$tool" "scripts/setup test installs it"
done

# Made once for all tests, in the user's cache; pulled into one of our own.
images=$("$top/scripts/make-image" busybox) || skip_all 'no image could be made'
export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp"
unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR XDG_CONFIG_HOME
mkdir "$tmp/cache"

# registry NAME [OPTION]...: starts one in $tmp/NAME; its address in $address
registry() {
	name=$1
	shift
	"$top/scripts/registry" start "$@" "$tmp/$name" >"$tmp/$name.address" ||
		skip_all 'no registry'
	at_exit "'$top/scripts/registry' stop '$tmp/$name'"
	address=$(cat "$tmp/$name.address")
}

push() { # LAYOUT:TAG NAME:TAG
	skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$1" \
		"docker://$plain/$2" </dev/null
}

# ---- usage ------------------------------------------------------------------

run vk-pull
is "$rc" 64 'no reference: a usage error'
run vk-pull 'Not/A/Name'
is "$rc" 64 'a bad reference: a usage error'
like "$(cat "$err")" '^vk-pull: Not/A/Name: not an image name$' 'it is named'
for path in /etc/passwd ./a.tar; do
	run vk-pull "$path"
	is "$rc" 64 "a path: $path"
	like "$(cat "$err")" 'files are docker-archive:FILE' 'what would be one'
done
is "$(wc -l <"$err")" 2 'and a second line says what names are'
run vk-pull --limit nonsense=1 x
is "$rc" 64 'an unknown limit: a usage error'
run vk-pull --nonsense x
is "$rc" 64 'an unknown option: a usage error'
if command -v script >/dev/null; then
	script -qec "vk-pull oci:$images:1" /dev/null >"$out" </dev/null
	like "$(tr -d '\r' <"$out")" 'stdout is a terminal' \
		'no tar is written to a terminal'
else
	skip 'no tar is written to a terminal' 'no script(1)'
fi

# ---- from a registry --------------------------------------------------------

registry plain
plain=$address
push "$images:1" busybox:1
push "$images:user" busybox:user

if command -v strace >/dev/null; then
	strace -f -qe trace=openat -o "$tmp/trace" \
		vk-pull --digest "$plain/busybox:1" >"$out" 2>"$err"
	like "$(cat "$out")" '^sha256:' 'a digest from plain HTTP on loopback'
	unlike "$(cat "$tmp/trace")" 'ca-certificates|/ssl/certs' \
		'for which no certificates are loaded'
else
	skip 'no certificates are loaded for plain HTTP' 'no strace'
fi

run vk-pull "$plain/busybox:1"
is "$rc" 0 'an image is pulled'
is "$(cat "$err")" '' 'without a word'
cp "$out" "$tmp/right.tar"
is "$(tar tf "$out" | head -n 1)" .vk/image.json 'image.json comes first'
is "$(tar tvf "$out" | sed -n 1p | cut -c1-14)" '-rw-r--r-- 0/0' \
	'with mode 0644, owner 0:0'
tar xOf "$out" .vk/image.json >"$tmp/config"
is "$(jq -c .config.Cmd "$tmp/config")" '["sh"]' 'it is the configuration'
vk-pull --config "$plain/busybox:1" | cmp -s - "$tmp/config"
ok $? '--config prints the same bytes'
digest=$(vk-pull --digest "$plain/busybox:1")
is "$(vk-pull --manifest "$plain/busybox:1" | sha256sum | cut -c1-64)" \
	"${digest#sha256:}" '--manifest prints what --digest names'
vk-pull "$plain/busybox@$digest" | cmp -s - "$tmp/right.tar"
ok $? 'by digest it is the same'
vk-pull "$plain/busybox:gone@$digest" | cmp -s - "$tmp/right.tar"
ok $? 'a tag beside a digest does not matter'
vk-pull "docker://$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? 'docker:// in front too'
XDG_CACHE_HOME="$tmp/other" vk-pull -j 1 "$plain/busybox:1" |
	cmp -s - "$tmp/right.tar"
ok $? 'from an empty cache, one layer at a time: the same bytes'
TZ=Asia/Tokyo LC_ALL=C.UTF-8 vk-pull "$plain/busybox:1" |
	cmp -s - "$tmp/right.tar"
ok $? 'in another locale and time zone too'

run vk-pull "$plain/nothing:1"
is "$rc" 66 'an image that is not there'
like "$(cat "$err")" "^vk-pull: $plain/nothing:1: $plain: 404 not found" \
	'one line: reference, host, status'
is "$(wc -c <"$out")" 0 'and nothing on stdout'
run vk-pull "$plain/busybox@sha256:$(printf '%064d' 1)"
is "$rc" 66 'a digest that is not there'
run vk-pull --platform linux/s390x --config "$plain/busybox:1"
is "$rc" 0 'a platform does not matter where there is no index, to look'
run vk-pull --platform linux/s390x "$plain/busybox:1"
is "$rc" 69 'an image of its own for another platform is not taken'
like "$(cat "$err")" "busybox:1: the image is for linux/.*, not linux/s390x" \
	'which says for which it is'
is "$(wc -c <"$out")" 0 'before anything is written'
run vk-pull --retries 0 --timeout 2 127.0.0.1:1/a
is "$rc" 69 'nobody listens'
like "$(cat "$err")" '127.0.0.1:1' 'the host is named'

# A full disk, a reader that has gone: an error, no success.
run sh -c "vk-pull $plain/busybox:1 >/dev/full"
is "$rc" 74 'a full disk is an error'
like "$(cat "$err")" 'stdout: No space left' 'which says so'
run sh -c "{ vk-pull $plain/busybox:1; echo \$? >$tmp/rc; } | head -c 1 >$tmp/x"
is "$(cat "$tmp/rc")" 74 'so is a reader that has gone'

# ---- other places -----------------------------------------------------------

vk-pull "oci:$images:1" | cmp -s - "$tmp/right.tar"
ok $? 'oci: the same bytes'
skopeo --insecure-policy copy -q "oci:$images:1" "oci-archive:$tmp/oci.tar:1"
vk-pull "oci-archive:$tmp/oci.tar" | cmp -s - "$tmp/right.tar"
ok $? 'oci-archive: the same bytes'
skopeo --insecure-policy copy -q "oci:$images:1" \
	"docker-archive:$tmp/docker.tar:busybox:1"
vk-pull "docker-archive:$tmp/docker.tar" | tar tf - | tail -n +2 | sort \
	>"$tmp/names"
tar tf "$tmp/right.tar" | tail -n +2 | sort | cmp -s - "$tmp/names"
ok $? 'docker-archive: the same names'
vk-pull "docker-archive:$tmp/docker.tar" >"$tmp/docker.out"
gzip -c "$tmp/docker.tar" | vk-pull docker-archive:- |
	cmp -s - "$tmp/docker.out"
ok $? 'from a pipe and compressed: the same bytes'
vk-pull "docker-archive:$tmp/docker.tar:busybox:1" |
	cmp -s - "$tmp/docker.out"
ok $? 'by its name in the archive'
run vk-pull "docker-archive:$tmp/docker.tar:other:1"
is "$rc" 66 'not by another'
run sh -c "head -c 1000000 $tmp/docker.tar | vk-pull docker-archive:-"
is "$rc" 65 'an archive that was cut short'
is "$(wc -c <"$out")" 0 'and nothing on stdout'
run vk-pull "oci:$tmp/nowhere"
is "$rc" 66 'a layout that is not there'
run vk-pull "oci:$images"
is "$rc" 64 'a layout of several images and no tag'
run env DOCKER_HOST="unix://$tmp/no.sock" vk-pull docker-daemon:busybox
is "$rc" 69 'an engine that is not there'
if command -v socat >/dev/null; then
	# What an engine sends, as an HTTP answer.
	{
		printf 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'
		cat "$tmp/docker.tar"
	} >"$tmp/answer"
	socat "UNIX-LISTEN:$tmp/engine.sock" \
		"SYSTEM:sed /^.\$/q >$tmp/question; cat $tmp/answer" &
	await 5 hears "$tmp/engine.sock"
	DOCKER_HOST="unix://$tmp/engine.sock" vk-pull docker-daemon:busybox:1 |
		cmp -s - "$tmp/docker.out"
	ok $? 'docker-daemon: what the engine saves'
	like "$(cat "$tmp/question")" '^GET /images/busybox:1/get' \
		'which was asked for the image'
	socat "UNIX-LISTEN:$tmp/short.sock" "SYSTEM:cat $tmp/answer" \
		2>/dev/null &
	await 5 hears "$tmp/short.sock"
	run env DOCKER_HOST="unix://$tmp/short.sock" \
		vk-pull --limit size=10000 docker-daemon:busybox:1
	like "$rc $(cat "$err")" '^76 .*sends more than the 10000 bytes' \
		'why its answer cannot be taken is told'
else
	skip 'docker-daemon: what the engine saves' 'no socat'
fi

# ---- the cache --------------------------------------------------------------

# gc has opened what somebody left; before it has the lock, another took that up,
# ended it, and a third begins anew.
partial=$tmp/left/vk/partial
mkdir -p "$partial"
chmod 700 "$tmp/left" "$tmp/left/vk" "$partial"
echo left >"$partial/sha256-0"
ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null \
	-e inject=flock:delay_enter=1500000 \
	env XDG_CACHE_HOME="$tmp/left" vk-pull --purge &
await 10 sh -c "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '$partial/sha256-0'"
mv "$partial/sha256-0" "$tmp/whole"
echo another >"$partial/sha256-0"
wait $!
is "$(cat "$partial/sha256-0")" another "gc takes nobody else's partial download"
XDG_CACHE_HOME=$tmp/left vk-pull --purge
is "$(ls "$partial")" '' 'but what nobody works on'

blobs=$XDG_CACHE_HOME/vk/blobs/sha256
layer=$(vk-pull --manifest "$plain/busybox:1" |
	jq -r '.layers[0].digest' | cut -d: -f2)
is "$(ls "$XDG_CACHE_HOME/vk/partial")" '' 'no partial download is left'
vk-pull --offline "$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? '--offline uses what is there'
run vk-pull --offline "$plain/busybox:user"
is "$rc" 66 '--offline and not there'

chmod u+w "$blobs/$layer"
printf 'X' | dd of="$blobs/$layer" bs=1 seek=5000 conv=notrunc status=none
run vk-pull --offline "$plain/busybox:1"
is "$rc" 65 'a flipped byte in the cache is noticed'
is "$(wc -c <"$out")" 0 'before anything is written'
vk-pull "$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? 'and fetched anew'
truncate -s 100 "$blobs/$layer" 2>/dev/null
vk-pull "$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? 'so is a blob that became shorter'
: >"$XDG_CACHE_HOME/vk/partial/sha256-$layer"
rm -f "$blobs/$layer"
head -c 3000 /dev/zero >"$XDG_CACHE_HOME/vk/partial/sha256-$layer"
vk-pull "$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? 'a partial download of wrong bytes is noticed and begun anew'

push "$images:user" busybox:1
new=$(vk-pull --digest "$plain/busybox:1")
is "$([ "$new" = "$digest" ] && echo same || echo other)" other \
	'a tag that moved is noticed'
push "$images:1" busybox:1
is "$(vk-pull --pull missing --digest "$plain/busybox:1")" "$new" \
	'--pull missing does not look'
is "$(vk-pull --digest "$plain/busybox:1")" "$digest" 'always does'

# One download, the others wait for it.
rm -rf "$XDG_CACHE_HOME/vk"
pids=
for i in 1 2 3 4 5 6 7 8; do
	vk-pull "$plain/busybox:1" >"$tmp/out.$i" &
	pids="$pids $!"
done
bad=0
for pid in $pids; do wait "$pid" || bad=1; done
for i in 1 2 3 4 5 6 7 8; do cmp -s "$tmp/out.$i" "$tmp/right.tar" || bad=1; done
ok "$bad" 'eight at once with an empty cache: all right'
is "$(ls "$XDG_CACHE_HOME/vk/partial")" '' 'and nothing partial is left'
rm -f "$tmp"/out.*

# kill -9 at 20 points: the next succeeds and keeps what was there.
bad=0
for i in $(seq 20); do
	rm -rf "$XDG_CACHE_HOME/vk"
	for _ in $(seq "${VK_KILLS:-1}"); do
		vk-pull "$plain/busybox:1" >/dev/null &
		pid=$!
		sleep "0.0$(printf '%02d' $((i * 4)))"
		kill -9 "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	ls -i "$blobs" >"$tmp/before" 2>/dev/null
	vk-pull "$plain/busybox:1" | cmp -s - "$tmp/right.tar" || bad=$i
	ls -i "$blobs" >"$tmp/after"
	while read -r line; do
		grep -qx "$line" "$tmp/after" || bad=again-$i
	done <"$tmp/before"
done
is "$bad" 0 'kill -9 at 20 points: the next pull succeeds, and reloads nothing'

# ---- who is let in ----------------------------------------------------------

registry secret -a 'alice:open sesame'
secret=$address
skopeo --insecure-policy copy -q --dest-tls-verify=false \
	--dest-creds 'alice:open sesame' "oci:$images:1" \
	"docker://$secret/busybox:1" </dev/null
ok $? 'an image behind a password'
# Its blobs are in the cache: what is tested is the manifest.
rm -rf "$XDG_CACHE_HOME/vk"
run vk-pull "$secret/busybox:1"
is "$rc" 77 'no password: refused'
like "$(cat "$err")" "docker login $secret|--user" 'and told what would help'
run vk-pull --user alice:wrong "$secret/busybox:1"
is "$rc" 77 'a wrong password: refused'
unlike "$(cat "$err")" 'wrong' 'which is not in the message'
vk-pull --user 'alice:open sesame' "$secret/busybox:1" |
	cmp -s - "$tmp/right.tar"
ok $? '--user'
auth=$(printf 'alice:open sesame' | base64)
mkdir "$tmp/.docker"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$secret" "$auth" \
	>"$tmp/.docker/config.json"
run vk-pull --digest "$secret/busybox:1"
is "$rc" 0 '.docker/config.json'
printf '{"auths":{"https://%s/v1/":{"auth":"%s"}}}' "$secret" "$auth" \
	>"$tmp/.docker/config.json"
run vk-pull --digest "$secret/busybox:1"
is "$rc" 0 'with a URL for a key'
mv "$tmp/.docker/config.json" "$tmp/auth.json"
run vk-pull --digest "$secret/busybox:1"
is "$rc" 77 '(not without it)'
run env REGISTRY_AUTH_FILE="$tmp/auth.json" vk-pull --digest "$secret/busybox:1"
is "$rc" 0 '$REGISTRY_AUTH_FILE'
mkdir "$tmp/bin"
cat >"$tmp/bin/docker-credential-test" <<END
#!/bin/sh
[ "\$1" = get ] || exit 1
read -r server
[ "\$server" = "$secret" ] || { echo not found; exit 1; }
echo '{"ServerURL":"x","Username":"alice","Secret":"open sesame"}'
END
chmod +x "$tmp/bin/docker-credential-test"
printf '{"credHelpers":{"%s":"test"}}' "$secret" >"$tmp/.docker/config.json"
run env PATH="$tmp/bin:$PATH" vk-pull --digest "$secret/busybox:1"
is "$rc" 0 'credHelpers'
printf '{"credsStore":"test"}' >"$tmp/.docker/config.json"
run env PATH="$tmp/bin:$PATH" vk-pull --digest "$secret/busybox:1"
is "$rc" 0 'credsStore'
printf '{"credsStore":"missing"}' >"$tmp/.docker/config.json"
run vk-pull --digest "$secret/busybox:1"
is "$rc" 78 'a helper that is not installed'
like "$(cat "$err")" 'docker-credential-missing' 'is named'
# One that never ends, nor the program that it runs.
cat >"$tmp/bin/docker-credential-deaf" <<END
#!/bin/sh
echo \$\$ >"$tmp/deaf"
sleep 600 &
echo \$! >>"$tmp/deaf"
[ ! -e "$tmp/quiet" ] || exec >/dev/null
wait
END
# One that leaves a daemon behind, which has its standard output.
cat >"$tmp/bin/docker-credential-daemon" <<END
#!/bin/sh
setsid sleep 30 &
echo \$! >"$tmp/daemon"
echo '{"Username":"alice","Secret":"open sesame"}'
END
chmod +x "$tmp/bin"/*
live() { # FILE: how many of the processes in it
	count=0
	while read -r pid; do
		[ ! -d "/proc/$pid" ] || count=$((count + 1))
	done <"$1"
	echo $count
}
printf '{"credsStore":"deaf"}' >"$tmp/.docker/config.json"
run env PATH="$tmp/bin:$PATH" sh -c 'sleep 30 & echo $! >"$1"; shift; exec "$@"' \
	sh "$tmp/ours" vk-pull --timeout 1s --digest "$secret/busybox:1"
is "$rc" 78 'a helper that never ends'
like "$(cat "$err")" 'docker-credential-deaf: no answer in time' 'is told'
is "$(wc -l <"$tmp/deaf") $(live "$tmp/deaf")" '2 0' \
	'it is ended, and what it started'
is "$(live "$tmp/ours")" 1 'and no other child of who became vk-pull'
kill "$(cat "$tmp/ours")"
touch "$tmp/quiet"
run env PATH="$tmp/bin:$PATH" vk-pull --timeout 1s --digest "$secret/busybox:1"
is "$rc $(live "$tmp/deaf")" '78 0' 'one that only closes its output'
printf '{"credsStore":"daemon"}' >"$tmp/.docker/config.json"
run env PATH="$tmp/bin:$PATH" vk-pull --digest "$secret/busybox:1"
is "$rc $(live "$tmp/daemon")" '0 1' \
	'a helper that starts a daemon is not waited for, and the daemon stays'
kill "$(cat "$tmp/daemon")"
printf 'nonsense' >"$tmp/.docker/config.json"
run vk-pull --digest "$secret/busybox:1"
is "$rc" 78 'a file of logins that is no JSON'
rm -r "$tmp/.docker"
found=$(grep -rl 'sesame' "$XDG_CACHE_HOME" | wc -l)
is "$found" 0 'no password is in the cache'

# ---- TLS --------------------------------------------------------------------

registry tls -t
tls=$address
skopeo --insecure-policy copy -q --dest-tls-verify=false "oci:$images:1" \
	"docker://$tls/busybox:1" </dev/null
ok $? 'an image behind TLS'
run vk-pull --digest "$tls/busybox:1"
is "$rc" 69 'a certificate that nobody vouches for'
like "$(cat "$err")" 'certificate' 'it is said so'
vk-pull --ca "$tmp/tls/ca.pem" "$tls/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? '--ca'
run vk-pull --insecure --digest "$tls/busybox:1"
is "$rc" 0 '--insecure'

# docker.io is what a proxy says that it is: here, somebody who wants the same
# name and password.
if command -v socat >/dev/null; then
	registry hub -t -a 'alice:open sesame'
	skopeo --insecure-policy copy -q --dest-tls-verify=false \
		--dest-creds 'alice:open sesame' "oci:$images:1" \
		"docker://$address/library/elsewhere:1" </dev/null
	cat >"$tmp/connect" <<END
#!/bin/sh
# Reads a request to its empty line, and then is the line to the registry.
while read -r line; do
	case \$line in ?) break ;; esac
done
printf 'HTTP/1.1 200 Connection established\r\n\r\n'
exec socat - TCP:$address
END
	chmod +x "$tmp/connect"
	socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork EXEC:"$tmp/connect" \
		2>"$tmp/socat" &
	at_exit "end $!"
	await 10 grep -q 'listening on' "$tmp/socat"
	proxy=http://$(sed -n 's/.*listening on AF=2 //p' "$tmp/socat" | head -n 1)
	run env https_proxy="$proxy" no_proxy=127.0.0.1 \
		vk-pull --insecure --user 'alice:open sesame' --digest elsewhere:1
	is "$rc" 0 '--user is for docker.io where it is asked first'
	run env https_proxy="$proxy" no_proxy=127.0.0.1 VK_REGISTRY="$plain" \
		vk-pull --insecure --user 'alice:open sesame' --digest elsewhere:1
	is "$rc" 77 'and not where it is asked in the stead of another'
else
	skip '--user and docker.io' 'no socat'
fi

# ---- other ways to it -------------------------------------------------------

rm -rf "$XDG_CACHE_HOME/vk"
VK_REGISTRY=$plain vk-pull busybox:1 | cmp -s - "$tmp/right.tar"
ok $? 'VK_REGISTRY is asked for names without a registry'
run env https_proxy=http://127.0.0.1:1 no_proxy=127.0.0.1 VK_REGISTRY="$plain" \
	vk-pull --retries 0 busybux:1
like "$(cat "$err")" "^vk-pull: $plain, which VK_REGISTRY names, has none" \
	'what is in neither: both are named'
rm -rf "$XDG_CACHE_HOME/vk"
vk-pull --mirror "http://$plain/" example.invalid/busybox:1 |
	cmp -s - "$tmp/right.tar"
ok $? '--mirror is asked first'
rm -rf "$XDG_CACHE_HOME/vk"
push "$images:1" hub/of/busybox:only
vk-pull --mirror "http://$plain/hub/of/" example.invalid/busybox:only |
	cmp -s - "$tmp/right.tar"
ok $? 'the path of a mirror comes before the name'
rm -rf "$XDG_CACHE_HOME/vk"
vk-pull --retries 0 --mirror http://127.0.0.1:1 "$plain/busybox:1" |
	cmp -s - "$tmp/right.tar"
ok $? 'and the registry where that fails'
run vk-pull --mirror nonsense "$plain/busybox:1"
is "$rc" 64 'a mirror that is no URL'

# ---- keeping house ----------------------------------------------------------

is "$(vk-pull --list | cut -f1,4 | sort -u | grep image)" \
	"image	$plain/busybox:1" '--list names the image'
is "$(vk-pull --list | grep -c '^blob')" 5 'and its blobs'
run vk-pull --gc 1G
is "$(vk-pull --list | grep -c '^blob')" 5 '--gc: a size that is not reached'
run vk-pull --gc 1d
is "$(vk-pull --list | grep -c '^blob')" 5 '--gc: an age that is not reached'
find "$XDG_CACHE_HOME/vk/blobs" -type f -exec touch -d '2 days ago' {} +
vk-pull --config "$plain/busybox:1" >/dev/null
run vk-pull --gc 1d
is "$(vk-pull --list | grep -c '^blob')" 2 '--gc: what was not used goes'
vk-pull "$plain/busybox:1" | cmp -s - "$tmp/right.tar"
ok $? 'and comes back'
run vk-pull --gc 100K
is "$([ "$(vk-pull --list | awk '{ n += $2 } END { print n }')" -le 102400 ]
echo $?)" 0 '--gc: down to a size'
# A download under way is left alone.
: >"$XDG_CACHE_HOME/vk/partial/sha256-$layer"
: >"$XDG_CACHE_HOME/vk/partial/sha256-other"
(
	flock 9
	vk-pull --purge
) 9>>"$XDG_CACHE_HOME/vk/partial/sha256-$layer"
is "$(ls "$XDG_CACHE_HOME/vk/partial")" "sha256-$layer" \
	'--purge leaves what another downloads'
vk-pull --purge
is "$(vk-pull --list)" '' '--purge takes everything else'
run vk-pull --gc nonsense
is "$rc" 64 '--gc: neither age nor size'
run vk-pull --list "$plain/busybox:1"
is "$rc" 64 '--list takes no reference'

# ---- for people -------------------------------------------------------------

if command -v script >/dev/null; then
	script -qec "vk-pull $plain/busybox:1 >$tmp/out" "$tmp/seen" >/dev/null \
		</dev/null
	cmp -s "$tmp/out" "$tmp/right.tar"
	ok $? 'progress on a terminal does not harm the tar'
	script -qec "vk-pull -q $plain/busybox:1 >$tmp/out" "$tmp/seen" \
		</dev/null >/dev/null
	is "$(grep -c 'MiB' "$tmp/seen")" 0 '-q shows none'
	script -qec "vk-pull --retries 1 127.0.0.1:1/a >$tmp/out" "$tmp/seen" \
		</dev/null >/dev/null
	is "$(grep -c 'trying again' "$tmp/seen")" 1 \
		'who waits at a terminal is told for what'
	run vk-pull --retries 1 127.0.0.1:1/a
	is "$(wc -l <"$err")" 1 'others when it is over'
else
	skip 'progress on a terminal does not harm the tar' 'no script(1)'
fi

# Memory does not grow with the image: 64 MiB in one layer, 64 in another.
if [ -x /usr/bin/time ]; then
	umoci init --layout "$tmp/big" && umoci new --image "$tmp/big:1"
	mkdir "$tmp/tree"
	for n in 1 2; do
		rm -f "$tmp"/tree/*
		head -c 64M /dev/zero | openssl enc -aes-128-ctr -nosalt \
			-pass "pass:$n" -pbkdf2 >"$tmp/tree/file$n" 2>/dev/null
		tar -C "$tmp/tree" -cf "$tmp/layer.tar" .
		umoci raw add-layer --image "$tmp/big:1" "$tmp/layer.tar"
	done
	run /usr/bin/time -f %M vk-pull "oci:$tmp/big:1"
	is "$rc" 0 'a large image'
	rss=$(tail -n 1 "$err")
	diag "$rss KB of memory for $(wc -c <"$out") bytes"
	[ "$rss" -le 32768 ]
	ok $? 'in at most 32 MB of memory'
else
	skip 'in at most 32 MB of memory' 'no time(1)'
fi

done_testing
