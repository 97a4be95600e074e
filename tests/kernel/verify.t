#!/bin/sh
# SPDX-License-Identifier: MIT
# verify.t - what Kconfig dropped or added is found before the long compile
. "$(dirname "$0")/../lib.sh"

verify=$top/kernel/verify

cat >"$tmp/config" <<'END'
#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_EXT4_FS=y
CONFIG_OVERLAY_FS=m
# CONFIG_DEVMEM is not set
CONFIG_NR_CPUS=64
CONFIG_LSM="landlock,yama"
CONFIG_THERMAL=y
END

wish() { cat >"$tmp/wish"; }

wish <<'END'
# any words of explanation
CONFIG_EXT4_FS=y

## group: of options
# CONFIG_DEVMEM is not set
# CONFIG_SOUND is not set
CONFIG_NR_CPUS=64
CONFIG_LSM="landlock,yama"
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$rc:$(cat "$out" "$err")" "0:" "what was followed is not talked about"

wish <<'END'
CONFIG_EXT4_FS=y
CONFIG_SQUASHFS=y
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$rc" 1 "a dropped option is a failure"
like "$(cat "$err")" 'wish:2: CONFIG_SQUASHFS: wanted y, but it is n' \
	"it is named with its line"
unlike "$(cat "$err")" EXT4 "and it alone"

wish <<'END'
# CONFIG_THERMAL is not set
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$rc" 1 "a refused option that something selected is a failure"
like "$(cat "$err")" 'CONFIG_THERMAL: refused, but it is y' "it is named"

wish <<'END'
CONFIG_OVERLAY_FS=y
CONFIG_NR_CPUS=8
CONFIG_LSM="landlock"
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$(grep -c 'wanted' "$err")" 3 "a module, a number and a string are compared"

wish <<'END'
CONFIG_EXT4_FS=y
# CONFIG_EXT4_FS is not set
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$rc" 1 "an option that is both wanted and refused is a failure"
like "$(cat "$err")" 'CONFIG_EXT4_FS: said twice' "it is named"

wish <<'END'
CONFIG-EXT4_FS=y
END
run "$verify" "$tmp/config" "$tmp/wish"
is "$rc" 1 "a line that is neither option nor comment is a failure"

echo 'CONFIG_EXT4_FS=y' >"$tmp/one"
echo 'CONFIG_EXT4_FS=y' >"$tmp/two"
run "$verify" "$tmp/config" "$tmp/one" "$tmp/two"
like "$(cat "$err")" 'said twice, .*one:1 and .*two:1' \
	"two files may not say the same"

run "$verify" "$tmp/none" "$tmp/one"
is "$rc" 66 "a missing file is an input error"
run "$verify"
is "$rc" 64 "no argument is a usage error"

# Our own files, against a result that follows them and one that does not.
for flavour in pc uml; do
	grep -h '^CONFIG_' "$top/kernel/config" "$top/kernel/config.$flavour" \
		>"$tmp/whole"
	run "$verify" "$tmp/whole" "$top/kernel/config" \
		"$top/kernel/config.$flavour"
	is "$rc:$(cat "$err")" "0:" "$flavour: our wishes are well-formed"
	grep -v '^CONFIG_OVERLAY_FS=' "$tmp/whole" >"$tmp/without"
	run "$verify" "$tmp/without" "$top/kernel/config" \
		"$top/kernel/config.$flavour"
	like "$(cat "$err")" 'kernel/config:[0-9]+: CONFIG_OVERLAY_FS: wanted y' \
		"$flavour: one option less is found"
done

done_testing
