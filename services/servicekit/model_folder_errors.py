"""What can be wrong with the folder of an encoder or a detector: each stops the start with one sentence.

Misconfigured
├── ModelFolderUnknown              no folder of this name
└── ModelFolderUnusable
    ├── ModelFolderMissing          no such folder
    ├── ModelFileUnreadable         the description or model.onnx is missing or cannot be read
    ├── DescriptionInvalid          the description is no JSON, or a field of it is wrong
    ├── DescriptionUnsupported      the description is of another format version
    ├── EncoderIdMismatch           encoder.json was edited: the id is not that of its facts
    ├── ModelDigestMismatch         model.onnx is not the file that the description describes
    ├── ModelMalformed              model.onnx is no ONNX file
    └── ModelHasExternalData        model.onnx keeps tensors in other files
"""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import Misconfigured


class ModelFolderUnusable(Misconfigured):
    """A model folder cannot be served.

    Attributes:
        path: The folder, or the file in it that is wrong.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class ModelFolderMissing(ModelFolderUnusable):
    """There is no such folder.

    Attributes:
        kind: What it should hold, `encoder` or `detector`.
    """

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(path, f"there is no such {kind} folder")
        self.kind = kind


class ModelFileUnreadable(ModelFolderUnusable):
    """A file of the folder is missing or cannot be read.

    Attributes:
        cause: What the operating system said.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, f"cannot be read: {cause}")
        self.cause = cause


class DescriptionInvalid(ModelFolderUnusable):
    """The description is not what it should be.

    Attributes:
        field: The wrong field, dotted (`weights.digest`); empty when the file as a whole is wrong.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, *, field: str, problem: str) -> None:
        super().__init__(path, f"field {field!r}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class DescriptionUnsupported(ModelFolderUnusable):
    """The description is of another format version.

    Attributes:
        found: The version in the file.
        supported: The one version that is read here.
    """

    def __init__(self, path: Path, *, found: object, supported: int) -> None:
        super().__init__(path, f"format_version is {found!r}, only {supported} can be read")
        self.found = found
        self.supported = supported


class EncoderIdMismatch(ModelFolderUnusable):
    """The encoder id is not the digest of the architecture, weights and preprocessing beside it.

    Attributes:
        stated: The id in the file.
        computed: The id of what the file describes.
    """

    def __init__(self, path: Path, *, stated: str, computed: str) -> None:
        super().__init__(path, f"encoder_id is {stated}, but what it describes has {computed}")
        self.stated = stated
        self.computed = computed


class ModelDigestMismatch(ModelFolderUnusable):
    """model.onnx is not the file that the description describes.

    Attributes:
        expected: The SHA-256 in the description.
        actual: The SHA-256 of the file.
    """

    def __init__(self, path: Path, *, described_in: str, expected: str, actual: str) -> None:
        super().__init__(path, f"its sha256 is {actual}, {described_in} says {expected}")
        self.expected = expected
        self.actual = actual


class ModelMalformed(ModelFolderUnusable):
    """model.onnx is no ONNX file.

    Attributes:
        problem: Where it stops being one.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, f"is no ONNX file: {problem}")
        self.problem = problem


class ModelHasExternalData(ModelFolderUnusable):
    """model.onnx keeps a tensor outside itself, so its SHA-256 does not cover what is computed.

    Attributes:
        tensor: The name of the first such tensor; may be empty.
    """

    def __init__(self, path: Path, tensor: str) -> None:
        super().__init__(path, f"keeps tensor {tensor!r} outside the file; export it as one file")
        self.tensor = tensor


class ModelFolderUnknown(Misconfigured):
    """No folder has this name.

    Attributes:
        name: What was asked for.
        known: The names that there are.
    """

    def __init__(self, kind: str, name: str, *, known: tuple[str, ...], where: str) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"there is no {kind} {name!r}; there is {there} (in {where})")
        self.name = name
        self.known = known
