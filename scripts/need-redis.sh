#!/bin/sh
# Installs redis-server, which the tests start for themselves, where it is missing.
set -eu
command -v redis-server >/dev/null && exit 0
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
if command -v apt-get >/dev/null; then
	$as_root apt-get update -qq
	# The tests start their own on free ports: no service is wanted.
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y --no-install-recommends redis-server >/dev/null
elif command -v dnf >/dev/null; then
	$as_root dnf install -q -y redis
elif command -v apk >/dev/null; then
	$as_root apk add -q redis
elif command -v brew >/dev/null; then
	brew install -q redis
fi
command -v redis-server >/dev/null || {
	echo "need-redis: the tests need redis-server 7.0 or newer, and no package manager known here could install it" >&2
	exit 1
}
