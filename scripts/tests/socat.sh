#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# socat between a port and a file, a program, a pseudo-terminal; what stty and
# setserial set.

. "$(dirname "$0")/lib/common.sh"

# The options socat gives to a port. RTS/CTS, because a busy host may leave the
# reader without its share of the processor for longer than the buffers last.
port() {
	echo "$1,b$2,raw,echo=0,crtscts=1"
}

# transfer FROM TO SIZE RATE
transfer() {
	local from=$1 to=$2 size=$3 rate=$4 reader

	random_file "$work/out" "$size"
	raw "$to" "$rate" crtscts
	# When socat ends it sets the port to what it was before, and what is in
	# the buffer still is sent at that speed.
	raw "$from" "$rate" crtscts
	exec 8<>"$to"
	background read_port "$size" <&8
	reader=$pid
	exec 8>&-
	timeout 90 socat -u "FILE:$work/out" "$(port "$from" "$rate")" &&
		await "$reader" && same_files "$work/out" "$work/in"
}

read_port() {
	exec timeout 90 head -c "$1" >"$work/in"
}

to_program() {
	local server

	raw "$far" 115200
	background socat "$(port "$far" 115200)" EXEC:"sed -u s/ping/pong/"
	server=$pid
	# held open, because the last close would drop RTS and DTR
	raw "$near" 115200
	exec 8<>"$near"
	echo_comes "ping 1" "pong 1" && echo_comes "ping 2" "pong 2"
	set -- $?
	exec 8>&-
	stop "$server"
	return "$1"
}

# The line may need some time until the program at the other end is there.
echo_comes() {
	local sent=$1 wanted=$2 i line=

	for ((i = 0; i < 30; i++)); do
		echo "$sent" >&8
		while read -r -t 1 line <&8; do
			[ "$line" != "$wanted" ] || return 0
		done
	done
	echo "sent $sent, not got $wanted but $line"
	return 1
}

to_pty() {
	local server rc=0 line

	background socat PTY,raw,echo=0,link="$work/pty" "$(port "$far" 115200)"
	server=$pid
	wait_for 20 test -c "$work/pty" || return 1
	raw "$near" 115200
	exec 7<>"$work/pty" 8<>"$near"
	# when its DTR is up, socat has the port open
	"$lib/modem-lines" dsr cd cts <&8 || rc=1
	echo "to the pty" >&8
	read -r -t 20 line <&7 && [ "$line" = "to the pty" ] || rc=1
	echo "to the port" >&7
	read -r -t 20 line <&8 && [ "$line" = "to the port" ] || rc=1
	exec 7>&- 8>&-
	stop "$server"
	[ "$rc" -eq 0 ] || echo "last line: $line"
	return "$rc"
}

# Rates are read back as they were set.
stty_rates() {
	local rate got rc=0

	for rate in 50 134 300 9600 38400 57600 230400 921600 1500000 4000000; do
		stty -F "$near" "$rate" || rc=1
		got=$(stty -F "$near" speed)
		[ "$got" = "$rate" ] || { echo "$rate: is $got"; rc=1; }
	done
	return "$rc"
}

stty_settings() {
	local list s all rc=0

	for list in "cs5 parenb parodd cstopb" "cs6 crtscts ixoff parmrk" \
	    "cs7 -hupcl -cread -clocal inpck" "cs8 -parenb -crtscts -cstopb"; do
		# shellcheck disable=SC2086 # a list
		timeout 10 stty -F "$near" $list || rc=1
		all=$(stty -a -F "$near")
		for s in $list; do
			[[ " ${all//[;$'\n']/ } " == *" $s "* ]] && continue
			echo "$s: $all"
			rc=1
		done
	done
	sane
	return "$rc"
}

has_setserial() {
	command -v setserial >/dev/null || { skip "no setserial"; return 1; }
}

setserial_shows() {
	local out

	has_setserial || return 0
	out=$(setserial -g -a "$near") || return 1
	echo "$out"
	grep -q 'UART: undefined' <<<"$out" && grep -q 'Line 0,' <<<"$out"
}

setserial_sets() {
	local out rc=0

	has_setserial || return 0
	setserial "$near" closing_wait 100 close_delay 10 low_latency spd_vhi ||
		return 1
	out=$(setserial -g -a "$near")
	grep -q 'closing_wait: 100$' <<<"$out" &&
		grep -q 'close_delay: 10,' <<<"$out" &&
		grep -q 'Flags:.* spd_vhi' <<<"$out" &&
		grep -q 'Flags:.* low_latency' <<<"$out" || rc=1
	setserial "$near" closing_wait 3000 close_delay 50 ^low_latency \
		spd_normal || rc=1
	out+=$(setserial -g -a "$near")
	[[ "${out##*Flags:}" != *low_latency* ]] || rc=1
	[ "$rc" -eq 0 ] || echo "$out"
	return "$rc"
}

# spd_vhi: what the program calls 38400 is 115200 on the line.
setserial_speed() {
	local line='' rc=0

	has_setserial || return 0
	setserial "$near" spd_vhi || return 1
	raw "$far" 115200
	exec 7<>"$near" 8<>"$far"
	raw "$near" 38400
	echo "spd_vhi" >&7
	read -r -t 20 line <&8 && [ "$line" = spd_vhi ] || rc=1
	[ "$rc" -eq 0 ] || printf '%q\n' "$line"
	exec 7>&- 8>&-
	setserial "$near" spd_normal || rc=1
	return "$rc"
}

# Nobody at the far end, so CTS is off: what was written cannot be sent, and the
# close waits for that as long as it was told to.
setserial_closing_wait() {
	local t

	has_setserial || return 0
	raw "$near" 115200 crtscts
	setserial "$near" closing_wait 200 || return 1
	t=$EPOCHREALTIME
	echo "lost" >"$near"
	t=$((${EPOCHREALTIME/./} - ${t/./}))
	setserial "$near" closing_wait 3000
	echo "close took $t us, with a closing_wait of 2 seconds"
	[ "$t" -ge 1900000 ] && [ "$t" -lt 15000000 ]
}

# Not for everyone to change.
setserial_user() {
	local rc=0

	has_setserial || return 0
	chmod 666 "$near"
	if setpriv --reuid=65534 --clear-groups setserial "$near" uart 8250; then
		echo "a user without rights changed the type"
		rc=1
	fi
	setpriv --reuid=65534 --clear-groups setserial "$near" spd_hi || rc=1
	setserial "$near" spd_normal
	chmod 600 "$near"
	return "$rc"
}

start 12 socat python3
check "a file of 64 KiB, 115200" transfer "$near" "$far" 65536 115200
check "a file of 1 MiB, 4000000" transfer "$near" "$far" 1048576 4000000
check "and the other way" transfer "$far" "$near" 1048576 4000000
check "a program at the far end" to_program
check "a pseudo-terminal at the far end" to_pty
check "stty: rates" stty_rates
check "stty: settings" stty_settings
check "setserial shows" setserial_shows
check "setserial sets" setserial_sets
check "setserial: spd_vhi" setserial_speed
check "setserial: closing_wait" setserial_closing_wait
check "setserial: who may" setserial_user
finish
