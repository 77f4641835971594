"""What can go wrong while the sample photos are fetched, one clear line each."""

from __future__ import annotations


class SamplePhotosError(Exception):
    """Base of the errors here; its message is one line for a person."""


class ToolMissingError(SamplePhotosError):
    """A program that the sample photos need is not on the PATH.

    Attributes:
        tool: Its name, such as `apt-get`.
    """

    def __init__(self, tool: str) -> None:
        super().__init__(f"{tool} is not here: the Debian sample photos need it")
        self.tool = tool


class DownloadError(SamplePhotosError):
    """What was asked for could not be downloaded.

    Attributes:
        what: Package names or an address.
        reason: The other side's last word, one line.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"could not download {what}: {reason}")
        self.what = what
        self.reason = reason


class UnpackError(SamplePhotosError):
    """A downloaded package could not be unpacked.

    Attributes:
        package: The file's name.
        reason: dpkg-deb's last word, one line.
    """

    def __init__(self, package: str, reason: str) -> None:
        super().__init__(f"could not unpack {package}: {reason}")
        self.package = package
        self.reason = reason


class TooFewPhotosError(SamplePhotosError):
    """A source gave too few photos of one role to show anything.

    Attributes:
        role: liked, held_back, background or other.
        found: How many there were.
        wanted: How many there must be at least.
        missing: The packages that were not to be had; may be empty.
    """

    def __init__(
        self, role: str, *, found: int, wanted: int, missing: tuple[str, ...] = ()
    ) -> None:
        unknown = f" (packages that are not there: {', '.join(missing)})" if missing else ""
        super().__init__(
            f"only {found} {role} sample photos of at least {wanted} were found{unknown}"
        )
        self.role = role
        self.found = found
        self.wanted = wanted
        self.missing = missing
