#!/bin/sh
# SPDX-License-Identifier: MIT
#
# vk-mkext.t - vk-mkext as its users meet it
# takes: 30 s
. "$(dirname "$0")/../lib.sh"
have e2fsck
have debugfs
have tar
have strace

image=$tmp/root.ext4
in_image() { debugfs -R "$1" "$image" 2>/dev/null; }
clean() { e2fsck -fn "$1" >"$tmp/fsck" 2>&1; }

tree=$tmp/tree
mkdir -p "$tree/etc" "$tree/usr/lib" "$tree/empty"
echo hello >"$tree/etc/motd"
ln -s usr/lib "$tree/lib"
ln "$tree/etc/motd" "$tree/usr/lib/again"
mkfifo "$tree/pipe"
head -c 300000 /dev/urandom >"$tree/big"
truncate -s 3M "$tree/hole"
chmod 4755 "$tree/big"
tar -cf "$tmp/a.tar" -C "$tree" .

# ---- the three outputs ------------------------------------------------------

run vk-mkext -o "$image" "$tmp/a.tar"
is "$rc" 0 "a tar file becomes an image"
is "$(cat "$err" "$out")" "" "in silence"
clean "$image"
ok $? "the image is clean"
is "$(in_image 'cat /etc/motd')" hello "a file's content"
in_image "dump /big $tmp/big"
cmp -s "$tmp/big" "$tree/big"
ok $? "a larger file's content"
like "$(in_image 'stat /big')" 'Mode: *04755' "set-id bits"
like "$(in_image 'stat /etc/motd')" 'Links: 2' "a hard link"
like "$(in_image 'stat /lib')" 'Fast link dest: "usr/lib"' "a symbolic link"
like "$(in_image 'stat /hole')" 'Size: 3145728' "a hole's size"
like "$(in_image 'stat /hole')" 'Blockcount: 0' "a hole takes no blocks"
like "$(in_image 'stat /pipe')" 'Type: FIFO' "a fifo"

for closed in 0 1 2; do
	eval "vk-mkext -v -o \"\$tmp/closed\" \"\$tmp/a.tar\" $closed>&-" 2>"$err"
	cmp -s "$image" "$tmp/closed"
	ok $? "descriptor $closed is closed: the same bytes"
done
vk-mkext <"$tmp/a.tar" >"$tmp/redirected"
cmp -s "$image" "$tmp/redirected"
ok $? "from stdin to > file: the same bytes"
vk-mkext <"$tmp/a.tar" | cmp -s - "$image"
ok $? "into a pipe: the same bytes"
echo keep >"$tmp/appended"
vk-mkext "$tmp/a.tar" >>"$tmp/appended"
tail -c +6 "$tmp/appended" | cmp -s - "$image"
ok $? "appended to a file: behind what was there"
for pack in gzip bzip2 xz zstd lz4; do
	if ! command -v "$pack" >/dev/null; then
		skip "a tar packed by $pack" "no $pack"
		continue
	fi
	"$pack" -c "$tmp/a.tar" | vk-mkext -U "$(in_image stats |
		sed -n 's/.*UUID: *//p')" -o "$tmp/unpacked"
	cmp -s "$tmp/unpacked" "$image"
	ok $? "a tar packed by $pack"
done
ln -s unpacked "$tmp/a-link"
vk-mkext -s 2M -o "$tmp/a-link" "$tmp/a.tar"
is "$(stat -c %s "$tmp/unpacked")$(readlink "$tmp/a-link")" 2097152unpacked \
	"a symbolic link's target is written"
gzip -c "$tmp/a.tar" | head -c 100000 | vk-mkext -o "$tmp/none" 2>"$err"
like "$(cat "$err")" 'stdin: .*(truncated|damaged)' "a packed tar cut short"
[ ! -e "$tmp/none" ]
ok $? "is refused"
# A name that looks like what bzip2 makes.
mkdir "$tmp/odd"
echo odd >"$tmp/odd/BZh91AY&SY"
tar -cf - -C "$tmp/odd" 'BZh91AY&SY' | vk-mkext -s 1M -o "$tmp/unpacked"
is "$(vk-mkext --extract "$tmp/unpacked" '/BZh91AY&SY' | tar -xO)" odd \
	"a plain tar that starts like a packed one"

