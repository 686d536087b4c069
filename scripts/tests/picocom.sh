#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# picocom on a pseudo-terminal, with a user (expect) who types. The far end is
# held open by this script, as file 8, and what arrives there is in a file.

. "$(dirname "$0")/lib/common.sh"

# session OPTION...: a picocom, and on standard input what its user does.
session() {
	: >"$work/received"
	{
		cat <<-'EOF'
		set timeout 30
		proc fail {what} { puts "\nuser: $what"; exit 1 }
		proc see {pattern} {
			expect {
				-re $pattern {}
				timeout { fail "did not see $pattern" }
				eof { fail "end of file before $pattern" }
			}
		}
		# the shell acts at the far end, or asks
		proc far {command} {
			if {[catch {exec sh -c $command <$::env(FAR)} answer]} {
				fail "$command: $answer"
			}
		}
		proc arrives {pattern} {
			for {set i 0} {$i < 300} {incr i} {
				set f [open $::env(WORK)/received rb]
				set data [read $f]
				close $f
				if {[regexp $pattern $data]} return
				after 100
			}
			fail "at the far end no $pattern in \"$data\""
		}
		proc quit {} {
			send "\001\030"
			expect {
				timeout { fail "picocom does not quit" }
				eof {}
			}
			set status [lindex [wait] 3]
			if {$status} { fail "exit status $status" }
		}
		spawn -noecho picocom {*}$env(OPTIONS) $env(NEAR)
		see "Terminal ready\r\n"
		EOF
		cat
	} >"$work/script"
	# a dumb terminal, because the prompts of picocom would ask another one
	# for its size and wait for the answer; lines end with a newline then
	TERM=dumb OPTIONS=$* NEAR=$near FAR=$far LIB=$lib WORK=$work \
		timeout 100 expect -f "$work/script"
}

# Whatever arrives at the far end.
listen() {
	background cat <&8 >>"$work/received"
	listener=$pid
}

text() {
	session -b 115200 <<-'EOF'
	send "hello, world\r"
	arrives "^hello, world\r$"
	far {printf 'good day\r\n' >"$FAR"}
	see "good day\r\n"
	quit
	EOF
}

seven_bits() {
	local rc=0

	raw "$far" 57600 cs7 parenb -parodd
	session -b 57600 -d 7 -y e -p 2 <<-'EOF' || rc=1
	send "seven bits\r"
	arrives "^seven bits\r$"
	far {printf 'and even parity\r\n' >"$FAR"}
	see "and even parity\r\n"
	quit
	EOF
	raw "$far" 115200
	return "$rc"
}

change_of_baud() {
	local rc=0

	session -b 115200 <<-'EOF' || rc=1
	send "fast"
	arrives "^fast$"
	send "\001\002"
	see "baud: "
	send "2400\n"
	see "baud: 2400 "
	far {stty 2400}
	send "slow"
	arrives "slow$"
	far {printf 'at 2400' >"$FAR"}
	see "at 2400"
	quit
	EOF
	raw "$far" 115200
	return "$rc"
}

toggles_dtr() {
	session -b 115200 <<-'EOF'
	far {"$LIB/modem-lines" dsr cd cts}
	send "\001\024"
	see "DTR: down"
	far {"$LIB/modem-lines" -dsr -cd cts}
	send "\001\024"
	see "DTR: up"
	far {"$LIB/modem-lines" dsr cd cts}
	quit
	EOF
}

toggles_rts() {
	session -b 115200 <<-'EOF'
	send "\001\007"
	see "RTS: down"
	far {"$LIB/modem-lines" dsr cd -cts}
	send "\001\007"
	see "RTS: up"
	far {"$LIB/modem-lines" dsr cd cts}
	quit
	EOF
}

# With PARMRK a break is read as FF 00 00.
sends_break() {
	local rc=0 before

	before=$(counter "$far" brk)
	raw "$far" 115200 -ignbrk -brkint parmrk
	session -b 115200 <<-'EOF' || rc=1
	send "before"
	arrives "before$"
	send "\001\034"
	arrives "before\xff\x00\x00$"
	send "after"
	arrives "before\xff\x00\x00after$"
	quit
	EOF
	raw "$far" 115200 ignbrk -parmrk
	[ "$(($(counter "$far" brk) - before))" -eq 1 ] && return "$rc"
	echo "breaks counted: $before before, $(counter "$far" brk) now"
	return 1
}

# What picocom has with -send-cmd, it runs on the port.
sends_file() {
	local rc=0 receiver

	random_file "$work/file" 20000
	mkdir -p "$work/in"
	stop "$listener"
	background rz_at_far
	receiver=$pid
	session -b 115200 -f h <<-'EOF' || rc=1
	send "\001\023"
	see "file: "
	send "$env(WORK)/file\n"
	see "exit status: 0"
	quit
	EOF
	await "$receiver" || rc=1
	raw "$far" 115200
	listen
	same_files "$work/file" "$work/in/file" && return "$rc"
}

# shellcheck disable=SC2094 # a port is two files
rz_at_far() {
	cd "$work/in" && rz --binary --quiet <"$far" >"$far"
}

# At the end the line is left hung up, and as it was before.
quits() {
	local before

	before=$(stty -a -F "$near")
	session -b 9600 <<-'EOF' || return 1
	far {"$LIB/modem-lines" dsr}
	quit
	far {"$LIB/modem-lines" -dsr -cd -cts}
	EOF
	[ "$(stty -a -F "$near")" = "$before" ] && return
	echo "$before"
	stty -a -F "$near"
	return 1
}

start 8 picocom expect python3 sz rz
raw "$far" 115200
exec 8<>"$far"
listen
check "text, both ways" text
check "7 bits, even parity, 2 stop bits" seven_bits
check "change of the rate" change_of_baud
check "DTR toggled, DSR and DCD seen" toggles_dtr
check "RTS toggled, CTS seen" toggles_rts
check "break" sends_break
check "a file sent" sends_file
check "settings and lines afterwards" quits
finish
