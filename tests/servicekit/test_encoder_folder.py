import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from services.servicekit.encoder_description import EncoderDescription, EncoderWeights
from services.servicekit.encoder_folder import EncoderFolder, load_encoder_folder
from services.servicekit.model_folder_errors import (
    DescriptionInvalid,
    DescriptionUnsupported,
    EncoderIdMismatch,
    ModelDigestMismatch,
    ModelFileUnreadable,
    ModelFolderMissing,
    ModelHasExternalData,
    ModelMalformed,
)
from services.servicekit.resize import InputShape, ResizeRule
from tests.servicekit.onnx_bytes import EXTERNAL, INITIALIZER, message, model, tensor

BUNDLED = Path(__file__).parents[2] / "encoders" / "efficientnet-lite0"
GOOD_MODEL = model(message(INITIALIZER, tensor("weight")))


def write_folder(path: Path, content: bytes = GOOD_MODEL) -> Path:
    """An encoder folder around a model of these bytes; its description vouches for them."""
    draft = EncoderDescription(
        encoder_id="0" * 64,
        name="tiny",
        architecture="test/tiny",
        weights=EncoderWeights("nowhere", "none", "ab" * 32),
        dimension=8,
        input_width_px=32,
        input_height_px=24,
        resize=ResizeRule.CENTER_CROP,
        interpolation="bicubic",
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        opset=18,
        sha256=hashlib.sha256(content).hexdigest(),
        precision="fp32",
    )
    path.mkdir()
    (path / "model.onnx").write_bytes(content)
    described = replace(draft, encoder_id=draft.computed_id())
    (path / "encoder.json").write_bytes(described.to_json())
    return path


def edit(folder: Path, **changes) -> None:
    """Changes fields of encoder.json by hand."""
    path = folder / "encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_good_folder_is_loaded(tmp_path):
    """The facts of encoder.json, the path, and the bytes of the model."""
    path = write_folder(tmp_path / "tiny")

    folder = load_encoder_folder(path)

    assert isinstance(folder, EncoderFolder)
    assert (folder.name, folder.dimension, folder.path) == ("tiny", 8, path)
    assert folder.input_shape == InputShape(32, 24, ResizeRule.CENTER_CROP)
    assert folder.read_model() == GOOD_MODEL


def test_the_bundled_encoder_is_loaded():
    """The folder in the repository is whole, and its id is that of its facts."""
    folder = load_encoder_folder(BUNDLED)

    assert (folder.name, folder.dimension) == ("efficientnet-lite0", 1280)
    assert folder.encoder_id == folder.computed_id()
    assert (folder.mean, folder.std) == ((127.0,) * 3, (128.0,) * 3)


def test_the_bundled_encoder_names_no_place_on_a_machine():
    """The exporter's notes about its source files were dropped."""
    content = load_encoder_folder(BUNDLED).read_model()

    for trace in (b"/home/", b"/root/", b"/tmp/", b"/usr/", b"site-packages", b".py"):
        assert trace not in content


def test_a_missing_folder_is_named(tmp_path):
    """A wrong path, or a file in its place."""
    (tmp_path / "file").write_bytes(b"")

    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(ModelFolderMissing) as caught:
            load_encoder_folder(path)
        assert caught.value.path == path


@pytest.mark.parametrize("name", ["encoder.json", "model.onnx"])
def test_a_missing_file_is_named(tmp_path, name):
    """Half an encoder folder is none."""
    path = write_folder(tmp_path / "tiny")
    (path / name).unlink()

    with pytest.raises(ModelFileUnreadable) as caught:
        load_encoder_folder(path)

    assert caught.value.path == path / name
    assert caught.value.cause == "No such file or directory"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A folder where the model should be, for example."""
    path = write_folder(tmp_path / "tiny")
    (path / "model.onnx").unlink()
    (path / "model.onnx").mkdir()

    with pytest.raises(ModelFileUnreadable) as caught:
        load_encoder_folder(path)

    assert caught.value.cause == "it is no file"


def test_a_wrong_field_is_named_with_its_file(tmp_path):
    """The path in the error is that of encoder.json."""
    path = write_folder(tmp_path / "tiny")
    edit(path, resize="stretch")

    with pytest.raises(DescriptionInvalid) as caught:
        load_encoder_folder(path)

    assert (caught.value.path, caught.value.field) == (path / "encoder.json", "resize")


def test_another_format_version_is_refused(tmp_path):
    """A folder of a later Lodestone."""
    path = write_folder(tmp_path / "tiny")
    edit(path, format_version=2)

    with pytest.raises(DescriptionUnsupported):
        load_encoder_folder(path)


def test_edited_preprocessing_is_refused(tmp_path):
    """It would give other embeddings under the same id."""
    path = write_folder(tmp_path / "tiny")
    stated = load_encoder_folder(path).encoder_id
    edit(path, resize="squash")

    with pytest.raises(EncoderIdMismatch) as caught:
        load_encoder_folder(path)

    assert caught.value.stated == stated
    assert caught.value.computed != stated


def test_a_changed_model_is_refused_naming_both_digests(tmp_path):
    """One flipped bit is another file."""
    path = write_folder(tmp_path / "tiny")
    expected = load_encoder_folder(path).sha256
    (path / "model.onnx").write_bytes(GOOD_MODEL[:-1] + b"\x41")

    with pytest.raises(ModelDigestMismatch) as caught:
        load_encoder_folder(path)

    assert caught.value.expected == expected
    assert caught.value.actual == hashlib.sha256(GOOD_MODEL[:-1] + b"\x41").hexdigest()
    assert expected in str(caught.value)
    assert caught.value.actual in str(caught.value)


def test_external_data_is_refused_though_the_digest_is_right(tmp_path):
    """The digest covers the file that names the weights, not the weights."""
    content = model(message(INITIALIZER, tensor("conv.weight", EXTERNAL)))

    with pytest.raises(ModelHasExternalData) as caught:
        load_encoder_folder(write_folder(tmp_path / "tiny", content))

    assert caught.value.tensor == "conv.weight"


@pytest.mark.parametrize("content", [b"PK\x03\x04not a model", b"\x80\x04\x95.", b"\x00\x00"])
def test_a_model_that_is_no_onnx_file_is_refused(tmp_path, content):
    """A pickle or an archive under the name of a model."""
    with pytest.raises(ModelMalformed):
        load_encoder_folder(write_folder(tmp_path / "tiny", content))


def test_a_model_that_is_replaced_after_loading_is_not_read(tmp_path):
    """What reaches the runtime is what was checked."""
    folder = load_encoder_folder(write_folder(tmp_path / "tiny"))
    (folder.path / "model.onnx").write_bytes(model(message(INITIALIZER, tensor("other"))))

    with pytest.raises(ModelDigestMismatch):
        folder.read_model()


def test_a_folder_can_be_moved(tmp_path):
    """Nothing in it depends on where it lies."""
    before = load_encoder_folder(write_folder(tmp_path / "tiny"))
    shutil.move(tmp_path / "tiny", tmp_path / "elsewhere")

    after = load_encoder_folder(tmp_path / "elsewhere")

    assert replace(after, path=before.path) == before
