#!/bin/sh
# SPDX-License-Identifier: MIT
# setup.t - scripts/setup, with a package database of the test's own
. "$(dirname "$0")/../lib.sh"

setup=$top/scripts/setup
mkdir "$tmp/bin"
# What is installed is what the file says; what is asked of apt is noted.
cat >"$tmp/bin/dpkg-query" <<'END'
#!/bin/sh
cat "$tmp/installed"
END
cat >"$tmp/bin/apt-get" <<'END'
#!/bin/sh
printf '%s\n' "$*" >>"$tmp/asked"
case " $* " in
*" update "*) : >"$tmp/updated" ;;
*) [ -z "${STALE:-}" ] || [ -e "$tmp/updated" ] ;;
esac
END
cat >"$tmp/bin/id" <<'END'
#!/bin/sh
echo "$USER_ID"
END
cat >"$tmp/bin/sudo" <<'END'
#!/bin/sh
[ -z "${NO_SUDO:-}" ] || exit 1
[ "$1" != -n ] || shift
echo sudo >>"$tmp/asked"
exec "$@"
END
chmod +x "$tmp/bin"/*
PATH=$tmp/bin:$PATH
export tmp USER_ID=0

run "$setup" nonsense
is "$rc" 64 'an unknown purpose is a usage error'

: >"$tmp/installed"
run "$setup" -n build
is "$rc" 1 'with --dry-run, 1 says that something is missing'
like "$(cat "$out")" '^make	' 'a package'
unlike "$(cat "$out")" '^(qemu|shellcheck)' 'only for the purpose'
is "$(grep -cv '	.' "$out")" 0 'each with its reason'
run "$setup" -n test
like "$(cat "$out")" '^make	' 'the tests need the build'
like "$(cat "$out")" '^qemu-system-x86	' 'and the lab'
[ ! -e "$tmp/asked" ]
ok $? 'nothing was installed'

run "$setup" build
is "$rc" 0 'root: installed'
like "$(cat "$tmp/asked")" 'install --no-install-recommends .*\bmake\b' 'by apt-get'
like "$(cat "$err")" 'build needs packages' 'it says what and why'
rm "$tmp/asked"

STALE=1 run "$setup" build
is "$rc" 0 'old package lists'
is "$(grep -c update "$tmp/asked")" 1 'are fetched anew, once'
rm "$tmp/asked"

USER_ID=1000 run "$setup" build
is "$rc" 0 'an ordinary user'
like "$(cat "$tmp/asked")" '^sudo$' 'goes through sudo'
rm "$tmp/asked"

NO_SUDO=1 USER_ID=1000 run "$setup" build </dev/null
is "$rc" 77 'who may not is told so'
like "$(cat "$err")" '^setup: +apt-get install .*make' 'with the command'
[ ! -e "$tmp/asked" ]
ok $? 'and nothing is done'

# All but one, of which another will do.
"$setup" -n test | sed 's/^\([^	]*\).*/installed	\1/' |
	sed 's/pkg-config$/pkgconf/; s/installed	make$/config-files	make/' \
		>"$tmp/installed.new"
mv "$tmp/installed.new" "$tmp/installed"
run "$setup" -n test
is "$(cut -f1 "$out")" make 'removed is not installed; an alternative will do'
echo 'installed	make' >>"$tmp/installed"
run "$setup" test
is "$rc$(cat "$out" "$err")" 0 'nothing missing: nothing said'
[ ! -e "$tmp/asked" ]
ok $? 'nor done'

done_testing
