from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.inference.backend import BackendOptions
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.onnx_external_data import first_external_tensor
from services.watermark.train.calibration import Calibration, Line
from tests.fakes.image_files import photo

pytestmark = pytest.mark.export

PARITY = 1e-4
CALIBRATION = Calibration(Line(0.8, -0.3), Line(1.2, 0.4), 0.5, 0.02)


@pytest.fixture(scope="module")
def network():
    """The published body with a head that has learnt nothing."""
    import torch

    from services.watermark.train.network import TileNetwork

    torch.manual_seed(0)
    return TileNetwork().eval()


@pytest.fixture(scope="module", params=["quadrants", "nine"])
def variant(request):
    """How images are cut."""
    from services.watermark.train.network import Variant

    return Variant(request.param)


@pytest.fixture(scope="module")
def calibrated(network, variant):
    """The network as a detector is written."""
    from services.watermark.train.export import calibrated_model

    return calibrated_model(network, variant, CALIBRATION)


def batch_of(count, side_px=448):
    return np.stack([photo(side_px, side_px, seed=seed) for seed in range(count)])


def loaded(model):
    return OnnxRuntimeBackend(model, BackendOptions(threads=1))


@pytest.mark.parametrize("count", [1, 3])
def test_a_calibrated_graph_computes_what_torch_computes(network, variant, calibrated, count):
    """Image and quadrants, with a line for each; the file holds everything and is small."""
    import torch

    from services.watermark.train.export import calibrated as with_lines

    pixels = batch_of(count, variant.side_px)
    with torch.no_grad():
        expected = with_lines(network, variant, CALIBRATION)(torch.from_numpy(pixels))

    assert first_external_tensor(calibrated) is None
    assert len(calibrated) < 15_000_000
    for computed, wanted in zip(loaded(calibrated).run(pixels), expected, strict=True):
        assert computed.dtype == np.float32
        assert computed.shape == wanted.shape
        assert np.abs(computed - wanted.numpy()).max() <= PARITY


def test_exporting_again_gives_the_same_bytes(network, variant, calibrated):
    """And the file names neither a path nor a person."""
    from services.watermark.train.export import calibrated_model

    assert calibrated_model(network, variant, CALIBRATION) == calibrated
    for trace in (b"/site-packages", b".py", b"/home", b"/tmp"):
        assert trace not in calibrated
