# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For scripts that measure beside other tools; a script that sources this has a function `say`.

# install_packages NAME...: installs those Debian packages that are missing, through sudo when not root.
install_packages() {
    local package missing=() as_root=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || as_root=(sudo)
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get -q update >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "${missing[@]}" >&2
}
