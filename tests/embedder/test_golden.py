import numpy as np
import onnxruntime
import pytest

from services.servicekit.encoder_folder import EncoderFolder, load_encoder_folder
from services.servicekit.resize import to_input
from tests.embedder.golden import ENCODER_FOLDER, EVERY, TOLERANCE, load_golden


@pytest.fixture(scope="module")
def folder() -> EncoderFolder:
    return load_encoder_folder(ENCODER_FOLDER)


@pytest.fixture(scope="module")
def session(folder):
    return onnxruntime.InferenceSession(folder.read_model(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("golden", load_golden(), ids=lambda case: f"{case.width_px}px")
def test_the_bundled_graph_gives_the_embeddings_that_torch_gave(golden, folder, session):
    """The graph in the repository computes what the published weights compute."""
    [embedding] = session.run(["embedding"], {"pixels": golden.pixels[None]})[0]

    assert golden.encoder_id == folder.encoder_id
    assert np.abs(embedding[::EVERY] - golden.values).max() <= TOLERANCE
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("golden", load_golden(), ids=lambda case: f"{case.width_px}px")
def test_what_is_scaled_here_embeds_as_what_pillow_scaled(golden, folder, session):
    """One level in some hundred values moves no embedding that matters."""
    ours = to_input(golden.image, folder.input_shape)
    batch = np.stack([ours, golden.pixels])

    first, second = session.run(["embedding"], {"pixels": batch})[0].astype(np.float64)

    assert first @ second >= 0.9999


def test_the_golden_embeddings_differ_by_more_than_their_tolerance():
    """The comparison above can tell two images apart."""
    first, second = (golden.values for golden in load_golden())

    assert np.abs(first - second).max() > 10 * TOLERANCE


def test_the_bundled_graph_has_the_contract_of_an_encoder(folder, session):
    """One input of free batch size in pixels, one output of the stated dimension."""
    [pixels], [embedding] = session.get_inputs(), session.get_outputs()

    assert (pixels.name, pixels.type, pixels.shape[1:]) == (
        "pixels",
        "tensor(uint8)",
        [224, 224, 3],
    )
    assert (embedding.name, embedding.type) == ("embedding", "tensor(float)")
    assert embedding.shape[1] == folder.dimension
    assert isinstance(pixels.shape[0], str)


def test_an_embedding_does_not_depend_on_the_images_beside_it(session):
    """Batching requests together changes no answer."""
    image = load_golden()[0].image
    batch = np.stack([image, image[::-1], image[:, ::-1]])

    alone = session.run(["embedding"], {"pixels": batch[:1]})[0][0]
    together = session.run(["embedding"], {"pixels": batch})[0][0]

    assert np.abs(alone - together).max() <= 1e-6
