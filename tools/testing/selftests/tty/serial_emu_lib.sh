# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts that test the serial console emulator share: what they change is put
# back when they end, also by SIGINT or SIGTERM, and what has to happen is waited for.

CABLES=/sys/kernel/config/serial-emu

declare -A kept=()
kept_order=()
undo=()

# keep FILE...: what is in these files now is in them again at the end
keep()
{
	local file value

	for file; do
		[ -e "$file" ] && value=$(cat "$file" 2> /dev/null) || continue
		# of a list, the word that is in brackets is the value
		[[ "$value" =~ \[([^]]*)\] ]] && value=${BASH_REMATCH[1]}
		kept[$file]=$value
		kept_order+=("$file")
	done
}

# at_end COMMAND...: in the reverse order of these calls
at_end()
{
	undo=("$(printf '%q ' "$@")" "${undo[@]}")
}

put_back()
{
	local i

	trap '' INT TERM HUP
	for i in "${undo[@]}"; do
		eval "$i"
	done
	for ((i = ${#kept_order[@]} - 1; i >= 0; i--)); do
		[ "$(cat "${kept_order[i]}" 2> /dev/null)" = "${kept[${kept_order[i]}]}" ] ||
			echo "${kept[${kept_order[i]}]}" > "${kept_order[i]}"
	done
} 2> /dev/null

trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# remove_cable NAME: with its ends
remove_cable()
{
	[ -d "$CABLES/$1" ] || return 0
	echo 0 > "$CABLES/$1/live"
	rmdir "$CABLES/$1"/*/ "$CABLES/$1"
}

# cable_of TTY: the directory of the cable that the port is an end of
cable_of()
{
	local tty

	for tty in "$CABLES"/*/*/tty; do
		if [ "$(cat "$tty")" = "$1" ]; then
			dirname "$(dirname "$tty")"
			return
		fi
	done

	return 1
}

# within SECONDS COMMAND...: until the command succeeds, or for so long
within()
{
	local end=$((SECONDS + $1))

	until "${@:2}"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# Whether a file has it sooner or later
appears()
{
	within 60 grep -q "$1" "$2"
}
