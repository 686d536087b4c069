#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kdb on a port of the serial console emulator. The machine stands still while it
# talks, so it gets its commands beforehand. If one of them does not end with "go"
# there is nothing left to do but to reset the machine.

DIR="$(dirname "$(readlink -f "$0")")"
. "$DIR"/../kselftest/ktap_helpers.sh
. "$DIR"/serial_emu_lib.sh

TTY=ttyEMU0
PEER=/dev/ttyEMU1
KGDBOC=/sys/module/kgdboc/parameters/kgdboc
DEBUGFS=/sys/kernel/debug/serial-emu/$TTY
CABLE=$(cable_of $TTY)

skip()
{
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

# What kdb printed while these commands were typed at it
debug()
{
	echo > $DEBUGFS/clear
	printf "$1" > $DEBUGFS/poll_input
	shift
	"$@"
	echo g > /proc/sysrq-trigger
	tr -d '\r' < $DEBUGFS/console > "$OUTPUT"
}

printed()
{
	grep -q -e "$1" "$OUTPUT"
}

result()
{
	if "${@:2}"; then
		ktap_test_pass "$1"
	else
		ktap_test_fail "$1"
		sed 's/^/# /' "$OUTPUT"
	fi
}

test_go()
{
	debug 'go\n' true
	printed 'Entering kdb' && printed 'kdb> go'
}

# kdb, when it waits for a key after a page, forgets what was typed ahead, hence the grep. (To
# set LINES instead, kdb allocates memory, of which KASAN complains.)
test_bt()
{
	debug 'bt | grep sysrq_handle_dbg\ngo\n' true
	printed 'kdb> bt' && printed 'sysrq_handle_dbg+0x'
}

test_lsmod()
{
	debug 'lsmod | grep M\ngo\n' true
	printed 'kdb> lsmod' && printed '^Module '
}

test_no_command()
{
	debug 'nonsense\ngo\n' true
	printed 'Unknown kdb command'
}

# It takes no more than there is room for, which is 1024 characters
test_full()
{
	printf '%1021s' '' | tr ' ' '\n' > $DEBUGFS/poll_input
	printf 'go\n' > $DEBUGFS/poll_input || return 1
	! printf 'x' 2> /dev/null > $DEBUGFS/poll_input || return 1
	debug '' true
	printed 'kdb> go'
}

# The empty lines are there to be lost, should they have arrived before. More of
# them would not be on the way, but wait to be sent.
type_at_the_far_end()
{
	printf '\n\n\n\n\n\n\n\n\n\n\n\ngo\n' >&3
}

test_far_end()
{
	echo 100 > $CABLE/pace
	stty -F /dev/$TTY 50 raw -echo clocal
	stty -F $PEER 50 raw -echo clocal
	exec 3<> $PEER
	debug 'version\n' type_at_the_far_end
	exec 3>&-
	echo max > $CABLE/pace
	printed 'kdb> version' && printed 'kdb> go'
}

# A lock can be looked at only if it spins, which it does on neither of these kernels
far_end_is_heard()
{
	! uname -v | grep -q PREEMPT_RT &&
		[ "$(cat /sys/devices/system/cpu/kernel_max)" != 0 ]
}

# What kdb printed goes to the far end when the machine goes on
test_transmitted()
{
	local copy reader ret

	copy=$(mktemp)
	stty -F /dev/$TTY 115200 raw -echo clocal
	stty -F $PEER 115200 raw -echo clocal
	cat $PEER > "$copy" &
	reader=$!
	sleep 1
	debug 'version\ngo\n' true
	appears 'kdb> version' "$copy"
	ret=$?
	kill $reader
	wait $reader
	rm "$copy"

	return $ret
}

# What kdb prints on the console of another port. It leaves out one whose thread it
# stopped in the middle of a message, which can be that sysrq was used.
debug_elsewhere()
{
	local dir=/sys/kernel/debug/serial-emu/$1 i

	# the log of the boot comes first
	echo "<3>kdb is next" > /dev/kmsg
	appears 'kdb is next' "$dir/console" || return 1
	for i in {1..10}; do
		echo > "$dir/clear"
		debug 'version\ngo\n' true
		tr -d '\r' < "$dir/console" > "$OUTPUT"
		! printed 'kdb> ' || break
	done
	printed 'kdb> version$' && printed 'kdb> go$' || return 1
	cat "$dir/records" >> "$OUTPUT"
	printed ' open.open ' && ! printed ' takeover '
}

# It goes there piece by piece
test_console()
{
	local dir=$CABLES/kdb console

	at_end remove_cable kdb
	mkdir $dir $dir/a $dir/b && echo 1 > $dir/live && console=$(cat $dir/a/tty) &&
		echo Y > "/sys/class/tty/$console/console" && debug_elsewhere "$console"
}

ktap_print_header

[ "$(id -u)" = 0 ] || skip "needs root"
[ -e /dev/$TTY ] || skip "no /dev/$TTY"
[ -w $KGDBOC ] || skip "needs CONFIG_KGDB_SERIAL_CONSOLE"
[ -w $DEBUGFS/poll_input ] || skip "needs CONFIG_CONSOLE_POLL and debugfs"
[ -w /proc/sysrq-trigger ] || skip "needs CONFIG_MAGIC_SYSRQ"
grep -q ' kdb_init\| kdb_parse' /proc/kallsyms || skip "needs CONFIG_KGDB_KDB"
keep "$CABLE/pace" /proc/sys/kernel/sysrq
[ ! -e /proc/sys/kernel/sysrq ] || echo 1 > /proc/sys/kernel/sysrq
OUTPUT=$(mktemp)
at_end rm "$OUTPUT"

echo max > $CABLE/pace
exec 4<> /dev/$TTY
at_end eval "echo > $KGDBOC"
echo $TTY > $KGDBOC || skip "kgdboc does not take $TTY"

ktap_set_plan 8
result "go" test_go
result "bt" test_bt
result "lsmod" test_lsmod
result "no_such_command" test_no_command
result "as_much_as_there_is_room_for" test_full
if far_end_is_heard; then
	result "typed_at_the_far_end" test_far_end
else
	ktap_test_skip "typed_at_the_far_end"
fi
result "goes_to_the_far_end" test_transmitted
result "other_consoles_get_it_as_it_is" test_console

exec 4>&-

ktap_finished
