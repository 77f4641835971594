from __future__ import annotations

import ast
import contextlib
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT, SERVICES

COMPUTING = {"embedder": ["cpu", "openvino"], "watermark": ["cpu"]}


def module_file(module):
    path = ROOT.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def imported(path):
    """Every module that a file imports, also inside of functions; `from a import b` may mean `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def foreign_packages(word):
    """Top-level packages, neither ours nor Python's, that running a service can import."""
    waiting, seen, foreign = {f"services.{word}.__main__"}, set(), set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        top = module.split(".")[0]
        if top not in {"services", "lodestone"}:
            # `compression` is in the standard library from 3.14 on.
            foreign |= {top} - sys.stdlib_module_names - {"compression"}
        elif (path := module_file(module)) is not None:
            parents = {module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)}
            waiting |= (set(imported(path)) | parents) - seen
    return foreign


def normal(requirement):
    name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(word):
    """The distributions that the image's extras bring, with what they require themselves."""
    project = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    waiting = list(project["dependencies"])
    for extra in ("service", word, *COMPUTING.get(word, [])):
        waiting += [each for each in extras[extra] if not each.startswith("lodestone[")]
    found = set()
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        # What another platform or Python would need is not installed.
        with contextlib.suppress(metadata.PackageNotFoundError):
            required = metadata.requires(name) or []
            waiting += [each for each in required if "extra ==" not in each]
            found.add(name)
    return found


@pytest.mark.parametrize("word", SERVICES)
def test_a_services_extra_brings_all_that_it_imports(word):
    """An image holds nothing else, so what is missing there would only show in the cluster."""
    there = installed_with(word)
    providers = metadata.packages_distributions()
    missing = {
        package
        for package in foreign_packages(word)
        if not {normal(name) for name in providers.get(package, [])} & there
    }
    assert missing == set()
