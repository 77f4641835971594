from __future__ import annotations

import pytest

from services.servicekit.errors import Misconfigured

pytestmark = pytest.mark.export

PLAN = {"seed": 1, "steps": 20}


def saved_in(folder):
    import torch

    from services.watermark.train.checkpoint import Checkpoint, save_checkpoint

    checkpoint = Checkpoint(PLAN, 7, {"weight": torch.ones(2)}, {"state": {}}, [{"loss": 0.5}])
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

    with pytest.raises(Misconfigured, match="this is no checkpoint of a training"):
        load(tmp_path)
