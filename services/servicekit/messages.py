"""Between the shared messages of the contract (lodestone.image.v1) and the domain's types."""

from __future__ import annotations

import hashlib

import numpy as np
from google.protobuf import wrappers_pb2

from lodestone.image.v1 import embedding_pb2, image_pb2, rejection_pb2
from services.servicekit.embedding import Embedding, Precision
from services.servicekit.errors import ItemRejected
from services.servicekit.image import (
    DecodeLimits,
    OpenImage,
    Rgb,
    open_image,
    open_pixels,
    pixels_to_rgb,
)
from services.servicekit.rejection import RejectionCode

NORM_TOLERANCE = 1e-3


def open_message(message: image_pb2.Image, limits: DecodeLimits) -> OpenImage:
    """Opens the message's image, a file or pixels.

    Raises:
        ItemRejected: It has no content, or one that cannot be read.
    """
    content = message.WhichOneof("content")
    if content == "encoded":
        return open_image(message.encoded, limits)
    if content == "pixels":
        pixels = message.pixels
        rgb = pixels_to_rgb(pixels.rgb, height_px=pixels.height_px, width_px=pixels.width_px)
        return open_pixels(rgb)
    raise ItemRejected(RejectionCode.UNSUPPORTED_FORMAT, "the image has no content")


def size_of(message: image_pb2.Image) -> int:
    """How many bytes an image has, whatever it says of its shape."""
    return len(message.pixels.rgb if message.HasField("pixels") else message.encoded)


def digest_of(message: image_pb2.Image) -> bytes:
    """SHA-256, 32 bytes, of the message's image as it came.

    Pixels of another shape have another one, and no file has that of pixels.
    """
    pixels = message.pixels if message.HasField("pixels") else None
    head = "encoded" if pixels is None else f"pixels {pixels.height_px} {pixels.width_px}"
    digest = hashlib.sha256(f"{head}:".encode())
    digest.update(message.encoded if pixels is None else pixels.rgb)
    return digest.digest()


def rgb_to_image(rgb: Rgb) -> image_pb2.Image:
    """Wraps (h, w, 3) uint8 pixels as an image message."""
    height_px, width_px = rgb.shape[:2]
    pixels = image_pb2.Pixels(height_px=height_px, width_px=width_px, rgb=rgb.tobytes())
    return image_pb2.Image(pixels=pixels)


def rejection_to_message(error: ItemRejected) -> rejection_pb2.Rejection:
    """Writes a rejection; the codes have the same names on both sides."""
    code = rejection_pb2.RejectionCode.Value(f"REJECTION_CODE_{error.code.name}")
    return rejection_pb2.Rejection(code=code, reason=error.reason)


def rejection_from_message(message: rejection_pb2.Rejection) -> ItemRejected:
    """Reads a rejection; a code that only a newer server knows becomes CORRUPT, with that server's reason."""
    name = ""
    if message.code in rejection_pb2.RejectionCode.values():
        name = rejection_pb2.RejectionCode.Name(message.code).removeprefix("REJECTION_CODE_")
    code = RejectionCode.__members__.get(name, RejectionCode.CORRUPT)
    return ItemRejected(code, message.reason)


def embedding_to_message(embedding: Embedding) -> embedding_pb2.Embedding:
    """Writes an embedding: from its bytes, in a quarter of the time that a list of its values takes."""
    message = embedding_pb2.Embedding(
        encoder_id=embedding.encoder_id, precision=precision_to_message(embedding.precision)
    )
    # Packed floats are little-endian singles behind their length, as a field of bytes is; both fields are number 1.
    packed = wrappers_pb2.BytesValue(value=embedding.values.astype("<f4").tobytes())
    message.MergeFromString(packed.SerializeToString())
    return message


def embedding_from_message(message: embedding_pb2.Embedding) -> Embedding:
    """Reads an embedding.

    Raises:
        ItemRejected: Its precision is not stated or not known here, a value is not finite, or its L2 norm is not 1
            within 0.001.
    """
    values = np.asarray(message.values, dtype=np.float32)
    precision = precision_from_message(message.precision)
    norm = float(np.linalg.norm(values.astype(np.float64)))
    if not abs(norm - 1.0) <= NORM_TOLERANCE:
        reason = f"the L2 norm of its {values.size} values is {norm:g}, not 1"
        raise ItemRejected(RejectionCode.BAD_EMBEDDING, reason)
    return Embedding(values, message.encoder_id, precision)


def precision_to_message(precision: Precision) -> embedding_pb2.Precision.ValueType:
    """Writes a precision; the names are the same on both sides."""
    return embedding_pb2.Precision.Value(f"PRECISION_{precision.name}")


def precision_from_message(message: embedding_pb2.Precision.ValueType) -> Precision:
    """Reads a precision.

    Raises:
        ItemRejected: It is not stated, or one that a newer client knows.
    """
    if message == embedding_pb2.PRECISION_UNSPECIFIED:
        raise ItemRejected(RejectionCode.BAD_EMBEDDING, "its precision is not stated")
    if message not in embedding_pb2.Precision.values():
        raise ItemRejected(
            RejectionCode.BAD_EMBEDDING, f"its precision, {message}, is not known here"
        )
    return Precision[embedding_pb2.Precision.Name(message).removeprefix("PRECISION_")]
