#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Files sent by ZMODEM, both ways, with sz and rz of lrzsz.

. "$(dirname "$0")/lib/common.sh"

# transfer FROM TO SIZE RATE
transfer() {
	local from=$1 to=$2 size=$3 rate=$4 sender receiver

	rm -rf "$work/in" "$work/out"
	mkdir "$work/in" "$work/out"
	random_file "$work/out/file" "$size"
	# with real modems, too, it is the handshake that makes high rates work
	raw "$from" "$rate" crtscts && raw "$to" "$rate" crtscts || return 1

	background receive "$to"
	receiver=$pid
	background send "$from"
	sender=$pid
	await "$sender" 90 || { echo "sz: exit status $?"; return 1; }
	await "$receiver" 20 || { echo "rz: exit status $?"; return 1; }
	same_files "$work/out/file" "$work/in/file"
}

# shellcheck disable=SC2094 # a port is two files
receive() {
	cd "$work/in" && rz --binary --quiet <"$1" >"$1"
}

# shellcheck disable=SC2094
send() {
	sz --binary --quiet "$work/out/file" <"$1" >"$1"
}

# All errors that were counted at both ends.
errors() {
	grep -oE '^[01]:|(fe|pe|brk|oe|bo):[0-9]+' /proc/tty/driver/serial_emu
}

no_errors() {
	diff <(echo "$errors_before") <(errors)
}

start 7 sz rz
errors_before=$(errors)
check "1 byte at 9600" transfer "$near" "$far" 1 9600
check "1 byte, the other way" transfer "$far" "$near" 1 9600
check "64 KiB at 460800" transfer "$near" "$far" 65536 460800
check "64 KiB, the other way" transfer "$far" "$near" 65536 460800
check "1 MiB at 4000000" transfer "$near" "$far" 1048576 4000000
check "1 MiB, the other way" transfer "$far" "$near" 1048576 4000000
check "no errors on the line" no_errors
finish
