#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the guest: run a test that was built with UndefinedBehaviorSanitizer, also (-m) under valgrind's memcheck.  What
# any of its processes does wrong fails the test, also one whose exit status nobody asks for, or whose standard error
# nobody reads: findings go to files, of which there is none else.
#   findings.sh [-m] COMMAND [ARG...]
set -u

dir=$(mktemp -d /dev/shm/findings.XXXXXX) || exit 1
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$dir/ubsan"
if [ "${1:-}" = -m ]; then
	shift
	if ! command -v valgrind >/dev/null; then
		echo "findings.sh: missing package; as root: apt-get install valgrind" >&2
		exit 1
	fi
	# --vgdb=no: no pipes that a killed process leaves behind.  Lost is what nothing points to: libnl's lists point into
	# the middle of their members, which would be "possibly".
	set -- valgrind --quiet --vgdb=no --num-callers=25 --error-exitcode=99 --leak-check=full \
		--show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect "--log-file=$dir/memcheck" "$@"
fi
"$@"
status=$?
for file in "$dir"/*; do
	[ -s "$file" ] || continue
	cat "$file" >&2
	[ "$status" -ne 0 ] || status=99
done
exit "$status"
