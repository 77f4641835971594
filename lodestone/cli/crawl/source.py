"""Sources as a person types them or keeps them in a file, made to mean the same on the crawler's side."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from lodestone.cli.errors import WrongUsage
from lodestone.crawler.v1.crawl_source_pb2 import CrawlSource

_LOCAL_KINDS: Final = ("folder", "urls", "pushshift-dump", "webdataset")
_KIND = re.compile(r"([a-z][a-z0-9_-]*):")
_NUMBERS: Final = ("max_empty_polls", "priority")
_FLAGS: Final = ("allow_over_18", "deny_spoilers")
_LISTS: Final = (
    *("deny_authors", "licences", "deny_titles", "require_titles"),
    *("deny_flairs", "require_flairs"),
)
_FILE_MAX_BYTES: Final = 1_000_000
# The crawler's own range; beyond it, seconds may not even fit into the contract.
_POLL_MIN_S: Final = 1
_POLL_MAX_DAYS: Final = 30
_SHOWN_CHARACTERS: Final = 100


def absolute_source(source: str) -> str:
    """The source with local paths made absolute: the crawler may run in another folder.

    `folder:`, `urls:` and the other kinds that read files take a path; other kinds (`page:…`, `https://…`) and URLs
    stay as they are; anything else is a path. A path that begins with `~` is the user's home.

    Raises:
        WrongUsage: It is empty, has bytes that are no UTF-8, or names a home folder that is not there.
    """
    _require_text(source)
    if not source.strip():
        raise WrongUsage("a SOURCE is empty: name a folder, a file, a URL or a kind of source")
    kind = _KIND.match(source)
    if kind is None:
        return _absolute(source)
    name, rest = kind.group(1), source[kind.end() :]
    if name not in _LOCAL_KINDS or "://" in rest:
        return source
    return f"{name}:{_absolute(rest)}"


def chosen_sources(sources: Iterable[str], defaults: CrawlSource) -> list[CrawlSource]:
    """Sources of the command line; a `.toml` file stands for the sources that it describes.

    Args:
        sources: As they were typed.
        defaults: How sources are listed that say nothing else themselves.

    Raises:
        WrongUsage: A file cannot be read, something is said that is not understood, or a licence is none.
    """
    chosen = []
    for source in sources:
        if source.endswith(".toml"):
            chosen += _read_file(_expanded(source), defaults)
        else:
            chosen.append(_with(defaults, {"uri": source}, where=source))
    return chosen


def _read_file(path: Path, defaults: CrawlSource) -> list[CrawlSource]:
    try:
        if path.stat().st_size > _FILE_MAX_BYTES:
            raise WrongUsage(f"{path} is larger than {_FILE_MAX_BYTES:,} bytes")
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUsage(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise WrongUsage(f"{path} is no TOML file: it is nested too deeply") from error
    except ValueError as error:
        raise WrongUsage(f"{path} is no TOML file: {error}") from error
    entries = facts.pop("source", [])
    if facts or not isinstance(entries, list) or not entries:
        raise WrongUsage(f"{path} must consist of [[source]] tables, each with a uri")
    return [
        _with(defaults, entry, where=f"{path}, source {number}")
        for number, entry in enumerate(entries, start=1)
    ]


def _with(defaults: CrawlSource, facts: Any, *, where: str) -> CrawlSource:
    """A source: the defaults, and over them what it says itself."""
    facts = dict(facts) if isinstance(facts, dict) else {}
    source = CrawlSource()
    source.CopyFrom(defaults)
    uri = facts.pop("uri", None)
    if not isinstance(uri, str):
        raise WrongUsage(f"{where}: it has no uri")
    source.uri = absolute_source(uri)
    for name, value in facts.items():
        try:
            _set(source, name, value)
        except WrongUsage as error:
            raise WrongUsage(f"{where}: {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise WrongUsage(f"{where}: {name} cannot be {_shown(value)}") from error
    _require_licences(source.rules.licences, where)
    return source


def _require_licences(licences: Iterable[str], where: str) -> None:
    """Any word may be a licence, as sources state theirs in their own; what has none would turn every post away."""
    for licence in licences:
        if not any(character.isascii() and character.isalnum() for character in licence):
            raise WrongUsage(
                f"{where}: {_shown(licence)} is no licence: give `cc0`, `pd`, `cc-by`, `cc-by-sa-4.0` or another "
                "as the source states it"
            )


def _set(source: CrawlSource, name: str, value: Any) -> None:
    if name == "follow":
        source.follow = _typed(value, bool)
    elif name == "poll_s":
        source.poll_interval.CopyFrom(interval(float(_typed(value, int | float))))
    elif name in _NUMBERS:
        setattr(source, name, _typed(value, int))
    elif name in _FLAGS:
        setattr(source.rules, name, _typed(value, bool))
    elif name in _LISTS:
        entries = getattr(source.rules, name)
        del entries[:]
        entries.extend(_typed(entry, str) for entry in _typed(value, list))
    else:
        raise WrongUsage(f"there is no setting {name!r}")


def interval(seconds: float) -> Duration:
    """Seconds as the contract has them.

    Raises:
        WrongUsage: They are less than 1 s, over 30 days, or no number.
    """
    if not _POLL_MIN_S <= seconds <= _POLL_MAX_DAYS * 86_400:
        allowed = f"give {_POLL_MIN_S} s to {_POLL_MAX_DAYS} days"
        raise WrongUsage(f"a poll interval of {seconds:g} s: {allowed}")
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def _typed(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise TypeError(value)
    return value


def _shown(value: Any) -> str:
    """A value in an error; a long number has no decimal text."""
    try:
        text = repr(value)
    except ValueError:
        return "so large a number"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _require_text(source: str) -> None:
    """The contract has text only: a name of other bytes could not be sent as it is."""
    try:
        source.encode()
    except UnicodeEncodeError as error:
        shown = source.encode("utf-8", "backslashreplace").decode()
        cause = "its name has bytes that are no UTF-8; rename it, or name a folder above it"
        raise WrongUsage(f"{shown} cannot be crawled: {cause}") from error


def _absolute(path: str) -> str:
    return str(_expanded(path).absolute())


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        home = path.partition("/")[0]
        cause = f"this machine knows no home folder {home} (a folder of that name is ./{path})"
        raise WrongUsage(f"{path} cannot be found: {cause}") from error
