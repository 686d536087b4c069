# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
# Sourced by scripts/send: makes the mails of the part $part, version $version, by
# $name <$email>, in $dir/mails. It works in a small tree, $dir/tree, whose branches are
#	_base	the kernel as it came
#	_before	... with the patches that the part needs, as their own mails have them
#	$part	... with those of the part
# There the submitter is the author of each patch and signs it off, and MAINTAINERS names
# the submitter. The files in patches/ name no person.

entry="SERIAL CONSOLE EMULATOR"
archive=https://lore.kernel.org/r

# MAINTAINERS, with the submitter in the driver's entry if that is an orphan
claimed() {
	awk -v title="$entry" -v maintainer="$name <$email>" '
	function flush(i) {
		for (i = 1; i <= n; i++) {
			if (orphan && i == 2)
				print "M:\t" maintainer
			print orphan && line[i] ~ /^S:/ ? "S:\tMaintained" : line[i]
		}
		n = orphan = ours = 0
	}
	$0 == title { ours = 1 }
	$0 == "" { flush() }
	!ours { print; next }
	{ line[++n] = $0 }
	/^S:[ \t]*Orphan/ { orphan = 1 }
	END { flush() }'
}

# claim_entry: the same in the index; claims has the blobs that were made already
claim_entry() {
	local blob

	blob=$(small_git ls-files -s MAINTAINERS | cut -d ' ' -f 2)
	[ -n "$blob" ] || return 0
	: "${claims[$blob]:=$(small_git cat-file blob "$blob" | claimed |
		small_git hash-object -w --stdin)}"
	small_git update-index --cacheinfo "100644,${claims[$blob]},MAINTAINERS"
}

# The message of a commit, with what the submitter adds to it
signed_message() {
	local options=() line

	while IFS= read -r line; do
		[ -z "$line" ] || options+=(--trailer "$line")
	done <<<"${TRAILER:-}"
	small_git log -1 --format=%B "$1" | small_git interpret-trailers --no-divider \
		--if-exists addIfDifferent "${options[@]}" \
		--trailer "Signed-off-by: $name <$email>"
}

# Make the commits of the branch "unsigned" anew, in the branch $part.
sign_commits() {
	local commit date parent
	local -A claims=()

	parent=$(small_git rev-parse _base)
	while read -r commit date; do
		small_git read-tree "$commit"
		claim_entry
		parent=$(signed_message "$commit" |
			GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$date \
			GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$date \
			small_git commit-tree -p "$parent" "$(small_git write-tree)")
	done < <(small_git log --reverse --format='%H %aD' _base..unsigned)
	small_git checkout -q -f -B "$part" "$parent"
}

make_commits() {
	local patches

	mapfile -t patches < <(patches_before "$part"; part_patches "$part")
	small_tree "$dir/tree"
	small_git config user.name "$name"
	small_git config user.email "$email"
	small_git branch -q -m _base
	small_git checkout -q -b unsigned
	apply_small "$dir/am.log" "${patches[@]}" ||
		die "the part $part, with what goes before it, does not apply to $(release): $refused"
	sign_commits
	small_git branch -q _before "$part~$count"
}

# The commit of the user's own tree that the base is a copy of, if it is one
base_commit() {
	[ -e "${KERNEL:-}/.git" ] || return 0
	if [ "$(kernel_git rev-parse -q --verify 'HEAD^{tree}')" = \
	     "$(git -C "$tree" rev-parse 'base^{tree}')" ]; then
		kernel_git rev-parse HEAD
	else
		say "$KERNEL is not as its last commit has it: the mails name the release alone"
	fi
}

kernel_git() {
	GIT_OPTIONAL_LOCKS=0 git -c safe.directory='*' -C "$KERNEL" "$@"
}

# last_sent PART [BEFORE]: the last version that was mailed, or the last below that one
last_sent() {
	local n last=

	for ((n = 1; n < ${2:-1000}; n++)); do
		[ ! -e "$sent/$1/v$n/complete" ] || last=$n
	done
	echo "$last"
}

# link_to PART VERSION: where its letter is
link_to() {
	echo "$archive/$(tr -d '<>' <"$sent/$1/v$2/message-id")"
}

