#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is special about the serial console emulator: its module, its parameter,
# its place in sysfs and /proc.
#
# SERIAL_EMU_KO names the module, if modprobe does not find it.
# SERIAL_EMU_LOADS says how often it is loaded and unloaded, which takes seconds
# each time on a kernel with CONFIG_DEBUG_KOBJECT_RELEASE.

DIR="$(dirname "$(readlink -f "$0")")"
. "$DIR"/../kselftest/ktap_helpers.sh
. "$DIR"/serial_emu_lib.sh

DRIVER=/sys/bus/platform/drivers/serial-emu
LOADS=${SERIAL_EMU_LOADS:-5}

load()
{
	if [ -n "$SERIAL_EMU_KO" ]; then
		insmod "$SERIAL_EMU_KO" "$@" 2>/dev/null
	else
		modprobe serial_emu "$@" 2>/dev/null
	fi
}

# The parameters of the module that is loaded, as they are given to it
parameters()
{
	local file

	for file in /sys/module/serial_emu/parameters/*; do
		[ ! -e "$file" ] || echo "${file##*/}=$(cat "$file")"
	done
}

unload()
{
	rmmod serial_emu 2>/dev/null
}

ports()
{
	find /sys/class/tty -maxdepth 1 -name 'ttyEMU*' | wc -l
}

# What a module that is not loaded leaves behind
nothing_left()
{
	[ ! -e /sys/module/serial_emu ] &&
	[ "$(ports)" = 0 ] &&
	[ ! -e $DRIVER ] &&
	[ ! -e /sys/kernel/debug/serial-emu ] &&
	! ls -d /sys/devices/platform/serial-emu.* >/dev/null 2>&1 &&
	! grep -q ttyEMU /proc/tty/drivers
}

# Lines that the driver put in the log since the mark
log_since()
{
	dmesg | sed "1,/$1/d" | grep -c 'serial_emu: '
}

test_pairs()
{
	load null_modems="$1" || return 1
	[ "$(ports)" = $((2 * $1)) ] && unload && nothing_left
}

test_refused()
{
	local mark="serial_emu_test $$ $RANDOM$RANDOM"
	local err

	echo "$mark" > /dev/kmsg
	if [ -n "$SERIAL_EMU_KO" ]; then
		err=$(LANG=C insmod "$SERIAL_EMU_KO" null_modems="$1" 2>&1) && return 1
	else
		err=$(LANG=C modprobe serial_emu null_modems="$1" 2>&1) && return 1
	fi
	# The kernel's own complaint about what is no number names the module, too
	[[ "$err" == *"Invalid"* || "$err" == *"range"* ]] &&
	[ "$(log_since "$mark")" = 1 ] &&
	nothing_left
}

test_cycles()
{
	local i

	for ((i = 0; i < LOADS; i++)); do
		load && [ "$(ports)" = 2 ] && unload || return 1
	done
	nothing_left
}

# As it was found: there, or not
load_as_before()
{
	remove_cable test
	if [ $was_loaded = 0 ]; then
		unload
	elif [ ! -e /sys/module/serial_emu ]; then
		load $options
	fi
}

# Each port has its driver
bind_all()
{
	local device

	for device in /sys/bus/platform/devices/serial-emu.*; do
		[ -e "$device/driver" ] || echo "${device##*/}" > $DRIVER/bind
	done
}

# With the ports in use
test_busy_unload()
{
	exec 3<>/dev/ttyEMU0
	! unload
	local ret=$?

	exec 3>&-
	[ "$ret" = 0 ] && [ -e /dev/ttyEMU0 ]
}

