#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What udev knows of the ports, and the rule in serial-emu.rst that gives them names
# which programs look for.

. "$(dirname "$0")/lib/common.sh"

cables=/sys/kernel/config/serial-emu

# The VM's userland is in a chroot
export SYSTEMD_IGNORE_CHROOT=1

property() {
	udevadm info -q property -n "$1" | sed -n "s/^$2=//p"
}

has() {
	local found

	found=$(property "$1" "$2")
	echo "$1 has $2=$found"
	[ "$found" = "$3" ]
}

# The rule is the indented line of the documentation that names the port.
write_rule() {
	mkdir -p /run/udev/rules.d
	sed -n 's/^ *\(KERNEL=="ttyEMU.*\)/\1/p' \
		"$lib/../../../Documentation/admin-guide/serial-emu.rst" \
		>/run/udev/rules.d/70-serial-emu.rules
	[ -s /run/udev/rules.d/70-serial-emu.rules ]
}

daemon() {
	local program

	for program in /usr/lib/systemd/systemd-udevd /lib/systemd/systemd-udevd; do
		[ -x "$program" ] && break
	done
	background "$program" --children-max=2
	wait_for 10 udevadm control --ping
}

set_up() {
	write_rule && daemon
}

path_of_pair() {
	udevadm trigger --action=add --subsystem-match=tty --sysname-match='ttyEMU*'
	udevadm settle --timeout=30
	has "$near" ID_PATH platform-serial-emu.0 &&
		has "$far" ID_PATH platform-serial-emu.1
}

# One whose number is not known beforehand.
path_of_new_port() {
	local tty rc=0

	mkdir -p "$cables/udev/a" "$cables/udev/b"
	echo 1 >"$cables/udev/live"
	tty=$(cat "$cables/udev/a/tty")
	udevadm settle --timeout=30
	has "/dev/$tty" ID_PATH "platform-serial-emu.${tty#ttyEMU}" || rc=1
	[ "/dev/ttySEMU${tty#ttyEMU}" -ef "/dev/$tty" ] || rc=1
	echo 0 >"$cables/udev/live"
	udevadm settle --timeout=30
	[ ! -e "/dev/ttySEMU${tty#ttyEMU}" ] || rc=1
	rmdir "$cables/udev/a" "$cables/udev/b" "$cables/udev"
	return "$rc"
}

links() {
	ls -l /dev/ttySEMU*
	[ /dev/ttySEMU0 -ef "$near" ] && [ /dev/ttySEMU1 -ef "$far" ]
}

list_ports() {
	python3 -m serial.tools.list_ports
	python3 -m serial.tools.list_ports | grep -q '^/dev/ttySEMU0'
}

start 5 udevadm python3
check "udevd runs, with the rule" set_up
check "ID_PATH of the first pair" path_of_pair
check "ID_PATH and link of a new port, while it is there" path_of_new_port
check "links by the rule" links
check "list_ports finds them by that" list_ports
finish
