"""`lodestone profile delete`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from lodestone.cli.errors import WrongUsage
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import novelty_client
from lodestone.cli.words import count_of, reference
from lodestone.novelty.v1.profile_pb2 import Profile


def delete(
    profile: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="`landscapes@3` for one version, `landscapes` for all."
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Delete one version of a profile, or all of them, for good. What was kept under it stays kept.

    A crawl that goes by a deleted version fails. Its number is not given out again.
    """
    output = Output(as_json=as_json)
    what = profile if "@" in profile else f"every version of {profile}"
    if not yes:
        if not sys.stdin.isatty():
            raise WrongUsage(f"say --yes to delete {what}: there is nobody to ask")
        typer.confirm(f"Delete {what} for good?", abort=True, err=True)
    versions, newest = asyncio.run(_delete(profile))
    name = profile.partition("@")[0]
    if as_json:
        newest_version = newest.version if newest else None
        output.object({"name": name, "versions": versions, "newest_version": newest_version})
        return
    deleted = ", ".join(f"{name}@{version}" for version in versions)
    output.text(f"deleted {count_of(len(versions), 'version')}: {deleted}")
    if newest is not None:
        output.text(f"{reference(newest)} is the newest now")


async def _delete(reference: str) -> tuple[list[int], Profile | None]:
    """The versions that were deleted, and the newest one that is left."""
    name = reference.partition("@")[0]
    async with novelty_client() as novelty:
        await novelty.require_reachable()
        versions = await novelty.delete_profile(reference)
        left = {one.name: one for one in await novelty.list_profiles()}
        return versions, left.get(name)
