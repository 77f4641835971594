"""What can be wrong with a detector folder: each stops the start with one sentence.

Misconfigured
└── DetectorUnusable
    ├── DetectorFolderMissing       no such folder
    ├── DetectorFileUnreadable      detector.json or model.onnx is missing or cannot be read
    ├── DetectorDescriptionInvalid  detector.json is no JSON, or a field of it is wrong
    ├── DetectorFormatUnsupported   detector.json is of another format version
    ├── DetectorDigestMismatch      model.onnx is not the file that detector.json describes
    ├── DetectorMalformed           model.onnx is no ONNX file
    └── DetectorHasExternalData     model.onnx keeps tensors in other files
"""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import Misconfigured


class DetectorUnusable(Misconfigured):
    """A detector folder cannot be served.

    Attributes:
        path: The folder, or the file in it that is wrong.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class DetectorFolderMissing(DetectorUnusable):
    """There is no such folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is no such detector folder")


class DetectorFileUnreadable(DetectorUnusable):
    """A file of the folder is missing or cannot be read.

    Attributes:
        cause: What the operating system said.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(path, f"cannot be read: {cause}")
        self.cause = cause


class DetectorDescriptionInvalid(DetectorUnusable):
    """detector.json is not what it should be.

    Attributes:
        field: The wrong field; empty when the file as a whole is wrong.
        problem: What is wrong with it.
    """

    def __init__(self, path: Path, *, field: str, problem: str) -> None:
        super().__init__(path, f"field {field!r}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class DetectorFormatUnsupported(DetectorUnusable):
    """detector.json is of another format version.

    Attributes:
        found: The version in the file.
        supported: The one version that is read here.
    """

    def __init__(self, path: Path, *, found: object, supported: int) -> None:
        super().__init__(path, f"format_version is {found!r}, only {supported} can be read")
        self.found = found
        self.supported = supported


class DetectorDigestMismatch(DetectorUnusable):
    """model.onnx is not the file that detector.json describes.

    Attributes:
        expected: The detector id in detector.json.
        actual: The SHA-256 of the file.
    """

    def __init__(self, path: Path, *, expected: str, actual: str) -> None:
        super().__init__(path, f"its sha256 is {actual}, detector.json says {expected}")
        self.expected = expected
        self.actual = actual


class DetectorMalformed(DetectorUnusable):
    """model.onnx is no ONNX file.

    Attributes:
        problem: Where it stops being one.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, f"is no ONNX file: {problem}")
        self.problem = problem


class DetectorHasExternalData(DetectorUnusable):
    """model.onnx keeps a tensor outside itself, so its SHA-256 does not cover what is computed.

    Attributes:
        tensor: The name of the first such tensor; may be empty.
    """

    def __init__(self, path: Path, tensor: str) -> None:
        super().__init__(path, f"keeps tensor {tensor!r} outside the file; export it as one file")
        self.tensor = tensor
