#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# IP over the line: a pppd at each end. One of them is in a network namespace of
# its own, or the kernel would see that both addresses are local and take the
# short way.

. "$(dirname "$0")/lib/common.sh"

ns=emutest
near_ip=10.99.0.1
far_ip=10.99.0.2
near_pppd=
far_pppd=

far_end() {
	ip netns exec "$ns" "$@"
}

# Without the options of the host, of which only those in /etc/ppp/options
# remain: what matters is set again.
run_pppd() {
	local tty=$1 speed=$2
	shift 2

	exec timeout 150 pppd "$tty" "$speed" nodetach noauth nodefaultroute \
		noipv6 nobsdcomp nodeflate novj noccp lcp-echo-interval 0 \
		lcp-restart 1 ipcp-restart 1 \
		ipcp-accept-local ipcp-accept-remote "$@"
}

run_far_pppd() {
	exec ip netns exec "$ns" "$0" --pppd "$@"
}

# link_up SPEED OPTION...
link_up() {
	: >"$work/near.log"
	: >"$work/far.log"
	background run_far_pppd "$far" "$@" logfile "$work/far.log" \
		"$far_ip:$near_ip"
	far_pppd=$pid
	background run_pppd "$near" "$@" logfile "$work/near.log" \
		"$near_ip:$far_ip"
	near_pppd=$pid
	wait_for 60 contains "$work/near.log" "remote IP address $far_ip" &&
		wait_for 30 contains "$work/far.log" "remote IP address $near_ip" &&
		return
	echo "no addresses"
	sed 's/^/near: /' "$work/near.log"
	sed 's/^/far: /' "$work/far.log"
	return 1
}

# Every byte counts twice, at its sender and at its receiver.
count_traffic() {
	before=()
	before+=("$(counter "$near" tx)" "$(counter "$near" rx)")
	before+=("$(counter "$far" tx)" "$(counter "$far" rx)")
}

traffic_grew_by() {
	local bytes=$1 i=0 now what

	for what in "$near tx" "$near rx" "$far tx" "$far rx"; do
		# shellcheck disable=SC2086 # two words
		now=$(counter $what)
		if [ $((now - before[i])) -lt "$bytes" ]; then
			echo "$what: $((now - before[i])) more, should be $bytes"
			return 1
		fi
		i=$((i + 1))
	done
}

# ping_over COUNT SIZE [COMMAND]: all come back, and they took the line
ping_over() {
	local n=$1 size=$2 to=$far_ip
	shift 2

	[ $# -eq 0 ] || to=$near_ip
	count_traffic
	"$@" timeout 60 ping -n -c "$n" -s "$size" -i 0.2 -W 10 "$to" || return 1
	traffic_grew_by $((n * (size + 28)))
}

link_down() {
	local rc=0

	stop "$near_pppd"
	# the far end was asked to end: LCP TermReq
	await "$far_pppd" || rc=$?
	# 5: by a signal, 15: peer's request, 16: hangup
	case $rc in
	5|15|16) return 0 ;;
	esac
	echo "pppd: exit status $rc"
	cat "$work/far.log"
	return 1
}

# When a process dies, its terminal is closed, which drops DTR: no words of
# parting, the carrier is all that the other end sees.
carrier_loss() {
	local rc=0

	kill -KILL -- "-$far_pppd"
	stop "$far_pppd"
	await "$near_pppd" || rc=$?
	cat "$work/near.log"
	[ "$rc" -eq 16 ] || { echo "exit status $rc, not 16"; return 1; }
	contains "$work/near.log" 'Modem hangup'
}

# pppd opens the line and waits until there is a carrier.
waits_for_carrier() {
	: >"$work/near.log"
	background run_pppd "$near" 115200 modem crtscts \
		logfile "$work/near.log" "$near_ip:$far_ip"
	near_pppd=$pid
	sleep 2
	alive "$near_pppd" || { echo "pppd ended"; return 1; }
	if contains "$work/near.log" 'Using interface'; then
		echo "pppd did not wait"
		return 1
	fi
	exec 8<>"$far"
	wait_for 30 contains "$work/near.log" 'Using interface' ||
		{ echo "pppd still waits"; cat "$work/near.log"; return 1; }
	stop "$near_pppd"
	exec 8>&-
}

remove_namespace() {
	ip netns del "$ns" 2>/dev/null
}

if [ "${1:-}" = --pppd ]; then
	shift
	run_pppd "$@"
fi

start 11 pppd ip ping
[ -c /dev/ppp ] || mknod /dev/ppp c 108 0
pppd nodetach noauth local /dev/null </dev/null 2>&1 | grep -q 'lacks PPP' &&
	skip_all "no PPP in this kernel: CONFIG_PPP, CONFIG_PPP_ASYNC"
[ -e /proc/self/ns/net ] ||
	skip_all "no network namespaces in this kernel: CONFIG_NET_NS"
mkdir -p /run/lock
remove_namespace
at_exit remove_namespace
ip netns add "$ns" || skip_all "cannot make a network namespace"

check "the link comes up, local" link_up 115200 local crtscts
check "ping" ping_over 5 56
check "ping with 1400 bytes" ping_over 5 1400
check "ping from the far end" ping_over 5 56 far_end
check "one end ends the link" link_down
check "the link comes up, with modem lines" link_up 460800 modem crtscts
check "ping with 1400 bytes, over that" ping_over 5 1400
check "loss of the carrier ends the link" carrier_loss
check "pppd waits for the carrier" waits_for_carrier
check "link without hardware handshake" link_up 115200 local nocrtscts
check "ping over that" ping_over 5 56
finish
