from __future__ import annotations

import pytest

from tests.watermark.train.drawn_photos import batch_source

pytestmark = pytest.mark.export

STEPS = 3


def fitting_of(folder, *, steps=STEPS, seed=0, workers=0, source=None, unfreeze=False):
    import torch

    from services.watermark.train.fitting import FitPlan, Fitting
    from services.watermark.train.network import TileNetwork

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    folder.mkdir(exist_ok=True)
    source = source or batch_source(folder / "photos")
    plan = FitPlan(steps, measure_every=2, save_every=2, workers=workers, unfreeze=unfreeze)
    return Fitting(TileNetwork(), source, plan, folder, {"seed": seed})


def measured(network):
    assert not network.training
    return {"auc": 0.5}


def ignore(_history):
    """Draws nothing."""


def weights(fitting):
    return fitting.network.state_dict()


def equal(one, other):
    import torch

    return all(torch.equal(one[name], other[name]) for name in one)


class Interrupted(Exception):
    """As by Ctrl-C."""


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path):
    """Bit by bit, with the curves; also when the batches come from another process."""
    whole = fitting_of(tmp_path / "a", source=batch_source(tmp_path / "photos"))
    whole.run(measured, ignore)

    def interrupt(_history):
        raise Interrupted

    source = batch_source(tmp_path / "photos")
    first = fitting_of(tmp_path / "b", source=source)
    first.plan = type(first.plan)(STEPS, measure_every=3, save_every=2, workers=0)
    with pytest.raises(Interrupted):
        first.run(measured, interrupt)
    second = fitting_of(tmp_path / "b", seed=0, workers=1, source=source)
    second.network.head.tile.bias.data += 5
    second.resume()
    assert second.step == 2
    second.run(measured, ignore)

    assert equal(weights(whole), weights(second))
    assert [point["step"] for point in whole.history] == [2, 3]
    assert second.step == STEPS


def test_one_seed_gives_one_network(tmp_path):
    """And another seed another one."""
    networks = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        fitting = fitting_of(
            tmp_path / name, steps=1, seed=seed, source=batch_source(tmp_path / "p", seed=seed)
        )
        fitting.run(measured, ignore)
        networks.append(weights(fitting))

    assert equal(networks[0], networks[1])
    assert not equal(networks[0], networks[2])


def test_the_loss_falls_on_a_handful_of_tiles(tmp_path):
    """The same eight tiles over and over."""

    class Same:
        def __init__(self, batch):
            self.batch = batch

        def __getitem__(self, _step):
            return self.batch

    same = Same(batch_source(tmp_path / "photos")[0])
    fitting = fitting_of(tmp_path / "a", steps=16, source=same)
    fitting.run(measured, ignore)

    losses = [point["loss"] for point in fitting.history]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("unfreeze", "parts"), [(False, {"fine", "coarse"}), (True, {"early", "fine", "coarse"})]
)
def test_what_is_frozen_stays(tmp_path, unfreeze, parts):
    """The published weights of the first blocks, unless they are to be trained too; the others move."""
    fitting = fitting_of(tmp_path / "a", steps=1, unfreeze=unfreeze)
    before = {name: tensor.clone() for name, tensor in weights(fitting).items()}
    fitting.run(measured, ignore)

    moved = {name for name, tensor in weights(fitting).items() if not before[name].equal(tensor)}
    assert {name.split(".")[1] for name in moved if name.startswith("body.")} == parts


def test_rates_rise_and_fall():
    """Up for 100 steps, down to a fiftieth."""
    from services.watermark.train.fitting import rate_share

    assert rate_share(0, 6000) == pytest.approx(0.01)
    assert rate_share(100, 6000) == pytest.approx(1, abs=0.01)
    assert rate_share(3000, 6000) == pytest.approx(0.51, abs=0.01)
    assert rate_share(5999, 6000) == pytest.approx(0.02, abs=0.001)
