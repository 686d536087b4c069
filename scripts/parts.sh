# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Sourced, behind lib.sh, by the scripts that deal with the parts in which the series is
# mailed: patches/parts has a line for each of them,
#	NAME FIRST [FILE...]
# where FIRST is the number of the part's first patch, and the maintainers and reviewers
# of the files get all mails of the part. The letter of a part is patches/cover/NAME.txt:
# its subject, an empty line and the text.

parts=$top/patches/parts

# These apply to the base alone, in any order. Each other part goes on top of all
# patches before it.
independent="fixes printk"

part_lines() {
	sed 's/#.*//' "$parts" 2>/dev/null | awk 'NF'
}

part_names() {
	part_lines | awk '{ print $1 }'
}

is_independent() {
	[[ " $independent " == *" $1 "* ]]
}

letter_of() {
	echo "$top/patches/cover/$1.txt"
}

# part_files NAME: the files that its line names
part_files() {
	part_lines | awk -v name="$1" '$1 == name { for (i = 3; i <= NF; i++) print $i }'
}

# part_patches NAME: its patches in their order
part_patches() {
	series_patches | awk -v name="$1" -v lines="$(part_lines)" '
	BEGIN {
		n = split(lines, line, "\n")
		last = 1e9
		for (i = 1; i <= n; i++) {
			split(line[i], f, " ")
			if (found) {
				last = f[2] - 1
				break
			}
			if (f[1] == name) {
				found = 1
				first = f[2] + 0
			}
		}
	}
	found && NR >= first && NR <= last'
}

# patches_before NAME: the patches that the part needs
patches_before() {
	local first

	is_independent "$1" && return
	first=$(part_patches "$1" | sed -n 1p)
	series_patches | awk -v first="$first" '$0 == first { over = 1 } !over'
}

# parts_before NAME: the parts that these belong to
parts_before() {
	is_independent "$1" || part_names | awk -v name="$1" '$0 == name { over = 1 } !over'
}

# A line for each fault of patches/parts and of the letters
faults_of_parts() {
	local name letter number='[0-9]+|one|two|three|four|five|six|seven|eight|nine|ten'
	local ordinal='first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|[0-9]+[a-z]{2}'

	[ -s "$parts" ] || { echo "there is no patches/parts"; return; }
	part_lines | awk -v count="$(series_patches | wc -l)" '
	$1 !~ /^[a-z][a-z0-9-]*$/ { print "patches/parts: " $1 " is no name" }
	seen[$1]++ { print "patches/parts: two parts are called " $1 }
	$2 !~ /^[0-9]+$/ {
		print "patches/parts: " $1 " has no first patch"
		next
	}
	!first++ && $2 != 1 { print "patches/parts: patches before " $2 " are in no part" }
	first > 1 && $2 <= last { print "patches/parts: " $1 " does not begin behind the part before it" }
	$2 > count { print "patches/parts: " $1 " begins behind the last patch" }
	{ last = $2 + 0 }'
	for name in $(part_names); do
		letter=$(letter_of "$name")
		if [ ! -s "$letter" ]; then
			echo "the part $name has no letter: patches/cover/$name.txt"
			continue
		fi
		[ -n "$(head -n 1 "$letter")" ] && [ -z "$(sed -n 2p "$letter")" ] &&
			[ -n "$(sed -n 3p "$letter")" ] ||
			echo "patches/cover/$name.txt: not a subject, an empty line and a text"
		# the numbers change with the series, and b4 leaves out a line with a #
		grep -niE "\bpatch(es)? ($number)\b|\b($ordinal) ([a-z]+ )?patch(es)?\b" \
			"$letter" | sed "s|^|patches/cover/$name.txt names a patch by its number: |" || true
		grep -n '^#' "$letter" | sed "s|^|patches/cover/$name.txt begins a line with #: |" || true
	done
	for letter in "$top"/patches/cover/*.txt; do
		name=$(basename "$letter" .txt)
		part_names | grep -qxF -- "$name" || echo "$name has a letter and is no part"
	done
}

# What the patches change, and MAINTAINERS
files_of_series() {
	{
		echo MAINTAINERS
		series_patches | xargs sed -n \
			-e 's|^diff --git a/\(.*\) b/.*|\1|p' -e 's|^diff --git a/.* b/\(.*\)|\1|p'
	} | LC_ALL=C sort -u
}

# git in a small tree, with the configuration of that tree alone
small_git() {
	env GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "$small" "$@"
}

# small_tree DIRECTORY: make it a git repository whose branch "base" has those files of
# the kernel tree's base that the series changes, and no others: patches apply to it as to
# the whole, in no time. Its first commit is empty.
small_tree() {
	small=$1
	git init -q -b base "$small"
	git -C "$tree" rev-parse --path-format=absolute --git-path objects \
		>"$small/.git/objects/info/alternates"
	small_git config user.name nobody
	small_git config user.email nobody@localhost
	small_git config commit.gpgsign false
	small_git config core.autocrlf false
	small_git config core.abbrev 12
	small_git config gc.auto 0
	small_git config advice.detachedHead false
	small_git commit -q --allow-empty -m "Nothing"
	files_of_series | tr '\n' '\0' |
		(cd "$tree" && xargs -0 git --literal-pathspecs ls-tree base --) |
		small_git update-index --index-info
	small_git commit -q -m "$(release)"
	small_git checkout -q -f base
}

# The base in words: Linux 7.3.4
release() {
	git -C "$tree" log -1 --format=%s base
}

# apply_small LOG PATCH...: on top of what the small tree has; fails, with nothing applied
# and the name of the patch in $refused, if one of them does not apply
apply_small() {
	local log=$1
	shift

	refused=
	[ $# -gt 0 ] || return 0
	small_git am -q --no-gpg-sign --committer-date-is-author-date "$@" >"$log" 2>&1 &&
		return
	# shellcheck disable=SC2034 # for the caller
	refused=$(sed -n 's/^Patch failed at [0-9]* //p' "$log")
	small_git am --abort 2>/dev/null || true
	return 1
}