# ---- other tars -------------------------------------------------------------

mkdir "$tmp/times"
echo x >"$tmp/times/f"
touch -md '1969-12-31 23:59:55.5 UTC' "$tmp/times/f"
touch -ad '2001-02-03 04:05:06.25 UTC' "$tmp/times/f"
tar --format=pax -cf "$tmp/times.tar" -C "$tmp/times" f
vk-mkext -s 1M -o "$tmp/times.ext4" "$tmp/times.tar"
debugfs -R 'stat /f' "$tmp/times.ext4" >"$out" 2>/dev/null
# Nanoseconds stand above two bits that go on with the seconds.
like "$(cat "$out")" 'mtime: 0xfffffffb:77359400' "half a second before 1970"
like "$(cat "$out")" 'atime: 0x3a7b8372:3b9aca00' "the time of access"

truncate -s 300K "$tmp/times/sparse"
for at in 0 100 200; do
	head -c 5000 "$tree/big" | dd of="$tmp/times/sparse" bs=1K seek="$at" \
		conv=notrunc 2>/dev/null
done
for form in --format=gnu --sparse-version=0.0 --sparse-version=0.1 \
	--sparse-version=1.0; do
	tar --format=pax "$form" -Scf "$tmp/sparse.tar" -C "$tmp/times" sparse
	vk-mkext -s 2M -o "$tmp/times.ext4" "$tmp/sparse.tar"
	vk-mkext --extract "$tmp/times.ext4" /sparse | tar -xO |
		cmp -s - "$tmp/times/sparse"
	ok $? "a sparse file, $form"
done

# ---- refusals ---------------------------------------------------------------

if command -v script >/dev/null; then
	script -qec "vk-mkext $tmp/a.tar" /dev/null >"$out" 2>&1 </dev/null
	is $? 64 "stdout is a terminal: refused"
	like "$(cat "$out")" 'terminal' "and said so"
else
	skip "stdout is a terminal" "no script(1)"
fi
lines() { wc -l <"$err" | tr -d ' '; }
run vk-mkext -o "$tmp/none" </dev/null
is "$rc $(lines)" "65 1" "no input: one line"
like "$(cat "$err")" 'stdin: .*empty' "which says so"
head -c 200000 "$tmp/a.tar" >"$tmp/cut.tar"
run vk-mkext -o "$tmp/none" "$tmp/cut.tar"
is "$rc $(lines)" "65 1" "a tar cut inside a file: one line"
# Everything but the end mark.
size=$(tar -tRf "$tmp/a.tar" | sed -n 's/^block \([0-9]*\): \*\* Block of NULs.*/\1/p' | head -n1)
head -c $((size * 512)) "$tmp/a.tar" >"$tmp/cut.tar"
run vk-mkext -o "$tmp/none" "$tmp/cut.tar"
is "$rc $(lines)" "65 1" "a tar cut between two entries: one line"
like "$(cat "$err")" 'cut off' "which says so"
head -c 100000 /dev/urandom >"$tmp/noise"
run vk-mkext -o "$tmp/none" "$tmp/noise"
is "$rc $(lines)" "65 1" "noise: one line"
[ ! -e "$tmp/none" ]
ok $? "nothing is left under the final name"
vk-mkext "$tmp/cut.tar" >"$tmp/cut.img" 2>/dev/null
is "$(wc -c <"$tmp/cut.img" | tr -d ' ')" 0 "nothing is left in > file"
echo short >"$tmp/noise"
run vk-mkext -o "$tmp/none" "$tmp/noise"
like "$rc $(cat "$err")" '^65 .*/noise: not a tar' "a few bytes: no tar"
{
	head -c 1024 /dev/zero
	head -c 100000 /dev/urandom
} >"$tmp/noise"
run vk-mkext -o "$tmp/none" "$tmp/noise"
like "$rc $(cat "$err")" '^65 .*/noise: not a tar: it begins with zeros' \
	"an image of a disk, such as our own, is no empty tar"
