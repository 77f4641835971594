#!/usr/bin/env bash
# Whether the protos break those that others have: those of the newest release (tag v…), or, while there is none, those of
# origin/main, or of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."

# -rc1 comes before the release that it leads to.
ref=$(git -c versionsort.suffix=- tag --list 'v*' --sort=-version:refname | sed -n 1p)
if [ -n "$ref" ]; then
  ref=refs/tags/$ref
elif git rev-parse --quiet --verify refs/remotes/origin/main:protos >/dev/null; then
  ref=refs/remotes/origin/main
else
  ref=HEAD
fi
echo "protos against $ref"
buf breaking --against "$(git rev-parse --path-format=absolute --git-common-dir)#ref=$ref"
