#!/bin/sh
# SPDX-License-Identifier: MIT
#
# parts.t - a large layer over a slow way, in parts
. "$(dirname "$0")/../../lib.sh"
have docker-registry
have skopeo
have umoci
have jq
lag=$build/tests/helpers/vk-lag
[ -x "$lag" ] || skip_all "vk-lag is not built"

export XDG_CACHE_HOME="$tmp/cache"
export DOCKER_CONFIG="$tmp"
mkdir "$XDG_CACHE_HOME"
blobs=$XDG_CACHE_HOME/vk/blobs/sha256

# A layer that does not shrink.
mkdir "$tmp/tree"
head -c 30000000 /dev/urandom >"$tmp/tree/noise"
tar -C "$tmp/tree" -cf "$tmp/layer.tar" .
umoci init --layout "$tmp/image"
umoci new --image "$tmp/image:1"
umoci raw add-layer --image "$tmp/image:1" "$tmp/layer.tar"
address=$("$top/scripts/registry" start "$tmp/registry")
at_exit '"$top/scripts/registry" stop "$tmp/registry"'
skopeo --insecure-policy copy -q --dest-tls-verify=false \
	"oci:$tmp/image:1" "docker://$address/image:1" </dev/null
vk-pull "oci:$tmp/image:1" >"$tmp/right.tar"

# far DELAY BYTES: a way to the registry, as $far.
far() {
	mkfifo "$tmp/port"
	"$lag" "${address#*:}" "$1" "$2" >"$tmp/port" &
	at_exit "end $!"
	read -r port <"$tmp/port"
	rm "$tmp/port"
	far=127.0.0.1:$port
}

# ---- over a fast way --------------------------------------------------------

# Beside other suites it may be as slow as if it were far away.
for _ in 1 2 3 4 5; do
	rm -rf "$XDG_CACHE_HOME/vk"
	run vk-pull -v "$address/image:1"
	grep -q connections "$err" || break
done
is "$rc" 0 "a registry nearby"
cmp -s "$out" "$tmp/right.tar"
ok $? "the right tar"
unlike "$(cat "$err")" 'connections' "one connection"

# ---- over a slow one --------------------------------------------------------

far 20 15000000
rm -rf "$XDG_CACHE_HOME/vk"
run vk-pull -v "$far/image:1"
is "$rc" 0 "a registry far away"
cmp -s "$out" "$tmp/right.tar"
ok $? "the same tar"
like "$(cat "$err")" 'slow: 4 connections' "over several connections"
is "$(ls "$XDG_CACHE_HOME/vk/partial")" "" "nothing partial is left"

# ---- kill -9 on the way -----------------------------------------------------

# pulled BYTES: waits until so much of the layer is there.
pulled() {
	[ "$(stat -c %s "$partial" 2>/dev/null || echo 0)" -ge "$1" ] ||
		[ -e "$blobs/$layer" ]
}
layer=$(vk-pull --manifest "$address/image:1" | jq -r '.layers[0].digest')
layer=${layer#sha256:}
partial=$XDG_CACHE_HOME/vk/partial/sha256-$layer
bad=
points='9000000 14500000 20000000'
[ "${VK_KILLS:-1}" -eq 1 ] ||
	points="1 4000000 8388608 $points 13000000 26000000"
for bytes in $points; do
	rm -rf "$XDG_CACHE_HOME/vk"
	vk-pull "$far/image:1" >/dev/null 2>&1 &
	pid=$!
	await 20 pulled "$bytes" || bad="$bad none-$bytes"
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	# What is there is the layer's beginning, if not all of it.
	[ -e "$blobs/$layer" ] ||
		cmp -s -n "$(stat -c %s "$partial")" "$partial" \
			"$tmp/image/blobs/sha256/$layer" ||
		bad="$bad other-$bytes"
	vk-pull "$far/image:1" | cmp -s - "$tmp/right.tar" ||
		bad="$bad $bytes"
done
is "$bad" "" "kill -9 leaves a beginning, and the next pull goes on from it"

done_testing
