#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The EXAMPLES of all pages, word for word, as an ordinary user types them:
# guests under User-mode Linux, images from a registry on loopback that has one
# for each name. What the images' programs do is no part of it: those that
# examples run in a guest or feed from, and that are not busybox's, are stand-ins.
# takes: 45 s
# needs: release
. "$(dirname "$0")/../lib.sh"
[ -n "${VK_SOAK:-}" ] || skip_all 'minutes on a busy machine: VK_SOAK=1 has it'
if [ -z "${VK_EXAMPLES_TEST:-}" ]; then
	have docker-registry
	have linux.uml 'user-mode-linux'
	have jq
	have socat
	have zstd
	address=$("$top/scripts/registry" start "$tmp/registry") ||
		skip_all 'no registry runs here'
	at_exit '"$top/scripts/registry" stop "$tmp/registry"'
	layout=$("$top/scripts/make-image" busybox) ||
		skip_all 'no image can be made here'
	cp -r "$layout" "$tmp/layout"

	# Stand-ins, in a layer of their own.
	mkdir -p "$tmp/layer/bin" "$tmp/layer/www" "$tmp/layer/src"
	cd "$tmp/layer/bin" || exit 1
	for name in apt-get nginx psql bash; do
		printf '#!/bin/sh\necho "%s $*"\n' "$name" >"$name"
	done
	# shellcheck disable=SC2016,SC2238 # theirs; make is a file
	printf '#!/bin/sh\necho made >a.out\n%s\n' \
		'[ "$1" != -C ] || mkdir src/out' >make
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec busybox wget -q -O - "$@"\n' >curl
	printf '#!/bin/sh\nexec busybox httpd -f -p 80 -h /www\n' >serve
	chmod 755 ./*
	for name in tar cp xargs nc; do ln -s busybox "$name"; done
	echo 'a page' >"$tmp/layer/www/index.html"
	echo a.out >"$tmp/layer/src/a.out"
	mkdir "$tmp/layer/etc"
	echo 'NAME=none' >"$tmp/layer/etc/os-release"
	printf 'root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n' \
		>"$tmp/layer/etc/passwd"
	printf 'root:x:0:\nwww-data:x:33:\n' >"$tmp/layer/etc/group"
	tar -C "$tmp/layer" --owner=0 --group=0 -cf "$tmp/layer.tar" bin etc \
		src www
	umoci raw add-layer --image "$tmp/layout:1" "$tmp/layer.tar" &&
		umoci config --image "$tmp/layout:1" --config.cmd /bin/true
	for name in alpine:latest debian:12 gcc:latest nginx:latest app:1; do
		skopeo copy --quiet --insecure-policy --dest-tls-verify=false \
			"oci:$tmp/layout:1" "docker://$address/$name"
	done
	skopeo copy --quiet --insecure-policy "oci:$tmp/layout:1" \
		"docker-archive:$tmp/saved.tar:app:latest"
	chmod -R a+rX "$tmp"
	mkdir -m 1777 "$tmp/tmp"
	VK_EXAMPLES_TEST=$address VK_SAVED=$tmp/saved.tar TMPDIR=$tmp/tmp
	export VK_EXAMPLES_TEST VK_SAVED TMPDIR
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$top/tests/man/examples.t"
	else
		"$top/tests/man/examples.t"
	fi
	exit
fi

cd "$tmp" || exit 1
HOME=$tmp/home XDG_RUNTIME_DIR=$tmp/run VK_ENGINE=uml MANPAGER=cat
VK_REGISTRY=$VK_EXAMPLES_TEST
export HOME XDG_RUNTIME_DIR VK_ENGINE MANPAGER VK_REGISTRY
unset XDG_CACHE_HOME XDG_STATE_HOME XDG_CONFIG_HOME
mkdir "$HOME" bin work blocks
mkdir -m 700 "$XDG_RUNTIME_DIR"
printf '#!/bin/sh\nexec cat "%s"\n' "$VK_SAVED" >bin/docker
chmod +x bin/docker
PATH=$tmp/bin:$top/scripts:$PATH

# ---- what the examples take for there ---------------------------------------

port=$("$build/tests/helpers/vk-port" 1)
vk-pull alpine >app.tar
(
	cd work || exit 1
	# image NAME PROGRAM...: it runs that unless told something else.
	image() {
		vk-pull --config alpine |
			jq --arg program "$2" '.config.Cmd = [$program]' >"$1"
		vk-mkext --inject "$1:/.vk/image.json:644" -o "$1.ext4" \
			../app.tar
	}
	for name in root build client app; do
		image "$name" /bin/true
	done
	for name in web postgres; do
		image "$name" /bin/serve
	done
	zstd -q ../app.tar -o rootfs.tar.zst
	mkdir src
	echo '#!/bin/sh' >init.sh
)
digest=$(vk-pull --digest alpine)
export digest
is_up() { vk ps -q "$1" >/dev/null 2>&1; }
# A VM of that name; it lives through the signals that examples send.
up() { # NAME
	is_up "$1" || {
		vk-boot --name "$1" work/app.ext4 -- sh -c \
			'trap "" HUP USR1; while :; do sleep 1; done' \
			>/dev/null 2>&1 </dev/null &
		vk-exec --wait-ready "$1"
	}
}
# What TEXT begins does not run already.
down() { # TEXT
	for vm in box db web; do
		case $1 in
		*"--name $vm"*)
			! is_up "$vm" || vk-control -w "$vm" kill >/dev/null
			;;
		esac
	done
}
at_exit 'vk kill -a >/dev/null 2>&1'

# ---- the examples, a file each ----------------------------------------------

# Each .Dl is one, and each block that is not filled.
for page in "$top"/man/*.[1-9]; do
	awk -v into="blocks/${page##*/}" '
	/^\.Sh/ { there = $2 == "EXAMPLES"; next }
	!there { next }
	/^\.Dl / { n++; file = into "." n; sub(/^\.Dl /, ""); print >file; close(file); next }
	/^\.Bd/ { n++; file = into "." n; inside = 1; next }
	/^\.Ed/ { inside = 0; close(file); next }
	inside { print >file }' "$page"
