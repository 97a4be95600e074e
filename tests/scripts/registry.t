#!/bin/sh
# SPDX-License-Identifier: MIT
# registry.t - scripts/registry and the busybox image of scripts/make-image
. "$(dirname "$0")/../lib.sh"

have docker-registry
have skopeo
have umoci
have openssl
have curl
registry=$top/scripts/registry
code() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
# shellcheck disable=SC2317 # called by await
ended() { flock -n "$1/lock" true; }

run "$registry" run
is "$rc" 64 'no folder is a usage error'

# shellcheck disable=SC2016 # for the shell inside
run "$registry" run "$tmp/one" sh -c \
	'curl -s -i "http://$REGISTRY/v2/" | head -n 1; exit 7'
is "$rc" 7 "the command's status comes out"
like "$(cat "$out")" '200 OK' 'the registry answers'
ended "$tmp/one"
ok $? 'it ends with the command'

# shellcheck disable=SC2016 # expanded at the end
at_exit '"$registry" stop "$tmp/two"'
run "$registry" start -a 'name:pass word' -t "$tmp/two"
address=$(cat "$out")
is "$address" "$(cat "$tmp/two/address")" 'the address is printed and kept'
ca=$tmp/two/ca.pem
is "$(code --cacert "$ca" "https://$address/v2/")" 401 'TLS; a password is asked for'
is "$(code --cacert "$ca" -u 'name:pass word' "https://$address/v2/")" 200 \
	'the right one is taken'
is "$(code --cacert "$ca" -u name:wrong "https://$address/v2/")" 401 \
	'a wrong one is not'
run "$registry" start "$tmp/two"
is "$rc" 75 'one server a folder'
"$registry" stop "$tmp/two"
ended "$tmp/two"
ok $? 'stopped'
run "$registry" stop "$tmp/two"
is "$rc" 0 'stopping twice is no error'

sh -c '"$1" start "$2"; kill -9 $$' sh "$registry" "$tmp/three" >/dev/null 2>&1
await 5 ended "$tmp/three"
ok $? 'it ends with who started it, killed or not'

# Two makers at once, the second finds the first's; then pushed and read.
XDG_CACHE_HOME=$tmp/cache
export XDG_CACHE_HOME
"$top/scripts/make-image" busybox >"$tmp/first" 2>&1 &
run "$top/scripts/make-image" busybox
wait "$!"
is "$rc $(cat "$out")" "0 $(cat "$tmp/first")" 'two makers make one image'
is "$(find "$tmp/cache/vk/made-images" -mindepth 1 -maxdepth 1 | wc -l)" 1 \
	'and leave nothing else'
# shellcheck disable=SC2016 # for the shell inside
run "$registry" run "$tmp/one" sh -c '
	"$1" busybox "$REGISTRY" >/dev/null &&
	for tag in 1 user entry; do
		skopeo inspect --config --tls-verify=false \
			"docker://$REGISTRY/busybox:$tag" || exit
	done' sh "$top/scripts/make-image"
is "$rc" 0 'the image is in the registry'
like "$(cat "$out")" '"User": "1000:2000"' 'with its user'
like "$(cat "$out")" '"from the entry point:"' 'and its entry point'

done_testing
