from __future__ import annotations

import pytest

from tests.watermark.train.drawn_photos import batch_source

pytestmark = pytest.mark.export

STEPS = 3


def fitting_of(folder, *, steps=STEPS, seed=0, source=None, identity=None, **plan):
    import torch

    from services.watermark.train.fitting import FitPlan, Fitting
    from services.watermark.train.network import TileNetwork

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    folder.mkdir(exist_ok=True)
    source = source or batch_source(folder / "photos")
    fit_plan = FitPlan(steps, **{"measure_every": 2, "save_every": 2, "workers": 0, **plan})
    return Fitting(TileNetwork(), source, fit_plan, folder, identity or {"seed": seed})


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


def test_the_losses_since_the_last_point_are_kept(tmp_path):
    """The point after going on is the mean of all steps, not of those after it."""
    source = batch_source(tmp_path / "photos")
    every = {"measure_every": 3, "save_every": 2}
    whole = fitting_of(tmp_path / "a", source=source, **every)
    whole.run(measured, ignore)

    def interrupt(_network):
        raise Interrupted

    first = fitting_of(tmp_path / "b", source=source, **every)
    with pytest.raises(Interrupted):
        first.run(interrupt, ignore)
    second = fitting_of(tmp_path / "b", source=source, **every)
    second.resume()
    second.run(measured, ignore)

    assert second.history == whole.history
    assert [point["step"] for point in second.history] == [3]


def test_a_done_training_is_measured_anew(tmp_path):
    """As another variant too, whose curves have none of the points before; the picture is drawn."""
    first = fitting_of(tmp_path / "a", identity={"steps": STEPS, "variant": "quadrants"})
    first.run(measured, ignore)
    seen = []
    for variant, points in (("quadrants", 2), ("nine", 1)):
        second = fitting_of(tmp_path / "a", identity={"steps": STEPS, "variant": variant})
        second.resume()
        second.run(lambda _network: {"auc": 0.75}, lambda history: seen.append(list(history)))

        assert len(seen[-1]) == points
        assert seen[-1][-1] == {**first.history[-1], "auc": 0.75}
    assert len(seen) == 2


def spoilt(checkpoint, how):
    """A checkpoint with one thing wrong in it."""
    import torch

    network, optimizer = checkpoint["network"], checkpoint["optimizer"]
    name = "head.tile.bias"
    match how:
        case "no network":
            checkpoint["network"] = {}
        case "another shape":
            network[name] = torch.zeros(7)
        case "no numbers":
            network[name] = torch.full_like(network[name], float("nan"))
        case "no optimizer":
            checkpoint["optimizer"] = {}
        case "no moments":
            optimizer["state"] = {}
        case "moments of another shape":
            optimizer["state"][0]["exp_avg"] = torch.zeros(7)
        case "no rates":
            optimizer["param_groups"][0].pop("peak")
        case "later than the last step":
            checkpoint["step"] = checkpoint["step"] + 1
    return checkpoint


@pytest.mark.parametrize(
    "how",
    [
        "no network",
        "another shape",
        "no numbers",
        "no optimizer",
        "no moments",
        "moments of another shape",
        "no rates",
        "later than the last step",
    ],
)
def test_a_checkpoint_of_another_network_is_refused(tmp_path, how):
    """In one line, before a step; the network stays as it was."""
    import torch

    from services.servicekit.errors import Misconfigured

    fitting = fitting_of(tmp_path / "a", steps=1)
    fitting.run(measured, ignore)
    path = tmp_path / "a" / "checkpoint.pt"
    torch.save(spoilt(torch.load(path), how), path)
    again = fitting_of(tmp_path / "a", steps=1)
    before = {name: tensor.clone() for name, tensor in weights(again).items()}

    with pytest.raises(Misconfigured, match="this is no checkpoint of this training"):
        again.resume()
    assert equal(before, weights(again))


def test_a_photo_that_vanishes_is_one_error(tmp_path):
    """The drawing process hands it over as it is."""
    from services.watermark.train.photos import PhotoLost

    source = batch_source(tmp_path / "photos")
    for photo in source.photos:
        photo.path.unlink()
    fitting = fitting_of(tmp_path / "a", workers=1, source=source)

    with pytest.raises(PhotoLost) as caught:
        fitting.run(measured, ignore)
    assert str(caught.value).count("\n") == 0
    assert caught.value.path in {photo.path for photo in source.photos}


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
    ("unfreeze", "parts"),
    [(False, {"fine", "coarse"}), (True, {"early", "fine", "coarse"})],
)
def test_what_is_frozen_stays(tmp_path, unfreeze, parts):
    """The published weights of the first blocks, unless they are to be trained too; the others move."""
    fitting = fitting_of(tmp_path / "a", steps=1, unfreeze=unfreeze)
    before = {name: tensor.clone() for name, tensor in weights(fitting).items()}
    fitting.run(measured, ignore)

    moved = {name for name, tensor in weights(fitting).items() if not before[name].equal(tensor)}
    assert {name.split(".")[1] for name in moved if name.startswith("body.")} == parts


def test_rounded_activations_train_another_network(tmp_path):
    """Of weights that stay as precise as they are: nearly the same after a step, and the same each time."""
    import torch

    trained = []
    for name, precision in (("a", "bf16"), ("b", "bf16"), ("c", "fp32")):
        fitting = fitting_of(
            tmp_path / name, steps=1, precision=precision, source=batch_source(tmp_path / "p")
        )
        fitting.run(measured, ignore)
        trained.append(weights(fitting))

    assert {tensor.dtype for tensor in trained[0].values()} == {torch.float32}
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])
    far = [(trained[0][name] - trained[2][name]).abs().max() for name in trained[0]]
    assert max(far) <= 1e-3


def test_rates_rise_and_fall():
    """Up for 100 steps, down to a fiftieth."""
    from services.watermark.train.fitting import rate_share

    assert rate_share(0, 6000) == pytest.approx(0.01)
    assert rate_share(100, 6000) == pytest.approx(1, abs=0.01)
    assert rate_share(3000, 6000) == pytest.approx(0.51, abs=0.01)
    assert rate_share(5999, 6000) == pytest.approx(0.02, abs=0.001)