done
for block in blocks/*; do
	sed -i "s/\\\\e\$/\\\\/; s/\\\\(dq/\"/g; s/127.0.0.1:5000/$VK_REGISTRY/
		s/8080/$port/g" "$block"
done

# ---- each -------------------------------------------------------------------

# Each ends well with 0, but for some; what does not end is ended.
for block in blocks/*; do
	# What two pages show is run once.
	same=seen-$(cksum <"$block" | tr ' ' -)
	[ ! -e "$same" ] || continue
	: >"$same"
	text=$(cat "$block") name=${block#*/} limit=60 good=0 folder=work
	name="$name: $(head -n 1 "$block")"
	case $text in
	*fs=xfs* | *'-k vmlinuz'* | *'ssh -o'* | *qemu-system*)
		skip "$name" 'needs what is not here'
		continue
		;;
	*'tar c .'*) folder=work/src ;;
	*'vk-switch -p '*) limit=3 good=124 ;;
	*'balloon size'* | *'memory size'* | *disk-add* | *disk-remove*)
		good=69 # not under this engine
		;;
	*'vk check'*) good='[01]' ;; # 1: something may be amiss
	*'vk logs -f'* | *'web console'* | *'-L '* | *'-l job.sock'*)
		limit=1 good=124 # until it is ended
		;;
	esac
	case $name in
	vk-control.5*) [ "${text#*socat}" = "$text" ] || folder=run/vk/web ;;
	esac
	case $text in
	*'--name web'* | *'box '*) ;;
	*' web'* | *'CONNECT:control') up web ;;
	esac
	case $text in *disk-add*) truncate -s 1M work/data.img ;; esac
	case $text in *build:* | *' build '*) up build ;; esac
	case $text in *' db') up db ;; esac
	down "$text"
	case $text in
	*switch.control*) sockets='switch.control' ;;
	*'UNIX-CONNECT:control.sock'*) sockets='control.sock' ;;
	*) sockets= ;;
	esac
	[ -z "$sockets" ] || {
		vk-switch -l work/"$sockets.lan" --control work/"$sockets" &
		switch=$!
		await 5 [ -S "work/$sockets" ]
	}
	# What is put into the background is there when it is needed.
	sed -i 's/ &$/ \& jobs="$jobs $!"/
		/^vk-switch .*jobs=/a until [ -S lan.sock ]; do sleep 0.05; done' \
		"$block"
	{
		# shellcheck disable=SC2016 # the line's own
		echo 'jobs=
			trap "[ -z \"\$jobs\" ] || kill \$jobs; wait" EXIT'
		cat "$block"
	} >line
	(
		cd "$folder" || exit 1
		# shellcheck disable=SC2094
		timeout -k 5 "$limit" sh -e "$tmp/line" </dev/null
	) >"$out" 2>"$err"
	rc=$?
	# shellcheck disable=SC2254 # a pattern
	case $rc in
	$good) ok 0 "$name" ;;
	*)
		ok 1 "$name: status $rc, not $good"
		diag "$(cat "$err")"
		;;
	esac
	[ -z "$sockets" ] || end "$switch"
	down "$text"
	case $text in *' stop '*) vk-control web wait >/dev/null 2>&1 ;; esac
done

# ---- what comes of them -----------------------------------------------------

is "$(cat work/src/a.out)" made 'a result came out'
vk run -d --keep --name kept alpine echo said >/dev/null
await 10 sh -c 'vk logs kept | grep -q said'
ok $? 'a VM that lives on tells what its command wrote'
vk stop kept
is "$(vk-exec --attach main kept 2>&1 | head -n 1)" \
	'vk-exec: kept: no such VM runs' 'and is gone when it is stopped'
done_testing