run sh -c "vk-mkext <'$tmp/noise' >'$tmp/none'"
is "$rc" 65 "nor is it from a pipe"
head -c 10240 /dev/zero >"$tmp/noise"
run vk-mkext -o "$tmp/empty.ext4" "$tmp/noise"
is "$rc" 0 "zeros alone are a tar of nothing"
run vk-mkext -o "$tmp/none" "$tmp/not-there"
is "$rc" 66 "a missing tar"
run vk-mkext -o "$tmp/no/dir/x" "$tmp/a.tar"
is "$rc" 73 "a directory that is not there"
run vk-mkext -s 100K -o "$tmp/none" "$tmp/a.tar"
is "$rc" 65 "too small a size"
like "$(cat "$err")" 'needs' "says what is needed"

# ---- progress ---------------------------------------------------------------

if command -v script >/dev/null; then
	# What takes longer than half a second is shown.
	# shellcheck disable=SC2016
	cat >"$tmp/slowly" <<-'END'
		{ head -c 1000000; sleep 0.7; cat; } <"$1" | vk-mkext -o "$2"
	END
	script -qec "sh $tmp/slowly $tmp/a.tar $tmp/shown" /dev/null \
		>"$out" 2>&1 </dev/null
	like "$(cat "$out")" 'vk-mkext: .* [KM]iB/s' "progress, on a terminal"
	rm "$tmp/shown"
else
	skip "progress, on a terminal" "no script(1)"
fi

# ---- a disk that is full, and untimely ends ---------------------------------

run sh -c 'vk-mkext "$1" >/dev/full' sh "$tmp/a.tar"
is "$rc $(lines)" "74 1" "a full device as a pipe: one line"
like "$(cat "$err")" 'No space left' "which says so"
if unshare -rm true 2>/dev/null; then
	mkdir "$tmp/small"
	# shellcheck disable=SC2016
	run unshare -rm sh -c 'mount -t tmpfs -o size=256k none "$1" || exit 99
		cd "$1" && vk-mkext -o image "$2"; echo $?; ls -A
		vk-mkext "$2" >image; echo $?; stat -c %s image' \
		sh "$tmp/small" "$tmp/a.tar"
	is "$(paste -sd' ' "$out")" "74 74 0" "a full disk leaves nothing behind"
	is "$(lines)" 2 "one line each"
else
	skip "a full disk" "no user namespaces here"
	skip "a full disk: one line" "no user namespaces here"
fi

# slow DIRECTORY: an input that stops in the middle, for ever.
mkfifo "$tmp/slow"
for signal in HUP TERM KILL; do
	mkdir "$tmp/$signal"
	vk-mkext -o "$tmp/$signal/image" <"$tmp/slow" 2>/dev/null &
	pid=$!
	exec 9>"$tmp/slow"
	head -c 200000 "$tmp/a.tar" >&9
	# It has opened its output, and reads.
	await 10 sh -c "ls -l /proc/$pid/fd | grep -q '$signal/'" ||
		diag "no output seen"
	kill "-$signal" "$pid"
	wait "$pid" 2>/dev/null
	exec 9>&-
	is "$(ls -A "$tmp/$signal")" "" "SIG$signal leaves nothing behind"
done
# It is written in pieces of some megabytes.
head -c 12000000 /dev/urandom >"$tmp/pieces"
tar -cf "$tmp/pieces.tar" -C "$tmp" pieces
vk-mkext >"$tmp/in-place" <"$tmp/slow" 2>/dev/null &
pid=$!
exec 9>"$tmp/slow"
head -c 9000000 "$tmp/pieces.tar" >&9
await 10 test -s "$tmp/in-place"
ok $? "> file has something"
kill -TERM "$pid"
wait "$pid" 2>/dev/null
exec 9>&-
is "$(stat -c %s "$tmp/in-place")" 0 "SIGTERM cuts > file to nothing"
rm "$tmp/pieces" "$tmp/pieces.tar"

