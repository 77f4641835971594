"""What can be wrong with an encoder folder: each stops the start with one sentence.

Misconfigured
└── EncoderUnusable
    ├── EncoderFolderMissing       no such folder
    ├── EncoderFileUnreadable      encoder.json or model.onnx is missing or cannot be read
    ├── EncoderDescriptionInvalid  encoder.json is no JSON, or a field of it is wrong
    ├── EncoderFormatUnsupported   encoder.json is of another format version
    ├── EncoderIdMismatch          encoder.json was edited: the id is not that of its facts
    ├── ModelDigestMismatch        model.onnx is not the file that encoder.json describes
    ├── ModelMalformed             model.onnx is no ONNX file
    └── ModelHasExternalData       model.onnx keeps tensors in other files
"""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import Misconfigured


class EncoderUnusable(Misconfigured):
    """An encoder folder cannot be served.

    Attributes:
        path: The folder, or the file in it that is wrong.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class EncoderFolderMissing(EncoderUnusable):
    """There is no such folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is no such encoder folder")


class EncoderFileUnreadable(EncoderUnusable):
    """A file of the folder is missing or cannot be read.

    Attributes:
        cause: What the operating system said.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, f"cannot be read: {cause}")
        self.cause = cause


class EncoderDescriptionInvalid(EncoderUnusable):
    """encoder.json is not what it should be.

    Attributes:
        field: The wrong field, dotted (`weights.digest`); empty when the file as a whole is wrong.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, *, field: str, problem: str) -> None:
        super().__init__(path, f"field {field!r}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class EncoderFormatUnsupported(EncoderUnusable):
    """encoder.json is of another format version.

    Attributes:
        found: The version in the file.
        supported: The one version that is read here.
    """

    def __init__(self, path: Path, *, found: object, supported: int) -> None:
        super().__init__(path, f"format_version is {found!r}, only {supported} can be read")
        self.found = found
        self.supported = supported


class EncoderIdMismatch(EncoderUnusable):
    """The encoder id is not the digest of the architecture, weights and preprocessing beside it.

    Attributes:
        stated: The id in the file.
        computed: The id of what the file describes.
    """

    def __init__(self, path: Path, *, stated: str, computed: str) -> None:
        super().__init__(path, f"encoder_id is {stated}, but what it describes has {computed}")
        self.stated = stated
        self.computed = computed


class ModelDigestMismatch(EncoderUnusable):
    """model.onnx is not the file that encoder.json describes.

    Attributes:
        expected: The SHA-256 in encoder.json.
        actual: The SHA-256 of the file.
    """

    def __init__(self, path: Path, *, expected: str, actual: str) -> None:
        super().__init__(path, f"its sha256 is {actual}, encoder.json says {expected}")
        self.expected = expected
        self.actual = actual


class ModelMalformed(EncoderUnusable):
    """model.onnx is no ONNX file.

    Attributes:
        problem: Where it stops being one.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, f"is no ONNX file: {problem}")
        self.problem = problem


class ModelHasExternalData(EncoderUnusable):
    """model.onnx keeps a tensor outside itself, so its SHA-256 does not cover what is computed.

    Attributes:
        tensor: The name of the first such tensor; may be empty.
    """

    def __init__(self, path: Path, tensor: str) -> None:
        super().__init__(path, f"keeps tensor {tensor!r} outside the file; export it as one file")
        self.tensor = tensor
