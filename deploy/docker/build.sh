#!/usr/bin/env bash
# Builds images with docker, or with buildah where docker has no daemon: build.sh TARGET…
# A target is one of the Dockerfile's, or `encoder-NAME`: an encoder that was exported into the data folder, on `embedder`.
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
  options=(-f deploy/docker/Dockerfile --target "$target") context=.
  if [[ $target == encoder-* ]]; then
    encoder=${target#encoder-} context=${LODESTONE_DATA:-data}/artifacts/encoders/${target#encoder-}
    options=(-f deploy/docker/encoder.Dockerfile --build-arg "ENCODER=$encoder")
    if [ ! -e "$context/encoder.json" ]; then
      echo "error: $context is no encoder: lodestone encoder export $encoder" >&2
      exit 1
    fi
    # Images keep the rights of files, and run as a user of their own.
    if hidden=$(find "$context" ! -perm -o=r -print -quit) && [ -n "$hidden" ]; then
      echo "error: an image's user could not read $hidden: chmod -R o+rX $context" >&2
      exit 1
    fi
  fi
  # shellcheck disable=SC2086
  "${builder[@]}" ${BUILD_FLAGS:-} "${labels[@]}" "${options[@]}" -t "lodestone/$target:0.1.0" "$context"
done
