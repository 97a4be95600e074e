#!/bin/sh
# SPDX-License-Identifier: MIT
# The options of subcommands that are scripts: the forms of common/opt.h.
. "$(dirname "$0")/../lib.sh"

ln -s "$top/scripts/command.sh" "$tmp/command.sh"
cat >"$tmp/vk-try" <<'END'
#!/bin/sh
. "${0%/*}/command.sh"
synopsis='[options] WORD...'
purpose='Tries.'
options='a	all		take all
b	both		take both
n	name	NAME	a name
	long-only	VALUE	no letter'
while next_option "$@"; do
	shift "$taken"
	printf '%s=%s;' "$option" "$value"
done
shift "$taken"
printf '%s' "$*"
END
chmod +x "$tmp/vk-try"

# try EXPECTED ARG...
try() {
	expected=$1
	shift
	run "$tmp/vk-try" "$@"
	is "$rc $(cat "$out")" "0 $expected" "$*"
}
try '' ''
try 'x -a' x -a
try '-a' -- -a
try 'all=;both=;x' -a -b x
try 'all=;both=;x' -ab x
try 'all=;name=x;y' -anx y
try 'all=;name=x;y' -an x y
try 'name=-b;' -n -b
try 'name=;x' -n '' x
try 'name=a=b;' --name=a=b
try 'name=;' --name=
try 'long-only=two words;x' --long-only 'two words' x
try 'all=;-' -a -
try 'all=;-b' -a -- -b

# refuses PATTERN ARG...
refuses() {
	pattern=$1
	shift
	run "$tmp/vk-try" "$@"
	is "$rc" 64 "$*: refused"
	like "$(head -n 1 "$err")" "^vk-try: $pattern" "$*: says why"
	like "$(tail -n 1 "$err")" 'usage: vk-try' "$*: and how"
}
refuses '-x: unknown' -x
refuses '-x: unknown' -ax
refuses '--nothing: unknown' --nothing
refuses '--NAME: unknown' --NAME
refuses '--al: unknown' --al
refuses '-n: needs a value' -n
refuses '--name: needs a value' --name
refuses '--all: takes no value' --all=x

run "$tmp/vk-try" --help
like "$(cat "$out")" '^  -n, --name NAME +a name$' 'help'
run "$tmp/vk-try" --options
is "$(cut -f 2 "$out" | paste -sd ' ')" 'all both name long-only' 'the table'

# quote: what it makes is one word again.
# shellcheck disable=SC1003
for word in '' a 'a b' "it's" '$HOME' '`id`' '"' '\\' '*' 'a
b' "'''" '-x' '~'; do
	# shellcheck disable=SC2154 # quoted is set there
	got=$(options='' && . "$top/scripts/command.sh" && quote "$word" &&
		eval "printf '%s.' $quoted")
	is "$got" "$word." "quoted: $(printf %s "$word" | tr '\n' ' ')"
done

# What vk-run passes on is understood.
vk-boot --options | cut -f 2,3 | sort >"$tmp/boot"
sed -n '/^	cpus | memory/,/)/p' "$top/scripts/vk-run" | tr -c 'a-z-' '\n' |
	grep . >"$tmp/passed"
while read -r option; do
	grep -q "^$option	." "$tmp/boot"
	ok $? "vk-boot has --$option, with a value"
done <"$tmp/passed"
[ "$(wc -l <"$tmp/passed")" -ge 10 ]
ok $? 'there were some'

# ---- images ----

# One that whoever made it was killed before using: it is listed, and goes.
export XDG_CACHE_HOME="$tmp/cache"
images=$XDG_CACHE_HOME/vk/images
mkdir -p "$images"
head -c 100000 /dev/zero >"$images/one.ext4"
cp "$images/one.ext4" "$images/two.ext4"
printf 'busybox:1\tsha256:12\n' >"$images/two.ref"
touch -d '3 days ago' "$images/one.ext4"
run "$top/scripts/vk-images" -q
is "$(cut -f 1,2,5 "$out")" 'busybox:1	sha256:12	two
-	-	one' 'vk images lists what was never used'
for limit in 107000000000000d 9223372036854775807G 12345678901s; do
	run "$top/scripts/vk-gc" "$limit"
	is "$rc $(cd "$images" && echo *.ext4)" '64 one.ext4 two.ext4' \
		"vk gc $limit: a slip takes nothing"
done
run "$top/scripts/vk-gc" 2d
is "$rc $(cd "$images" && echo *)" '0 two.ext4 two.ref' 'vk gc takes it'

# The name of a file may be anything.
sh -c '. "$1" && image_use "$2" "$3" sha256:34' \
	"$top/scripts/vk-images" "$top/scripts/images.sh" "$images/two.ext4" \
	"$(printf 'oci:/a\tb\nc\033[31m')"
run "$top/scripts/vk-images" -q
is "$(cut -f 1,2,5 "$out")" 'oci:/a?b?c?[31m	sha256:34	two' \
	'a reference is one field of one line'
run "$top/scripts/vk-run" --dry-run -- --help
is "$rc" 64 'vk run: an option is no image'

# What others who were killed left, and what is somebody's yet.
touch "$images/left.lock" "$images/left.ref"
touch -d '2 hours ago' "$images/.vk-mkext.1.0"
touch "$images/.vk-mkext.2.0" "$images/held.lock"
flock "$images/held.lock" "$top/scripts/vk-gc" 2d
is "$(cd "$images" && echo .[!.]* *)" '.vk-mkext.2.0 held.lock two.ext4 two.ref' \
	'vk gc sweeps'
touch -d '2 hours ago' "$images/.vk-mkext.2.0"
: >"$images/three.ext4"
run "$top/scripts/vk-purge"
is "$rc $(find "$XDG_CACHE_HOME" -type f)" '0 ' 'vk purge, too'
is "$(ls "$XDG_CACHE_HOME/vk")" "blobs
partial
tags" 'and no folder of images'

# As the programs have it: relative paths are not meant.
mkdir -p "$tmp/home/.cache/vk/images"
: >"$tmp/home/.cache/vk/images/four.ext4"
run env HOME="$tmp/home" XDG_CACHE_HOME=cache "$top/scripts/vk-images" -q
is "$(cut -f 5 "$out")" four 'a relative XDG_CACHE_HOME is ignored'
run env HOME="$tmp/home" XDG_CACHE_HOME=cache timeout 60 "$top/scripts/vk-check"
like "$(cat "$out")" "cache +$tmp/home/.cache/vk/images: " 'vk check: so it is'

# ---- others ----

run "$top/scripts/vk-stats" nobody
is "$rc" 66 'vk stats: there is no such VM'
mkdir "$tmp/last"
printf '#!/bin/sh\n' >"$tmp/last/vk-lastly"
chmod +x "$tmp/last/vk-lastly"
# shellcheck disable=SC2031 # that subshell was meant to
run env PATH="$PATH:$tmp/last" "$top/scripts/vk" --commands
like "$(cat "$out")" '^lastly$' 'vk --commands: to the last folder of PATH'
done_testing
