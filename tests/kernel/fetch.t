#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.t - the source package: pinned, verified, once; with apt played
. "$(dirname "$0")/../lib.sh"

mkdir -p "$tmp/bin" "$tmp/archive"
XDG_CACHE_HOME=$tmp/cache
VK_KERNEL_PIN=$tmp/version
archive=$tmp/archive
log=$tmp/log
PATH=$tmp/bin:$PATH
export XDG_CACHE_HOME VK_KERNEL_PIN archive log PATH

# apt-cache shows what lies in the archive, unless no list was fetched yet;
# apt-get copies it, and ARCHIVE_LIES makes it hand over something else.
cat >"$tmp/bin/apt-cache" <<'END'
#!/bin/sh
[ ! -e "$archive/no-lists" ] || case "$*" in *Dir::State::Lists=*) ;; *) exit 100 ;; esac
sort -r "$archive/index" 2>/dev/null | while read -r version sum; do
	printf 'Package: linux-source-6.12\nVersion: %s\nSHA256: %s\n\n' \
		"$version" "$sum"
done
END
cat >"$tmp/bin/apt-get" <<'END'
#!/bin/sh
echo "$*" | grep -Eo '(update|download).*' >>"$log"
for last; do :; done
case $last in
update) [ ! -e "$archive/no-network" ] ;;
*) cp "$archive/${last#*=}" "./${last%=*}_${last#*=}_all.deb"
	[ -z "${ARCHIVE_LIES-}" ] || echo evil >"./${last%=*}_${last#*=}_all.deb" ;;
esac
END
chmod +x "$tmp/bin/apt-cache" "$tmp/bin/apt-get"

publish() {
	echo "source $1" >"$archive/$1"
	echo "$1 $(sha256sum <"$archive/$1" | cut -d ' ' -f 1)" \
		>>"$archive/index"
}
pin() {
	printf '# words\npackage\tlinux-source-6.12\nversion\t%s\nsha256\t%s\n' \
		"$1" "$2" >"$VK_KERNEL_PIN"
}
publish 6.12.1-1
publish 6.12.2-1
first=$(sed -n 's/^6.12.1-1 //p' "$archive/index")
second=$(sed -n 's/^6.12.2-1 //p' "$archive/index")
fetch() { run "$top/kernel/fetch" "$@"; }
left() { find "$tmp/cache" -name '.fetch*' -o -name '*.deb'; }

pin 6.12.1-1 "$first"
fetch
is "$rc" 0 "the pinned version is fetched" || diag "$(cat "$err")"
deb=$(cat "$out")
is "$deb" "$tmp/cache/vk/kernel/source/$first.deb" "into the cache"
is "$(cat "$deb")" "source 6.12.1-1" "though there is a newer one"
is "$(cat "$log")" "download linux-source-6.12=6.12.1-1" \
	"the machine's own lists are enough"

fetch
is "$rc:$(wc -l <"$log" | tr -d ' ')" 0:1 "the second run fetches nothing"

rm -f "$deb"
echo broken >"$deb"
fetch
is "$rc:$(cat "$deb")" "0:source 6.12.1-1" "a damaged copy is fetched again"
like "$(cat "$err")" damaged "and said"

rm -f "$deb"
ARCHIVE_LIES=1 fetch
is "$rc" 65 "another digest than the pinned one is refused"
is "$(left)" "" "and not kept"

: >"$archive/no-lists"
: >"$log"
fetch
is "$rc" 0 "without lists, they are fetched first"
is "$(cut -d ' ' -f 1 "$log" | paste -sd ' ')" "update download" \
	"into a folder of our own"
is "$(left)" "$deb" "which is gone afterwards"

rm -f "$deb"
: >"$archive/no-network"
fetch
is "$rc" 69 "without network, the failure is named"
like "$(cat "$err")" 'no package lists' "as such"
rm -f "$archive/no-network" "$archive/no-lists"

pin 6.12.0-1 "$first"
fetch
is "$rc" 69 "a version that is not offered any more is a failure"
like "$(cat "$err")" '6.12.0-1: not offered' "which names it"
like "$(cat "$err")" 'they have: 6.12.2-1 6.12.1-1' "and what there is"
like "$(cat "$err")" 'fetch --pin' "and how to mend it"

fetch --pin
is "$rc" 0 "--pin takes the newest"
is "$(cat "$VK_KERNEL_PIN")" "# words
package	linux-source-6.12
version	6.12.2-1
sha256	$second" "with its digest, and leaves the rest"
fetch
is "$rc" 0 "which can then be fetched"

fetch nonsense
is "$rc" 64 "an unknown argument is a usage error"

done_testing
