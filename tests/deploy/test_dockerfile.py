from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.manifests import ROOT, SERVICES, settings_class

TARGETS = {**{word: word for word in SERVICES}, "embedder-cuda": "embedder"}
NOT_IN_IMAGES = (
    "services/embedder/export",
    "services/watermark/evaluate",
    "services/watermark/synthesis",
    "services/watermark/train",
)


@dataclass
class Stage:
    name: str
    parent: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def stages():
    """The Dockerfile's stages by name, with their instructions in order."""
    text = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            parent, _, name = rest.split()
            stage = found[name] = Stage(name, parent)
        else:
            stage.lines.append((instruction, rest))
    return found


def lineage(name):
    """Every instruction of a stage and its ancestors, the oldest first."""
    known = stages()
    lines = []
    while name in known:
        lines = known[name].lines + lines
        name = known[name].parent
    return lines


def values(name, instruction):
    return [rest for found, rest in lineage(name) if found == instruction]


def ignore_lines():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(params=TARGETS)
def target(request):
    return request.param


def test_the_base_image_is_pinned_to_a_patch_version():
    """And is one and the same for building and for running: the virtual environment links to its Python."""
    known = stages()
    outside = {stage.parent for stage in known.values()} - set(known)
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.12\.\d+-slim-[a-z]+", outside.pop())


def test_what_is_copied_exists_and_reaches_the_build():
    """Each source is in the checkout and not kept out by `.dockerignore`."""
    reaching = {line[1:] for line in ignore_lines() if line.startswith("!")}
    copies = [rest for stage in stages().values() for word, rest in stage.lines if word == "COPY"]
    for copy in copies:
        if copy.startswith("--from="):
            stage, source, _ = copy.split()
            assert stage.removeprefix("--from=") in stages()
            # What another stage copied from the checkout.
            inside = source.removeprefix("/app/")
            assert source == "/opt/venv" or (ROOT / inside).exists(), source
            continue
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists(), source
            parts = Path(source).parts
            assert {parts[0], source} & reaching, source


def test_each_target_runs_its_service_without_a_shell(target):
    """Signals reach Python itself."""
    entry = json.loads(values(target, "ENTRYPOINT")[-1])
    assert entry == ["python", "-m", f"services.{TARGETS[target]}"]
    for folder in ("servicekit", TARGETS[target]):
        copy = f"--from=code /app/services/{folder}/ services/{folder}/"
        assert copy in values(target, "COPY")
    assert not values(target, "CMD")
    assert not values(target, "HEALTHCHECK")


def test_each_target_exposes_the_ports_of_its_settings(target):
    """The gRPC port, the port of health with TLS, and the metrics port."""
    fields = settings_class(TARGETS[target]).model_fields
    names = ("port", "health_port", "metrics_port")
    expected = " ".join(str(fields[name].default) for name in names)
    assert values(target, "EXPOSE") == [expected]


def test_each_target_runs_as_the_manifests_user_on_the_data_folder(target):
    """User 10001 by number, LODESTONE_DATA is /data, and nothing reports to others."""
    assert values(target, "USER") == ["10001:10001"]
    variables = dict(
        pair.split("=", 1) for line in values(target, "ENV") for pair in shlex.split(line)
    )
    assert variables["LODESTONE_DATA"] == "/data"
    assert variables["ORT_DISABLE_TELEMETRY"] == "1"


def test_each_target_has_the_requirements_of_its_service(target):
    """Its own extra under the constraints; only the models' services have something that computes."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (environment,) = (
        re.match(r"--from=(\S+) /opt/venv /opt/venv$", copy)[1]
        for copy in values(target, "COPY")
        if "/opt/venv" in copy
    )
    (install,) = (run for run in values(environment, "RUN") if "'.[" in run)
    assert "--constraint constraints.txt" in install
    # First the list of what is in it, of which nothing is left out; then what nobody loads goes.
    assert install.index("sbom.sh") < install.index("prune.py")
    asked = re.search(r"'\.\[([a-z,]+)\]'", install)[1].split(",")
    assert set(asked) <= set(extras)
    computing = {
        "embedder": ["cpu", "openvino"],
        "watermark": ["cpu"],
        "embedder-cuda": ["gpu"],
    }
    assert asked == [TARGETS[target], *computing.get(target, [])]


def test_only_the_services_that_use_them_carry_models():
    """The encoder goes with the embedder, the detector with the watermark service."""
    carriers = {
        (name, folder)
        for name in TARGETS
        for folder in ("encoders", "detectors")
        if f"{folder}/ {folder}/" in values(name, "COPY")
    }
    assert carriers == {
        ("embedder", "encoders"),
        ("embedder-cuda", "encoders"),
        ("watermark", "detectors"),
    }


def test_the_context_holds_named_files_only():
    """Data, photos, keys and the virtual environment of a checkout never reach a build."""
    lines = ignore_lines()
    assert lines[0] == "*"
    reaching = {line[1:] for line in lines if line.startswith("!")}
    assert reaching.isdisjoint({"data", ".venv", ".git", "tests"})
    assert set(NOT_IN_IMAGES) <= set(lines)


def test_what_serves_imports_nothing_that_is_left_out():
    """What exports, trains, draws and measures is not in the images."""
    left_out = tuple(folder.replace("/", ".") for folder in NOT_IN_IMAGES)
    for path in (ROOT / "services").rglob("*.py"):
        if path.relative_to(ROOT).as_posix().startswith(NOT_IN_IMAGES):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith(left_out), path
            elif isinstance(node, ast.Import):
                assert not any(name.name.startswith(left_out) for name in node.names), path


def test_each_target_says_what_it_is(target):
    """In the labels that registries show; the version is the project's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = dict(
        pair.removeprefix("org.opencontainers.image.").split("=", 1)
        for line in values(target, "LABEL")
        for pair in shlex.split(line)
    )
    assert labels.keys() == {"version", "licenses", "title", "description"}
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert target.partition("-")[0] in labels["title"]


def test_what_changes_often_is_copied_last(target):
    """A new line of ours does not bring hundreds of megabytes of packages anew."""
    copies = values(target, "COPY")
    packages = next(number for number, copy in enumerate(copies) if "/opt/venv" in copy)
    ours = [number for number, copy in enumerate(copies) if "services" in copy]
    assert packages < min(ours)
