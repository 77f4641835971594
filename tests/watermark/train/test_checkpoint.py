from __future__ import annotations

import pytest

from services.servicekit.errors import Misconfigured
from services.watermark.writing import FileNotWritten

pytestmark = pytest.mark.export

PLAN = {"seed": 1, "steps": 20}


def saved_in(folder):
    import torch

    from services.watermark.train.checkpoint import Checkpoint, save_checkpoint

    checkpoint = Checkpoint(
        PLAN, 7, {"weight": torch.ones(2)}, {"state": {}}, [{"step": 7.0, "loss": 0.5}], [0.25]
    )
    save_checkpoint(checkpoint, folder)
    return checkpoint


def load(folder, plan=PLAN):
    from services.watermark.train.checkpoint import load_checkpoint

    return load_checkpoint(folder, plan)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    """And leaves no draft beside it."""
    saved = saved_in(tmp_path)
    loaded = load(tmp_path)

    assert (loaded.step, loaded.history, loaded.plan) == (7, saved.history, PLAN)
    assert loaded.losses == [0.25]
    assert loaded.network["weight"].tolist() == [1, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_another_training_cannot_go_on_from_it(tmp_path):
    """The line says what is different."""
    saved_in(tmp_path)

    with pytest.raises(Misconfigured, match=r"it was trained with steps 20, not 30"):
        load(tmp_path, {"seed": 1, "steps": 30})


def test_there_is_nothing_to_go_on_from(tmp_path):
    """A folder without a checkpoint."""
    with pytest.raises(Misconfigured, match="there is no checkpoint to go on from"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 300])
def test_half_a_checkpoint_is_none(tmp_path, keep):
    """Cut by a full disk, or another file."""
    saved_in(tmp_path)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(Misconfigured, match="this is no checkpoint of this training"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", "7"),
        ("step", True),
        ("step", 0),
        ("step", 21),
        ("plan", ["seed"]),
        ("network", []),
        ("optimizer", None),
        ("history", {}),
        ("history", [1.0]),
        ("history", [{"loss": 0.5}]),
        ("history", [{"step": 7.0, "loss": "0.5"}]),
        ("losses", [None]),
    ],
)
def test_wrong_content_is_none(tmp_path, name, value):
    """Each field is of its type and in its range."""
    import torch

    saved_in(tmp_path)
    path = tmp_path / "checkpoint.pt"
    torch.save({**torch.load(path), name: value}, path)

    with pytest.raises(Misconfigured, match="this is no checkpoint of this training"):
        load(tmp_path)


def test_a_done_training_has_points(tmp_path):
    """Its last one is what metrics.json says."""
    import torch

    saved_in(tmp_path)
    path = tmp_path / "checkpoint.pt"
    torch.save({**torch.load(path), "step": 20, "history": []}, path)

    with pytest.raises(Misconfigured, match="this is no checkpoint of this training"):
        load(tmp_path)


def test_only_a_done_training_goes_on_as_another_variant(tmp_path):
    """Half of its curves would be of another one."""
    import torch

    saved_in(tmp_path)
    path = tmp_path / "checkpoint.pt"
    plan = {**PLAN, "variant": "nine"}
    with pytest.raises(Misconfigured, match=r"trained with variant None, not nine"):
        load(tmp_path, plan)

    torch.save({**torch.load(path), "step": 20}, path)
    assert load(tmp_path, plan).done


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    """One line says why; no draft stays."""
    import resource

    saved_in(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(FileNotWritten, match=r"pt: cannot be written: File too large"):
            saved_in(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