# A gigabyte of zeros, of which most goes away while it is read.
mkdir "$tmp/cut"
truncate -s 1G "$tmp/cut/zeros"
tar -cf - -C "$tmp/cut" zeros 2>/dev/null | head -c 512 >"$tmp/cut.tar"
truncate -s 1G "$tmp/cut.tar"
vk-mkext -o "$tmp/cut/image" "$tmp/cut.tar" 2>"$err" &
pid=$!
await 10 sh -c "ls -l /proc/$pid/fd | grep -q '/cut/#'" || diag "no output seen"
truncate -s 100M "$tmp/cut.tar"
wait "$pid"
rc=$?
like "$rc" '^(65|74)$' "a tar that is cut while it is read is refused"
is "$(lines) $(ls -A "$tmp/cut")" "1 zeros" "in one line, and nothing is left"
# A kernel that does not make pages present tells only who touches them.
truncate -s 4G "$tmp/cut.tar"
rm -f "$tmp/pid"
ASAN_OPTIONS=detect_leaks=0 strace -f -o /dev/null -e inject=madvise:error=EINVAL \
	sh -c 'echo $$ >"$1"; exec vk-mkext --fingerprint "$2"' sh \
	"$tmp/pid" "$tmp/cut.tar" >"$out" 2>"$err" &
pid=$!
await 10 test -s "$tmp/pid"
await 10 grep -q cut.tar "/proc/$(cat "$tmp/pid")/maps" || diag "not mapped"
truncate -s 10M "$tmp/cut.tar"
wait "$pid"
is "$? $(lines)" "74 1" "so is one whose fingerprint is asked for"
like "$(cat "$err")" 'cut while it was read' "which is told"
rm -r "$tmp/cut" "$tmp/cut.tar"

# ---- the same bytes everywhere ----------------------------------------------

cp "$tmp/a.tar" "$tmp/same.tar"
mkdir "$tmp/elsewhere"
(
	umask 077
	cd "$tmp/elsewhere" || exit
	TZ=Asia/Tokyo LC_ALL=C.UTF-8 HOME=/ vk-mkext -o ../b.ext4 - <../same.tar
)
cmp -s "$image" "$tmp/b.ext4"
ok $? "another folder, umask, zone and locale: the same bytes"
if command -v faketime >/dev/null; then
	faketime '2001-01-01' vk-mkext -o "$tmp/b.ext4" "$tmp/a.tar"
	cmp -s "$image" "$tmp/b.ext4"
	ok $? "another date: the same bytes"
else
	skip "another date" "no faketime"
fi
SOURCE_DATE_EPOCH=86400 vk-mkext -o "$tmp/b.ext4" "$tmp/a.tar"
like "$(TZ=UTC dumpe2fs -h "$tmp/b.ext4" 2>/dev/null)" \
	'created: .*Jan  2 00:00:00 1970' "SOURCE_DATE_EPOCH is its time"

# ---- ended at its end -------------------------------------------------------

if strace -e trace=none true 2>/dev/null; then
	# LeakSanitizer cannot look at who is traced, and ends it.
	ended_at() { # CALL
		ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
			strace -f -qq -o /dev/null -e trace="$1" \
			-e inject="$1:signal=KILL" \
			vk-mkext -o "$tmp/ended/image" "$tmp/a.tar" >"$out" 2>&1
	}
	mkdir "$tmp/ended"
	ended_at /^linkat
	is "$? $(ls -A "$tmp/ended")" '137 ' 'killed before it has a name: nothing'
	ended_at /^rename
	is "$? $(ls -A "$tmp/ended")" '0 image' 'a new name is given at once'
	echo old >"$tmp/ended/image"
	ended_at /^rename
	is "$? $(cat "$tmp/ended/image")" '137 old' 'what is there stays till then'
else
	skip 'killed at its end' 'strace does not work here'
fi

# ---- fingerprints -----------------------------------------------------------

uuid() { dumpe2fs -h "$1" 2>/dev/null | sed -n 's/.*UUID: *//p'; }
is "$(vk-mkext --fingerprint "$tmp/a.tar")" "$(uuid "$image")" \
	"the UUID is the fingerprint"
is "$(vk-mkext --fingerprint <"$tmp/a.tar")" "$(uuid "$image")" \
	"of stdin as well"
