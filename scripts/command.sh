# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2154
#
# command.sh - a subcommand's options, errors and tools
#
#	. "${0%/*}/command.sh"
#	synopsis='[options] NAME...'
#	purpose='Stops VMs in order.'
#	options='t	timeout	TIME	wait that long
#	f	force		do not ask'
#	while next_option "$@"; do
#		shift "$taken"
#		case $option in
#		timeout) timeout=$value ;;
#		force) force=1 ;;
#		esac
#	done
#	shift "$taken"
#
# The table has a line for each option: letter, long name, argument and help,
# with a tab between. The forms are those of the programs in C (common/opt.h):
# -x, -xVALUE, -xyz, --name, --name=VALUE; "--" or an operand ends the options.
# --help, --version and --options, which prints the table, come with it.

set -eu

name=${0##*/}
tab='	'
newline='
'

# The tools lie in ../../bin of where we are installed, in ../build of where
# we are developed, else on PATH. "vk" has seen to it already.
if [ -z "${VK_LIBEXEC:-}" ]; then
	VK_LIBEXEC=$(cd "${0%/*}" && pwd)
	for tools in "$VK_LIBEXEC/../../bin" "$VK_LIBEXEC/../build"; do
		[ ! -x "$tools/vk-boot" ] || {
			PATH=$(cd "$tools" && pwd):$PATH
			break
		}
	done
	export VK_LIBEXEC PATH
fi

# fail STATUS TEXT [HINT]
fail() {
	printf '%s: %s\n' "$name" "$2" >&2
	[ $# -lt 3 ] || printf '%s: %s\n' "$name" "$3" >&2
	exit "$1"
}

bad_usage() { # TEXT
	fail 64 "$1" "usage: $name $synopsis"
}

print_help() {
	printf 'usage: %s %s\n%s\n' "$name" "$synopsis" "$purpose"
	[ -z "$options" ] || printf '\n%s\n' "$options" | awk -F '\t' '{
		head = ($1 ? "-" $1 "," : "   ") " --" $2 ($3 ? " " $3 : "")
		if (length(head) > 28)
			printf "  %s\n  %-28s  %s\n", head, "", $4
		else
			printf "  %-28s  %s\n", head, $4
	}'
	printf '\nSee %s(1).\n' "$name"
}

print_version() {
	version=$(vk-boot --version)
	echo "$name ${version#* }"
}

# find_option FORM TEXT: the line of the table that has TEXT as its "letter"
# or "name"; sets $option, and $argument, which is empty if it takes none.
find_option() {
	lines=$newline$options
	case $1 in
	letter)
		rest=${lines#*"$newline$2$tab"}
		[ "$rest" != "$lines" ] || bad_usage "-$2: unknown option"
		option=${rest%%"$tab"*}
		;;
	name)
		option=$2
		# Names are lower case, arguments are not.
		case $lines in
		*"$tab$2$tab"*) [ "$2" != "${2#[a-z]}" ] ;;
		*) false ;;
		esac || bad_usage "--$2: unknown option"
		;;
	esac
	argument=${lines#*"$tab$option$tab"}
	argument=${argument%%"$tab"*}
}

# next_option ARG...: the first of them as $option and $value; $taken is how
# many it took. Fails, with $taken for a "--", where the options end.
more_letters=
next_option() {
	taken=0 value=''
	if [ -n "$more_letters" ]; then
		set -- "-$more_letters" "$@"
		# It was taken when its first letter was.
		taken=-1
	fi
	case ${1-} in
	--)
		taken=1
		return 1
		;;
	--help) print_help && exit ;;
	--version) print_version && exit ;;
	--options) printf '%s\n' "$options" && exit ;;
	--*=*)
		text=${1%%=*}
		find_option name "${text#--}"
		[ -n "$argument" ] || bad_usage "--$option: takes no value"
		value=${1#*=} taken=1
		;;
	--*)
		find_option name "${1#--}"
		next_value --"$option" "$@"
		;;
	-?*)
		letters=${1#-}
		letter=${letters%"${letters#?}"}
		more_letters=${letters#?}
		find_option letter "$letter"
		if [ -n "$argument" ] && [ -n "$more_letters" ]; then
			value=$more_letters more_letters=
			taken=$((taken + 1))
		else
			next_value "-$letter" "$@"
		fi
		;;
	*) return 1 ;;
	esac
}

next_value() { # OPTION ARG...
	if [ -z "$argument" ]; then
		taken=$((taken + 1))
		return
	fi
	[ $# -ge 3 ] || bad_usage "$1: needs a value"
	value=$3
	taken=$((taken + 2))
}

# quote TEXT: sets $quoted, TEXT as one word of a shell's input.
quote() {
	quoted=''
	rest=$1
	case $rest in
	'' | *[!A-Za-z0-9_./:=@,+%-]*) ;;
	*)
		quoted=$rest
		return
		;;
	esac
	while :; do
		case $rest in
		*\'*)
			quoted=$quoted${rest%%\'*}\'\\\'\'
			rest=${rest#*\'}
			;;
		*) break ;;
		esac
	done
	quoted=\'$quoted$rest\'
}

# The folders of running VMs, as in common/run_folder.h.
run_folders() {
	case ${XDG_RUNTIME_DIR:-} in
	/*) echo "$XDG_RUNTIME_DIR/vk" ;;
	*) echo "/tmp/vk-$(id -u)" ;;
	esac
}

# ended_folder VM: what "vk run -d" keeps of it, as in cmd/vk-ps/list.h.
ended_folder() {
	case ${XDG_STATE_HOME:-} in
	/*) echo "$XDG_STATE_HOME/vk/$1" ;;
	*) echo "${HOME:?}/.local/state/vk/$1" ;;
	esac
}

# await_kept VM: until all that is kept of one that has ended is there. Who
# attends to it has a lock on its folder; that its log is held open by somebody
# else is not waited out. With --rm the folder may go at any moment, and flock(1)
# would make a file of a name that is not there: it gets a descriptor.
await_kept() {
	(exec 9<"$(ended_folder "$1")" && flock --timeout 10 9) 2>/dev/null || :
}
