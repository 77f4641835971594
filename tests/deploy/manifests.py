"""The manifests as a cluster gets them, rendered, and each service's settings, for the tests beside it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

from services.servicekit.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"
SERVICES = ("embedder", "novelty", "watermark", "crawler")
OVERLAYS = ("local", "cpu", "gpu", "bulk")
OPTIONAL = ("metrics-adapter", "monitoring", "tokens", "watermark-head")
NAME = "app.kubernetes.io/name"
WORKLOADS = ("Deployment", "StatefulSet", "Job")


@dataclass(frozen=True, eq=False)
class Overlay:
    """What `kubectl apply` would send."""

    objects: tuple

    def of(self, *kinds):
        return [one for one in self.objects if one["kind"] in kinds]

    def one(self, kind, name):
        (found,) = (one for one in self.of(kind) if one["metadata"]["name"] == name)
        return found

    def workload(self, name):
        (found,) = (one for one in self.of(*WORKLOADS) if one["metadata"]["name"] == name)
        return found

    def pod(self, name):
        return self.workload(name)["spec"]["template"]["spec"]

    def container(self, name):
        (only,) = self.pod(name)["containers"]
        return only

    def environment(self, name):
        """Every variable with its value, ConfigMaps looked up; what the cluster alone knows is left out."""
        found = {}
        for entry in self.container(name).get("env", []):
            if "value" in entry:
                found[entry["name"]] = entry["value"]
            elif "configMapKeyRef" in entry["valueFrom"]:
                place = entry["valueFrom"]["configMapKeyRef"]
                found[entry["name"]] = self.one("ConfigMap", place["name"])["data"][place["key"]]
        return found

    def volumes(self, name):
        return {volume["name"]: volume for volume in self.pod(name)["volumes"]}

    def scripts(self, name):
        """Files of the ConfigMaps that are mounted, by name."""
        found = {}
        for volume in self.volumes(name).values():
            if "configMap" in volume:
                found |= self.one("ConfigMap", volume["configMap"]["name"])["data"]
        return found

    def mounts(self, name):
        """Path to mount, of the one container."""
        return {mount["mountPath"]: mount for mount in self.container(name)["volumeMounts"]}

    def policies(self, name):
        """The policies that concern a workload's pods, but the one that denies everything."""
        labels = self.workload(name)["spec"]["template"]["metadata"]["labels"]
        return [
            one
            for one in self.of("NetworkPolicy")
            if one["metadata"]["name"] != "default-deny"
            and selects(one["spec"]["podSelector"], labels)
        ]


def selects(selector, labels):
    """Whether a label selector picks something with these labels."""
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


@cache
def rendered(overlay, *components):
    """An overlay, with optional components where they are named."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which renders the manifests, is not installed")
    if not components:
        return Overlay(_render(K8S / "overlays" / overlay))
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            os.path.relpath(K8S / "components" / one, os.path.realpath(folder))
            for one in components
        ]
        facts = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [os.path.relpath(K8S / "overlays" / overlay, os.path.realpath(folder))],
            "components": paths,
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(facts))
        return Overlay(_render(folder))


def _render(folder):
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def settings_class(word):
    """The subclass of ServiceSettings that a service's `config.py` defines."""
    module = importlib.import_module(f"services.{word}.config")
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value is not ServiceSettings
    )
    return found


def default(word, field):
    return settings_class(word).model_fields[field].default


def settings_names(word):
    """Every environment variable that a service reads, by the field that it sets."""
    settings = settings_class(word)
    prefix = settings.model_config["env_prefix"]
    found = {}
    for name, field in settings.model_fields.items():
        variable = str(field.validation_alias or f"{prefix}{name.upper()}")
        found[variable] = name
        found[f"{variable}_FILE"] = name
    return found
