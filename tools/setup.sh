#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Brings a fresh Debian machine to where `make build` works: system packages, and under assets/ the fetched model and the demo clip.
# Run it as often as you like; a step whose inputs have not changed is skipped.
# With ONNXRUNTIME=1 also ONNX Runtime, a reference that tests compare with (28 MB on disk), and with GPU=1 besides that the one that
# computes on NVIDIA GPUs (a few hundred MB to fetch, 275 MB on disk): what is built after that has it. With WEB=1 also what tests of the
# service use: Chromium, Prometheus, and the npm packages of web/.
set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
assets=$root/assets
stamps=$assets/.stamps
# Debian's own interpreter: python3-onnx is installed for no other.
python=/usr/bin/python3

packages=(
    git make g++ cmake ninja-build pkg-config ccache
    ffmpeg libavformat-dev libavcodec-dev libavdevice-dev libavutil-dev libswscale-dev libswresample-dev
    libcli11-dev libfmt-dev nlohmann-json3-dev libtomlplusplus-dev libexpected-dev libhwy-dev
    libopencv-core-dev libopencv-imgproc-dev libboost-dev libssl-dev prometheus-cpp-dev
    libgtest-dev libgmock-dev libbenchmark-dev
    python3 python3-onnx python3-numpy python3-jsonschema python3-pil python3-pandas
    python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    clang clang-tidy clang-format libclang-rt-14-dev lld gcovr stress-ng dpkg-dev file
)
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    packages+=(nodejs npm)
fi
[[ ${WEB:-0} == 0 ]] || packages+=(chromium prometheus)

changed=0
step=""
fail() {
    echo "setup: ${step:+$step: }$*" >&2
    exit 1
}
trap 'echo "setup: ${step:-start} failed; the lines above say why" >&2' ERR

# key FILE...: what a step depends on, as one hash.
key() { cat "$@" | sha256sum | cut -d' ' -f1; }

# fresh NAME KEY OUTPUT...: whether step NAME already ran with KEY and its outputs are still there.
fresh() {
    local name=$1 wanted=$2 output
    shift 2
    [[ -f $stamps/$name && $(<"$stamps/$name") == "$wanted" ]] || return 1
    for output in "$@"; do [[ -e $output ]] || return 1; done
}

begin() {
    step=$1
    changed=1
    printf 'setup: %s ...\n' "$step"
}

# done_with NAME KEY
done_with() {
    echo "$2" >"$stamps/$1"
    printf 'setup: %s ok\n' "$step"
    step=""
}

install_packages() {
    local missing
    missing=$(comm -23 <(printf '%s\n' "${packages[@]}" | sort) \
        <({ dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true; } |
            sed -n 's/^installed //p' | sort))
    [[ -n $missing ]] || return 0
    begin "system packages"
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "not root and no sudo; install these yourself:" $missing
        as_root=(sudo)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    "${apt[@]}" update || fail "apt-get update failed"
    # shellcheck disable=SC2086  # a list of words
    "${apt[@]}" install --no-install-recommends $missing || fail "apt-get could not install:" $missing
    printf 'setup: %s ok\n' "$step"
    step=""
}

# The lock file leaves out what clmtrackr and retinaface would pull in for browsers: nothing of theirs is run here, one
# of them is a git repository, and npm 9 cannot read an override of such a one. After `npm install`, delete from the
# lock the "dependencies" and "peerDependencies" of all packages but the first, and the empty-npm-package entries.
install_npm_packages() {
    local k
    k=$(key package.json package-lock.json)
    fresh npm "$k" node_modules/.package-lock.json && return
    begin "npm packages"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || fail "npm ci failed"
    done_with npm "$k"
}

