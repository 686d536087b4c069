# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Sourced by the scripts beside it: where things are, and how to talk.

set -eu -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${BUILD:-$top/build}
# What was mailed, for any kernel
# shellcheck disable=SC2034 # for the scripts that source this
sent=$build/sent

# A user's own tree gets a copy, and builds, of its own: object files of two
# kernels never meet in one directory.
if [ -n "${KERNEL:-}" ]; then
	KERNEL=$(realpath -e -- "$KERNEL") || exit 1
	build=$build/kernel-$(printf %s "$KERNEL" | cksum | cut -d' ' -f1)
fi

tree=$build/linux
# shellcheck disable=SC2034 # for the scripts that source this
base_version=7.3

# Another python3, before Debian's, would not have Debian's modules.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# The sparse of Debian 12 does not know __typeof_unqual__, and kbuild leaves out a checker
# that does not; nor does it know that the length of a literal is a constant.
# shellcheck disable=SC2034 # for the scripts that source this
sparse="sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"

# timed NAME COMMAND...: run it, and note in the file $TIMES, if that is set, how many
# seconds and seconds of processor time it took.
timed() {
	local name=$1 rc=0 took TIMEFORMAT='%0R %U %S'
	shift

	# the streams of the command are not those of what is measured
	{ took=$({ time "$@" >&7 2>&8; } 2>&1); } 7>&1 8>&2 || rc=$?
	[ -z "${TIMES:-}" ] ||
		awk -v name="$name" '{ printf "%s %d %d\n", name, $1, $2 + $3 }' \
			<<<"$took" >>"$TIMES"
	return $rc
}

# A line of that file in words
took() {
	awk '{ printf "%d s, %d s of processor time", $2, $3 }'
}

# Run a long, talkative command with its output in a log, which is shown (its
# end, at least) only if the command fails.
quietly() {
	local log=$1 rc=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ $rc -ne 0 ]; then
		tail -n 40 "$log" >&2
		say "failed ($rc): $*"
		say "whole log: $log"
	fi
	return $rc
}

# progress WHAT TOTAL [LOG]: count the lines that come in, and say how far that is of
# about TOTAL (0: nobody knows), and how long it still takes: on one line that is
# rewritten on a terminal, and in a line now and then elsewhere.
progress() {
	local what=$1 total=$2 count=0 line text left start=$SECONDS next every=20

	exec 6>"${3:-/dev/null}"
	[ ! -t 2 ] || every=1
	next=$((start + every))
	while IFS= read -r line; do
		printf '%s\n' "$line" >&6
		count=$((count + 1))
		[ "$SECONDS" -ge "$next" ] || continue
		next=$((SECONDS + every))
		text="$count steps"
		if [ "$total" -gt "$count" ]; then
			left=$(((SECONDS - start) * (total - count) / count))
			text=$(printf '%d of about %d steps, %d:%02d left' \
				"$count" "$total" $((left / 60)) $((left % 60)))
		fi
		if [ -t 2 ]; then
			printf '\r\033[K%s: %s' "${0##*/}" "$what: $text" >&2
		else
			say "$what: $text"
		fi
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
	exec 6>&-
}

# The kernel's make, with the compiler cache if there is one.
kmake() {
	local path=$PATH
	[ -d /usr/lib/ccache ] && path=/usr/lib/ccache:$PATH
	# what one clone of the repository compiled serves the next one
	export CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1
	# LOCALVERSION: no plus sign, whatever was committed since the last tag
	# DEBUG: what it means here is not what it means to the kernel's tools, of
	# which a change has all of the kernel compiled again
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u KBUILD_OUTPUT -u DEBUG PATH="$path" \
		KBUILD_BUILD_USER=emu KBUILD_BUILD_HOST=workshop \
		LOCALVERSION= make -C "$tree" -j"$(nproc)" "$@"
}

# The patches in their order
series_patches() {
	local p

	for p in "$top"/patches/[0-9][0-9][0-9][0-9]-*.patch; do
		[ ! -e "$p" ] || printf '%s\n' "$p"
	done
}

# git in the kernel tree, whatever the user has configured
git_plain() {
	env GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		git -C "$tree" -c user.name=nobody -c user.email=nobody "$@"
}

