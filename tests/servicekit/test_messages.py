from __future__ import annotations

import numpy as np
import pytest

from lodestone.image.v1 import embedding_pb2, image_pb2, rejection_pb2
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import ItemRejected
from services.servicekit.image import DecodeLimits
from services.servicekit.messages import (
    digest_of,
    embedding_from_message,
    embedding_to_message,
    open_message,
    precision_from_message,
    precision_to_message,
    rejection_from_message,
    rejection_to_message,
    rgb_to_image,
    size_of,
)
from services.servicekit.rejection import RejectionCode
from tests.fakes.image_files import encoded, photo

LIMITS = DecodeLimits()


def unit_vector(dimension: int = 8) -> np.ndarray:
    vector = np.arange(1, dimension + 1, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def embedding_message(**changes) -> embedding_pb2.Embedding:
    facts = {"values": unit_vector().tolist(), "encoder_id": "a" * 64, "precision": 1}
    return embedding_pb2.Embedding(**{**facts, **changes})


@pytest.mark.parametrize(
    ("python", "contract", "prefix"),
    [
        (RejectionCode, rejection_pb2.RejectionCode, "REJECTION_CODE_"),
        (Precision, embedding_pb2.Precision, "PRECISION_"),
    ],
)
def test_enums_have_the_names_of_the_contract(python, contract, prefix):
    """A value that is added on one side only would be lost between them."""
    names = {name.removeprefix(prefix) for name in contract.keys()}  # noqa: SIM118 - no mapping

    assert {member.name for member in python} == names - {"UNSPECIFIED"}


def test_a_digest_is_that_of_the_image_as_it_came():
    """Not that of what it decodes to; equal bytes of another shape, or as a file, have another one."""
    file, rgb = encoded(photo(), "PNG"), photo(6, 4)
    images = [
        image_pb2.Image(encoded=file),
        image_pb2.Image(encoded=file + b"\0"),
        rgb_to_image(photo()),
        rgb_to_image(rgb),
        rgb_to_image(rgb.reshape(6, 4, 3)),
        rgb_to_image(rgb.reshape(1, 24, 3)),
        image_pb2.Image(encoded=rgb.tobytes()),
        image_pb2.Image(encoded=b"pixels 4 6:" + rgb.tobytes()),
        image_pb2.Image(),
    ]
    digests = [digest_of(image) for image in images]

    assert {len(one) for one in digests} == {32}
    assert len(set(digests)) == len(images)
    assert digest_of(image_pb2.Image(encoded=file)) == digests[0]
    assert digest_of(rgb_to_image(rgb.copy())) == digests[3]


def test_encoded_images_are_decoded():
    """`encoded` is a file's bytes."""
    message = image_pb2.Image(encoded=encoded(photo(), "PNG"))

    assert np.array_equal(open_message(message, LIMITS).rgb(), photo())


def test_pixels_come_back_as_they_went():
    """`pixels` is decoded already."""
    message = rgb_to_image(photo(7, 5))

    assert (message.pixels.width_px, message.pixels.height_px) == (7, 5)
    assert np.array_equal(open_message(message, LIMITS).rgb(), photo(7, 5))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (image_pb2.Image(), RejectionCode.UNSUPPORTED_FORMAT),
        (image_pb2.Image(encoded=b""), RejectionCode.UNSUPPORTED_FORMAT),
        (image_pb2.Image(pixels=image_pb2.Pixels()), RejectionCode.BAD_PIXELS),
        (
            image_pb2.Image(pixels=image_pb2.Pixels(height_px=2**31 - 1, width_px=2**31 - 1)),
            RejectionCode.BAD_PIXELS,
        ),
    ],
    ids=["no content", "no bytes", "no pixels", "many pixels and no bytes"],
)
def test_an_image_without_content_is_rejected(message, code):
    """It costs a rejection and no memory."""
    with pytest.raises(ItemRejected) as caught:
        open_message(message, LIMITS)

    assert caught.value.code is code


@pytest.mark.parametrize("code", list(RejectionCode))
def test_rejections_come_back_as_they_went(code):
    """Code and reason survive the wire."""
    message = rejection_to_message(ItemRejected(code, "because of 3 px"))

    back = rejection_from_message(rejection_pb2.Rejection.FromString(message.SerializeToString()))

    assert (back.code, back.reason) == (code, "because of 3 px")


