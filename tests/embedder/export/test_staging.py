from pathlib import Path

import pytest

from services.embedder.export.errors import OutFolderUnusable
from services.embedder.export.staging import staged_folder


def test_the_folder_appears_when_the_block_ends(tmp_path):
    """Not before, and under its name."""
    out = tmp_path / "new" / "encoder"

    with staged_folder(out) as staging:
        (staging / "file").write_text("content")
        assert not out.exists()

    assert (out / "file").read_text() == "content"
    assert list(out.parent.iterdir()) == [out]


def test_an_empty_folder_is_replaced(tmp_path):
    """Somebody made it first."""
    out = tmp_path / "encoder"
    out.mkdir()

    with staged_folder(out) as staging:
        (staging / "file").touch()

    assert [path.name for path in out.iterdir()] == ["file"]


def test_an_error_in_the_block_leaves_nothing(tmp_path):
    """No half-written folder, under any name."""

    def interrupted():
        with staged_folder(tmp_path / "encoder") as staging:
            (staging / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    """Nothing is overwritten."""
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "mine").write_text("content")

    with (
        pytest.raises(OutFolderUnusable) as caught,
        staged_folder(tmp_path / "encoder"),
    ):
        pytest.fail("the block must not run")

    assert caught.value.cause == "the folder is not empty"
    assert (tmp_path / "encoder" / "mine").read_text() == "content"


@pytest.mark.parametrize(
    ("out", "cause"),
    [("file", "Not a directory"), ("file/encoder", "Not a directory")],
)
def test_a_file_in_the_way_is_named(tmp_path, out, cause):
    """As the folder or as its parent."""
    (tmp_path / "file").touch()

    with pytest.raises(OutFolderUnusable) as caught, staged_folder(tmp_path / out):
        pytest.fail("the block must not run")

    assert (caught.value.path, caught.value.cause) == (tmp_path / out, cause)


def test_a_folder_that_cannot_be_written_is_named():
    """The kernel's own folder takes no files from anybody, not even from root."""
    with pytest.raises(OutFolderUnusable) as caught, staged_folder(Path("/proc/encoder")):
        pytest.fail("the block must not run")

    assert caught.value.path == Path("/proc/encoder")


def test_a_folder_that_is_filled_meanwhile_is_left_alone(tmp_path):
    """Two exports at once: the second one loses, whole."""
    out = tmp_path / "encoder"

    def overtaken():
        with staged_folder(out) as staging:
            (staging / "mine").touch()
            out.mkdir()
            (out / "theirs").touch()

    with pytest.raises(OutFolderUnusable):
        overtaken()

    assert [path.name for path in out.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [out]
