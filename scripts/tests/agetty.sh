#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# agetty and login at one end of the cable, a user (expect) at the other.

. "$(dirname "$0")/lib/common.sh"

user=emutest
password="xyzzy-$$"
getty=

remove_user() {
	userdel "$user" 2>/dev/null
}

# A user of this test, with a shell that reads no startup files of the host.
make_user() {
	remove_user
	at_exit remove_user
	useradd --no-create-home --home-dir "$work/home" --shell /bin/bash \
		"$user" &&
		mkdir -p "$work/home" &&
		touch "$work/home/.hushlogin" &&
		chmod 755 "$work" && chown -R "$user" "$work/home" &&
		echo "$user:$password" | chpasswd
}

# login wants a record of its terminal
make_utmp() {
	[ -e /run/utmp ] || : >/run/utmp
}

# What init or systemd does when the last session ended. The local line option
# decides whether the carrier means something (never: it does).
spawn_getty() {
	background_session agetty -L="$1" --noclear --nohostname \
		--noissue "${near##*/}" 115200 dumb
	getty=$pid
}

# Expect reads its script, after these definitions, from standard input. The
# user's end is the open file 8 of this script.
user_does() {
	{
		cat <<-'EOF'
		log_user 1
		set timeout 60
		proc fail {what} { puts "\nuser: $what"; exit 1 }
		proc see {pattern} {
			expect {
				-re $pattern {}
				timeout { fail "did not see $pattern" }
				eof { fail "end of file before $pattern" }
			}
		}
		spawn -noecho -open [open $env(FAR) r+]
		EOF
		cat
	} >"$work/script"
	FAR=$far USERNAME=$user PASSWORD=$password HOMEDIR=$work/home \
		timeout 150 expect -f "$work/script"
}

login_prompt() {
	spawn_getty never
	user_does <<-'EOF'
	see {login: $}
	EOF
}

log_in_and_out() {
	user_does <<-'EOF'
	send "\r"
	see {login: $}
	send "$env(USERNAME)\r"
	see {Password: $}
	send "no such password\r"
	see {Login incorrect}
	see {login: $}
	send "$env(USERNAME)\r"
	see {Password: $}
	send "$env(PASSWORD)\r"
	see {[$] $}
	send "tty\r"
	see {tty\r\n/dev/ttyEMU0\r\n}
	see {[$] $}
	send "id -un; expr 6 \\* 7\r"
	see "\n$env(USERNAME)\r\n42\r\n"
	see {[$] $}
	send "stty speed\r"
	see {\n115200\r\n}
	see {[$] $}
	send "exit\r"
	see {exit\r\n}
	EOF
}

# The last close of the one end is seen by the modem control lines of the other.
line_is_dropped() {
	await "$getty"
	"$lib/modem-lines" -cd -dsr -cts <&8
}

job_control() {
	user_does <<-'EOF'
	send "\r"
	see {login: $}
	send "$env(USERNAME)\r"
	see {Password: $}
	send "$env(PASSWORD)\r"
	see {[$] $}
	send "sleep 1000\r"
	see {sleep 1000\r\n}
	sleep 0.5
	send "\003"
	see {\^C}
	see {[$] $}
	send "echo status \$?\r"
	see {status 130}
	see {[$] $}
	send "cat\r"
	see {cat\r\n}
	sleep 0.5
	send "\032"
	see {Stopped}
	see {[$] $}
	send "fg\r"
	see {cat\r\n}
	sleep 0.5
	send "\004"
	see {[$] $}
	send "exit\r"
	see {exit\r\n}
	EOF
	await "$getty"
}

respawn() {
	spawn_getty never
	"$lib/modem-lines" cd dsr cts <&8 || return 1
	user_does <<-'EOF'
	see {login: $}
	EOF
}

# A program in the foreground notes what happens to it. The shell would see the
# end of file, and login is the session leader, so that the shell may not live to
# see the signal.
log_in_for_hangup() {
	spawn_getty never
	user_does <<-'EOF'
	send "\r"
	see {login: $}
	send "$env(USERNAME)\r"
	see {Password: $}
	send "$env(PASSWORD)\r"
	see {[$] $}
	send "sh ~/program\r"
	see {program runs}
	EOF
}

make_program() {
	cat >"$work/home/program" <<-'EOF'
	trap 'echo hangup >hup; exit' HUP
	echo $$ >pid
	echo program runs
	while :; do sleep 0.2; done
	EOF
}

# Who outlives its parent is init's, and may be dead a while before that looks.
gone() {
	local state

	read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || return 0
	[ "$state" = Z ]
}

hang_up() {
	local program

	program=$(cat "$work/home/pid") || return 1
	kill -0 "$program" || return 1
	exec 8>&-
	wait_for 20 test -s "$work/home/hup" || echo "no SIGHUP"
	await "$getty"
	if ! wait_for 20 gone "$program"; then
		echo "the program lives"
		ps -e -o pid,ppid,pgid,sid,stat,tname,wchan:24,args
		return 1
	fi
	grep hangup "$work/home/hup"
}

next_caller() {
	exec 8<>"$far"
	log_in_for_hangup
}

start 8 agetty login expect useradd chpasswd python3
make_user >"$work/log" 2>&1 || { cat "$work/log"; skip_all "cannot add a user"; }
make_utmp
make_program
raw "$far" 115200
# held open, so that the far end's DTR and RTS stay on between the users
exec 8<>"$far"

check "login prompt" login_prompt
check "wrong password, login, commands, logout" log_in_and_out
check "the end of the session drops DTR and RTS" line_is_dropped
check "next login prompt" respawn
check "job control" job_control
check "another login" log_in_for_hangup
check "loss of the carrier hangs the session up" hang_up
check "login prompt for the next caller" next_caller
finish