@pytest.mark.parametrize("number", [0, 999])
def test_a_rejection_of_a_newer_server_is_still_one(number):
    """Its code is not known here; its reason is kept."""
    message = rejection_pb2.Rejection(code=number, reason="too purple")  # type: ignore[arg-type]

    assert rejection_from_message(message).code is RejectionCode.CORRUPT
    assert rejection_from_message(message).reason == "too purple"


@pytest.mark.parametrize("dimension", [0, 1, 31, 32, 1280, 5000])
def test_an_embedding_is_written_as_from_a_list(dimension):
    """The bytes in the message are those that protobuf writes for the values one by one."""
    values = np.linspace(-1.0, 1.0, dimension, dtype=np.float32)
    written = embedding_to_message(Embedding(values, "a" * 64, Precision.BF16))
    listed = embedding_message(values=values.tolist(), precision=embedding_pb2.PRECISION_BF16)
    assert written == listed
    assert written.SerializeToString(deterministic=True) == listed.SerializeToString(
        deterministic=True
    )


def test_an_embedding_in_any_layout_is_written():
    """Every other value of an array in the other byte order is written all the same."""
    values = np.linspace(-1.0, 1.0, 20, dtype=">f4")[::2]
    written = embedding_to_message(Embedding(values, "a" * 64, Precision.FP32))
    assert list(written.values) == values.tolist()


@pytest.mark.parametrize("precision", list(Precision))
def test_embeddings_come_back_as_they_went(precision):
    """Bit for bit: `repeated float` is float32."""
    message = embedding_to_message(Embedding(unit_vector(), "a" * 64, precision))

    back = embedding_from_message(embedding_pb2.Embedding.FromString(message.SerializeToString()))

    assert np.array_equal(back.values, unit_vector())
    assert back.values.dtype == np.float32
    assert (back.encoder_id, back.precision) == ("a" * 64, precision)


@pytest.mark.parametrize("factor", [0.9991, 1.0009])
def test_a_norm_within_a_thousandth_passes(factor):
    """Rounding in another language is no reason to reject."""
    message = embedding_message(values=(unit_vector() * factor).tolist())

    assert embedding_from_message(message).values.size == 8


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"values": []}, "L2 norm of its 0 values is 0"),
        ({"values": [1.0, 1.0]}, "L2 norm of its 2 values is 1.41"),
        ({"values": (unit_vector() * 1.002).tolist()}, "L2 norm"),
        ({"values": [float("nan"), 1.0]}, "is nan"),
        ({"values": [float("inf")]}, "is inf"),
        ({"values": [3e38, 3e38]}, "L2 norm"),
        ({"precision": 0}, "not stated"),
        ({"precision": 77}, "77, is not known"),
    ],
    ids=["empty", "too long", "just too long", "NaN", "infinite", "huge", "no precision", "newer"],
)
def test_a_wrong_embedding_is_rejected(changes, reason):
    """Each with what is wrong about it."""
    with pytest.raises(ItemRejected, match=reason) as caught:
        embedding_from_message(embedding_message(**changes))

    assert caught.value.code is RejectionCode.BAD_EMBEDDING


@pytest.mark.parametrize("precision", list(Precision))
def test_precisions_come_back_as_they_went(precision):
    """The names are the same on both sides."""
    assert precision_from_message(precision_to_message(precision)) is precision


def test_the_size_of_an_image_is_that_of_its_bytes():
    """Not what its shape says: that may lie."""
    pixels = image_pb2.Image(pixels=image_pb2.Pixels(height_px=4, width_px=5, rgb=bytes(60)))
    small = image_pb2.Image(pixels=image_pb2.Pixels(height_px=1, width_px=1, rgb=bytes(5_000)))
    large = image_pb2.Image(pixels=image_pb2.Pixels(height_px=-(2**31), width_px=2**31 - 1))

    assert size_of(pixels) == 60
    assert size_of(image_pb2.Image(encoded=b"1234567")) == 7
    assert size_of(image_pb2.Image()) == 0
    assert size_of(small) == 5_000
    assert size_of(large) == 0
