"""What the tests of the sample run share: photos, a Debian repository, a MediaWiki."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samples.photo_folder import Role, SamplePhotos
from samples.photo_list import PhotoList, read_photo_list
from tests.fakes.ports import free_port


def write_photo(path: Path, *, size=(1800, 1200), seed=0):
    """Writes an image of smooth colours that is like no other seed's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR).save(path)
    return path


@pytest.fixture(scope="session")
def sample_photos(tmp_path_factory) -> SamplePhotos:
    """A few photos of each role, large enough for the crawl's screen."""
    folder = tmp_path_factory.mktemp("photos")
    counts = {Role.LIKED: 4, Role.HELD_BACK: 4, Role.BACKGROUND: 1, Role.OTHER: 3}
    paths = {
        role: tuple(
            write_photo(
                folder / role / f"{role}-{n}.{'png' if role == 'other' else 'jpg'}", seed=10 * i + n
            )
            for n in range(count)
        )
        for i, (role, count) in enumerate(counts.items())
    }
    return SamplePhotos(folder, **{role.value: paths[role] for role in Role})


@dataclass(frozen=True)
class DebianRepository:
    """A real, flat Debian repository in a folder, and apt's configuration for it.

    Attributes:
        folder: Holds the packages and their list.
        sources: apt's list of repositories: write another one to break it.
        photo_list: Of the photos in its packages.
    """

    folder: Path
    sources: Path
    photo_list: PhotoList

    def add(self, name: str, files: dict[str, bytes]) -> Path:
        """Adds a package with the given files to the repository."""
        tree = self.folder.with_name(f"tree-{name}")
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
        (tree / "DEBIAN" / "control").write_text(control)
        for path, content in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(content)
        deb = self.folder / f"{name}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(tree), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        content = deb.read_bytes()
        with (self.folder / "Packages").open("a") as packages:
            packages.write(
                f"{control}Filename: ./{deb.name}\nSize: {len(content)}\n"
                f"SHA256: {hashlib.sha256(content).hexdigest()}\n\n"
            )
        return deb


_LIST = """
[[package]]
name = "sample-nature"
license = "CC0-1.0"
source = "made by a test"
folder = "usr/share/nature"
liked = [{liked}]
held_back = [{held_back}]
background = []
other = []

[[package]]
name = "sample-graphics"
license = "CC-BY-4.0"
source = "made by another test"
folder = "usr/share/graphics"
liked = []
held_back = []
background = [{background}]
other = [{other}]
"""


@pytest.fixture
def debian_repository(tmp_path, monkeypatch) -> DebianRepository:
    """A repository of two packages with just enough photos; the machine's own apt knows of nothing else."""
    root = tmp_path / "debian"
    folder = root / "repository"
    folder.mkdir(parents=True)
    (root / "system-lists" / "partial").mkdir(parents=True)
    sources = root / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{folder} ./\n")
    configuration = root / "apt.conf"
    configuration.write_text(
        f'Dir::State::Lists "{root}/system-lists";\n'
        f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    names = {
        "liked": [f"l{n}/contents/images/100x200.jpg" for n in range(12)],
        "held_back": [f"h{n}.jpg" for n in range(6)],
        "background": [f"b{n}.png" for n in range(10)],
        "other": [f"o{n}.png" for n in range(20)],
    }
    listed = root / "photos.toml"
    listed.write_text(
        _LIST.format(**{role: ", ".join(f'"{name}"' for name in names[role]) for role in names})
    )
    repository = DebianRepository(folder, sources, read_photo_list(listed))
    nature = names["liked"] + names["held_back"]
    graphics = names["background"] + names["other"]
    repository.add("sample-nature", {f"usr/share/nature/{n}": n.encode() for n in nature})
    repository.add("sample-graphics", {f"usr/share/graphics/{n}": n.encode() for n in graphics})
    return repository


@pytest.fixture(name="free_port")
def _free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    return free_port()
