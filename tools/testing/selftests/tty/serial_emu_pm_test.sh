#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Suspend and resume with ports of the serial console emulator, by the help of
# CONFIG_PM_DEBUG, with which the system wakes up by itself.

DIR="$(dirname "$(readlink -f "$0")")"
. "$DIR"/../kselftest/ktap_helpers.sh
. "$DIR"/serial_emu_lib.sh

TTY=ttyEMU0
PEER=ttyEMU1
DEBUGFS=/sys/kernel/debug/serial-emu/$TTY
CABLE=$(cable_of $TTY)
SWITCH=/sys/class/tty/$TTY/console
NO_SUSPEND=/sys/module/printk/parameters/console_suspend
SLEEP=6
DELAY=/sys/module/suspend/parameters/pm_test_delay
WAKEUP=/sys/class/tty/$TTY/power/wakeup
COUNT=/sys/devices/platform/serial-emu.0/power/wakeup_active_count

skip()
{
	ktap_skip_all "$1"
	exit "$KSFT_SKIP"
}

suspend()
{
	echo "$STATE" > /sys/power/state
}

raw()
{
	stty -F /dev/$TTY "$1" raw -echo clocal
	stty -F /dev/$PEER "$1" raw -echo clocal
}

# Whether what is written at one end arrives at the other one
carries()
{
	local heard

	echo "$1" >&"$2"
	read -r -t 5 heard <&"$3"
	[ "$heard" = "$1" ]
}

# Read what is left of a test
drain()
{
	while read -r -t 1 -N 1000 <&"$1"; do
		printf %s "$REPLY"
	done
	printf %s "$REPLY"
}

works()
{
	drain 3 > /dev/null
	drain 4 > /dev/null
	carries "to the peer" 3 4 && carries "to the port" 4 3
}

test_restored()
{
	local before after

	raw 9600
	stty -F /dev/$TTY cs7 parenb cstopb crtscts
	stty -F /dev/$PEER cs7 parenb cstopb crtscts
	works || return 1
	before=$(stty -a -F /dev/$TTY)
	suspend || return 1
	after=$(stty -a -F /dev/$TTY)
	[ "$before" = "$after" ] || return 1
	# with crtscts nothing is sent unless the lines are there as well
	works
}

# What is on the wire when the power goes is lost, what has not been sent is not
test_lost()
{
	local count=0

	raw 50
	echo 100 > $CABLE/pace
	printf '%080d' 0 >&4
	suspend
	echo max > $CABLE/pace
	while read -r -t 1 -N 1 <&3; do
		count=$((count + 1))
	done
	raw 115200
	echo "# $count of 80 characters arrived"
	[ $count -gt 0 ] && [ $count -lt 80 ] && works
}