run vk-mkext --check "$image" "$tmp/a.tar"
is "$rc" 0 "an image is checked"
run vk-mkext --check "$image" -s +2G "$tmp/a.tar"
is "$rc" 1 "with other options it is stale"
echo more >"$tree/more"
tar -cf "$tmp/b.tar" -C "$tree" .
run vk-mkext --check "$image" "$tmp/b.tar"
is "$rc$(cat "$err")" 1 "with another tar it is stale"
vk-mkext --part sha256:abc --part x -o "$tmp/p.ext4" "$tmp/a.tar"
run vk-mkext --check "$tmp/p.ext4" --part sha256:abc --part x </dev/null
is "$rc" 0 "parts stand for the input"
run vk-mkext --check "$tmp/p.ext4" --part sha256:abcx </dev/null
is "$rc" 1 "and other parts do not"
run vk-mkext --check "$tmp/a.tar" "$tmp/a.tar"
is "$rc" 65 "what is no image cannot be checked"
run vk-mkext --check "$tmp/not-there" "$tmp/a.tar"
is "$rc $(lines)" "66 1" "nor what is not there"
vk-mkext -U 01234567-89ab-cdef-0123-456789ABCDEF -o "$tmp/u.ext4" "$tmp/a.tar"
is "$(uuid "$tmp/u.ext4")" 01234567-89ab-cdef-0123-456789abcdef \
	"a UUID of one's own"
vk-mkext -o "$tmp/d1.ext4" "$tree"
cp -a "$tree" "$tmp/copied"
vk-mkext -o "$tmp/d2.ext4" "$tmp/copied"
cmp -s "$tmp/d1.ext4" "$tmp/d2.ext4"
ok $? "a copied directory gives the same bytes"
clean "$tmp/d1.ext4"
ok $? "and is clean"
is "$(vk-mkext --fingerprint "$tree")" "$(uuid "$tmp/d1.ext4")" \
	"a directory's fingerprint"

# ---- what is left out and put in --------------------------------------------

list() { vk-mkext --list "$@" | sed 's/ [^ ]*Z / /'; }
vk-mkext --exclude big --exclude 'etc/*' --exclude /usr -s +1M \
	-o "$tmp/x.ext4" "$tree"
is "$(list "$tmp/x.ext4" | sed 's/.* //' | sort | paste -sd' ')" \
	". ./empty ./etc ./hole ./lost+found ./more ./pipe usr/lib" \
	"what is excluded is left out"
clean "$tmp/x.ext4"
ok $? "the rest is clean"
for odd in etc//motd ./etc/././motd usr/../etc/motd /etc/motd/.; do
	tar -cPf "$tmp/odd.tar" -C "$tree" --transform "s,^etc/motd,$odd," \
		etc/motd usr/lib
	vk-mkext --exclude etc/motd --exclude again -s +1M -o "$tmp/odd.ext4" \
		"$tmp/odd.tar"
	like "$(vk-mkext --list "$tmp/odd.ext4" | sed 's/.* //' | tr '\n' ' ')" \
		'^(\./? |\./(lost\+found|usr|usr/lib|etc) )*$' "so is $odd"
done
run vk-mkext --exclude etc -o "$tmp/none" "$tmp/a.tar"
is "$rc" 65 "a hard link to what is left out is an error"
echo injected >"$tmp/inject"
vk-mkext --inject "$tmp/inject:/lib/new:4750:7:8" --inject \
	"$tmp/inject:etc/motd:600" --inject "$tmp/inject:/a/b/c:644" -s +1M \
	-o "$tmp/i.ext4" "$tmp/a.tar"
clean "$tmp/i.ext4"
ok $? "injected files: clean"
list "$tmp/i.ext4" >"$tmp/list"
like "$(cat "$tmp/list")" '^-rwsr-x--- 7/8 9 ./usr/lib/new$' "through a link"
like "$(cat "$tmp/list")" '^-rw------- 0/0 9 ./etc/motd$' "in another's place"
like "$(cat "$tmp/list")" '^drwxr-xr-x 0/0 0 ./a/b$' "parents are made"
like "$(cat "$tmp/list")" '6 ./usr/lib/again$' "the other name keeps its file"
run vk-mkext --inject "$tmp/inject:/etc:644" -o "$tmp/none" "$tmp/a.tar"
is "$rc" 65 "over a directory: refused"
run vk-mkext --inject "$tmp/inject:x" -o "$tmp/none" "$tmp/a.tar"
is "$rc" 64 "without a mode: refused"
vk-mkext --squash --sync -s +1M -o "$tmp/o.ext4" "$tmp/a.tar"
is "$(vk-mkext --list "$tmp/o.ext4" | awk '{ print $2 }' | sort -u)" 0/0 \
	"everything for root"
