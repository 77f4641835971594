"""The scripts beside the protos: stubs of other languages, and what breaks others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GENERATE = ROOT / "protos" / "stubs" / "generate.sh"
# As the Makefile has it.
PROGRAMS = f"{Path(sys.executable).parent}:{ROOT}/examples/typescript/node_modules/.bin:{os.environ['PATH']}"
PLUGINS = {
    "typescript": ("protoc-gen-es", "npm ci --prefix examples/typescript"),
    "cpp": ("grpc_cpp_plugin", "apt install protobuf-compiler-grpc"),
    "java": ("grpc_java_plugin", "apt install protobuf-compiler-grpc-java-plugin"),
    "go": ("protoc-gen-go-grpc", "apt install protoc-gen-go-grpc"),
}


def generate(language, folder, path=PROGRAMS):
    command = ["bash", GENERATE, language, folder]
    environment = os.environ | {"PATH": str(path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def bare(tmp_path):
    """A PATH without any plugin."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("bash", "dirname"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.mark.parametrize("language", PLUGINS)
def test_a_missing_plugin_is_named_and_who_has_it(language, tmp_path, bare):
    """And nothing is removed."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "earlier").touch()
    done = generate(language, stubs, bare)
    plugin, whence = PLUGINS[language]
    wanted = (
        f"error: stubs for {language} need the program {plugin}, which is not on PATH: {whence}"
    )
    assert done.returncode == 1
    assert any(line.startswith(wanted) for line in done.stderr.splitlines())
    assert (stubs / "earlier").exists()


def test_a_language_without_stubs(tmp_path):
    """The languages that there are."""
    done = generate("cobol", tmp_path / "stubs")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no stubs for 'cobol': make stubs STUBS=typescript, cpp,")


@pytest.fixture
def plugins(tmp_path):
    """A PATH with programs of all plugins' names, which are asked for nothing, and a buf that makes one file."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    for name in ("protoc-gen-es", "buf"):
        (folder / name).write_text('#!/bin/sh\ntouch "$5/made"\n')
        (folder / name).chmod(0o755)
    return f"{folder}:{PROGRAMS}"


def test_a_folder_of_somebody_is_left_alone(tmp_path, plugins):
    """One that it made before is made anew."""
    own, stubs = tmp_path / "own", tmp_path / "stubs"
    own.mkdir()
    (own / "letter").touch()
    done = generate("typescript", own, plugins)
    assert (done.returncode, done.stderr.startswith(f"error: {own} has files")) == (1, True)
    assert [path.name for path in own.iterdir()] == ["letter"]
    assert generate("typescript", stubs, plugins).returncode == 0
    (stubs / "made").rename(stubs / "earlier")
    assert generate("typescript", stubs, plugins).returncode == 0
    assert {path.name for path in stubs.iterdir()} == {"made", ".made-by-make-stubs"}


@pytest.mark.long
@pytest.mark.parametrize("language", PLUGINS)
def test_stubs_of_every_service(language, tmp_path):
    """Where the plugins are installed."""
    if shutil.which(PLUGINS[language][0], path=PROGRAMS) is None:
        pytest.skip(f"{PLUGINS[language][0]} is not installed")
    done = generate(language, tmp_path / "stubs")
    assert done.returncode == 0, done.stderr
    for word in ("embedder", "novelty", "watermark", "crawler"):
        found = " ".join(
            path.name for path in (tmp_path / "stubs" / "lodestone" / word / "v1").iterdir()
        )
        assert f"{word}_service" in found or f"{word.capitalize()}ServiceGrpc" in found


def test_every_enum_that_may_grow_is_told():
    """docs/compatibility.md names them all, and each says so itself."""
    found = {}
    for path in (ROOT / "protos").rglob("*.proto"):
        found |= {
            name: comment for comment, name in re.findall(r"// (.*)\nenum (\w+) ", path.read_text())
        }
    assert all(comment.endswith("New values may be added.") for comment in found.values())
    page = (ROOT / "docs" / "compatibility.md").read_text()
    assert set(found) <= set(re.findall(r"`(\w+)`", page))


class Repository:
    """A copy of the protos under version control."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "protos", folder / "protos")
        shutil.copy(ROOT / "buf.yaml", folder)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=self.folder, capture_output=True, check=True)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=a")

    def replace(self, old, new):
        path = self.folder / "protos/lodestone/watermark/v1/watermark_service.proto"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def check(self):
        done = subprocess.run(
            ["protos/check_breaking.sh"],
            cwd=self.folder, env=os.environ | {"PATH": PROGRAMS}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout


def test_protos_are_held_against_the_newest_release(tmp_path):
    """Not against the last commit, which may have broken them already; a candidate comes before its release."""
    repository = Repository(tmp_path)
    repository.replace("double threshold = 4;", "float threshold = 4;")
    status, said = repository.check()
    assert (status != 0, said.startswith("protos against HEAD\n")) == (True, True)
    assert "watermark_service.proto" in said
    repository.commit()
    assert repository.check() == (0, "protos against HEAD\n")
    for tag, commit in (("v0.9.0", "HEAD"), ("v0.10.0-rc1", "HEAD"), ("v0.10.0", "HEAD~1")):
        repository.git("tag", tag, commit)
    status, said = repository.check()
    assert (status != 0, said.startswith("protos against refs/tags/v0.10.0\n")) == (True, True)


def test_what_is_added_breaks_nobody(tmp_path):
    """A new field and a new value."""
    repository = Repository(tmp_path)
    repository.git("tag", "v0.1.0")
    repository.replace("double threshold = 4;", "double threshold = 4; int32 sharpness = 15;")
    assert repository.check() == (0, "protos against refs/tags/v0.1.0\n")
