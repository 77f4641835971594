#!/usr/bin/env bash
# Writes the Secrets that the overlay `local` wants, as files for `kubectl apply -f FOLDER`:
#   secrets.sh CERTIFICATES FOLDER
# CERTIFICATES is what `make certs` wrote. Passwords are made once: what the servers were set up with must stay.
set -euo pipefail
certificates=$1 folder=$2
umask 077
mkdir -p "$folder"

secret() { # NAME KEY=VALUE-OR-FILE-OPTION...
  kubectl create secret generic "$1" --namespace=lodestone --dry-run=client --output=yaml "${@:2}"
  echo ---
}

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

passwords() {
  local catalogue id key identities
  catalogue=$(random) id=$(random) key=$(random)
  identities='{"identities": [{"name": "crawler", "actions": ["Admin", "Read", "Write", "List", "Tagging"],'
  identities+=' "credentials": [{"accessKey": "'$id'", "secretKey": "'$key'"}]}]}'
  secret catalogue-server --from-literal=password="$catalogue"
  secret lodestone-catalogue --from-literal=url="postgresql://crawler:$catalogue@catalogue:5432/lodestone"
  secret store-server --from-literal=s3.json="$identities"
  secret lodestone-store --from-literal=access-key-id="$id" --from-literal=secret-access-key="$key"
}

cp "$(dirname "$0")/../../base/namespace.yaml" "$folder/0-namespace.yaml"
for word in embedder novelty watermark crawler person; do
  files=$certificates/$word
  secret "$word-tls" --from-file="$files/tls.crt" --from-file="$files/tls.key" --from-file="$files/ca.crt"
done > "$folder/certificates.yaml"
if [ ! -e "$folder/passwords.yaml" ]; then
  passwords > "$folder/passwords.new"
  mv "$folder/passwords.new" "$folder/passwords.yaml"
fi
echo "kubectl apply -f $folder"
