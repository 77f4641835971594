"""`lodestone profile set`: another threshold."""

from __future__ import annotations

import asyncio

from lodestone.cli.errors import WrongUsage
from lodestone.cli.facts import profile_facts
from lodestone.cli.fit.change import change_facts, change_lines
from lodestone.cli.fit.options import (
    KeepRatioOption,
    PassRatioOption,
    ReferenceArgument,
    ThresholdOption,
    ThresholdWay,
)
from lodestone.cli.fit.refit_report import rejudge_hint
from lodestone.cli.fit.report import print_warnings
from lodestone.cli.options import DEFAULT_DATA, DataOption, JsonOption
from lodestone.cli.output import Output
from lodestone.cli.profile.rows import aim_text
from lodestone.cli.running import novelty_client
from lodestone.cli.words import reference
from lodestone.novelty.v1.novelty_service_pb2 import UpdateProfileRequest
from lodestone.novelty.v1.profile_pb2 import Profile

_FIELDS = {
    "--keep-ratio": "keep_ratio",
    "--pass-ratio": "pass_ratio",
    "--threshold": "threshold_nats",
}


def set_threshold(
    profile: ReferenceArgument,
    *,
    keep_ratio: KeepRatioOption = None,
    pass_ratio: PassRatioOption = None,
    threshold: ThresholdOption = None,
    as_json: JsonOption = False,
    _data: DataOption = DEFAULT_DATA,
) -> None:
    """Set another threshold: a new version of the profile with the same mixture. Old versions stay."""
    way = ThresholdWay(keep_ratio, pass_ratio, threshold)
    if not way.stated():
        raise WrongUsage("say where the threshold goes: --keep-ratio, --pass-ratio or --threshold")
    before, after = asyncio.run(_set(profile, way))
    output = Output(as_json=as_json)
    if as_json:
        output.object({"profile": profile_facts(after), "before": change_facts(before)})
        return
    if after.version == before.version:
        output.text(_unchanged(after, way))
        return
    output.text(f"{reference(after)}, from {reference(before)}")
    for line in change_lines(before, after):
        output.text(line)
    output.text(rejudge_hint(after))
    print_warnings(output, after)


def _unchanged(profile: Profile, way: ThresholdWay) -> str:
    """Says what a refit goes by, where another way to the same threshold was asked for: it is not kept."""
    told = f"{reference(profile)} has this threshold already: nothing is changed"
    asked = (way.keep_ratio or 0.0, way.pass_ratio or 0.0)
    if asked == (profile.keep_ratio, profile.pass_ratio):
        return told
    return f"{told}, and a refit goes by what it was set to before ({aim_text(profile)}) unless it is told"


async def _set(named: str, way: ThresholdWay) -> tuple[Profile, Profile]:
    """The version as it was, and the new one."""
    async with novelty_client() as novelty:
        await novelty.require_reachable()
        before = await novelty.get_profile(named)
        request = UpdateProfileRequest(profile=reference(before))
        for option, value in way.stated().items():
            setattr(request, _FIELDS[option], value)
        return before, await novelty.update_profile(request)
