"""The processes of the overlay `local`, as the manifests have them, mine the sample site."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from samples.photo_folder import Role, SamplePhotos
from samples.site import build_site
from tests.deploy.manifests import ROOT, SERVICES
from tests.e2e.conftest import graphic, hills, save

pytestmark = pytest.mark.e2e

PROGRAMS = ("kubectl", "unshare", "nsenter", "mount", "ip")
# With the first process all others end.
NAMESPACES = (
    *("--net", "--mount", "--propagation=private"),
    *("--pid", "--fork", "--mount-proc", "--kill-child"),
)


def why_not():
    """What keeps this machine from running pods."""
    if os.geteuid() != 0:
        return "pods are other users, in a network of their own: only root can start them"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        command = f"mkdir {folder}/t && mount -t tmpfs t {folder}/t && cd {folder}/t && mkdir u w r"
        command += " && mount -t overlay o -o lowerdir=/,upperdir=u,workdir=w r && ip link add pods type bridge"
        words = ["unshare", *NAMESPACES, "sh", "-c", command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    return f"no namespaces or overlays here: {done.stderr.strip()}" if done.returncode else ""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The sample site out of drawn photos: hills that are liked, other hills and graphics."""
    folder = tmp_path_factory.mktemp("photos")
    photos = {
        Role.LIKED: [hills(number) for number in range(12)],
        Role.HELD_BACK: [hills(100 + number) for number in range(6)],
        Role.BACKGROUND: [],
        Role.OTHER: [graphic(number) for number in range(3)],
    }
    paths = {}
    for role, images in photos.items():
        paths[role.value] = tuple(folder / role / f"{role}-{n}.jpg" for n in range(len(images)))
        for image, path in zip(images, paths[role.value], strict=True):
            save(image, path, quality=88)
    built = build_site(SamplePhotos(folder, **paths), tmp_path_factory.mktemp("site") / "site")
    return folder / Role.LIKED, built


@pytest.fixture(scope="module")
def told(site):
    """What a run of all pods told."""
    if reason := why_not():
        pytest.skip(reason)
    liked, built = site
    # Others than root must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="lodestone-pods-"))
    output = folder / "told.json"
    errors = folder / "told.err"
    try:
        with output.open("wb") as out, errors.open("wb") as err:
            done = subprocess.run(
                ["unshare", *NAMESPACES, sys.executable, "-m", "tests.deploy.mining", folder / "cluster",
                 built.folder, liked],
                cwd=ROOT, stdout=out, stderr=err, check=False, timeout=240,
            )  # fmt: skip
        assert done.returncode == 0, errors.read_text()[-8_000:]
        yield json.loads(output.read_text())
    finally:
        shutil.rmtree(folder)


def test_the_site_is_mined(told, site):
    """Every file has one end, most held-back photos are kept, and of each one copy."""
    _, *settled, last = told["crawl"]
    assert last["crawl"]["state"] == "COMPLETED"
    _, built = site
    kinds = {Path(file.path).name: file for file in built.files}
    ends = {one["url"].rpartition("/")[2]: one for one in settled}
    assert set(ends) == set(kinds)
    kept = [kinds[name] for name, one in ends.items() if one.get("verdict") == "ACCEPTED"]
    assert len(kept) >= 4
    assert max(Counter(file.made_from for file in kept).values()) == 1
    liked = {f"liked-{number}.jpg" for number in range(12)}
    assert liked.isdisjoint(file.made_from for file in kept)
    reasons = Counter(
        one.get("outcome_reason") for one in ends.values() if one["outcome"] == "FAILED"
    )
    assert reasons == {"TOO_SMALL": 1, "TRUNCATED": 1, "UNSUPPORTED_FORMAT": 1, "NOT_FOUND": 1}
    assert len(told["images"]) == len(kept)
    assert {image["file_state"] for image in told["images"]} == {"PRESENT"}


@pytest.mark.parametrize("word", SERVICES)
def test_each_ran_as_its_manifest_says(told, word):
    """As many as there should be: command, variables, user and rights, by the kernel's own word."""
    assert len(told["pods"][word]) == (2 if word == "crawler" else 1)
    for pod in told["pods"][word]:
        facts = told["facts"][pod]
        assert facts["command"][1:] == facts["wanted_command"][1:]
        assert facts["environment"] == facts["wanted_environment"]
        assert facts["users"] == facts["groups"] == ["10001"]
        assert facts["capabilities"] == 0
        assert facts["pid_inside"] == 1
        assert facts["no_new_privileges"]
        assert not facts["root_is_writable"]
        assert facts["is_alive"]


def test_the_crawlers_shared_the_work(told, site):
    """Through one catalogue and one store; a host is asked by one of them at a time."""
    _, built = site
    assert sum(told["fetched"][pod] for pod in told["pods"]["crawler"]) >= len(built.files)


def test_nobody_calls_without_the_right_certificate(told):
    """The health port has health alone."""
    assert told["codes"] == {
        "nobody": "UNAVAILABLE",
        "person": "OK",
        "embedder": "PERMISSION_DENIED",
        "health port": "UNIMPLEMENTED",
    }


def test_new_certificates_reach_every_pod(told):
    """Out of Secrets that change as the kubelet changes them, without a start."""
    pods = [pod for found in told["pods"].values() for pod in found]
    assert told["renewed"] == {"pods": pods, "code": "OK"}


@pytest.mark.parametrize("word", SERVICES)
def test_metrics_are_on_their_port(told, word):
    """Of the certificate, among others."""
    for pod in told["pods"][word]:
        assert f"lodestone_{word}_certificate_not_after_seconds" in told["metrics"][pod]


@pytest.mark.parametrize("word", SERVICES)
def test_each_ends_within_its_grace_period(told, word):
    """With status 0, and preStop's five seconds to spare."""
    for pod in told["pods"][word]:
        status, seconds = told["ends"][pod]
        assert status == 0
        assert seconds < 30
