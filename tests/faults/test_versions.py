"""Processes of this version beside some of a newer one, whose messages have fields and values that it does not know."""

from __future__ import annotations

import functools
import inspect

import pytest

from tests.fakes.colour_services import (
    ColourEmbedder,
    ColourNovelty,
    ColourServices,
    PlainWatermark,
)
from tests.faults.places import off_loop

# Field 15,000, three bytes: no message has it.
UNKNOWN = bytes.fromhex("c2a90703") + b"new"
NEW_VALUE = 77


def newer(message):
    """The message as a newer version may write it; whoever reads it keeps what it does not know."""
    return type(message).FromString(message.SerializeToString() + UNKNOWN)


def newer_answers(method):
    """A method of a servicer whose answers are newer."""

    @functools.wraps(method)
    def stream(*arguments):
        for answer in method(*arguments):
            yield newer(answer)

    @functools.wraps(method)
    def call(*arguments):
        return newer(method(*arguments))

    return stream if inspect.isgeneratorfunction(method) else call


@pytest.fixture
def newer_models(monkeypatch):
    """Model services of a newer version: each answer has an unknown field, each score a verdict that is new."""
    for kind in (ColourEmbedder, ColourNovelty, PlainWatermark):
        for name, method in list(vars(kind).items()):
            if name[0].isupper():
                monkeypatch.setattr(kind, name, newer_answers(method))
    real = ColourNovelty._score

    def score(servicer, embedding):
        found = real(servicer, embedding)
        found.verdict = NEW_VALUE
        return newer(found)

    monkeypatch.setattr(ColourNovelty, "_score", score)
    with ColourServices() as models:
        yield models


async def test_newer_services_and_a_newer_client(newer_models, in_folder, expected):
    """Their crawl ends as any other: what is unknown is passed over."""
    in_folder.models = [newer_models] * 3
    in_folder.prepare = newer
    in_folder.start()
    crawl_id = await in_folder.crawl(in_folder.batch)
    assert await off_loop(in_folder.place.counts, crawl_id) == expected
    assert await off_loop(in_folder.place.problems) == []
