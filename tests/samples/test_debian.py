from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from samples import debian
from samples.debian import fetch_debian_photos
from samples.errors import DownloadError, TooFewPhotosError, ToolMissingError, UnpackError


def fetch(cache, repository, lines=None):
    lines = [] if lines is None else lines
    return fetch_debian_photos(cache, progress=lines.append, listed=repository.photo_list)


def test_photos_come_out_of_the_packages(tmp_path, debian_repository):
    """Each role's folder holds just its listed photos, with the package's own bytes."""
    lines = []
    photos = fetch(tmp_path / "cache", debian_repository, lines)
    sizes = [len(p) for p in (photos.liked, photos.held_back, photos.background, photos.other)]
    assert sizes == [12, 6, 10, 20]
    assert photos.liked[3].name == "sample-nature_l3.jpg"
    assert photos.liked[3].read_bytes() == b"l3/contents/images/100x200.jpg"
    assert photos.other[19].read_bytes() == b"o19.png"
    assert set((photos.folder / "liked").iterdir()) == set(photos.liked)
    assert "fetching Debian's package lists" in lines


def test_a_second_call_asks_no_one(tmp_path, debian_repository, monkeypatch):
    """With neither apt nor a repository, the photos are still there."""
    first = fetch(tmp_path, debian_repository)
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = []
    assert fetch(tmp_path, debian_repository, lines) == first
    assert lines == []


def test_a_lost_photo_is_fetched_again(tmp_path, debian_repository):
    """A folder that somebody took a file from is not taken for whole."""
    first = fetch(tmp_path, debian_repository)
    first.liked[0].unlink()
    assert fetch(tmp_path, debian_repository) == first
    assert first.liked[0].is_file()


def test_two_runs_at_once_fetch_once(tmp_path, debian_repository):
    """The second waits for the first and takes what it made."""
    lines = []
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(fetch, tmp_path, debian_repository, lines) for _ in range(2)]
    assert runs[0].result() == runs[1].result()
    assert sum("unpacking" in line for line in lines) == 1


def test_an_interrupted_run_leaves_nothing_that_looks_whole(
    tmp_path, debian_repository, monkeypatch
):
    """Interrupted in the second package, the next run starts over and ends whole, and leaves no draft."""
    unpack = debian.unpack

    def interrupted(deb: Path, folder: Path) -> None:
        if deb.name.startswith("sample-graphics"):
            raise KeyboardInterrupt
        unpack(deb, folder)

    monkeypatch.setattr(debian, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "cache", debian_repository)
    assert not (tmp_path / "cache" / debian.FOLDER).exists()
    (tmp_path / "cache" / f".{debian.FOLDER}-killed").mkdir()
    monkeypatch.setattr(debian, "unpack", unpack)
    assert len(fetch(tmp_path / "cache", debian_repository).other) == 20
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [
        debian.FOLDER,
        f"{debian.FOLDER}.lock",
    ]


def test_a_changed_package_is_refused(tmp_path, debian_repository):
    """apt checks each package against its signed list: other bytes of the same length do not pass."""
    deb = debian_repository.folder / "sample-nature.deb"
    content = bytearray(deb.read_bytes())
    content[-20:] = b"x" * 20
    deb.write_bytes(content)
    with pytest.raises(DownloadError, match="sample-nature") as caught:
        fetch(tmp_path / "cache", debian_repository)
    assert "\n" not in str(caught.value)


def test_an_unsigned_repository_is_refused(tmp_path, debian_repository):
    """Nothing is taken from a repository that nobody vouches for."""
    debian_repository.sources.write_text(f"deb file:{debian_repository.folder} ./\n")
    with pytest.raises(DownloadError, match="does not have a Release file"):
        fetch(tmp_path / "cache", debian_repository)


def test_no_network_is_one_line(tmp_path, debian_repository, free_port):
    """A repository that does not answer ends in apt's own reason, in one line."""
    debian_repository.sources.write_text(f"deb [trusted=yes] http://127.0.0.1:{free_port} ./\n")
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1") as caught:
        fetch(tmp_path / "cache", debian_repository)
    assert "\n" not in str(caught.value)


def test_without_apt_it_says_so(tmp_path, debian_repository, monkeypatch):
    """A system without apt gets its name, not a traceback of subprocess."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"^apt-get is not here"):
        fetch(tmp_path / "cache", debian_repository)


def test_a_missing_package_is_named(tmp_path, debian_repository):
    """Where a release of the system lacks a package, what is left is too little, and the error says which."""
    packages = debian_repository.folder / "Packages"
    packages.write_text(packages.read_text().split("\n\n")[0] + "\n\n")
    lines = []
    with pytest.raises(TooFewPhotosError, match=r"only 0 background .*sample-graphics"):
        fetch(tmp_path / "cache", debian_repository, lines)
    assert "sample-graphics is not in this system's packages: going on without it" in lines


def test_a_missing_photo_is_left_out(tmp_path, debian_repository):
    """Another release's package may lack a picture; the rest is enough."""
    spare = debian_repository.add("sample-spare", {"usr/share/spare/s0.jpg": b"s0"})
    listed = tmp_path / "photos.toml"
    text = (debian_repository.folder.parent / "photos.toml").read_text()
    listed.write_text(
        text
        + '[[package]]\nname = "sample-spare"\nlicense = "CC0-1.0"\nsource = "s"\nfolder = "usr/share/spare"\n'
        'liked = ["s0.jpg", "s1.jpg"]\nheld_back = []\nbackground = []\nother = []\n'
    )
    assert spare.is_file()
    photos = fetch_debian_photos(
        tmp_path / "cache", progress=lambda _: None, listed=debian.read_photo_list(listed)
    )
    assert [photo.name for photo in photos.liked[12:]] == ["sample-spare_s0.jpg"]


def test_a_package_that_is_none_is_refused(tmp_path):
    """Bytes that dpkg-deb cannot read are an error with its reason."""
    (tmp_path / "x.deb").write_bytes(b"nothing")
    with pytest.raises(UnpackError, match=r"could not unpack x\.deb: .+"):
        debian.unpack(tmp_path / "x.deb", tmp_path / "out")
