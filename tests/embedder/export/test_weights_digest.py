import pytest

from services.servicekit.encoder_folder import load_encoder_folder
from tests.embedder.exporting import LITE0, load_tower
from tests.embedder.golden import ENCODER_FOLDER

pytestmark = pytest.mark.export


def test_the_weights_digest_is_that_of_the_values():
    """Neither order, nor storage, nor a training counter matters; every value does."""
    import torch

    from services.embedder.export.weights_digest import weights_digest

    weights = dict(load_tower(LITE0).weights)
    name = "_conv_stem.weight"
    digest = weights_digest(weights)

    assert digest == load_encoder_folder(ENCODER_FOLDER).weights.digest
    assert weights_digest(dict(reversed(weights.items()))) == digest
    assert weights_digest({**weights, name: weights[name].double()}) == digest
    assert weights_digest({**weights, "_bn0.num_batches_tracked": torch.tensor(9)}) == digest
    assert weights_digest({**weights, name: weights[name] + 1e-3}) != digest
    assert weights_digest({**weights, name: weights[name].flatten()}) != digest
    assert weights_digest({**weights, "other": weights[name]}) != digest
    assert "_fc.weight" not in weights