# The base in words: the release, and the letters of the parts before
based_on() {
	local before subject last

	if [ -z "$(patches_before "$part")" ]; then
		printf 'Based on %s.\n' "$(release)"
		return
	fi
	printf 'Based on %s and, in this order:\n' "$(release)"
	for before in $(parts_before "$part"); do
		last=$(last_sent "$before")
		subject=$(head -n 1 "$(letter_of "$before")")
		if [ -n "$last" ]; then
			printf ' - %s\n   %s\n' "$subject" "$(link_to "$before" "$last")"
		else
			printf ' - %s\n' "$subject"
		fi
	done
}

# The text of the file, a link to the last version, and the base
letter() {
	cat "$(letter_of "$part")"
	echo
	[ -z "$last" ] || printf 'v%s: %s\n\n' "$last" "$(link_to "$part" "$last")"
	based_on
}

# The last version that was mailed, as the branches _old-before and _old
fetch_last() {
	last=
	[ "$version" -gt 1 ] || return 0
	last=$(last_sent "$part" "$version")
	if [ -z "$last" ]; then
		say "no earlier version of $part is in $sent: there is no range-diff"
		return
	fi
	small_git fetch -q "$sent/$part/v$last/commits" '+refs/heads/*:refs/heads/*'
	[ "$last" -eq $((version - 1)) ] ||
		say "v$((version - 1)) of $part is not in $sent: the range-diff is against v$last"
}

# keep_commits FILE: a bundle of the part's commits that needs no other one, whatever
# the next base is: their trees have only what the series changes
keep_commits() {
	local commit parent

	parent=$(small_git commit-tree -m "Before $part v$version" '_before^{tree}')
	small_git branch -q -f _old-before "$parent"
	for commit in $(small_git rev-list --reverse "_before..$part"); do
		parent=$(small_git log -1 --format=%B "$commit" |
			small_git commit-tree -p "$parent" "$commit^{tree}")
	done
	small_git branch -q -f _old "$parent"
	small_git bundle create -q "$1" _old-before _old
}

# The base for programs. git format-patch --base would print other patch-ids than
# git patch-id makes of the mails: it leaves out the indent heuristic.
base_lines() {
	local commit

	commit=$(base_commit)
	[ -z "$commit" ] || echo "base-commit: $commit"
	small_git log -p --reverse --format='From %H' _base.._before |
		small_git patch-id --stable | sed 's/^\([0-9a-f]*\) .*/prerequisite-patch-id: \1/'
}

# name_base MAIL: before its signature
name_base() {
	base_lines >"$dir/base"
	[ -s "$dir/base" ] || return 0
	awk -v base="$dir/base" '
	{ line[NR] = $0 }
	/^-- $/ { signature = NR }
	END {
		for (i = 1; i <= NR; i++) {
			if (i == signature)
				while ((getline text <base) > 0)
					print text
			print line[i]
		}
	}' "$1" >"$1.new"
	mv "$1.new" "$1"
}

# Behind the message of a patch that has no letter, what that would say
below_the_cut() {
	letter | tail -n +3 >"$dir/below"
	awk -v text="$dir/below" '
	{ print }
	!done && /^---$/ {
		print ""
		while ((getline line <text) > 0)
			print line
		print ""
		done = 1
	}' "$1" >"$1.new"
	mv "$1.new" "$1"
}

