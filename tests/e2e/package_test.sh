#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Debian package of a build: made, taken apart, and run from where it was unpacked; as root, where apt can try it, its dependencies are
# found in Debian.
#   package_test.sh BUILD_FOLDER
set -euo pipefail
build=$1
command -v dpkg-shlibdeps >/dev/null || { echo "there is no dpkg-shlibdeps (Debian: dpkg-dev)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*" >&2; exit 1; }

(cd "$build" && cpack -B "$work/made" >/dev/null)

package=$(echo "$work"/made/*.deb)
depends=$(dpkg-deb -f "$package" Depends)
for library in libavcodec libssl libprometheus-cpp-core libopencv-imgproc libstdc++6; do
    [[ $depends == *"$library"* ]] || fail "the package does not depend on $library: $depends"
done
dpkg-deb -x "$package" "$work/root"
[[ ! -e $work/root/usr/share/faceflow/models/retinaface_mnet25.onnx ]] || fail "weights for research are in the package"
for file in lib/systemd/system/faceflow.service share/faceflow/deploy/serve.toml share/man/man1/faceflow.1 share/doc/faceflow/LICENSE; do
    [[ -s $work/root/usr/$file ]] || fail "$file is missing or empty"
done
grep -q '^ExecStart=/usr/bin/faceflow ' "$work/root/usr/lib/systemd/system/faceflow.service" || fail "the unit starts another program"

faceflow=$work/root/usr/bin/faceflow
"$faceflow" --version
"$faceflow" run "$build/small.mp4" --detector blazeface --limit 20 --no-video --quiet --out "$work/out"
[[ $(wc -l <"$work/out/faces.ndjson") == 20 ]] || fail "the unpacked program does not run"
"$faceflow" run "$build/small.mp4" --detector blazeface --limit 5 --flow cached --no-video --quiet --out "$work/cached"
if [[ $EUID == 0 ]] && apt-get --version >/dev/null 2>&1; then
    apt-get -q --simulate install "$package" >"$work/apt" 2>&1 || { cat "$work/apt" >&2; fail "apt does not find what the package needs"; }
fi
