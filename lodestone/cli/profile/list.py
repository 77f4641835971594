"""`lodestone profile list`: the profiles that there are."""

from __future__ import annotations

import asyncio
from typing import Any

from lodestone.cli.facts import profile_facts
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.running import novelty_client
from lodestone.cli.words import minute_text, nats_text, one_line
from lodestone.novelty.v1.profile_pb2 import Profile


def list_profiles(as_json: JsonOption = False, _data: DataOption = DEFAULT_DATA) -> None:
    """List the newest version of every profile."""
    output = Output(as_json=as_json)
    profiles = asyncio.run(_list())
    if as_json:
        for profile in profiles:
            output.object(_listed_facts(profile))
    elif profiles:
        columns = ("profile", ">liked", ">background", ">components", ">threshold, nats", "~fitted")
        output.table(columns, (_row(profile) for profile in profiles))
    else:
        output.text("no profiles yet: make one with `lodestone profile fit NAME DIR`")


async def _list() -> list[Profile]:
    async with novelty_client() as novelty:
        await novelty.require_reachable()
        return await novelty.list_profiles()


def _listed_facts(profile: Profile) -> dict[str, Any]:
    facts = profile_facts(profile)
    if profile.damage:
        facts = dict.fromkeys(facts) | {"name": profile.name, "version": profile.version}
    return {**facts, "damage": profile.damage}


def _row(profile: Profile) -> tuple[str, ...]:
    reference = f"{profile.name}@{profile.version}"
    if profile.damage:
        return (reference, *["–"] * 4, f"damaged: {one_line(profile.damage)}")
    return (
        reference,
        f"{profile.liked_count:,}",
        f"{profile.background_count:,}",
        str(profile.component_count),
        nats_text(profile.threshold_nats),
        minute_text(profile.create_time),
    )