install_web_packages() {
    local k
    k=$(key web/package-lock.json)
    fresh web "$k" web/node_modules/.package-lock.json && return
    begin "npm packages of the page"
    (cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "npm ci failed"
    done_with web "$k"
}

# npm_packages OF: into $fetched, which is empty before, what tools/OF/package-lock.json names.
fetched=$assets/.npm
npm_packages() {
    rm -rf "$fetched"
    mkdir -p "$fetched"
    cp "tools/$1/package.json" "tools/$1/package-lock.json" "$fetched/"
    (cd "$fetched" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "npm ci failed"
}

stage_onnxruntime() {
    local package=$fetched/node_modules/com.github.asus4.onnxruntime target=$assets/onnxruntime k
    k=$(key tools/onnxruntime/package-lock.json "${BASH_SOURCE[0]}")
    fresh onnxruntime "$k" "$target/lib/libonnxruntime.so" && return
    begin "ONNX Runtime"
    local machine
    machine=$(uname -m)
    if [[ $machine != x86_64 ]]; then
        [[ -n ${ONNXRUNTIME_ROOT:-} ]] || fail "the npm package has none for $machine; set ONNXRUNTIME_ROOT"
        done_with onnxruntime "$k"
        return
    fi
    npm_packages onnxruntime
    # The Linux library comes without headers; those of the iOS framework are the same release's, word for word.
    local headers="$package/Plugins/iOS~/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers"
    local libraries=$package/Plugins/Linux/x64 beside=$target.partial soname
    rm -rf "$beside"
    mkdir -p "$beside/include" "$beside/lib"
    cp "$headers"/*.h "$beside/include/"
    cp "$package/LICENSE" "$package/ThirdPartyNotices.txt" "$beside/"
    soname=$(objdump -p "$libraries/libonnxruntime.so" | awk '$1 == "SONAME" { print $2 }')
    [[ -n $soname ]] || fail "$libraries/libonnxruntime.so has no SONAME"
    install -m 755 "$libraries/libonnxruntime.so" "$beside/lib/$soname"
    ln -s "$soname" "$beside/lib/libonnxruntime.so"
    install -m 755 "$libraries/libonnxruntime_providers_shared.so" "$beside/lib/"
    rm -rf "$target" "$fetched"
    mv "$beside" "$target"
    done_with onnxruntime "$k"
    [[ -z ${ONNXRUNTIME_ROOT:-} ]] || echo "setup: ONNXRUNTIME_ROOT is set, so the build uses that one instead"
}

# ONNX Runtime with its CUDA and TensorRT providers, of the same release. The headers are those beside the other one. What the
# providers stand on is not in here: CUDA 13 (cudart, cublas, cublasLt, curand), cuDNN 9, and TensorRT 10 if it is to be used.
stage_onnxruntime_gpu() {
    local target=$assets/onnxruntime-gpu k
    k=$(key tools/gpu/package-lock.json "${BASH_SOURCE[0]}")
    fresh onnxruntime-gpu "$k" "$target/lib/libonnxruntime_providers_cuda.so" && return
    begin "ONNX Runtime for GPUs"
    [[ $(uname -m) == x86_64 ]] || fail "the npm packages have none for $(uname -m); set ONNXRUNTIME_ROOT"
    npm_packages gpu
    local beside=$target.partial
    rm -rf "$beside"
    mkdir -p "$beside/lib"
    local providers=$fetched/node_modules/com.github.asus4.onnxruntime.linux-x64-gpu
    cp "$providers/LICENSE" "$assets/onnxruntime/ThirdPartyNotices.txt" "$beside/"
    install -m 755 "$fetched/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1" "$beside/lib/"
    ln -s libonnxruntime.so.1 "$beside/lib/libonnxruntime.so"
    local provider
    for provider in shared cuda tensorrt; do
        install -m 755 "$providers/Plugins/Linux/x64/libonnxruntime_providers_$provider.so" "$beside/lib/"
    done
    rm -rf "$target" "$fetched"
    mv "$beside" "$target"
    done_with onnxruntime-gpu "$k"
    echo "setup: a build that has no CUDA yet takes it with: cmake --preset cuda"
}

prepare_retinaface() {
    local target=$assets/models/retinaface_mnet25 k
    k=$(key package-lock.json tools/prepare_retinaface.py tools/make_plan.py tools/plan/*.py)
    fresh retinaface "$k" "$target.onnx" "$target.plan" && return
    begin "RetinaFace model (weights for non-commercial research)"
    mkdir -p "$assets/models"
    "$python" tools/prepare_retinaface.py node_modules/retinaface/mnet.25_v2.onnx "$target.onnx"
    "$python" tools/make_plan.py "$target.onnx" "$target.plan"
    rm -f "${target}_gpu.onnx" # an earlier version's
    done_with retinaface "$k"
}

make_demo_clip() {
    local target=$assets/demo.mp4 k
    k=$(key package-lock.json tools/make_demo_clip.sh)
    fresh demo "$k" "$target" && return
    begin "demo clip (half a minute)"
    tools/make_demo_clip.sh "$target"
    done_with demo "$k"
}

mkdir -p "$stamps"
install_packages
install_npm_packages
[[ ${WEB:-0} == 0 ]] || install_web_packages
[[ ${ONNXRUNTIME:-0} == 0 && ${GPU:-0} == 0 ]] || stage_onnxruntime
[[ ${GPU:-0} == 0 ]] || stage_onnxruntime_gpu
prepare_retinaface
make_demo_clip
if ((changed)); then echo "setup: done"; else echo "setup: nothing to do"; fi
