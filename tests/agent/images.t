#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Debian with systemd, PostgreSQL and nginx, out of its packages: they work as
# the packages intend, under systemd as process 1 and without it. The guests
# are User-mode Linux. The image is kept in the cache (see scripts/make-image):
# made anew it takes a minute or two, otherwise starting systemd twice is most of
# it.
# needs: release
# takes: 35 s

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

"$top/scripts/can-boot" uml >/dev/null 2>&1 || skip_all "no User-mode Linux"
layout=$("$top/scripts/make-image" services 2>"$err") ||
	skip_all "no image: $(tail -n 1 "$err")"
vk-pull "oci:$layout:12" | vk-mkext >"$tmp/root.ext4" || exit 1
XDG_RUNTIME_DIR=$tmp/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$tmp/run"
cd "$tmp" || exit 1

# In the background only: $! is vk-boot itself.
boot() { exec vk-boot --engine uml -m 768M --stop-timeout 50s "$@"; }
inside() { timeout -k 1 120 vk-exec "$@"; }
gone() { ! kill -0 "$vm" 2>/dev/null; }

# ---- systemd ----------------------------------------------------------------

boot --name sys --status-fd 3 root.ext4 3>status </dev/null >o 2>e &
vm=$!
at_exit "end -9 $vm"
await 180 grep -q '"event":"init-ready"' status
ok $? "systemd tells that all is up" || {
	tail -n 5 status e | diag
	inside sys systemctl list-jobs | diag
}
state=$(inside sys systemctl is-system-running)
is "$state" running "systemctl is-system-running" ||
	inside sys systemctl --failed | diag
is "$(inside sys systemctl is-active multi-user.target)" active \
	"multi-user is reached"
is "$(inside sys cat /proc/1/comm)" systemd "systemd is process 1"
like "$(inside sys systemctl status --no-pager vk-none 2>&1)" \
	"could not be found" "units can be asked for"
inside sys systemd-run --quiet --wait --unit probe \
	sh -c 'echo from a unit; exit 5' >/dev/null 2>&1
is "$?" 5 "a unit is run, its status is told"
like "$(inside sys journalctl -u probe --no-pager -o cat)" "^from a unit" \
	"journald keeps what it wrote"
run inside sys sh -c 'exit 7'
is "$rc" 7 "commands beside it, statuses exact"
is "$(echo in | inside -u nobody -w /tmp sys sh -c 'cat; id -un; pwd' |
	tr '\n' ' ')" "in nobody /tmp " "as a user"
like "$(inside sys cat /proc/self/cgroup)" '^0::/vk-exec/[0-9]+$' \
	"in a control group beside systemd's"
is "$(inside sys sh -c 'ls -d /sys/fs/cgroup/vk-exec/*/ | wc -l')" 1 \
	"which goes with the command"
like "$(inside --list sys)" "main.*/sbin/init" "the init is the main session"

is "$(inside sys systemctl is-active postgresql@15-main nginx |
	tr '\n' ' ')" "active active " "PostgreSQL and nginx are started by it"
is "$(inside -u postgres sys psql -Atqc \
	'create table t (n int); insert into t values (40), (2);
	select sum(n) from t')" 42 "PostgreSQL answers its user"
get() { printf 'GET / HTTP/1.0\r\n\r\n'; }
like "$(get | inside -W 80 sys | tr -d '\r')" "^HTTP/1.1 200 OK" \
	"nginx serves its page through -W"
inside sys systemctl reload nginx
is "$?" 0 "and is reloaded"

inside sys poweroff
await 60 gone
ok $? "poweroff ends the guest" || inside sys systemctl list-jobs | diag
wait "$vm"
is "$?" 0 "with status 0"
like "$(tail -n 1 status)" '"why":"power-off"' "which is told"

boot --name sys --status-fd 3 root.ext4 3>status </dev/null >o 2>e &
vm=$!
at_exit "end -9 $vm"
await 180 grep -q '"event":"init"\|init-ready' status
kill -TERM "$vm"
# At worst by what follows the 50 s: a service that is being started just then
# may have its own time to be stopped in.
await 120 gone
ok $? "SIGTERM to vk-boot powers it off, while it starts yet" ||
	diag "$(tail -n 5 status e)"

# ---- the same without an init -----------------------------------------------

run timeout 300 vk-boot --engine uml -m 768M root.ext4 -- sh -ec '
	pg_ctlcluster 15 main start
	setpriv --reuid postgres --init-groups psql -Atqc "select 40 + 2"
	exec nginx -t' </dev/null
is "$rc $(cat "$out")" "0 42" "PostgreSQL by its own tools; nginx -t"
boot --name web root.ext4 -- nginx -g 'daemon off;' </dev/null >o 2>e &
vm=$!
at_exit "end -9 $vm"
inside --wait-ready web
await 30 inside web sh -c 'test -s /run/nginx.pid'
like "$(get | inside -W 80 web | tr -d '\r')" "^HTTP/1.1 200 OK" \
	"nginx as the main command"
kill -TERM "$vm"
wait "$vm"
is "$?" 0 "SIGTERM is its orderly end"

run timeout 180 vk-boot --engine uml -u 1000 -w /tmp root.ext4 -- \
	sh -c 'id -u; id -g; pwd; echo x >mine && cat mine; echo "$HOME"' \
	</dev/null
is "$rc $(tr '\n' ' ' <"$out")" "0 1000 0 /tmp x / " "user 1000 in /tmp"
done_testing
