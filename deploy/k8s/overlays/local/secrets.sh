#!/usr/bin/env bash
# Writes the Secrets that the overlay `local` wants, as files for `kubectl apply -f FOLDER`:
#   secrets.sh CERTIFICATES FOLDER
# CERTIFICATES is what `make certs` wrote; yours stays there. Passwords are made once: what the servers were set up with must stay.
# What an earlier version did not write is added.
set -euo pipefail
certificates=$1 folder=$2 missing=
umask 077
mkdir -p "$folder"

secret() { # NAME --from-file=FILE...
  kubectl create secret generic "$1" --namespace=lodestone --dry-run=client --output=yaml "${@:2}"
  echo ---
}

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# A key's value as an earlier run wrote it; nothing if it wrote none.
kept() { [ ! -e "$folder/passwords.yaml" ] || sed -n "s/^  $1: //p" "$folder/passwords.yaml" | base64 --decode; }

# What is secret goes through files: command lines are everybody's to read.
passwords() {
  local made=$1 server crawler url id key identities
  server=$(kept password) crawler=$(kept crawler-password) url=$(kept url)
  id=$(kept access-key-id) key=$(kept secret-access-key) identities=$(kept s3.json)
  # Earlier versions wrote the crawler's password into its URL alone.
  if [ -z "$crawler" ] && [[ $url =~ ^postgresql://crawler:([^@]+)@ ]]; then crawler=${BASH_REMATCH[1]}; fi
  # Both or none: the server knows them as a pair.
  if [ -z "$id" ] || [ -z "$key" ]; then id=$(random) key=$(random) identities=; fi
  server=${server:-$(random)} crawler=${crawler:-$(random)}
  url=${url:-postgresql://crawler:$crawler@catalogue:5432/lodestone}
  if [ -z "$identities" ]; then
    # Of the one bucket, which the server makes itself.
    identities='{"identities": [{"name": "crawler", "actions": ["Read:lodestone", "Write:lodestone", "List:lodestone"],'
    identities+=' "credentials": [{"accessKey": "'$id'", "secretKey": "'$key'"}]}]}'
  fi
  printf %s "$server" > "$made/password"
  printf %s "$crawler" > "$made/crawler-password"
  printf %s "$url" > "$made/url"
  printf %s "$identities" > "$made/s3.json"
  printf %s "$id" > "$made/access-key-id"
  printf %s "$key" > "$made/secret-access-key"
  secret catalogue-server --from-file="$made/password" --from-file="$made/crawler-password"
  secret lodestone-catalogue --from-file="$made/url"
  secret store-server --from-file="$made/s3.json"
  secret lodestone-store --from-file="$made/access-key-id" --from-file="$made/secret-access-key"
}

cp "$(dirname "$0")/../../base/namespace.yaml" "$folder/0-namespace.yaml"
for word in embedder novelty watermark crawler; do
  files=$certificates/$word
  secret "$word-tls" --from-file="$files/tls.crt" --from-file="$files/tls.key" --from-file="$files/ca.crt"
done > "$folder/certificates.yaml"
for key in password crawler-password url s3.json access-key-id secret-access-key; do
  [ -n "$(kept "$key")" ] || missing+=" $key"
done
if [ -n "$missing" ]; then
  made=$(mktemp -d)
  trap 'rm -r "$made"' EXIT
  passwords "$made" > "$folder/passwords.new"
  mv "$folder/passwords.new" "$folder/passwords.yaml"
  echo "made:$missing"
fi
echo "kubectl apply -f $folder"
