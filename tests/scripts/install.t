#!/bin/sh
# SPDX-License-Identifier: MIT
# make install puts everything where it is found, and uninstall takes it away.
# takes: 15 s
. "$(dirname "$0")/../lib.sh"

make_in() { run make -s -C "$top" O="$build" "$@"; }

make_in DESTDIR="$tmp/stage" PREFIX=/usr install
is "$rc" 0 'make install'
for name in vk vk-pull vk-mkext vk-boot vk-exec vk-switch vk-ps; do
	run "$tmp/stage/usr/bin/$name" --version
	is "$rc" 0 "$name runs where it was put"
	[ -f "$tmp/stage/usr/share/man/man1/$name.1" ]
	ok $? 'and so is its page'
done
[ -x "$tmp/stage/usr/lib/vk/vk-agent" ]
ok $? 'the agent'
[ -z "$(find "$tmp/stage" -name '*.new')" ]
ok $? 'nothing half is left'

# completion
for file in bash-completion/completions/vk zsh/site-functions/_vk \
	fish/vendor_completions.d/vk.fish; do
	shell=${file%%[-/]*}
	command -v "$shell" >/dev/null || {
		skip "completion for $shell" 'not installed'
		continue
	}
	run "$shell" -n "$tmp/stage/usr/share/$file"
	is "$rc" 0 "completion for $shell: no error in it"
	like "$(cat "$tmp/stage/usr/share/$file")" 'entrypoint' 'it has options'
done
# offered WORD...: what bash would offer for the last of them.
offered() {
	PATH=$tmp/stage/usr/bin:$PATH bash -c '. "$0"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_vk "$1"
		printf "%s\n" "${COMPREPLY[@]}"' \
		"$tmp/stage/usr/share/bash-completion/completions/vk" "$@"
}
is "$(offered vk ru)" run 'bash: a command'
is "$(offered vk run --entry)" --entrypoint 'bash: an option of a script'
is "$(offered vk-boot --boot-)" --boot-timeout 'bash: an option of a program'

# a tree that was moved, and reached through a link
mv "$tmp/stage/usr" "$tmp/moved"
ln -s "$tmp/moved/bin/vk" "$tmp/vk"
run "$tmp/vk" --version
like "$(cat "$out")" '^vk [0-9]' 'a moved tree, through a link'
run "$tmp/vk" run --help
like "$(cat "$out")" '^usage: vk-run' 'its subcommands are its own'
run env PATH=/usr/bin:/bin "$tmp/moved/libexec/vk/vk-images" --version
like "$(cat "$out")" '^vk-images [0-9]' 'a subcommand alone finds the tools'

# what is installed is held against its digest
prepare() {
	run "$tmp/moved/bin/vk-boot" --engine uml --prepare
}
prepare
if [ "$rc" -eq 69 ]; then
	skip 'damage is noticed' "$(head -n 1 "$err")"
else
	is "$rc" 0 'the agent is the one that was installed'
	like "$(cat "$out")" '^engine	uml' 'and the engine is told'
	printf x >>"$tmp/moved/lib/vk/vk-agent"
	prepare
	is "$rc" 65 'a damaged agent is refused'
	like "$(cat "$err")" 'vk-agent: damaged' 'and named'
	: >"$tmp/moved/lib/vk/SHA256SUMS"
	prepare
	is "$rc" 65 'so is an empty list'
fi
mv "$tmp/moved" "$tmp/stage/usr"

make_in DESTDIR="$tmp/stage" PREFIX=/usr uninstall
is "$rc" 0 'make uninstall'
is "$(find "$tmp/stage" -mindepth 1)" '' 'no file and no folder is left'

# what the version says
commit=$(git -C "$top" rev-parse --short HEAD 2>/dev/null)
if [ -n "$commit" ]; then
	like "$(vk-boot --version)" "\($commit" 'the version has the commit'
else
	skip 'the version has the commit' 'no git here'
fi

if command -v dpkg-deb >/dev/null && command -v git >/dev/null; then
	# How well it is packed takes longest and is not ours.
	DPKG_DEB_COMPRESSOR_LEVEL=1 make_in deb
	is "$rc" 0 'make deb'
	package=$(sed -n "s/.*in '\(.*\)'\.$/\1/p" "$out")
	dpkg-deb -x "$top/$package" "$tmp/root" 2>/dev/null ||
		dpkg-deb -x "$package" "$tmp/root"
	run "$tmp/root/usr/bin/vk" --version
	is "$rc" 0 'what it holds runs'
	like "$(dpkg-deb -f "$package" Depends 2>/dev/null ||
		dpkg-deb -f "$top/$package" Depends)" 'libjansson4' \
		'it names the libraries'
	make_in BUILD="$tmp" dist
	is "$rc" 0 'make dist'
	tar tzf "$tmp"/vk-*.tar.gz >"$tmp/list"
	like "$(cat "$tmp/list")" '^vk-[0-9.]+/Makefile$' 'it has the source'
	tar xzOf "$tmp"/vk-*.tar.gz --wildcards '*/common/version.h' \
		>"$tmp/version"
	like "$(cat "$tmp/version")" "VK_COMMIT \"$commit" 'and the commit'
else
	skip 'packages' 'no dpkg-deb or git here'
fi
done_testing
