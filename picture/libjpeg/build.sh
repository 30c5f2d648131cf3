#!/bin/sh
# Makes jpeg.wasm.gz from libjpeg-turbo's sources: build.sh DIR, the unpacked release 2.1.5,
# patched in nothing. Needs zig 0.13 or later, which pip installs as ziglang, and gzip.
# The result is committed, made with zig 0.17.1, which makes the same bytes in any folder;
# building the program does not need this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
src=$(cd "$1" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
zig=${ZIG:-"python3 -m ziglang"}

cd "$src"
# shellcheck disable=SC2086
$zig cc -target wasm32-wasi -mexec-model=reactor -mcpu=generic+simd128+nontrapping_fptoint \
	-O3 -DNDEBUG -I"$here" -I. -ffile-prefix-map="$src"=. -ffile-prefix-map="$here"=. \
	-Wl,--strip-all -Wl,--export=malloc -Wl,--export=open_image -Wl,--export=next_row -Wl,--export=finish -Wl,--export=unsupported \
	-o "$out/jpeg.wasm" \
	"$here/jpeg.c" jaricom.c jcomapi.c jdapimin.c jdapistd.c jdarith.c jdatasrc.c jdcoefct.c jdcolor.c \
	jddctmgr.c jdhuff.c jdicc.c jdinput.c jdmainct.c jdmarker.c jdmaster.c jdmerge.c jdphuff.c jdpostct.c \
	jdsample.c jerror.c jidctflt.c jidctfst.c jidctint.c jidctred.c jmemmgr.c jmemnobs.c jquant1.c jquant2.c \
	jsimd_none.c jutils.c
gzip -9 -n <"$out/jpeg.wasm" >"$here/jpeg.wasm.gz"
