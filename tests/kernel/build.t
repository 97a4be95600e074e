#!/bin/sh
# SPDX-License-Identifier: MIT
# build.t - kernel/build on a kernel of one file: cache, locks, reproduction
#
# A real kernel takes a quarter of an hour; what is tested here is all the
# rest.  The tree below understands the targets that kernel/compile asks for.
. "$(dirname "$0")/../lib.sh"

have gcc
have flock

mkdir -p "$tmp/project" "$tmp/linux/init" "$tmp/bin"
# asked for, and not used by such a small kernel
for tool in flex bison bc; do
	ln -s /bin/true "$tmp/bin/$tool"
done
# there, and not to be seen
printf '#!/bin/sh\necho CONFIG_RUSTC_VERSION=1\n' >"$tmp/bin/rustc"
chmod +x "$tmp/bin/rustc"
PATH=$tmp/bin:$PATH
cp -R "$top/kernel" "$tmp/project/kernel"
mkdir "$tmp/project/scripts"
cp "$top/scripts/cache.sh" "$tmp/project/scripts"
XDG_CACHE_HOME=$tmp/cache
KERNEL_SRC=$tmp/linux
JOBS=1
unset BUILD
made=$tmp/made
export XDG_CACHE_HOME KERNEL_SRC JOBS made

cat >"$tmp/linux/init/main.c" <<'END'
#include <stdio.h>
int main(void) { puts(STAMP); return 0; }
END
cat >"$tmp/linux/Makefile" <<'END'
RUSTC = rustc
allnoconfig:
	@grep '^CONFIG_' $(KCONFIG_ALLCONFIG) | grep -v '^$(DROP)=' > $(O)/.config
	@echo '$(SELECT)' >> $(O)/.config
	@$(RUSTC) --version >> $(O)/.config 2>/dev/null || :
	@$(if $(WARNS),echo 'warning: unmet dependencies')
vmlinux linux:
	@echo $@ >> $(made)
	@echo '  CC      init/main.o'
	@$(if $(HOLD),echo > $(made).hold; timeout 60 cat $(HOLD))
	gcc -DSTAMP='"$(KBUILD_BUILD_TIMESTAMP) $(KBUILD_BUILD_USER)"' \
		-Wl,-z,max-page-size=0x200000 -o $(O)/$@ init/main.c $(BREAK)
	@echo 0 T main > $(O)/System.map
END
: >"$made"
compiled() { wc -l <"$made" | tr -d ' '; }
build() { run "$tmp/project/kernel/build" "$@"; }
entry() { echo "$tmp/cache/vk/kernel/$("$tmp/project/kernel/build" -f "$@")"; }

# ---- the first and the second time ------------------------------------------

build
is "$rc" 0 "a kernel is built" || diag "$(cat "$err")"
is "$(cat "$out")" "" "stdout stays empty"
install "$tmp/project/build/vmlinux" "$tmp/copy"
is "$("$tmp/copy")" "1970-01-01 00:00:00 UTC vk" \
	"with nobody's name and a date of its own"
ok "$([ "$(stat -c %s "$tmp/copy")" -lt 100000 ]; echo $?)" \
	"without the megabytes that its linker left between segments"
is "$(cd "$(entry)" && echo *)" "System.map config sha256 vmlinux" \
	"the cache has the kernel and what it was made of"
unlike "$(cat "$(entry)/config")" RUSTC \
	"nothing of tools that have no part in it"
is "$(stat -c %a "$(entry)/vmlinux")" 444 "which nobody writes to by mistake"
ok "$(cd "$(entry)" && sha256sum --check --status sha256; echo $?)" \
	"and its digests"
is "$(find "$tmp/project/build/kernel" -mindepth 1)" "" \
	"the work folder is gone"
unlike "$(cat "$err")" "$(printf '\r')" "no progress where there is no terminal"

build
is "$rc:$(compiled)" 0:1 "the second run compiles nothing"

BUILD=$tmp/elsewhere build
is "$rc:$(compiled)" 0:1 "nor does another build folder"
ok "$(cmp "$tmp/elsewhere/vmlinux" "$(entry)/vmlinux"; echo $?)" \
	"which gets the same file"

# ---- the fingerprint --------------------------------------------------------

first=$(entry)
echo '# a remark' >>"$tmp/project/kernel/config"
is "$(entry)" "$first" "a remark in the configuration changes nothing"
echo 'CONFIG_NEW_THING=y' >>"$tmp/project/kernel/config"
isnt=$(entry)
ok "$([ "$isnt" != "$first" ]; echo $?)" "an option does"
build
is "$rc:$(compiled)" 0:2 "and is built anew"
is "$(grep -c NEW_THING "$isnt/config")" 1 "with the option"
ok "$([ "$(entry uml)" != "$isnt" ]; echo $?)" "each flavour has its own"
build uml
is "$rc:$(compiled)" 0:3 "the other flavour is built"
ok "$([ -x "$tmp/project/build/linux.uml" ]; echo $?)" "as build/linux.uml"
before=$(entry)
touch -d '2001-02-03' "$tmp/linux/init/main.c"
ok "$([ "$(entry)" != "$before" ]; echo $?)" "a change in the tree is seen"
touch -d '2001-02-03' "$tmp/linux/init/main.c"
before=$(entry)
echo '# recipe' >>"$tmp/project/kernel/compile"
ok "$([ "$(entry)" != "$before" ]; echo $?)" "so is one in the recipe"

