import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from services.embedder.export.errors import (
    CheckpointMissing,
    CheckpointUnusable,
    UnknownEncoder,
    UnknownPretrainedTag,
    WeightsUnavailable,
)
from services.embedder.export.weights_choice import Checkpoint, PretrainedTag, RandomWeights
from services.servicekit.resize import ResizeRule
from tests.embedder.exporting import (
    CLIP,
    SMALL_CLIP,
    export,
    load_tower,
    run_network,
    run_onnx,
    smooth_noise,
    tower_id,
)

pytestmark = pytest.mark.export

PARITY = 1e-4


def squashed(image, side_px):
    return np.asarray(PillowImage.fromarray(image).resize((side_px, side_px), PillowImage.BICUBIC))


def centre_cropped(image, side_px):
    """Shortest side to `side_px`, the long one rounded down, then the middle: torchvision's rule."""
    height_px, width_px = image.shape[:2]
    short = min(height_px, width_px)
    size = (int(side_px * width_px / short), int(side_px * height_px / short))
    resized = PillowImage.fromarray(image).resize(size, PillowImage.BICUBIC)
    left, top = round((size[0] - side_px) / 2), round((size[1] - side_px) / 2)
    return np.asarray(resized.crop((left, top, left + side_px, top + side_px)))


@pytest.fixture(scope="module")
def graph():
    """Of the small model; a rule by which images are resized is in none."""
    from services.embedder.export.onnx_writer import onnx_model

    return onnx_model(load_tower(SMALL_CLIP))


@pytest.mark.parametrize(
    ("resize", "mode", "resized"),
    [
        (ResizeRule.CENTER_CROP, "shortest", centre_cropped),
        (ResizeRule.SQUASH, "squash", squashed),
    ],
)
def test_the_preprocessing_of_a_clip_model_is_open_clips_own(
    resize, mode, resized, graph, monkeypatch
):
    """From the decoded picture on: open_clip's transform and network, against ours."""
    from services.embedder.export import folder as folder_module
    from services.embedder.export.open_clip_import import import_open_clip

    image = smooth_noise(330, 250, seed=3)
    tower = load_tower(SMALL_CLIP, resize)
    transforms = import_open_clip().transform
    transform = transforms.image_transform_v2(
        transforms.PreprocessCfg(size=224, resize_mode=mode), is_train=False
    )
    expected = run_network(tower, transform(PillowImage.fromarray(image)).numpy()[None])

    monkeypatch.setattr(folder_module, "onnx_model", lambda _: graph)
    with tempfile.TemporaryDirectory() as path:
        folder = export(tower, Path(path))
        embeddings = run_onnx(folder, resized(image, 224)[None])

    assert folder.resize is resize
    assert np.abs(embeddings - expected).max() <= PARITY


def test_a_clip_model_keeps_its_own_resize_rule_unless_told_otherwise():
    """Shortest side and centre crop; squashing is another encoder, with another id."""
    own, squash = load_tower(SMALL_CLIP), load_tower(SMALL_CLIP, ResizeRule.SQUASH)

    assert own.preprocessing.resize is ResizeRule.CENTER_CROP
    assert own.preprocessing.mean == (122.7709383, 116.7460125, 104.09373615)
    assert squash.preprocessing == replace(own.preprocessing, resize=ResizeRule.SQUASH)
    assert tower_id(own) != tower_id(squash)


def test_random_weights_are_decided_by_their_seed():
    """The same seed is the same encoder, another seed is another one."""
    assert tower_id(load_tower(SMALL_CLIP, seed=1)) == tower_id(load_tower(SMALL_CLIP, seed=1))
    assert tower_id(load_tower(SMALL_CLIP, seed=1)) != tower_id(load_tower(SMALL_CLIP, seed=2))


@pytest.fixture(scope="module")
def checkpoint():
    """A file with the weights of the small model under seed 7, in half precision."""
    import torch

    from services.embedder.export.open_clip_import import import_open_clip

    torch.manual_seed(7)
    model = import_open_clip().create_model("ViT-S-32")
    weights = {name: values.half() for name, values in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.pt"
        torch.save({"state_dict": weights}, path)
        yield path


def test_a_checkpoint_gives_its_weights(checkpoint):
    """Those of the file and not the ones that the model was made with."""
    from services.embedder.export.open_clip_tower import load_open_clip_tower

    tower = load_open_clip_tower(SMALL_CLIP, Checkpoint(checkpoint))
    original = load_tower(SMALL_CLIP)

    assert (tower.weights_source, tower.architecture) == ("small.pt", "open_clip/ViT-S-32")
    for name, values in original.weights.items():
        assert np.array_equal(tower.weights[name].numpy(), values.half().float().numpy()), name


def test_a_tag_that_was_trained_with_quickgelu_is_run_with_it(checkpoint, monkeypatch):
    """open_clip only warns when the activation is not the one the weights were trained with."""
    from services.embedder.export.open_clip_import import import_open_clip
    from services.embedder.export.open_clip_tower import load_open_clip_tower

    open_clip = import_open_clip()
    # The hub's part is played by a local file; open_clip has no tags for the small model.
    facts = {"hf_hub": "someone/small/", "quick_gelu": True, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: facts)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda _: str(checkpoint))

    tower = load_open_clip_tower(SMALL_CLIP, PretrainedTag("openai"))

    activations = {type(m).__name__ for m in tower.network.modules() if "GELU" in type(m).__name__}
    assert activations == {"QuickGELU"}
    assert tower.architecture == "open_clip/ViT-S-32-quickgelu"
    assert tower.preprocessing.mean == (127.5, 127.5, 127.5)
    assert tower.weights_source == "open_clip openai, https://huggingface.co/someone/small"


def test_what_cannot_be_loaded_is_named(checkpoint, tmp_path, monkeypatch):
    """Each failure is one error of its own."""
    from services.embedder.export.open_clip_import import import_open_clip
    from services.embedder.export.open_clip_tower import load_open_clip_tower

    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(UnknownEncoder, match="clip-vit-b-32"):
        load_open_clip_tower("clip-vit-b-33", RandomWeights(0))
    with pytest.raises(UnknownPretrainedTag, match="openai"):
        load_open_clip_tower(CLIP, PretrainedTag("nobody"))
    with pytest.raises(CheckpointMissing):
        load_open_clip_tower(SMALL_CLIP, Checkpoint(tmp_path / "nowhere.pt"))
    with pytest.raises(CheckpointUnusable, match="tensors alone"):
        load_open_clip_tower(SMALL_CLIP, Checkpoint(tmp_path / "text.pt"))
    with pytest.raises(CheckpointUnusable, match="not this architecture's weights"):
        load_open_clip_tower("clip-vit-m-32", Checkpoint(checkpoint))

    def fail(_):
        raise OSError("no route to host")

    monkeypatch.setattr(import_open_clip(), "download_pretrained", fail)
    with pytest.raises(WeightsUnavailable, match="no route to host"):
        load_open_clip_tower(CLIP, PretrainedTag("openai"))


def test_a_checkpoint_that_holds_code_is_not_run(tmp_path):
    """A pickle can execute anything when it is loaded carelessly."""
    import torch

    from services.embedder.export.open_clip_tower import load_open_clip_tower

    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.pt")

    with pytest.raises(CheckpointUnusable) as caught:
        load_open_clip_tower(SMALL_CLIP, Checkpoint(tmp_path / "hostile.pt"))

    assert "weights_only" not in str(caught.value)
    assert not (tmp_path / "executed").exists()