# write_files DIRECTORY COMMIT: the files that the series has added by that commit of the
# kernel tree, where they are in it
write_files() {
	local to=$1 commit=$2 file

	git_plain diff --name-only --no-renames --diff-filter=A base "$commit" |
		while read -r file; do
			mkdir -p "$to/$(dirname "$file")"
			git_plain cat-file blob "$commit:$file" >"$to/$file"
			[ "$(git_plain ls-tree "$commit" "$file" | cut -c 1-6)" != 100755 ] ||
				chmod +x "$to/$file"
		done
}

patches_sum() {
	# shellcheck disable=SC2046 # a list, of names without spaces
	cat /dev/null $(series_patches) | cksum
}

# Is the kernel tree as it was when that tag was set, and nothing changed?
tree_unchanged_since() {
	[ "$(git -C "$tree" rev-parse -q --verify HEAD)" = \
	  "$(git -C "$tree" rev-parse -q --verify "$1^{commit}")" ] &&
		[ -z "$(git -C "$tree" status --porcelain)" ]
}

# Did somebody change or commit something in the kernel tree?
tree_has_work() {
	[ -d "$tree/.git" ] && ! tree_unchanged_since base &&
		! tree_unchanged_since applied
}

# settings_not_taken CONFIG FRAGMENT...
# Print every setting of the fragments (the last one counts) which CONFIG does
# not have, fail if there is one.
settings_not_taken() {
	local config=$1
	shift
	awk '
	function name(line) {
		sub(/^# /, "", line)
		sub(/[= ].*/, "", line)
		return line
	}
	function value(line) {
		if (line ~ /^#/)
			return "n"
		sub(/^[^=]*=/, "", line)
		return line
	}
	!/^CONFIG_[A-Za-z0-9_]*=/ && !/^# CONFIG_[A-Za-z0-9_]* is not set/ {
		next
	}
	FILENAME == ARGV[1] {
		have[name($0)] = value($0)
		next
	}
	{
		want[name($0)] = value($0)
	}
	END {
		for (n in want) {
			got = (n in have) ? have[n] : "n"
			if (got == want[n])
				continue
			printf "%s=%s was not taken, it is %s\n", n, want[n], got
			bad = 1
		}
		exit bad
	}' "$config" "$@" | sort
}

# The selftests of the tty collection, installed in DIRECTORY/kselftest:
# build_selftests DIRECTORY
build_selftests() {
	local out=$1

	if [ ! "$build/headers/usr/include/linux/serial.h" -nt \
	       "$tree/include/uapi/linux/serial.h" ] ||
	   [ ! "$build/headers/usr/include/linux/serial-emu.h" -nt \
	       "$tree/include/uapi/linux/serial-emu.h" ]; then
		quietly "$out/headers.log" kmake O="$build/headers" \
			ARCH=x86_64 headers
	fi
	rm -rf "$out/kselftest"
	quietly "$out/kselftest-build.log" kmake -C tools/testing/selftests \
		O="$build/headers" TARGETS=tty FORCE_TARGETS=1 \
		INSTALL_PATH="$out/kselftest" install
}

# unexplained STATUS FILE...: is it one that no case in these files explains? 4 is
# kselftest's for a skipped test.
unexplained() {
	[ "$1" -ne 0 ] && [ "$1" -ne 4 ] && ! grep -q 'not ok' "${@:2}"
}

# in_vm NAME VM-OPTION... -- CMD...
# Run something that prints TAP in the VM, with what it prints in $out/NAME.tap. What
# the kernel and the VM have to say about it is one more case, $out/NAME-vm.tap.
in_vm() {
	local name=$1 rc=0
	shift
	"$top/scripts/vm" --splats --log "$out/$name.log" "$@" >"$out/$name.tap" \
		2>"$out/$name.err" || rc=$?
	tr -d '\r' <"$out/$name.tap" >"$out/$name.tap.new"
	mv "$out/$name.tap.new" "$out/$name.tap"
	case $rc in
	124)	verdict "$name-vm" "not ok 1 time was up" ;;
	125)	verdict "$name-vm" "not ok 1 the guest died" ;;
	126)	verdict "$name-vm" "not ok 1 the kernel complained" ;;
	*)	verdict "$name-vm" "ok 1 the kernel did not complain" ;;
	esac
	if unexplained $rc "$out/$name.tap" "$out/$name-vm.tap"; then
		verdict "$name-vm" "not ok 1 exit status $rc"
	fi
	[ ! -s "$out/$name.err" ] || cat "$out/$name.err" >&2
}

# verdict NAME CASE: the only one in $out/NAME.tap
verdict() {
	printf 'TAP version 13\n1..1\n%s\n' "$2" >"$out/$1.tap"
}