compose_with_git() {
	local options=(--thread=shallow --no-base)

	[ "$version" -eq 1 ] || options+=(-v "$version")
	[ -z "${RFC:-}" ] || options+=(--rfc)
	[ -z "$last" ] || options+=(--range-diff=_old-before.._old)
	[ "$count" -eq 1 ] || options+=(--cover-letter --cover-from-description=subject)
	small_git config "branch.$part.description" "$(letter)"
	small_git format-patch -q "${options[@]}" -o "$dir/mails" "_before..$part"
	name_base "$(mails | sed -n 1p)"
	[ "$count" -gt 1 ] || below_the_cut "$dir"/mails/*
}

# b4 with a home of its own, so that it finds no configuration and keeps nothing
small_b4() {
	(cd "$small" && env HOME="$dir/home" XDG_DATA_HOME="$dir/home" XDG_CACHE_HOME="$dir/home" \
		GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		b4 --offline-mode -n --no-stdin "$@" >>"$dir/b4.log" 2>&1 </dev/null) || {
		tail -n 5 "$dir/b4.log" >&2
		die "b4 failed: b4 $*"
	}
}

# What b4 does not put in its letters: range-diff and prerequisites
b4_template() {
	# shellcheck disable=SC2016 # b4 fills them in
	printf '%s\n\n' '${cover}' --- '${shortlog}' '${diffstat}'
	if [ -n "$last" ]; then
		printf -- '---\nRange-diff against v%s:\n' "$last"
		small_git range-diff --no-color _old-before.._old "_before..$part" |
			sed 's/\$/$$/g'
	fi
	echo ---
	base_lines
	# shellcheck disable=SC2016
	printf '%s\n' 'change-id: ${change_id}' '' '-- ' '${signature}'
}

# The change-id of a series is that of its first version.
keep_change_id() {
	local n id tracking

	for ((n = version - 1; n > 0; n--)); do
		[ -s "$sent/$part/v$n/change-id" ] || continue
		id=$(cat "$sent/$part/v$n/change-id")
		tracking=$(small_git config "branch.$part.b4-tracking" |
			sed "s/\"change-id\": \"[^\"]*\"/\"change-id\": \"$id\"/")
		small_git config "branch.$part.b4-tracking" "$tracking"
		return
	done
}

# To: and Cc: are replaced later.
compose_with_b4() {
	local options=(-e _before --force-revision "$version") mail n

	[ -z "${RFC:-}" ] || options+=(--set-prefixes RFC)
	mkdir -p "$dir/home" "$dir/b4"
	b4_template >"$dir/template"
	small_git config b4.prep-cover-strategy branch-description
	small_git config b4.prep-cover-template "$dir/template"
	small_git config "branch.$part.description" "$(letter)"
	small_b4 prep "${options[@]}"
	keep_change_id
	small_b4 send --no-sign --no-trailer-to-cc --to nobody@localhost -o "$dir/b4"
	for mail in "$dir"/b4/*.eml; do
		n=$(sed -n '0,/^Subject:/s/^Subject: *\[[^]]* \([0-9]*\)\/[0-9]*\].*/\1/p' "$mail")
		cp "$mail" "$dir/mails/$(printf %04d "$((10#${n:-1}))").eml"
	done
	small_git config "branch.$part.b4-tracking" |
		sed -n 's/.*"change-id": "\([^"]*\)".*/\1/p' >"$dir/change-id"
}

# get_maintainer <PATCH: an address in each line, and what makes it one. Keywords would bring
# lists that nothing of the patch concerns.
get_maintainer() {
	local history=--no-fixes place=$tree

	# a commit in Fixes: names its author only where there is a history
	if [ -e "${KERNEL:-}/.git" ]; then
		history=--fixes
		place=$KERNEL
	fi
	(cd "$place" && env GIT_OPTIONAL_LOCKS=0 perl "$tree/scripts/get_maintainer.pl" --no-git \
		--no-git-fallback --no-keywords "$history" --mpath "$dir/MAINTAINERS" \
		2>>"$dir/get_maintainer.log") | to_and_cc
}

# "to" or "cc", a tab and the address
to_and_cc() {
	awk '
	match($0, /<[^>]*>/) { address = substr($0, 1, RSTART + RLENGTH - 1) }
	!/</ { address = $1 }
	{
		role = substr($0, length(address) + 1)
		print (role ~ /^ \((maintainer|supporter|odd fixer)/ ? "to" : "cc") "\t" address
	}'
}

# A patch that touches these files, as far as get_maintainer.pl looks
patch_of_files() {
	awk '{ print "diff --git a/" $0 " b/" $0 }'
}

# shorten_maintainers: the sections of MAINTAINERS that may be about a mail of the part, for
# get_maintainer.pl takes a second for each patch to look through all of them. These are
# the sections with a pattern whose beginning, up to a special character, is that of a file.
shorten_maintainers() {
	{
		part_files "$part"
		small_git diff --name-only --no-renames _before "$part"
	} >"$dir/files"
	small_git show "$part:MAINTAINERS" | awk -v files="$dir/files" '
	function flush() {
		if (wanted)
			print section
		section = ""
		wanted = 0
	}
	function matches(pattern, i) {
		sub(/[^A-Za-z0-9_\/.-].*/, "", pattern)
		for (i = 1; i <= n; i++)
			if (index(file[i], pattern) == 1)
				return 1
		return 0
	}
	BEGIN {
		while ((getline line <files) > 0)
			file[++n] = line
	}
	/^$/ { flush(); next }
	{ section = section "\n" $0 }
	/^N:/ { wanted = 1 }
	/^F:/ && !wanted { wanted = matches($2) }
	END { flush() }' >"$dir/MAINTAINERS"
}

# named_in MAIL: the addresses in the trailers of a patch
named_in() {
	sed -e '1,/^$/d' -e '/^---$/,$d' "$1" |
		sed -n -e 's/ *#.*//' -e 's/^\(Cc\|[A-Z][a-z-]*-by\): *\(.*@.*\)/cc\t\2/p'
}

# recipients_of MAIL: of a patch, but for those of the part
recipients_of() {
	get_maintainer <"$1"
	named_in "$1"
}

# One line for each address, without the submitter's
unique_recipients() {
	LC_ALL=C sort -t $'\t' -k 1,1r -s | awk -F '\t' -v own="$email" '
	{
		address = tolower($2)
		sub(/.*</, "", address)
		sub(/>.*/, "", address)
	}
	address != tolower(own) && !seen[address]++'
}

# set_recipients MAIL LIST: write them into its header; Cc: becomes To: if that is empty
set_recipients() {
	[ -s "$2" ] || die "get_maintainer.pl names no recipient of ${1##*/}"
	awk -F '\t' '
	function header(name, kind, text, i) {
		for (i = 1; i <= n; i++)
			if (kinds[i] == kind)
				text = text (text ? ",\n " : name ": ") addresses[i]
		if (text)
			print text
	}
	FNR == NR { kinds[++n] = $1; addresses[n] = $2; if ($1 == "to") some = 1; next }
	body { print; next }
	/^([Tt][Oo]|[Cc][Cc]):/ { skip = 1; next }
	/^[ \t]/ && skip { next }
	{ skip = 0 }
	/^$/ {
		body = 1
		header("To", some ? "to" : "cc")
		if (some)
			header("Cc", "cc")
	}
	{ print }' "$2" "$1" >"$1.new"
	mv "$1.new" "$1"
}

is_letter() {
	grep -q '^Subject: *\[[^]]* 0*0/[0-9]*\]' "$1"
}

address_mails() {
	local mail n=0

	shorten_maintainers
	mkdir -p "$dir/recipients"
	part_files "$part" | patch_of_files >"$dir/part-files"
	: >"$dir/of-part"
	[ ! -s "$dir/part-files" ] ||
		get_maintainer <"$dir/part-files" >"$dir/of-part"
	for mail in "$dir"/mails/*; do
		is_letter "$mail" && continue
		recipients_of "$mail" >"$dir/recipients/${mail##*/}" &
		n=$((n + 1))
		[ $((n % $(nproc))) -ne 0 ] || wait
	done
	wait
	for mail in "$dir"/mails/*; do
		if is_letter "$mail"; then
			cat "$dir"/recipients/* "$dir/of-part"
		else
			cat "$dir/recipients/${mail##*/}" "$dir/of-part"
		fi | unique_recipients >"$dir/list"
		set_recipients "$mail" "$dir/list"
	done
}

# All that the mails are made of, but for dates and Message-IDs, which differ at each try
inputs() {
	local mail

	printf '%s\n' "$part" "$version" "${RFC:-}" "${B4:-}" "$name" "$email"
	small_git rev-parse '_before^{tree}'
	small_git log --format='%T%n%B' "_before..$part"
	letter
	for mail in "$dir"/mails/*; do
		sed -n -e '/^$/q' -e '/^To:/,$p' "$mail" | grep -vi '^\(message-id\|date\):' || true
	done
}

compose() {
	local last

	make_commits
	fetch_last
	mkdir -p "$dir/mails"
	if [ -n "${B4:-}" ]; then
		compose_with_b4
	else
		compose_with_git
	fi
	address_mails
	inputs >"$dir/inputs"
}
