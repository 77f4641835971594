"""The walk of docs/deploy.md leads through what is there."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.manifests import K8S, OVERLAYS, ROOT, SERVICES, default, rendered

PAGE = (ROOT / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text()


def test_it_is_ten_commands_from_nothing_to_the_first_picture():
    """A line each."""
    assert len(BLOCKS[0].splitlines()) == 10


def test_make_has_what_it_is_told(tmp_path):
    """Every target, and every overlay."""
    targets = {
        word
        for line in re.findall(r"^make (.*)$", "".join(BLOCKS), re.MULTILINE)
        for word in line.split()
        if "=" not in word
    }
    assert targets == {"images", "certs", "secrets", "deploy"}
    for target in targets:
        assert re.search(rf"^{target}: .*## ", MAKEFILE, re.MULTILINE), target
    assert set(re.findall(r"OVERLAY=(\w+)", PAGE)) <= set(OVERLAYS)
    done = subprocess.run(
        ["make", "-n", "deploy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "OVERLAY is not set" in done.stderr


def test_images_and_forwards_are_those_of_the_manifests():
    """Names, versions and ports."""
    local = rendered("local")
    images = {local.container(word)["image"] for word in SERVICES}
    assert set(re.findall(r"lodestone/\w+:[\d.]+", BLOCKS[0])) == images
    forwards = dict(re.findall(r"\b(embedder|novelty|watermark|crawler):(\d{5})", BLOCKS[0]))
    assert forwards == {word: str(default(word, "port")) for word in forwards}
    assert len(forwards) == 3


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_the_shell_understands_every_block(block):
    """As bash reads it."""
    done = subprocess.run(["bash", "-n"], input=BLOCKS[block], text=True, check=False)
    assert done.returncode == 0


def test_every_folder_that_is_named_is_there():
    """And every one that is there is named."""
    for folder in ("base", *(f"overlays/{name}" for name in OVERLAYS)):
        assert f"`{folder}/`" in PAGE
    for component in (K8S / "components").iterdir():
        named = component.name in PAGE
        # What `local` is put together from needs no word.
        assert named or component.name in {"postgres", "seaweedfs"}, component.name
