#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What udev knows of the ports, and the rules that give them names which programs look
# for, and a group.

. "$(dirname "$0")/lib/common.sh"

cable=/sys/kernel/config/serial-emu/udev

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

install_rules() {
	make -s -C "$lib/../../../tools/serial-emu" install-udev UDEVDIR=/run/udev
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
	install_rules && daemon
}

path_of_pair() {
	udevadm trigger --action=add --subsystem-match=tty --sysname-match='ttyEMU*'
	udevadm settle --timeout=30
	has "$near" ID_PATH platform-serial-emu.0 &&
		has "$far" ID_PATH platform-serial-emu.1
}

# make_cable KIND: with a port at one end, and that at the other
make_cable() {
	mkdir -p "$cable/a" "$cable/b"
	echo "$1" >"$cable/b/kind"
	echo 1 >"$cable/live"
	udevadm settle --timeout=30
}

remove_cable() {
	echo 0 >"$cable/live"
	rmdir "$cable/a" "$cable/b" "$cable"
	udevadm settle --timeout=30
}

# One whose number is not known beforehand.
path_of_new_port() {
	local tty rc=0

	make_cable tty
	tty=$(cat "$cable/a/tty")
	has "/dev/$tty" ID_PATH "platform-serial-emu.${tty#ttyEMU}" || rc=1
	[ "/dev/ttySEMU${tty#ttyEMU}" -ef "/dev/$tty" ] || rc=1
	remove_cable
	[ ! -e "/dev/ttySEMU${tty#ttyEMU}" ] || rc=1
	return "$rc"
}

links() {
	ls -l /dev/ttySEMU*
	[ /dev/ttySEMU0 -ef "$near" ] && [ /dev/ttySEMU1 -ef "$far" ]
}

group() {
	[ "$(stat -c %G "$near")" = dialout ]
}

group_of_program() {
	local ret

	make_cable chardev
	stat -c '%G %a' /dev/serial-emu/udev/b
	[ "$(stat -c '%G %a' /dev/serial-emu/udev/b)" = "dialout 660" ]
	ret=$?
	remove_cable
	return "$ret"
}

list_ports() {
	python3 -m serial.tools.list_ports
	python3 -m serial.tools.list_ports | grep -q '^/dev/ttySEMU0'
}

start 7 udevadm python3
check "udevd runs, with the rule" set_up
check "ID_PATH of the first pair" path_of_pair
check "ID_PATH and link of a new port, while it is there" path_of_new_port
check "links by the rule" links
check "the group of the ports" group
check "the group of a program's end" group_of_program
check "list_ports finds them by that" list_ports
finish