vk-mkext --owner 70000:5 -s +1M -o "$tmp/o.ext4" "$tmp/a.tar"
is "$(list "$tmp/o.ext4" | awk '$4 !~ /lost/ { print $2 }' | sort -u)" \
	70000/5 "an owner for all"

# ---- sizes ------------------------------------------------------------------

super() { dumpe2fs -h "$1" 2>/dev/null | sed -n "s/^$2: *//p"; }
is "$(($(super "$image" 'Free blocks') >= 262144))" 1 "1 GiB is free"
vk-mkext -s 64M -L a-label -N 5000 -o "$tmp/s.ext4" "$tmp/a.tar"
is "$(stat -c %s "$tmp/s.ext4")" 67108864 "a size in all"
is "$(super "$tmp/s.ext4" 'Filesystem volume name')" a-label "a label"
is "$(($(super "$tmp/s.ext4" 'Inode count') >= 5000))" 1 "a number of inodes"
vk-mkext -s +1M -N 200000 -o "$tmp/s.ext4" "$tmp/a.tar"
is "$(($(super "$tmp/s.ext4" 'Inode count') >= 200000))" 1 \
	"more of them than the size would have"
clean "$tmp/s.ext4"
ok $? "which is clean"
run vk-mkext -s 64M -N 200000 -o "$tmp/none" "$tmp/a.tar"
like "$rc $(cat "$err")" '^65 .*200000 inodes' "more than fit: refused"
vk-mkext -s 504G -o "$tmp/s.ext4" "$tmp/a.tar"
clean "$tmp/s.ext4"
ok $? "504 GiB: clean"
is "$(($(du -k "$tmp/s.ext4" | cut -f1) < 40000))" 1 "and costs little"
run vk-mkext -s 505G -o "$tmp/none" "$tmp/a.tar"
like "$rc $(cat "$err")" '^65 .*larger than' "505 GiB: refused"
vk-mkext --read-only -o "$tmp/s.ext4" "$tmp/a.tar"
clean "$tmp/s.ext4"
ok $? "--read-only: clean"
is "$(($(stat -c %s "$tmp/s.ext4") < 2000000))" 1 "and small"
vk-mkext --journal -o "$tmp/s.ext4" "$tmp/a.tar"
clean "$tmp/s.ext4"
ok $? "--journal: clean"
like "$(super "$tmp/s.ext4" 'Filesystem features')" has_journal "and has one"
if command -v resize2fs >/dev/null; then
	resize2fs "$tmp/s.ext4" 20G >/dev/null 2>&1
	clean "$tmp/s.ext4"
	ok $? "it can be grown"
else
	skip "it can be grown" "no resize2fs"
fi

truncate -s 5G "$tmp/large"
echo end >>"$tmp/large"
tar -S -cf "$tmp/large.tar" -C "$tmp" large
vk-mkext --read-only -o "$tmp/l.ext4" "$tmp/large.tar"
clean "$tmp/l.ext4"
ok $? "a sparse file of 5 GiB: clean"
like "$(vk-mkext --list "$tmp/l.ext4")" ' 5368709124 .* ./large$' "its size"
is "$(($(du -k "$tmp/l.ext4" | cut -f1) < 2000))" 1 "its hole takes no space"
rm -f "$tmp/large" "$tmp/large.tar"

# ---- looking into it --------------------------------------------------------

