#!/bin/sh
# Runs the official OpenAI clients for Python, Node and Go, unmodified, against two
# servers of its own: one with a small model, one whose queue holds one job.
# Python's packages go into a virtual environment under bin/, Node's into clients/node.
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

# venv: bin/clients, made anew when the pinned versions change.
venv=bin/clients
want=$(sha256sum clients/python/requirements.txt | cut -d' ' -f1)
if [ "$(cat "$venv/.installed" 2>/dev/null || true)" != "$want" ]; then
	rm -rf "$venv"
	python3 -m venv "$venv" || {
		as_root=
		[ "$(id -u)" = 0 ] || as_root=sudo
		$as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
		python3 -m venv "$venv"
	}
	"$venv/bin/pip" install --quiet --require-hashes -r clients/python/requirements.txt
	echo "$want" >"$venv/.installed"
fi
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
export COSMICMAN_URL COSMICMAN_SMALL

failed=
"$venv/bin/python" -m unittest discover -s clients/python -q || failed="$failed python"
(cd clients/node && node --test --test-reporter=dot) || failed="$failed node"
(cd clients/go && go test -count=1 ./...) || failed="$failed go"
if [ -n "$failed" ]; then
	echo "test-clients: failed:$failed; the server's log:" >&2
	tail -20 "$work/server.log" >&2
	exit 1
fi
