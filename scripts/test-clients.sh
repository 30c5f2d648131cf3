#!/bin/sh
# Runs the official OpenAI clients for Python, Node and Go, unmodified, against two
# servers of its own: one with a small model, one whose queue holds one job. Then
# schemathesis, which makes requests of all kinds from /openapi.json, against a third:
# nothing it sends may be a server's error or be answered with what is not described.
# Python's packages go into virtual environments under bin/, Node's into clients/node.
set -eu
cd "$(dirname "$0")/.."
program=$PWD/bin/cosmicman
work=$(mktemp -d)
servers=
cleanup() {
	for pid in $servers; do kill "$pid" 2>/dev/null || true; done
	for pid in $servers; do wait "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# venv DIR REQUIREMENTS: an environment that is made anew when the pinned versions change.
venv() {
	want=$(sha256sum "$2" | cut -d' ' -f1)
	[ "$(cat "$1/.installed" 2>/dev/null || true)" = "$want" ] && return 0
	rm -rf "$1"
	python3 -m venv "$1" || {
		as_root=
		[ "$(id -u)" = 0 ] || as_root=sudo
		$as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
		python3 -m venv "$1"
	}
	"$1/bin/pip" install --quiet --require-hashes -r "$2"
	echo "$want" >"$1/.installed"
}
venv bin/clients clients/python/requirements.txt
venv bin/schema clients/schema/requirements.txt
command -v npm >/dev/null || {
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	$as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends npm >/dev/null
}
(cd clients/node && npm ci --silent --no-audit --no-fund)

"$program" models new --arch tiny-sd --seed 0 "$work/tiny" >/dev/null
export COSMICMAN_KEY=sk-test-0123456789abcdef

# serve NAME FLAGS...: starts a server and waits until it is ready; its URL is in $url.
serve() {
	name=$1
	shift
	: >"$work/$name.out" # it is read before the server has opened it
	COSMICMAN_API_KEYS="test:$COSMICMAN_KEY" COSMICMAN_REDIS_URL= "$program" serve --addr 127.0.0.1:0 --data "$work/$name" \
		--model "tiny=$work/tiny" --alias gpt-image-1=tiny "$@" >"$work/$name.out" 2>"$work/$name.log" &
	servers="$servers $!"
	for _ in $(seq 600); do
		url=$(sed -n 's/^cosmicman serves on //p' "$work/$name.out")
		if [ -n "$url" ] && "$program" health --url "$url" --ready >/dev/null 2>&1; then return 0; fi
		sleep 0.1
	done
	echo "test-clients: the server $name is not ready:" >&2
	cat "$work/$name.log" >&2
	return 1
}
serve server
COSMICMAN_URL=$url
serve small --max-jobs 1
COSMICMAN_SMALL=$url
# What would take long is refused: the seconds that may wait are bounded, and the size.
serve schema --max-seconds 2 --max-size 96
schema=$url
export COSMICMAN_URL COSMICMAN_SMALL

failed=
bin/clients/bin/python -m unittest discover -s clients/python -q || failed="$failed python"
(cd clients/node && node --test --test-reporter=dot) || failed="$failed node"
(cd clients/go && go test -count=1 ./...) || failed="$failed go"
# Valid by the schema is not yet valid: fields depend on each other, and bytes must be an image.
bin/schema/bin/schemathesis run "$schema/openapi.json" --header "Authorization: Bearer $COSMICMAN_KEY" --phases examples,coverage,fuzzing \
	--max-examples "${SCHEMA_EXAMPLES:-25}" --request-timeout 120 --continue-on-failure --no-color --checks all --exclude-checks positive_data_acceptance >"$work/schemathesis.out" 2>&1 || {
	failed="$failed schema"
	sed -n '/= FAILURES/,$p;/= ERRORS/,$p' "$work/schemathesis.out" >&2
}
if [ -n "$failed" ]; then
	echo "test-clients: failed:$failed; the server's log:" >&2
	for log in server schema; do tail -n 20 "$work/$log.log" >&2; done
	exit 1
fi
