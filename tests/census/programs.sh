#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# programs.sh BROWNOUT FOLDER - programs.py on Debian's own servers, unpacked below FOLDER and not installed: an
# installed package would start its daemon.
# Exit: as programs.py; 77 where Debian's archive cannot be reached and no server is on PATH.
set -u
brownout=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
packages='etcd-server caddy nats-server prometheus'

if [ ! -e "$folder/complete" ]; then
	rm -rf "$folder"
	mkdir -p "$folder/deb"
	# apt complains when its own user cannot write here; it then downloads as the caller, which is what is wanted.
	# shellcheck disable=SC2086 # a list of words
	if (cd "$folder/deb" && apt-get -q download $packages) >"$folder/apt.log" 2>&1; then
		for deb in "$folder"/deb/*.deb; do
			dpkg-deb -x "$deb" "$folder/root" || exit 1
		done
		rm -r "$folder/deb"
		touch "$folder/complete"
	else
		echo "cannot download $packages:"
		tail -n 3 "$folder/apt.log"
	fi
fi
exec "$here/programs.py" "$brownout" "$folder/root/usr/bin" "$folder/root/usr/sbin"
