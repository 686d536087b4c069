# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Sourced by the tests of a command, which they run with its status in $rc and what it
# printed in $dir/out, and in $dir/err if that is kept apart.

number=0

# check NAME COMMAND...: one case, good if the command succeeds
check() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number $name"
	else
		echo "# status $rc"
		{ cat "$dir"/out "$dir"/err 2>/dev/null || true; } | tail -n 40 | sed 's/^/# /'
		echo "not ok $number $name"
	fi
}

# said PATTERN [FILE]: is it in what the command printed?
said() {
	grep -q -- "$1" "$dir/${2:-out}"
}
