import threading

import pytest

from samples.whole_folder import only_one, replaced_whole


def test_the_folder_appears_whole(tmp_path):
    """Nothing is at its place until the block ends; then all of it, and no draft is left."""
    folder = tmp_path / "made"
    with replaced_whole(folder) as draft:
        (draft / "a").write_text("1")
        assert not folder.exists()
    assert (folder / "a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [folder]


def test_the_old_folder_stays_when_the_new_one_fails(tmp_path):
    """An error in the block leaves what was there before."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(FileExistsError), replaced_whole(folder) as draft:
        (draft / "new").mkdir()
        (draft / "new").mkdir()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_the_new_folder_replaces_the_old_one(tmp_path):
    """No file of the old one is left in it."""
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "old").touch()
    with replaced_whole(folder) as draft:
        (draft / "new").touch()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_a_killed_run_left_is_removed(tmp_path):
    """A draft of another run, which the lock shows to be dead, goes."""
    (tmp_path / ".made-dead").mkdir()
    (tmp_path / ".made-dead" / "half").touch()
    with replaced_whole(tmp_path / "made"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_only_one_at_a_time(tmp_path):
    """A second holder waits, and says so, until the first lets go."""
    waiting, entered = threading.Event(), threading.Event()

    def second():
        with only_one(tmp_path / "made", progress=lambda _: waiting.set()):
            entered.set()

    thread = threading.Thread(target=second)
    with only_one(tmp_path / "made", progress=pytest.fail):
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join()
