# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For the tests beside this directory, which run real programs over the emulated
# ports: KTAP output, time limits, processes that are ended for certain. A test
# sources this file, says
#
#	start NUMBER-OF-CASES PROGRAM...
#	check "name of the case" function [argument]...
#	...
#	finish
#
# A case is a function that returns 0 if all is well. What it prints is shown
# (as diagnostics) only if it fails; if it called skip, it is skipped.

set -u

near=/dev/ttyEMU0
far=/dev/ttyEMU1

# These are for the whole script and must outlast a busy host with a debug
# kernel; usually it takes a few seconds.
limit=${TEST_TIMEOUT:-280}

# shellcheck disable=SC2034 # for the tests
lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
work=
count=0
failed=0
skipped=0
reason=
started=()
complete=
exit_hooks=()

# Nothing is ever written to this pipe: reading from it, for a while, is a sleep
# without a process. Those are expensive on a debug kernel.
exec 9<> <(:)

nap() {
	read -r -t 0.1 -u 9 || true
}

skip_all() {
	echo "1..0 # SKIP $*"
	complete=1
	exit 4
}

# The ports may be there, or come with the module.
need_ports() {
	local i

	[ -c "$near" ] || modprobe -q serial-emu 2>/dev/null
	# without udev it is devtmpfs that makes the nodes, at once, but
	# elsewhere it may take a moment
	for ((i = 0; i < 50; i++)); do
		[ ! -c "$near" ] || [ ! -c "$far" ] || return 0
		[ -d /sys/class/tty/"${near##*/}" ] || break
		nap
	done
	skip_all "no $near and $far: not in this kernel, and no module serial-emu"
}

need_programs() {
	local p

	for p in "$@"; do
		command -v "$p" >/dev/null || skip_all "$p is not installed"
	done
}

start() {
	local planned=$1
	shift

	if [ -z "${TEST_STARTED:-}" ]; then
		export TEST_STARTED=1
		exec timeout --preserve-status -k 10 "$limit" "$0"
	fi
	echo "KTAP version 1"
	[ "$(id -u)" -eq 0 ] || skip_all "not root"
	need_programs "$@"
	need_ports
	work=$(mktemp -d "${TMPDIR:-/tmp}/emu-test.XXXXXX")
	# inside of a case, standard output is the log
	exec 3>&1
	trap clean_up EXIT
	trap 'echo "# time is up" >&3; exit 1' TERM INT HUP
	sane
	echo "1..$planned"
}

diagnostics() {
	tr -d '\r' <"$work/log" | sed 's/^/# /'
}

check() {
	local name=$1 rc=0
	shift

	count=$((count + 1))
	reason=
	: >"$work/log"
	"$@" >>"$work/log" 2>&1 </dev/null || rc=$?
	if [ -n "$reason" ]; then
		echo "ok $count $name # SKIP $reason"
		skipped=$((skipped + 1))
	elif [ "$rc" -eq 0 ]; then
		echo "ok $count $name"
	else
		echo "not ok $count $name"
		diagnostics
		failed=1
	fi
}

skip() {
	reason=$*
}

finish() {
	complete=1
	[ "$failed" -eq 0 ] || exit 1
	[ "$skipped" -lt "$count" ] || exit 4
	exit 0
}

# Run a program in the background. It is in a process group of its own, so that
# it can be ended with its children, but not in a session of its own: then the
# first terminal that it opens would be its controlling one. The open files that
# a test holds a port with are not for it to inherit.
background() {
	set -m
	"$@" 3>&- 7>&- 8>&- 9>&- &
	set +m
	pid=$!
	started+=("$pid")
}

# The same for programs that want to be session leaders.
background_session() {
	setsid "$@" 3>&- 7>&- 8>&- 9>&- &
	pid=$!
	started+=("$pid")
}

alive() {
	kill -0 -- "-$1" 2>/dev/null
}

ended() {
	! alive "$1"
}

# wait_for SECONDS COMMAND...: until the command succeeds, within limits.
wait_for() {
	local until=$((SECONDS + $1))
	shift

	while ! "$@"; do
		[ $SECONDS -lt $until ] || return 1
		nap
	done
}

# The exit status of a background program, which should end soon.
await() {
	if ! wait_for "${2:-30}" ended "$1"; then
		echo "process $1 does not end"
		stop "$1"
		return 124
	fi
	wait "$1"
}

stop() {
	local sig

	for sig in TERM KILL; do
		alive "$1" || break
		kill -"$sig" -- "-$1" 2>/dev/null
		wait_for 5 ended "$1"
	done
	wait "$1" 2>/dev/null
	return 0
}

# Have a function called when all is over.
at_exit() {
	exit_hooks+=("$1")
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	local x

	trap '' TERM INT HUP
	exec >>"$work/log" 2>&1
	if [ -z "$complete" ]; then
		echo "the test ended before its time"
		diagnostics >&3
	fi
	for x in "${started[@]}"; do
		stop "$x"
	done
	exec 7>&- 8>&-
	for x in "${exit_hooks[@]}"; do
		"$x"
	done
	sane
	rm -rf "$work"
}

# As after boot; stty -g cannot be used, because it does not restore speeds.
sane() {
	local tty

	for tty in "$near" "$far"; do
		timeout 10 stty -F "$tty" sane -brkint -imaxbel 9600 \
			clocal hupcl -crtscts cs8 -parenb -parodd -cstopb
	done
}

# Everything as it comes: raw TTY [SETTING]...
raw() {
	local tty=$1
	shift

	timeout 10 stty -F "$tty" raw -echo -echoe -echok -echoctl -echoke \
		-iexten -ixon -ixoff -crtscts clocal cs8 -parenb -cstopb "$@"
}

# A counter of /proc/tty/driver/serial_emu: counter TTY tx|rx|fe|pe|brk|oe. The
# errors are listed only if there were any.
counter() {
	local words word

	while read -r -a words; do
		[ "${words[0]}" = "${1##*/ttyEMU}:" ] || continue
		for word in "${words[@]}"; do
			[ "${word%%:*}" = "$2" ] || continue
			echo "${word#*:}"
			return
		done
	done </proc/tty/driver/serial_emu
	echo 0
}

# contains FILE TEXT
contains() {
	local text

	IFS= read -r -d '' text <"$1"
	[[ $text == *"$2"* ]]
}

random_file() {
	head -c "$2" /dev/urandom >"$1"
}

same_files() {
	local a b

	read -r a _ < <(sha256sum <"$1")
	read -r b _ < <(sha256sum <"$2")
	[ "$a" = "$b" ] && return
	echo "$1 ($(stat -c %s "$1") bytes) and $2 ($(stat -c %s "$2") bytes) differ"
	return 1
}
