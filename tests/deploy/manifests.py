"""Reads `deploy/k8s` and each service's settings, for the tests beside it."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import yaml

from services.servicekit.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "deploy" / "k8s"
SERVICES = ("embedder", "novelty", "watermark", "crawler")


@cache
def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def base():
    """Every object that the base's kustomization lists."""
    listed = documents(K8S / "base" / "kustomization.yaml")[0]["resources"]
    return [document for name in listed for document in documents(K8S / "base" / name)]


def one(kind, name):
    """The base's one object of this kind and name."""
    (found,) = (o for o in base() if o["kind"] == kind and o["metadata"]["name"] == name)
    return found


def pod(word):
    return one("Deployment", word)["spec"]["template"]["spec"]


def container(word):
    (only,) = pod(word)["containers"]
    return only


def environment(*containers):
    """Name to value; what a later container gives hides what an earlier one gave."""
    return {entry["name"]: entry["value"] for each in containers for entry in each.get("env", [])}


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


def settings_names(word):
    """Every environment variable that a service reads."""
    settings = settings_class(word)
    prefix = settings.model_config["env_prefix"]
    return {
        field.validation_alias or f"{prefix}{name.upper()}"
        for name, field in settings.model_fields.items()
    }
