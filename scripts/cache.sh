# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
#
# cache.sh - where the user's cache is: $cache_home, as the programs find it

# The specification: relative paths are to be ignored.
case ${XDG_CACHE_HOME:-} in
/*) cache_home=$XDG_CACHE_HOME ;;
*) cache_home=${HOME:?}/.cache ;;
esac
