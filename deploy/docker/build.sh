#!/usr/bin/env bash
# Builds images with docker, or with buildah where docker has no daemon: build.sh TARGET…
# BUILD_FLAGS are the builder's own options, for example `--platform linux/arm64`.
set -euo pipefail
cd "$(dirname "$0")/../.."

if docker info >/dev/null 2>&1; then
  builder=(docker build)
elif command -v buildah >/dev/null; then
  # The format that docker's tools read, too.
  builder=(buildah build --format docker)
else
  echo "error: images are built with docker, which has no daemon here, or with buildah, which is not installed" >&2
  exit 1
fi

labels=()
if revision=$(git rev-parse HEAD 2>/dev/null); then
  [ -z "$(git status --porcelain 2>/dev/null)" ] || revision+=-changed
  labels+=(--label "org.opencontainers.image.revision=$revision")
fi
if source=$(git config --get remote.origin.url 2>/dev/null); then
  # An address may have somebody's password in it.
  labels+=(--label "org.opencontainers.image.source=$(sed -E 's#(://)[^/@]*@#\1#' <<< "$source")")
fi

for target in "$@"; do
  # shellcheck disable=SC2086
  "${builder[@]}" ${BUILD_FLAGS:-} "${labels[@]}" -f deploy/docker/Dockerfile --target "$target" -t "lodestone/$target:0.1.0" .
done
