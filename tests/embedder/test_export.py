import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.embedder.export.errors import NotExportable
from services.servicekit.encoder_folder import load_encoder_folder
from tests.embedder.exporting import (
    CLIP,
    LITE0,
    batch_of,
    export,
    load_tower,
    run_command,
    run_network,
    run_onnx,
    tower_id,
)
from tests.embedder.golden import ENCODER_FOLDER, EVERY, TOLERANCE, load_golden

pytestmark = pytest.mark.export

PARITY = 1e-4


@pytest.fixture(scope="module")
def lite0():
    return load_tower(LITE0)


@pytest.fixture(scope="module")
def lite0_folder(lite0, tmp_path_factory):
    return export(lite0, tmp_path_factory.mktemp("lite0"))


@pytest.fixture(scope="module", params=[LITE0, CLIP])
def tower(request):
    """Both kinds of encoder; the CLIP one untrained, since its weights are on a hub."""
    return request.getfixturevalue("lite0") if request.param == LITE0 else load_tower(CLIP)


@pytest.fixture(scope="module")
def folder(tower, request):
    """The tower's encoder folder; removed at the end, since a CLIP model has 350 MB."""
    if tower.name == LITE0:
        yield request.getfixturevalue("lite0_folder")
        return
    with tempfile.TemporaryDirectory() as path:
        yield export(tower, Path(path))


@pytest.mark.parametrize("count", [1, 5])
def test_the_graph_computes_what_torch_computes(tower, folder, count):
    """Against the network as torch runs it, with the normalisation written again in NumPy."""
    pixels = batch_of(count)
    mean = np.array(folder.mean, dtype=np.float32)
    std = np.array(folder.std, dtype=np.float32)
    images = ((pixels.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2)

    embeddings = run_onnx(folder, pixels)

    assert embeddings.shape == (count, folder.dimension)
    assert embeddings.dtype == np.float32
    assert np.abs(embeddings - run_network(tower, images)).max() <= PARITY
    assert np.abs(np.linalg.norm(embeddings, axis=1) - 1).max() <= 1e-5


def test_the_comparison_tells_images_and_normalisations_apart(tower, folder):
    """Its tolerance is far below what a wrong picture or a wrong mean would change."""
    pixels = batch_of(2)
    images = (pixels.astype(np.float32) / 255).transpose(0, 3, 1, 2)

    embeddings = run_onnx(folder, pixels)

    assert np.abs(embeddings[0] - embeddings[1]).max() > 10 * PARITY
    assert np.abs(embeddings - run_network(tower, images)).max() > 10 * PARITY


def test_the_bundled_encoder_is_what_its_command_makes(tmp_path):
    """Exported again: the same id and the same embeddings; by the same versions, the same bytes."""
    import onnx

    out = tmp_path / "lite0"
    finished = run_command(LITE0, "--out", out, "--json")
    committed, made = load_encoder_folder(ENCODER_FOLDER), load_encoder_folder(out)

    assert (finished.status, finished.errors) == (0, "")
    assert json.loads(finished.output) == {
        "folder": str(out),
        "encoder_id": committed.encoder_id,
        "sha256": made.sha256,
        "dimension": 1280,
    }
    assert replace(made, sha256=committed.sha256, path=committed.path) == committed
    pixels = batch_of(3)
    assert np.abs(run_onnx(made, pixels) - run_onnx(committed, pixels)).max() <= 1e-5
    producers = {
        onnx.load_from_string(one.read_model()).producer_version for one in (committed, made)
    }
    assert len(producers) == 2 or made.sha256 == committed.sha256


def test_an_export_is_reproducible_and_names_no_place(lite0, lite0_folder, tmp_path):
    """Twice the same bytes, without a trace of the machine that they were made on."""
    contents = [lite0_folder.read_model(), export(lite0, tmp_path).read_model()]

    assert contents[0] == contents[1]
    places = (
        lite0_folder.path,
        tmp_path,
        Path.cwd(),
        Path.home(),
        sys.prefix,
        tempfile.gettempdir(),
        "site-packages",
    )
    for place in places:
        assert f"{place}/".encode() not in contents[0]
    assert b".py" not in contents[0]


def test_the_golden_embeddings_are_those_of_torch(lite0):
    """What the fast tests compare with was computed from the weights, not from the graph."""
    golden = load_golden()[0]
    images = ((golden.image.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]

    assert golden.encoder_id == tower_id(lite0)
    assert np.abs(run_network(lite0, images)[0][::EVERY] - golden.values).max() <= TOLERANCE


def test_a_network_that_traces_to_something_else_is_not_exported(lite0, tmp_path):
    """The graph is compared with torch before it is written."""
    import torch

    class TwoFaced(torch.nn.Module):
        def forward(self, images):
            pooled = images.mean(dim=(2, 3))
            return pooled.flip(1) if torch.compiler.is_exporting() else pooled

    tower = replace(lite0, network=TwoFaced().eval(), weights={})

    with pytest.raises(NotExportable, match="the graph and torch differ"):
        export(tower, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([CLIP, "--pretrained", "openai"], "huggingface.co/timm/vit_base_patch32_clip_224.openai"),
        (["clip-vit-b-33", "--random-weights"], "no encoder 'clip-vit-b-33' can be exported"),
    ],
)
def test_a_failed_export_says_one_line_and_leaves_nothing(arguments, says, tmp_path):
    """The libraries' own warnings, progress and tracebacks stay away."""
    finished = run_command(*arguments, "--out", tmp_path / "out" / "encoder")

    [line] = finished.errors.splitlines()
    assert finished.status in (1, 2)
    assert says in line
    assert finished.output == ""
    assert list((tmp_path / "out").iterdir()) == []
