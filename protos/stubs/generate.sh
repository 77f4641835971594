#!/usr/bin/env bash
# Generates stubs from the protos: generate.sh LANGUAGE FOLDER. What it generated there before is removed first.
set -euo pipefail
cd "$(dirname "$0")/../.."

language=${1:-}
folder=${2:-}
missing=0

# A program that has to be on PATH, and who has it.
needs() {
  command -v "$1" >/dev/null && return
  echo "error: stubs for $language need the program $1, which is not on PATH: $2" >&2
  missing=1
}

case $language in
  typescript)
    needs protoc-gen-es 'npm ci --prefix examples/typescript, or npm install -g @bufbuild/protoc-gen-es' ;;
  cpp)
    needs protoc 'apt install protobuf-compiler, or what your protobuf library comes with'
    needs grpc_cpp_plugin 'apt install protobuf-compiler-grpc, or what your gRPC library comes with' ;;
  java)
    needs protoc 'apt install protobuf-compiler, or what your protobuf library comes with'
    needs grpc_java_plugin 'apt install protobuf-compiler-grpc-java-plugin, or protoc-gen-grpc-java of Maven Central' ;;
  go)
    needs protoc-gen-go 'apt install protoc-gen-go, or go install google.golang.org/protobuf/cmd/protoc-gen-go@latest'
    needs protoc-gen-go-grpc 'apt install protoc-gen-go-grpc, or go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest' ;;
  *)
    echo "error: no stubs for '$language': make stubs STUBS=typescript, cpp, java or go; for Python they are in lodestone/" >&2
    exit 2 ;;
esac
needs buf 'pip install buf-bin, which make stubs does'
((missing == 0)) || exit 1

# A folder of somebody's own is left alone.
mark=$folder/.made-by-make-stubs
if [ ! -e "$mark" ] && [ -n "$(ls -A "$folder" 2>/dev/null)" ]; then
  echo "error: $folder has files that are no stubs of ours: name another folder, or remove it" >&2
  exit 1
fi
rm -rf "$folder"
mkdir -p "$folder"
touch "$mark"
buf generate --template "protos/stubs/$language.yaml" --output "$folder"
echo "stubs for $language are in $folder"
