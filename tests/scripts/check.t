#!/bin/sh
# SPDX-License-Identifier: MIT
# check.t - scripts/check on a project of a few small tests
. "$(dirname "$0")/../lib.sh"

have prove
unset BUILD
mkdir -p "$tmp/p/scripts" "$tmp/p/tests/cmd/vk-x"
cp "$top/scripts/check" "$tmp/p/scripts"
check=$tmp/p/scripts/check
: >"$tmp/p/Makefile"
make_rule() { printf '%s:\n\t@%s\n' "$1" "$2" >>"$tmp/p/Makefile"; }
make_rule all true
make_rule unit-tests 'mkdir -p build/tests/cmd/vk-x; cp unit build/tests/cmd/vk-x/a'
script() { # path, lines on standard input
	{
		echo '#!/bin/sh'
		cat
	} >"$tmp/p/$1"
	chmod +x "$tmp/p/$1"
}
echo 'exit 69' | script scripts/can-boot
# The lab: what comes after "--".
# shellcheck disable=SC2016 # for the script
echo 'while [ "$1" != -- ]; do shift; done; shift; IN_LAB=1 "$@"' |
	script scripts/lab
last() { tail -n 1 "$out"; }

: >"$tmp/p/tests/cmd/vk-x/a.c"
printf 'echo "ok 1 - one"\necho "ok 2 - two"\necho 1..2\n' | script unit
printf 'echo "# a remark"\necho "ok 1 - three"\necho "ok 2 - x # SKIP none"\necho 1..2\n' |
	script tests/good.t
# shellcheck disable=SC2016 # for the script
printf '# needs: kvm\n[ -n "$IN_LAB" ] && echo "ok 1 - four"\necho 1..1\n' |
	script tests/guest.t

run "$check" -n -s host
is "$rc" 0 'host: passes'
is "$(last)" '3 passed, 0 failed, 1 skipped' 'and is counted'
like "$(cat "$out")" '^host: tests/cmd/vk-x/a \.\. ok, 2, [0-9]+ s$' 'a unit test'
unlike "$(cat "$out")" '(three|guest)' 'silent on success, no guest'

printf 'echo "# waited in vain: something"\necho "ok 1"\necho 1..1\n' |
	script tests/slow.t
run "$check" -n -s host tests/slow.t
like "$rc $(cat "$out")" '^host: tests/slow.t: # waited in vain: something$' \
	'what a test awaited in vain is told, though it passes'
rm "$tmp/p/tests/slow.t"

run "$check" -n -s guest
is "$rc $(last)" '0 1 passed, 0 failed' 'guest: in the lab'
# shellcheck disable=SC2016 # for the script
echo '[ -e "$0.once" ] || { : >"$0.once"; echo "RUN tests/guest.t"; exit 125; }
	while [ "$1" != -- ]; do shift; done; shift; IN_LAB=1 "$@"' |
	script scripts/lab
run "$check" -n -s guest
is "$rc $(last)" '0 1 passed, 0 failed' 'a lab that hangs is started once more'
echo 'exit 125' | script scripts/lab
run "$check" -n -s guest
is "$rc $(last)" '1 0 passed, 1 failed' 'a lab that fails is a failure'

# As when the lab's time is up: prove says no last word.
# shellcheck disable=SC2016 # for the script
printf 'echo "ok 1 - five"\nkill -9 "$PPID"\n' | script tests/hangs.t
run "$check" -n -s host tests/hangs.t
is "$rc $(last)" '1 0 passed, 1 failed' 'a test whose end is not seen fails'
like "$(cat "$out")" '^host: tests/hangs.t: did not end$' 'and is named'
rm "$tmp/p/tests/hangs.t"

echo 'exit 0' | script scripts/can-boot
run env IN_LAB=1 "$check" -n -s guest
is "$rc $(last)" '0 1 passed, 0 failed' 'guest: here, where guests can run'

run "$check" -n -s host tests/good.t
is "$(last)" '1 passed, 0 failed, 1 skipped' 'one test by its name'
run "$check" -n -s host tests/guest.t
is "$rc" 1 'no test at all is a failure'

printf 'echo "ok 1"\necho "not ok 2 - wrong"\necho "# why"\necho a word >&2\necho 1..2\nexit 1\n' |
	script tests/wrong.t
run "$check" -n -s host
is "$rc $(last)" '1 4 passed, 1 failed, 1 skipped' 'a check that fails'
like "$(cat "$out")" '^host: tests/wrong.t: not ok 2 - wrong$' 'is shown'
like "$(cat "$out")" '^host: # why$' 'with its reason'
like "$(cat "$out")" '^host: tests/wrong.t \.\. not ok, 1 of 2, [0-9]+ s$' \
	'and the test ends as one that failed'
is "$(sed -n '/^== what failed/,/^$/p' "$out")" "== what failed
host: tests/wrong.t: not ok 2 - wrong
host: # why
host: | a word" 'and again at the end, with what else was said'
unlike "$(cat "$out")" 'a remark' 'but for what a test said that passed'
printf 'echo "ok 1"\nkill -9 $$\n' | script tests/wrong.t
run "$check" -n -s host
is "$rc $(last)" '1 4 passed, 1 failed, 1 skipped' 'a test that dies'
like "$(cat "$out")" '^host: tests/wrong.t: not ok: ' 'is named'
printf 'echo "ok 1"\necho 1..2\n' | script tests/wrong.t
run "$check" -n -s host
is "$rc $(last)" '1 4 passed, 1 failed, 1 skipped' 'a test that ends too soon'
printf 'echo 1..0 "# SKIP not here"\n' | script tests/wrong.t
run "$check" -n -s host
is "$rc $(last)" '0 3 passed, 0 failed, 2 skipped' 'a test that cannot run'
like "$(cat "$out")" 'tests/wrong.t .. skipped: not here' 'says so'

make_rule broken false
sed -i 's/^all:$/all: broken/' "$tmp/p/Makefile"
run "$check" -n -s host
[ "$rc" -ne 0 ]
ok $? 'a build that fails'
unlike "$(cat "$out")" 'passed' 'runs no test'

# ---- tests/lib.sh -----------------------------------------------------------

# Whoever reads a test's results may go away.
cat >"$tmp/gone.t" <<END
. "$top/tests/lib.sh"
sleep 600 &
echo \$! >"$tmp/started"
at_exit "end \$!"
echo "\$tmp" >"$tmp/folder"
await 20 test -e "$tmp/closed"
while :; do pass 'again'; done
END
mkfifo "$tmp/results"
(cd "$top" && exec sh "$tmp/gone.t" >"$tmp/results") &
pid=$!
exec 9<"$tmp/results"
await 10 test -s "$tmp/folder"
exec 9<&-
: >"$tmp/closed"
wait "$pid"
is "$?" 141 'a test whose reader has gone ends'
await 5 sh -c "! kill -0 $(cat "$tmp/started")"
ok $? 'and what it started'
ok "$([ ! -d "$(cat "$tmp/folder")" ]; echo $?)" 'and its folder is gone'

done_testing