# ---- the same bytes ---------------------------------------------------------

cp -Rp "$tmp/linux" "$tmp/linux-at-another-place"
build
sum=$(sha256sum <"$tmp/project/build/vmlinux")
rm -rf "$(entry)"
KERNEL_SRC=$tmp/linux-at-another-place BUILD=$tmp/b2 TZ=Asia/Tokyo build
is "$(sha256sum <"$tmp/b2/vmlinux")" "$sum" \
	"another folder and time zone give the same bytes"

# ---- what goes wrong --------------------------------------------------------

count=$(compiled)
DROP=CONFIG_OVERLAY_FS BUILD=$tmp/b3 XDG_CACHE_HOME=$tmp/c3 build
is "$rc" 65 "a dropped option stops the build"
like "$(cat "$err")" 'CONFIG_OVERLAY_FS: wanted y, but it is n' "it is named"
is "$(compiled)" "$count" "before anything was compiled"
SELECT=CONFIG_MODULES=y BUILD=$tmp/b3 XDG_CACHE_HOME=$tmp/c3 build
is "$rc" 65 "so does a refused option that came in"
WARNS=1 BUILD=$tmp/b3 XDG_CACHE_HOME=$tmp/c3 build
is "$rc" 65 "and a warning of Kconfig"
like "$(cat "$err")" 'unmet dependencies' "which is shown"

BREAK=-no-such-option BUILD=$tmp/b4 XDG_CACHE_HOME=$tmp/c4 build
is "$rc" 70 "a failing compiler stops the build"
like "$(cat "$err")" 'no-such-option' "with its words"
is "$(find "$tmp/c4" -name vmlinux)$(find "$tmp/b4" -maxdepth 1 -type f)" "" \
	"nothing is under a final name"
BUILD=$tmp/b4 XDG_CACHE_HOME=$tmp/c4 build
is "$rc" 0 "the next run mends it"

chmod u+w "$(entry)"
printf 'x' >"$tmp/x"
cp "$(entry)/config" "$tmp/x2" && rm "$(entry)/config" && mv "$tmp/x" \
	"$(entry)/config"
count=$(compiled)
build
is "$rc" 0 "a damaged cache is noticed"
like "$(cat "$err")" 'damaged' "and said"
is "$(compiled)" $((count + 1)) "and built again"

mkdir "$tmp/few"
for tool in sh dirname awk sort sha256sum cat gcc ld cut find mkdir flock make \
	nproc stat date; do
	ln -s "$(command -v $tool)" "$tmp/few/$tool"
done
PATH=$tmp/few BUILD=$tmp/b6 XDG_CACHE_HOME=$tmp/c6 build
is "$rc" 69 "a tool that is missing is a failure"
like "$(cat "$err")" 'flex: not installed' "it is named"
like "$(cat "$err")" 'scripts/setup kernel' "and what installs it"

KERNEL_SRC=$tmp/none build
is "$rc" 66 "a missing tree is an input error"
build --without nonsense
is "$rc" 64 "an unknown group is a usage error"
like "$(cat "$err")" 'nonsense: no such group' "it is named"
build nonsense
is "$rc" 64 "an unknown flavour too"

build --without netfs --configure
is "$rc" 0 "a group can be left out"
unlike "$(cat "$tmp/project/build/vmlinux.config")" CONFIG_NFS_FS \
	"its options are gone"
like "$(cat "$tmp/project/build/vmlinux.config")" CONFIG_EXT4_FS=y \
	"the others stay"
build --groups
like "$(cat "$out")" '^netfs: +[a-z]' "groups are listed with their reason"

# ---- two at a time, and one killed ------------------------------------------

rm -rf "$tmp/cache"
: >"$made"
mkfifo "$tmp/hold"
# Who waits for it may have given up.
let_go() { timeout 5 sh -c 'echo >"$1"' sh "$tmp/hold"; }
HOLD=$tmp/hold "$tmp/project/kernel/build" 2>"$tmp/one" &
one=$!
at_exit "end $one"
await 20 test -e "$made.hold"
BUILD=$tmp/b5 "$tmp/project/kernel/build" 2>"$tmp/two" &
two=$!
at_exit "end $two"
await 20 grep -q waiting "$tmp/two"
ok $? "a second builder of the same kernel waits"
let_go
wait $one
is $? 0 "the first one is done"
wait $two
is "$?:$(compiled)" 0:1 "the second takes what the first has built"

# What compiles outlives its builder, and keeps the lock until it is done.
rm -rf "$tmp/cache" "$made.hold"
: >"$made"
HOLD=$tmp/hold "$tmp/project/kernel/build" 2>"$tmp/one" &
one=$!
await 20 test -e "$made.hold"
kill -9 $one
wait $one 2>/dev/null
is "$(find "$tmp/cache" -name vmlinux)" "" \
	"a build that was killed leaves nothing under a final name"
"$tmp/project/kernel/build" 2>"$tmp/two" &
two=$!
await 20 grep -q waiting "$tmp/two"
let_go
wait $two
is $? 0 "the next run waits for what still compiles, and takes no harm"

done_testing
