"""What can go wrong in an export; InvalidInput ends the command with status 2, the others with 1."""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import InvalidInput, Misconfigured, NotFound, Unavailable

_CAUSE_MAX_CHARS = 300


class UnknownEncoder(InvalidInput):
    """No encoder of this name can be exported.

    Attributes:
        name: What was asked for.
        known: The nearest names that exist.
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no encoder {name!r} can be exported; there is {', '.join(known)}")
        self.name = name
        self.known = known


class WeightsUnclear(InvalidInput):
    """The options do not name exactly one origin of the weights.

    Attributes:
        name: The encoder.
        rule: What it takes.
    """

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name} takes {rule}")
        self.name = name
        self.rule = rule


class UnknownPretrainedTag(InvalidInput):
    """The architecture has no pretrained weights of this tag.

    Attributes:
        name: The encoder.
        tag: What was asked for.
        known: The tags that it has.
    """

    def __init__(self, name: str, tag: str, known: tuple[str, ...]) -> None:
        there = ", ".join(known) or "none"
        super().__init__(f"{name} has no pretrained weights {tag!r}; there is {there}")
        self.name = name
        self.tag = tag
        self.known = known


class OutFolderUnusable(Misconfigured):
    """The encoder cannot be written where it was asked for.

    Attributes:
        path: The folder.
        cause: Why not.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: cannot write an encoder there: {cause}")
        self.path = path
        self.cause = cause


class PackageMissing(Misconfigured):
    """A package that only exporting needs is not installed.

    Attributes:
        package: The module that could not be imported.
    """

    def __init__(self, package: str) -> None:
        super().__init__(f"exporting needs {package}, which is not installed: see the export extra")
        self.package = package


class CheckpointMissing(NotFound):
    """There is no such checkpoint file."""

    def __init__(self, path: Path) -> None:
        super().__init__("checkpoint", str(path))


class CheckpointUnusable(Misconfigured):
    """The checkpoint does not hold this architecture's weights.

    Attributes:
        path: The file.
        cause: Why not, one line.
    """

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: not this architecture's weights: {cause}")
        self.path = path
        self.cause = cause


class WeightsUnavailable(Unavailable):
    """The weights could not be fetched from their hub; `dependency` is their page there."""

    def __init__(self, page: str, cause: str) -> None:
        super().__init__(page, cause)


class NotExportable(Misconfigured):
    """The architecture exists but does not fit the contract of an encoder folder.

    Attributes:
        name: The encoder.
        problem: What does not fit.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} cannot be exported: {problem}")
        self.name = name
        self.problem = problem


def error_line(error: BaseException) -> str:
    """An error's text as `one_line`; its class where it has none."""
    return one_line(str(error)) or type(error).__name__


def one_line(text: str) -> str:
    """The text on one line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _CAUSE_MAX_CHARS else line[: _CAUSE_MAX_CHARS - 1] + "…"
