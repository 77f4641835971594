from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from services.embedder.encoder import Encoder, EncoderUnfit, NoEmbeddings
from services.servicekit.embedding import Precision
from tests.fakes.fake_backend import FakeBackend, fake_encoder_folder
from tests.fakes.image_files import photo

FOLDER = fake_encoder_folder()


def pixels(count: int) -> np.ndarray:
    return np.stack([photo(64, 64, seed=seed) for seed in range(count)])


@pytest.mark.parametrize("count", [1, 5])
def test_images_become_unit_vectors_in_their_order(count):
    """One row per image, of the folder's dimension."""
    encoder = Encoder(FOLDER, FakeBackend())

    embeddings = encoder.embed(pixels(count))

    assert embeddings.shape == (count, 64)
    assert embeddings.dtype == np.float32
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    for row, image in zip(embeddings, pixels(count), strict=True):
        assert np.allclose(row, encoder.embed(image[None])[0], atol=1e-6)


def test_an_encoder_says_what_it_is():
    """The folder's facts, and of the backend what computes and in which precision."""
    encoder = Encoder(FOLDER, FakeBackend())

    assert encoder.facts is FOLDER
    assert encoder.precision is Precision.FP32
    assert encoder.execution_provider == "FakeExecutionProvider"


def test_warming_up_computes_each_batch_size():
    """After the one image that loading computes."""
    backend = FakeBackend()

    Encoder(FOLDER, backend).warm_up(4)

    assert set(backend.batch_sizes) == {1, 2, 4}


class WrongBackend(FakeBackend):
    def __init__(self, change) -> None:
        super().__init__()
        self._change = change

    def run(self, batch):
        return self._change(super().run(batch)[0])


def failing(_):
    message = "Got invalid dimensions\nfor input: pixels"
    raise RuntimeError(message)


WRONG = {
    "another dimension": (lambda out: [out[:, :32]], r"gives \(1, 32\) float32 .* not \(1, 64\)"),
    "a map, not a vector": (lambda out: [out[:, :, None]], r"gives \(1, 64, 1\) float32"),
    "another batch size": (lambda out: [np.repeat(out, 2, axis=0)], r"gives \(2, 64\) float32"),
    "float64": (lambda out: [out.astype(np.float64)], r"float64 for 1 images"),
    "two outputs": (lambda out: [out, out], "2 outputs, not one"),
    "not normalised": (lambda out: [out * 3], "L2 norm of an embedding is 3, not 1"),
    "not finite": (lambda out: [out * np.float32("nan")], "is nan, not 1"),
    "another input": (failing, "its network fails: Got invalid dimensions for input: pixels"),
}


@pytest.mark.parametrize(("change", "problem"), WRONG.values(), ids=WRONG)
def test_a_network_that_does_not_fit_its_folder_is_not_served(change, problem):
    """It is found at the start, in one line with the encoder's name, not by the first caller."""
    with pytest.raises(EncoderUnfit, match=problem) as caught:
        Encoder(FOLDER, WrongBackend(change))

    assert str(caught.value).startswith("encoder 'fake' cannot be served: ")
    assert "\n" not in str(caught.value)


def test_a_network_of_a_fixed_batch_size_is_not_served():
    """Warming up computes more than one image."""
    encoder = Encoder(FOLDER, WrongBackend(lambda out: [out[:1]]))

    with pytest.raises(EncoderUnfit, match=r"fails: the model gives 1 rows for a batch of 2"):
        encoder.warm_up(8)


def test_the_folder_decides_the_dimension():
    """The same network under other facts does not fit them."""
    other = dataclasses.replace(FOLDER, dimension=65)

    with pytest.raises(EncoderUnfit, match=r"not \(1, 65\) float32"):
        Encoder(other, FakeBackend())


@pytest.mark.parametrize("change", [lambda row: row * np.nan, lambda row: row * 1.01])
def test_what_is_no_embedding_is_not_given_out(change):
    """Black images pass at the start; a later one overflows half precision."""

    class Overflowing(FakeBackend):
        def run(self, batch):
            [embeddings] = super().run(batch)
            bright = batch.mean(axis=(1, 2, 3)) > 200
            embeddings[bright] = change(embeddings[bright])
            return [embeddings]

    encoder = Encoder(FOLDER, Overflowing())
    images = np.zeros((3, 64, 64, 3), np.uint8)
    assert encoder.embed(images).shape == (3, 64)
    images[1] = 255

    with pytest.raises(NoEmbeddings, match="the L2 norm of one is (nan|1.01), not 1"):
        encoder.embed(images)
