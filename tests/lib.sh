# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# lib.sh - shell tests in the Test Anything Protocol
#
#	. "$(dirname "$0")/../lib.sh"      # or as many ../ as it takes
#	run vk-pull nonsense:              # status in $rc, streams in files
#	is "$rc" 64 "an unknown scheme is a usage error"
#	like "$(cat "$err")" 'nonsense:' "the reference is named"
#	done_testing
#
# Gives: $top (checkout), $build (what is tested; from $BUILD, made absolute),
# $tmp (a folder of the test's own, removed at its end), PATH with $build in
# front. A test ends only what it started: at_exit 'end "$pid"'.
#
# Marks in a test's header, read by scripts/check:
#	# needs: kvm     runs where /dev/kvm runs kernels: directly, or in the lab
#	# needs: root    runs as root only
#	# needs: release not repeated under sanitizers: what it is about (the agent,
#	                 a kernel, a guest of these) is built without, and the rest
#	                 is tested under them without a guest
#	# takes: 50 s    on a machine that has nothing else to do: the longest
#	                 begin first

set -u
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")" && {
	git rev-parse --show-toplevel 2>/dev/null || {
		while [ ! -f Makefile ] && [ "$PWD" != / ]; do cd ..; done
		pwd
	}
})
build=${BUILD:-$top/build}
case $build in /*) ;; *) build=$top/$build ;; esac
PATH=$build:$PATH
tmp=$(mktemp -d "${TMPDIR:-/tmp}/vk-test.XXXXXX") || exit 1
out=$tmp/.out
err=$tmp/.err
rc=
tap_count=0
tap_failed=0
tap_at_exit=
await_times=6
[ -z "${VK_LAB:-}" ] || await_times=10

# Runs a command line when the test ends, last registered first.
at_exit() {
	tap_at_exit="$1
$tap_at_exit"
}

# end [-SIGNAL] PID|-GROUP: a child of ours, or the group that it leads. Who has
# ended already is let be: there are 32768 numbers, which a check uses up again
# and again, so that its own may be that of another test's.
end() {
	tap_signal=-TERM
	[ $# -eq 1 ] || {
		tap_signal=$1
		shift
	}
	{ read -r tap_stat <"/proc/${1#-}/stat"; } 2>/dev/null || return 0
	tap_stat=${tap_stat##*) } # its state, and its parent
	tap_stat=${tap_stat#* }
	[ "${tap_stat%% *}" != $$ ] || kill "$tap_signal" "$1"
}

tap_end() {
	trap - EXIT
	trap '' PIPE
	eval "$tap_at_exit"
	rm -rf "$tmp"
}
trap tap_end EXIT
trap 'exit 143' TERM
trap 'exit 141' PIPE # of who reads the results
trap 'exit 130' INT
trap 'exit 129' HUP

# ok STATUS NAME: a check; STATUS 0 is good. It and the others here return 1
# where the check fails: ok $? 'it runs' || diag "$(cat "$err")".
ok() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
	else
		echo "not ok $tap_count - $2"
		tap_failed=$((tap_failed + 1))
		return 1
	fi
}

pass() { ok 0 "$1"; }
fail() { ok 1 "$1"; }

# is GOT EXPECTED NAME: the same text.
is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3" || :
		diag "got:      $1"
		diag "expected: $2"
		return 1
	fi
}

# like GOT REGEX NAME: an extended regular expression matches a line.
like() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then
		pass "$3"
	else
		fail "$3" || :
		diag "got:      $1"
		diag "expected: /$2/"
		return 1
	fi
}

unlike() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then
		fail "$3" || :
		diag "got:        $1"
		diag "not wanted: /$2/"
		return 1
	else
		pass "$3"
	fi
}

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# run CMD…: stdout to $out, stderr to $err, status to $rc; stdin as it is.
run() {
	rc=0
	"$@" >"$out" 2>"$err" || rc=$?
}

# await SECONDS CMD…: until CMD succeeds; for what has no event to wait on. So
# long it may take where little else runs: beside other suites it has six times
# as long, on an emulated machine ten times. Only what never comes costs that.
await() {
	await_left=$(($1 * 20 * await_times))
	shift
	until "$@" >/dev/null 2>&1; do
		await_left=$((await_left - 1))
		[ "$await_left" -gt 0 ] || {
			diag "waited in vain: $*"
			return 1
		}
		sleep 0.05
	done
}

# hears PATH: somebody listens at that unix socket, which is there before.
hears() { grep -q " 00010000 .* $1\$" /proc/net/unix; }

# An emulated processor takes a hundred times as long to make an image as to
# look at it. So scripts/check runs what needs a guest twice: here, with $VK_MADE
# for a folder that takes what was made, and then in the lab, to which that
# folder has come.
#
#	made root.ext4 || {
#		...				# its tree, in "root"
#		tar -C root --owner=0 --group=0 -cf - . | vk-mkext >root.ext4
#		keep root.ext4
#	}

# made FILE: it is here, made before, and must not be written to.
made() {
	tap_made=${VK_MADE:+$VK_MADE/$(printf %s "$0" | tr / _).$1}
	[ -n "${VK_LAB:-}" ] && [ -f "$tap_made" ] && ln -s "$tap_made" "$1"
}
# keep FILE: it is made; where it is made for the lab, that is all.
keep() {
	[ -n "$tap_made" ] && [ -z "${VK_LAB:-}" ] || return 0
	cp --sparse=always "$1" "$tap_made"
	exit
}

# skip NAME WHY: one check that cannot run here.
skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# skip_all WHY: the whole test cannot run here.
skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# have CMD WHY: the whole test is skipped without it.
have() {
	command -v "$1" >/dev/null 2>&1 || skip_all "$1 is not installed${2:+: $2}"
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ] && [ "$tap_count" -gt 0 ]
	exit $?
}
