#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the guest: run a test under valgrind's memcheck.  What any of its processes is found to do fails the test,
# also of one whose exit status nobody asks for: all of them write to one file, and UndefinedBehaviorSanitizer to
# others beside it, where only findings are written.
#   memcheck.sh COMMAND [ARG...]
set -u

dir=$(mktemp -d /dev/shm/memcheck.XXXXXX) || exit 1
UBSAN_OPTIONS=print_stacktrace=1:log_path=$dir/ubsan
export UBSAN_OPTIONS
# Without --vgdb=no a process that is killed leaves pipes.
valgrind --quiet --vgdb=no --leak-check=full --num-callers=25 --error-exitcode=99 --log-file="$dir/memcheck" "$@"
status=$?
for findings in "$dir"/*; do
	[ -s "$findings" ] || continue
	cat "$findings" >&2
	[ "$status" -ne 0 ] || status=99
done
exit "$status"
