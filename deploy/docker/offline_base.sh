#!/usr/bin/env bash
# Puts a stand-in for the Dockerfile's base into buildah's storage, under its name, where no registry can be asked:
#   offline_base.sh PYTHON [MIRROR]
# PYTHON is the folder of a CPython of the base's minor version, as `make install` or pyenv leaves it: ~/.pyenv/versions/3.12.1.
# Around it comes Debian 12 from MIRROR. Needs root, debootstrap, buildah and strip (binutils). Build with BUILD_FLAGS=--pull-never afterwards.
set -euo pipefail
python=$(realpath "$1") mirror=${2:-http://deb.debian.org/debian}
base=$(sed -n 's/^FROM \(python:[^ ]*\).*/\1/p' "$(dirname "$0")/Dockerfile" | head -n 1)
container=$(buildah from scratch)
trap 'buildah rm "$container" > /dev/null' EXIT
root=$(buildah mount "$container")

# What CPython's own modules are linked to.
libraries=ca-certificates,libbz2-1.0,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,libuuid1,zlib1g
debootstrap --variant=minbase --include="$libraries" bookworm "$root" "$mirror"
# As Debian's slim image: without documentation and translations.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{info,locale,man}/*
find "$root/usr/share/doc" ! -type d ! -name copyright -delete

cp -a "$python/." "$root/usr/local/"
# As the official image: no tests, nothing for compilers, nothing compiled. Of what is installed, pip alone.
library=$(echo "$root"/usr/local/lib/python3.*)
find "$library" -depth \( -name __pycache__ -o -name test -o -name tests -o -name 'config-*' -o -name '*.a' \) -exec rm -rf {} +
find "$library/site-packages" -mindepth 1 -maxdepth 1 ! -name 'pip*' -exec rm -rf {} +
find "$root/usr/local" -name '*.so*' -type f -exec strip --strip-unneeded {} +
# Scripts begin with the path of their Python.
sed -i "1s|^#!$python/bin/|#!/usr/local/bin/|" "$root"/usr/local/bin/pip*
ln -sf "python${library##*python}" "$root/usr/local/bin/python3"
ln -sf python3 "$root/usr/local/bin/python"
chroot "$root" ldconfig

buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin --cmd python3 "$container"
buildah commit --quiet "$container" "docker.io/library/$base"
