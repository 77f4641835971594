"""A stored profile that cannot be used, as a caller is told of it."""

from __future__ import annotations

from pathlib import Path

from services.servicekit.errors import FailedPrecondition


class ProfileDamaged(FailedPrecondition):
    """The files of a stored profile are not what they should be; the others are not affected.

    Attributes:
        profile: Which one, `landscapes@2`.
        problem: What is wrong, beginning with the file.
        instead: An older version that is whole, `landscapes@1`; empty if that is not what was looked for.
    """

    def __init__(self, profile: str, problem: str, *, instead: str = "") -> None:
        ways = "restore the file or fit the profile again"
        if instead:
            ways = f"restore the file, fit the profile again, or ask for {instead}"
        super().__init__(f"profile {profile} is damaged: {problem}; {ways}")
        self.profile = profile
        self.problem = problem
        self.instead = instead

    @classmethod
    def at(cls, folder: Path, problem: str) -> ProfileDamaged:
        """The error of a version by its folder, `<root>/<name>/<version>`."""
        return cls(f"{folder.parent.name}@{folder.name}", problem)
