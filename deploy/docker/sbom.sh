#!/bin/sh
# Lists what is in /opt/venv, with versions and licences, in CycloneDX: /opt/venv/sbom.cdx.json.
exec /opt/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
  --output-format JSON --output-file /opt/venv/sbom.cdx.json /opt/venv/bin/python
