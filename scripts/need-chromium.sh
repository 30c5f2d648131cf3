#!/bin/sh
# Installs what the page's tests drive and call, where it is missing: Chromium, and
# curl and jq, which the calls that the page tells are made of.
set -eu
have() {
	command -v "$1" >/dev/null
}
browser() {
	have chromium || have chromium-browser || have google-chrome
}
browser && have curl && have jq && exit 0
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
if have apt-get; then
	$as_root apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -qq -y --no-install-recommends chromium curl jq >/dev/null
elif have dnf; then
	$as_root dnf install -q -y chromium curl jq
elif have apk; then
	$as_root apk add -q chromium curl jq
elif have brew; then
	brew install -q --cask chromium
	brew install -q curl jq
fi
browser && have curl && have jq || {
	echo "need-chromium: the page's tests need Chromium, curl and jq, and no package manager known here could install them" >&2
	exit 1
}