test_sysfs()
{
	local dir=/sys/class/tty/ttyEMU0

	[ "$(cat $dir/type)" = -1 ] &&
	[ "$(cat $dir/uartclk)" = 1843200000 ] &&
	[ "$(cat $dir/line)" = 0 ] &&
	[ -e $dir/device/subsystem ] &&
	[[ "$(readlink -f $dir/device)" == */platform/serial-emu.0/* ]] &&
	[ "$(readlink -f $dir/device/../../driver)" = "$DRIVER" ]
}

test_proc()
{
	grep -Eq '^serial_emu +/dev/ttyEMU +[0-9]+ .* serial$' /proc/tty/drivers &&
	grep -q '^0: uart:UART emulation' /proc/tty/driver/serial_emu &&
	grep -q '^1: uart:UART emulation' /proc/tty/driver/serial_emu
}

test_rebind()
{
	local i

	for i in 0 1 0; do
		echo serial-emu.$i > $DRIVER/unbind || return 1
		[ ! -e /sys/class/tty/ttyEMU$i ] && [ ! -e $DRIVER/serial-emu.$i ] || return 1
		[ -e /sys/class/tty/ttyEMU$((1 - i)) ] || return 1
		echo serial-emu.$i > $DRIVER/bind || return 1
		[ -e /sys/class/tty/ttyEMU$i ] || return 1
	done
}

# A platform device of another origin that has no driver, and is reserved for none
find_foreign_device()
{
	local device

	for device in /sys/bus/platform/devices/*; do
		if [[ "$device" != */serial-emu.* ]] && [ ! -e "$device/driver" ] &&
		   [ "$(cat "$device/driver_override")" = "(null)" ]; then
			echo "$device"
			return
		fi
	done

	return 1
}

forget_foreign_device()
{
	echo "${foreign##*/}" > $DRIVER/unbind
	echo > "$foreign/driver_override"
} 2> /dev/null

# The driver refuses a device of another origin, even one that is reserved for it
test_foreign_device()
{
	local status=0

	echo serial-emu > "$foreign/driver_override" || return 1
	echo "${foreign##*/}" 2> /dev/null > $DRIVER/bind && status=1
	forget_foreign_device
	return $status
}

test_no_console()
{
	! grep -q ttyEMU /proc/consoles
}

test_debugfs()
{
	local dir=/sys/kernel/debug/serial-emu/ttyEMU0 status=0

	[ -d $dir ] &&
	echo Y > /sys/class/tty/ttyEMU0/console &&
	cat $dir/console $dir/records > /dev/null &&
	[ "$(cat $dir/dropped)" -ge 0 ] || status=1
	echo N > /sys/class/tty/ttyEMU0/console
	return $status
}

skip_unless()
{
	local ok="$1" description="$2"

	if [ "$ok" = 1 ]; then
		ktap_test_result "${@:2}"
	else
		ktap_test_skip "$description"
	fi
}

ktap_print_header

if [ "$(id -u)" != 0 ]; then
	ktap_skip_all "needs root"
	exit "$KSFT_SKIP"
fi

was_loaded=0
[ -e /sys/module/serial_emu ] && was_loaded=1
module=1
options=$(parameters)
if [ $was_loaded = 1 ] && ! unload; then
	# Built in, or in use, as it is on a machine whose console it is
	module=0
elif ! load; then
	ktap_skip_all "no module serial_emu"
	exit "$KSFT_SKIP"
fi
if [ ! -e /dev/ttyEMU0 ]; then
	ktap_skip_all "no /dev/ttyEMU0"
	exit "$KSFT_SKIP"
fi

console=0
grep -q 'console=ttyEMU' /proc/cmdline || console=1
debugfs=0
[ -d /sys/kernel/debug/serial-emu ] && debugfs=1

has_foreign=0
foreign=$(find_foreign_device) && has_foreign=1

at_end load_as_before
at_end bind_all
[ $has_foreign = 0 ] || at_end forget_foreign_device

ktap_set_plan 16

ktap_test_result "place_in_sysfs" test_sysfs
ktap_test_result "place_in_proc" test_proc
ktap_test_result "unbind_and_bind" test_rebind
skip_unless $has_foreign "foreign_device" test_foreign_device
skip_unless $console "no_console_by_accident" test_no_console
skip_unless $debugfs "debugfs" test_debugfs
skip_unless $module "busy_module_stays" test_busy_unload

# A cable made by a user keeps the module, too
test_user_cable()
{
	mkdir $CABLES/test || return 1
	! unload && rmdir $CABLES/test && unload && load
}
skip_unless $module "user_cable_stays" test_user_cable

[ $module = 1 ] && unload
skip_unless $module "nothing_left" nothing_left
skip_unless $module "null_modems_0" test_pairs 0
skip_unless $module "null_modems_1" test_pairs 1
skip_unless $module "null_modems_3" test_pairs 3
skip_unless $module "null_modems_9999" test_refused 9999
skip_unless $module "null_modems_-1" test_refused -1
skip_unless $module "null_modems_x" test_refused x
skip_unless $module "load_and_unload" test_cycles

ktap_finished
