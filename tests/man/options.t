#!/bin/sh
# SPDX-License-Identifier: MIT
# Each command's page and its option table say the same.
. "$(dirname "$0")/../lib.sh"

# The options that a page has items for, a line each: letter and long name.
of_page() {
	sed -n 's/^\.It Fl \(.\) , \(Fl \)\{0,1\}-\([a-z0-9-]*\).*/\1 \3/p
		s/^\.It Fl -\([a-z0-9-]*\).*/ \1/p' "$1" |
		grep -vx ' help' | sort
}

# The same of a program.
of_program() {
	"$1" --options | awk -F '\t' '{ print $1 " " $2 }' | sort
}

# Programs in C, and scripts that are commands of vk(1).
for main in "$top"/cmd/vk-*.c "$top"/scripts/vk-*; do
	name=$(basename "$main" .c)
	program=$build/$name
	[ -x "$program" ] || program=$main
	page=$top/man/$name.1
	[ -f "$page" ]
	ok $? "$name has a page"
	of_program "$program" >"$tmp/program"
	of_page "$page" >"$tmp/page"
	diff "$tmp/program" "$tmp/page" >"$tmp/diff"
	ok $? "$name: the same options in program (<) and page (>)" ||
		diag "$(cat "$tmp/diff")"
	for section in NAME SYNOPSIS DESCRIPTION OPTIONS 'EXIT STATUS' EXAMPLES \
		'SEE ALSO'; do
		grep -Eqx "\.Sh \"?$section\"?" "$page" ||
			fail "$name: no section $section"
	done
	run "$program" --help
	is "$rc" 0 "$name --help"
	run "$program" --version
	like "$(cat "$out")" "^$name [0-9]+\." "$name --version"
done
done_testing
