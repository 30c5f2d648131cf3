#!/bin/sh
# Fetches ONNX Runtime's shared library into a folder, once: from the PyPI wheel
# by pip, or from the npm package by npm, whichever client is there. Versions and
# hashes are pinned; a library with another hash is never installed.
#
#   scripts/fetch-runtime.sh DIR [cpu|cuda]
#
# cuda is the build with the CUDA provider (CUDA 13, cuDNN 9), for Linux on x86-64, by pip.
set -eu

dir=${1:?usage: fetch-runtime.sh DIR [cpu|cuda]}
flavour=${2:-cpu}
wheel_version=1.32.0
npm_version=1.30.0

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
	platform=manylinux_2_28_x86_64
	npm_path=package/bin/napi-v6/linux/x64/libonnxruntime.so.1
	wheel_hash=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f
	npm_hash=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
	;;
Linux-aarch64 | Linux-arm64)
	platform=manylinux_2_28_aarch64
	npm_path=package/bin/napi-v6/linux/arm64/libonnxruntime.so.1
	wheel_hash=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a
	npm_hash=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76
	;;
*)
	echo "fetch-runtime: no pinned ONNX Runtime for $(uname -s) $(uname -m); put libonnxruntime into $dir by hand" >&2
	exit 1
	;;
esac

target=$dir/libonnxruntime.so
hash_of() { sha256sum "$1" | cut -d' ' -f1; }

cuda_version=1.31.1
cuda_hash=5104254339ecadae808da771bd0b63b240f0dbd466514234905e54372435c303
provider_hash=8387867e857499e045caff5d13ac6a5de29571c801562fa2dde0e45f1f31de52
shared_hash=086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d
case "$flavour" in
cpu) ;;
cuda)
	[ "$platform" = manylinux_2_28_x86_64 ] || {
		echo "fetch-runtime: there is no pinned CUDA build for $(uname -s) $(uname -m)" >&2
		exit 1
	}
	wheel_hash=$cuda_hash npm_hash=$cuda_hash
	;;
*)
	echo "fetch-runtime: the build is $flavour, expected cpu or cuda" >&2
	exit 1
	;;
esac

if [ -f "$target" ]; then
	have=$(hash_of "$target")
	[ "$have" = "$wheel_hash" ] || [ "$have" = "$npm_hash" ] && exit 0
	echo "fetch-runtime: $target is not a pinned library, fetching it anew" >&2
fi

mkdir -p "$dir"
work=$(mktemp -d "$dir/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# install FILE HASH: checks, then renames into place.
install_library() {
	have=$(hash_of "$1")
	if [ "$have" != "$2" ]; then
		echo "fetch-runtime: $(basename "$1") has SHA-256 $have, expected $2: not installed" >&2
		return 1
	fi
	mv "$1" "$target"
}

# unpack WHEEL DIR: a wheel is a zip archive; unzip is often missing, Python seldom.
unpack() {
	for how in "python3 -m zipfile -e" "python -m zipfile -e"; do
		$how "$1" "$2" 2>/dev/null && return 0
	done
	unzip -q "$1" -d "$2"
}

package=onnxruntime version=$wheel_version
[ "$flavour" = cpu ] || package=onnxruntime-gpu version=$cuda_version

# provider FILE HASH: checks a library of the CUDA build and puts it beside the other.
provider() {
	have=$(hash_of "$work/wheel/onnxruntime/capi/$1")
	if [ "$have" != "$2" ]; then
		echo "fetch-runtime: $1 has SHA-256 $have, expected $2: not installed" >&2
		return 1
	fi
	mv "$work/wheel/onnxruntime/capi/$1" "$dir/$1"
}

from_pip() {
	for pip in "python3 -m pip" "python -m pip" pip3 pip; do
		$pip --version >/dev/null 2>&1 || continue
		echo "fetch-runtime: $package $version by $pip" >&2
		$pip download --quiet --no-deps --only-binary=:all: --implementation cp --python-version 3.12 \
			--platform "$platform" --dest "$work" "$package==$version" >&2 || continue
		wheel=$(ls "$work"/onnxruntime*.whl) || continue
		unpack "$wheel" "$work/wheel" || continue
		cp "$work/wheel/onnxruntime/LICENSE" "$dir/LICENSE.onnxruntime" 2>/dev/null || true
		cp "$work/wheel/onnxruntime/ThirdPartyNotices.txt" "$dir/ThirdPartyNotices.onnxruntime" 2>/dev/null || true
		if [ "$flavour" = cuda ]; then
			provider libonnxruntime_providers_shared.so "$shared_hash" && provider libonnxruntime_providers_cuda.so "$provider_hash" || return 1
		fi
		install_library "$work/wheel/onnxruntime/capi/libonnxruntime.so.$version" "$wheel_hash" && return 0
	done
	return 1
}

from_npm() {
	[ "$flavour" = cpu ] || return 1 # its package fetches the CUDA build from elsewhere
	npm --version >/dev/null 2>&1 || return 1
	echo "fetch-runtime: onnxruntime-node $npm_version by npm" >&2
	(cd "$work" && npm pack --silent "onnxruntime-node@$npm_version" >/dev/null && tar -xzf onnxruntime-node-*.tgz "$npm_path") || return 1
	install_library "$work/$npm_path" "$npm_hash"
}

from_pip || from_npm || {
	echo "fetch-runtime: neither pip nor npm could fetch ONNX Runtime; one of them is needed" >&2
	exit 1
}
