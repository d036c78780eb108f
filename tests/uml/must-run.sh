#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Inside the guest: run a test that may skip elsewhere, but not here, where its kernel feature was brought for it.
"$@"
status=$?
if [ "$status" -eq 77 ]; then
	echo "must-run.sh: $1 skipped in the very kernel that it needs" >&2
	exit 1
fi
exit "$status"