like "$(list "$image")" '^lrwxrwxrwx 0/0 7 ./lib -> usr/lib$' "--list: a link"
like "$(list "$image" /usr/lib/again)" ' again$' "--list: one file"
vk-mkext --extract "$image" / >"$tmp/back.tar"
mkdir "$tmp/back"
tar -xf "$tmp/back.tar" -C "$tmp/back" && rmdir "$tmp/back/lost+found"
rm "$tree/more"
diff -r -x pipe "$tree" "$tmp/back" >/dev/null 2>&1
ok $? "--extract: what went in"
is "$(vk-mkext --extract "$image" /etc/motd | tar -xO)" hello \
	"--extract: one file"
run vk-mkext --list "$image" /nowhere
is "$rc $(cat "$err")" \
	"66 vk-mkext: $image: /nowhere: No such file or directory" \
	"a path that is not there"
run vk-mkext --list "$tmp/a.tar"
is "$rc $(lines)" "65 1" "what is no image"
unlike "$(cat "$err")" 'Unknown code' "the reason in words"

# ---- attributes -------------------------------------------------------------

# with KEY:=VALUE,... FILE: an image of the file with these records.
with() {
	tar --format=pax --pax-option="$1" -cf "$tmp/with.tar" -C "$tree" "$2"
	rm -f "$tmp/with.ext4"
	run vk-mkext -s +1M -o "$tmp/with.ext4" "$tmp/with.tar"
}
xattr=SCHILY.xattr
with "$xattr.system.nfs4_acl:=x,$xattr.system.data:=x,$xattr.user.y:=x" etc/motd
is "$rc" 0 "attributes of systems that ext4 is not"
like "$(cat "$err")" '^vk-mkext: system\..* and 1 more: .*, left out$' "are named"
like "$(image=$tmp/with.ext4 && in_image 'ea_list /etc/motd')" user.y "and no others"
unlike "$(image=$tmp/with.ext4 && in_image 'ea_list /etc/motd')" system \
	"are left out"
large=$xattr.security.large:=$(printf '%08000d' 0)
ln -s "$(printf '%060d' 0)" "$tree/long"
with "$large" long
clean "$tmp/with.ext4"
is "$rc $?" '0 0' "a symbolic link with a large attribute is clean"
ln -s short "$tree/short"
with "$large" short
is "$rc" 65 "a short one, which Linux could not read, is refused"
like "$(cat "$err")" '^vk-mkext: .*short: .*4 KiB' "by its name"
rm "$tree/long" "$tree/short"

if setfattr -n user.test -v yes "$tree/etc/motd" 2>/dev/null &&
	setfacl -m u:1234:rw "$tree/etc/motd" 2>/dev/null; then
	setfattr -n 'user.a=b%41 c' -v odd "$tree/etc/motd"
	tar --xattrs --acls -cf "$tmp/attr.tar" -C "$tree" .
	if command -v bsdtar >/dev/null; then
		bsdtar --format=pax --xattrs --acls -cf "$tmp/bsd.tar" \
			-C "$tree" .
	else
		cp "$tmp/attr.tar" "$tmp/bsd.tar"
	fi
	for source in "$tmp/attr.tar" "$tmp/bsd.tar" "$tree"; do
		vk-mkext -s +1M -o "$tmp/attr.ext4" "$source"
		clean "$tmp/attr.ext4"
		ok $? "attributes of ${source##*/}: clean"
		image=$tmp/attr.ext4
		in_image 'ea_list /etc/motd' | grep -c user. >"$out"
		like "$(in_image 'ea_list /etc/motd')" 'user.test.*yes' "kept"
		like "$(cat "$out") $(in_image 'ea_list /etc/motd')" \
			'^2 .*' 'each once'
		like "$(in_image 'ea_list /etc/motd')" \
			'user\.a=b%41 c .*odd' "an odd name, too"
		mkdir -p "$tmp/attrs"
		vk-mkext --extract "$image" /etc/motd | tar -x --xattrs \
			-C "$tmp/attrs"
		is "$(cd "$tmp/attrs" && getfattr --only-values \
			-n 'user.a=b%41 c' motd 2>&1)" odd "and given back"
		vk-mkext --extract "$image" | tar --acls -tvvf - >"$out" 2>&1
		like "$(cat "$out")" 'rw-rw-r--\+.*etc/motd|user:1234' "ACL kept"
	done
else
	skip "attributes" "setfattr or setfacl does not work here"
fi

done_testing