# What has not been sent before goes on at line rate, and does not catch up
test_rate()
{
	local count=0 begin last=0 us

	raw 1200
	echo 100 > $CABLE/pace
	# four seconds
	printf '%0480d' 0 >&3
	suspend
	begin=${EPOCHREALTIME//[!0-9]/}
	while read -r -t 1 -N 1 <&4; do
		count=$((count + 1))
		last=${EPOCHREALTIME//[!0-9]/}
	done
	us=$((last - begin))
	echo max > $CABLE/pace
	raw 115200
	echo "# $count of 480 characters arrived in $us us"
	# but for those that were in the receiver's FIFO
	[ $count -gt 440 ] && [ $us -ge $(((count - 16) * 8333)) ] && works
}

# How long after the message the console printed it, in seconds
delay_of()
{
	awk -v text="$1" '
	$0 ~ text && match($0, /\[ *[0-9]+\.[0-9]+\]/) {
		print int($2 / 1e9 - substr($0, RSTART + 1, RLENGTH - 2))
		exit
	}' $DEBUGFS/records
}

# Print something, and wait until the console has done that
printed()
{
	echo "<3>the console $1" > /dev/kmsg
	appears "the console $1" $DEBUGFS/records
}

# as_console VALUE-OF-console_suspend COMMAND...: what it does while the port is one
as_console()
{
	local ret

	echo "$1" > $NO_SUSPEND
	echo Y > $SWITCH
	"${@:2}"
	ret=$?
	echo N > $SWITCH
	echo Y > $NO_SUSPEND

	return $ret
}

# prints_again NAME: around a suspend
prints_again()
{
	printed "is here, $1" || return 1
	echo > $DEBUGFS/clear
	suspend && printed "goes on, $1"
}

# test_console VALUE-OF-console_suspend MINIMUM MAXIMUM
test_console()
{
	local delay heard

	as_console "$1" prints_again "$1" || return 1
	delay=$(delay_of 'Waiting for')
	# without a pace, the writer waits for the reader
	heard=$(drain 4)
	grep -q 'Waiting for' <<< "$heard" || return 1
	grep -q "goes on, $1" <<< "$heard" || return 1
	echo "# printed $delay seconds later"
	[ -n "$delay" ] && [ "$delay" -ge "$2" ] && [ "$delay" -le "$3" ]
}

# prints_slowly NAME FILE: around a suspend; what arrives goes to the file
prints_slowly()
{
	local reader ret i

	printed "is slow, $1" || return 1
	echo max > $CABLE/pace
	drain 4 > /dev/null
	echo 100 > $CABLE/pace
	cat <&4 > "$2" &
	reader=$!
	for i in {1..30}; do
		echo "<3>line $i of what is sent until the system is suspended" > /dev/kmsg
	done
	suspend && printed "was slow, $1"
	ret=$?
	appears "was slow, $1" "$2"
	kill $reader
	wait $reader 2> /dev/null

	return $ret
}

# What the console prints before it is suspended, and what is not sent by then, arrives.
# A line that is busy all the time does not keep the system from being suspended.
test_slow_console()
{
	local text heard ret

	text=$(mktemp)
	raw 9600
	echo 100 > $CABLE/pace
	as_console "$1" prints_slowly "$1" "$text"
	ret=$?
	echo max > $CABLE/pace
	raw 115200
	heard=$(grep -c 'line [0-9]* of what is sent until the system is suspended' "$text")
	echo "# $heard of 30 lines arrived"
	rm "$text"
	[ $ret = 0 ] && [ "$heard" = 30 ]
}

# test_wakeup enabled|disabled: how often is it woken up, and for how long is it asleep?
test_wakeup()
{
	local before begin

	echo "$1" > $WAKEUP || return 1
	raw 50
	echo 100 > $CABLE/pace
	before=$(cat $COUNT)
	begin=$SECONDS
	printf 'a start bit wakes the system up' >&4
	# it may be woken up before it is asleep, which is an error
	suspend 2> /dev/null
	woken=$(($(cat $COUNT) - before))
	asleep=$((SECONDS - begin))
	echo "# woken up $woken times, asleep for $asleep seconds"
	echo max > $CABLE/pace
	echo disabled > $WAKEUP
	drain 3 > /dev/null
	raw 115200
	works
}

test_wakes_up()
{
	test_wakeup enabled && [ "$woken" -gt 0 ] && [ "$asleep" -lt "$SLEEP" ]
}

test_does_not_wake_up()
{
	test_wakeup disabled && [ "$woken" = 0 ] && [ "$asleep" -ge "$SLEEP" ]
}

ktap_print_header

[ "$(id -u)" = 0 ] || skip "needs root"
[ -e /dev/$TTY ] || skip "no /dev/$TTY"
[ -w /sys/power/pm_test ] || skip "needs CONFIG_PM_DEBUG"
[ -d $DEBUGFS ] || skip "needs debugfs"
STATE=freeze
grep -qw mem /sys/power/state && STATE=mem
grep -qw $STATE /sys/power/state || skip "the system cannot be suspended"

keep "$CABLE/pace" $NO_SUSPEND $SWITCH $WAKEUP $DELAY /sys/power/pm_test
echo max > $CABLE/pace
exec 3<> /dev/$TTY 4<> /dev/$PEER
echo devices > /sys/power/pm_test
echo $SLEEP > $DELAY

ktap_set_plan 9
ktap_test_result "state_is_restored" test_restored
ktap_test_result "data_during_suspend_is_lost" test_lost
ktap_test_result "rate_is_kept_after_resume" test_rate
ktap_test_result "console_is_suspended" test_console Y $((SLEEP - 1)) 60
ktap_test_result "console_is_not_suspended" test_console N 0 1
ktap_test_result "slow_console_is_suspended" test_slow_console Y
ktap_test_result "slow_console_is_not_suspended" test_slow_console N
ktap_test_result "start_bit_wakes_up" test_wakes_up
ktap_test_result "start_bit_does_not_wake_up" test_does_not_wake_up

exec 3>&- 4>&-

ktap_finished
