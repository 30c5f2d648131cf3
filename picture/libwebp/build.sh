#!/bin/sh
# Makes webp.wasm.gz from libwebp's sources: build.sh DIR, the unpacked release 1.4.0 of
# libwebp, patched in nothing. Needs zig 0.13 or later, which
# pip installs as ziglang, and gzip. The result is committed, made with zig 0.17.1, which
# makes the same bytes in any folder; building the program does not need this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$1" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
zig=${ZIG:-"python3 -m ziglang"}

cd "$src"
# shellcheck disable=SC2086
$zig cc -target wasm32-wasi -mexec-model=reactor -mcpu=generic+simd128+nontrapping_fptoint \
	-O3 -DNDEBUG -I. -Isrc -ffile-prefix-map="$src"=. -ffile-prefix-map="$here"=. \
	-Wl,--strip-all -Wl,--export=malloc -Wl,--export=free -Wl,--export=encode -Wl,--export=decode \
	-o "$out/webp.wasm" \
	"$here/webp.c" src/dec/*.c src/enc/*.c src/dsp/*.c src/utils/*.c sharpyuv/*.c
gzip -9 -n <"$out/webp.wasm" >"$here/webp.wasm.gz"
