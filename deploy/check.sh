#!/usr/bin/env bash
# Renders every overlay, and one with all optional components, and checks what comes out: the API's schemas of three versions
# of Kubernetes, checkov (deploy/k8s/checkov.yaml says what is left out), and the alerts, where promtool is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/k8s

if ! command -v kubectl >/dev/null; then
  echo "error: kubectl renders the manifests and is not installed" >&2
  exit 1
fi
rm -rf "$out"
mkdir -p "$out/optional"
cat > "$out/optional/kustomization.yaml" <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../../deploy/k8s/overlays/bulk]
components:
  - ../../../deploy/k8s/components/metrics-adapter
  - ../../../deploy/k8s/components/monitoring
  - ../../../deploy/k8s/components/tokens
  - ../../../deploy/k8s/components/watermark-head
END
for folder in deploy/k8s/overlays/*/ "$out/optional/"; do
  kubectl kustomize "$folder" > "$out/$(basename "$folder").yaml"
done

# Kinds that are not Kubernetes' own (certificates, monitors) have no schema and are passed over.
for version in 1.30.0 1.33.0 1.37.0; do
  .venv/bin/kubernetes-validate --strict --quiet --no-warn --kubernetes-version "$version" "$out"/*.yaml
done
.venv-checkov/bin/checkov --config-file deploy/k8s/checkov.yaml --file "$out"/*.yaml 2> "$out/checkov.log" ||
  { cat "$out/checkov.log" >&2; exit 1; }
if command -v promtool >/dev/null; then
  .venv/bin/python -c 'import sys, yaml; yaml.safe_dump(yaml.safe_load(sys.stdin)["spec"], sys.stdout)' \
    < deploy/k8s/components/monitoring/alerts.yaml > "$out/rules.txt"
  promtool check rules "$out/rules.txt"
else
  echo "left out: promtool (Debian's package prometheus) is not installed, the alerts are not checked;" \
    "without root: apt-get download prometheus && dpkg -x prometheus_*.deb FOLDER, and FOLDER/usr/bin into PATH"
fi
