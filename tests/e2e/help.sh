#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# help.sh BROWNOUT ROOT — what a verb says of its options is what bash completes and what the man page describes; and
# the scenarios that the documentation shows are right, without a warning.
set -u
brownout=$1 root=$2 failed=0
bad() { echo "FAILED: $*"; failed=1; }

# shellcheck source=harness/brownout.bash-completion
source "$root/harness/brownout.bash-completion"
# offered WORD...: the words that bash would offer for the last one
offered() {
	COMP_WORDS=(brownout "$@") COMP_CWORD=$# COMPREPLY=()
	_brownout 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}"
}

# of verb $1, one per line
options_of() { "$brownout" "$1" --help | grep -oE -- '--[a-z][a-z-]*' | grep -v -- '--help' | sort -u; }
verbs=$("$brownout" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')

[ -n "$verbs" ] || bad "no verbs in --help"
for verb in $verbs; do
	offered '' | grep -qx "$verb" || bad "completion lacks the verb $verb"
	# the synopsis of one verb: from its .Cm to the next .Nm
	synopsis=$(sed -n "/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p" "$root/docs/man/brownout.1" |
		sed -n "/^\.Cm $verb\$/,/^\.Nm/p")
	[ -n "$synopsis" ] || bad "brownout(1) lacks the verb $verb"
	for option in $(options_of "$verb"); do
		offered "$verb" -- | grep -qx -- "$option" || bad "completion of $verb lacks $option"
		case $option in
		--quiet) name='q' ;; # its short form is the one in the synopsis
		*) name=${option#-} ;;
		esac
		grep -qE -- "^\.(Op )?Fl $name( |\$)" <<<"$synopsis" || bad "brownout(1): the synopsis of $verb lacks $option"
	done
	for option in $(offered "$verb" -- | grep -v -- '--help'); do
		options_of "$verb" | grep -qx -- "$option" || bad "completion of $verb offers $option, which it does not take"
	done
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shown=0
for page in "$root/README.md" "$root"/docs/*.md "$root/docs/man/brownout-scenario.5"; do
	# from the first line of a scenario to the end of its block
	sed -n '/^local bo = require "brownout"/,/^```\|^\.Ed/p' "$page" | grep -v '^```\|^\.Ed' >"$work/shown.lua"
	[ -s "$work/shown.lua" ] || continue
	shown=$((shown + 1))
	said=$("$brownout" check -q "$work/shown.lua" 2>&1) || true
	[ -z "$said" ] || bad "the scenario in ${page#"$root/"}: $said"
done
[ $shown -ge 3 ] || bad "only $shown pages show a scenario"
[ $failed = 0 ] && echo "ok: $(wc -w <<<"$verbs") verbs"
exit $failed
